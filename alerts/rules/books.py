"""Rules on the books of a stock node: facts about it that cannot all be so."""

from __future__ import annotations

from alerts.evidence import untold
from alerts.findings import Answer, Aspect, Fires, Silence
from alerts.node_view import NodeView
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from schemas.facts import Family
from schemas.records import Severity
from schemas.units import DAY_MS, HOUR_MS


def count_differs(view: NodeView, settings: Settings) -> Answer:
    """The last count of a stock node differs from what its books said just before, by more than
    the tolerance.

    The count holds all the same. The first count has no books to compare with. The finding ends
    with the next count, or after the days that the policy names.
    """
    count = view.node.count
    if count is None:
        return Silence("never_counted")
    books = count.books
    if books is None:
        return Silence("first_count")
    difference = count.fact.quantity - books
    tolerance = settings.limits["tolerance_percent"]
    if abs(difference) * 100 <= tolerance.value * abs(books):
        return Silence("agrees", difference, tolerance)
    ends_at = count.fact.at + settings.limits["shown_days"].value * DAY_MS
    if view.now >= ends_at:
        return Silence("old", difference, settings.limits["shown_days"])
    return Fires(
        "fires",
        difference,
        tolerance,
        (
            ("item", view.node.item),
            ("site", view.node.site),
            ("unit", view.node.unit),
            ("counted_quantity", count.fact.quantity),
            ("books_quantity", books),
            ("difference_quantity", difference),
            ("counted_at", count.fact.at),
            ("count", count.fact.text),
        ),
        quantity=abs(difference),
        next_fire_at=ends_at,
    )


def contradicting_facts(view: NodeView, settings: Settings) -> Answer:
    """Two facts about a stock node cannot both be so: two counts of one moment with different
    quantities, more issued than lay there, more received of a transfer than left, more released
    than was blocked or set aside, another unit than before, one that its item does not have.

    All facts are kept, and the balance is what they add up to, below zero if need be; only a fact
    in another unit is not in it. Of several contradictions the first is named. One ends when its
    facts are older than the lateness horizon and the balance is whole again.
    """
    node = view.node
    if not node.clashes:
        return Silence("none")
    clash = node.clashes[0]
    return Fires(
        clash.kind.value,
        None,
        None,
        (
            ("item", node.item),
            ("site", node.site),
            ("unit", node.unit),
            ("first", None if clash.first is None else clash.first.text),
            ("first_quantity", None if clash.first is None else clash.first.quantity),
            ("second", clash.second.text),
            ("second_quantity", clash.second.quantity),
            ("second_at", clash.second.at),
            ("clash_count", node.clash_count),
        ),
    )


def arrived_never_departed(view: NodeView, settings: Settings) -> Answer:
    """A transfer came in that, by its number, never left anywhere: nothing was told within the
    limit after it came in."""
    arrived = [
        (each.arrived_fact, each)
        for each in view.node.transfers
        if each.arrived_fact is not None and not each.departed
    ]
    if not arrived:
        return Silence("none")
    fact, transfer = min(arrived, key=lambda pair: (pair[0].at, pair[1].number))
    limit = settings.limits["limit_hours"]
    deadline = fact.at + limit.value * HOUR_MS
    if view.now < deadline:
        return Silence("not_due", fact.at, limit, deadline)
    feeds = view.network.feeds_for(Family.INVENTORY, None, transfer.from_site)
    sources = [each.id for each in feeds] if transfer.from_site else []
    hidden = untold(view, sources, Family.INVENTORY, deadline)
    if hidden is not None:
        return hidden
    return Fires(
        "fires",
        fact.at,
        limit,
        (
            ("item", view.node.item),
            ("site", view.node.site),
            ("unit", view.node.unit),
            ("transfer", transfer.number),
            ("fact", fact.text),
            ("arrived_quantity", transfer.arrived),
            ("arrived_at", fact.at),
            ("transfer_count", len(arrived)),
        ),
        quantity=transfer.arrived,
    )


COUNT_DIFFERS = Rule(
    name="count_differs",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(
        Parameter(
            "tolerance_percent",
            Unit.PERCENT,
            2,
            0,
            100,
            "How far a count may lie from the books, in percent of them.",
        ),
        Parameter(
            "shown_days", Unit.DAYS, 30, 1, 365, "For how many days a count that differs is told."
        ),
    ),
    value_unit=Unit.QUANTITY,
    says={
        "fires": "At {counted_at} {counted_quantity} of {item} were counted at {site}, where the "
        "books said {books_quantity}: {difference_quantity} ({count}).",
        "never_counted": "Nobody has counted what lies there.",
        "first_count": "It was counted once, so there were no books to compare with.",
        "agrees": "The last count lies {value} from the books; {threshold} of them are accepted.",
        "old": "The last count lay {value} from the books, longer than {threshold} ago.",
    },
    headline="count differs from the books",
    next_step="Ask {site} to check the count of {item}, and find the movement that nobody told.",
    evaluate=count_differs,
    cause="The books of {cause} are not what lies there.",
)

CONTRADICTING_FACTS = Rule(
    name="contradicting_facts",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.QUANTITY,
    says={
        "two_counts": "At {second_at} {first} counted {first_quantity} of {item} at {site}, and "
        "{second} {second_quantity}.",
        "below_zero": "At {second_at} {second} takes {second_quantity} of {item} from {site}, more "
        "than is there since the count {first}.",
        "mixed_units": "The fact {second} counts {item} at {site} in another unit than {first}; "
        "it is not in the balance.",
        "unknown_unit": "The fact {second} counts {item} at {site} in a unit that cannot be "
        "brought to {unit} exactly; it is not in the balance.",
        "arrived_more": "The fact {second} brings more of a transfer of {item} into {site} than "
        "{first} sent.",
        "unblocked_more": "The fact {second} unblocks {second_quantity} of {item} at {site}, more "
        "than is blocked.",
        "unreserved_more": "The fact {second} releases {second_quantity} of {item} at {site}, more "
        "than is set aside.",
        "none": "No facts about it contradict each other.",
    },
    headline="facts contradict each other",
    next_step="Ask {site} which of the facts on {item} is right, and correct the other.",
    evaluate=contradicting_facts,
    cause="What was told of {cause} cannot all be so.",
)

ARRIVED_NEVER_DEPARTED = Rule(
    name="arrived_never_departed",
    aspect=Aspect.DATA,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(
        Parameter(
            "limit_hours",
            Unit.HOURS,
            24,
            0,
            24 * 90,
            "How long after a transfer came in its departure may be told.",
        ),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "{arrived_quantity} of {item} came in at {site} at {arrived_at} with transfer "
        "{transfer} ({fact}), which nobody has told to have left.",
        "none": "Every transfer that came in has left somewhere.",
        "not_due": "A transfer came in {value} of which no departure is told; that may take "
        "{threshold}.",
    },
    headline="transfer came in that never left",
    next_step="Ask who sent {item} to {site} to tell the departure, or correct the number.",
    evaluate=arrived_never_departed,
    cause="What was told of {cause} cannot all be so.",
)
