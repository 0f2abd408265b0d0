"""Tasks: one stage on one partition, with its state and the part of the tick that has arrived.

A task does no I/O. It accepts records of its input, says when a tick can be evaluated, evaluates
it in key order in chunks of bounded size, and hands over the records to write. The engine writes
them in one transaction and then says `committed` or `aborted`; until then nothing in the task's
state has happened. Rows of a tick that is not done are read again after a crash: the offset that a
task reports is that of the first record not yet folded into its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from alerts.policy import Policy
from schemas.ticks import StageProgress
from schemas.units import UtcMillis, instant
from streams.engine.log import Entry, Partition, foreign_record
from streams.engine.parking import PARKED_TOPIC, Parking
from streams.engine.writing import OutRecord, Written, batches, for_readers, progress_record
from streams.stages.rows import Row, TickHeader, decode_batch
from streams.stages.stage import Outputs, Stage, TickContext
from streams.stages.store import UNREADABLE, StateDamaged, Store
from topology.network import Network


class Versions(Protocol):
    """The published versions that a worker holds."""

    def network(self, version: str) -> Network | None: ...
    def policy(self, version: str) -> Policy | None: ...


@dataclass(slots=True)
class _Arriving:
    """What has arrived of one tick."""

    first_offset: int
    rows: list[Row] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    header: TickHeader | None = None

    def end(self, header: TickHeader) -> None:
        """One upstream has ended the tick; it is complete only if all of them say so."""
        if self.header is None or self.header.complete:
            self.header = header


class KeyedTask:
    """A keyed stage on one partition of its input topic."""

    def __init__(
        self,
        stage: Stage,
        partition: int,
        partitions: int,
        upstreams: int | None,
        progress: StageProgress | None,
        begin_offset: int,
        worker: str,
    ) -> None:
        """`upstreams` is how many punctuations end a tick; None: as many as the tick has inputs."""
        self.stage = stage
        self.input = Partition(stage.input_topic, partition)
        self.store = Store(stage.state_version)
        self.parked = Parking(stage.name, partition)
        self._partitions = partitions
        self._upstreams = upstreams
        self._worker = worker
        self._arriving: dict[int, _Arriving] = {}
        self._keys: list[str] | None = None
        self._rows: dict[str, list[Row]] = {}
        self._done_keys = 0
        self._evaluated_to: str | None = None
        self._is_in_step = False
        self.stand_at(progress, begin_offset)

    def stand_at(self, progress: StageProgress | None, begin_offset: int) -> None:
        """From where the task goes on; at `begin_offset` if nobody was there before."""
        stage = self.stage
        self._progress = progress or StageProgress(
            stage=stage.name, topic=stage.input_topic, partition=self.input.number, tick=0,
            offset=begin_offset, state_version=stage.state_version, state_keys=0, state_sum=0,
        )  # fmt: skip
        self._next_progress = self._progress
        self._next_offset = self._progress.offset

    @property
    def name(self) -> str:
        """`stage/partition`, the upstream name of the task's rows."""
        return f"{self.stage.name}/{self.input.number}"

    @property
    def progress(self) -> StageProgress:
        """The last committed progress; its offset is where reading must begin after a crash."""
        return self._progress

    @property
    def next_progress(self) -> StageProgress:
        """The progress that the records of the last `run` carry."""
        return self._next_progress

    @property
    def buffered(self) -> int:
        """Rows in memory that are not folded into the state."""
        return sum(len(each.rows) for each in self._arriving.values())

    def changelogs(self) -> list[Partition]:
        """The changelog partitions that `restore` must be given in full."""
        topics = (*self.stage.changelogs(), PARKED_TOPIC)
        return [Partition(topic, self.input.number) for topic in topics]

    def restore(self, topic: str, key: bytes, value: bytes | None) -> None:
        """One record of a changelog partition, in its order."""
        text = key.decode()
        if topic == PARKED_TOPIC:
            self.parked.restore(text, value)
        else:
            self.store.restore(text, value)

    def follow(self, topic: str, key: bytes, value: bytes | None) -> None:
        """As `restore`, and what is derived from the state follows at once: the end of it, however
        much was read, costs nothing. Either all records of a task come so or none."""
        self._is_in_step = True
        text = key.decode()
        if topic == PARKED_TOPIC:
            self.parked.restore(text, value)
            return
        try:
            self.stage.committed({text: value}, self.store)
        except UNREADABLE as error:
            self.store.check(text, value)
            raise StateDamaged(f"the state of {text!r} cannot be read: {error}") from error
        self.store.restore(text, value)

    def pass_to(self, at: UtcMillis) -> None:
        """Time has come this far: what fell due before is sorted out now, not at a take-over."""
        self.store.due_keys(at)

    @property
    def is_in_step(self) -> bool:
        """Whether the state was followed, and not restored."""
        return self._is_in_step

    def forget(self) -> None:
        """The state is empty, to be restored from the beginning."""
        self.store = Store(self.stage.state_version)
        self.parked = Parking(self.stage.name, self.input.number)
        self._is_in_step = False

    def restored(self) -> None:
        """All changelogs were read, and hold what was written."""
        if not self._is_in_step:
            self.stage.restored(self.store)

    def accept(self, records: Iterable[Entry]) -> None:
        """Records of the input, in order. Rows of ticks that are done already are skipped."""
        for record in records:
            self._accept(record)

    def _accept(self, record: Entry) -> None:
        offset = record.offset()
        if offset < self._next_offset:
            return
        self._next_offset = offset + 1
        value = record.value()
        if value is None:
            return
        try:
            batch = decode_batch(value)
        except msgspec.MsgspecError as error:
            raise foreign_record(self.input, offset, error) from error
        if batch.tick <= self._progress.tick:
            return
        arriving = self._arriving.get(batch.tick)
        if arriving is None:
            arriving = self._arriving[batch.tick] = _Arriving(offset)
        arriving.rows.extend(batch.rows)
        if batch.header is not None:
            arriving.seen.add(batch.upstream)
            arriving.end(batch.header)

    def ready(self) -> TickHeader | None:
        """The header of the tick that can be evaluated now, if all of it has arrived."""
        if not self._arriving:
            return None
        arriving = self._arriving[min(self._arriving)]
        header = arriving.header
        if header is None:
            return None
        wanted = header.inputs if self._upstreams is None else self._upstreams
        return header if len(arriving.seen) >= wanted else None

    def missing(self) -> tuple[int, int] | None:
        """(tick, punctuations seen) of a tick that has begun to arrive, for `status`."""
        if not self._arriving:
            return None
        tick = min(self._arriving)
        return tick, len(self._arriving[tick].seen)

    def run(self, header: TickHeader, versions: Versions, keys_max: int) -> Written:
        """Evaluates up to `keys_max` more keys of the tick that is ready."""
        context = self._context(header, versions)
        if self._keys is None:
            self._plan(context)
        keys = self._keys or []
        chunk = keys[self._done_keys : self._done_keys + keys_max]
        out = self._evaluate(chunk, context)
        self._evaluated_to = chunk[-1] if chunk else self._evaluated_to
        finished = self._done_keys + len(chunk) >= len(keys)
        self._next_progress = self._advanced(
            header, finished, len(chunk), self._pending(out, header)
        )
        records = self._records(out, header, finished)
        return Written(records, finished, len(chunk))

    def committed(self, finished: bool, keys: int) -> None:
        """The transaction with the last `run`'s records is in the log."""
        self.stage.committed(self.store.pending(), self.store)
        self.store.commit()
        self.parked.commit()
        self._progress = self._next_progress
        if finished:
            del self._arriving[min(self._arriving)]
            self._forget_plan()
        else:
            self._done_keys += keys

    def aborted(self) -> None:
        """The transaction did not happen: the state is as before the last `run`."""
        changed = dict(self.store.pending())
        self.store.abort()
        self.parked.abort()
        self.stage.aborted(changed, self.store)
        self._next_progress = self._progress

    def _forget_plan(self) -> None:
        self._keys = None
        self._rows = {}
        self._done_keys = 0

    def _context(self, header: TickHeader, versions: Versions) -> TickContext:
        network, policy = versions.network(header.network), versions.policy(header.policy)
        if network is None or policy is None:
            raise LookupError(f"tick {header.n} names a version that this worker does not hold")
        was = self._progress
        before = (was.network, was.policy, was.rules)
        return TickContext(
            header,
            network,
            policy,
            self._partitions,
            self.input.number,
            renewed=before != (header.network, header.policy, header.rules),
            held_changed=was.held != header.held,
        )

    def _plan(self, context: TickContext) -> None:
        """Which keys to evaluate: those with rows, those due, and those the stage asks for."""
        rows: dict[str, list[Row]] = {}
        for row in self._arriving[context.n].rows:
            rows.setdefault(row.key, []).append(row)
        wanted = set(rows)
        if context.renewed:
            wanted.update(self.parked.sorted_keys())
        if context.header.complete:
            wanted.update(self.store.due_keys(context.at))
        wanted.update(self.stage.also(rows, self.store, context))
        keys = sorted(wanted)
        if self._progress.within == context.n and self._progress.after is not None:
            after = self._progress.after
            keys = [key for key in keys if key > after]
        self._keys, self._rows, self._done_keys = keys, rows, 0

    def _turns(self, key: str) -> list[list[Row]]:
        """The rows to evaluate the key with, turn by turn: first those parked there, then this
        tick's, sorted and without duplicates; one empty turn when there are none."""
        told = self._rows.get(key)
        turns = self.parked.turns(key) if len(self.parked) else []
        if told:
            turns.append(told if len(told) == 1 else sorted(set(told)))
        return turns or [[]]

    def _evaluate(self, keys: Sequence[str], context: TickContext) -> Outputs:
        """Evaluates the keys; if one raises, again with care, and that one is parked."""
        out = Outputs(self._partitions)
        evaluate, store = self.stage.evaluate, self.store
        try:
            for key in keys:
                for rows in self._turns(key):
                    evaluate(key, rows, store, context, out)
        except Exception:  # the one boundary: a fault of ours stops a key, never the line
            self.aborted()
            return self._evaluate_with_care(keys, context)
        if len(self.parked):
            for key in keys:
                self.parked.unpark(key, out)
        return out

    def _evaluate_with_care(self, keys: Sequence[str], context: TickContext) -> Outputs:
        out = Outputs(self._partitions)
        for key in keys:
            turns = self._turns(key)
            mine = Outputs(self._partitions)
            self.store.savepoint()
            try:
                for rows in turns:
                    self.stage.evaluate(key, rows, self.store, context, mine)
            except Exception as error:  # as above
                self.store.rollback()
                self.parked.park(key, turns, error, context, out)
                continue
            out.take(mine)
            self.parked.unpark(key, out)
        return out

    def _pending(self, out: Outputs, header: TickHeader) -> int:
        """Rows of this tick so far that wait for the next one."""
        before = self._progress.pending if self._progress.within == header.n else 0
        later = [len(rows) for (_, tick, _), rows in out.rows.items() if tick > header.n]
        return before + sum(later)

    def _advanced(
        self, header: TickHeader, finished: bool, keys: int, pending: int
    ) -> StageProgress:
        content = self.store.content()
        if not finished:
            return msgspec.structs.replace(
                self._progress,
                state_keys=content.keys,
                state_sum=content.total,
                within=header.n,
                after=self._evaluated_to,
                worker=self._worker,
                pending=pending,
            )
        later = [each.first_offset for n, each in self._arriving.items() if n > header.n]
        return msgspec.structs.replace(
            self._progress,
            tick=header.n,
            at=instant(header.at),
            offset=min(later, default=self._next_offset),
            within=None,
            after=None,
            worker=self._worker,
            network=header.network,
            policy=header.policy,
            rules=header.rules,
            held=header.held,
            pending=pending,
            state_keys=content.keys,
            state_sum=content.total,
            counts={"keys": self._done_keys + keys, "state": content.keys},
        )

    def _records(self, out: Outputs, header: TickHeader, finished: bool) -> list[OutRecord]:
        """Everything to write, in a fixed order: state, records for readers, rows, progress."""
        number = self.input.number
        records = [
            OutRecord(self.stage.changelog_of(key), number, key.encode(), value)
            for key, value in self.store.pending().items()
        ]
        records += [
            OutRecord(PARKED_TOPIC, number, key, value) for key, value in self.parked.changes()
        ]
        records += for_readers(out, header.n)
        if self._next_progress.pending:
            # What is still on its way to its line may be news: nothing is concluded from its
            # absence before the next tick, which the ticker then writes at once.
            header = msgspec.structs.replace(header, complete=False)
        records += batches(
            out, self.name, header, self.stage.output_topic if finished else None, self._partitions
        )
        records.append(progress_record(self._next_progress))
        return records
