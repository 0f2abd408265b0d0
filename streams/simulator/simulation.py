"""The simulation: what all sources send, in the order in which they send it."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from schemas.addresses import fact_topic
from schemas.facts import Fact
from schemas.units import DAY_MS, UtcMillis
from streams.simulator.answered import NUMBERS_FROM, SHARE_PERCENT, AnsweredPlanner
from streams.simulator.bulk import copied
from streams.simulator.chain import answered_flows, flows, load_network
from streams.simulator.faults import (
    USUAL_FAULTS,
    USUAL_NOISE,
    ExpectedCatch,
    FaultKind,
    Injection,
    Noise,
    NoiseKind,
    Rates,
    Windows,
)
from streams.simulator.feeds import Partner, Source, Teller
from streams.simulator.levels import levels
from streams.simulator.orders import AWAY_DAYS_MAX, Pace, Planner
from streams.simulator.plans import Plan
from streams.simulator.quality import Inspector
from streams.simulator.stock import StockKeeper
from streams.simulator.stories import Storyteller
from topology.network import Network


class Emission(NamedTuple):
    """One fact, on the topic of its family, sent at that moment of simulated time."""

    send_at: UtcMillis
    topic: str
    fact: Fact


@dataclass(frozen=True)
class SimulationOptions:
    """What a simulation depends on, beside the network that ships with it.

    For a hundred of its orders there are eight more at suppliers that answer by the door. With
    `copies` every order happens so many times over, under numbers of its own: many facts for
    little work. The truth knows the originals only.
    """

    seed: int
    started_at: UtcMillis
    orders_per_day: float = 40.0
    rates: Rates = USUAL_FAULTS
    noise: Noise = USUAL_NOISE
    copies: int = 1


class Simulation:
    """What the sources of the simulated chain send, as a function of the options and time alone.

    `advance` may be called in steps of any size: the emissions are the same. Costs about 10 µs a
    fact. Orders that are on their way when you stop asking are never finished.
    """

    def __init__(self, options: SimulationOptions, network: Network | None = None) -> None:
        self.options = options
        self.network = network or load_network()
        self._windows = Windows(self.network, options.seed, options.started_at, options.rates)
        self._sources = {
            feed.id: Source(feed, options.noise, self._windows)
            for feed in self.network.document.feeds
        }
        whole_flows = flows(self.network)
        every_ms = DAY_MS / options.orders_per_day
        self._planner = Planner(
            self.network,
            whole_flows,
            self._windows,
            options.rates,
            options.seed,
            Pace(options.started_at, every_ms),
        )
        answered = answered_flows(self.network)
        self._answered = AnsweredPlanner(
            self.network,
            Planner(
                self.network,
                answered,
                self._windows,
                options.rates,
                options.seed,
                Pace(options.started_at, every_ms * 100 / SHARE_PERCENT, NUMBERS_FROM),
            ),
            options.rates,
            options.seed,
        )
        tellers: dict[str, Teller] = {**self._sources}
        tellers |= {flow.supplier_feed: Partner() for flow in answered}
        self._storyteller = Storyteller(tellers, options.noise, options.seed)
        whole_levels = levels(self.network, whole_flows, options.orders_per_day)
        self._inspector = Inspector(
            self.network, whole_levels, self._sources, options.noise, options.seed,
            options.started_at,
        )  # fmt: skip
        self._stock = StockKeeper(
            self.network,
            whole_levels,
            self._sources,
            self._windows,
            options.rates,
            options.noise,
            options.seed,
            options.started_at,
        )
        self._waiting: list[tuple[UtcMillis, str, str, int, Fact]] = []
        self._order = 0
        self._answered_order = NUMBERS_FROM
        self._now = options.started_at
        self._injections: list[Injection] = []
        self._congested: dict[str, list[ExpectedCatch]] = {}
        self._touched: dict[str, list[str]] = {}
        self._noise: dict[str, set[NoiseKind]] = {}

    @property
    def now(self) -> UtcMillis:
        """Up to when it has advanced."""
        return self._now

    @property
    def orders(self) -> int:
        """How many orders were placed or thought of."""
        return self._order + self._answered_order - NUMBERS_FROM

    def advance(self, to: UtcMillis) -> list[Emission]:
        """Everything that is sent after the last advance and up to `to`, in the order of sending.

        What is sent at the same moment comes in the order of source and event id.
        """
        if to <= self._now:
            return []
        self._windows.plan_to(to + AWAY_DAYS_MAX * DAY_MS)
        while self._planner.thought_of_at(self._order) <= to:
            rng = self._rng(self._order)
            self._write(self._planner.plan(self._order, rng), rng)
            self._order += 1
        while self._answered.thought_of_at(self._answered_order) <= to:
            rng = self._rng(self._answered_order)
            self._write(self._answered.plan(self._answered_order, rng), rng)
            self._answered_order += 1
        for told in (*self._stock.advance(to), *self._inspector.advance(to)):
            self._push(told.send_at, told.fact, told.copy)
        for source in self._sources.values():
            for beat in source.heartbeats(self._now + 1, to + 1):
                self._push(beat.recorded_at, beat, 0)
        self._now = to
        emissions = []
        while self._waiting and self._waiting[0][0] <= to:
            send_at, _, _, _, fact = heappop(self._waiting)
            topic = fact_topic(fact)
            if self.options.copies == 1:
                emissions.append(Emission(send_at, topic, fact))
            else:
                copies = copied(fact, self.options.copies)
                emissions += (Emission(send_at, topic, each) for each in copies)
        return emissions

    def _rng(self, number: int) -> Random:
        return Random(f"{self.options.seed}/order/{number}")

    def _write(self, plan: Plan, rng: Random) -> None:
        self._stock.expect(plan)
        story = self._storyteller.tell(plan, rng)
        for sent in story.sent:
            self._push(sent.send_at, sent.fact, sent.copy)
        if story.injection is not None:
            self._injections.append(story.injection)
        for congestion, expected in story.congested.items():
            self._congested.setdefault(congestion, []).extend(expected)
            self._touched.setdefault(congestion, []).extend(story.lines)
        for line, kinds in story.noise.items():
            self._noise.setdefault(line, set()).update(kinds)

    def _push(self, send_at: UtcMillis, fact: Fact, copy: int) -> None:
        heappush(self._waiting, (send_at, fact.source, fact.event_id, copy, fact))

    def injections(self) -> tuple[Injection, ...]:
        """The faults that have begun by now, in the order in which they began."""
        of_orders_and_stock = (*self._injections, *self._stock.injections)
        found = [each for each in of_orders_and_stock if each.at <= self._now]
        for port, congestions in self._windows.congestions.items():
            for congestion in congestions:
                touched = self._touched.get(congestion.id)
                if touched is None or congestion.start_at > self._now:
                    continue
                expected = tuple(self._congested[congestion.id])
                says = f"{port} is congested"
                found.append(
                    Injection(
                        congestion.id,
                        FaultKind.PORT_CONGESTION,
                        congestion.start_at,
                        says,
                        expected,
                        tuple(touched),
                    )
                )
        for feed, outages in self._windows.outages.items():
            for outage in outages:
                if outage.start_at <= self._now:
                    catch = ExpectedCatch(feed, outage.start_at, outage.blind_by)
                    says = f"{feed} is silent"
                    found.append(
                        Injection(
                            outage.id, FaultKind.FEED_OUTAGE, outage.start_at, says, (catch,), ()
                        )
                    )
        return tuple(sorted(found, key=lambda each: (each.at, each.id)))

    def noisy_lines(self) -> dict[str, tuple[NoiseKind, ...]]:
        """Line → the noise in its facts that may mislead."""
        return {line: tuple(sorted(kinds)) for line, kinds in sorted(self._noise.items())}
