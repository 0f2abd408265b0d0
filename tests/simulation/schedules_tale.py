"""What the sources of a schedule tell: some orders, the stock and money that go with them, and what
partners answer by the door, of lines of their own and of others."""

from __future__ import annotations

import random

import msgspec

from schemas.facts import Fact, Heartbeat, InventoryFact, OrderFact, PaymentFact, ShipmentFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis, calendar_date
from streams.door.answers import facts_of_form
from streams.door.links import Link, Purpose
from tests.scenario import START, story

ORDERS = 5


def tale(seed: int, *, all_families: bool = True) -> list[Fact]:
    """The facts of some orders, in the order in which they are told; no heartbeats.

    Some suppliers use their own numbers alone, so that a fact takes steps to its line. Without
    `all_families` nothing is told of stock and money or by partners; the rest is the same.
    """
    chance = random.Random(f"tale {seed}")
    own = {f"ACME/PO-{number:03d}" for number in range(ORDERS) if chance.random() < 0.4}
    goods = [_by_supplier(fact, own) for _, fact in story(seed, orders=ORDERS, days=0)]
    if not all_families:
        return goods
    books = _Books(random.Random(f"books {seed}"), own)
    books.tell_counts()
    books.tell_transfers()
    for fact in goods:
        books.follow(fact)
    books.tell_money()
    whole = (*goods, *books.facts, *_answers(random.Random(f"answers {seed}")))
    return sorted(whole, key=lambda fact: (fact.recorded_at, fact.event_id))


def _answers(chance: random.Random) -> list[Fact]:
    """The supplier answers for a line, in parts that add up or do not, or rejects it; and now and
    then so does somebody who is not the line's supplier."""
    facts: list[Fact] = []
    for number in range(ORDERS):
        for party, share in (("SUP", 0.5), ("CARGO", 0.3)):
            if chance.random() >= share:
                continue
            order = f"ACME/PO-{number:03d}"
            at = START + chance.randrange(9 * DAY_MS)
            link = Link(party, order, "10", Purpose.ANSWER, at + DAY_MS, "BOLT", "100", "EA")
            form = {"form": f"schedule-{party}-{number:012d}", "answer": "confirm"}
            for part in (1, 2):
                due = calendar_date(at // DAY_MS + chance.randrange(1, 12))
                form |= {f"date{part}": due.isoformat(), f"quantity{part}": "50"}
            if chance.random() < 0.3:
                form["quantity2"] = "20"
            if chance.random() < 0.1:
                form["answer"] = "reject"
            found = facts_of_form(link, form, at)
            facts += [fact for fact in found if not isinstance(fact, tuple)]
    return facts


def _by_supplier(fact: Fact, own: set[str]) -> Fact:
    """The fact as a supplier tells it who names orders of `own` by his own number."""
    order = None if isinstance(fact, Heartbeat) else fact.order_ref
    if order is None or order not in own:
        return fact
    number = _supplier_ref(order)
    if isinstance(fact, OrderFact) and fact.kind == "confirmed":
        return msgspec.structs.replace(fact, supplier_ref=number, supplier_line="1")
    if isinstance(fact, ShipmentFact) and fact.kind == "packed":
        return msgspec.structs.replace(
            fact, order_ref=None, line=None, supplier_ref=number, supplier_line="1"
        )
    return fact


def _supplier_ref(order: str) -> str:
    return f"SUP/SO-{order[-3:]}"


class _Books:
    """Tells of stock and money, good and bad: counts that are wrong, movements that cannot be,
    goods that are held, invoices of several orders, payments that fail or come twice."""

    def __init__(self, chance: random.Random, own: set[str]) -> None:
        self.facts: list[Fact] = []
        self._chance = chance
        self._own = own
        self._items: dict[str, str] = {}
        self._delivered: dict[str, UtcMillis] = {}

    def tell_counts(self) -> None:
        """Each node is counted now and then, two of them from the start on."""
        for item, site in (("BOLT", "LYON"), ("BOLT", "OSLO"), ("GEAR", "PUNE"), ("GEAR", "OSLO")):
            for day in range(0, 14, 4):
                if self._chance.random() < (0.9 if day == 0 else 0.5):
                    at = START + day * DAY_MS + self._chance.randrange(DAY_MS)
                    self._stock("counted", at, item, site, self._chance.randrange(0, 500, 20))

    def tell_transfers(self) -> None:
        """Goods between sites: some never leave, or never come in, or more comes in than left."""
        for number in range(3):
            at = START + self._chance.randrange(8 * DAY_MS)
            much = self._chance.randrange(10, 80)
            transfer = {"transfer_ref": f"SUP/TR-{number}"}
            if self._chance.random() < 0.8:
                self._stock("transferred_out", at, "BOLT", "LYON", much, to_site="OSLO", **transfer)
            if self._chance.random() < 0.8:
                at += self._chance.randrange(HOUR_MS, 3 * DAY_MS)
                came = much + self._chance.choice((0, 0, 0, 5))
                self._stock(
                    "transferred_in", at, "BOLT", "OSLO", came, from_site="LYON", **transfer
                )
        for kind in ("blocked", "unblocked"):
            at = START + self._chance.randrange(12 * DAY_MS)
            self._stock(kind, at, "GEAR", "PUNE", self._chance.randrange(5, 40))

    def follow(self, fact: Fact) -> None:
        """What an order's own fact does to stock, where somebody tells of it."""
        if isinstance(fact, Heartbeat | InventoryFact | PaymentFact):
            return
        order = fact.order_ref or ""
        if fact.supplier_ref is not None and not order:
            order = f"ACME/PO-{fact.supplier_ref[-3:]}"
        if isinstance(fact, OrderFact) and fact.kind == "placed":
            self._items[order] = fact.item or ""
        at, item = fact.occurred_at, self._items.get(order, "BOLT")
        site = "LYON" if item == "BOLT" else "PUNE"
        line = {"order_ref": order, "line": "10"}
        if fact.kind == "confirmed" and self._chance.random() < 0.6:
            self._stock("reserved", at, item, site, 100, **line)
        elif fact.kind == "packed" and self._chance.random() < 0.8:
            self._stock("issued", at, item, site, 100, **line)
        elif fact.kind == "delivered":
            self._delivered[order] = at
            if self._chance.random() < 0.8:
                self._stock("received", at, item, "OSLO", 100, **line)

    def tell_money(self) -> None:
        """Orders are invoiced, some together, paid in parts, held, credited, disputed."""
        for order in self._items:
            at = self._delivered.get(order, START + self._chance.randrange(4, 9) * DAY_MS)
            if self._chance.random() < 0.4:
                held_at = at - self._chance.randrange(DAY_MS, 4 * DAY_MS)
                self._money("sup-erp", "held", held_at, order_ref=order, reason="credit limit")
                if self._chance.random() < 0.6:
                    self._money("sup-erp", "released", held_at + DAY_MS, order_ref=order)
            if self._chance.random() < 0.85:
                self._invoice(order, at + self._chance.randrange(2 * DAY_MS))

    def _invoice(self, order: str, at: UtcMillis) -> None:
        invoice = f"SUP/INV-{self._chance.randrange(3)}"
        line = {"order_ref": order, "line": "10"}
        if order in self._own:
            line = {"supplier_ref": _supplier_ref(order), "supplier_line": "1"}
        much = self._chance.choice((100, 100, 100, 120))
        self._money(
            "sup-erp", "invoiced", at, invoice_ref=invoice, **line, quantity=much * QUANTITY_ONE,
            unit="EA", value_minor=much * 250, currency="EUR", net_days=self._chance.randrange(4),
        )  # fmt: skip
        payment = f"ACME/PAY-{invoice[-1]}"
        for part in range(self._chance.randrange(3)):
            paid_at = at + self._chance.randrange(HOUR_MS, 4 * DAY_MS)
            self._money(
                "acme-bank", "paid", paid_at, payment_ref=f"{payment}-{part}", invoice_ref=invoice,
                value_minor=12_500, currency="EUR",
            )  # fmt: skip
        for kind in ("failed", "disputed", "resolved"):
            if self._chance.random() < 0.2:
                told_at = at + self._chance.randrange(HOUR_MS, 4 * DAY_MS)
                number = {"payment_ref": f"{payment}-0"} if kind == "failed" else {}
                self._money("acme-bank", kind, told_at, invoice_ref=invoice, **number)

    def _stock(
        self, kind: str, at: UtcMillis, item: str, site: str, much: int, **more: str
    ) -> None:
        event = f"s{len(self.facts):05d}"
        source = f"{site.lower()}-wms"
        self.facts.append(
            InventoryFact(
                event, source, kind, at, at + self._chance.randrange(HOUR_MS), item=item, site=site,
                quantity=much * QUANTITY_ONE, unit="EA", **more,
            )
        )  # fmt: skip

    def _money(self, source: str, kind: str, at: UtcMillis, **fields: object) -> None:
        event = f"m{len(self.facts):05d}"
        told_at = at + self._chance.randrange(HOUR_MS)
        self.facts.append(PaymentFact(event, source, kind, at, told_at, **fields))  # type: ignore[arg-type]
