"""The rebuild: all state of an installation made anew from its recorded facts and ticks.

What was said stays said. The recorded ticks demand certain decisions, notifications and dead
letters; those that are there are counted and left alone, so that nobody is told twice. Where the
last tick was cut short by whatever ended the workers, the rest of it is written. Of state and
statements, whose last record counts, only what differs is written; then where every stage stands.

It may be ended at any moment and begun again: what it wrote is found to be there. In between no
worker goes on, for `progress` says so from the first transaction to the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import msgspec

from alerts.rules import RULES_VERSION
from schemas.ticks import REBUILD_STAGE, StageProgress
from schemas.topics import FACT_TOPICS
from streams.engine.control import PROGRESS, Control
from streams.engine.flow import LAST_STAGE
from streams.engine.layout import engine_partitions
from streams.engine.log import Log, LogError, Partition, TransactionalProducer
from streams.engine.recorded import read_committed
from streams.engine.writing import OutRecord, progress_key, progress_record, restated
from streams.letters import DEAD_LETTERS, is_mark
from streams.replay.alone import Alone
from streams.replay.demand import (
    ADDED_TOPICS,
    LATEST_TOPICS,
    ROW_TOPICS,
    STATE_TOPICS,
    Demand,
    Record,
    Sum,
    demand,
    fact_offsets,
)
from streams.replay.stamps import tick_of

RECORDS_PER_TRANSACTION = 5_000
BYTES_PER_TRANSACTION = 8 << 20
"""What one transaction carries, well within the time that one may last."""
READ_BETWEEN_TURNS = 20_000
"""Records that are read before the broker hears again that this member is alive."""
CONTROL_TIMEOUT_S = 60.0


class Unlike(msgspec.Struct, frozen=True):
    """A topic of what was said that holds something else than facts and ticks demand."""

    topic: str
    expected: int
    found: int


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rebuild found and wrote. Nothing was written unless `is_written`.

    `state_changed` are keys of state that were not as they must be, `statements_changed` those of
    statements such as `order-status`; `completed` are the records of the last tick that were
    missing, because it was cut short. `unlike` lists topics on which something was said otherwise
    than today's rules say, and `rules` the other versions of the rules that ticks name.
    """

    tick: int
    ticks: int
    state_keys: int
    state_changed: int = 0
    statements_changed: int = 0
    completed: int = 0
    unlike: tuple[Unlike, ...] = ()
    rules: tuple[str, ...] = ()
    is_written: bool = False


def rebuild(
    log: Log,
    group: str,
    *,
    accepts_unlike: bool = False,
    on_tick: Callable[[int], None] | None = None,
) -> Rebuilt:
    """Makes all state of the workers of `group` anew; `on_tick` is told how many ticks are done.

    Raises LogError while a worker is there, when topics, facts or ticks are gone, and when somebody
    joins the group meanwhile. With `accepts_unlike` it goes on although something was said that
    facts, ticks and today's rules do not demand, or was not said that they do: then what was said
    stays, and nothing is added to it.
    """
    engine_partitions(log)
    with Alone(log, group) as alone:

        def tell(done: int) -> None:
            alone.keep()
            if on_tick is not None:
                on_tick(done)

        wanted = demand(log, tell)
        work = _Rebuild(log, alone, wanted)
        found = work.compare()
        if found.unlike and not accepts_unlike:
            return found
        producer = log.transactional_producer(f"{group}-rebuild")
        try:
            work.write(producer)
        finally:
            producer.close()
        return msgspec.structs.replace(found, is_written=True)


class _Rebuild:
    """One rebuild: what is there beside what must be there, and the difference written."""

    def __init__(self, log: Log, alone: Alone, wanted: Demand) -> None:
        self._log = log
        self._alone = alone
        self._wanted = wanted
        self._is_cut_short = self._finished() < wanted.tick.n
        self._wrong: list[OutRecord] = []
        self._late: list[OutRecord] = []

    def compare(self) -> Rebuilt:
        """What is there of what must be; writes nothing."""
        wanted = self._wanted
        unlike = [each for topic in ADDED_TOPICS for each in self._added(topic)]
        if unlike:
            # What was said of the last tick is another story too: nothing is added to it.
            self._late.clear()
        self._wrong = [each for topic in LATEST_TOPICS for each in self._changes(topic)]
        changes = Counter(each.topic in STATE_TOPICS for each in self._wrong)
        states = (each for where, each in wanted.latest.items() if where.topic in STATE_TOPICS)
        return Rebuilt(
            tick=wanted.tick.n,
            ticks=wanted.ticks,
            state_keys=sum(map(len, states)),
            state_changed=changes[True],
            statements_changed=changes[False],
            completed=len(self._late),
            unlike=tuple(unlike),
            rules=tuple(sorted(wanted.rules - {RULES_VERSION})),
        )

    def _read(self, topic: str) -> Iterator[tuple[Partition, Record, int]]:
        """The records of the topic, each partition's in order, and the tick that wrote each; of
        state nothing tells."""
        is_told = topic not in STATE_TOPICS
        count = self._log.partition_counts([topic])[topic]
        wheres = [Partition(topic, number) for number in range(count)]
        for number, (where, record) in enumerate(read_committed(self._log, wheres)):
            if number % READ_BETWEEN_TURNS == 0:
                self._alone.keep()
            yield where, (record.key(), record.value()), tick_of(record) if is_told else 0

    def _added(self, topic: str) -> Iterator[Unlike]:
        """How the records of a topic of what was said differ; those of the last tick that are
        missing are put by."""
        wanted = self._wanted
        wheres = [where for where in wanted.before if where.topic == topic]
        before = {where: Sum() for where in wheres}
        at_last = {where: Counter[Record]() for where in wheres}
        for where, record, tick in self._read(topic):
            if topic == DEAD_LETTERS and is_mark(record[1]):
                continue
            if tick < wanted.tick.n:
                before[where].add(record)
            else:
                at_last[where][record] += 1
        is_unlike = False
        for where in wheres:
            due = wanted.at_last[where]
            missing = list(_less(due, at_last[where]))
            is_unlike |= (
                before[where] != wanted.before[where]
                or bool(at_last[where] - Counter(due))
                or (bool(missing) and not self._is_cut_short)
            )
            self._late += [OutRecord(topic, where.number, *record) for record in missing]
        if is_unlike:
            expected = sum(wanted.before[w].count + len(wanted.at_last[w]) for w in wheres)
            found = sum(before[w].count + at_last[w].total() for w in wheres)
            yield Unlike(topic, expected, found)

    def _finished(self) -> int:
        """The last tick that every stage has finished, as `progress` says; 0 where it is lost."""
        control = Control(self._log)
        control.open(CONTROL_TIMEOUT_S)
        try:
            stage, topic = LAST_STAGE
            count = self._log.partition_counts([topic])[topic]
            return control.done(stage, [Partition(topic, number) for number in range(count)])
        finally:
            control.close()

    def _changes(self, topic: str) -> Iterator[OutRecord]:
        """What to write so that the last record of each key is what it must be."""
        is_state = topic in STATE_TOPICS
        wheres = [where for where in self._wanted.latest if where.topic == topic]
        is_right: dict[Partition, dict[bytes, bool]] = {where: {} for where in wheres}
        for where, (key, value), _ in self._read(topic):
            due = None if key is None else self._wanted.latest[where].get(key)
            if key is None:
                continue
            if value is None and due is None:
                is_right[where].pop(key, None)
            else:
                is_right[where][key] = due == value
        for where in wheres:
            wanted, there = self._wanted.latest[where], is_right[where]
            for key in sorted(wanted.keys() | there.keys()):
                if there.get(key):
                    continue
                if is_state:
                    yield OutRecord(*where, key, wanted.get(key))
                else:
                    yield restated(*where, key, wanted.get(key), self._wanted.tick.n)

    def write(self, producer: TransactionalProducer) -> None:
        """Everything that `compare` found to be missing or wrong, then where each stage stands."""
        self._commit(producer, [self._mark()])
        for records in _parts([*self._wrong, *self._late]):
            self._commit(producer, records)
        self._commit(producer, list(self._standing()))

    def _commit(self, producer: TransactionalProducer, records: Iterable[OutRecord]) -> None:
        self._alone.keep()
        producer.begin()
        try:
            for each in records:
                producer.produce(each.topic, each.partition, each.key, each.value, each.headers)
            # Refused when a worker has joined the group meanwhile.
            producer.send_offsets(fact_offsets(self._wanted.progress), self._alone.metadata())
            producer.commit()
        except LogError as error:
            producer.abort()
            raise LogError(
                f"the rebuild was interrupted: {error.what}",
                "See that no worker runs, and run it again: it goes on where it was.",
            ) from error

    def _mark(self) -> OutRecord:
        tick = self._wanted.tick
        return progress_record(
            StageProgress(
                stage=REBUILD_STAGE, topic="", partition=0, tick=tick.n, at=tick.at, offset=0
            )
        )

    def _standing(self) -> Iterator[OutRecord]:
        """Rows that wait, and where each task stands: nobody else writes rows, so they will lie
        from the present end of their partition on."""
        rows = [where for where in self._wanted.rows if where.topic in ROW_TOPICS]
        ends = self._log.end_offsets(rows)
        for where, values in self._wanted.rows.items():
            yield from (OutRecord(*where, None, value) for value in values)
        for each in self._wanted.progress:
            where = Partition(each.topic, each.partition)
            offset = each.offset if where.topic in FACT_TOPICS else ends[where].high
            yield progress_record(msgspec.structs.replace(each, worker="", offset=offset))
        mark = progress_key(REBUILD_STAGE, "", 0).encode()
        yield OutRecord(PROGRESS.topic, PROGRESS.number, mark, None)


def _less(due: Iterable[Record], found: Counter[Record]) -> Iterator[Record]:
    """The records that are due and not there, in their order."""
    there = found.copy()
    for record in due:
        if there[record] > 0:
            there[record] -= 1
        else:
            yield record


def _parts(records: Iterable[OutRecord]) -> Iterator[list[OutRecord]]:
    """The records in shares that one transaction carries."""
    part: list[OutRecord] = []
    size = 0
    for each in records:
        part.append(each)
        size += len(each.key or b"") + len(each.value or b"")
        if len(part) >= RECORDS_PER_TRANSACTION or size >= BYTES_PER_TRANSACTION:
            yield part
            part, size = [], 0
    if part:
        yield part
