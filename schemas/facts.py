"""Facts: what a source says happened to one order line, order, shipment or to itself.

One struct per family; a row of the family's Avro topic, and (as a msgpack array) the body that
travels between stages and is kept in the ledgers. A field that a kind does not use is None. The
list of kinds at the end is the only one: validation, docs and the CLI read it.

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


Fact = OrderFact | ShipmentFact | PaymentFact | Heartbeat
FACT_TYPES: dict[Family, type[OrderFact | ShipmentFact | PaymentFact | Heartbeat]] = {
    Family.ORDERS: OrderFact,
    Family.SHIPMENTS: ShipmentFact,
    Family.PAYMENTS: PaymentFact,
    Family.HEARTBEATS: Heartbeat,
}


class Subject(enum.StrEnum):
    """What a fact of a kind is about, which decides what it must name."""

    LINE = "line"
    LINE_OR_ORDER = "line or order"
    SHIPPED_LINE = "line in a shipment"
    SHIPMENT_OR_LINE = "shipment or line"
    INVOICED_LINE = "line in an invoice"
    INVOICE_OR_LINE = "invoice or line"
    PAYMENT = "payment, invoice, order or line"
    SOURCE = "source"


class FactKind(msgspec.Struct, frozen=True):
    """One kind of fact: what it says, what it is about, and the fields it cannot do without.

    In `required`, a name such as `eta_at|eta_on` means: exactly one of these.
    """

    name: str
    family: Family
    subject: Subject
    says: str
    required: tuple[str, ...] = ()


FACT_KINDS: tuple[FactKind, ...] = (
    FactKind(
        "placed",
        Family.ORDERS,
        Subject.LINE,
        "The buyer ordered this much of an item, and asks for it by a date or moment.",
        ("item", "quantity", "unit"),
    ),
    FactKind(
        "changed",
        Family.ORDERS,
        Subject.LINE,
        "The buyer changed the quantity, the requested date, the value or the ship-to of a line.",
    ),
    FactKind(
        "confirmed",
        Family.ORDERS,
        Subject.LINE,
        "The supplier promised a quantity by a date or moment, in one or several schedules.",
        ("promised_at|promised_on",),
    ),
    FactKind(
        "rejected",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "The supplier will not deliver the line.",
    ),
    FactKind(
        "cancelled",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "A quantity of the line, or without a quantity all that is still open, is not wanted.",
    ),
    FactKind(
        "closed",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "Nothing more is expected on the line.",
    ),
    FactKind(
        "packed",
        Family.SHIPMENTS,
        Subject.SHIPPED_LINE,
        "Advance ship notice: the shipment holds this much of the line.",
        ("quantity", "unit"),
    ),
    FactKind("departed", Family.SHIPMENTS, Subject.SHIPMENT_OR_LINE, "It left a site."),
    FactKind(
        "arrived",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It reached a stop.",
        ("site",),
    ),
    FactKind(
        "eta",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It is now expected at its destination on this date or at this moment.",
        ("eta_at|eta_on",),
    ),
    FactKind(
        "exception",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "Something holds it up (or, with resolved true, no longer does).",
        ("reason",),
    ),
    FactKind(
        "delivered",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It was received: how much whole, and how much short, over or damaged.",
    ),
    FactKind(
        "returned",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "A quantity went back.",
        ("quantity", "unit"),
    ),
    FactKind(
        "invoiced",
        Family.PAYMENTS,
        Subject.INVOICED_LINE,
        "The invoice asks this much for the line, on these terms.",
        ("value_minor", "currency"),
    ),
    FactKind(
        "credited",
        Family.PAYMENTS,
        Subject.INVOICE_OR_LINE,
        "So much of what was invoiced need not be paid.",
        ("value_minor", "currency"),
    ),
    FactKind(
        "authorised",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The payer, or who pays for them, answers for this amount.",
        ("value_minor", "currency"),
    ),
    FactKind(
        "paid",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "This amount was paid: all, or a part.",
        ("value_minor", "currency"),
    ),
    FactKind(
        "failed",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "A payment, or its authorisation, did not come about or was taken back.",
    ),
    FactKind(
        "disputed",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The payer disputes what is asked for.",
    ),
    FactKind("resolved", Family.PAYMENTS, Subject.PAYMENT, "A dispute is over."),
    FactKind(
        "held",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The goods may not go until it is paid or answered for.",
    ),
    FactKind("released", Family.PAYMENTS, Subject.PAYMENT, "The goods may go."),
    FactKind(
        "refunded",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "This amount of what was paid went back to the payer.",
        ("value_minor", "currency"),
    ),
    FactKind(
        "alive",
        Family.HEARTBEATS,
        Subject.SOURCE,
        "The source is alive, and has told everything up to a moment.",
        ("complete_to",),
    ),
)

KIND_BY_NAME: dict[tuple[str, str], FactKind] = {(k.family, k.name): k for k in FACT_KINDS}


def line_id(order_ref: str, line: str) -> str:
    """The id of an order line from the buyer's order number and its line: `ACME/4711#10`."""
    return f"{order_ref}#{line}"


def split_line_id(line: str) -> tuple[str, str]:
    """The buyer's order number and the line that `line_id` joined."""
    order_ref, _, number = line.rpartition("#")
    return order_ref, number
