"""Facts: what a source says happened to an order line, order, shipment, stock or to itself.

One struct per family; a row of the family's Avro topic, and (as a msgpack array) the body that
travels between stages and is kept in the ledgers. A field that a kind does not use is None.
`schemas.kinds` lists the kinds.

References: a *number* is written `OWNER/NUMBER`, the party that issued it and its number, such as
`ACME/4711`. `order_ref` is the buyer's number of the order, `supplier_ref` the supplier's,
`shipment_ref` the shipper's or carrier's number of the shipment, `carrier_ref` another number that
the carrier knows it by, `invoice_ref` the number of an invoice and `payment_ref` that of a payment.
A line is the buyer's order number and line: `ACME/4711#10`.
"""

from __future__ import annotations

import enum

import msgspec

from schemas.units import Day, Quantity, UtcMillis


class Family(enum.StrEnum):
    """A family of facts has one record type and one topic of the same name."""

    ORDERS = "orders"
    SHIPMENTS = "shipments"
    INVENTORY = "inventory"
    PAYMENTS = "payments"
    HEARTBEATS = "heartbeats"


class OrderFact(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="o"):
    """What a buyer or supplier says of one order line (or of a whole order: `line` None).

    A promise is a date (`promised_on`, due at the end of the receiving day of `ship_to`) or a
    moment (`promised_at`), never both. A confirmation in several schedules is several facts that
    share `confirmation`, one per `schedule`; a later confirmation replaces an earlier one whole.
    """

    event_id: str
    source: str
    kind: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    order_ref: str | None = None
    line: str | None = None
    supplier_ref: str | None = None
    supplier_line: str | None = None
    buyer: str | None = None
    supplier: str | None = None
    item: str | None = None
    ship_from: str | None = None
    ship_to: str | None = None
    quantity: Quantity | None = None
    unit: str | None = None
    value_minor: int | None = None
    currency: str | None = None
    requested_on: Day | None = None
    requested_at: UtcMillis | None = None
    promised_on: Day | None = None
    promised_at: UtcMillis | None = None
    confirmation: str | None = None
    schedule: int | None = None
    reason: str | None = None


class ShipmentFact(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="s"):
    """What a shipper, carrier or receiver says of a shipment, or of one line in it.

    `packed` (an advance ship notice) says how much of which line the shipment holds; the others
    name the shipment, the line, or both. `site` is where it happened, `stop` its place in the
    route (1 is the first). `short`, `over` and `damaged` are parts of what was expected, beside
    the `quantity` that was received whole.
    """

    event_id: str
    source: str
    kind: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    shipment_ref: str | None = None
    carrier_ref: str | None = None
    order_ref: str | None = None
    line: str | None = None
    supplier_ref: str | None = None
    supplier_line: str | None = None
    carrier: str | None = None
    mode: str | None = None
    site: str | None = None
    to_site: str | None = None
    stop: int | None = None
    quantity: Quantity | None = None
    unit: str | None = None
    short: Quantity | None = None
    over: Quantity | None = None
    damaged: Quantity | None = None
    eta_on: Day | None = None
    eta_at: UtcMillis | None = None
    reason: str | None = None
    resolved: bool | None = None


class InventoryFact(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="i"):
    """What a site says of its stock of one item: how much was counted, came, went or is set aside.

    `site` is where it happened. A transfer is told at both ends under one `transfer_ref`: out of
    `site` to `to_site`, and into `site` from `from_site`. `order_ref` and `line` name the order
    line that something is issued or set aside for.
    """

    event_id: str
    source: str
    kind: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    item: str | None = None
    site: str | None = None
    quantity: Quantity | None = None
    unit: str | None = None
    to_site: str | None = None
    from_site: str | None = None
    transfer_ref: str | None = None
    order_ref: str | None = None
    line: str | None = None
    reason: str | None = None


class PaymentFact(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="p"):
    """What a supplier, buyer or bank says of money: of an invoice's line, an invoice, a payment.

    An invoice stands for lines: each `invoiced` says how much of one line it holds, and for how
    much. A payment stands for invoices, orders or lines. `value_minor` is the net amount of the
    goods, without tax and freight, in the minor units of `currency`; `price_minor` that of
    `price_per` units (of one unit without it). An amount told of an invoice or of an order is
    shared over its lines (`schemas.shares`). The terms are `net_days` from the day of `occurred_at`
    where it falls due, or a date there (`due_on`), or a moment (`due_at`); one of them or none.
    """

    event_id: str
    source: str
    kind: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    payment_ref: str | None = None
    invoice_ref: str | None = None
    order_ref: str | None = None
    line: str | None = None
    supplier_ref: str | None = None
    supplier_line: str | None = None
    quantity: Quantity | None = None
    unit: str | None = None
    price_minor: int | None = None
    price_per: Quantity | None = None
    value_minor: int | None = None
    currency: str | None = None
    net_days: int | None = None
    due_on: Day | None = None
    due_at: UtcMillis | None = None
    due_site: str | None = None
    method: str | None = None
    reason: str | None = None


class Heartbeat(msgspec.Struct, array_like=True, frozen=True, gc=False, tag="h"):
    """A source says: I am alive, and everything up to `complete_to` has been told.

    `family` limits the statement to one family of facts; None means all that the source tells.
    """

    event_id: str
    source: str
    kind: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    complete_to: UtcMillis
    family: str | None = None


Fact = OrderFact | ShipmentFact | InventoryFact | PaymentFact | Heartbeat
FACT_TYPES: dict[Family, type[Fact]] = {
    Family.ORDERS: OrderFact,
    Family.SHIPMENTS: ShipmentFact,
    Family.INVENTORY: InventoryFact,
    Family.PAYMENTS: PaymentFact,
    Family.HEARTBEATS: Heartbeat,
}


def line_id(order_ref: str, line: str) -> str:
    """The id of an order line from the buyer's order number and its line: `ACME/4711#10`."""
    return f"{order_ref}#{line}"


def stock_node_id(item: str, site: str) -> str:
    """The id of a stock node: `BOLT@PLANT-1`. A site has no `@`, so the last one parts the two."""
    return f"{item}@{site}"


def split_stock_node_id(node: str) -> tuple[str, str]:
    """The item and the site that `stock_node_id` joined."""
    item, _, site = node.rpartition("@")
    return item, site


def split_line_id(line: str) -> tuple[str, str]:
    """The buyer's order number and the line that `line_id` joined."""
    order_ref, _, number = line.rpartition("#")
    return order_ref, number
