"""Rules on what was delivered: late, too little, too much, damaged.

What was delivered does not change any more, so these findings would stand for ever. They are told
for `hold_days` after the delivery was told (or happened, if that is later), and then rest.
"""

from __future__ import annotations

from collections.abc import Mapping

from alerts.findings import Answer, Aspect, Fires, Silence
from alerts.lines import Leg
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.view import LineView, Part
from schemas.records import Severity
from schemas.units import DAY_MS, HOUR_MS, Quantity, UtcMillis

_NO_DATE = Silence("no_date")
_NOT_DELIVERED = Silence("not_delivered")
_UNCOUNTED = Silence("uncounted")


def delivered_late(view: LineView, settings: Settings) -> Answer:
    """Goods were delivered after they were due, by more than the tolerance.

    Due is the date that holds: the last confirmed one, else the requested one; a date falls due at
    the end of receiving on that day. Days late are calendar days at the place of delivery. Split
    confirmations are judged schedule by schedule; the latest counts.
    """
    if view.promise is None:
        return _NO_DATE
    tolerance = settings.limits["tolerance_hours"]
    tolerance_ms = tolerance.value * HOUR_MS
    latest: tuple[int, UtcMillis, Part, Leg] | None = None
    is_delivered = is_late = False
    for part in view.parts:
        leg = part.leg
        if leg is None or leg.delivered is None:
            continue
        is_delivered = True
        if leg.delivered.at <= part.due_at:
            continue
        is_late = True
        if leg.delivered.at <= part.due_at + tolerance_ms:
            continue
        days = view.days_between(part.due_at, leg.delivered.at)
        if latest is None or (days, leg.delivered.at) > latest[:2]:
            latest = (days, leg.delivered.at, part, leg)
    if latest is None:
        if not is_delivered:
            return _NOT_DELIVERED
        return Silence("within_tolerance" if is_late else "in_time", None, tolerance)
    days, delivered_at, part, leg = latest
    settles_at = _settles_at((leg,), settings)
    if view.now >= settles_at:
        return Silence("settled", days, settings.limits["hold_days"])
    return Fires(
        "fires",
        days,
        tolerance,
        (
            ("due_on", view.local_day(part.due_at)),
            ("delivered_on", view.local_day(delivered_at)),
            ("days", days),
            ("shipment", leg.shipment),
        ),
        due_at=part.due_at,
        projected_at=delivered_at,
        days=days,
        leg=leg,
        quantity=part.quantity,
        next_fire_at=settles_at,
    )


def delivered_short(view: LineView, settings: Settings) -> Answer:
    """Less was delivered than the shipments held: what the receiver says is short, or what was
    packed and is neither received nor damaged. What has not been shipped yet is not short. Silent
    while a delivery is told in a unit that cannot be counted: how much it brought nobody knows.
    """
    legs = _delivered(view)
    if view.line.tells_uncounted("delivered"):
        return _UNCOUNTED
    missing = [(leg, leg.missing) for leg in legs]
    return _quantity_answer(view, settings, missing)


def delivered_over(view: LineView, settings: Settings) -> Answer:
    """More was delivered than is wanted: what the receiver says is over, or what was received,
    whole or damaged, beyond the ordered quantity.
    """
    legs = _delivered(view)
    said = [(leg, leg.over) for leg in legs]
    line = view.line
    wanted = line.wanted
    beyond = line.received - wanted if wanted else 0
    if legs and beyond > sum([amount for _, amount in said]):
        said = [(legs[-1], beyond)]
    return _quantity_answer(view, settings, said)


def delivered_damaged(view: LineView, settings: Settings) -> Answer:
    """The receiver says that a part of the delivery is damaged."""
    return _quantity_answer(view, settings, [(leg, leg.damaged) for leg in _delivered(view)])


def _delivered(view: LineView) -> list[Leg]:
    """The delivered legs in the order of delivery."""
    legs = [leg for leg in view.line.legs if leg.delivered is not None]
    if len(legs) > 1:
        legs.sort(key=lambda leg: (leg.delivered.at if leg.delivered else 0, leg.shipment))
    return legs


def _settles_at(legs: tuple[Leg, ...], settings: Settings) -> UtcMillis:
    told = [max(leg.delivered.at, leg.delivered.told_at) for leg in legs if leg.delivered]
    return max(told) + settings.limits["hold_days"].value * DAY_MS


def _quantity_answer(
    view: LineView, settings: Settings, amounts: list[tuple[Leg, Quantity]]
) -> Answer:
    """Fires when the amounts together exceed the tolerance, for the leg with the largest."""
    if not amounts:
        return _NOT_DELIVERED
    hit = [(leg, amount) for leg, amount in amounts if amount > 0]
    tolerance = settings.limits["tolerance_percent"]
    if not hit:
        return Silence("none", 0, tolerance)
    total = sum([amount for _, amount in hit])
    wanted = view.line.wanted
    if total * 100 <= tolerance.value * wanted:
        return Silence("within_tolerance", total, tolerance)
    settles_at = _settles_at(tuple(leg for leg, _ in hit), settings)
    if view.now >= settles_at:
        return Silence("settled", total, settings.limits["hold_days"])
    leg = max(hit, key=lambda each: (each[1], each[0].shipment))[0]
    return Fires(
        "fires",
        total,
        tolerance,
        (
            ("amount_quantity", total),
            ("wanted_quantity", wanted),
            ("unit", view.line.unit),
            ("shipment", leg.shipment),
            ("delivered_on", view.local_day(leg.delivered.at) if leg.delivered else None),
        ),
        leg=leg,
        quantity=total,
        next_fire_at=settles_at,
    )


_HOLD_DAYS = Parameter(
    "hold_days", Unit.DAYS, 14, 1, 365, "How long after a delivery its findings are told."
)
_TOLERANCE_PERCENT = Parameter(
    "tolerance_percent",
    Unit.PERCENT,
    0,
    0,
    100,
    "What share of the wanted quantity is accepted without being told.",
)
_SETTLED = "It was delivered more than {threshold} ago, and has been told long enough."
_QUANTITY_SAYS: Mapping[str, str] = {
    "not_delivered": "Nothing of it is delivered yet.",
    "none": "The receiver told of nothing of the kind.",
    "within_tolerance": "{value}; up to {threshold} of what is wanted are accepted.",
    "settled": _SETTLED,
}

DELIVERED_LATE = Rule(
    name="delivered_late",
    aspect=Aspect.TIME,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=((3, Severity.MAJOR),),
    parameters=(
        Parameter(
            "tolerance_hours",
            Unit.HOURS,
            0,
            0,
            24 * 90,
            "How much later than due a delivery may be before it is told.",
        ),
        _HOLD_DAYS,
    ),
    value_unit=Unit.DAYS,
    says={
        "fires": "Due {due_on}, delivered {delivered_on}: {days} late.",
        "no_date": "No date is promised or requested.",
        "not_delivered": "Nothing of it is delivered yet.",
        "in_time": "What is delivered came in time.",
        "within_tolerance": "Delivered late, by no more than {threshold}.",
        "settled": _SETTLED,
    },
    headline="delivered {days} late",
    next_step="Tell who waited for {order}, and take the delay up with {supplier} and {carrier}.",
    evaluate=delivered_late,
)

DELIVERED_SHORT = Rule(
    name="delivered_short",
    aspect=Aspect.QUANTITY,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(_TOLERANCE_PERCENT, _HOLD_DAYS),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "{amount_quantity} of {wanted_quantity} are missing from the delivery of "
        "{delivered_on}.",
        **_QUANTITY_SAYS,
        "uncounted": "How much was delivered is told in a unit that cannot be counted.",
    },
    headline="delivered short",
    next_step="Ask {supplier} for the missing part of {order}, or cancel it.",
    evaluate=delivered_short,
)

DELIVERED_OVER = Rule(
    name="delivered_over",
    aspect=Aspect.QUANTITY,
    rests_on_absence=False,
    severity=Severity.INFO,
    severity_by_days=(),
    parameters=(_TOLERANCE_PERCENT, _HOLD_DAYS),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "{amount_quantity} more than the wanted {wanted_quantity} were delivered on "
        "{delivered_on}.",
        **_QUANTITY_SAYS,
    },
    headline="delivered over",
    next_step="Agree with {supplier} to keep and pay what is over, or to send it back.",
    evaluate=delivered_over,
)

DELIVERED_DAMAGED = Rule(
    name="delivered_damaged",
    aspect=Aspect.QUANTITY,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(_TOLERANCE_PERCENT, _HOLD_DAYS),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "{amount_quantity} of {wanted_quantity} were damaged in the delivery of "
        "{delivered_on}.",
        **_QUANTITY_SAYS,
    },
    headline="delivered damaged",
    next_step="Ask {supplier} to replace the damaged part of {order}, and {carrier} for a report.",
    evaluate=delivered_damaged,
)
