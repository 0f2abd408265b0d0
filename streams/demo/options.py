"""What a demo can be asked for, and what it is made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schemas.units import DAY_MS, HOUR_MS, UtcMillis, millis

SECONDS_DEFAULT = 60.0
SEED_DEFAULT = 42
SPEED_DEFAULT = 57_600.0
"""Simulated seconds a second: one day in 1.5 seconds."""

TICK_MS = 250
"""Time between ticks of the worker: four simulated hours at the default speed."""

HISTORY_MS: UtcMillis = 21 * DAY_MS
"""How long the chain had been running when Slipwatch is switched on: orders are on their way."""

LAST_ROUND_MS: UtcMillis = 30 * HOUR_MS
"""Within so long every source speaks, the nightly one with its grace."""

CHAIN_BEGAN_AT: UtcMillis = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
"""The same in each run, so that a seed gives the same facts; its calendars know two years."""

STEP_SECONDS_MAX = 0.2
"""Time moves at most so far at once: a machine that is busy elsewhere slows simulated time down."""


@dataclass(frozen=True)
class DemoOptions:
    """One run. `speed` is simulated seconds a second."""

    seconds: float = SECONDS_DEFAULT
    seed: int = SEED_DEFAULT
    speed: float = SPEED_DEFAULT

    @property
    def began_at(self) -> UtcMillis:
        """When Slipwatch is switched on."""
        return CHAIN_BEGAN_AT + HISTORY_MS

    @property
    def tolerance_ms(self) -> int:
        """How much later than it could be told something may be told: two ticks and an hour."""
        return int(2 * TICK_MS * self.speed) + HOUR_MS
