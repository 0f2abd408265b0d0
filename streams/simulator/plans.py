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
class Part:
    """So much of a line by a day."""

    quantity: int
    promised_on: Day


@dataclass(frozen=True)
class Answer:
    """What the supplier answers by the link of one line: in parts, or without any it rejects it."""

    at: UtcMillis
    line: PlannedLine
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class GivenUp:
    """The buyer no longer wants so much of a line; without a quantity, any of it."""

    at: UtcMillis
    line: PlannedLine
    quantity: int | None = None


@dataclass(frozen=True)
class Claim:
    """The supplier says something of a line that is another supplier's."""

    at: UtcMillis
    line_id: str
    promised_on: Day


@dataclass(frozen=True)
class Dialogue:
    """What buyer and supplier say to each other of an order that is answered by the door.

    `asked_on` is the day that the buyer asks for first, `wanted_on` the one asked for in the end;
    `ships`: goods come of it.
    """

    answers: tuple[Answer, ...]
    asked_on: Day
    wanted_on: Day
    given_up: tuple[GivenUp, ...] = ()
    claim: Claim | None = None
    ships: bool = True


@dataclass(frozen=True)
class Aftermath:
    """What becomes of money and goods beside the plain way; 0 is never."""

    failed_at: UtcMillis = 0
    """A payment does not come about, and is made anew."""
    refunded_at: UtcMillis = 0
    """Some of the first line is to go back: it is paid back, credited and fetched, in turn."""
    quantity: int = 0


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
    aftermath: Aftermath = Aftermath()
    dialogue: Dialogue | None = None

    @property
    def order_ref(self) -> str:
        """The buyer's number of the order."""
        return f"{self.flow.buyer}/PO-{self.number:07d}"

    @property
    def supplier_ref(self) -> str:
        """The supplier's number of the order."""
        return f"{self.flow.supplier}/SO-{self.number:07d}"

    @property
    def shipment_ref(self) -> str:
        """The supplier's number of its shipment."""
        return f"{self.flow.supplier}/ASN-{self.number:07d}"

    @property
    def invoice_ref(self) -> str:
        """The supplier's number of its invoice."""
        return f"{self.flow.supplier}/INV-{self.number:07d}"

    @property
    def requested_on(self) -> Day:
        """The day that the buyer asks for when the order is placed."""
        return self.promises[0][1] if self.dialogue is None else self.dialogue.asked_on

    @property
    def ships(self) -> bool:
        """Goods come of it."""
        return self.dialogue is None or self.dialogue.ships

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
