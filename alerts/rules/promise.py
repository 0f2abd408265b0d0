"""Rules on what was promised: not at all, refused, later than asked for, moved."""

from __future__ import annotations

from alerts.evidence import Step, absence
from alerts.findings import Answer, Aspect, Fires, Silence
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.view import LineView
from schemas.records import Severity
from schemas.units import HOUR_MS

_NOT_PLACED = Silence("not_placed")
_CONFIRMED = Silence("confirmed")
_SHIPPED = Silence("shipped")
_DELIVERED = Silence("delivered")
_NOT_CONFIRMED = Silence("not_confirmed")
_NOT_REJECTED = Silence("not_rejected")
_NOT_REQUESTED = Silence("not_requested")


def unconfirmed(view: LineView, settings: Settings) -> Answer:
    """The supplier has not confirmed the line, or not all of it, within the limit after it was
    placed, or given to this supplier. Once goods leave, the question is answered and the rule is
    silent.
    """
    line = view.line
    asked_at = line.asked_at
    if asked_at is None:
        return _NOT_PLACED
    if view.has_shipped:
        return _SHIPPED
    if line.confirmed_news is not None and line.confirmed >= line.wanted:
        return _CONFIRMED
    limit = settings.limits["limit_hours"]
    deadline = asked_at + limit.value * HOUR_MS
    if view.now < deadline:
        reason = "not_due" if line.taken_over is None else "not_due_anew"
        return Silence(reason, asked_at, limit, deadline)
    hidden = absence(view, Step.CONFIRM, deadline)
    if hidden is not None:
        return hidden
    days, restated_at = settings.days_reached(deadline, view.now)
    reason = "fires" if line.confirmed_news is None else "partly"
    return Fires(
        reason if line.taken_over is None else f"{reason}_anew",
        asked_at,
        limit,
        (
            ("placed_at" if line.taken_over is None else "given_at", asked_at),
            ("limit_hours", limit.value),
            ("confirmed_quantity", line.confirmed),
            ("wanted_quantity", line.wanted),
            ("unit", line.unit),
        ),
        due_at=deadline,
        days=days,
        quantity=line.wanted - line.confirmed,
        next_fire_at=restated_at,
    )


def rejected(view: LineView, settings: Settings) -> Answer:
    """The supplier says that it will not deliver the line, and nobody has answered that: the line
    is not cancelled, nor closed by another than the supplier, nor given to another supplier, and
    the supplier has not confirmed it since. Silent where all of it had been delivered.
    """
    line = view.line
    refusal = line.rejected
    if refusal is None:
        return _NOT_REJECTED
    if line.is_delivered or line.received >= line.wanted:
        return _DELIVERED
    days, restated_at = settings.days_reached(refusal.at, view.now)
    promise = view.promise
    return Fires(
        "fires",
        refusal.at,
        None,
        (
            ("rejected_at", refusal.at),
            ("missing_quantity", line.wanted - line.received),
            ("wanted_quantity", line.wanted),
            ("unit", line.unit),
        ),
        due_at=None if promise is None else view.due_at(promise),
        days=days,
        quantity=line.wanted - line.received,
        next_fire_at=restated_at,
    )


def promise_later_than_requested(view: LineView, settings: Settings) -> Answer:
    """The supplier promised a later date than the buyer asked for, by more than the tolerance.

    Counted in calendar days at the place where the line is wanted. Silent once delivered.
    """
    line = view.line
    if line.last_confirmed is None:
        return _NOT_CONFIRMED
    if line.requested is None:
        return _NOT_REQUESTED
    if line.is_delivered:
        return _DELIVERED
    asked_on, promised_on = view.day_of(line.requested), view.day_of(line.last_confirmed)
    tolerance = settings.limits["tolerance_days"]
    days = promised_on - asked_on
    if days <= tolerance.value:
        return Silence("in_time" if days <= 0 else "within_tolerance", days, tolerance)
    return Fires(
        "fires",
        days,
        tolerance,
        (("requested_on", asked_on), ("promised_on", promised_on), ("days", days)),
        due_at=view.due_at(line.requested),
        projected_at=view.due_at(line.last_confirmed),
        days=days,
    )


def promise_moved(view: LineView, settings: Settings) -> Answer:
    """The promise has moved to later than the first promise by more than the tolerance.

    The last promise is compared with the *first*, so that small steps add up and a promise cannot
    creep. Counted in calendar days at the place where the line is wanted. Silent once delivered.
    """
    line = view.line
    first, last = line.first_confirmed, line.last_confirmed
    if first is None or last is None:
        return _NOT_CONFIRMED
    if line.is_delivered:
        return _DELIVERED
    first_on, last_on = view.day_of(first), view.day_of(last)
    tolerance = settings.limits["tolerance_days"]
    days = last_on - first_on
    if days <= tolerance.value:
        return Silence("kept" if days <= 0 else "within_tolerance", days, tolerance)
    return Fires(
        "fires",
        days,
        tolerance,
        (
            ("first_on", first_on),
            ("last_on", last_on),
            ("days", days),
            ("promise_count", line.promise_count),
        ),
        due_at=view.due_at(first),
        projected_at=view.due_at(last),
        days=days,
    )


def _tolerance_days(says: str) -> Parameter:
    return Parameter("tolerance_days", Unit.DAYS, 0, 0, 365, says)


UNCONFIRMED = Rule(
    name="unconfirmed",
    aspect=Aspect.TIME,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((3, Severity.MAJOR),),
    parameters=(
        Parameter(
            "limit_hours",
            Unit.HOURS,
            48,
            1,
            24 * 365,
            "How long after it was placed a line may stay without confirmation.",
        ),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Placed {placed_at}; no confirmation within {limit_hours}.",
        "partly": "Placed {placed_at}; within {limit_hours} only {confirmed_quantity} of "
        "{wanted_quantity} were confirmed.",
        "fires_anew": "Given to this supplier {given_at}; no confirmation within {limit_hours}.",
        "partly_anew": "Given to this supplier {given_at}; within {limit_hours} only "
        "{confirmed_quantity} of {wanted_quantity} were confirmed.",
        "not_placed": "Nobody has told that the line was placed.",
        "shipped": "Goods have left, so a confirmation is no longer needed.",
        "confirmed": "All of it is confirmed.",
        "not_due": "Placed {value}; a confirmation may take {threshold}.",
        "not_due_anew": "Given to this supplier {value}; a confirmation may take {threshold}.",
    },
    headline="not confirmed",
    next_step="Ask {supplier} to confirm {order}, or to say what stands against it.",
    evaluate=unconfirmed,
)

REJECTED = Rule(
    name="rejected",
    aspect=Aspect.TIME,
    rests_on_absence=False,
    severity=Severity.MAJOR,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Rejected {rejected_at}: {missing_quantity} of {wanted_quantity} will not come.",
        "not_rejected": "Nobody has told that the supplier will not deliver it.",
        "delivered": "All of it was delivered, or told to be short.",
    },
    headline="rejected",
    next_step="Give {order} to another supplier, agree with {supplier} on a date, or cancel it.",
    evaluate=rejected,
)

PROMISE_LATER_THAN_REQUESTED = Rule(
    name="promise_later_than_requested",
    aspect=Aspect.TIME,
    rests_on_absence=False,
    severity=Severity.INFO,
    severity_by_days=((7, Severity.WARNING),),
    parameters=(_tolerance_days("How much later than requested a promise may be."),),
    value_unit=Unit.DAYS,
    says={
        "fires": "Requested for {requested_on}, promised for {promised_on}: {days} later.",
        "not_confirmed": "Nothing has been promised yet.",
        "not_requested": "No date was requested.",
        "delivered": "It is delivered; what was promised no longer matters.",
        "in_time": "The promise is not later than the requested date.",
        "within_tolerance": "Promised {value} later than requested; {threshold} are accepted.",
    },
    headline="promised {days} later than requested",
    next_step="Accept the promised date, or ask {supplier} for an earlier one.",
    evaluate=promise_later_than_requested,
)

PROMISE_MOVED = Rule(
    name="promise_moved",
    aspect=Aspect.TIME,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=((5, Severity.MAJOR),),
    parameters=(_tolerance_days("How far a promise may move in all before it is told."),),
    value_unit=Unit.DAYS,
    says={
        "fires": "First promised for {first_on}, now for {last_on}: {days} later in "
        "{promise_count} promises.",
        "not_confirmed": "Nothing has been promised yet.",
        "delivered": "It is delivered; what was promised no longer matters.",
        "kept": "The last promise is not later than the first.",
        "within_tolerance": "Moved by {value} since the first promise; up to {threshold} are "
        "accepted.",
    },
    headline="moved to {days} after the first promise",
    next_step="Ask {supplier} why the date moved and whether it will hold now; tell who waits.",
    evaluate=promise_moved,
)
