"""What a demo can be asked for, and what it is made of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schemas.units import DAY_MS, UtcMillis, millis

SECONDS_DEFAULT = 60.0
SEED_DEFAULT = 17
"""All kinds of fault happen in its first twelve days of moving time, a congested port among them; a
slow machine shows as many."""
SPEED_DEFAULT = 57_600.0
"""Simulated seconds a second: one day in 1.5 seconds."""

TICK_MS = 150
"""Time between ticks of the worker at least: two and a half simulated hours at the default speed.
A busy machine takes longer."""

HISTORY_MS: UtcMillis = 21 * DAY_MS
"""How long the chain had been running when Slipwatch is switched on: orders are on their way."""

CHAIN_BEGAN_AT: UtcMillis = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
"""The same in each run, so that a seed gives the same facts; its calendars know two years."""


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
