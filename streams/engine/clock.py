"""The one clock of the system, handed to the ticker; nothing else asks what time it is."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from typing import Protocol

from schemas.units import UtcMillis


class Clock(Protocol):
    """Tells the time T of the next tick."""

    is_wall: bool
    """Whether it is the real time, which must agree with the broker's."""

    def now(self) -> UtcMillis: ...


class WallClock:
    """The machine's time."""

    is_wall = True

    def now(self) -> UtcMillis:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class ScaledClock:
    """Simulated time: begins at a moment and runs `speed` times as fast as the machine's."""

    is_wall = False

    def __init__(self, begins_at: UtcMillis, speed: float) -> None:
        self._begins_at = begins_at
        self._speed = speed
        self._started = time.monotonic()

    def now(self) -> UtcMillis:
        """The simulated time."""
        return self._begins_at + int((time.monotonic() - self._started) * 1000 * self._speed)


class FileClock:
    """Simulated time that one process keeps in a small file, and any number of others read.

    Who keeps it decides how far time has come, so that it never runs ahead of what was told: a
    simulator sets it once the broker has all facts up to a moment. The moment lies in the file
    twice, written in turn, and is read until both agree: a reader never sees half of a change.
    """

    is_wall = False
    _MOMENT = struct.Struct("=q")

    def __init__(self, path: Path) -> None:
        """Raises ValueError for a file that is no clock, OSError for one that cannot be opened."""
        if path.stat().st_size != 2 * self._MOMENT.size:
            raise ValueError(f"{path} is no clock: it does not hold a moment, twice")
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @classmethod
    def create(cls, path: Path, at: UtcMillis) -> FileClock:
        """A clock in a new file, which stands at that moment."""
        path.write_bytes(2 * cls._MOMENT.pack(at))
        return cls(path)

    def now(self) -> UtcMillis:
        """The moment that was set last, by whichever process."""
        while True:
            (second,) = self._MOMENT.unpack_from(self._map, self._MOMENT.size)
            (first,) = self._MOMENT.unpack_from(self._map, 0)
            if first == second:
                return int(first)

    def set(self, at: UtcMillis) -> None:
        """Moves to a time, not before the present one. One process alone may do so."""
        if at < self.now():
            raise ValueError(f"time cannot go back from {self.now()} to {at}")
        self._MOMENT.pack_into(self._map, 0, at)
        self._MOMENT.pack_into(self._map, self._MOMENT.size, at)

    def close(self) -> None:
        """Lets go of the file; it cannot be read or set after that."""
        self._map.close()


class ManualClock:
    """A clock that stands still until it is set; for replay and tests."""

    is_wall = False

    def __init__(self, at: UtcMillis = 0) -> None:
        self._at = at

    def now(self) -> UtcMillis:
        """The time that was set last."""
        return self._at

    def set(self, at: UtcMillis) -> None:
        """Moves to a time, not before the present one."""
        if at < self._at:
            raise ValueError(f"time cannot go back from {self._at} to {at}")
        self._at = at
