"""Which tick wrote a record for readers."""

from __future__ import annotations

import msgspec

from schemas.ticks import TICK_HEADER
from streams.engine.log import Entry


class _Stamp(msgspec.Struct):
    """What the JSON of such a record holds, where no header does: the tick that wrote it."""

    tick: int


_read_stamp = msgspec.json.Decoder(_Stamp).decode


def tick_of(record: Entry) -> int:
    """The tick that wrote it; 0 where nothing tells, as of what others wrote."""
    value = record.value()
    stamp = dict(record.headers() or ()).get(TICK_HEADER)
    try:
        if value is not None and stamp is None:
            return _read_stamp(value).tick
        return int(stamp or 0)
    except (msgspec.MsgspecError, ValueError):
        return 0
