"""Rules on what money facts say against goods and against each other: an invoice that asks for
more or at another price, too much paid, what cannot be counted, a number that means two lines."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.findings import Answer, Aspect, CauseKind, Fires, Silence, Threshold
from alerts.money import Entry
from alerts.rules.payments import cause_of_entry, invoiced_quantity
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.settlement import asked_minor
from alerts.view import LineView
from schemas.records import Severity
from schemas.units import QUANTITY_ONE

_NOT_INVOICED = Silence("not_invoiced")
_NOT_DELIVERED = Silence("not_delivered")
_NO_QUANTITY = Silence("no_quantity")
_NO_PRICE = Silence("no_price")
_NO_MONEY = Silence("no_money")
_CLEAR = Silence("clear")


def invoiced_quantity_differs(view: LineView, settings: Settings) -> Answer:
    """More of a line is invoiced than was received of it, whole or damaged, once all is delivered.

    What went back is not counted as received. Less than was received is no fault of an invoice:
    another may follow, and `delivered_not_invoiced` waits for it. What was credited is no longer
    too much, once it is worth what is invoiced beyond.
    """
    line, money = view.line, view.line.money
    if money is None or not money.invoices:
        return _NOT_INVOICED
    if not line.is_delivered:
        return _NOT_DELIVERED
    invoiced = invoiced_quantity(view)
    known = [leg.delivered_quantity for leg in line.legs]
    if invoiced is None or None in known:
        return _NO_QUANTITY
    received = line.received - line.returned
    over = invoiced - received
    tolerance = settings.limits["tolerance_percent"]
    if over <= 0:
        return Silence("agrees", 0, tolerance)
    if over * 100 <= tolerance.value * max(received, 0):
        return Silence("within_tolerance", over, tolerance)
    if money.credited_minor * invoiced >= over * money.invoiced_minor > 0:
        return Silence("credited", over, tolerance)
    invoice = money.invoices[-1]
    return Fires(
        "fires",
        over,
        tolerance,
        (
            ("invoice", invoice.number),
            ("invoiced_quantity", invoiced),
            ("received_quantity", received),
            ("unit", line.unit),
        ),
        quantity=over,
        cause=(CauseKind.INVOICE, invoice.number),
    )


def invoiced_price_differs(view: LineView, settings: Settings) -> Answer:
    """An invoice asks for another price than the order agrees on, in either direction.

    The agreed price is the value of the line over what was ordered when it was told; the invoice's
    is what it states, else its amount over its quantity. Both are net, in one currency, for one
    unit. One that is too high no longer counts once so much is credited that what was agreed is
    left.
    """
    line, money = view.line, view.line.money
    if money is None or not money.invoices:
        return _NOT_INVOICED
    valued = line.valued_quantity
    if not line.value_minor or not valued or line.currency != money.currency:
        return _NO_PRICE
    tolerance = settings.limits["tolerance_percent"]
    worst: tuple[int, int, int, int, str] | None = None
    for each in money.invoices:
        if each.unit != line.unit:
            continue
        asked, quantity = each.invoiced_minor, each.quantity
        if each.price_minor is not None:
            asked, quantity = each.price_minor, each.price_per or QUANTITY_ONE
        if not quantity:
            continue
        # Of so much the order would ask value / valued; compared without dividing.
        differs = abs(asked * valued - line.value_minor * quantity)
        percent = -(-differs * 100 // (line.value_minor * quantity))
        if worst is None or percent > worst[0]:
            worst = (percent, differs, asked, quantity, each.number)
    if worst is None:
        return _NO_QUANTITY
    percent, differs, asked, quantity, number = worst
    if differs * 100 <= tolerance.value * line.value_minor * quantity:
        return Silence("agrees" if not differs else "within_tolerance", percent, tolerance)
    invoice = next(each for each in money.invoices if each.number == number)
    agreed = line.value_minor * quantity // valued
    whole = line.value_minor * (invoice.quantity or line.ordered) // valued
    left = invoice.asked_minor
    if asked > agreed and left < invoice.invoiced_minor and _is_within(left, whole, tolerance):
        return Silence("credited", percent, tolerance)
    return Fires(
        "fires",
        percent,
        tolerance,
        (
            ("invoice", number),
            ("asked_minor", asked),
            ("agreed_minor", agreed),
            ("priced_quantity", quantity),
            ("unit", line.unit),
            ("currency", money.currency),
            ("percent", percent),
        ),
        quantity=invoice.quantity,
        cause=(CauseKind.INVOICE, number),
        money=(abs(invoice.invoiced_minor - whole), money.currency),
    )


def _is_within(asked_minor: int, agreed_minor: int, tolerance: Threshold) -> bool:
    """No more is asked than was agreed, give or take the tolerance in percent."""
    return (asked_minor - agreed_minor) * 100 <= tolerance.value * agreed_minor


def paid_over(view: LineView, settings: Settings) -> Answer:
    """More was paid for a line than is asked for it, such as one invoice paid twice.

    Compared with what its invoices ask for, else with the value of the order. Names the two facts
    of which one is too many: two payments of one amount, else the last two, else the payment and
    the invoice.
    """
    line, money = view.line, view.line.money
    if money is None:
        return _NO_MONEY
    asked = asked_minor(line, money)
    if asked is None:
        return Silence("no_value")
    tolerance = settings.limits["tolerance_percent"]
    over = money.kept_minor - asked
    if over <= 0:
        return Silence("none", 0, tolerance)
    percent = -(-over * 100 // asked) if asked else 100
    if over * 100 <= tolerance.value * asked or not money.twice:
        return Silence("within_tolerance", percent, tolerance)
    one, other = money.twice[0], money.twice[-1]
    is_twice = one != other and one.kind == other.kind and one.value_minor == other.value_minor
    return Fires(
        "twice" if is_twice else "fires",
        percent,
        tolerance,
        (
            ("paid_minor", money.kept_minor),
            ("asked_minor", asked),
            ("over_minor", over),
            ("currency", money.currency),
            ("one_fact", _named(one)),
            ("other_fact", _named(other)),
        ),
        cause=cause_of_entry(other),
        money=(over, money.currency),
    )


def payment_unclear(view: LineView, settings: Settings) -> Answer:
    """An amount was told that cannot be counted for the line: it is in another currency than its
    invoices, or nobody knows how much of it is for this line.

    The latter is so when a payment stands for several invoices and no fact says how much is for
    which, or when nothing says what the lines of an invoice or order are worth. It is not guessed.
    """
    del settings
    money = view.line.money
    if money is None:
        return _NO_MONEY
    if not money.uncounted:
        return _CLEAR
    first = money.uncounted[0]
    is_foreign = first.currency is not None and first.currency != money.currency
    return Fires(
        "currency" if is_foreign else "amount",
        None,
        None,
        (
            ("fact", _named(first)),
            ("amount_minor", first.value_minor),
            ("currency", first.currency),
            ("counted_in", money.currency or "no currency"),
        ),
        cause=cause_of_entry(first),
    )


def reference_ambiguous(view: LineView, settings: Settings) -> Answer:
    """A supplier's line, which can be one order line only, is tied to this line and to another.

    One of the facts that say so is wrong. Until that is put right, what is told of the number
    alone counts for neither line.
    """
    del settings
    if not view.line.ties:
        return _CLEAR
    tie = view.line.ties[0]
    number = tie.number.partition(":")[2]
    return Fires(
        "fires",
        tie.count,
        None,
        (
            ("number", number),
            ("line", view.line.line_id),
            ("others", ", ".join(tie.others)),
            ("fact", f"{tie.event_id} of {tie.source}" if tie.source else "a fact that left"),
            ("count", tie.count),
        ),
        cause=(CauseKind.NUMBER, number),
    )


def unit_unclear(view: LineView, settings: Settings) -> Answer:
    """A quantity of the line was told in a unit that its item does not have, or that cannot be
    brought to the line's exactly. It is not counted; where the whole line is told in such a unit,
    it is counted by itself and is in no projection of stock."""
    del settings
    line = view.line
    if not line.odd_units:
        return _CLEAR
    odd = line.odd_units[0]
    return Fires(
        "line" if odd.unit == line.unit else "fact",
        len(line.odd_units),
        None,
        (
            ("fact", f"{odd.kind} {odd.event_id} of {odd.source}"),
            ("told_unit", odd.unit),
            ("line_unit", line.unit),
            ("item", line.item),
            ("count", len(line.odd_units)),
        ),
    )


def _named(entry: Entry) -> str:
    """The fact as people can find it: paid e7 of acme-bank."""
    return f"{entry.kind} {entry.event_id} of {entry.source}"


def _tolerance_percent(default: int, says: str) -> Parameter:
    return Parameter("tolerance_percent", Unit.PERCENT, default, 0, 100, says)


_NOT_INVOICED_SAYS: Mapping[str, str] = {"not_invoiced": "Nothing of it is invoiced."}

INVOICED_QUANTITY = Rule(
    name="invoiced_quantity",
    aspect=Aspect.MONEY,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(
        _tolerance_percent(0, "What share of the received quantity may be invoiced beyond it."),
    ),
    value_unit=Unit.QUANTITY,
    says={
        **_NOT_INVOICED_SAYS,
        "fires": "{invoiced_quantity} are invoiced, last by {invoice}, and {received_quantity} "
        "were received.",
        "not_delivered": "Not all of it is delivered yet.",
        "no_quantity": "Invoice or delivery do not say how much, or in another unit.",
        "agrees": "No more is invoiced than was received.",
        "credited": "{value} too much were invoiced, and are credited.",
        "within_tolerance": "{value} too much; up to {threshold} of what was received are "
        "accepted.",
    },
    headline="invoiced for more than was received",
    next_step="Ask {supplier} to credit what is invoiced too much for {order}, before it is paid.",
    evaluate=invoiced_quantity_differs,
)

INVOICED_PRICE = Rule(
    name="invoiced_price",
    aspect=Aspect.MONEY,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(_tolerance_percent(1, "By how much a price may differ from the agreed one."),),
    value_unit=Unit.PERCENT,
    says={
        **_NOT_INVOICED_SAYS,
        "fires": "Invoice {invoice} asks {asked_minor} for {priced_quantity}, agreed are "
        "{agreed_minor}: {percent} % apart.",
        "no_price": "The order says no value, or in another currency.",
        "no_quantity": "The invoice does not say how much, or in another unit.",
        "agrees": "The invoices ask for the agreed price.",
        "credited": "{value} apart, and credited.",
        "within_tolerance": "{value} apart; up to {threshold} are accepted.",
    },
    headline="invoiced at another price",
    next_step="Have the price of {order} agreed with {supplier}, before the invoice is paid.",
    evaluate=invoiced_price_differs,
)

PAID_OVER = Rule(
    name="paid_over",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(_tolerance_percent(0, "By how much more may be paid than is asked."),),
    value_unit=Unit.PERCENT,
    says={
        "fires": "{paid_minor} were paid where {asked_minor} are asked; {one_fact} and "
        "{other_fact} do not go together.",
        "twice": "{paid_minor} were paid where {asked_minor} are asked; {one_fact} and "
        "{other_fact} tell of the same amount.",
        "no_money": "Nobody told of any payment.",
        "no_value": "Nobody told what is asked for it.",
        "none": "No more is paid than is asked.",
        "within_tolerance": "{value} too much; up to {threshold} are accepted.",
    },
    headline="paid more than is asked",
    next_step="Find out whether {order} was paid twice or told twice; ask {supplier} to pay back.",
    evaluate=paid_over,
)

PAYMENT_UNCLEAR = Rule(
    name="payment_unclear",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.PERCENT,
    says={
        "currency": "The line is counted in {counted_in}; {fact} tells of {amount_minor}.",
        "amount": "Of {fact} nobody can tell how much is for this line.",
        "no_money": "Nobody told of any payment.",
        "clear": "Every amount that was told is counted.",
    },
    headline="told of money that cannot be counted",
    next_step="Ask who told it for which lines of {order} how much is meant, in its currency.",
    evaluate=payment_unclear,
)

REFERENCE_AMBIGUOUS = Rule(
    name="reference_ambiguous",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.PERCENT,
    says={
        "fires": "{number} is tied to {line} by {fact}, and to {others} by another; what is told "
        "of it alone counts for neither.",
        "clear": "Every number that stands for it alone does so.",
    },
    headline="known by a number that means another line too",
    next_step="Ask {supplier} which line of {order} the number is for, and have it told anew.",
    evaluate=reference_ambiguous,
)

UNIT_UNCLEAR = Rule(
    name="unit_unclear",
    aspect=Aspect.DATA,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=(),
    parameters=(),
    value_unit=Unit.PERCENT,
    says={
        "fact": "The fact {fact} counts in {told_unit}, the line in {line_unit}, and {item} has no "
        "size for it; it is not counted.",
        "line": "The line is told in {told_unit}, which {item} does not have; it is in no "
        "projection of stock.",
        "clear": "Every quantity is in a unit of the item.",
    },
    headline="told in a unit that cannot be counted",
    next_step="Tell the network how much one of the unit is, or have {order} told in another.",
    evaluate=unit_unclear,
)
