"""Reads a range of a partition from the log: committed records, in order, to a known end."""

from __future__ import annotations

import time
from collections.abc import Iterator

from streams.engine.log import Entry, Log, Partition, Unavailable

READ_RECORDS_MAX = 1_000
READ_PAUSE_SECONDS = 0.1
SILENCE_SECONDS_MAX = 60.0


def read_range(log: Log, partition: Partition, start: int, end: int) -> Iterator[Entry]:
    """The committed records from `start` up to and without `end`.

    Raises LogError when the log falls silent before the end, or no longer has the start. Blocks.
    """
    if start >= end:
        return
    reader = log.reader()
    try:
        reader.assign({partition: start})
        heard_at = time.monotonic()
        while reader.positions().get(partition, start) < end:
            records = reader.read(READ_RECORDS_MAX, READ_PAUSE_SECONDS).get(partition, ())
            for record in records:
                if record.offset() >= end:
                    return
                yield record
            if records:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > SILENCE_SECONDS_MAX:
                raise Unavailable(
                    f"{partition.topic}/{partition.number} could not be read up to offset {end}"
                )
    finally:
        reader.close()


def read_whole(log: Log, partition: Partition) -> Iterator[Entry]:
    """The committed records that the partition holds now."""
    start = log.begin_offsets([partition])[partition]
    yield from read_range(log, partition, start, log.end_offsets([partition])[partition].stable)
