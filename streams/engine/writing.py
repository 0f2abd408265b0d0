"""What tasks want written: output records, rows for the next stage, progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from schemas.records import encode
from schemas.ticks import TICK_HEADER, StageProgress
from streams.engine.log import Headers
from streams.stages.partners import PARTNER_STATUS
from streams.stages.rows import TickHeader, encode_batches
from streams.stages.stage import Outputs


class OutRecord(msgspec.Struct, frozen=True, gc=False):
    """One record to write."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None


def for_readers(out: Outputs, tick: int) -> Iterator[OutRecord]:
    """The records for readers. A tombstone has no place for its tick but a header, nor has what a
    partner is told."""
    stamp = _stamp(tick)
    for topic, partition, key, value in out.records:
        yield OutRecord(topic, partition, key, value, stamp if _is_bare(topic, value) else None)


def restated(topic: str, partition: int, key: bytes, value: bytes | None, tick: int) -> OutRecord:
    """A statement for readers made again, as of a tick; None takes it back."""
    headers = _stamp(tick) if _is_bare(topic, value) else None
    return OutRecord(topic, partition, key, value, headers)


def _is_bare(topic: str, value: bytes | None) -> bool:
    return value is None or topic == PARTNER_STATUS


def _stamp(tick: int) -> Headers:
    return [(TICK_HEADER, str(tick).encode())]


@dataclass(slots=True)
class Written:
    """What a chunk wants written; `finished` when the task's part of the tick is done."""

    records: list[OutRecord]
    finished: bool
    keys: int = 0


def progress_key(stage: str, topic: str, partition: int) -> str:
    """The key of a task's record in `progress`."""
    return f"{stage}/{topic}/{partition}"


def batches(
    out: Outputs, upstream: str, header: TickHeader, ends: str | None, partitions: int
) -> Iterable[OutRecord]:
    """The rows as batches; `ends` names the topic of which every partition gets a punctuation."""
    if ends is not None:
        for number in range(partitions):
            out.rows.setdefault((ends, header.n, number), [])
    for (topic, tick, number), rows in sorted(out.rows.items()):
        last = header if topic == ends and tick == header.n else None
        for value in encode_batches(tick, upstream, rows, last):
            yield OutRecord(topic, number, None, value)


def progress_record(progress: StageProgress) -> OutRecord:
    """The progress as its record; `progress` has one partition."""
    key = progress_key(progress.stage, progress.topic, progress.partition)
    return OutRecord("progress", 0, key.encode(), encode(progress))
