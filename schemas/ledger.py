"""The public state of a line's ledger: topic `lines`, one record a line.

A record is a MessagePack array `[version, due, tick, facts, cells, closed_at, left_at,
unsettled_at, shares, conflicts, aside, priced, units]`. Readers take the elements they know and
ignore those after; the version only rises when an old reader would misread the record.
"""

from __future__ import annotations

import msgspec

from schemas.shares import Conflict, Share
from schemas.units import UtcMillis

LINE_STATE_VERSION = 1


class Aside(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A partner's fact, packed, that does not count as long as the line is not known to be its own;
    `since` is the time of the tick from which it waits for that."""

    body: bytes
    since: UtcMillis


class LineFacts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All facts kept of one line, packed as `schemas.codec.pack` packs them, in canonical order.

    `due` is when the ledger itself must look at the line again (to let it leave), `tick` the tick
    that wrote the record, `cells` the cells that were last told (the first judges the line).
    `closed_at` is the time of the tick that found nothing more expected; `left_at` that of the tick
    that dropped the facts and left this small tombstone, which refuses later facts as too late.
    `unsettled_at` is the time of the tick that found nothing more expected but its money. `shares`
    and `conflicts` are what numbers that stand for the line last said of it, ascending. `aside`
    are facts of partners whose line this is not, as far as is known; they are no part of `facts`.
    `priced` is the price list that knows its price, and a digest of what it was told; both empty
    without one.
    `units` says by which sizes of units the quantities were last added up, where several were told.
    """

    v: int
    due: UtcMillis | None
    tick: int
    facts: tuple[bytes, ...] = ()
    cells: tuple[str, ...] = ()
    closed_at: UtcMillis | None = None
    left_at: UtcMillis | None = None
    unsettled_at: UtcMillis | None = None
    shares: tuple[Share, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    aside: tuple[Aside, ...] = ()
    priced: tuple[str, bytes] = ("", b"")
    units: str = ""


_decoder = msgspec.msgpack.Decoder(LineFacts)
_encoder = msgspec.msgpack.Encoder()


def decode_line(value: bytes) -> LineFacts:
    """The ledger's record; raises msgspec.DecodeError for anything else."""
    try:
        return _decoder.decode(value)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def encode_line(state: LineFacts) -> bytes:
    """The record as the ledger writes it."""
    return _encoder.encode(state)
