"""A recorded log in memory: the facts, ticks, versions and schemas of a live installation, at their
own offsets, so that the local engine can take the very same ticks over the very same cuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS
from streams.engine.control import NETWORKS, POLICIES, SCHEMAS, read_tick
from streams.engine.log import Entry, Log, Partition
from streams.engine.memory_log import MemoryLog

READ_S = 0.2


def read_committed(log: Log, partitions: Sequence[Partition]) -> Iterator[tuple[Partition, Entry]]:
    """Every committed record of the partitions up to their ends as they are now.

    Waits for transactions that are open; yields (partition, record).
    """
    ends = log.end_offsets(partitions)
    reader = log.reader()
    try:
        reader.assign(log.begin_offsets(partitions))
        while any(reader.positions().get(p, 0) < end.high for p, end in ends.items()):
            for where, records in reader.read(20_000, READ_S).items():
                high = ends[where].high
                yield from ((where, record) for record in records if record.offset() < high)
    finally:
        reader.close()


def copy_of(log: Log) -> tuple[MemoryLog, list[Tick]]:
    """A log in memory with the facts and versions of `log`, and its ticks in order.

    Every record keeps its offset; what was aborted or compacted leaves a gap, as it does for
    whoever reads the original. The engine's partition count is kept.
    """
    counts = log.partition_counts([*FACT_TOPICS, "lines"])
    memory = MemoryLog(counts["lines"], 1)
    for topic in FACT_TOPICS:
        memory.create(topic, counts[topic])
    facts = [Partition(topic, n) for topic in FACT_TOPICS for n in range(counts[topic])]
    versions = [NETWORKS, POLICIES, SCHEMAS]
    for where, record in read_committed(log, [*facts, *versions]):
        memory.append_at(where, record)
    # A tick may cut behind the last record that can be read: behind a marker, or an aborted one.
    for where, end in log.end_offsets([*facts, SCHEMAS]).items():
        memory.pad(where, end.high)
    ticks = [
        read_tick(record, value)
        for _, record in read_committed(log, [Partition("ticks", 0)])
        if (value := record.value()) is not None
    ]
    return memory, sorted(ticks, key=lambda tick: tick.n)
