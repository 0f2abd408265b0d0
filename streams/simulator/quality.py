"""What the sites tell of their stock beside its movements: blocked for a while, and booked wrongly.

Both are small and of the level of a node alone, and take back what they did, so that they change
nothing of what else is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from schemas.facts import InventoryFact
from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, QUANTITY_ONE, Day, UtcMillis
from streams.simulator.faults import Noise
from streams.simulator.feeds import Source
from streams.simulator.levels import Level
from streams.simulator.stock import Told
from topology.calendars import later_moment
from topology.network import Network

BLOCKED_PERCENT, BOOKED_PERCENT = 6, 4
"""On so many of a hundred days some of a node is blocked, and is booked wrongly in the evening."""

SHARE = 50
"""So many times as much is what a node is filled up at."""

INSPECTED_MINUTES, BOOKED_MINUTES = 10 * 60, 20 * 60
"""When stock is inspected, and when the day's paper is booked; local time. It is counted early."""


@dataclass
class Inspector:
    """Tells it day by day, in the order of time; steps of any size tell the same."""

    network: Network
    levels: Mapping[tuple[str, str], Level]
    sources: Mapping[str, Source]
    noise: Noise
    seed: int
    started_at: UtcMillis

    def __post_init__(self) -> None:
        self._on = self.started_at // DAY_MS + 1
        self._waiting: list[tuple[UtcMillis, str, int, Told]] = []

    def advance(self, to: UtcMillis) -> list[Told]:
        """What is told of all that happened since the last advance, up to `to`."""
        while (self._on - 1) * DAY_MS <= to:
            for told in self._of_day(self._on):
                fact = told.fact
                heappush(self._waiting, (fact.occurred_at, fact.event_id, told.copy, told))
            self._on += 1
        found = []
        while self._waiting and self._waiting[0][0] <= to:
            found.append(heappop(self._waiting)[3])
        return found

    def _of_day(self, on: Day) -> Iterator[Told]:
        rng = Random(f"{self.seed}/quality/{on}")
        for level in self.levels.values():
            quantity, hours = max(1, level.low // SHARE), rng.randrange(6, 30)
            zone = self.network.sites[level.site].zone
            if rng.randrange(100) < BLOCKED_PERCENT:
                at = later_moment(zone, on, INSPECTED_MINUTES)
                yield from self._tell(level, "blocked", at, quantity, "inspection", rng)
                again_at = at + hours * HOUR_MS
                yield from self._tell(level, "unblocked", again_at, quantity, "inspection", rng)
            if rng.randrange(100) < BOOKED_PERCENT:
                at = later_moment(zone, on, BOOKED_MINUTES)
                yield from self._tell(level, "adjusted", at, -quantity, "booked twice", rng)
                again_at = at + HOUR_MS
                yield from self._tell(level, "adjusted", again_at, quantity, "put right", rng)

    def _tell(
        self, level: Level, kind: str, at: UtcMillis, quantity: int, reason: str, rng: Random
    ) -> Iterator[Told]:
        source = self.sources[level.feed]
        recorded_at = at + MINUTE_MS
        fact = InventoryFact(
            f"{kind}-{level.id}-{at}",
            level.feed,
            kind,
            at,
            recorded_at,
            item=level.item,
            site=level.site,
            quantity=quantity * QUANTITY_ONE,
            unit="pcs",
            reason=reason,
        )
        yield Told(source.sent_at(recorded_at), fact)
        if rng.randrange(1000) < self.noise.duplicate_permille:
            again_at = source.sent_at(recorded_at + rng.randrange(MINUTE_MS, 12 * HOUR_MS))
            yield Told(again_at, fact, 1)
