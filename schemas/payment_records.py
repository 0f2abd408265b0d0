"""What `order-status` says of a line's money; a part of `schemas.records.OrderStatus`."""

from __future__ import annotations

import datetime as dt
import enum

import msgspec


class PaidFor(enum.StrEnum):
    """Whether an order line is paid for. A silent feed is blind, never paid or unpaid."""

    PAID = "paid"
    OVERPAID = "overpaid"
    PARTLY_PAID = "partly_paid"
    UNPAID = "unpaid"
    NOT_INVOICED = "not_invoiced"
    BLIND = "blind"
    UNKNOWN = "unknown"


class Clearance(enum.StrEnum):
    """Whether the goods of a line are free to go, as far as money is concerned."""

    FREE = "free"
    HELD = "held"
    BLIND = "blind"


class LinePayment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The money of an order line, in minor units of `currency`: its part of what was told of its
    invoices and payments. For the line's buyer and supplier alone: no partner is told of it.

    `asked_minor` is what the invoices ask for, less what was credited, or else what the order is
    worth; None where neither is known. `due_at` is when the first amount still open falls due.
    """

    paid_for: PaidFor
    clearance: Clearance
    why: str
    currency: str | None = None
    invoiced_minor: int = 0
    credited_minor: int = 0
    authorised_minor: int = 0
    paid_minor: int = 0
    refunded_minor: int = 0
    asked_minor: int | None = None
    open_minor: int | None = None
    due_at: dt.datetime | None = None
    disputed: bool = False
    invoices: tuple[str, ...] = ()
    payments: tuple[str, ...] = ()
    blind_feeds: tuple[str, ...] = ()
