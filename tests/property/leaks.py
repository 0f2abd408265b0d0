"""A chain in which every value is a canary, and who may ever see which.

Each text, quantity, date and moment occurs once in all facts and in the network, so that whoever
finds one knows whose it is. Whose it may be is said here by the table of docs/partners.md alone,
when it is told; nothing here asks the code that writes the records.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.facts import Fact, Family, OrderFact, PaymentFact, ShipmentFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from tests.scenario import START
from topology.model import Account, Document, Feed, Item, Party, PartyKind, Site, SiteKind
from topology.network import Network, build

TOKEN = re.compile(
    r"[A-Z]{3}\d{6}Q"  # texts
    r"|(?<![\d.])\d{10}(?![\d.])"  # quantities and amounts
    r"|20[3-9]\d-\d\d-\d\d"  # dates
    r"|2026-\d\d-\d\dT[\d:.]+Z"  # moments
)
PARTY_COUNT, SITE_COUNT = 5, 3
FIRST_DAY = (dt.date(2031, 1, 1) - dt.date(1970, 1, 1)).days
STEP_MS = 7 * 60_000 + 37
"""Between two facts: no two moments are the same."""
TOLD_AFTER_MS = 13_577
CONFIRM_MS = 48 * HOUR_MS
"""How long the policy lets a line be without confirmation."""


@dataclass
class Canaries:
    """Makes values that nobody else has, and remembers who may see each; nobody unless said.

    The sets are kept and not copied: who is added to one later may see its values too.
    """

    seen_by: dict[str, set[str]] = field(default_factory=dict)
    _count: int = 0

    def _made(self, shown: str, may_see: set[str] | None) -> None:
        self.seen_by[shown] = may_see if may_see is not None else set()

    def text(self, may_see: set[str] | None = None, kind: str = "TXT") -> str:
        self._count += 1
        made = f"{kind}{self._count:06d}Q"
        self._made(made, may_see)
        return made

    def quantity(self, may_see: set[str] | None = None) -> int:
        """Ten digits without a pattern, so that no sum of some is another one."""
        self._count += 1
        made = 2_000_000_000 + self._count * 2_654_435_761 % 7_999_999_999
        self._made(str(made), may_see)
        return made * QUANTITY_ONE

    def amount_minor(self) -> int:
        return self.quantity() // QUANTITY_ONE

    def day(self, may_see: set[str] | None = None) -> int:
        self._count += 1
        made = FIRST_DAY + self._count
        self._made(str(dt.date(1970, 1, 1) + dt.timedelta(made)), may_see)
        return made

    def moment(self, at: UtcMillis, may_see: set[str] | None = None) -> UtcMillis:
        shown = dt.datetime.fromtimestamp(at / 1000, dt.UTC).isoformat().replace("+00:00", "Z")
        self._made(shown, may_see)
        return at


@dataclass
class Leg:
    """A shipment: its number, who ships it, and who carried it so far."""

    number: str
    shipper: str
    carriers: set[str]
    carrier: str


@dataclass
class Line:
    """A line as those know it who tell of it. `suppliers` are whoever was its supplier, `deals`
    these and its buyer, `touches` these and whoever carried some of it."""

    order_ref: str
    number: str
    unit: str
    buyer: str
    supplier: str
    suppliers: set[str]
    deals: set[str]
    touches: set[str]
    legs: list[Leg] = field(default_factory=list)


class World:
    """The chain and its facts, one after the other."""

    def __init__(self) -> None:
        self.canaries = make = Canaries()
        self.parties = [make.text(kind="PTY") for _ in range(PARTY_COUNT)]
        self.feeds = {party: make.text(kind="FED") for party in self.parties}
        self.names = {party: make.text(kind="NAM") for party in self.parties}
        self.sites = [make.text(kind="SIT") for _ in range(SITE_COUNT)]
        self.lines: list[Line] = []
        self.facts = 0
        self._item = Item(
            id=make.text(), base_unit=make.text(), value_minor=make.amount_minor(), currency="EUR"
        )
        self._account = Account(
            id=make.text(), account_manager=make.text(), parties=(self.parties[0],)
        )

    def network(self, subscribed: Iterable[int]) -> Network:
        """The chain in which these parties, by their place, are subscribed."""
        chosen = {self.parties[place] for place in subscribed}
        return build(
            Document(
                parties=tuple(
                    Party(
                        id=each,
                        name=self.names[each],
                        kind=PartyKind.SUPPLIER,
                        subscribed=each in chosen,
                    )
                    for each in self.parties
                ),
                sites=tuple(
                    Site(id=site, party=party, kind=SiteKind.PLANT, zone="Europe/Oslo")
                    for site, party in zip(self.sites, self.parties, strict=False)
                ),
                items=(self._item,),
                accounts=(self._account,),
                feeds=tuple(
                    Feed(id=feed, party=party, families=tuple(Family))
                    for party, feed in self.feeds.items()
                ),
            )
        )

    @property
    def now(self) -> UtcMillis:
        """When the next fact happens."""
        return START + self.facts * STEP_MS

    def _head(self, teller: str, may_see: set[str] | None = None) -> tuple[str, str, int, int]:
        at = self.canaries.moment(self.now, may_see)
        told_at = self.canaries.moment(at + TOLD_AFTER_MS)
        self.facts += 1
        return self.canaries.text(kind="EVT"), self.feeds[teller], at, told_at

    def place(self, buyer: int, supplier: int, site: int) -> Fact:
        """A buyer orders from a supplier."""
        make, b, s = self.canaries, self.parties[buyer], self.parties[supplier]
        suppliers, deals, touches = {s}, {b, s}, {b, s}
        number, line_number = make.text(deals, "ORD"), make.text(deals, "LIN")
        line = Line(
            f"{b}/{number}", line_number, make.text(touches), b, s, suppliers, deals, touches
        )
        self.lines.append(line)
        event, source, at, told_at = self._head(b)
        make.moment(at + CONFIRM_MS, {s})
        return OrderFact(
            event, source, "placed", at, told_at, order_ref=line.order_ref, line=line.number,
            buyer=b, supplier=s, item=make.text(deals, "ITM"), ship_from=self.sites[site],
            ship_to=self.sites[site - 1], quantity=make.quantity(deals), unit=line.unit,
            value_minor=make.amount_minor(), currency="EUR", requested_on=make.day(deals),
        )  # fmt: skip

    def _order(self, line: Line, teller: str, kind: str, **more: Any) -> Fact:
        event, source, at, told_at = self._head(teller)
        return OrderFact(
            event, source, kind, at, told_at, order_ref=line.order_ref, line=line.number, **more
        )

    def confirm(self, line: Line, names_supplier: bool) -> Fact:
        """Its supplier promises, by a number of its own."""
        make, s = self.canaries, line.supplier
        both = {line.buyer, s}
        return self._order(
            line, s, "confirmed", supplier=s if names_supplier else None,
            supplier_ref=f"{s}/{make.text({s}, 'SUP')}", supplier_line=make.text(),
            promised_on=make.day(both), quantity=make.quantity(both), unit=line.unit,
        )  # fmt: skip

    def change(self, line: Line) -> Fact:
        """The buyer wants another quantity by another date."""
        make = self.canaries
        return self._order(
            line, line.buyer, "changed", quantity=make.quantity(line.deals), unit=line.unit,
            requested_on=make.day(line.deals), reason=make.text(),
        )  # fmt: skip

    def source_anew(self, line: Line, supplier: int, site: int) -> Fact:
        """The buyer gives the line to another supplier, who may ship from elsewhere."""
        line.supplier = self.parties[supplier]
        line.suppliers.add(line.supplier)
        line.deals.add(line.supplier)
        line.touches.add(line.supplier)
        self.canaries.moment(self.now + CONFIRM_MS, {line.supplier})
        return self._order(
            line, line.buyer, "changed", supplier=line.supplier, ship_from=self.sites[site],
            value_minor=self.canaries.amount_minor(), currency="EUR",
        )  # fmt: skip

    def pack(self, line: Line, carrier: int, own_number: bool) -> Fact:
        """Its supplier hands a part to a carrier, who gives it a number."""
        make, s, c = self.canaries, line.supplier, self.parties[carrier]
        line.touches.add(c)
        carriers = {c}
        leg = Leg(f"{s}/{make.text(carriers, 'SHI')}", s, carriers, c)
        line.legs.append(leg)
        event, source, at, told_at = self._head(s)
        return ShipmentFact(
            event, source, "packed", at, told_at, shipment_ref=leg.number,
            carrier_ref=f"{c}/{make.text({c}, 'CON')}" if own_number else None,
            order_ref=line.order_ref, line=line.number, carrier=c, mode="road",
            site=self.sites[0], quantity=make.quantity({line.buyer, s, c}), unit=line.unit,
        )  # fmt: skip

    def hand_over(self, line: Line, leg: Leg, carrier: int) -> Fact:
        """Another carrier takes the shipment over, and says so."""
        leg.carrier = self.parties[carrier]
        leg.carriers.add(leg.carrier)
        line.touches.add(leg.carrier)
        return self.move(line, leg, "arrived")

    def move(self, line: Line, leg: Leg, kind: str) -> Fact:
        """The carrier tells how far it is: the buyer and the shipper may see it, no other."""
        make, may_see = self.canaries, {line.buyer, leg.shipper, leg.carrier}
        event, source, at, told_at = self._head(leg.carrier, may_see)
        return ShipmentFact(
            event, source, kind, at, told_at, shipment_ref=leg.number, carrier=leg.carrier,
            site=self.sites[1], reason=make.text() if kind == "exception" else None,
            eta_at=make.moment(at + 40 * DAY_MS, may_see) if kind == "eta" else None,
        )  # fmt: skip

    def deliver(self, line: Line, leg: Leg) -> Fact:
        """The buyer received it. Its carrier may see that only if it had no other before."""
        make, may_see = self.canaries, {line.buyer, leg.shipper}
        if len(leg.carriers) == 1:
            may_see |= leg.carriers
        event, source, at, told_at = self._head(line.buyer, may_see)
        return ShipmentFact(
            event, source, "delivered", at, told_at, shipment_ref=leg.number,
            order_ref=line.order_ref, line=line.number, site=self.sites[2],
            quantity=make.quantity(may_see), unit=line.unit,
        )  # fmt: skip

    def invoice(self, line: Line) -> Fact:
        """Money is nobody's business but theirs, and not told in public even to them."""
        make, s = self.canaries, line.supplier
        event, source, at, told_at = self._head(s)
        return PaymentFact(
            event, source, "invoiced", at, told_at, invoice_ref=f"{s}/{make.text()}",
            order_ref=line.order_ref, line=line.number, quantity=make.quantity(), unit=line.unit,
            value_minor=make.amount_minor(), currency="EUR", method=make.text(), net_days=30,
        )  # fmt: skip
