"""What intake does with facts that name their schema by an id of a registry: it waits to know it.

Answers of the registry become records of topic `schemas`, and count for every worker once they are
read back from there; `schemas.registered` says from which tick on. Intake begins no part of a tick
whose facts name an id that nothing is known of: with a registry that is away time stands still,
visibly, and no fact is lost or refused for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from schemas.records import encode
from schemas.refusals import Reason
from schemas.registered import KnownSchemas, RegisteredSchema
from schemas.ticks import Tick
from streams.engine.control import SCHEMAS, Control, read_schema
from streams.engine.intake_task import IntakeTask
from streams.engine.log import Log, TransactionAborted, TransactionalProducer
from streams.engine.observation import WorkerObserver
from streams.ranges import read_whole


class SchemaSource(Protocol):
    """Who knows what ids stand for. No call blocks; all come from the engine's thread."""

    def ask(self, ids: Collection[int]) -> None:
        """Asks for these until they are answered; a repetition changes nothing."""
        ...

    def ask_again(self, ids: Collection[int]) -> None:
        """Asks, not often, whether ids that were refused are known by now."""
        ...

    def answers(self) -> Sequence[RegisteredSchema]:
        """What has come in since the last call."""
        ...

    @property
    def trouble(self) -> str:
        """Why answers do not come; empty while all is well."""
        ...


class NoRegistry:
    """The source of an installation without a registry: every id is refused at once."""

    def __init__(self) -> None:
        self._refused: list[RegisteredSchema] = []

    def ask(self, ids: Collection[int]) -> None:
        """Refuses them."""
        self._refused += (
            RegisteredSchema(
                id=each,
                reason=Reason.UNKNOWN_SCHEMA_ID,
                error=f"the schema id is {each}, and no schema registry is configured "
                "(registry.url)",
            )
            for each in ids
        )

    def ask_again(self, ids: Collection[int]) -> None:
        """Nobody could answer otherwise."""

    def answers(self) -> Sequence[RegisteredSchema]:
        """The refusals."""
        refused, self._refused = self._refused, []
        return refused

    @property
    def trouble(self) -> str:
        """Never any."""
        return ""


class Lookups:
    """Which intake tasks may go on, and the answers that still have to be written."""

    def __init__(self, source: SchemaSource, control: Control) -> None:
        self._source = source
        self._control = control
        self._answers: dict[int, RegisteredSchema] = {}
        self._written: set[int] = set()
        self._level_with = 0
        self._is_told = False
        self.awaited: dict[int, str] = {}
        """Ids that facts of the tick name and nothing is known of, and a task that has such."""

    def ready(self, tasks: Iterable[IntakeTask], tick: Tick) -> list[IntakeTask]:
        """Those of which every fact before the cut can be decoded or refused."""
        known = self._control.schemas
        known.stand_at(tick.schemas)
        if self._level_with < tick.n:
            if not self._control.knows_schemas(tick):
                return []
            self._level_with = tick.n
        going: list[IntakeTask] = []
        awaited: dict[int, str] = {}
        for task in tasks:
            named = task.named_schemas(tick)
            unknown = [each for each in named if not known.is_settled(each)]
            if unknown:
                awaited.update(dict.fromkeys(unknown, task.name))
                continue
            if named:
                # An older release's tick waits for nothing; of what it does not know, the facts
                # behind its cut may still be waited for.
                task.schemas_known([each for each in named if known.knows(each)])
                self._source.ask_again([each for each in named if known.is_refused(each)])
            going.append(task)
        self.awaited = awaited
        # What was written and not read back yet is not asked for a second time.
        self._written.intersection_update(awaited)
        if asked := awaited.keys() - self._written - self._answers.keys():
            self._source.ask(asked)
        return going

    def step(self, producer: TransactionalProducer, observer: WorkerObserver) -> None:
        """Writes what was answered, and says when answers do not come."""
        if (trouble := self._new_trouble()) is not None:
            observer.trouble(trouble)
        try:
            self._write(producer)
        except TransactionAborted as error:
            # The next step tries again.
            observer.aborted(error.what)

    def _write(self, producer: TransactionalProducer) -> None:
        known = self._control.schemas
        self._answers.update((each.id, each) for each in self._source.answers())
        new = [
            each
            for each in self._answers.values()
            if not known.knows(each.id) or (each.schema is not None and known.is_refused(each.id))
        ]
        if new:
            producer.begin()
            try:
                for each in new:
                    key = str(each.id).encode()
                    producer.produce(SCHEMAS.topic, SCHEMAS.number, key, encode(each))
                producer.commit()
            except TransactionAborted:
                producer.abort()
                raise
        self._written.update(self._answers)
        self._answers.clear()

    @property
    def trouble(self) -> str:
        """What the source complains of while something waits for it."""
        return self._source.trouble if self.awaited else ""

    def _new_trouble(self) -> str | None:
        """The trouble, when it was not told yet; once for as long as it lasts."""
        trouble = self.trouble
        is_new = bool(trouble) and not self._is_told
        self._is_told = bool(trouble)
        return trouble if is_new else None

    @property
    def waits_for(self) -> str:
        """What intake waits for here, in words; empty when it does not."""
        awaited = self.awaited
        if not awaited:
            return ""
        first = min(awaited)
        more = f" and {len(awaited) - 1} more" if len(awaited) > 1 else ""
        return f"{awaited[first]} has facts whose schema id {first}{more} is not known yet"


def read_schemas(log: Log) -> KnownSchemas:
    """All that is known by now, for who reads recorded facts outside a tick. Raises LogError."""
    known = KnownSchemas()
    end = 0
    if log.partition_counts([SCHEMAS.topic])[SCHEMAS.topic]:
        for record in read_whole(log, SCHEMAS):
            end = record.offset() + 1
            value = record.value()
            if value is not None:
                known.take(record.offset(), read_schema(record, value))
    known.stand_at(end)
    return known
