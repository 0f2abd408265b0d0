"""Rows between stages, and the batches that carry them through internal topics.

A batch belongs to one tick and comes from one upstream partition; the last batch of an upstream is
its punctuation and carries the tick's header. Rows travel many to a record because a record costs
as much as fifty rows.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from schemas.limits import RECORD_BYTES_MAX
from schemas.ticks import Tick
from schemas.units import UtcMillis, millis


class RowKind(enum.IntEnum):
    """What a row says; kinds of different stages share one numbering."""

    FACT = 1
    LINK = 2
    HEARD = 3
    """Of the release before: the source of the key spoke."""
    WORTH = 4
    SHARE = 5
    CONFLICT = 6
    COUNTED = 7
    """How many records of the source of the key were taken in and refused (`sources.Counted`)."""
    LINE = 10
    FORGET = 11
    FEED = 12
    SUPPLY = 13
    NODE = 16
    TOUCH = 17
    PRICED = 18
    UNPRICED = 19
    ASSERT = 20
    WITHDRAW = 21
    ALERT = 30
    PARKED = 90


class Row(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One row for `key` of the downstream stage; `body` is MessagePack.

    A struct, since each fact makes two or three: it takes a fifth of the time of a named tuple.
    """

    key: str
    kind: int
    body: bytes


class TickHeader(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What every stage must know of a tick; `inputs` counts the partitions of facts it cuts."""

    n: int
    at: UtcMillis
    complete: bool
    inputs: int
    held: tuple[str, ...] = ()
    network: str = ""
    policy: str = ""
    rules: str = ""

    @staticmethod
    def of(tick: Tick) -> TickHeader:
        """The header of a tick's record."""
        return TickHeader(
            tick.n,
            millis(tick.at),
            tick.complete,
            sum(len(offsets) for offsets in tick.cut.values()),
            tuple(sorted({held.topic for held in tick.held})),
            tick.network,
            tick.policy,
            tick.rules,
        )


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """Rows of one tick from one upstream partition; with `header` it is the upstream's last."""

    tick: int
    upstream: str
    rows: list[Row]
    header: TickHeader | None = None


ROWS_PER_BATCH = 400
"""Measured: larger batches no longer lower the cost per row, and 400 rows stay under 300 KB."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Batch)


def encode_batches(
    tick: int, upstream: str, rows: Sequence[Row], header: TickHeader | None
) -> Iterator[bytes]:
    """The rows as batches, in order; with `header`, the last one is the punctuation."""
    end = len(rows)
    if header is None and not end:
        return
    start = 0
    while end - start > ROWS_PER_BATCH:
        stop = start + ROWS_PER_BATCH
        yield from _fitting(tick, upstream, rows[start:stop], None)
        start = stop
    yield from _fitting(tick, upstream, rows[start:], header)


def _fitting(
    tick: int, upstream: str, rows: Sequence[Row], header: TickHeader | None
) -> Iterator[bytes]:
    """The rows in one record, or in several where one would be larger than a broker takes."""
    value = _encoder.encode((tick, upstream, rows, header))
    if len(value) <= RECORD_BYTES_MAX or len(rows) == 1:
        yield value
        return
    half = len(rows) // 2
    yield from _fitting(tick, upstream, rows[:half], None)
    yield from _fitting(tick, upstream, rows[half:], header)


def decode_batch(value: bytes) -> Batch:
    """The batch; raises msgspec.DecodeError for what this engine did not write."""
    try:
        return _decoder.decode(value)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def partition_of(key: str, count: int) -> int:
    """The partition of a key: the same in every process, release and language (CRC-32)."""
    return zlib.crc32(key.encode()) % count
