"""Questions to the read model, each answered from one snapshot as of one tick.

Every function takes a connection of `Database.reading()`, so that several questions may be asked
of the same snapshot, and returns the answer's model. Lists are paged by cursor: `after` is the
`next_after` of the page before; what is inserted between two pages moves nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select, tuple_

from console import answers, tables
from console.reading import (
    NotBuilt,
    NotFound,
    answer,
    cursor,
    encode_cursor,
    read_as_of,
    read_record,
    read_records,
    text_cursor,
)
from console.rows import SEVERITY_RANK, bare
from console.telling import read_decisions, who_was_told
from schemas import records, ticks
from schemas.facts import split_line_id
from schemas.records import AlertState, Severity
from schemas.units import instant


def find_order(
    connection: Connection, asked: str, *, limit: int = 100, after: str | None = None
) -> answers.OrderAnswer:
    """The lines known by a line id or any number, with or without the party that issued it."""
    as_of = read_as_of(connection)
    matched, chosen = match_lines(connection, asked)
    line = tables.order_lines.c
    query = select(line.body).where(line.line_id.in_(chosen)).order_by(line.line_id)
    if after is not None:
        query = query.where(line.line_id > text_cursor(after))
    found = read_records(connection, query.limit(limit + 1), records.OrderStatus)
    if not found and after is None:
        raise NotFound(f"No order line, order, shipment or other number is known as {asked}.")
    lines = tuple(answer(answers.OrderLine, status) for status in found[:limit])
    more = encode_cursor(lines[-1].line_id) if len(found) > limit else None
    return answers.OrderAnswer(
        as_of=as_of, asked=asked, matched=matched, lines=lines, next_after=more
    )


def match_lines(connection: Connection, asked: str) -> tuple[tuple[str, ...], Select[Any]]:
    """What a number is (`line`, `order`, `shipment`, ...) and the ids of its lines, as a query.

    The full number is tried first, then the number without its owner, as people say it.
    """
    line, number = tables.order_lines.c, tables.line_numbers.c
    exact = select(line.line_id).where(line.line_id == asked)
    if connection.execute(exact).first():
        return ("line",), exact
    order, position = split_line_id(asked)
    conditions: list[ColumnElement[bool]] = [number.number == asked, number.bare == asked]
    if order and position:
        ends = number.line_id.endswith(f"#{position}", autoescape=True)
        conditions.append(and_(number.kind == "order", number.bare == bare(order), ends))
    for condition in conditions:
        kinds = connection.execute(select(number.kind).where(condition).distinct()).scalars().all()
        if kinds:
            return tuple(sorted(kinds)), select(number.line_id).where(condition)
    return (), exact


def list_alerts(
    connection: Connection,
    *,
    state: AlertState | None = None,
    severity: Severity | None = None,
    account: str | None = None,
    rule: str | None = None,
    limit: int = 100,
    after: str | None = None,
) -> answers.AlertsAnswer:
    """Alerts, the most severe first, then the newest; `severity` means that one or worse."""
    as_of = read_as_of(connection)
    alert = tables.alerts.c
    place = (alert.severity_rank, alert.opened_at, alert.alert_id)
    query = select(alert.body, *place).order_by(*(column.desc() for column in place))
    if state is not None:
        query = query.where(alert.state == state.value)
    if severity is not None:
        query = query.where(alert.severity_rank >= SEVERITY_RANK[severity])
    if account is not None:
        held = tables.alert_accounts.c
        query = query.where(
            alert.alert_id.in_(select(held.alert_id).where(held.account == account))
        )
    if rule is not None:
        fired = tables.alert_rules.c
        query = query.where(alert.alert_id.in_(select(fired.alert_id).where(fired.rule == rule)))
    if after is not None:
        query = query.where(tuple_(*place) < cursor(after, (int, int, str)))
    rows = connection.execute(query.limit(limit + 1)).all()
    return answers.AlertsAnswer(
        as_of=as_of,
        alerts=tuple(as_alert(row.body) for row in rows[:limit]),
        next_after=encode_cursor(*rows[limit - 1][1:]) if len(rows) > limit else None,
    )


def show_alert(connection: Connection, alert_id: str) -> answers.AlertAnswer:
    """One alert with its revisions, the steps of its life, and who was told."""
    as_of = read_as_of(connection)
    revisions = alert_revisions(connection, alert_id, as_of.tick)
    if not revisions:
        raise NotFound(f"There is no alert {alert_id}.")
    return answers.AlertAnswer(
        as_of=as_of,
        alert=answer(answers.Alert, revisions[-1]),
        revisions=tuple(answer(answers.AlertRevision, revision) for revision in revisions),
        events=alert_events(connection, [alert_id], as_of.tick),
        told=who_was_told(connection, [alert_id], as_of.tick),
    )


def alert_revisions(connection: Connection, alert_id: str, tick: int) -> list[records.Alert]:
    """The revisions of an alert up to a tick, oldest first."""
    past = tables.alert_revisions.c
    query = select(past.body).where(past.alert_id == alert_id, past.tick <= tick)
    return read_records(connection, query.order_by(past.tick), records.Alert)


def alert_events(
    connection: Connection, alert_ids: Collection[str], tick: int
) -> tuple[answers.AlertEvent, ...]:
    """What became of the alerts up to a tick, oldest first."""
    made = read_decisions(connection, alert_ids, tick, records.DecisionKind.ALERT)
    return tuple(answer(answers.AlertEvent, decision) for decision in made)


def list_dead_letters(
    connection: Connection,
    *,
    source: str | None = None,
    reason: str | None = None,
    retried: bool | None = None,
    limit: int = 100,
    after: str | None = None,
) -> answers.DeadLettersAnswer:
    """Records that could not be used, the newest first; `retried` chooses by having been resent."""
    as_of = read_as_of(connection)
    letter = tables.dead_letters.c
    query = select(letter.body, letter.at, letter.id).order_by(letter.at.desc(), letter.id.desc())
    if source is not None:
        query = query.where(letter.source == source)
    if reason is not None:
        query = query.where(letter.reason == reason)
    if retried is not None:
        query = query.where(letter.retried_at.is_not(None) == retried)
    if after is not None:
        query = query.where(tuple_(letter.at, letter.id) < cursor(after, (int, str)))
    rows = connection.execute(query.limit(limit + 1)).all()
    found = [read_record(row.body, records.DeadLetter) for row in rows[:limit]]
    return answers.DeadLettersAnswer(
        as_of=as_of,
        dead_letters=tuple(answer(answers.DeadLetterLine, each) for each in found),
        next_after=encode_cursor(*rows[limit - 1][1:]) if len(rows) > limit else None,
    )


def show_dead_letter(connection: Connection, letter_id: str) -> answers.DeadLetterAnswer:
    """One record that could not be used, with its original bytes."""
    as_of = read_as_of(connection)
    letter = tables.dead_letters.c
    body = connection.execute(select(letter.body).where(letter.id == letter_id)).scalar()
    if body is None:
        raise NotFound(f"There is no dead letter {letter_id}.")
    found = read_record(body, records.DeadLetter)
    key = None if found.key_bytes is None else base64.b64encode(found.key_bytes).decode()
    fields = answer(answers.DeadLetterLine, found).model_dump()
    return answers.DeadLetterAnswer(
        as_of=as_of,
        dead_letter=answers.DeadLetter(
            **fields,
            key_base64=key,
            value_base64=base64.b64encode(found.value).decode(),
            value_bytes=found.value_bytes,
        ),
    )


def list_unlinked(
    connection: Connection, *, limit: int = 100, after: str | None = None
) -> answers.UnlinkedAnswer:
    """Numbers that stand for no line yet, the longest waiting first."""
    as_of = read_as_of(connection)
    number = tables.unlinked.c
    query = select(number.body, number.since, number.number).order_by(number.since, number.number)
    if after is not None:
        query = query.where(tuple_(number.since, number.number) > cursor(after, (int, str)))
    rows = connection.execute(query.limit(limit + 1)).all()
    found = [read_record(row.body, records.Unlinked) for row in rows[:limit]]
    return answers.UnlinkedAnswer(
        as_of=as_of,
        unlinked=tuple(answer(answers.Unlinked, each) for each in found),
        totals=_waiting_totals(connection),
        next_after=encode_cursor(*rows[limit - 1][1:]) if len(rows) > limit else None,
    )


def _waiting_totals(connection: Connection) -> tuple[answers.WaitingTotal, ...]:
    """What waits in all, by source and kind."""
    waits = tables.unlinked_facts.c
    query = (
        select(waits.source, waits.kind, func.sum(waits.facts), func.count(), func.min(waits.since))
        .group_by(waits.source, waits.kind)
        .order_by(waits.source, waits.kind)
    )
    return tuple(
        answers.WaitingTotal(
            source=source, kind=kind, facts=int(facts), numbers=numbers, oldest_at=instant(since)
        )
        for source, kind, facts, numbers, since in connection.execute(query)
    )


def list_feeds(connection: Connection) -> answers.FeedsAnswer:
    """All feeds, the blind ones first."""
    as_of = read_as_of(connection)
    feed = tables.feeds.c
    query = select(feed.body).order_by(feed.blind.desc(), feed.source)
    found = read_records(connection, query, records.FeedStatus)
    return answers.FeedsAnswer(
        as_of=as_of, feeds=tuple(answer(answers.FeedStatus, each) for each in found)
    )


def show_ticks(connection: Connection) -> answers.TickAnswer:
    """The tick that is visible and the last one written."""
    tick = tables.ticks.c
    written = read_records(
        connection, select(tick.body).order_by(tick.n.desc()).limit(1), ticks.Tick
    )
    if not written:
        raise NotBuilt
    shown = select(tick.body).join(tables.state, tables.state.c.as_of_tick == tick.n)
    visible = read_records(connection, shown, ticks.Tick)
    return answers.TickAnswer(
        visible=answer(answers.Tick, visible[0]) if visible else None,
        written=answer(answers.Tick, written[0]),
    )


def as_alert(body: str) -> answers.Alert:
    """An alert from its record's JSON."""
    return answer(answers.Alert, read_record(body, records.Alert))
