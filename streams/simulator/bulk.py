"""Many facts for little work: copies of a fact about orders with numbers of their own."""

from __future__ import annotations

import msgspec

from schemas.facts import Fact, Heartbeat, InventoryFact, OrderFact, PaymentFact


def copied(fact: Fact, copies: int) -> list[Fact]:
    """The fact, and `copies` - 1 more of it, each about another order. What is told of a source
    stays alone; so does what is told of stock and names no order, but of so many times as much.

    Copies differ in event id and numbers alone. About a microsecond each.
    """
    if isinstance(fact, Heartbeat):
        return [fact]
    if isinstance(fact, InventoryFact) and fact.order_ref is None:
        return [msgspec.structs.replace(fact, quantity=(fact.quantity or 0) * copies)]
    return [fact, *(_renumbered(fact, f".{number}") for number in range(1, copies))]


def _renumbered(fact: Fact, suffix: str) -> Fact:
    match fact:
        case Heartbeat():
            return fact
        case InventoryFact(order_ref=order):
            return msgspec.structs.replace(
                fact, event_id=fact.event_id + suffix, order_ref=order and order + suffix
            )
        case OrderFact(order_ref=order, supplier_ref=supplier, confirmation=confirmation):
            return msgspec.structs.replace(
                fact,
                event_id=fact.event_id + suffix,
                order_ref=order and order + suffix,
                supplier_ref=supplier and supplier + suffix,
                confirmation=confirmation and confirmation + suffix,
            )
        case PaymentFact(order_ref=order, supplier_ref=supplier):
            invoice, payment = fact.invoice_ref, fact.payment_ref
            return msgspec.structs.replace(
                fact,
                event_id=fact.event_id + suffix,
                order_ref=order and order + suffix,
                supplier_ref=supplier and supplier + suffix,
                invoice_ref=invoice and invoice + suffix,
                payment_ref=payment and payment + suffix,
            )
        case _:
            order, supplier = fact.order_ref, fact.supplier_ref
            shipment, carrier = fact.shipment_ref, fact.carrier_ref
            return msgspec.structs.replace(
                fact,
                event_id=fact.event_id + suffix,
                order_ref=order and order + suffix,
                supplier_ref=supplier and supplier + suffix,
                shipment_ref=shipment and shipment + suffix,
                carrier_ref=carrier and carrier + suffix,
            )
