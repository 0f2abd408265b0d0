"""Ways to get the engine wrong, each as the smallest change that does it; for the test that the
simulation notices every one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from schemas.ticks import StageProgress, Tick
from streams.engine import intake_task, memory_broker, ticker, writing
from streams.engine import task as tasks_of_stages
from streams.engine.control import Control
from streams.engine.flow import LAST_STAGE
from streams.engine.intake_task import IntakeTask
from streams.engine.log import EndOffsets, Partition
from streams.engine.memory_parts import MemoryRecord
from streams.engine.restore import Restoration
from streams.engine.task import KeyedTask
from streams.engine.tasks import Tasks
from streams.engine.ticker import Ticker
from streams.engine.worker import Worker
from streams.engine.writing import OutRecord, Written
from streams.stages import cells
from streams.stages.cells import Cells
from streams.stages.incidents import Incidents
from streams.stages.rows import Row, RowKind, TickHeader, decode_batch
from streams.stages.store import Store
from tests.simulation.schedules_faults import Patches


class Mutation(NamedTuple):
    """What is wrong with the engine, its parts replaced, and a seed that noticed it."""

    name: str
    patches: tuple[tuple[object, str, object], ...]
    seed: int = 0

    def made(self) -> Patches:
        """To be applied to the engine."""
        return Patches(self.patches)


class _Through:
    """A producer that passes everything on; mutations change one thing of it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _CommitsFirst(_Through):
    """Commits progress and offsets, and writes what follows from them in a second transaction."""

    def begin(self) -> None:
        self.later: list[Any] = []
        self.inner.begin()

    def produce(self, topic: str, *rest: Any) -> None:
        if topic == "progress":
            self.inner.produce(topic, *rest)
        else:
            self.later.append((topic, *rest))

    def commit(self) -> None:
        self.inner.commit()
        if self.later:
            self.inner.begin()
            for record in self.later:
                self.inner.produce(*record)
            self.inner.commit()


class _NoMetadata(_Through):
    """Sends offsets as one who is no member of the group: nobody is fenced by them."""

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        self.inner._moment("produced")
        self.inner.offsets = (dict(offsets), metadata)
        self.inner._moment("offsets sent")


class _NoOffsets(_Through):
    """Sends no offsets."""

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        self.inner._moment("produced")


def _transact_through(wrap: Callable[[Any], Any]) -> tuple[object, str, object]:
    original = Worker._transact

    def transact(self: Worker, *arguments: Any) -> None:
        producer = self._producer
        self._producer = wrap(producer)
        try:
            original(self, *arguments)
        finally:
            self._producer = producer

    return (Worker, "_transact", transact)


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _keep_a_key(self: Store) -> None:
    kept = dict(list(self._pending.items())[-1:])
    self._pending.clear()
    self._pending.update(kept)


def _fold_at_once() -> tuple[object, str, object]:
    run = KeyedTask.run

    def folded(self: KeyedTask, *arguments: Any) -> Written:
        written = run(self, *arguments)
        self.stage.committed(self.store.pending(), self.store)
        self.store.commit()
        return written

    return (KeyedTask, "run", folded)


def _before_its_cut(self: IntakeTask, tick: Tick, facts_min: int) -> bool:
    end = self.cut(tick)
    if end is None or self._progress.tick >= tick.n:
        return False
    self._position = max(self._position, end)
    return True


def _lose_on_abort(self: IntakeTask) -> None:
    del self._raws[: self._taken]
    self._taken = 0
    self._next_progress = self._progress


def _heard_too_early() -> tuple[object, str, object]:
    judged = Cells._feed

    def heard(
        self: Cells, key: str, rows: Sequence[Row], store: Store, tick: Any, out: Any
    ) -> None:
        for row in rows:
            self._feeds[key[1:]] = cells._decode_feed_row(row.body).feed
        judged(self, key, rows, store, tick, out)

    return (Cells, "_feed", heard)


def _one_punctuation_less(self: KeyedTask) -> TickHeader | None:
    if not self._arriving:
        return None
    arriving = self._arriving[min(self._arriving)]
    header = arriving.header
    if header is None:
        return None
    wanted = header.inputs if self._upstreams is None else self._upstreams
    return header if len(arriving.seen) >= max(1, wanted - 1) else None


def _without_a_punctuation() -> tuple[tuple[object, str, object], ...]:
    batches = writing.batches

    def fewer(
        out: Any, upstream: str, header: TickHeader, ends: str | None, partitions: int
    ) -> list[OutRecord]:
        made = list(batches(out, upstream, header, ends, partitions))
        if ends is None or partitions == 1:
            return made
        return [
            each
            for each in made
            if not (
                each.topic == ends
                and each.partition == partitions - 1
                and decode_batch(each.value or b"").header is not None
            )
        ]

    return ((tasks_of_stages, "batches", fewer), (intake_task, "batches", fewer))


def _rows_of_done_ticks(self: KeyedTask, record: Any) -> None:
    offset = record.offset()
    if offset < self._next_offset:
        return
    self._next_offset = offset + 1
    batch = decode_batch(record.value())
    arriving = self._arriving.get(batch.tick)
    if arriving is None:
        arriving = self._arriving[batch.tick] = tasks_of_stages._Arriving(offset)
    arriving.rows.extend(batch.rows)
    if batch.header is not None:
        arriving.seen.add(batch.upstream)
        arriving.end(batch.header)


class _ToTheStableEnd:
    """A log whose partitions seem to end where open transactions begin."""

    def __init__(self, log: Any) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        ends = self._log.end_offsets(partitions)
        return {p: EndOffsets(end.stable, end.stable) for p, end in ends.items()}


def _past_open_transactions() -> tuple[tuple[object, str, object], ...]:
    make, sync = Restoration.__init__, Control.sync

    def made(self: Restoration, log: Any, tasks: Any) -> None:
        make(self, _ToTheStableEnd(log), tasks)

    def synced(self: Control, timeout_s: float) -> None:
        log, self._log = self._log, _ToTheStableEnd(self._log)
        try:
            sync(self, timeout_s)
        finally:
            self._log = log

    return ((Restoration, "__init__", made), (Control, "sync", synced))


def _forget_timers(self: Store, key: str, value: bytes | None) -> None:
    if value is None:
        self._committed.pop(key, None)
    else:
        self._committed[key] = value


def _planning(change: Callable[[KeyedTask, Any], Any]) -> tuple[object, str, object]:
    plan = KeyedTask._plan

    def planned(self: KeyedTask, context: Any) -> None:
        progress = self._progress
        context = change(self, context)
        plan(self, context)
        self._progress = progress

    return (KeyedTask, "_plan", planned)


def _as_if_complete(task: KeyedTask, context: Any) -> Any:
    header = msgspec.structs.replace(context.header, complete=True)
    return dataclasses.replace(context, header=header)


def _from_the_first_key(task: KeyedTask, context: Any) -> Any:
    task._progress = msgspec.structs.replace(task._progress, after=None)
    return context


def _advancing(change: Callable[[KeyedTask, StageProgress], StageProgress]) -> Any:
    advanced = KeyedTask._advanced

    def changed(self: KeyedTask, *arguments: Any) -> StageProgress:
        return change(self, advanced(self, *arguments))

    return (KeyedTask, "_advanced", changed)


def _consumed(task: KeyedTask, progress: StageProgress) -> StageProgress:
    if progress.within is not None:
        return progress
    return msgspec.structs.replace(progress, offset=task._next_offset)


def _lagging(task: KeyedTask, progress: StageProgress) -> StageProgress:
    """Reads once more, after a restart, what the last tick brought. Harmless by itself, as rows of
    done ticks are skipped."""
    return msgspec.structs.replace(progress, offset=task._progress.offset)


def _consumed_within(task: KeyedTask, progress: StageProgress) -> StageProgress:
    if progress.within is None:
        return progress
    return msgspec.structs.replace(progress, offset=task._next_offset)


def _findings_stay() -> tuple[object, str, object]:
    line = Cells._line

    def forgotten(
        self: Cells, key: str, rows: Sequence[Row], store: Store, tick: Any, out: Any
    ) -> None:
        if rows and all(row.kind == RowKind.FORGET for row in rows):
            store.delete(key)
        else:
            line(self, key, rows, store, tick, out)

    return (Cells, "_line", forgotten)


def _own_id(self: Worker) -> Ticker:
    name, topic = LAST_STAGE
    last = [Partition(topic, number) for number in range(self._partitions)]
    own = f"{self._settings.name}-ticker"
    settings = self._settings.ticker
    return Ticker(self._log, self.control, self._clock, settings, own, (name, last))


def _as_read(self: Ticker) -> Tick | None:
    return self._control.tick


def _lasting_keys() -> tuple[object, str, object]:
    records = KeyedTask._records

    def kept(self: KeyedTask, *arguments: Any) -> list[OutRecord]:
        return [
            each
            for each in records(self, *arguments)
            if each.value is not None or not each.topic.endswith("-state")
        ]

    return (KeyedTask, "_records", kept)


def _is_there(entry: MemoryRecord | None) -> bool:
    return entry is not None


def _assigned_at_once() -> tuple[object, str, object]:
    assigned = Worker.assigned

    def taken(self: Worker, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        sync = self.control.sync
        self.control.sync = _nothing  # type: ignore[method-assign]
        try:
            return assigned(self, partitions)
        finally:
            self.control.sync = sync  # type: ignore[method-assign]

    return (Worker, "assigned", taken)


def _whole_chunks(self: Worker, tick: Tick | None) -> list[IntakeTask]:
    ready = [] if tick is None else list(self.tasks.intake.values())
    assert self._consumer is not None
    positions = self._consumer.positions([each.input for each in ready])
    for each in ready:
        each.reached(positions.get(each.input, 0))
    assert tick is not None or not ready
    return [each for each in ready if tick and each.ready(tick, self._settings.facts_per_chunk)]


HARMLESS = Mutation("read rows of done ticks again, and skip them", (_advancing(_lagging),))

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("commit before produce", (_transact_through(_CommitsFirst),)),
    Mutation("skip the group metadata", (_transact_through(_NoMetadata),), seed=17),
    Mutation("send no offsets", (_transact_through(_NoOffsets),)),
    Mutation("forget to drop a key on abort", ((Store, "abort", _keep_a_key),)),
    Mutation("fold state before its commit", (_fold_at_once(),)),
    Mutation("do not tell tasks of an abort", ((KeyedTask, "aborted", _nothing),)),
    Mutation("lose facts on abort", ((IntakeTask, "aborted", _lose_on_abort),), seed=23),
    Mutation("keep what sources said on abort", ((Cells, "aborted", _nothing),)),
    Mutation(
        "take a tick before its cut is read", ((IntakeTask, "ready", _before_its_cut),), seed=2
    ),
    Mutation("wait for one punctuation less", ((KeyedTask, "ready", _one_punctuation_less),)),
    Mutation("forget a punctuation", _without_a_punctuation()),
    Mutation(
        "take rows of done ticks again",
        ((KeyedTask, "_accept", _rows_of_done_ticks), _advancing(_lagging)),
    ),
    Mutation("begin a tick again from its first key", (_planning(_from_the_first_key),), seed=12),
    Mutation("count consumed rows as folded", (_advancing(_consumed),), seed=59),
    Mutation("count rows as folded within a tick", (_advancing(_consumed_within),), seed=8),
    Mutation("fire timers in incomplete ticks", (_planning(_as_if_complete),), seed=41),
    Mutation("conclude while rows are on their way", ((KeyedTask, "_pending", lambda *_: 0),)),
    Mutation("restore past an open transaction", _past_open_transactions()),
    Mutation("take over before progress is read", (_assigned_at_once(),), seed=1),
    Mutation("forget timers on restore", ((Store, "restore", _forget_timers),)),
    Mutation("do not index sources on restore", ((Cells, "restored", _nothing),)),
    Mutation("do not index findings on restore", ((Incidents, "restored", _nothing),)),
    Mutation("write no tombstones to changelogs", (_lasting_keys(),)),
    Mutation("keep tasks that were revoked", ((Tasks, "drop", _nothing),), seed=2),
    Mutation("keep findings of a forgotten line", (_findings_stay(),), seed=11),
    Mutation("do not fence the old ticker", ((Worker, "make_ticker", _own_id),), seed=27),
    Mutation("take over the ticks unread", ((ticker, "last_tick", _nothing),), seed=2),
    Mutation("tick beside a tick in flight", ((Ticker, "flight", _nothing),)),
    Mutation("read aborted records", ((memory_broker, "is_readable", _is_there),)),
    Mutation("tick on what was read of the ticks", ((Ticker, "_newest", _as_read),), seed=1),
    Mutation("hear a source whose judging failed", (_heard_too_early(),), seed=4),
    Mutation(
        "wait for more than may be read", ((Worker, "_ready_intake", _whole_chunks),), seed=21
    ),
)
