"""The rule on what one item costs one customer at several of its sites."""

from __future__ import annotations

from alerts.findings import Answer, Aspect, CauseKind, Fires, Silence
from alerts.prices import PriceView
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from schemas.records import Severity

NO_PRICE = "no_price"
NOT_COMPARED = "not_compared"
PAST_LOOK_BACK = "past_look_back"

_ONE_SITE = Silence("one_site")
_AGREES = Silence("agrees")


def price_differs_across_sites(view: PriceView, settings: Settings) -> Answer:
    """A line costs one customer more a unit than the same item does at another of its sites.

    Compared with the lowest price for another site of the customer, over lines placed within the
    look-back, in one currency and one unit. The price is the agreed one, the value of a line over
    what was ordered when it was told; of a line without a value the invoiced one. The customer is
    the nearest account of the site or its buyer, or the outermost one above it that names either
    too. At stake is what the line costs beyond that price.
    """
    price, lowest = view.price, view.lowest
    look_back = settings.limits["look_back_days"]
    leaves_at = price.leaves_at(look_back.value)
    if leaves_at <= view.now:
        return Silence(PAST_LOOK_BACK, None, look_back)
    if lowest is None:
        return _ONE_SITE
    base = lowest.asked_minor * price.quantity
    differs = price.asked_minor * lowest.quantity - base
    if differs <= 0:
        return _AGREES
    tolerance = settings.limits["tolerance_percent"]
    percent = -(-differs * 100 // base)
    if differs * 100 <= tolerance.value * base:
        return Silence("within_tolerance", percent, tolerance)
    wanted_minor = base // lowest.quantity
    highest, listed = view.highest, view.listed
    return Fires(
        "fires",
        percent,
        tolerance,
        (
            ("account", listed.account),
            ("item", listed.item),
            ("unit", listed.unit),
            ("currency", listed.currency),
            ("site", price.site),
            ("asked_minor", price.asked_minor),
            ("priced_quantity", price.quantity),
            ("wanted_minor", wanted_minor),
            ("lowest_line", lowest.line_id),
            ("lowest_site", lowest.site),
            ("highest_line", highest.line_id),
            ("highest_site", highest.site),
            ("percent", percent),
        ),
        quantity=price.quantity,
        next_fire_at=leaves_at,
        cause=(CauseKind.PRICE, listed.cause_id),
        money=(price.asked_minor - wanted_minor, listed.currency),
    )


PRICE_ACROSS_SITES = Rule(
    name="price_across_sites",
    aspect=Aspect.MONEY,
    rests_on_absence=False,
    severity=Severity.INFO,
    severity_by_days=(),
    parameters=(
        Parameter(
            "tolerance_percent",
            Unit.PERCENT,
            2,
            0,
            100,
            "By how much a price may exceed the lowest for another site.",
        ),
        Parameter(
            "look_back_days",
            Unit.DAYS,
            90,
            1,
            730,
            "How long after a line was placed its price is compared.",
        ),
    ),
    value_unit=Unit.PERCENT,
    says={
        "fires": "{site} is asked {asked_minor} for {priced_quantity}; by the price of "
        "{lowest_line} for {lowest_site} it would be {wanted_minor}: {percent} % more. The highest "
        "price is that of {highest_line} for {highest_site}.",
        "one_site": "No other site of the customer has a price for it.",
        "agrees": "No other site of the customer pays less.",
        "within_tolerance": "{value} more than at another site; up to {threshold} are accepted.",
        PAST_LOOK_BACK: "It was placed more than {threshold} ago: its price is not compared any "
        "more.",
        NOT_COMPARED: "Its price is not compared any more: by a newer network its customer is "
        "another, or the customer has too many lines that were placed after it.",
        NO_PRICE: "Nobody says what it costs, or nobody wants it any more.",
    },
    headline="dearer than for another site",
    next_step="Ask {supplier} for one price of {item}, or put the exception in the policy.",
    evaluate=price_differs_across_sites,
    cause="{cause} differ from site to site.",
)
