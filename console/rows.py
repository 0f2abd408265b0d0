"""What a record of a topic becomes in the tables: pure, one function a topic.

A `Put` replaces, in one table, all rows that share a key by new ones (none for a tombstone). So the
rows are a function of the records in offset order, and applying one twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection, Table, bindparam, delete, insert

from console import tables
from console.cut import Message
from schemas.codec import unpack
from schemas.facts import Heartbeat
from schemas.ledger import decode_line
from schemas.limits import ERROR_CHARS_MAX
from schemas.records import (
    Alert,
    DeadLetter,
    Decision,
    DecisionKind,
    FeedStatus,
    Notification,
    OrderStatus,
    Parked,
    Receipt,
    Severity,
    Unlinked,
    decode,
)
from schemas.stock_records import StockStanding, StockStatus
from schemas.ticks import StageProgress, Tick
from schemas.units import millis

Value: TypeAlias = str | int | bool | bytes | None
Row: TypeAlias = dict[str, Value]

SEVERITY_RANK: dict[Severity, int] = {severity: rank for rank, severity in enumerate(Severity)}
STOCK_RANK: dict[StockStanding, int] = {standing: n for n, standing in enumerate(StockStanding)}
NUMBER_KINDS: tuple[tuple[str, str], ...] = (
    ("order_ref", "order"),
    ("supplier_ref", "supplier order"),
    ("shipment_ref", "shipment"),
    ("carrier_ref", "carrier"),
    ("invoice_ref", "invoice"),
    ("payment_ref", "payment"),
)
"""Fields of facts that hold a number by which people may ask for a line, and what it is."""


class Put(NamedTuple):
    """Replaces the rows of `table` whose `replaced_by` columns equal `key`."""

    table: Table
    key: tuple[Value, ...]
    rows: tuple[Row, ...]


def puts(message: Message) -> list[Put]:
    """What to put for one record; a record that cannot be read goes to `unreadable`."""
    try:
        found = list(_READERS[message.topic](message))
        _check_numbers(found)
    except (msgspec.DecodeError, ValueError) as error:
        key = (message.topic, message.partition, message.offset)
        told = str(error)[:ERROR_CHARS_MAX]
        return [Put(tables.unreadable, key, (_row(tables.unreadable, key, error=told),))]
    return found


def _check_numbers(found: Iterable[Put]) -> None:
    """Raises ValueError for a number that no column holds; JSON knows no limit."""
    for put in found:
        for row in put.rows:
            for name, value in row.items():
                if type(value) is int and not -_BIGINT <= value < _BIGINT:
                    raise ValueError(f"{name} is {str(value)[:40]}, expected 64 bits")


_BIGINT = 1 << 63


def write(connection: Connection, changes: Iterable[Put]) -> None:
    """Brings the tables up to date; of several puts on one key the last counts.

    One deletion and one insertion of many rows for each table, whatever the number of changes.
    """
    latest: dict[str, dict[tuple[Value, ...], Put]] = {}
    for put in changes:
        latest.setdefault(put.table.name, {})[put.key] = put
    for by_key in latest.values():
        table = next(iter(by_key.values())).table
        columns = replaced_by(table)
        where = [table.c[name] == bindparam(f"old_{name}") for name in columns]
        old = [{f"old_{n}": v for n, v in zip(columns, key, strict=True)} for key in by_key]
        connection.execute(delete(table).where(*where), old)
        rows = [row for put in by_key.values() for row in put.rows]
        if rows:
            connection.execute(insert(table), rows)


def replaced_by(table: Table) -> tuple[str, ...]:
    """The columns by whose values the rows of the table are replaced."""
    columns: tuple[str, ...] = table.info["replaced_by"]
    return columns


def bare(number: str) -> str:
    """A number without the party that issued it: `ACME/4711` gives `4711`."""
    _, owned, rest = number.partition("/")
    return rest if owned else number


def _row(table: Table, key: tuple[Value, ...], **columns: Value) -> Row:
    return dict(zip(replaced_by(table), key, strict=True)) | columns


def _one(table: Table, key: tuple[Value, ...], **columns: Value) -> Put:
    return Put(table, key, (_row(table, key, **columns),))


def _names(table: Table, key: str, column: str, names: Iterable[str]) -> Put:
    rows = tuple(_row(table, (key,), **{column: name}) for name in dict.fromkeys(names))
    return Put(table, (key,), rows)


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _numbers(line_id: str, origin: str, numbers: Iterable[tuple[str, str]]) -> Put:
    key = (line_id, origin)
    table = tables.line_numbers
    rows = (
        _row(table, key, kind=kind, number=number, bare=bare(number))
        for kind, number in dict.fromkeys(numbers)
    )
    return Put(table, key, tuple(rows))


def _order_status(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.order_lines, (message.key,), ())
        yield _numbers(message.key, "status", ())
        return
    status = decode(message.value, OrderStatus)
    yield _one(
        tables.order_lines,
        (status.line_id,),
        order_ref=status.order_ref,
        standing=status.standing.value,
        tick=status.tick,
        body=_text(message.value),
    )
    numbers = [("order", status.order_ref), *(("shipment", ref) for ref in status.shipments)]
    yield _numbers(status.line_id, "status", numbers)


def _stock_status(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.stock_nodes, (message.key,), ())
        return
    status = decode(message.value, StockStatus)
    yield _one(
        tables.stock_nodes,
        (status.node_id,),
        item=status.item,
        site=status.site,
        standing=status.standing.value,
        standing_rank=STOCK_RANK[status.standing],
        body=_text(message.value),
    )


def _lines(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.line_facts, (message.key,), ())
        yield _numbers(message.key, "facts", ())
        return
    state = decode_line(message.value)
    yield _one(tables.line_facts, (message.key,), tick=state.tick, body=message.value)
    numbers: list[tuple[str, str]] = []
    for packed in state.facts:
        fact = unpack(packed)
        if isinstance(fact, Heartbeat):
            continue
        found = ((kind, getattr(fact, field, None)) for field, kind in NUMBER_KINDS)
        numbers.extend((kind, number) for kind, number in found if number)
    yield _numbers(message.key, "facts", numbers)


def _alerts(message: Message) -> Iterator[Put]:
    children = (tables.alert_accounts, tables.alert_rules, tables.alert_subjects)
    if not message.value:
        for table in (tables.alerts, *children):
            yield Put(table, (message.key,), ())
        return
    alert = decode(message.value, Alert)
    body = _text(message.value)
    yield _one(
        tables.alerts,
        (alert.alert_id,),
        state=alert.state.value,
        severity_rank=SEVERITY_RANK[alert.severity],
        opened_at=millis(alert.opened_at),
        tick=alert.tick,
        body=body,
    )
    yield _one(tables.alert_revisions, (alert.alert_id, alert.tick), body=body)
    subjects = [consequence.subject for consequence in alert.consequences]
    yield _names(tables.alert_accounts, alert.alert_id, "account", alert.accounts)
    yield _names(tables.alert_rules, alert.alert_id, "rule", alert.rules)
    yield _names(tables.alert_subjects, alert.alert_id, "subject", subjects)


def _decisions(message: Message) -> Iterator[Put]:
    if not message.value:
        return
    decision = decode(message.value, Decision)
    at = millis(decision.at)
    if decision.kind is DecisionKind.VERDICTS:
        for verdict in decision.verdicts:
            yield _one(
                tables.verdicts,
                (decision.subject, verdict.rule, decision.tick),
                at=at,
                alert_id=verdict.alert_id,
                body=msgspec.json.encode(verdict).decode(),
            )
        return
    yield _one(
        tables.decisions,
        (message.partition, message.offset),
        alert_id=decision.alert_id or decision.subject,
        tick=decision.tick,
        kind=decision.kind.value,
        recipient=decision.recipient,
        notification_id=decision.notification_id,
        body=_text(message.value),
    )


def _notifications(message: Message) -> Iterator[Put]:
    if not message.value:
        return
    told = decode(message.value, Notification)
    yield _one(
        tables.notifications,
        (told.notification_id,),
        recipient=told.recipient,
        alert_id=told.alert_id,
        tick=told.tick,
        at=millis(told.at),
        body=_text(message.value),
    )
    yield _names(tables.notification_sinks, told.notification_id, "sink", told.sinks)


def _receipts(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.receipts, (message.key,), ())
        return
    receipt = decode(message.value, Receipt)
    yield _one(
        tables.receipts,
        (message.key,),
        notification_id=receipt.notification_id,
        sink=receipt.sink,
        outcome=receipt.outcome,
        body=_text(message.value),
    )


def _feeds(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.feeds, (message.key,), ())
        return
    feed = decode(message.value, FeedStatus)
    yield _one(tables.feeds, (feed.source,), blind=feed.blind, body=_text(message.value))


def _dead_letters(message: Message) -> Iterator[Put]:
    if not message.value:
        return
    letter = decode(message.value, DeadLetter)
    yield _one(
        tables.dead_letters,
        (letter.id,),
        source=letter.source,
        reason=letter.reason,
        tick=letter.tick,
        at=millis(letter.at),
        retried_at=None if letter.retried_at is None else millis(letter.retried_at),
        body=_text(message.value),
    )


def _unlinked(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.unlinked, (message.key,), ())
        yield Put(tables.unlinked_facts, (message.key,), ())
        return
    number = decode(message.value, Unlinked)
    since = millis(number.since)
    yield _one(
        tables.unlinked,
        (message.key,),
        waiting=number.waiting,
        since=since,
        body=_text(message.value),
    )
    facts, key = tables.unlinked_facts, (message.key,)
    counted = [
        _row(facts, key, source=each.source, kind=each.kind, facts=each.facts, since=since)
        for each in number.counts
    ]
    yield Put(facts, key, tuple(counted))


def _parked(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.parked, (message.key,), ())
        return
    decode(message.value, Parked)
    yield _one(tables.parked, (message.key,), body=_text(message.value))


def _progress(message: Message) -> Iterator[Put]:
    if not message.value:
        yield Put(tables.progress, (message.key,), ())
        return
    stands = decode(message.value, StageProgress)
    yield _one(
        tables.progress,
        (message.key,),
        stage=stands.stage,
        partition=stands.partition,
        tick=stands.tick,
        body=_text(message.value),
    )


def _ticks(message: Message) -> Iterator[Put]:
    if not message.value:
        return
    tick = decode(message.value, Tick)
    yield _one(tables.ticks, (tick.n,), at=millis(tick.at), body=_text(message.value))


def _networks(message: Message) -> Iterator[Put]:
    if not message.value:
        return
    version, _, chunk = message.key.rpartition("/")
    yield _one(tables.networks, (version, int(chunk)), body=message.value)


_READERS: Mapping[str, Callable[[Message], Iterable[Put]]] = {
    "order-status": _order_status,
    "stock-status": _stock_status,
    "lines": _lines,
    "alerts": _alerts,
    "decisions": _decisions,
    "notifications": _notifications,
    "receipts": _receipts,
    "feeds": _feeds,
    "dead-letters": _dead_letters,
    "unlinked": _unlinked,
    "parked": _parked,
    "progress": _progress,
    "ticks": _ticks,
    "networks": _networks,
}
