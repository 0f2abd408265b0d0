"""The audit: what a live installation wrote, against what its recorded facts and ticks demand.

The recorded facts go through the local engine, cut by the recorded ticks, and what that writes is
compared with what lies on the output topics, record by record and byte by byte. It is how the
engine's guarantees are tested, and how an operator can check them on their own log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from schemas.topics import TOPIC_BY_NAME, Retention
from streams.engine.control import Control
from streams.engine.flow import LAST_STAGE
from streams.engine.local import LocalEngine
from streams.engine.log import Log, Partition
from streams.engine.recorded import check_whole, copy_of, read_committed
from streams.letters import DEAD_LETTERS, is_mark
from streams.replay.stamps import tick_of

AUDITED_TOPICS = (
    "order-status",
    "partner-status",
    "stock-status",
    "feeds",
    "alerts",
    "decisions",
    "notifications",
    "unlinked",
    "dead-letters",
    "parked",
)
"""What the engine writes for readers; progress tells of workers and chunks and is left out."""

CONTROL_TIMEOUT_S = 60.0
LISTED_MAX = 20
"""Differences that are listed; the others are counted."""


class Written(NamedTuple):
    """One record: where it lies and what it says."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class Difference(msgspec.Struct, frozen=True):
    """A record that lies on a topic more or less often than it should."""

    topic: str
    key: str
    expected: int
    found: int


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared. Nothing differs when `difference_count` is 0."""

    ticks: int
    records: int
    difference_count: int
    differences: tuple[Difference, ...]


def audit(log: Log, on_tick: Callable[[int, int], None] | None = None) -> Audit:
    """Compares what is on the output topics with what the recorded ticks demand.

    Workers may go on meanwhile, or have stopped within a tick: ticks that were not finished
    everywhere when this began are left out, with all that they wrote. `on_tick` is told (ticks
    done, of how many). All facts are held in memory. Raises LogError when facts or ticks from the
    beginning are gone: nothing can then be said.
    """
    check_whole(log, "An audit")
    finished = _finished(log)
    memory, recorded = copy_of(log)
    ticks = [tick for tick in recorded if tick.n <= finished]
    engine = LocalEngine(log=memory)
    for done, tick in enumerate(ticks, start=1):
        engine.follow(tick)
        if on_tick is not None:
            on_tick(done, len(ticks))
    expected = _Told()
    for topic in AUDITED_TOPICS:
        for each in engine.outputs(topic):
            expected.take(Written(topic, each.partition, each.key, each.value))
    engine.close()
    found = _Told()
    for tick_n, record in written(log, AUDITED_TOPICS):
        if tick_n <= finished:
            found.take(record)
        else:
            found.overtaken.add((record.topic, record.key))
    differing = sorted(
        _differing(expected, found),
        key=lambda each: (each.topic, each.partition, each.key or b"", each.value or b""),
    )
    return Audit(
        ticks=len(ticks),
        records=found.records.total(),
        difference_count=len(differing),
        differences=tuple(
            Difference(
                each.topic,
                (each.key or b"").decode(errors="replace"),
                expected.records[each],
                found.records[each],
            )
            for each in differing[:LISTED_MAX]
        ),
    )


def written(log: Log, topics: Iterable[str]) -> Iterable[tuple[int, Written]]:
    """Every committed record of the topics and the tick that wrote it, of each partition in order,
    but for the marks of dead letters that were sent again, which people write."""
    for topic in topics:
        count = log.partition_counts([topic])[topic]
        partitions = [Partition(topic, number) for number in range(count)]
        for where, record in read_committed(log, partitions):
            value = record.value()
            if topic != DEAD_LETTERS or not is_mark(value):
                yield tick_of(record), Written(topic, where.number, record.key(), value)


def _finished(log: Log) -> int:
    """The last tick that every stage has finished; its outputs are all there."""
    control = Control(log)
    control.open(CONTROL_TIMEOUT_S)
    try:
        stage, topic = LAST_STAGE
        count = log.partition_counts([topic])[topic]
        return control.done(stage, [Partition(topic, number) for number in range(count)])
    finally:
        control.close()


class _Told:
    """What was said: how often each record, and of compacted topics the last of each key."""

    def __init__(self) -> None:
        self.records: Counter[Written] = Counter()
        self.last: dict[tuple[str, bytes | None], Written] = {}
        self.overtaken: set[tuple[str, bytes | None]] = set()
        """Keys of which a tick that is not compared has written: compaction may have left that."""

    def take(self, record: Written) -> None:
        """The next record of its partition."""
        self.records[record] += 1
        if TOPIC_BY_NAME[record.topic].retention is Retention.COMPACTED:
            self.last[record.topic, record.key] = record


def _differing(expected: _Told, found: _Told) -> Iterable[Written]:
    """Records that are there too often or not often enough.

    Of a compacted topic only the last record of a key must be there; the others may be gone, but
    what is left of them must have been said, and no more often.
    """
    for each in expected.records.keys() | found.records.keys():
        if TOPIC_BY_NAME[each.topic].retention is not Retention.COMPACTED:
            if expected.records[each] != found.records[each]:
                yield each
        elif found.records[each] > expected.records[each]:
            yield each
    for key in (expected.last.keys() | found.last.keys()) - found.overtaken:
        due, there = expected.last.get(key), found.last.get(key)
        # A tombstone may be gone as well.
        if due != there and due is not None and not (there is None and due.value is None):
            yield due
