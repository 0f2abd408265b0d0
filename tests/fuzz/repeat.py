"""One input through one door again: `python -m tests.fuzz.repeat DOOR FILE`.

It needs nothing but the tests' own environment, and ends with the traceback of what went wrong.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.fuzz.door import Door, go_through
from tests.fuzz.doors import door_named

SHRINK_SECONDS_MAX = 30.0


def broken_by(door: Door, data: bytes) -> str | None:
    """What the input does to the door, in one word; None when the door keeps its promises."""
    try:
        go_through(door, data)
    except Exception as error:  # noqa: BLE001 - whatever it lets through is the find
        return f"{type(error).__name__}: {str(error)[:30]}"
    return None


def shrunk(door: Door, data: bytes) -> bytes:
    """A shorter input that does the same: pieces are left out, from halves down to single bytes,
    for as long as that changes nothing or time is up."""
    wanted = broken_by(door, data)
    if wanted is None:
        return data
    until = time.monotonic() + SHRINK_SECONDS_MAX
    size = len(data) // 2
    while size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            shorter = data[:at] + data[at + size :]
            if broken_by(door, shorter) == wanted:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def main(arguments: list[str]) -> int:
    """Says what became of the input; raises what the door raises."""
    name, file = arguments
    print(go_through(door_named(name), Path(file).read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
