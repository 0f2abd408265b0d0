"""A recorded log in memory: the facts, ticks, versions and schemas of a live installation, at their
own offsets, so that the local engine can take the very same ticks over the very same cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS
from streams.engine.control import NETWORKS, POLICIES, SCHEMAS, TICKS, read_tick
from streams.engine.log import Entry, Log, LogError, Partition
from streams.engine.memory_log import MemoryLog

READ_S = 0.2
TICKS_AT_ONCE = 2_000
FACTS_AT_ONCE = 100_000
"""Ticks, and facts before their cuts, that `played` holds in memory; one tick may have more."""


def check_whole(log: Log, who: str) -> None:
    """Raises LogError when facts or ticks from the beginning are gone: `who` needs all of them."""
    partitions = [*_fact_partitions(log.partition_counts(FACT_TOPICS)), TICKS]
    for where, begin in log.begin_offsets(partitions).items():
        if begin:
            raise LogError(
                f"{where.topic}/{where.number} begins at offset {begin}: what came before is gone",
                f"{who} needs all facts and ticks from the first on; none can be made of this log.",
            )


def _fact_partitions(counts: Mapping[str, int]) -> list[Partition]:
    return [Partition(topic, n) for topic in FACT_TOPICS for n in range(counts[topic])]


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


def bare_copy_of(log: Log) -> MemoryLog:
    """A log in memory with the versions, schemas and partition counts of `log`, without its
    facts."""
    counts = log.partition_counts([*FACT_TOPICS, "lines"])
    memory = MemoryLog(counts["lines"], 1)
    for topic in FACT_TOPICS:
        memory.create(topic, counts[topic])
    for where, record in read_committed(log, [NETWORKS, POLICIES, SCHEMAS]):
        memory.append_at(where, record)
    memory.pad(SCHEMAS, log.end_offsets([SCHEMAS])[SCHEMAS].high)
    return memory


def copy_of(log: Log) -> tuple[MemoryLog, list[Tick]]:
    """A log in memory with the facts and versions of `log`, and its ticks in order.

    Every record keeps its offset; what was aborted or compacted leaves a gap, as it does for
    whoever reads the original. The engine's partition count is kept.
    """
    memory = bare_copy_of(log)
    facts = _fact_partitions(log.partition_counts(FACT_TOPICS))
    for where, record in read_committed(log, facts):
        memory.append_at(where, record)
    # A tick may cut behind the last record that can be read: behind a marker, or an aborted one.
    for where, end in log.end_offsets(facts).items():
        memory.pad(where, end.high)
    return memory, sorted(_ticks(log), key=lambda tick: tick.n)


def _ticks(log: Log) -> Iterator[Tick]:
    for _, record in read_committed(log, [TICKS]):
        if (value := record.value()) is not None:
            yield read_tick(record, value)


def played(log: Log, memory: MemoryLog) -> Iterator[Tick]:
    """The recorded ticks in order. When one is yielded, `memory` has all facts before its cut, at
    their own offsets, and none behind it; what is before the cut of the tick before may be
    forgotten there. Holds a bounded part of the log."""
    window: list[Tick] = []
    begun: dict[Partition, int] = dict.fromkeys(
        _fact_partitions(log.partition_counts(FACT_TOPICS)), 0
    )
    for tick in _ticks(log):
        window.append(tick)
        held = sum(_cut(tick, where) - start for where, start in begun.items())
        if len(window) >= TICKS_AT_ONCE or held >= FACTS_AT_ONCE:
            yield from _window(log, memory, window, begun)
            window.clear()
    yield from _window(log, memory, window, begun)


def _cut(tick: Tick, where: Partition) -> int:
    """Where the tick cuts the partition; 0 for one that was not there yet."""
    cuts = tick.cut.get(where.topic, [])
    return cuts[where.number] if where.number < len(cuts) else 0


def _window(
    log: Log, memory: MemoryLog, ticks: Sequence[Tick], begun: dict[Partition, int]
) -> Iterator[Tick]:
    if not ticks:
        return
    ends = {where: _cut(ticks[-1], where) for where in begun}
    facts = _between(log, {where: (begun[where], end) for where, end in ends.items()})
    done = dict.fromkeys(facts, 0)
    for tick in ticks:
        for where, records in facts.items():
            end = _cut(tick, where)
            while done[where] < len(records) and records[done[where]].offset() < end:
                memory.append_at(where, records[done[where]])
                done[where] += 1
            memory.pad(where, end)
        yield tick
    begun.update(ends)


def _between(log: Log, spans: Mapping[Partition, tuple[int, int]]) -> dict[Partition, list[Entry]]:
    """The committed records of each span of offsets, in order."""
    found: dict[Partition, list[Entry]] = {where: [] for where in spans}
    wanted = {where: span for where, span in spans.items() if span[0] < span[1]}
    if not wanted:
        return found
    reader = log.reader()
    try:
        reader.assign({where: start for where, (start, _) in wanted.items()})
        while any(reader.positions().get(w, 0) < end for w, (_, end) in wanted.items()):
            for where, records in reader.read(20_000, READ_S).items():
                end = wanted[where][1]
                found[where] += [record for record in records if record.offset() < end]
    finally:
        reader.close()
    return found
