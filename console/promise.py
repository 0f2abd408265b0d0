"""An order that does not exist yet: the question to one snapshot, and the model of the answer.

The view hands whoever can answer (`Promising`) what it knows as of the tick; it computes nothing.
The models have the fields of their namesakes in `schemas.promise_records`, whose docstrings say
what they mean.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal

from sqlalchemy import Connection, select

from console import tables
from console.answers import Answer, AsOf
from console.reading import (
    NotFound,
    NotReady,
    NotUnderstood,
    answer,
    read_as_of,
    read_record,
    read_records,
)
from schemas.promise_records import (
    NetworkUnread,
    PromiseAsked,
    PromiseBasis,
    PromiseGround,
    PromiseRefusal,
    Promising,
)
from schemas.records import OrderStatus
from schemas.stock_records import StockStatus
from schemas.ticks import Tick


class PromisePart(Answer):
    site: str
    quantity: Decimal
    basis: PromiseBasis
    ready_at: dt.datetime
    leaves_at: dt.datetime | None
    lanes: tuple[str, ...]
    p50_on: dt.date
    p80_on: dt.date
    p95_on: dt.date
    unsure: str


class PromiseOption(Answer):
    parts: tuple[PromisePart, ...]
    p50_on: dt.date
    p80_on: dt.date
    p95_on: dt.date
    kept_at: str | None


class PushedLine(Answer):
    line_id: str
    missing: Decimal
    needed_on: dt.date
    covered_on: dt.date | None
    due_on: dt.date | None
    expected_on: dt.date | None


class PromiseTaking(Answer):
    option: PromiseOption
    pushed: tuple[PushedLine, ...]
    unseen_movements: int


class PromiseSource(Answer):
    site: str
    free_now: Decimal | None
    free: Decimal | None
    until_on: dt.date | None
    unsure: str


class PromiseOffer(Answer):
    """What can be promised, and what it rests on."""

    item: str
    quantity: Decimal
    unit: str
    site: str
    by: dt.date | None
    is_met: bool | None
    text: str
    promised: PromiseOption | None
    from_one_source: PromiseOption | None
    unsure: PromiseOption | None
    taking: PromiseTaking | None
    missing: Decimal
    sources: tuple[PromiseSource, ...]
    sources_left_out: int


class PromiseAnswer(Answer):
    """The offer for an order that does not exist yet; nothing is reserved by it."""

    as_of: AsOf
    promise: PromiseOffer


def ask_promise(connection: Connection, promising: Promising, asked: PromiseAsked) -> PromiseAnswer:
    """The answer of `promising`, from what the snapshot knows."""
    as_of = read_as_of(connection)
    body = connection.execute(
        select(tables.ticks.c.body).where(tables.ticks.c.n == as_of.tick)
    ).scalar_one()
    tick = read_record(body, Tick)
    node, line, network = tables.stock_nodes.c, tables.order_lines.c, tables.networks.c

    def chunks() -> list[bytes]:
        query = select(network.body).where(network.version == tick.network)
        return list(connection.execute(query.order_by(network.chunk)).scalars())

    def lines(ids: Collection[str]) -> list[OrderStatus]:
        query = select(line.body).where(line.line_id.in_(ids)).order_by(line.line_id)
        return read_records(connection, query, OrderStatus)

    nodes = select(node.body).where(node.item == asked.item).order_by(node.site)
    stock = tuple(read_records(connection, nodes, StockStatus))
    try:
        found = promising(asked, PromiseGround(tick, chunks, stock, lines))
    except NetworkUnread as error:
        raise NotReady(f"The network of tick {tick.n} cannot be read: {error}.") from error
    if isinstance(found, PromiseRefusal):
        raise _refused(found, asked)
    return PromiseAnswer(as_of=as_of, promise=answer(PromiseOffer, found))


def _refused(found: PromiseRefusal, asked: PromiseAsked) -> NotFound | NotUnderstood:
    if found.where == "unit":
        expected = " or ".join(found.candidates)
        return NotUnderstood(found.detail, "unit", asked.unit or "", expected)
    return NotFound(found.detail, found.candidates)
