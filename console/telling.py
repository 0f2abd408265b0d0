"""Questions about who was told what: notices decided, notifications, deliveries and receipts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, select, tuple_

from console import answers, tables
from console.reading import answer, cursor, encode_cursor, read_as_of, read_record, read_records
from schemas import records
from schemas.units import millis

SETTLED = ("delivered", "withheld")
"""The outcomes of a receipt that end what is owed; after any other the sink still owes."""


def list_notifications(
    connection: Connection,
    *,
    undelivered: bool = False,
    limit: int = 100,
    after: str | None = None,
) -> answers.NotificationsAnswer:
    """Notifications, the newest first; `undelivered`: only those that some sink still owes."""
    as_of = read_as_of(connection)
    told = tables.notifications.c
    query = select(told.body).order_by(told.at.desc(), told.notification_id.desc())
    if undelivered:
        query = query.where(told.notification_id.in_(owed_notifications()))
    if after is not None:
        place = tuple_(told.at, told.notification_id)
        query = query.where(place < cursor(after, (int, str)))
    found = read_records(connection, query.limit(limit + 1), records.Notification)
    lines = as_notifications(connection, found[:limit])
    more = None
    if len(found) > limit:
        last = lines[-1]
        more = encode_cursor(millis(last.at), last.notification_id)
    return answers.NotificationsAnswer(as_of=as_of, notifications=lines, next_after=more)


def who_was_told(
    connection: Connection, alert_ids: Collection[str], tick: int
) -> tuple[answers.Told, ...]:
    """Who was told of the alerts, or was not and why, up to a tick, oldest first."""
    made = read_decisions(connection, alert_ids, tick, records.DecisionKind.NOTICE)
    told = {d.notification_id for d in made if d.notification_id is not None}
    deliveries = deliveries_of(connection, told)
    return tuple(
        answers.Told(
            tick=decision.tick,
            at=decision.at,
            alert_id=decision.alert_id or decision.subject,
            recipient=decision.recipient,
            what=decision.what,
            reason=decision.reason,
            episode=decision.episode,
            revision=decision.revision,
            notification_id=decision.notification_id,
            deliveries=deliveries.get(decision.notification_id or "", ()),
        )
        for decision in made
    )


def owed_notifications() -> Select[Any]:
    """The ids of notifications that some sink has not delivered, nor withheld in shadow mode."""
    sink, receipt = tables.notification_sinks.c, tables.receipts.c
    return (
        select(sink.notification_id)
        .select_from(
            tables.notification_sinks.outerjoin(
                tables.receipts,
                and_(
                    receipt.notification_id == sink.notification_id,
                    receipt.sink == sink.sink,
                    receipt.outcome.in_(SETTLED),
                ),
            )
        )
        .where(receipt.sink.is_(None))
    )


def as_notifications(
    connection: Connection, found: Sequence[records.Notification]
) -> tuple[answers.NotificationLine, ...]:
    """The notifications with the state of their deliveries."""
    deliveries = deliveries_of(connection, {told.notification_id for told in found})
    return tuple(
        answers.NotificationLine.model_validate(
            msgspec.structs.asdict(told) | {"deliveries": deliveries.get(told.notification_id, ())}
        )
        for told in found
    )


def deliveries_of(
    connection: Connection, notification_ids: Collection[str]
) -> dict[str, tuple[answers.Delivery, ...]]:
    """How the deliveries of notifications stand, by notification, in order of their sinks."""
    sink, receipt = tables.notification_sinks.c, tables.receipts.c
    with_receipts = tables.notification_sinks.outerjoin(
        tables.receipts,
        and_(receipt.notification_id == sink.notification_id, receipt.sink == sink.sink),
    )
    query = (
        select(sink.notification_id, sink.sink, receipt.body)
        .select_from(with_receipts)
        .where(sink.notification_id.in_(sorted(notification_ids)))
        .order_by(sink.notification_id, sink.sink)
    )
    found: dict[str, list[answers.Delivery]] = defaultdict(list)
    for notification_id, name, body in connection.execute(query):
        if body is None:
            delivery = answers.Delivery(sink=name, outcome=None, attempts=0, at=None, detail="")
        else:
            delivery = answer(answers.Delivery, read_record(body, records.Receipt))
        found[notification_id].append(delivery)
    return {notification_id: tuple(each) for notification_id, each in found.items()}


def read_decisions(
    connection: Connection, alert_ids: Collection[str], tick: int, kind: records.DecisionKind
) -> list[records.Decision]:
    """The decisions of one kind on the alerts up to a tick, oldest first."""
    made = tables.decisions.c
    query = (
        select(made.body)
        .where(made.alert_id.in_(sorted(alert_ids)), made.tick <= tick, made.kind == kind.value)
        .order_by(made.tick, made.partition, made.offset)
    )
    return read_records(connection, query, records.Decision)
