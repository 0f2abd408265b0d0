"""A fuse: bytes in a file that a worker process and a test both have in memory.

The test arms it with a moment; the worker asks it at every moment and dies there, by its own
signal, when the moment has come for the n-th time. What it wrote last stays in the file, so a test
knows where its victim died. One side arms, the other burns; a torn read costs one pass, no more.
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
from pathlib import Path

from streams.engine.moments import Moment

FUSE_VARIABLE = "STORM_FUSE"
KEYS_VARIABLE = "STORM_KEYS_PER_CHUNK"
FACTS_VARIABLE = "STORM_FACTS_PER_CHUNK"
"""Environment variables of a worker process in a storm (`victim`)."""

MOMENTS = tuple(Moment)
_FIELD = struct.Struct("=q")
_ARMED, _LEFT, _SIGNAL, _BURNT, _PASSES = 0, 1, 2, 3, 4


class Fuse:
    """The fuse in a file, which is made if it is not there."""

    def __init__(self, path: Path) -> None:
        fields = _PASSES + len(MOMENTS)
        if not path.exists():
            path.write_bytes(bytes(fields * _FIELD.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def _get(self, field: int) -> int:
        (value,) = _FIELD.unpack_from(self._map, field * _FIELD.size)
        return int(value)

    def _set(self, field: int, value: int) -> None:
        _FIELD.pack_into(self._map, field * _FIELD.size, value)

    def arm(self, moment: Moment, passes: int = 1, number: int = signal.SIGKILL) -> None:
        """The process sends itself this signal when it comes by for the `passes`-th time."""
        self._set(_BURNT, 0)
        self._set(_LEFT, passes)
        self._set(_SIGNAL, number)
        self._set(_ARMED, 1 + MOMENTS.index(moment))

    def disarm(self) -> None:
        """Nothing happens at any moment."""
        self._set(_ARMED, 0)

    def clear(self) -> None:
        """Nothing happens, and nothing has: for the next process with this fuse."""
        self.disarm()
        self._set(_BURNT, 0)

    @property
    def burnt(self) -> Moment | None:
        """Where the process got its signal, since the fuse was last armed."""
        index = self._get(_BURNT)
        return MOMENTS[index - 1] if index else None

    def passes(self, moment: Moment) -> int:
        """How often processes with this fuse have come by."""
        return self._get(_PASSES + MOMENTS.index(moment))

    def burn(self, moment: Moment) -> None:
        """The process's side: comes by, and perhaps no further."""
        index = MOMENTS.index(moment)
        self._set(_PASSES + index, self._get(_PASSES + index) + 1)
        if self._get(_ARMED) != index + 1:
            return
        left = self._get(_LEFT) - 1
        self._set(_LEFT, left)
        if left == 0:
            self._set(_ARMED, 0)
            self._set(_BURNT, index + 1)
            os.kill(os.getpid(), self._get(_SIGNAL))

    def close(self) -> None:
        """Lets go of the file."""
        self._map.close()
