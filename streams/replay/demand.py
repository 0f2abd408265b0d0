"""What recorded facts and ticks demand of every topic that the engine writes, as of the last tick.

The local engine takes the recorded ticks over the recorded facts and forgets each tick's input once
it is done. What is kept: the state and the last statement of each key, as all workers together hold
them; of records that are only ever added, the last tick's, and of those before a sum.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

from schemas.records import decode
from schemas.ticks import WORKER_STAGE, StageProgress, Tick
from schemas.topics import FACT_TOPICS, TOPICS, Retention, Spread, Topic
from schemas.units import millis
from streams.engine.control import PROGRESS
from streams.engine.flow import STAGES
from streams.engine.local import LocalEngine
from streams.engine.log import Entry, Log, LogError, Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.recorded import bare_copy_of, check_whole, played
from streams.stages import intake

_WRITERS = {intake.NAME, "engine", *(stage.name for stage in STAGES)}


def _written(retention: Retention) -> tuple[str, ...]:
    """The topics, split as the engine's state is, that stages write and that forget in this way."""

    def is_meant(topic: Topic) -> bool:
        is_ours = topic.spread is Spread.ENGINE and not _WRITERS.isdisjoint(topic.writers)
        return is_ours and topic.retention is retention

    return tuple(topic.name for topic in TOPICS if is_meant(topic))


LATEST_TOPICS = _written(Retention.COMPACTED)
"""State and statements: the last record of a key is what counts."""
ADDED_TOPICS = _written(Retention.KEPT)
"""Decisions, notifications, dead letters: what was said stays said, and nothing is said twice."""
ROW_TOPICS = _written(Retention.PASSING)
STATE_TOPICS = tuple(
    dict.fromkeys((*(t for stage in STAGES for t in stage().changelogs()), "parked-state"))
)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SUM_MASK = (1 << 128) - 1

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


@dataclass(slots=True)
class Sum:
    """How many records there are, and a sum over them in no order."""

    count: int = 0
    total: int = 0

    def add(self, record: Record) -> None:
        """One more."""
        key, value = record
        said = (key or b"", value or b"")
        digest = blake2b(len(said[0]).to_bytes(4) + said[0] + said[1], digest_size=16).digest()
        self.count += 1
        self.total = (self.total + int.from_bytes(digest)) & _SUM_MASK


@dataclass(slots=True)
class Demand:
    """What must lie on the topics once `tick` is done everywhere; `ticks` led there."""

    tick: Tick
    ticks: int
    rules: frozenset[str]
    latest: Mapping[Partition, Mapping[bytes, bytes]]
    before: Mapping[Partition, Sum]
    at_last: Mapping[Partition, list[Record]]
    rows: Mapping[Partition, list[bytes]]
    progress: tuple[StageProgress, ...]


@dataclass(slots=True)
class _Gathered:
    """What the engine has written so far."""

    latest: dict[Partition, dict[bytes, bytes]] = field(default_factory=dict)
    before: dict[Partition, Sum] = field(default_factory=dict)
    at_last: dict[Partition, list[Record]] = field(default_factory=dict)

    def begin_tick(self) -> None:
        """What was of the last tick is of one before it."""
        for where, records in self.at_last.items():
            for record in records:
                self.before[where].add(record)
            records.clear()

    def take(self, where: Partition, record: Entry) -> None:
        """One record of the tick that is being done."""
        key, value = record.key(), record.value()
        if where in self.at_last:
            self.at_last[where].append((key, value))
        elif key is not None and value is None:
            self.latest[where].pop(key, None)
        elif key is not None and value is not None:
            self.latest[where][key] = value


def demand(log: Log, on_tick: Callable[[int], None] | None = None) -> Demand:
    """What the facts and ticks of the log demand; `on_tick` is told how many are done.

    Raises LogError when facts or ticks from the beginning are gone, or there are no ticks. Ticks at
    which nothing is new and nothing due are passed over, but for the last.
    """
    check_whole(log, "A rebuild")
    memory = bare_copy_of(log)
    engine = LocalEngine(log=memory)
    try:
        return _played(log, memory, engine, on_tick or (lambda _: None))
    finally:
        engine.close()


def _played(
    log: Log, memory: MemoryLog, engine: LocalEngine, on_tick: Callable[[int], None]
) -> Demand:
    partitions = {t: n for t, n in memory.partition_counts([t.name for t in TOPICS]).items() if n}
    gathered = _Gathered()
    for topic in LATEST_TOPICS:
        gathered.latest |= {w: {} for w in _of(topic, partitions)}
    for topic in ADDED_TOPICS:
        gathered.before |= {w: Sum() for w in _of(topic, partitions)}
        gathered.at_last |= {w: [] for w in _of(topic, partitions)}
    drain = _Drain(memory, [*gathered.latest, *gathered.before], partitions)
    rules: set[str] = set()
    done, last, followed = 0, None, None
    for tick in played(log, memory):
        rules.add(tick.rules)
        done, last = done + 1, tick
        if followed is None or not _is_idle(engine, tick, followed):
            _follow(engine, tick, gathered, drain)
            followed = tick
        on_tick(done)
    if last is None:
        raise LogError(
            "ticks holds no tick",
            "Without ticks nothing was decided, and there is nothing to rebuild: start a worker.",
        )
    if followed is not last:
        _follow(engine, last, gathered, drain)
    progress = _progress(memory)
    return Demand(
        last, done, frozenset(rules), gathered.latest, gathered.before, gathered.at_last,
        {w: _waiting(memory, w, progress) for t in ROW_TOPICS for w in _of(t, partitions)},
        progress,
    )  # fmt: skip


def _of(topic: str, partitions: Mapping[str, int]) -> list[Partition]:
    return [Partition(topic, number) for number in range(partitions[topic])]


def _follow(engine: LocalEngine, tick: Tick, gathered: _Gathered, drain: _Drain) -> None:
    gathered.begin_tick()
    engine.follow(tick)
    for where, record in drain.new():
        gathered.take(where, record)


def _is_idle(engine: LocalEngine, tick: Tick, before: Tick) -> bool:
    """Whether the tick, after the one before, gives no key anything to be evaluated for."""
    if _cutting(tick) != _cutting(before) or engine.worker.control.pending(before.n):
        return False
    return not engine.worker.tasks.is_due(millis(tick.at))


def _cutting(tick: Tick) -> Tick:
    """What a tick says but for when it is and who wrote it."""
    return msgspec.structs.replace(tick, n=0, at=_EPOCH, high={}, complete=True, ticker="")


class _Drain:
    """Hands on what is new in a log, and lets the log forget what was done a tick ago."""

    def __init__(
        self, memory: MemoryLog, read: Iterable[Partition], partitions: Mapping[str, int]
    ) -> None:
        self._memory = memory
        self._positions = dict.fromkeys(read, 0)
        forgotten = {*partitions} - {"networks", "policies", "schemas"}
        self._all = [where for topic in sorted(forgotten) for where in _of(topic, partitions)]
        self._ends: dict[Partition, int] = {}

    def new(self) -> Iterable[tuple[Partition, Entry]]:
        """The records since the last call, each partition's in order."""
        for where in self._positions:
            for record in self._memory.fetch({where: self._positions[where]}, 1 << 40):
                yield where, record
        ends = {w: end.high for w, end in self._memory.end_offsets(self._all).items()}
        self._positions = {where: ends[where] for where in self._positions}
        # A tick's input is read whole before it is done, and what it left for the next one lies
        # behind the end of the tick before.
        for where, end in self._ends.items():
            self._memory.forget(where, end)
        self._ends = ends


def _progress(memory: MemoryLog) -> tuple[StageProgress, ...]:
    """Where each task stands, as it said last."""
    latest: dict[bytes | None, StageProgress] = {}
    for record in memory.committed(PROGRESS):
        if (value := record.value()) is not None:
            latest[record.key()] = decode(value, StageProgress)
    return tuple(each for each in latest.values() if each.stage != WORKER_STAGE)


def _waiting(memory: MemoryLog, where: Partition, progress: Iterable[StageProgress]) -> list[bytes]:
    """Rows that no tick has taken yet."""
    start = next((p.offset for p in progress if (p.topic, p.partition) == where), 0)
    records = memory.committed(where)
    return [v for r in records if r.offset() >= start and (v := r.value()) is not None]


def fact_offsets(progress: Iterable[StageProgress]) -> dict[Partition, int]:
    """Up to where each partition of facts is part of the state."""
    return {
        Partition(each.topic, each.partition): each.offset
        for each in progress
        if each.topic in FACT_TOPICS
    }
