"""What is done wrong on purpose: the catalogue of faults and of noise, and when each happens.

A fault is something that Slipwatch should catch; noise is something that it should bear. The
catalogue is explained in docs/simulator.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from random import Random

from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, UtcMillis
from streams.simulator.chain import PORTS
from topology.model import Feed
from topology.network import Network


class FaultKind(enum.StrEnum):
    """One kind of fault."""

    LATE_SUPPLIER = "late_supplier"
    PORT_CONGESTION = "port_congestion"
    SHORT_SHIPMENT = "short_shipment"
    PROMISE_CREEP = "promise_creep"
    FEED_OUTAGE = "feed_outage"
    DAMAGED_DELIVERY = "damaged_delivery"
    UNCONFIRMED_ORDER = "unconfirmed_order"
    LOST_SHIPMENT = "lost_shipment"
    PRICE_MISMATCH = "price_mismatch"
    INVOICED_TOO_MUCH = "invoiced_too_much"
    NOT_INVOICED = "not_invoiced"
    UNPAID = "unpaid"
    PAYMENT_HOLD = "payment_hold"
    COUNT_ERROR = "count_error"
    STOCK_SHORTAGE = "stock_shortage"
    NEVER_ANSWERED = "never_answered"
    SHORT_ANSWER = "short_answer"
    LATER_ANSWER = "later_answer"
    ANSWER_NOT_KEPT = "answer_not_kept"
    FOREIGN_ANSWER = "foreign_answer"
    ORDER_REJECTED = "order_rejected"


ORDER_FAULTS: tuple[FaultKind, ...] = (
    FaultKind.LATE_SUPPLIER,
    FaultKind.SHORT_SHIPMENT,
    FaultKind.PROMISE_CREEP,
    FaultKind.DAMAGED_DELIVERY,
    FaultKind.UNCONFIRMED_ORDER,
    FaultKind.LOST_SHIPMENT,
)
"""Faults of the goods of one order."""

MONEY_FAULTS: tuple[FaultKind, ...] = (
    FaultKind.PRICE_MISMATCH,
    FaultKind.INVOICED_TOO_MUCH,
    FaultKind.NOT_INVOICED,
    FaultKind.UNPAID,
    FaultKind.PAYMENT_HOLD,
)
"""Faults of the money of one order."""

ANSWER_FAULTS: tuple[FaultKind, ...] = (
    FaultKind.NEVER_ANSWERED,
    FaultKind.SHORT_ANSWER,
    FaultKind.LATER_ANSWER,
    FaultKind.ANSWER_NOT_KEPT,
    FaultKind.FOREIGN_ANSWER,
    FaultKind.ORDER_REJECTED,
)
"""Faults in what a supplier answers by the door."""

STOCK_FAULTS: tuple[FaultKind, ...] = (FaultKind.COUNT_ERROR, FaultKind.STOCK_SHORTAGE)
"""Faults of one stock node. The others hit whatever passes a port or hangs on a feed."""


class NoiseKind(enum.StrEnum):
    """One kind of noise."""

    DUPLICATE = "duplicate"
    DELAY = "delay"
    DROP = "drop"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class Rates:
    """How often faults happen. Shares are of 1000 orders, of 1000 whose goods have no fault, of
    1000 counts, and of 1000 orders that are answered by the door; the rest are chances per day."""

    order_fault_permille: int = 90
    congestion_percent_a_day: int = 12
    outage_percent_a_day: int = 12
    money_fault_permille: int = 60
    count_error_permille: int = 60
    shortage_percent_a_day: int = 12
    answer_fault_permille: int = 300


@dataclass(frozen=True)
class Noise:
    """How often noise happens, of 1000 facts; the delay is at most `delay_max_ms`."""

    duplicate_permille: int = 20
    delay_permille: int = 20
    drop_permille: int = 3
    contradiction_permille: int = 10
    delay_max_ms: int = 6 * HOUR_MS


USUAL_FAULTS = Rates()
USUAL_NOISE = Noise()
NO_FAULTS = Rates(0, 0, 0, 0, 0, 0, 0)
NO_NOISE = Noise(0, 0, 0, 0, 0)
FAULT_FREE_DAYS = 3
"""No fault happens in so many first days: sources must have been heard to fall silent."""


NEVER_SILENT = ("ocean-tracking", "maker-erp", "maker-bank")
"""Feeds that never fail; `Windows` says why."""


@dataclass(frozen=True)
class ExpectedCatch:
    """One thing that should be caught: a line, a stock node, (for an outage) a source, or a fact
    that must end in the dead letters (`refused_fact`).

    It can be told from the facts from `earliest_at` on and should be by `latest_at`; `due_at` is
    when the line's first promise falls due, None where the fault breaks none.
    """

    subject: str
    earliest_at: UtcMillis
    latest_at: UtcMillis
    due_at: UtcMillis | None = None


def refused_fact(source: str, event_id: str) -> str:
    """The subject of a catch that is no alert: this fact is a dead letter."""
    return f"{source} {event_id}"


@dataclass(frozen=True)
class Injection:
    """One fault that was injected: what should be caught, and all lines and nodes that it
    touches."""

    id: str
    kind: FaultKind
    at: UtcMillis
    says: str
    expected: tuple[ExpectedCatch, ...]
    touched: tuple[str, ...]


@dataclass(frozen=True)
class Congestion:
    """A port takes in nothing and lets nothing go from `start_at` until after `end_at`."""

    port: str
    start_at: UtcMillis
    end_at: UtcMillis

    @property
    def id(self) -> str:
        """Names this congestion."""
        return f"{FaultKind.PORT_CONGESTION}:{self.port}:{self.start_at}"


@dataclass(frozen=True)
class Outage:
    """A source is silent from `start_at`, and tells its backlog at `end_at`."""

    feed: str
    start_at: UtcMillis
    end_at: UtcMillis
    blind_by: UtcMillis
    """When it is blind at the latest."""

    @property
    def id(self) -> str:
        """Names this outage."""
        return f"{FaultKind.FEED_OUTAGE}:{self.feed}:{self.start_at}"


@dataclass
class Windows:
    """Congestions and outages, day by day, from the seed alone; asked for as far ahead as needed.

    Neither happens twice at one place within ten days. The feed of the ships never fails, so that
    what a congestion causes is always told; nor do those of the maker and of his bank, who take
    part in most orders: for weeks hardly one could have a fault that stands alone.
    """

    network: Network
    seed: int
    started_at: UtcMillis
    rates: Rates
    congestions: dict[str, list[Congestion]] = field(default_factory=dict)
    """By port, in the order of their start."""
    outages: dict[str, list[Outage]] = field(default_factory=dict)
    """By feed, in the order of their start."""
    _days: int = FAULT_FREE_DAYS
    _free_at: dict[str, UtcMillis] = field(default_factory=dict)

    @property
    def faults_from(self) -> UtcMillis:
        """Before this moment nothing goes wrong."""
        return self.started_at + FAULT_FREE_DAYS * DAY_MS

    def plan_to(self, at: UtcMillis) -> None:
        """Makes sure that everything that starts by `at` is known."""
        while self.started_at + self._days * DAY_MS <= at:
            rng = Random(f"{self.seed}/windows/{self._days}")
            start = self.started_at + self._days * DAY_MS + rng.randrange(DAY_MS)
            if rng.randrange(100) < self.rates.congestion_percent_a_day:
                self._congest(rng, start)
            if rng.randrange(100) < self.rates.outage_percent_a_day:
                self._silence(rng, start)
            self._days += 1

    def _congest(self, rng: Random, start: UtcMillis) -> None:
        port = rng.choice(PORTS)
        if self._free_at.get(port, 0) > start:
            return
        end = start + rng.randrange(96, 216) * HOUR_MS
        self._free_at[port] = end + 10 * DAY_MS
        self.congestions.setdefault(port, []).append(Congestion(port, start, end))

    def _silence(self, rng: Random, start: UtcMillis) -> None:
        feeds = [feed for feed in self.network.document.feeds if feed.id not in NEVER_SILENT]
        feed = rng.choice(feeds)
        if self._free_at.get(feed.id, 0) > start:
            return
        blind_by = _blind_by(self.network, feed, start)
        end = blind_by + rng.randrange(6, 30) * HOUR_MS
        self._free_at[feed.id] = end + 10 * DAY_MS
        self.outages.setdefault(feed.id, []).append(Outage(feed.id, start, end, blind_by))

    def congested(self, port: str, at: UtcMillis) -> Congestion | None:
        """The congestion of the port at that moment."""
        for each in self.congestions.get(port, ()):
            if each.start_at <= at < each.end_at:
                return each
        return None

    def silent(self, feed: str, at: UtcMillis) -> Outage | None:
        """The outage of the feed at that moment."""
        for each in self.outages.get(feed, ()):
            if each.start_at <= at < each.end_at:
                return each
        return None

    def is_silent(self, feeds: tuple[str, ...], start_at: UtcMillis, end_at: UtcMillis) -> bool:
        """Whether one of the feeds fails at some time of that period."""
        return any(
            each.start_at < end_at and start_at < each.end_at
            for feed in feeds
            for each in self.outages.get(feed, ())
        )


def _blind_by(network: Network, feed: Feed, start: UtcMillis) -> UtcMillis:
    """When the feed is blind at the latest if it falls silent at `start`, just after it spoke."""
    blind_at = network.blind_at(feed, start)
    assert blind_at is not None, f"{feed.id} declares a rhythm"
    return blind_at + 15 * MINUTE_MS
