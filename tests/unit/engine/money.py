"""A chain in which somebody tells of money, and what tests say of it: invoices and payments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from schemas.facts import Fact, Family, Heartbeat, PaymentFact, ShipmentFact
from schemas.payment_records import LinePayment
from schemas.records import OrderStatus, decode
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.engine.local import LocalEngine
from tests.scenario import START, Chain, network
from topology.model import Feed
from topology.network import Network, build

BOOKS = "sup-books"
AT = START + 3 * DAY_MS


def with_books(*, heartbeats: bool = True) -> Network:
    """The chain of the scenario, in which a source of its own tells of the supplier's money."""
    document = network().document
    books = Feed(
        id=BOOKS, party="SUP", families=(Family.PAYMENTS,),
        every_ms=DAY_MS, grace_ms=2 * HOUR_MS, heartbeats=heartbeats,
    )  # fmt: skip
    return build(msgspec.structs.replace(document, feeds=(*document.feeds, books)))


def told(event: str, kind: str, at: UtcMillis = AT, **fields: object) -> PaymentFact:
    """Something that the books tell of money, in euros where it names an amount. `of` names a line
    of ACME/PO-1."""
    source = str(fields.pop("source", BOOKS))
    if "of" in fields:
        fields |= {"order_ref": "ACME/PO-1", "line": fields.pop("of")}
    if "value_minor" in fields:
        fields.setdefault("currency", "EUR")
    if "quantity" in fields:
        fields |= {"quantity": int(str(fields["quantity"])) * QUANTITY_ONE, "unit": "EA"}
    return PaymentFact(event, source, kind, at, at, **fields)  # type: ignore[arg-type]


def placed(*lines: str, value_minor: int | None = None) -> list[Fact]:
    """ACME orders 100 bolts on each line of PO-1; the supplier knows them as SO-1, by line."""
    chain = Chain()
    facts: list[Fact] = []
    for line in lines:
        order = chain.placed("PO-1", START, line=line, due_days=60)
        worth = {"value_minor": value_minor, "currency": "EUR" if value_minor else None}
        facts.append(msgspec.structs.replace(order, event_id=f"o{line}", **worth))
        confirmed = chain.confirmed("PO-1", START + HOUR_MS, line=line, due_days=60)
        numbers = {"supplier_ref": "SUP/SO-1", "supplier_line": line}
        facts.append(msgspec.structs.replace(confirmed, event_id=f"c{line}", **numbers))
    return facts


def received(line: str, at: UtcMillis, quantity: int = 100) -> Fact:
    """ACME received the line."""
    return ShipmentFact(
        f"d{line}", "acme-erp", "delivered", at, at, order_ref="ACME/PO-1", line=line,
        site="OSLO", quantity=quantity * QUANTITY_ONE, unit="EA",
    )  # fmt: skip


def alive(at: UtcMillis, *sources: str) -> list[Fact]:
    """All sources, or these, say that they are complete."""
    names = sources or ("sup-erp", "cargo-edi", "acme-erp", BOOKS)
    return [Heartbeat(f"h{at}", source, "alive", at, at, at) for source in names]


def run(
    ticks: Iterable[Sequence[Fact]], *, partitions: int = 4, engine: LocalEngine | None = None
) -> LocalEngine:
    """An engine that was told the facts, tick by tick, an hour apart from `AT` on."""
    engine = engine or LocalEngine(with_books(), partitions=partitions)
    for n, facts in enumerate(ticks):
        for fact in facts:
            engine.send(fact)
        engine.tick(AT + n * HOUR_MS)
    return engine


def status(engine: LocalEngine, line: str) -> OrderStatus:
    """The line of PO-1 as readers see it."""
    return decode(engine.latest("order-status")[f"ACME/PO-1#{line}".encode()], OrderStatus)


def payment(engine: LocalEngine, line: str) -> LinePayment:
    """Its money."""
    found = status(engine, line).payment
    assert found is not None
    return found
