"""The one clock of the system, handed to the ticker; nothing else asks what time it is."""

from __future__ import annotations

import time
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
