"""Stock nodes as the view answers of them: models, and questions to one snapshot.

The models have the fields of their namesakes in `schemas.stock_records`, whose docstrings say what
they mean.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from sqlalchemy import Connection, select, tuple_

from console import tables
from console.answers import Answer, AsOf
from console.reading import (
    NotFound,
    answer,
    cursor,
    encode_cursor,
    read_as_of,
    read_record,
)
from schemas.stock_records import FlowDoubt, StockStanding, StockStatus


class StockBalance(Answer):
    on: dt.date
    available: Decimal
    doubtful: Decimal


class StockFlow(Answer):
    on: dt.date
    subject: str
    quantity: Decimal
    doubt: FlowDoubt | None


class StockProjection(Answer):
    """What the balance is projected to be, by what is known to come and go."""

    until_on: dt.date
    lowest: Decimal
    lowest_on: dt.date
    below_safety_on: dt.date | None
    below_zero_on: dt.date | None
    lines_hit: int
    overdue: Decimal
    undated: Decimal
    lines_in_other_units: int
    balances: tuple[StockBalance, ...]
    lowest_later: Decimal | None
    flows: tuple[StockFlow, ...]
    flow_count: int
    doubtful: Decimal


class StockCount(Answer):
    at: dt.datetime
    quantity: Decimal
    books: Decimal | None
    source: str


class StockNode(Answer):
    """One item at one site, as its tick left it."""

    node_id: str
    item: str
    site: str
    tick: int
    at: dt.datetime
    standing: StockStanding
    why: str
    unit: str | None
    on_hand: Decimal | None
    available: Decimal | None
    blocked: Decimal
    reserved: Decimal
    in_transit: Decimal
    safety_stock: Decimal
    counted: StockCount | None
    projection: StockProjection | None
    contradictions: int
    blind_feeds: tuple[str, ...]
    rules: tuple[str, ...]
    last_fact_at: dt.datetime | None


class StockAnswer(Answer):
    """Stock nodes, those that need somebody first."""

    as_of: AsOf
    stock: tuple[StockNode, ...]
    next_after: str | None


class StockNodeAnswer(Answer):
    """One stock node."""

    as_of: AsOf
    node: StockNode


def list_stock(
    connection: Connection,
    *,
    standing: StockStanding | None = None,
    site: str | None = None,
    item: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> StockAnswer:
    """Stock nodes by how they stand (short first, enough last), then by id."""
    as_of = read_as_of(connection)
    node = tables.stock_nodes.c
    place = (node.standing_rank, node.node_id)
    query = select(node.body, *place).order_by(*place)
    for column, asked in ((node.standing, standing), (node.site, site), (node.item, item)):
        if asked is not None:
            query = query.where(column == asked)
    if after is not None:
        query = query.where(tuple_(*place) > cursor(after, (int, str)))
    rows = connection.execute(query.limit(limit + 1)).all()
    return StockAnswer(
        as_of=as_of,
        stock=tuple(_node(row.body) for row in rows[:limit]),
        next_after=encode_cursor(*rows[limit - 1][1:]) if len(rows) > limit else None,
    )


def show_stock(connection: Connection, node_id: str) -> StockNodeAnswer:
    """One stock node by its id, `ITEM@SITE`."""
    as_of = read_as_of(connection)
    found = find_stock(connection, node_id)
    if found is None:
        raise NotFound(f"There is no stock node {node_id}; ids are written ITEM@SITE.")
    return StockNodeAnswer(as_of=as_of, node=found)


def find_stock(connection: Connection, node_id: str) -> StockNode | None:
    """The stock node, if facts have told of it."""
    node = tables.stock_nodes.c
    body = connection.execute(select(node.body).where(node.node_id == node_id)).scalar()
    return None if body is None else _node(body)


def _node(body: str) -> StockNode:
    return answer(StockNode, read_record(body, StockStatus))
