"""What is asked of an order that does not exist yet, and what is answered.

The answer is made where it is asked for and lies on no topic; it follows the promise of
`schemas.records` all the same. Quantities are in `unit`, dates are dates at the place where they
fall due.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from schemas.records import OrderStatus, Record
from schemas.stock_records import StockStatus
from schemas.ticks import Tick


class PromiseAsked(msgspec.Struct, frozen=True, kw_only=True):
    """So much of an item at a site, by a date if one is given. `unit` None means the item's own."""

    item: str
    quantity: Decimal
    site: str
    by: dt.date | None = None
    unit: str | None = None


class PromiseBasis(enum.StrEnum):
    """What a part of a promise rests on: stock that nobody needs, stock that others wait for, or
    nothing but the time that the lanes take."""

    STOCK = "stock"
    TAKEN = "taken"
    LEAD_TIME = "lead_time"


class PromisePart(Record, frozen=True, kw_only=True):
    """So much from one site: when it is ready there, by which lanes it goes (none where it lies at
    the site that asks), and on which date 50, 80 and 95 of 100 such deliveries have arrived."""

    site: str
    quantity: Decimal
    basis: PromiseBasis
    ready_at: dt.datetime
    leaves_at: dt.datetime | None = None
    lanes: tuple[str, ...] = ()
    p50_on: dt.date
    p80_on: dt.date
    p95_on: dt.date
    unsure: str = ""
    """Why nobody can be sure of it; empty where everything was told."""


class PromiseOption(Record, frozen=True, kw_only=True):
    """One way to serve the order; its dates are those of its last part. Where it has several, each
    of them is there by then so often as a date says, and all together less often.

    `kept_at` is the surest quantile (p50, p80, p95) at which it arrives by the date asked for; None
    where none does, or no date was asked for.
    """

    parts: tuple[PromisePart, ...]
    p50_on: dt.date
    p80_on: dt.date
    p95_on: dt.date
    kept_at: str | None = None


class PushedLine(Record, frozen=True, kw_only=True):
    """A line that would wait if its stock were taken: how much of it, since when that is needed at
    the node, and when it would be expected. `expected_on` is None where nothing is known to come
    that would cover it: then it falls short. `due_on` is its date as it stands."""

    line_id: str
    missing: Decimal
    needed_on: dt.date
    covered_on: dt.date | None = None
    due_on: dt.date | None = None
    expected_on: dt.date | None = None


class PromiseTaking(Record, frozen=True, kw_only=True):
    """What it would cost to go before others: the option, and the lines that it pushes back.

    `unseen_movements` of the node lie further ahead than `stock-status` lists: they may hold more
    lines, and goods that cover some.
    """

    option: PromiseOption
    pushed: tuple[PushedLine, ...] = ()
    unseen_movements: int = 0


class PromiseSource(Record, frozen=True, kw_only=True):
    """A site that could send the item, the nearest first. `free_now` and `free` are what nobody
    needs at once and by `until_on`; None where nobody knows, and `unsure` says why."""

    site: str
    free_now: Decimal | None = None
    free: Decimal | None = None
    until_on: dt.date | None = None
    unsure: str = ""


class PromiseOffer(Record, frozen=True, kw_only=True):
    """The answer, as of a tick. Nothing is reserved by it.

    `promised` takes nothing that anybody needs and rests on what was told: None where that does not
    exist. `from_one_source` is given where `promised` is split and one source alone comes later.
    `unsure` is earlier than `promised` but rests on what nobody can see. `taking` is what would be
    possible before `promised`, or by the date asked for, if others waited. `missing` is how much no
    source is known to have in time for any date; `is_met` says whether `promised` arrives by the
    date asked for, at p80.
    """

    item: str
    quantity: Decimal
    unit: str
    site: str
    by: dt.date | None = None
    is_met: bool | None = None
    text: str
    promised: PromiseOption | None = None
    from_one_source: PromiseOption | None = None
    unsure: PromiseOption | None = None
    taking: PromiseTaking | None = None
    missing: Decimal = Decimal(0)
    sources: tuple[PromiseSource, ...] = ()
    sources_left_out: int = 0


class PromiseRefusal(Record, frozen=True, kw_only=True):
    """Why there is no answer: which part of the question (item, site, unit), what was wrong with
    it, and which ids or units were perhaps meant."""

    where: str
    detail: str
    candidates: tuple[str, ...] = ()


class PromiseGround(NamedTuple):
    """What an answer rests on, all as of one tick: its record, the chunks of the network that it
    names, the stock nodes of the item, and the lines by their ids."""

    tick: Tick
    network: Callable[[], list[bytes]]
    stock: tuple[StockStatus, ...]
    lines: Callable[[Collection[str]], list[OrderStatus]]


class NetworkUnread(Exception):
    """The network that the tick names is not there whole, or of a later release; the text says."""


class Promising(Protocol):
    """Whoever can answer. Pure but for what it remembers; safe to call from several threads."""

    def __call__(self, asked: PromiseAsked, ground: PromiseGround) -> PromiseOffer | PromiseRefusal:
        """The answer; raises NetworkUnread."""
        ...


_READY = tuple(
    msgspec.json.Decoder(kind)
    for kind in (PromisePart, PromiseOption, PushedLine, PromiseSource, PromiseOffer)
)
"""As in `schemas.records`."""
