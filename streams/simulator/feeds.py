"""The sources of the simulated chain: when each sends what it recorded, and that it is alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

from schemas.facts import Heartbeat
from schemas.units import DAY_MS, MINUTE_MS, UtcMillis
from streams.simulator.faults import Noise, Windows
from topology.calendars import later_moment
from topology.model import Feed

RECORDING_MAX_MS = 20 * MINUTE_MS
"""A fact is recorded at most so long after it happened, when nothing delays it."""

SETTLING_MS = 10 * MINUTE_MS
"""What a source leaves out, beyond that, when it says up to when it is complete."""


class Teller(Protocol):
    """Who tells facts: a source of the network, or a partner by its door."""

    def recorded_at(self, occurred_at: UtcMillis, rng: Random) -> UtcMillis:
        """When something is recorded that happened then."""
        ...

    def sent_at(self, recorded_at: UtcMillis) -> UtcMillis:
        """When a fact is sent that was recorded then."""
        ...


class Partner:
    """A partner that posts its facts by the door: at once, without signs of life."""

    def recorded_at(self, occurred_at: UtcMillis, rng: Random) -> UtcMillis:
        """When something is recorded that happened then."""
        return occurred_at + rng.randrange(MINUTE_MS, RECORDING_MAX_MS)

    def sent_at(self, recorded_at: UtcMillis) -> UtcMillis:
        """The door takes it in the same moment."""
        return recorded_at


@dataclass(frozen=True, eq=False)
class Source:
    """One source. What it says of its completeness is always true, also with delays as noise."""

    feed: Feed
    noise: Noise
    windows: Windows

    def recorded_at(self, occurred_at: UtcMillis, rng: Random) -> UtcMillis:
        """When something is recorded that happened then."""
        return occurred_at + rng.randrange(MINUTE_MS, RECORDING_MAX_MS)

    def sent_at(self, recorded_at: UtcMillis) -> UtcMillis:
        """When a fact is sent: at once, by the nightly run, or after the outage."""
        at = recorded_at
        if self.feed.daily_at_minutes is not None:
            at = self._run_after(recorded_at)
        outage = self.windows.silent(self.feed.id, at)
        return at if outage is None else outage.end_at

    def heartbeats(self, start_at: UtcMillis, end_at: UtcMillis) -> Iterator[Heartbeat]:
        """Its signs of life that are sent in that period, `end_at` excluded, in their order."""
        for at in self._beats(start_at, end_at):
            if self.windows.silent(self.feed.id, at) is None:
                yield self._heartbeat(at)
        for outage in self.windows.outages.get(self.feed.id, ()):
            again_at = outage.end_at + 5 * MINUTE_MS
            if start_at <= again_at < end_at:
                yield self._heartbeat(again_at)

    def _beats(self, start_at: UtcMillis, end_at: UtcMillis) -> Iterator[UtcMillis]:
        every_ms = self.feed.every_ms
        if every_ms is not None:
            yield from range(-(-start_at // every_ms) * every_ms, end_at, every_ms)
            return
        at = self._run_after(start_at - 5 * MINUTE_MS) + 5 * MINUTE_MS
        while at < end_at:
            yield at
            at = self._run_after(at) + 5 * MINUTE_MS

    def _heartbeat(self, at: UtcMillis) -> Heartbeat:
        complete_to = at - RECORDING_MAX_MS - SETTLING_MS - self.noise.delay_max_ms
        event_id = f"alive-{at}"
        return Heartbeat(event_id, self.feed.id, "alive", at, at, max(0, complete_to))

    def _run_after(self, at: UtcMillis) -> UtcMillis:
        """The first nightly run at or after that moment."""
        minutes = self.feed.daily_at_minutes
        assert minutes is not None
        on = at // DAY_MS - 1
        while True:
            run = later_moment(self.feed.zone, on, minutes)
            if run >= at:
                return run
            on += 1
