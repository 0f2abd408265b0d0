"""What is planned of one order: its lines, its way, its invoice and payments, and its fault."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.facts import line_id
from schemas.units import Day, UtcMillis
from streams.simulator.chain import Flow, Stop
from streams.simulator.faults import Congestion, FaultKind
from topology.model import Lane


@dataclass(frozen=True)
class PlannedLine:
    """One line of an order."""

    number: str
    item: str
    quantity: int
    value_minor: int


@dataclass(frozen=True)
class Call:
    """A call at a port. `held` is the congestion that it runs into."""

    stop: Stop
    arrived_at: UtcMillis
    left_at: UtcMillis
    held: Congestion | None


@dataclass(frozen=True)
class Hold:
    """The goods may not go until they are answered for."""

    held_at: UtcMillis
    released_at: UtcMillis
    matters_at: UtcMillis
    """From when it is told: they should leave soon."""


@dataclass(frozen=True)
class Billing:
    """The money of an order: invoiced once, due by its terms, paid at one or two moments.

    What is credited is credited at `credited_at`, before the last payment.
    """

    invoiced_at: UtcMillis
    due_at: UtcMillis
    paid_at: tuple[UtcMillis, ...]
    credited_at: UtcMillis
    price_percent: int = 0
    """By so much the invoice asks for another price than was agreed, for the first line."""
    extra: int = 0
    """So many pieces too much are invoiced of the first line."""


@dataclass(frozen=True)
class Plan:
    """One order from its placing to its delivery. `promises` are told in turn, each with a day."""

    number: int
    flow: Flow
    lane: Lane
    lines: tuple[PlannedLine, ...]
    placed_at: UtcMillis
    promises: tuple[tuple[UtcMillis, Day], ...]
    ready_at: UtcMillis
    departed_at: UtcMillis
    due_at: UtcMillis
    calls: tuple[Call, ...]
    arrived_at: UtcMillis
    delivered_at: UtcMillis
    fault: FaultKind | None = None
    fault_at: UtcMillis = 0
    has_faster_lane: bool = False
    """Goods that missed this lane could still have taken another one."""
    hold: Hold | None = None
    billing: Billing | None = None

    @property
    def order_ref(self) -> str:
        """The buyer's number of the order."""
        return f"{self.flow.buyer}/PO-{self.number:07d}"

    @property
    def supplier_ref(self) -> str:
        """The supplier's number of the order."""
        return f"{self.flow.supplier}/SO-{self.number:07d}"

    @property
    def line_ids(self) -> tuple[str, ...]:
        """Its lines, in their order."""
        return tuple([line_id(self.order_ref, line.number) for line in self.lines])

    def short(self, index: int) -> int:
        """How much of that line is missing at delivery: a fault makes the first line short."""
        return self._spoilt(index) if self.fault is FaultKind.SHORT_SHIPMENT else 0

    def damaged(self, index: int) -> int:
        """How much of that line is damaged at delivery: a fault damages the first line."""
        return self._spoilt(index) if self.fault is FaultKind.DAMAGED_DELIVERY else 0

    def _spoilt(self, index: int) -> int:
        return 0 if index else max(1, self.lines[0].quantity // 5)

    @property
    def confirmed_at(self) -> UtcMillis:
        """When the first promise is made."""
        return self.promises[0][0]

    @property
    def feeds(self) -> tuple[str, ...]:
        """The sources that tell of it."""
        return self.flow.buyer_feed, self.flow.supplier_feed, self.flow.carrier_feed
