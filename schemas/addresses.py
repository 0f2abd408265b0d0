"""Where a fact is sent: its topic, and the key that keeps facts about one number in order.

Slipwatch reads facts under any key and from any partition; this is what its own senders use.
"""

from __future__ import annotations

from schemas.facts import (
    Fact,
    Family,
    Heartbeat,
    InventoryFact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
    stock_node_id,
)


def fact_topic(fact: Fact) -> str:
    """The topic of the fact's family, without a prefix."""
    match fact:
        case OrderFact():
            return Family.ORDERS.value
        case ShipmentFact():
            return Family.SHIPMENTS.value
        case InventoryFact():
            return Family.INVENTORY.value
        case PaymentFact():
            return Family.PAYMENTS.value
        case Heartbeat():
            return Family.HEARTBEATS.value


def fact_key(fact: Fact) -> bytes:
    """What the fact is about, so that a broker keeps facts about one thing in order."""
    match fact:
        case OrderFact():
            number = fact.order_ref or fact.supplier_ref
        case ShipmentFact():
            number = fact.shipment_ref or fact.carrier_ref or fact.order_ref or fact.supplier_ref
        case InventoryFact():
            number = stock_node_id(fact.item or "", fact.site or "")
        case PaymentFact():
            number = fact.invoice_ref or fact.payment_ref or fact.order_ref or fact.supplier_ref
        case Heartbeat():
            number = fact.source
    return (number or fact.source).encode()
