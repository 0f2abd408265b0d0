"""What a partner is told of an order line: the public record, and what becomes of it over releases.

It goes to companies that we do not know, over topics, webhooks and messages, so this file is a
contract. Fields are only ever added, with a default; none is removed or changes its meaning or
type. The lists of standings and reasons may grow: a reader takes one that it does not know for
`not_known`. `schemas/partner/` holds the contract as JSON Schema, with every version published.

Who sees which field is said in `alerts.partners`, and to people in docs/partners.md. Nothing here
names another party, a cause, a price or a source, and no field holds free text.
"""

from __future__ import annotations

import datetime as dt
import enum
import inspect
import json
from decimal import Decimal
from typing import Any

import msgspec

from schemas.records import Record


class PartnerRole(enum.StrEnum):
    """What the reader of a record is to the line."""

    BUYER = "buyer"
    SUPPLIER = "supplier"
    CARRIER = "carrier"


class PartnerStanding(enum.StrEnum):
    """How the line stands against its promise. Where nobody can tell it is not known, never on
    time."""

    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    LATE = "late"
    NOT_KNOWN = "not_known"
    ENDED = "ended"


class PartnerReason(enum.StrEnum):
    """Why it stands so; the public list, one of which each record has."""

    AS_PROMISED = "as_promised"
    DELIVERED = "delivered"
    NOT_PROMISED = "not_promised"
    NOT_CONFIRMED = "not_confirmed"
    NOT_SHIPPED = "not_shipped"
    NOT_MOVING = "not_moving"
    ARRIVES_LATE = "arrives_late"
    OVERDUE = "overdue"
    DELIVERED_LATE = "delivered_late"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    NOT_DEPARTED = "not_departed"
    ON_THE_WAY = "on_the_way"
    ARRIVED = "arrived"
    HELD_UP = "held_up"
    NOT_KNOWN = "not_known"


class PartnerAwaits(enum.StrEnum):
    """What the reader, which is the supplier of the line, is asked for: to confirm all that is
    ordered, or to ship it or give a new date."""

    CONFIRMATION = "confirmation"
    NEW_DATE = "new_date"


class PartnerShipment(Record, frozen=True, kw_only=True):
    """A shipment of the line, as its carrier sees it: the numbers it goes by, without the name of
    who issued them, and what was told of it. `expected` is the last ETA, a date or a moment."""

    number: str | None = None
    consignment: str | None = None
    quantity: Decimal | None = None
    departed_at: dt.datetime | None = None
    arrived_at: dt.datetime | None = None
    expected_on: dt.date | None = None
    expected_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None
    delivered: Decimal | None = None


class PartnerStatus(Record, frozen=True, kw_only=True):
    """Topic `order-status.<party>`. One order line as that party may see it; a field that is absent
    is not told yet, or not for this party.

    `order` and `line` are the buyer's numbers and `supplier_order` the supplier's, each without the
    name of the party that issued it. Dates fall due at the place of receipt; of `_on` and `_at`
    there is at most one. Quantities are in `unit`. `shipped_at` is the first departure,
    `delivered_at` the delivery that completed the line.

    `awaits` is absent where nothing is asked of the reader; it goes when the answer has come.
    `awaits_by` is the moment by which the answer is wanted, and may have passed; `asked` says which
    time of asking this is, from 1 on.
    """

    roles: tuple[PartnerRole, ...]
    standing: PartnerStanding | None = None
    reason: PartnerReason
    order: str | None = None
    line: str | None = None
    supplier_order: str | None = None
    item: str | None = None
    unit: str | None = None
    ordered: Decimal | None = None
    confirmed: Decimal | None = None
    cancelled: Decimal | None = None
    shipped: Decimal | None = None
    delivered: Decimal | None = None
    requested_on: dt.date | None = None
    requested_at: dt.datetime | None = None
    promised_on: dt.date | None = None
    promised_at: dt.datetime | None = None
    expected_at: dt.datetime | None = None
    shipped_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None
    shipments: tuple[PartnerShipment, ...] = ()
    awaits: PartnerAwaits | None = None
    awaits_by: dt.datetime | None = None
    asked: int | None = None


def partner_key(party: str, line_id: str) -> str:
    """The key of the record in `partner-status`, which only the engine reads."""
    return f"{party}@{line_id}"


def split_partner_key(key: str) -> tuple[str, str]:
    """The party and the line that `partner_key` joined; the id of a party has no `@`."""
    party, _, line_id = key.partition("@")
    return party, line_id


PARTNER_SCHEMA_ID = "urn:slipwatch:order-status:1"


def partner_contract() -> str:
    """schemas/partner/order-status.json: the record as JSON Schema (2020-12)."""
    return json.dumps(_schema(), indent=2) + "\n"


def _schema() -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([PartnerStatus], ref_template="#/$defs/{name}")
    for part in parts.values():
        part["description"] = inspect.cleandoc(part["description"])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": PARTNER_SCHEMA_ID}
    return {**head, **parts.pop(PartnerStatus.__name__), "$defs": parts}


_READY = tuple(msgspec.json.Decoder(kind) for kind in (PartnerShipment, PartnerStatus))
"""As in `schemas.records`."""
