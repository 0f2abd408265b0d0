"""Rules on money that does not move as it should: not invoiced, not paid, paid for nothing, and
goods that wait for it."""

from __future__ import annotations

from alerts.evidence import Step, absence, first_proven, telling
from alerts.findings import Answer, Aspect, Blind, CauseKind, Fires, Silence
from alerts.lines import Leg
from alerts.money import Entry, Invoice
from alerts.rules.rule import Parameter, Rule, Settings, Unit
from alerts.settlement import asked_minor, due_at
from alerts.view import LineView, carried
from schemas.records import Severity
from schemas.units import DAY_MS, Quantity, UtcMillis

_NOT_DELIVERED = Silence("not_delivered")
_NOBODY_TELLS = Silence("nobody_tells")
_INVOICED = Silence("invoiced")
_PAID = Silence("paid")
_NOT_INVOICED = Silence("not_invoiced")
_NO_TERMS = Silence("no_terms")
_NOT_PAID = Silence("not_paid")
_SHIPPED = Silence("shipped")
_HELD = Silence("held")
_NOT_HELD = Silence("not_held")


def cause_of_entry(entry: Entry) -> tuple[CauseKind, str] | None:
    """The payment or invoice that a fact names, as a root cause; None when it names neither."""
    scope, _, number = entry.number.partition(":")
    return (CauseKind(scope), number) if number else None


def delivered_not_invoiced(view: LineView, settings: Settings) -> Answer:
    """Goods were delivered, and so many days later they are not invoiced, or not all of them.

    Counted from the delivery that the invoices do not reach. Where nobody is known to tell of
    money, or the goods were paid without an invoice, nothing is missed.
    """
    line = view.line
    delivered = _delivered(view)
    if not delivered:
        return _NOT_DELIVERED
    if not telling(view, Step.INVOICE):
        return _NOBODY_TELLS
    money = line.money
    invoiced = invoiced_quantity(view) if money is not None and money.invoices else 0
    if money is not None and not money.invoices:
        asked = asked_minor(line, money)
        if asked is not None and 0 < asked <= money.kept_minor:
            return _PAID
    since = None if invoiced is None else _beyond(delivered, invoiced)
    if invoiced is None or since is None or since.delivered is None:
        return _INVOICED
    limit = settings.limits["limit_days"]
    deadline = since.delivered.at + limit.value * DAY_MS
    if view.now < deadline:
        return Silence("not_due", since.delivered.at, limit, deadline)
    hidden = absence(view, Step.INVOICE, deadline)
    if hidden is not None:
        return hidden
    days, restated_at = settings.days_reached(deadline, view.now)
    missing = max(0, line.received - invoiced)
    return Fires(
        "partly" if invoiced else "fires",
        since.delivered.at,
        limit,
        (
            ("delivered_on", view.local_day(since.delivered.at)),
            ("limit_days", limit.value),
            ("invoiced_quantity", invoiced),
            ("received_quantity", line.received),
            ("unit", line.unit),
        ),
        due_at=deadline,
        days=days,
        quantity=missing or None,
        next_fire_at=restated_at,
    )


def invoiced_quantity(view: LineView) -> Quantity | None:
    """How much of the line is invoiced; None where an invoice does not say, or in another unit."""
    money, total = view.line.money, 0
    for each in money.invoices if money is not None else ():
        if each.quantity is None or each.unit != view.line.unit:
            return None
        total += each.quantity
    return total


def _delivered(view: LineView) -> list[tuple[UtcMillis, Leg]]:
    legs = [(leg.delivered.at, leg) for leg in view.line.legs if leg.delivered is not None]
    return sorted(legs, key=lambda each: (each[0], each[1].shipment))


def _beyond(delivered: list[tuple[UtcMillis, Leg]], invoiced: Quantity) -> Leg | None:
    """The first delivery that brought more than is invoiced; one of an unsaid quantity brought
    something."""
    total = 0
    for _, leg in delivered:
        total += (carried(leg) or 1) - leg.short
        if total > invoiced:
            return leg
    return None


def unpaid_past_terms(view: LineView, settings: Settings) -> Answer:
    """An invoice is past due by more than the grace, and not paid in full.

    It falls due where its terms say, else where the line ships to: net days from the day of the
    invoice there, a date, or a moment. While the buyer disputes it the rule is silent.
    """
    money = view.line.money
    if money is None or not money.invoices:
        return _NOT_INVOICED
    grace = settings.limits["grace_days"]
    candidates: list[tuple[UtcMillis, Leg | None, tuple[UtcMillis, Invoice]]] = []
    is_open = False
    for each in money.invoices:
        if not each.open_minor:
            continue
        is_open = True
        due = due_at(view, each)
        if due is not None:
            candidates.append((due + grace.value * DAY_MS + 1, None, (due, each)))
    if not is_open:
        return _PAID
    if money.disputed is not None:
        return Silence("disputed", money.disputed.at)
    if not candidates:
        return _NO_TERMS
    candidates.sort(key=lambda each: (each[0], each[2][1].number))
    found = first_proven(view, Step.PAY, candidates)
    if found is None:
        return Silence("not_due", candidates[0][2][0], grace, candidates[0][0])
    if isinstance(found, Silence | Blind):
        return found
    due, invoice = found.subject
    days, restated_at = settings.days_reached(due, view.now)
    moments = [at for at in (restated_at, found.next_fire_at) if at is not None]
    return Fires(
        "partly" if invoice.paid_minor else "fires",
        due,
        grace,
        (
            ("invoice", invoice.number),
            ("due_on", view.network.local_day(invoice.due_site or view.line.ship_to, due)),
            ("open_minor", invoice.open_minor),
            ("asked_minor", invoice.asked_minor),
            ("currency", money.currency),
            ("days", days),
        ),
        due_at=due,
        days=days,
        next_fire_at=min(moments, default=None),
        feed=found.feed,
        cause=(CauseKind.INVOICE, invoice.number),
        money=(invoice.open_minor, money.currency),
    )


def paid_not_moving(view: LineView, settings: Settings) -> Answer:
    """The line is paid for in full, and so many days later the goods, or a part, have not left.

    Paid well ahead, goods need not leave before the last departure that meets their promise; where
    no lane is known, not before the promise falls due. Goods that are held are another matter.
    """
    line, money = view.line, view.line.money
    asked = None if money is None else asked_minor(line, money)
    if money is None or not asked or money.kept_minor < asked or money.paid_news is None:
        return _NOT_PAID
    if _all_shipped(view):
        return _SHIPPED
    if money.held is not None:
        return _HELD
    limit = settings.limits["limit_days"]
    paid_at = money.paid_news.at
    deadline = paid_at + limit.value * DAY_MS
    leaves_by = _leaves_by(view)
    if leaves_by is not None:
        deadline = max(deadline, leaves_by + 1)
    if view.now < deadline:
        return Silence("not_due", paid_at, limit, deadline)
    part = view.waiting
    hidden = absence(view, Step.SHIP, deadline, None if part is None else part.leg)
    if hidden is not None:
        return hidden
    days, restated_at = settings.days_reached(deadline, view.now)
    return Fires(
        "fires",
        paid_at,
        limit,
        (
            ("paid_on", view.local_day(paid_at)),
            ("paid_minor", money.kept_minor),
            ("currency", money.currency),
            ("open_quantity", line.wanted if part is None else part.quantity),
            ("unit", line.unit),
            ("days", days),
        ),
        due_at=deadline,
        days=days,
        next_fire_at=restated_at,
        money=(money.kept_minor, money.currency),
    )


def held_for_payment(view: LineView, settings: Settings) -> Answer:
    """Goods that should leave soon are held until they are paid, or a payment for them failed.

    Told from `lead_days` before the last departure that meets the promise (where no lane is known,
    before the promise falls due; without a promise, at once). A failed payment counts until another
    is authorised or made. Silent once all of it has left.
    """
    money = view.line.money
    against = None if money is None else money.held or money.failed
    if money is None or against is None:
        return _NOT_HELD
    asked = asked_minor(view.line, money)
    if money.held is None and asked is not None and money.covered_minor >= asked:
        return _NOT_HELD
    if _all_shipped(view):
        return _SHIPPED
    lead = settings.limits["lead_days"]
    leaves_by = _leaves_by(view)
    if leaves_by is not None and view.now < leaves_by - lead.value * DAY_MS:
        return Silence("not_yet", leaves_by, lead, leaves_by - lead.value * DAY_MS)
    days, restated_at = settings.days_reached(leaves_by or against.at, view.now)
    part = view.waiting
    return Fires(
        "failed" if money.held is None else "fires" if leaves_by is not None else "no_date",
        leaves_by or against.at,
        lead,
        (
            ("held_at", against.at),
            ("leaves_by_at", leaves_by),
            ("why", against.reason or "no reason told"),
            ("days", days),
        ),
        due_at=None if part is None else part.due_at,
        days=days,
        quantity=None if part is None else part.quantity,
        next_fire_at=restated_at,
        cause=cause_of_entry(against),
    )


def _all_shipped(view: LineView) -> bool:
    return view.line.is_delivered or (view.has_shipped and view.waiting is None)


def _leaves_by(view: LineView) -> UtcMillis | None:
    """When what waits must leave: the last departure of its lane, else when it falls due."""
    part = view.waiting
    if part is None:
        return None
    lane = view.lane_of(part.leg)
    if lane is None:
        return part.due_at
    return view.network.latest_departure(lane, part.due_at, view.quantile) or part.due_at


def _limit_days(default: int, says: str, name: str = "limit_days") -> Parameter:
    return Parameter(name, Unit.DAYS, default, 0, 365, says)


DELIVERED_NOT_INVOICED = Rule(
    name="delivered_not_invoiced",
    aspect=Aspect.MONEY,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((14, Severity.MAJOR),),
    parameters=(_limit_days(7, "How long after a delivery its invoice may take."),),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Delivered {delivered_on}, and not invoiced within {limit_days}.",
        "partly": "Of {received_quantity} that were received only {invoiced_quantity} are "
        "invoiced, {limit_days} after the delivery of {delivered_on}.",
        "not_delivered": "Nothing of it is delivered yet.",
        "nobody_tells": "Nobody is known to tell of money for it.",
        "invoiced": "What was delivered is invoiced.",
        "paid": "It is paid, without an invoice.",
        "not_due": "Delivered {value}; an invoice may take {threshold}.",
    },
    headline="delivered and not invoiced",
    next_step="Ask {supplier} to invoice {order}, or to say why there is nothing to pay.",
    evaluate=delivered_not_invoiced,
)

UNPAID_PAST_TERMS = Rule(
    name="unpaid_past_terms",
    aspect=Aspect.MONEY,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((14, Severity.MAJOR), (30, Severity.CRITICAL)),
    parameters=(
        _limit_days(3, "How long after it fell due a payment may take to be told.", "grace_days"),
    ),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Invoice {invoice} fell due {due_on}; {open_minor} are not paid.",
        "partly": "Invoice {invoice} fell due {due_on}; {open_minor} of {asked_minor} are not "
        "paid.",
        "not_invoiced": "Nothing of it is invoiced.",
        "no_terms": "Nobody told when its invoices fall due.",
        "paid": "All that is invoiced is paid.",
        "disputed": "It is disputed since {value}; what is disputed is not overdue.",
        "not_due": "Due {value}; a payment may take {threshold} to be told.",
    },
    headline="not paid in time",
    next_step="Ask the buyer of {order} when it will be paid, or what stands against it.",
    evaluate=unpaid_past_terms,
)

PAID_NOT_MOVING = Rule(
    name="paid_not_moving",
    aspect=Aspect.MONEY,
    rests_on_absence=True,
    severity=Severity.WARNING,
    severity_by_days=((7, Severity.MAJOR),),
    parameters=(_limit_days(5, "How long after they are paid goods may take to leave."),),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Paid {paid_minor} by {paid_on}; {open_quantity} have not left.",
        "not_paid": "It is not known to be paid in full.",
        "shipped": "All of it has left.",
        "held": "It is paid, and held; see held_for_payment.",
        "not_due": "Paid {value}; goods may take {threshold}, and until they must leave.",
    },
    headline="paid and not shipped",
    next_step="Ask {supplier} what keeps {order}, which is paid for.",
    evaluate=paid_not_moving,
)

HELD_FOR_PAYMENT = Rule(
    name="held_for_payment",
    aspect=Aspect.MONEY,
    rests_on_absence=False,
    severity=Severity.WARNING,
    severity_by_days=((1, Severity.MAJOR),),
    parameters=(_limit_days(7, "How long before goods must leave a hold is told.", "lead_days"),),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Held for payment since {held_at} ({why}); it must leave by {leaves_by_at}.",
        "no_date": "Held for payment since {held_at} ({why}); no date is promised.",
        "failed": "Its payment failed {held_at} ({why}), and none came in its place.",
        "not_held": "Nothing is known to hold it for payment.",
        "shipped": "All of it has left.",
        "not_yet": "It is held, and must leave by {value}; a hold is told {threshold} before.",
    },
    headline="held for payment",
    next_step="Have {order} paid or answered for, or ask {supplier} to let it go.",
    evaluate=held_for_payment,
)
