"""What rules see of an order line: the summary that its ledger makes of all facts.

A summary holds what was said, not what it means: promised dates are still dates, and nothing in
it comes from the network, the policy or a clock. Ledgers send it to the cell that judges the line.
Fields are only ever added at the end, so that the next release reads what this one stored.
"""

from __future__ import annotations

import msgspec

from alerts.money import LineMoney
from schemas.units import Day, Quantity, UtcMillis


class Told(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A date (`on`) or a moment (`at`) that a source stated, never both.

    `told_at` is when the source recorded it, `occurred_at` when it says it was decided.
    """

    on: Day | None
    at: UtcMillis | None
    source: str
    told_at: UtcMillis
    occurred_at: UtcMillis


class Schedule(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One part of a confirmation: this quantity by this date or moment."""

    number: int
    quantity: Quantity | None
    promise: Told


class Happened(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something that a source says happened: when, where, and when it was told."""

    at: UtcMillis
    site: str | None
    source: str
    told_at: UtcMillis
    reason: str | None = None


class Leg(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One shipment of (a part of) the line. `shipment` is "" where facts name only the line.

    Quantities are the line's share; None means that nobody said how much. `exception` is the
    latest one that is not resolved, `held_up` the latest one of all, so that a delay keeps its
    cause when the obstacle is gone. `last_news` is the latest thing that happened to it.
    `carrier_ref` is the last number that a carrier's is told to be; `one_carrier` says that nobody
    named two carriers of it, which nothing stored by an earlier release says.
    """

    shipment: str
    carrier: str | None = None
    mode: str | None = None
    packed: Quantity | None = None
    packed_news: Happened | None = None
    departed: Happened | None = None
    arrived: Happened | None = None
    stop: int | None = None
    eta: Told | None = None
    exception: Happened | None = None
    delivered: Happened | None = None
    delivered_quantity: Quantity | None = None
    short: Quantity = 0
    over: Quantity = 0
    damaged: Quantity = 0
    returned: Quantity = 0
    last_news: Happened | None = None
    held_up: Happened | None = None
    carrier_ref: str | None = None
    one_carrier: bool = False

    @property
    def missing(self) -> Quantity:
        """What it did not bring once it is delivered: what the receiver says is short, or what was
        packed and is neither received nor damaged."""
        if self.packed is None or self.delivered_quantity is None:
            return self.short
        return max(self.short, self.packed - self.delivered_quantity - self.damaged)


class Tie(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A number that can stand for one line only, and is tied to these others too. `source` and
    `event_id` name the fact that ties it to this line, `count` says of how many facts nothing is
    made."""

    number: str
    others: tuple[str, ...]
    source: str
    event_id: str
    count: int


class OddUnit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A fact whose quantity cannot be brought to the unit of its line, and is not counted."""

    kind: str
    event_id: str
    source: str
    unit: str


class LineSummary(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is known of one order line, folded from its facts in canonical order.

    Quantities are in `unit`. `confirmed` is the sum of the last confirmation's schedules;
    `shipped` of what was packed or departed; `in_transit` of what departed and is not delivered;
    `delivered` counts what was received whole, beside `short`, `over`, `damaged`, `returned`.
    The three baselines are `requested`, `first_confirmed` and `last_confirmed`; where a
    confirmation has several schedules its baseline is the latest of them. `promise_count` counts
    different promises told so far. `sources` are all sources that told of the line, in order.
    `money` is None where nobody told of any; `ties` are numbers that facts tie to this line and
    to others, of which nothing is counted here. `one_supplier` says that nobody named two suppliers
    of it, which nothing stored by an earlier release says. `odd_units` are facts in a unit that is
    not the line's and not known for its item: their quantities are not counted. `valued` is the
    quantity that stood when the value was told, 0 where none did; None where it is the ordered one.
    `taken_over` is when it was given to the supplier that has it now, None where no other had it
    before: promises and a rejection are of that supplier alone.
    """

    line_id: str
    order_ref: str
    line: str
    buyer: str | None = None
    supplier: str | None = None
    item: str | None = None
    ship_from: str | None = None
    ship_to: str | None = None
    unit: str | None = None
    value_minor: int | None = None
    currency: str | None = None
    ordered: Quantity = 0
    confirmed: Quantity = 0
    shipped: Quantity = 0
    in_transit: Quantity = 0
    delivered: Quantity = 0
    damaged: Quantity = 0
    short: Quantity = 0
    over: Quantity = 0
    returned: Quantity = 0
    cancelled: Quantity = 0
    requested: Told | None = None
    first_confirmed: Told | None = None
    last_confirmed: Told | None = None
    schedules: tuple[Schedule, ...] = ()
    promise_count: int = 0
    placed: Happened | None = None
    confirmed_news: Happened | None = None
    rejected: Happened | None = None
    cancelled_news: Happened | None = None
    closed: Happened | None = None
    legs: tuple[Leg, ...] = ()
    supplier_ref: str | None = None
    sources: tuple[str, ...] = ()
    last_news: Happened | None = None
    fact_count: int = 0
    money: LineMoney | None = None
    ties: tuple[Tie, ...] = ()
    one_supplier: bool = False
    odd_units: tuple[OddUnit, ...] = ()
    valued: Quantity | None = None
    taken_over: Happened | None = None

    @property
    def asked_at(self) -> UtcMillis | None:
        """Since when its supplier is asked to confirm it: since it was placed, or given to it."""
        if self.placed is None:
            return None
        return self.placed.at if self.taken_over is None else self.taken_over.at

    @property
    def valued_quantity(self) -> Quantity:
        """What `value_minor` is the value of: what was ordered when it was told, which a change of
        the quantity alone does not change."""
        return self.ordered if self.valued is None else self.valued

    @property
    def parties(self) -> tuple[str, ...]:
        """Its buyer, its supplier and its carriers, ascending."""
        named = {self.buyer, self.supplier, *[leg.carrier for leg in self.legs]}
        return tuple(sorted([each for each in named if each]))

    @property
    def is_ended(self) -> bool:
        """Nothing more is expected: rejected, closed, or cancelled or delivered in full."""
        return self.is_over or self.is_delivered

    @property
    def is_over(self) -> bool:
        """Ended by word: rejected, cancelled in full or closed."""
        return self.is_rejected or self.closed is not None or self.is_cancelled

    @property
    def is_rejected(self) -> bool:
        """The supplier will not deliver it, or what is left of it. Of what was delivered in full
        that says nothing."""
        return self.rejected is not None and not self.is_delivered

    @property
    def is_cancelled(self) -> bool:
        """All of the ordered quantity is cancelled."""
        return self.cancelled_news is not None and self.cancelled >= self.ordered

    @property
    def wanted(self) -> Quantity:
        """What is still ordered: ordered less cancelled, never below zero."""
        return max(0, self.ordered - self.cancelled)

    @property
    def received(self) -> Quantity:
        """What arrived, whole or damaged."""
        return self.delivered + self.damaged

    def tells_uncounted(self, *kinds: str) -> bool:
        """Whether a fact of these kinds tells a quantity that is not counted, for its unit."""
        return any(odd.kind in kinds and odd.unit != self.unit for odd in self.odd_units)

    @property
    def is_delivered(self) -> bool:
        """Every leg is delivered and together they account for the wanted quantity."""
        if not self.legs:
            return False
        for leg in self.legs:
            if leg.delivered is None:
                return False
        return self.received + self.short >= self.wanted


class Quarantined(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Since which tick time a source is in quarantine, and of how many records of the hours before
    how many had been refused then."""

    since: UtcMillis
    refused: int
    records: int


class FeedState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is known of a source: when it last spoke, how complete it says it is, since when blind.

    `heard_at` is the time T of the last tick that held a fact of it (never a claimed time);
    `complete_to` is what its heartbeats claim, cut at T, those of a quarantine left out.
    `blind_since` is the tick time at which it was found blind, None while it is not. `families`
    carries `complete_to` per family.
    `learned_hours` is the silence that its own rhythm has shown to be usual, None before that can
    be said; `quarantined` is set while too many of its records are refused, and it is blind then.
    """

    source: str
    heard_at: UtcMillis
    complete_to: UtcMillis | None = None
    families: tuple[tuple[str, UtcMillis], ...] = ()
    blind_since: UtcMillis | None = None
    learned_hours: int | None = None
    quarantined: Quarantined | None = None
