"""Rules on goods that have not left, or are on their way."""

from __future__ import annotations

import msgspec

from alerts.evidence import Step, absence, earliest, first_proven
from alerts.findings import Answer, Aspect, Blind, Fires, Silence, Threshold
from alerts.lines import Happened, Leg
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.view import Arrival, LineView, Part
from schemas.records import Severity
from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from topology.model import Quantile

QUANTILES = {50: Quantile.P50, 80: Quantile.P80, 95: Quantile.P95}
"""Percentile of a policy → quantile of a lane's lead time."""

_NO_DATE = Silence("no_date")
_DELIVERED = Silence("delivered")
_SHIPPED = Silence("shipped")
_UNCOUNTED = Silence("uncounted")
_NO_LANE = Silence("no_lane")
_NOT_MOVING = Silence("not_moving")
_NO_ARRIVAL = Silence("no_arrival")
_REACHED = Silence("reached")


def late_to_ship(view: LineView, settings: Settings) -> Answer:
    """The last departure that still meets the promise has passed, and the goods have not left.

    That departure follows from the lane: its lead time (as sure as `lead_time_percentile` says),
    its cut-off and its calendar, counted back from the moment at which the promise falls due. What
    is expected instead is the next departure after it, with the same lead time. A line without a
    known lane cannot be judged, nor one of which goods have left in a unit that cannot be counted.
    """
    if view.promise is None:
        return _NO_DATE
    part = view.waiting
    if part is None:
        return _SHIPPED
    if view.has_shipped and view.line.tells_uncounted("packed", "delivered"):
        return _UNCOUNTED
    lane = view.lane_of(part.leg)
    if lane is None:
        return _NO_LANE
    percentile = settings.limits["lead_time_percentile"]
    quantile = QUANTILES[percentile.value]
    departure_at = view.network.latest_departure(lane, part.due_at, quantile)
    if departure_at is None:
        return _NO_LANE
    deadline = departure_at + 1
    if view.now < deadline:
        return Silence("not_due", departure_at, percentile, deadline)
    hidden = absence(view, Step.SHIP, deadline, part.leg)
    if hidden is not None:
        return hidden
    steps, restated_at = settings.days_reached(deadline, view.now)
    next_at = view.network.next_departure(lane, deadline + steps * DAY_MS)
    projected_at = (next_at or deadline) + lane.lead_time_ms(quantile)
    days = max(steps, view.days_between(part.due_at, projected_at))
    return Fires(
        "fires",
        departure_at,
        percentile,
        (
            ("departure_at", departure_at),
            ("lane", lane.id),
            ("due_on", view.local_day(part.due_at)),
            ("projected_on", view.local_day(projected_at)),
            ("days", days),
            ("open_quantity", part.quantity),
            ("unit", view.line.unit),
        ),
        due_at=part.due_at,
        projected_at=projected_at,
        days=days,
        leg=part.leg,
        quantity=part.quantity,
        next_fire_at=restated_at,
    )


def expected_after_promise(view: LineView, settings: Settings) -> Answer:
    """The goods are expected after the promise: by their ETA, or, where nobody gave one, by the
    lead time of their lane from the last place that they left or reached.

    An ETA that is only a date is not later than a promise for that date. Days late are calendar
    days at the place where the line is wanted. Silent once delivered.
    """
    if view.promise is None:
        return _NO_DATE
    tolerance = settings.limits["tolerance_hours"]
    tolerance_ms = tolerance.value * HOUR_MS
    latest: tuple[int, UtcMillis, Part, Arrival] | None = None
    is_expected = is_late = False
    for part, arrival in view.open_parts:
        if arrival is None:
            continue
        is_expected = True
        if not view.is_after(arrival, part):
            continue
        is_late = True
        if not view.is_after(arrival, part, tolerance_ms):
            continue
        days = view.days_between(part.due_at, arrival.at)
        if latest is None or (days, arrival.at) > latest[:2]:
            latest = (days, arrival.at, part, arrival)
    if latest is None:
        if not view.open_parts:
            return _DELIVERED
        if not is_expected:
            return _NO_ARRIVAL
        return Silence("within_tolerance" if is_late else "in_time", None, tolerance)
    days, at, part, arrival = latest
    return Fires(
        "fires_eta" if arrival.told is not None else "fires",
        days,
        tolerance,
        (
            ("due_on", view.local_day(part.due_at)),
            ("expected_on", view.local_day(at)),
            ("days", days),
            ("shipment", part.leg.shipment if part.leg is not None else None),
            ("source", arrival.told.source if arrival.told is not None else arrival.lane),
        ),
        due_at=part.due_at,
        projected_at=at,
        days=days,
        leg=part.leg,
        quantity=part.quantity,
    )


class _Quiet(msgspec.Struct, frozen=True):
    """A moving leg, the last that was heard of it, and how long it may stay quiet."""

    leg: Leg
    news: Happened
    allowed: Threshold


def stuck_in_transit(view: LineView, settings: Settings) -> Answer:
    """Nothing has been heard of goods on their way for longer than is usual.

    After a departure: for longer than the lane's 95 % lead time, or `limit_hours` where no lane is
    known. After the arrival at a stop: for longer than `stop_limit_hours`. A later ETA extends
    both, for the carrier knows about it. What has reached its destination is not stuck.
    """
    if not view.moving:
        return _NOT_MOVING
    candidates: list[tuple[UtcMillis, Leg | None, _Quiet]] = []
    for leg in view.moving:
        news = leg.last_news
        if news is None or view.has_reached(leg):
            continue
        allowed = _allowed_hours(view, leg, news, settings)
        deadline = news.at + allowed.value * HOUR_MS
        if leg.eta is not None:
            deadline = max(deadline, view.due_at(leg.eta))
        candidates.append((deadline + 1, leg, _Quiet(leg, news, allowed)))
    if not candidates:
        return _REACHED
    if len(candidates) > 1:
        candidates.sort(key=lambda each: (each[0], each[2].leg.shipment))
    found = first_proven(view, Step.DELIVER, candidates)
    if found is None:
        deadline, _, quiet = candidates[0]
        return Silence("not_due", quiet.news.at, quiet.allowed, deadline)
    if isinstance(found, Silence | Blind):
        return found
    leg, news = found.subject.leg, found.subject.news
    days, restated_at = settings.days_reached(found.deadline, view.now)
    part = next((each for each in view.parts if each.leg is leg), None)
    return Fires(
        "fires",
        news.at,
        found.subject.allowed,
        (
            ("shipment", leg.shipment),
            ("news_at", news.at),
            ("site", news.site),
            ("deadline_at", found.deadline),
            ("days", days),
        ),
        due_at=part.due_at if part is not None else None,
        days=days,
        leg=leg,
        quantity=part.quantity if part is not None else None,
        next_fire_at=earliest(restated_at, found.next_fire_at),
        feed=found.feed,
    )


def _allowed_hours(view: LineView, leg: Leg, news: Happened, settings: Settings) -> Threshold:
    if leg.arrived is not None and leg.arrived.at >= news.at:
        return settings.limits["stop_limit_hours"]
    way = view.way_of(leg)
    if way is None:
        return settings.limits["limit_hours"]
    lane = way[1]
    return Threshold(-(-lane.lead_time_p95_ms // HOUR_MS), f"lane {lane.id}, its 95 % lead time")


def overdue_no_news(view: LineView, settings: Settings) -> Answer:
    """What was promised is past due; nobody said that it was delivered or when it will come.

    An ETA after the promise postpones this until it has passed as well (the rule
    `expected_after_promise` tells of it meanwhile). Split confirmations and shipments are judged
    part by part. Silent while a delivery is told in a unit that cannot be counted.
    """
    if view.promise is None:
        return _NO_DATE
    grace = settings.limits["grace_hours"]
    candidates: list[tuple[UtcMillis, Leg | None, Part]] = []
    for part, _ in view.open_parts:
        since = part.due_at
        if part.leg is not None and part.leg.eta is not None:
            since = max(since, view.due_at(part.leg.eta))
        candidates.append((since + grace.value * HOUR_MS + 1, part.leg, part))
    if not candidates:
        return _DELIVERED
    if view.line.tells_uncounted("delivered"):
        return _UNCOUNTED
    if len(candidates) > 1:
        candidates.sort(key=lambda each: each[0])
    found = first_proven(view, Step.DELIVER, candidates)
    if found is None:
        deadline = candidates[0][0]
        return Silence("not_due", deadline - grace.value * HOUR_MS - 1, grace, deadline)
    if isinstance(found, Silence | Blind):
        return found
    part = found.subject
    days, restated_at = settings.days_reached(part.due_at, view.now)
    return Fires(
        "fires",
        part.due_at,
        grace,
        (
            ("due_on", view.local_day(part.due_at)),
            ("days", days),
            ("open_quantity", part.quantity),
            ("unit", view.line.unit),
            ("shipment", part.leg.shipment if part.leg is not None else None),
        ),
        due_at=part.due_at,
        days=days,
        leg=part.leg,
        quantity=part.quantity,
        next_fire_at=earliest(restated_at, found.next_fire_at),
        feed=found.feed,
    )


LEAD_TIME_PERCENTILE = Parameter(
    "lead_time_percentile",
    Unit.PERCENTILE,
    80,
    50,
    95,
    "How sure the lane's lead time must be: so many of 100 shipments keep it.",
    choices=(50, 80, 95),
)

_NO_DATE_SAYS = "No date is promised or requested."

LATE_TO_SHIP = Rule(
    name="late_to_ship",
    aspect=Aspect.TIME,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((3, Severity.MAJOR), (10, Severity.CRITICAL)),
    parameters=(LEAD_TIME_PERCENTILE,),
    value_unit=Unit.MOMENT,
    says={
        "fires": "It had to leave by {departure_at} to arrive by {due_on} over {lane}, and has "
        "not left; it can now be there on {projected_on}.",
        "no_date": _NO_DATE_SAYS,
        "shipped": "All of it has left.",
        "uncounted": "How much has left is told in a unit that cannot be counted.",
        "no_lane": "No lane is known from where it ships to where it is wanted.",
        "not_due": "It must leave by {value} to be in time in {threshold}.",
    },
    headline="not shipped in time",
    next_step="Ask {supplier} when {order} leaves, and whether a faster way can be had.",
    evaluate=late_to_ship,
)

EXPECTED_AFTER_PROMISE = Rule(
    name="expected_after_promise",
    aspect=Aspect.TIME,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=((3, Severity.MAJOR), (10, Severity.CRITICAL)),
    parameters=(
        Parameter(
            "tolerance_hours",
            Unit.HOURS,
            0,
            0,
            24 * 90,
            "How much later than the promise goods may be expected before it is told.",
        ),
    ),
    value_unit=Unit.DAYS,
    says={
        "fires": "Promised for {due_on}, expected {expected_on} by the lead time of {source}: "
        "{days} later.",
        "fires_eta": "Promised for {due_on}, expected {expected_on} by the ETA of {source}: "
        "{days} later.",
        "no_date": _NO_DATE_SAYS,
        "delivered": "All of it is delivered.",
        "no_arrival": "Nothing says yet when it will arrive.",
        "in_time": "It is expected in time.",
        "within_tolerance": "It is expected after the promise, by no more than {threshold}.",
    },
    headline="expected {days} after promise",
    next_step="Ask {carrier} whether it can be faster, and tell who waits for {order}.",
    evaluate=expected_after_promise,
)

STUCK_IN_TRANSIT = Rule(
    name="stuck_in_transit",
    aspect=Aspect.TIME,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((3, Severity.MAJOR),),
    parameters=(
        Parameter(
            "limit_hours",
            Unit.HOURS,
            120,
            1,
            24 * 90,
            "How long a departed shipment may be without news where no lane is known.",
        ),
        Parameter(
            "stop_limit_hours",
            Unit.HOURS,
            72,
            1,
            24 * 90,
            "How long a shipment may be without news after it reached a stop on its way.",
        ),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Shipment {shipment} was last heard of {news_at}; news was due by {deadline_at}.",
        "not_moving": "Nothing of it is on its way.",
        "reached": "What is on its way has reached its destination.",
        "not_due": "Last heard of {value}; the next news is not due yet.",
    },
    headline="stuck on the way",
    next_step="Ask {carrier} where the shipment is and what holds it up.",
    evaluate=stuck_in_transit,
)

OVERDUE_NO_NEWS = Rule(
    name="overdue_no_news",
    aspect=Aspect.TIME,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((1, Severity.MAJOR), (7, Severity.CRITICAL)),
    parameters=(
        Parameter(
            "grace_hours",
            Unit.HOURS,
            4,
            0,
            24 * 30,
            "How long after it fell due to wait for news of a delivery.",
        ),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Due {due_on}; nobody has told of a delivery or of a new date.",
        "no_date": _NO_DATE_SAYS,
        "delivered": "All of it is delivered.",
        "uncounted": "How much was delivered is told in a unit that cannot be counted.",
        "not_due": "Due, or expected, {value}; news of it may take {threshold}.",
    },
    headline="overdue without news",
    next_step="Ask {supplier} and {carrier} where {order} is, and for a new date.",
    evaluate=overdue_no_news,
)
