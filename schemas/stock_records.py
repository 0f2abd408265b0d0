"""What Slipwatch writes of stock nodes for others to read, by the promise of `schemas.records`."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

import msgspec

from schemas.records import Record


class StockStanding(enum.StrEnum):
    """How a stock node stands. Where nobody can tell it is blind or unknown, never enough."""

    SHORT = "short"
    LOW = "low"
    BLIND = "blind"
    UNKNOWN = "unknown"
    OVER = "over"
    ENOUGH = "enough"


class FlowDoubt(enum.StrEnum):
    """Why nobody can count on what should come: it is late (not left in time, or not there when it
    was due), or a source that should tell of it is blind."""

    LATE = "late"
    BLIND = "blind"


class StockBalance(Record, frozen=True, kw_only=True):
    """What is projected to be available from a date on, until the next one listed; so much of it,
    `doubtful`, by what came up to then in doubt."""

    on: dt.date
    available: Decimal
    doubtful: Decimal = Decimal(0)


class StockFlow(Record, frozen=True, kw_only=True):
    """What an order line, or a transfer by its number, brings to the node on a day, or takes from
    it: then `quantity` is below zero. What is overdue keeps the day on which it was due; what has
    not left in time has the day on which it can be there."""

    on: dt.date
    subject: str
    quantity: Decimal
    doubt: FlowDoubt | None = None


class StockProjection(Record, frozen=True, kw_only=True):
    """What a node's balance is projected to be up to `until_on`, by what is known to come and go.

    `balances` lists each date on which it changes, at most `limits.STOCK_BALANCES_LISTED`. The two
    first dates may lie beyond `until_on`. `overdue` should have arrived and is not counted on;
    `undated` has no date; lines in another unit than the node's are not in it. `lowest_later` is
    the lowest balance past `until_on`, None when nothing is known to move there.

    `flows` are what it is made of, in the order in which they fall due, past `until_on` too: the
    first `limits.STOCK_FLOWS_LISTED` of `flow_count`. `doubtful` is what all that come in doubt
    bring.
    """

    until_on: dt.date
    lowest: Decimal
    lowest_on: dt.date
    below_safety_on: dt.date | None = None
    below_zero_on: dt.date | None = None
    lines_hit: int = 0
    overdue: Decimal = Decimal(0)
    undated: Decimal = Decimal(0)
    lines_in_other_units: int = 0
    balances: tuple[StockBalance, ...] = ()
    lowest_later: Decimal | None = None
    flows: tuple[StockFlow, ...] = ()
    flow_count: int = 0
    doubtful: Decimal = Decimal(0)


class StockCount(Record, frozen=True, kw_only=True):
    """The last count, and what the books said before it; None where it was the first."""

    at: dt.datetime
    quantity: Decimal
    books: Decimal | None = None
    source: str


class StockStatus(Record, frozen=True, kw_only=True):
    """Topic `stock-status`, key: `ITEM@SITE`. One stock node as of a tick.

    `on_hand` and `available` (on hand less blocked and reserved) are None until somebody counts.
    """

    node_id: str
    item: str
    site: str
    tick: int
    at: dt.datetime
    standing: StockStanding
    why: str
    unit: str | None = None
    on_hand: Decimal | None = None
    available: Decimal | None = None
    blocked: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    in_transit: Decimal = Decimal(0)
    safety_stock: Decimal = Decimal(0)
    counted: StockCount | None = None
    projection: StockProjection | None = None
    contradictions: int = 0
    blind_feeds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Names of the rules that fire for the node now."""
    last_fact_at: dt.datetime | None = None


_READY = tuple(
    msgspec.json.Decoder(kind)
    for kind in (StockBalance, StockFlow, StockCount, StockProjection, StockStatus)
)
"""As in `schemas.records`."""
