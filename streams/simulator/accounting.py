"""The truth of one order: what should be caught of its fault, from when, and by when."""

from __future__ import annotations

from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from streams.simulator.dialogues import claim_event
from streams.simulator.faults import (
    ANSWER_FAULTS,
    MONEY_FAULTS,
    ExpectedCatch,
    FaultKind,
    Injection,
    refused_fact,
)
from streams.simulator.plans import Plan
from streams.simulator.telling import Story

UNCONFIRMED_AFTER_MS = 48 * HOUR_MS
"""From when an unconfirmed order can be told: the default limit of the rule."""

NOT_INVOICED_AFTER_MS = 7 * DAY_MS
"""From when a missing invoice can be told, after the delivery: the default limit of the rule."""

UNPAID_AFTER_MS = 3 * DAY_MS
"""From when a missing payment can be told, after it fell due: the default grace of the rule."""

NOT_OWN_AFTER_MS = 2 * DAY_MS
"""From when a fact of somebody else's line is a dead letter: the policy's default."""

SIGNS_WITHIN_MS = 36 * HOUR_MS
"""By when every source has said that it is complete up to a moment, the nightly ones included."""


def injection_of(plan: Plan, story: Story) -> Injection | None:
    """The fault of the order, once all of its story is told; None where it has none."""
    if plan.fault is None:
        return None
    if plan.fault in MONEY_FAULTS:
        return _of_money(plan, story, plan.fault)
    if plan.fault in ANSWER_FAULTS:
        return _of_answers(plan, story, plan.fault)
    lines = story.lines
    match plan.fault:
        case FaultKind.LATE_SUPPLIER:
            earliest_at, latest_at = plan.fault_at, plan.fault_at + SIGNS_WITHIN_MS
            if plan.has_faster_lane:
                latest_at = story.told_at["departed"]
            says = "the goods miss the last departure that meets the promise"
        case FaultKind.UNCONFIRMED_ORDER:
            earliest_at = plan.placed_at + UNCONFIRMED_AFTER_MS
            latest_at = earliest_at + SIGNS_WITHIN_MS
            says = "the supplier confirms five days late or later"
        case FaultKind.PROMISE_CREEP:
            earliest_at, latest_at = plan.fault_at, story.told_at["confirmed"]
            says = f"the promise moves {len(plan.promises) - 1} times by a day"
        case FaultKind.LOST_SHIPMENT:
            earliest_at, latest_at = plan.fault_at, plan.due_at + SIGNS_WITHIN_MS
            says = "after its departure nothing is told of the shipment"
        case FaultKind.SHORT_SHIPMENT:
            earliest_at, latest_at = plan.fault_at, story.told_at["delivered"]
            lines, says = lines[:1], "a fifth of the line is missing"
        case FaultKind.DAMAGED_DELIVERY:
            earliest_at, latest_at = plan.fault_at, story.told_at["delivered"]
            lines, says = lines[:1], "a fifth of the line is damaged"
        case _:
            raise AssertionError(f"{plan.fault} is no fault of an order")
    return _injection(plan, plan.fault_at, says, lines, earliest_at, latest_at, plan.due_at)


def _of_money(plan: Plan, story: Story, kind: FaultKind) -> Injection:
    """A fault of money breaks no promise of a date, so nothing falls due by it."""
    billing, lines = plan.billing, story.lines
    assert billing is not None
    match kind:
        case FaultKind.PRICE_MISMATCH:
            at = earliest_at = billing.invoiced_at
            latest_at = story.told_at["invoiced"]
            lines, says = lines[:1], f"it is invoiced {billing.price_percent} % above its price"
        case FaultKind.INVOICED_TOO_MUCH:
            at = earliest_at = billing.invoiced_at
            latest_at = max(story.told_at["invoiced"], story.told_at["delivered"])
            lines, says = lines[:1], "more is invoiced than was delivered"
        case FaultKind.NOT_INVOICED:
            at = plan.delivered_at
            earliest_at = at + NOT_INVOICED_AFTER_MS
            latest_at = earliest_at + SIGNS_WITHIN_MS
            says = "it is delivered, and not invoiced"
        case FaultKind.UNPAID:
            at = billing.due_at
            earliest_at = at + UNPAID_AFTER_MS
            latest_at = earliest_at + SIGNS_WITHIN_MS
            says = "the invoice is not paid when it falls due"
        case FaultKind.PAYMENT_HOLD:
            assert plan.hold is not None
            at = earliest_at = plan.hold.held_at
            latest_at = max(story.told_at["held"], plan.hold.matters_at)
            says = "the goods are held for payment"
        case _:
            raise AssertionError(f"{kind} is no fault of money")
    return _injection(plan, at, says, lines, earliest_at, latest_at, None)


def _of_answers(plan: Plan, story: Story, kind: FaultKind) -> Injection:
    """Of what the supplier answers; what it says of somebody else's line touches no line at all."""
    at, lines = plan.fault_at, story.lines
    due_at: UtcMillis | None = None
    match kind:
        case FaultKind.NEVER_ANSWERED:
            earliest_at = at + UNCONFIRMED_AFTER_MS
            latest_at = earliest_at + SIGNS_WITHIN_MS
            says = "the supplier never answers"
        case FaultKind.SHORT_ANSWER:
            earliest_at = plan.placed_at + UNCONFIRMED_AFTER_MS
            latest_at = earliest_at + SIGNS_WITHIN_MS
            lines, says = lines[:1], "the parts of an answer add up to less than was ordered"
        case FaultKind.LATER_ANSWER:
            earliest_at = latest_at = at
            due_at = plan.due_at
            says = "a second answer puts the promise off"
        case FaultKind.ANSWER_NOT_KEPT:
            earliest_at, latest_at = at, story.told_at["delivered"]
            lines, says = lines[:1], "less was promised and the rest given up, and all of it comes"
        case FaultKind.ORDER_REJECTED:
            earliest_at = latest_at = at
            says = "the supplier will not deliver the order"
        case FaultKind.FOREIGN_ANSWER:
            subject = refused_fact(plan.flow.supplier_feed, claim_event(plan))
            due = at + NOT_OWN_AFTER_MS
            says = "the supplier promises a line of another one"
            catch = ExpectedCatch(subject, due, due)
            return Injection(f"{kind}:{plan.order_ref}", kind, at, says, (catch,), ())
        case _:
            raise AssertionError(f"{kind} is no fault of an answer")
    return _injection(plan, at, says, lines, earliest_at, latest_at, due_at)


def _injection(
    plan: Plan,
    at: UtcMillis,
    says: str,
    lines: tuple[str, ...],
    earliest_at: UtcMillis,
    latest_at: UtcMillis,
    due_at: UtcMillis | None,
) -> Injection:
    kind = plan.fault
    assert kind is not None
    expected = tuple(ExpectedCatch(line, earliest_at, latest_at, due_at) for line in lines)
    return Injection(f"{kind}:{plan.order_ref}", kind, at, says, expected, plan.line_ids)
