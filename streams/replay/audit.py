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
from streams.engine.local import LocalEngine
from streams.engine.log import Log, LogError, Partition
from streams.engine.recorded import copy_of, read_committed

AUDITED_TOPICS = (
    "order-status",
    "feeds",
    "alerts",
    "decisions",
    "notifications",
    "unlinked",
    "dead-letters",
    "parked",
)
"""What the engine writes for readers; progress tells of workers and chunks and is left out."""

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
    """Compares everything on the output topics with what the recorded ticks demand.

    `on_tick` is told (ticks done, of how many). All facts are held in memory. Raises LogError when
    facts or ticks from the beginning are gone: nothing can then be said.
    """
    _check_whole(log)
    memory, ticks = copy_of(log)
    engine = LocalEngine(log=memory)
    for done, tick in enumerate(ticks, start=1):
        engine.follow(tick)
        if on_tick is not None:
            on_tick(done, len(ticks))
    expected = _comparable(
        Written(topic, each.partition, each.key, each.value)
        for topic in AUDITED_TOPICS
        for each in engine.outputs(topic)
    )
    engine.close()
    found = _comparable(written(log, AUDITED_TOPICS))
    differing = sorted(
        (each for each in expected.keys() | found.keys() if expected[each] != found[each]),
        key=lambda each: (each.topic, each.partition, each.key or b"", each.value or b""),
    )
    return Audit(
        ticks=len(ticks),
        records=found.total(),
        difference_count=len(differing),
        differences=tuple(
            Difference(
                each.topic, (each.key or b"").decode(errors="replace"), expected[each], found[each]
            )
            for each in differing[:LISTED_MAX]
        ),
    )


def written(log: Log, topics: Iterable[str]) -> Iterable[Written]:
    """Every committed record of the topics, of each partition in order."""
    for topic in topics:
        count = log.partition_counts([topic])[topic]
        partitions = [Partition(topic, number) for number in range(count)]
        for where, record in read_committed(log, partitions):
            yield Written(topic, where.number, record.key(), record.value())


def _comparable(records: Iterable[Written]) -> Counter[Written]:
    """How often each record was written; of a compacted topic only the last record of a key, as
    the others may be gone."""
    counted: Counter[Written] = Counter()
    last: dict[tuple[str, bytes | None], Written] = {}
    for each in records:
        if TOPIC_BY_NAME[each.topic].retention is Retention.COMPACTED:
            last[each.topic, each.key] = each
        else:
            counted[each] += 1
    counted.update(each for each in last.values() if each.value is not None)
    return counted


def _check_whole(log: Log) -> None:
    counts = log.partition_counts(["ticks", "orders", "shipments", "heartbeats"])
    partitions = [Partition(topic, n) for topic, count in counts.items() for n in range(count)]
    for where, begin in log.begin_offsets(partitions).items():
        if begin:
            raise LogError(
                f"{where.topic}/{where.number} begins at offset {begin}: what came before is gone",
                "An audit needs all facts and ticks; it can say nothing of this log.",
            )
