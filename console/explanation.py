"""Why the system says what it says: facts with sources, baselines, verdicts, who was told.

All of it is read, nothing is judged anew: the rules' own figures and reasons stand in `verdicts`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from sqlalchemy import Connection, Select, and_, func, select

from console import tables
from console.answers import (
    Alert,
    AlertEvent,
    Answer,
    AsOf,
    FeedStatus,
    NotificationLine,
    OrderLine,
    Statement,
    Told,
)
from console.queries import alert_events, alert_revisions, match_lines
from console.reading import Ambiguous, NotFound, answer, read_as_of, read_record
from console.stock import StockNode, find_stock
from console.telling import as_notifications, who_was_told
from schemas import records
from schemas.codec import unpack
from schemas.facts import FACT_TYPES
from schemas.facts import Fact as StoredFact
from schemas.kinds import KIND_BY_NAME
from schemas.ledger import decode_line
from schemas.records import ChaseKind, Outcome, Severity
from schemas.units import calendar_date, decimal, instant, iso, millis

PAST_VERDICTS_MAX = 200
"""Changed verdicts of the past that an explanation lists; the others are counted."""

CANDIDATES_MAX = 50
"""Lines named when a number stands for several."""

_QUANTITIES = frozenset({"quantity", "short", "over", "damaged", "price_per"})
_SHOWN_ALREADY = frozenset({"event_id", "source", "kind", "occurred_at", "recorded_at"})
_FAMILY_OF = {struct: family for family, struct in FACT_TYPES.items()}


class Fact(Answer):
    """One fact as its source told it; `age_seconds` from when it was told to the tick."""

    event_id: str
    source: str
    family: str
    kind: str
    says: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    age_seconds: int
    details: dict[str, str | int | bool]


class Verdict(Answer):
    """What one rule says of a line or feed since `tick`; it holds until `next_fire_at`."""

    tick: int
    at: dt.datetime
    subject: str
    rule: str
    outcome: Outcome
    reason: str
    text: str
    value: str | None
    threshold: str | None
    threshold_source: str | None
    next_fire_at: dt.datetime | None
    severity: Severity | None
    alert_id: str | None


class Baselines(Answer):
    """What was asked for, what was first promised, and what is promised now."""

    requested: Statement | None
    first_confirmed: Statement | None
    last_confirmed: Statement | None


class Explanation(Answer):
    """Why the system says what it says of a line, stock node, feed, alert or notification.

    `order`, `baselines`, `stock` and `feed` show the present and are absent when an earlier tick is
    asked for; verdicts, alerts and who was told are as of that tick, and `facts` those recorded by
    then. `asking` says of a line whether its supplier is asked for something, or why not.
    """

    as_of: AsOf
    id: str
    about: Literal["line", "stock node", "feed", "alert", "notification"]
    is_past: bool
    summary: str
    asking: str = ""
    order: OrderLine | None = None
    stock: StockNode | None = None
    feed: FeedStatus | None = None
    notification: NotificationLine | None = None
    baselines: Baselines | None = None
    facts: tuple[Fact, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    past_verdicts: tuple[Verdict, ...] = ()
    past_verdicts_left_out: int = 0
    alerts: tuple[Alert, ...] = ()
    events: tuple[AlertEvent, ...] = ()
    told: tuple[Told, ...] = ()


def explain(connection: Connection, asked: str, *, tick: int | None = None) -> Explanation:
    """Explains a line, alert, notification or feed, or the one line that a number stands for.

    With `tick`, as of that earlier tick. Raises NotFound, and Ambiguous for several lines.
    """
    now = read_as_of(connection)
    as_of = now if tick is None else _at_tick(connection, tick, now)
    is_past = as_of.tick < now.tick
    kinds = (_explain_alert, _explain_notification, _explain_feed, _explain_stock, _explain_line)
    for kind in kinds:
        found = kind(connection, asked, as_of, is_past)
        if found is not None:
            return found
    _, chosen = match_lines(connection, asked)
    lines = connection.execute(chosen.distinct().limit(CANDIDATES_MAX)).scalars().all()
    if len(lines) > 1:
        raise Ambiguous(asked, tuple(sorted(lines)))
    found = _explain_line(connection, lines[0], as_of, is_past) if lines else None
    if found is None:
        kinds_known = "line, stock node, alert, notification, feed or number"
        raise NotFound(f"No {kinds_known} is known as {asked}.")
    return found


def show_fact(fact: StoredFact, as_of: AsOf) -> Fact:
    """A fact as people read it: dates, moments and amounts written out, absent fields left out."""
    family = _FAMILY_OF[type(fact)]
    kind = KIND_BY_NAME.get((family, fact.kind))
    details: dict[str, str | int | bool] = {}
    for name in fact.__struct_fields__:
        value = getattr(fact, name)
        if value is not None and name not in _SHOWN_ALREADY:
            details[name] = _written_out(name, value)
    return Fact(
        event_id=fact.event_id,
        source=fact.source,
        family=family.value,
        kind=fact.kind,
        says="" if kind is None else kind.says,
        occurred_at=instant(fact.occurred_at),
        recorded_at=instant(fact.recorded_at),
        age_seconds=(millis(as_of.at) - fact.recorded_at) // 1_000,
        details=details,
    )


def _written_out(name: str, value: str | int | bool) -> str | int | bool:
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if name in _QUANTITIES:
        return f"{decimal(value):f}"
    if name.endswith("_at") or name == "complete_to":
        return iso(value)
    if name.endswith("_on"):
        return calendar_date(value).isoformat()
    return value


def _at_tick(connection: Connection, tick: int, now: AsOf) -> AsOf:
    past = tables.ticks.c
    at = connection.execute(select(past.at).where(past.n == tick)).scalar()
    if tick > now.tick or at is None:
        raise NotFound(f"Tick {tick} is not one that the view has read; the last is {now.tick}.")
    return AsOf(tick=tick, at=instant(at))


def _explain_line(
    connection: Connection, asked: str, as_of: AsOf, is_past: bool
) -> Explanation | None:
    line, kept = tables.order_lines.c, tables.line_facts.c
    status = connection.execute(select(line.body).where(line.line_id == asked)).scalar()
    ledger = connection.execute(select(kept.body).where(kept.line_id == asked)).scalar()
    if status is None and ledger is None:
        return None
    order = None if status is None else answer(OrderLine, read_record(status, records.OrderStatus))
    facts = [] if ledger is None else [unpack(packed) for packed in decode_line(ledger).facts]
    known = [fact for fact in facts if not is_past or fact.recorded_at <= millis(as_of.at)]
    known.sort(key=lambda fact: (fact.recorded_at, fact.occurred_at, fact.event_id))
    judged = _judged(connection, asked, as_of)
    says = _counted(judged["verdicts"])
    if order is not None and not is_past:
        says = f"{order.standing.value.replace('_', ' ')}: {order.why} {says}"
    shows_present = order is not None and not is_past
    return Explanation(
        as_of=as_of,
        id=asked,
        about="line",
        is_past=is_past,
        summary=says,
        asking=_asking(judged["verdicts"]),
        order=order if shows_present else None,
        baselines=Baselines.model_validate(order) if shows_present else None,
        facts=tuple(show_fact(fact, as_of) for fact in known),
        **judged,
    )


def _explain_feed(
    connection: Connection, asked: str, as_of: AsOf, is_past: bool
) -> Explanation | None:
    feed = tables.feeds.c
    body = connection.execute(select(feed.body).where(feed.source == asked)).scalar()
    if body is None:
        return None
    status = answer(FeedStatus, read_record(body, records.FeedStatus))
    judged = _judged(connection, asked, as_of)
    says = _counted(judged["verdicts"])
    if not is_past:
        says = f"{'blind' if status.blind else 'speaking'}: {status.text} {says}"
    return Explanation(
        as_of=as_of,
        id=asked,
        about="feed",
        is_past=is_past,
        summary=says,
        feed=None if is_past else status,
        **judged,
    )


def _explain_stock(
    connection: Connection, asked: str, as_of: AsOf, is_past: bool
) -> Explanation | None:
    node = find_stock(connection, asked)
    if node is None:
        return None
    judged = _judged(connection, asked, as_of)
    says = _counted(judged["verdicts"])
    return Explanation(
        as_of=as_of,
        id=asked,
        about="stock node",
        is_past=is_past,
        summary=says if is_past else f"{node.standing.value}: {node.why} {says}",
        stock=None if is_past else node,
        **judged,
    )


def _explain_alert(
    connection: Connection, asked: str, as_of: AsOf, is_past: bool
) -> Explanation | None:
    if not alert_revisions(connection, asked, read_as_of(connection).tick):
        return None
    revisions = alert_revisions(connection, asked, as_of.tick)
    if not revisions:
        raise NotFound(f"The alert {asked} did not exist at tick {as_of.tick}.")
    alert = answer(Alert, revisions[-1])
    spoken = tables.verdicts.c
    query = (
        select(spoken.body, spoken.tick, spoken.at, spoken.subject)
        .where(spoken.alert_id == asked, spoken.tick <= as_of.tick)
        .order_by(spoken.tick.desc(), spoken.subject, spoken.rule)
        .limit(PAST_VERDICTS_MAX)
    )
    return Explanation(
        as_of=as_of,
        id=asked,
        about="alert",
        is_past=is_past,
        summary=f"{alert.state.value}: {alert.title.rstrip('.')}. {alert.cause}",
        alerts=(alert,),
        past_verdicts=_as_verdicts(connection, query),
        events=alert_events(connection, [asked], as_of.tick),
        told=who_was_told(connection, [asked], as_of.tick),
    )


def _explain_notification(
    connection: Connection, asked: str, as_of: AsOf, is_past: bool
) -> Explanation | None:
    told = tables.notifications.c
    body = connection.execute(select(told.body).where(told.notification_id == asked)).scalar()
    if body is None:
        return None
    found = read_record(body, records.Notification)
    notification = as_notifications(connection, [found])[0]
    decided = who_was_told(connection, [found.alert_id], as_of.tick)
    return Explanation(
        as_of=as_of,
        id=asked,
        about="notification",
        is_past=is_past,
        summary=f"{found.recipient} was told at tick {found.tick}: {found.title}",
        notification=notification,
        alerts=(answer(Alert, found.alert),),
        events=alert_events(connection, [found.alert_id], as_of.tick),
        told=tuple(each for each in decided if each.notification_id == asked),
    )


def _judged(connection: Connection, subject: str, as_of: AsOf) -> dict[str, Any]:
    """What the rules say of a line or feed and what came of it, as fields of an Explanation."""
    said = tables.verdicts.c
    by_then = and_(said.subject == subject, said.tick <= as_of.tick)
    newest = (
        select(said.rule, func.max(said.tick).label("tick"))
        .where(by_then)
        .group_by(said.rule)
        .subquery()
    )
    is_newest = and_(said.rule == newest.c.rule, said.tick == newest.c.tick)
    columns = (said.body, said.tick, said.at, said.subject)
    now = select(*columns).join(newest, is_newest).where(by_then).order_by(said.rule)
    older = (
        select(*columns)
        .outerjoin(newest, is_newest)
        .where(by_then, newest.c.rule.is_(None))
        .order_by(said.tick.desc(), said.rule)
    )
    count = connection.execute(select(func.count()).select_from(older.subquery())).scalar() or 0
    found = _alerts_of(connection, subject, as_of)
    alert_ids = [alert.alert_id for alert in found]
    return {
        "verdicts": _as_verdicts(connection, now),
        "past_verdicts": _as_verdicts(connection, older.limit(PAST_VERDICTS_MAX)),
        "past_verdicts_left_out": max(0, count - PAST_VERDICTS_MAX),
        "alerts": found,
        "events": alert_events(connection, alert_ids, as_of.tick),
        "told": who_was_told(connection, alert_ids, as_of.tick),
    }


def _alerts_of(connection: Connection, subject: str, as_of: AsOf) -> tuple[Alert, ...]:
    """Alerts, as they were then, that listed the subject or that a verdict on it had named."""
    said, listed = tables.verdicts.c, tables.alert_subjects.c
    naming = select(said.alert_id).where(
        said.subject == subject, said.tick <= as_of.tick, said.alert_id.is_not(None)
    )
    listing = select(listed.alert_id).where(listed.subject == subject)
    named = set(connection.execute(naming).scalars())
    found = []
    for alert_id in sorted(named | set(connection.execute(listing).scalars())):
        revisions = alert_revisions(connection, alert_id, as_of.tick)
        if not revisions:
            continue
        alert = answer(Alert, revisions[-1])
        if alert_id in named or any(hit.subject == subject for hit in alert.consequences):
            found.append(alert)
    return tuple(found)


def _as_verdicts(connection: Connection, query: Select[Any]) -> tuple[Verdict, ...]:
    found = []
    for body, tick, at, subject in connection.execute(query):
        verdict = read_record(body, records.Verdict)
        fields = {name: getattr(verdict, name) for name in verdict.__struct_fields__ if name != "v"}
        found.append(Verdict(tick=tick, at=instant(at), subject=subject, **fields))
    return tuple(found)


def _asking(verdicts: tuple[Verdict, ...]) -> str:
    """Whether the supplier is asked to confirm the line, and for a new date; or why it is not."""
    said = {verdict.rule: verdict.text for verdict in verdicts}
    asked_for = (
        ("To confirm", said.get(ChaseKind.CONFIRMATION)),
        ("For a new date", said.get(ChaseKind.PROMISE)),
    )
    found = [f"{what}: {text}" for what, text in asked_for if text is not None]
    return " ".join(found) or "The policy asks no supplier for anything here."


def _counted(verdicts: tuple[Verdict, ...]) -> str:
    chases = set(ChaseKind)
    said = [verdict.outcome for verdict in verdicts if verdict.rule not in chases]
    counts = ", ".join(f"{outcome.value} {said.count(outcome)}" for outcome in Outcome)
    return f"Rules: {counts}."
