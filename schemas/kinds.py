"""Kinds of facts: what each says, what it is about, and what it cannot do without.

The list is the only one: validation, docs and the CLI read it.
"""

from __future__ import annotations

import enum

import msgspec

from schemas.facts import Family


class Subject(enum.StrEnum):
    """What a fact of a kind is about, which decides what it must name."""

    LINE = "line"
    LINE_OR_ORDER = "line or order"
    SHIPPED_LINE = "line in a shipment"
    SHIPMENT_OR_LINE = "shipment or line"
    STOCK_NODE = "stock node"
    INVOICED_LINE = "line in an invoice"
    INVOICE_OR_LINE = "invoice or line"
    PAYMENT = "payment, invoice, order or line"
    SOURCE = "source"


class Role(enum.StrEnum):
    """What a party is to an order line."""

    BUYER = "buyer"
    SUPPLIER = "supplier"
    CARRIER = "carrier"


class FactKind(msgspec.Struct, frozen=True):
    """One kind of fact: what it says, what it is about, and the fields it cannot do without.

    In `required`, a name such as `eta_at|eta_on` means: exactly one of these. `said_by` is what a
    partner must be to a line to say it of that line; of stock and of itself it needs no role.
    """

    name: str
    family: Family
    subject: Subject
    says: str
    required: tuple[str, ...] = ()
    said_by: tuple[Role, ...] = ()


_BUYER = (Role.BUYER,)
_SUPPLIER = (Role.SUPPLIER,)
_TRADERS = (Role.BUYER, Role.SUPPLIER)
_ALL = (Role.BUYER, Role.SUPPLIER, Role.CARRIER)
_STOCK = ("item", "site", "quantity", "unit")

FACT_KINDS: tuple[FactKind, ...] = (
    FactKind(
        "placed",
        Family.ORDERS,
        Subject.LINE,
        "The buyer ordered this much of an item, and asks for it by a date or moment.",
        ("item", "quantity", "unit"),
        said_by=_BUYER,
    ),
    FactKind(
        "changed",
        Family.ORDERS,
        Subject.LINE,
        "The buyer changed the quantity, the requested date, the value, the ship-to or the "
        "supplier of a line.",
        said_by=_BUYER,
    ),
    FactKind(
        "confirmed",
        Family.ORDERS,
        Subject.LINE,
        "The supplier promised a quantity by a date or moment, in one or several schedules.",
        ("promised_at|promised_on",),
        said_by=_SUPPLIER,
    ),
    FactKind(
        "rejected",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "The supplier will not deliver the line.",
        said_by=_SUPPLIER,
    ),
    FactKind(
        "cancelled",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "A quantity of the line, or without a quantity all that is still open, is not wanted.",
        said_by=_BUYER,
    ),
    FactKind(
        "closed",
        Family.ORDERS,
        Subject.LINE_OR_ORDER,
        "Nothing more is expected on the line.",
        said_by=_TRADERS,
    ),
    FactKind(
        "packed",
        Family.SHIPMENTS,
        Subject.SHIPPED_LINE,
        "Advance ship notice: the shipment holds this much of the line.",
        ("quantity", "unit"),
        said_by=_SUPPLIER,
    ),
    FactKind(
        "departed", Family.SHIPMENTS, Subject.SHIPMENT_OR_LINE, "It left a site.", said_by=_ALL
    ),
    FactKind(
        "arrived",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It reached a stop.",
        ("site",),
        said_by=_ALL,
    ),
    FactKind(
        "eta",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It is now expected at its destination on this date or at this moment.",
        ("eta_at|eta_on",),
        said_by=_ALL,
    ),
    FactKind(
        "exception",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "Something holds it up (or, with resolved true, no longer does).",
        ("reason",),
        said_by=_ALL,
    ),
    FactKind(
        "delivered",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "It was received: how much whole, and how much short, over or damaged.",
        said_by=_ALL,
    ),
    FactKind(
        "returned",
        Family.SHIPMENTS,
        Subject.SHIPMENT_OR_LINE,
        "A quantity went back.",
        ("quantity", "unit"),
        said_by=_ALL,
    ),
    FactKind(
        "counted",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much of the item lay at the site at that moment, whatever was told before.",
        _STOCK,
    ),
    FactKind("received", Family.INVENTORY, Subject.STOCK_NODE, "So much came in.", _STOCK),
    FactKind("issued", Family.INVENTORY, Subject.STOCK_NODE, "So much went out.", _STOCK),
    FactKind(
        "adjusted",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "The books were corrected by so much, up or (below zero) down.",
        _STOCK,
    ),
    FactKind(
        "reserved",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much is set aside: for the line that it names, or for something else.",
        _STOCK,
    ),
    FactKind(
        "unreserved",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much is no longer set aside. What is issued for a line needs no such word.",
        _STOCK,
    ),
    FactKind(
        "blocked",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much must not be used, for quality or another reason.",
        _STOCK,
    ),
    FactKind(
        "unblocked", Family.INVENTORY, Subject.STOCK_NODE, "So much may be used again.", _STOCK
    ),
    FactKind(
        "transferred_out",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much left for another site of the same owner, and is in transit to it.",
        (*_STOCK, "to_site", "transfer_ref"),
    ),
    FactKind(
        "transferred_in",
        Family.INVENTORY,
        Subject.STOCK_NODE,
        "So much of a transfer came in.",
        (*_STOCK, "transfer_ref"),
    ),
    FactKind(
        "invoiced",
        Family.PAYMENTS,
        Subject.INVOICED_LINE,
        "The invoice asks this much for the line, on these terms.",
        ("value_minor", "currency"),
        said_by=_SUPPLIER,
    ),
    FactKind(
        "credited",
        Family.PAYMENTS,
        Subject.INVOICE_OR_LINE,
        "So much of what was invoiced need not be paid.",
        ("value_minor", "currency"),
        said_by=_SUPPLIER,
    ),
    FactKind(
        "authorised",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The payer, or who pays for them, answers for this amount.",
        ("value_minor", "currency"),
        said_by=_BUYER,
    ),
    FactKind(
        "paid",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "This amount was paid: all, or a part.",
        ("value_minor", "currency"),
        said_by=_TRADERS,
    ),
    FactKind(
        "failed",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "A payment, or its authorisation, did not come about or was taken back.",
        said_by=_TRADERS,
    ),
    FactKind(
        "disputed",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The payer disputes what is asked for.",
        said_by=_BUYER,
    ),
    FactKind("resolved", Family.PAYMENTS, Subject.PAYMENT, "A dispute is over.", said_by=_TRADERS),
    FactKind(
        "held",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "The goods may not go until it is paid or answered for.",
        said_by=_SUPPLIER,
    ),
    FactKind("released", Family.PAYMENTS, Subject.PAYMENT, "The goods may go.", said_by=_SUPPLIER),
    FactKind(
        "refunded",
        Family.PAYMENTS,
        Subject.PAYMENT,
        "This amount of what was paid went back to the payer.",
        ("value_minor", "currency"),
        said_by=_SUPPLIER,
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
