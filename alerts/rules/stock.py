"""Rules on the balance of a stock node: short, below its safety stock, far too much."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.findings import Answer, Aspect, Figures, Fires, Silence
from alerts.node_view import NOT_IN_NETWORK, NodeView
from alerts.projection import Balance, Projection, days_of_supply
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from schemas.records import Severity
from schemas.units import DAY_MS, Day, Quantity, UtcMillis


def shortage_projected(view: NodeView, settings: Settings) -> Answer:
    """The available balance of a stock node falls below zero within the horizon.

    Available is what lies there less what is blocked or set aside. From it goes what its lines
    still have to ship, each by the last departure that keeps its date; to it comes what is on its
    way or promised to it, what did not leave in time no sooner than it still can. The lines that
    would not be served in full, in the order in which they fall due, are named with what they miss.
    While a source of the node is blind a shortage that was seen stays, and nothing is called
    enough.
    """
    projection = view.projection
    if projection is None:
        return view.unseen() or Silence(view.unprojected)
    if projection.is_short:
        return _short(view, projection, settings)
    lowest = projection.lowest.quantity
    return view.unseen() or Silence(
        "enough", lowest, view.horizon, _enters_at(view, projection.below_zero_on)
    )


def _short(view: NodeView, projection: Projection, settings: Settings) -> Answer:
    """The finding on the node itself. A shortage of today is counted from the first line that it
    hits, so that it does not change from day to day."""
    hits = projection.hits
    is_now = projection.days[0].quantity < 0
    since = projection.below_zero_on
    if is_now:
        since = min((each.needed_on for each in hits), default=None)
    covered_on = _recovers_on(projection.days)
    days = None
    if since is not None:
        days = settings.step_reached(projection.horizon_on - since) or None
        if covered_on is not None:
            days = covered_on - since
    missing = -projection.lowest.quantity
    return Fires(
        "now" if is_now else "fires",
        projection.lowest.quantity,
        view.horizon,
        (
            *_node_figures(view),
            ("missing_quantity", missing),
            ("below_zero_on", since),
            ("line_count", len(hits)),
        ),
        due_at=None if since is None else view.network.due_at(view.node.site, since),
        projected_at=None if covered_on is None else view.starts_at(covered_on),
        days=days,
        quantity=missing,
    )


def _recovers_on(days: Sequence[Balance]) -> Day | None:
    """The first day from which on the balance stays at zero or above."""
    if days[-1].quantity < 0:
        return None
    below = [place for place, each in enumerate(days) if each.quantity < 0]
    return days[below[-1] + 1].on if below else None


def _node_figures(view: NodeView) -> Figures:
    node = view.node
    return (
        ("item", node.item),
        ("site", node.site),
        ("unit", node.unit),
        ("available_quantity", node.available),
    )


def _enters_at(view: NodeView, on: Day | None) -> UtcMillis | None:
    """When a day beyond the horizon comes within it."""
    return None if on is None else view.starts_at(on - view.horizon.value)


def below_safety_stock(view: NodeView, settings: Settings) -> Answer:
    """The available balance of a stock node falls below its safety stock within the horizon.

    The safety stock is the network's, in the item's base unit; balance and horizon are those of
    `shortage_projected`. Below zero both rules fire, in one alert.
    """
    projection = view.projection
    if projection is None:
        return view.unseen() or Silence(view.unprojected)
    safety = view.safety
    if not safety.value:
        return Silence("no_safety_stock")
    if not view.is_in_base_unit:
        return Silence("other_unit")
    lowest = projection.lowest.quantity
    if not projection.is_low:
        return view.unseen() or Silence(
            "enough", lowest, safety, _enters_at(view, projection.below_safety_on)
        )
    is_now = projection.days[0].quantity < safety.value
    below_on = None if is_now else projection.below_safety_on
    return Fires(
        "now" if is_now else "fires",
        lowest,
        safety,
        (
            *_node_figures(view),
            ("safety_quantity", safety.value),
            ("lowest_quantity", lowest),
            ("below_safety_on", below_on),
        ),
        due_at=None if below_on is None else view.network.due_at(view.node.site, below_on),
        quantity=min(safety.value, safety.value - lowest),
    )


def overstock(view: NodeView, settings: Settings) -> Answer:
    """A stock node has more available than it uses in the days that the policy accepts.

    What it uses a day is what was issued or sent on to other sites in the days before, on average.
    Where nothing left in that time, whatever lies there is too much.
    """
    node = view.node
    available = node.available
    if available is None or view.projection is None:
        return view.unseen() or Silence(view.unprojected or NOT_IN_NETWORK)
    if available <= 0:
        return Silence("empty")
    period = settings.limits["usage_days"].value
    known_at = (node.known_since or 0) + period * DAY_MS
    if view.now < known_at:
        return Silence("not_due", node.known_since, settings.limits["usage_days"], known_at)
    hidden = view.unseen()
    today = view.now // DAY_MS
    used = sum([quantity for on, quantity in node.used if today - period <= on < today])
    days = days_of_supply(available, used, period)
    most = settings.limits["accepted_days"]
    if days is not None and days <= most.value:
        return hidden or Silence("in_use", threshold=most)
    if hidden is not None:
        return hidden
    enough: Quantity = used * most.value // period
    return Fires(
        "not_used" if days is None else "fires",
        None,
        most,
        (
            *_node_figures(view),
            ("usage_days", period),
            ("supply_days", days),
            ("excess_quantity", available - enough),
        ),
        quantity=available - enough,
    )


_UNPROJECTED = {
    "never_counted": "Nobody has counted what lies there, so the balance is not known.",
    "not_in_network": "The network does not know the item at the site, so its lines are not known.",
}

SHORTAGE_PROJECTED = Rule(
    name="shortage_projected",
    aspect=Aspect.STOCK,
    rests_on_absence=True,
    severity=Severity.MAJOR,
    severity_by_days=((7, Severity.CRITICAL),),
    parameters=(
        Parameter(
            "horizon_days",
            Unit.DAYS,
            14,
            1,
            365,
            "How many days ahead the balance is projected, where the network does not say.",
        ),
        Parameter(
            "overdue_days",
            Unit.DAYS,
            1,
            0,
            30,
            "How long after it was due what has not arrived is still counted on.",
        ),
    ),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "Of {item} at {site}, {available_quantity} are available; from {below_zero_on} on "
        "{missing_quantity} are missing.",
        "now": "Of {item} at {site}, {available_quantity} are available, and {missing_quantity} "
        "are missing for what is wanted already.",
        "line": "{missing_quantity} of {item} are missing at {site}; wanted by {needed_on}, "
        "covered from {covered_on} on.",
        "line_open": "{missing_quantity} of {item} are missing at {site}; wanted by {needed_on}, "
        "and nothing that is on its way covers them.",
        "enough": "Within {threshold} the lowest available balance is {value}.",
        **_UNPROJECTED,
    },
    headline="{missing_quantity} missing",
    next_step="Find {item} for {site} from elsewhere or sooner, or tell the lines that must wait.",
    evaluate=shortage_projected,
    threshold_unit=Unit.DAYS,
    cause="{cause} does not last for what is wanted from it.",
)

BELOW_SAFETY_STOCK = Rule(
    name="below_safety_stock",
    aspect=Aspect.STOCK,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "Of {item} at {site}, {available_quantity} are available; on {below_safety_on} "
        "they fall below the safety stock of {safety_quantity}, and are {lowest_quantity} at the "
        "lowest.",
        "now": "Of {item} at {site}, {available_quantity} are available: less than the safety "
        "stock of {safety_quantity}, and {lowest_quantity} at the lowest.",
        "enough": "The lowest available balance is {value}; the safety stock is {threshold}.",
        "no_safety_stock": "The network names no safety stock for it.",
        "other_unit": "Its facts count in another unit than the safety stock.",
        **_UNPROJECTED,
    },
    headline="below safety stock",
    next_step="Order {item} for {site}, or bring forward what is on its way.",
    evaluate=below_safety_stock,
    threshold_unit=Unit.QUANTITY,
    cause="{cause} is running low.",
)

OVERSTOCK = Rule(
    name="overstock",
    aspect=Aspect.SURPLUS,
    rests_on_absence=True,
    severity=Severity.INFO,
    severity_by_days=(),
    parameters=(
        Parameter(
            "accepted_days", Unit.DAYS, 180, 1, 3650, "For how many days' use stock may lie there."
        ),
        Parameter(
            "usage_days",
            Unit.DAYS,
            28,
            7,
            90,
            "Over how many days what is used is averaged.",
        ),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Of {item} at {site}, {available_quantity} are available: {supply_days} of what "
        "was used in the last {usage_days}; {excess_quantity} are too much.",
        "not_used": "Of {item} at {site}, {available_quantity} are available, and none was used in "
        "the last {usage_days}.",
        "empty": "Nothing is available.",
        "not_due": "It is known since {value}; use is averaged over {threshold}.",
        "in_use": "What is available is used within {threshold}, at the average of late.",
        **_UNPROJECTED,
    },
    headline="more than is used",
    next_step="Send {item} from {site} to where it is used, or order less of it.",
    evaluate=overstock,
    cause="{cause} is used more slowly than it is filled.",
)
