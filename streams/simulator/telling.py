"""How the facts of one order are told: by which source, when each is sent, with what noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

import msgspec

from schemas.facts import InventoryFact, OrderFact, PaymentFact, ShipmentFact
from schemas.units import HOUR_MS, MINUTE_MS, UtcMillis
from streams.simulator.faults import ExpectedCatch, Injection, Noise, NoiseKind
from streams.simulator.feeds import Teller

ToldFact: TypeAlias = OrderFact | ShipmentFact | InventoryFact | PaymentFact

_DROPPED_KINDS = frozenset({"arrived", "departed", "eta"})


@dataclass(frozen=True)
class Sent:
    """One fact on its way: `copy` is 1 for a duplicate."""

    send_at: UtcMillis
    fact: ToldFact
    copy: int = 0


@dataclass
class Story:
    """What is told of one order; grows while it is written."""

    lines: tuple[str, ...] = ()
    sent: list[Sent] = field(default_factory=list)
    injection: Injection | None = None
    congested: dict[str, list[ExpectedCatch]] = field(default_factory=dict)
    """Congestion → what should be caught because of it; none for lines that it only touches."""
    noise: dict[str, set[NoiseKind]] = field(default_factory=dict)
    """Line → noise in its facts that may mislead: drops and contradictions, not what is borne."""
    told_at: dict[str, UtcMillis] = field(default_factory=dict)
    """Kind of fact → when the last of it was sent."""


class Voice:
    """Sends facts into a story. All chance in it comes from the generator that it is given."""

    def __init__(
        self, prefix: str, story: Story, sources: Mapping[str, Teller], noise: Noise, rng: Random
    ) -> None:
        self._prefix = prefix
        self._story = story
        self._sources = sources
        self._noise = noise
        self._rng = rng
        self._count = 0

    def event_id(self) -> str:
        """The next id; ids of one voice begin with its prefix."""
        self._count += 1
        return f"{self._prefix}{self._count}"

    def send(self, fact: ToldFact, at: UtcMillis) -> UtcMillis | None:
        """Puts the fact on its way; when it is sent, None if it is dropped."""
        source, rng, noise, story = self._sources[fact.source], self._rng, self._noise, self._story
        recorded_at = source.recorded_at(at, rng)
        if self.happens(noise.delay_permille):
            recorded_at += rng.randrange(MINUTE_MS, noise.delay_max_ms)
        send_at = source.sent_at(recorded_at)
        told = msgspec.structs.replace(fact, recorded_at=recorded_at)
        story.told_at[fact.kind] = max(send_at, story.told_at.get(fact.kind, 0))
        if fact.kind in _DROPPED_KINDS and self.happens(noise.drop_permille):
            self.mark(NoiseKind.DROP)
            return None
        story.sent.append(Sent(send_at, told))
        if self.happens(noise.duplicate_permille):
            again_at = source.sent_at(recorded_at + rng.randrange(MINUTE_MS, 12 * HOUR_MS))
            story.sent.append(Sent(again_at, told, 1))
        return send_at

    def post(self, fact: ToldFact) -> None:
        """Puts a fact on its way as it stands, when it was recorded: the door has it at once. As
        noise it comes twice."""
        story = self._story
        story.told_at[fact.kind] = max(fact.recorded_at, story.told_at.get(fact.kind, 0))
        story.sent.append(Sent(fact.recorded_at, fact))
        if self.happens(self._noise.duplicate_permille):
            again_at = fact.recorded_at + self._rng.randrange(MINUTE_MS, 12 * HOUR_MS)
            story.sent.append(Sent(again_at, fact, 1))

    def happens(self, permille: int) -> bool:
        """Whether something of that chance happens now."""
        return permille > 0 and self._rng.randrange(1000) < permille

    def mark(self, kind: NoiseKind) -> None:
        """Notes that all lines of the story have noise that may mislead."""
        for line in self._story.lines:
            self._story.noise.setdefault(line, set()).add(kind)
