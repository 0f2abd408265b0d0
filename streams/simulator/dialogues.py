"""What buyer and supplier say to each other of an order that is answered by the door.

Answers are made by the door's own code from the form that a person would fill in, and what is
posted beside them from the JSON that a partner would post; so they are what the door makes of them.
"""

from __future__ import annotations

from schemas.facts import Fact, OrderFact, split_line_id
from schemas.partner_sources import partner_source
from schemas.units import HOUR_MS, MINUTE_MS, QUANTITY_ONE, UtcMillis, calendar_date, iso
from streams.door.answers import facts_of_form
from streams.door.links import Link, Purpose
from streams.door.statements import fact_of
from streams.simulator.plans import Answer, Claim, Dialogue, Plan
from streams.simulator.telling import Voice

LINK_MS = 72 * HOUR_MS
"""For so long the link is good by which a line is answered."""

CLOSED_AFTER_MS = 5 * 24 * HOUR_MS
"""So long after its last payment the buyer closes an order."""


def converse(plan: Plan, dialogue: Dialogue, voice: Voice) -> None:
    """Tells all of it but the placing of the order, which every buyer tells alike."""
    if dialogue.asked_on != dialogue.wanted_on:
        for line in plan.lines:
            _ask(plan, voice, "changed", plan.placed_at + 5 * MINUTE_MS, line.number,
                 requested_on=dialogue.wanted_on)  # fmt: skip
    for turn, answer in enumerate(dialogue.answers):
        for fact in answered(plan, answer, turn):
            voice.post(fact)
    for each in dialogue.given_up:
        amount = {"quantity": each.quantity * QUANTITY_ONE, "unit": "pcs"} if each.quantity else {}
        _ask(plan, voice, "cancelled", each.at, each.line.number, **amount)
    if dialogue.claim is not None:
        voice.post(claimed(plan, dialogue.claim))
    if dialogue.ships:
        assert plan.billing is not None
        at = plan.billing.paid_at[-1] + CLOSED_AFTER_MS
        for line in plan.lines:
            _ask(plan, voice, "closed", at, line.number)


def answered(plan: Plan, answer: Answer, turn: int) -> list[OrderFact]:
    """The facts that the door makes of the form; `turn` tells the forms of an order apart."""
    line = answer.line
    link = Link(
        plan.flow.supplier,
        plan.order_ref,
        line.number,
        Purpose.ANSWER,
        answer.at + LINK_MS,
        line.item,
        str(line.quantity),
        "pcs",
    )
    form = {"form": f"simulated-{plan.number:07d}-{turn:03d}"}
    if not answer.parts:
        form |= {"answer": "reject", "reason": "no capacity"}
    else:
        form["answer"] = "confirm"
    for number, part in enumerate(answer.parts, start=1):
        form[f"date{number}"] = calendar_date(part.promised_on).isoformat()
        form[f"quantity{number}"] = str(part.quantity)
    return [_order_fact(each) for each in facts_of_form(link, form, answer.at)]


def claimed(plan: Plan, claim: Claim) -> OrderFact:
    """What the supplier posts of the line of another one."""
    order_ref, line = split_line_id(claim.line_id)
    statement: dict[str, object] = {
        "kind": "confirmed",
        "event_id": claim_event(plan),
        "order_ref": order_ref,
        "line": line,
        "promised_on": calendar_date(claim.promised_on).isoformat(),
        "occurred_at": iso(claim.at),
    }
    found = fact_of(statement, partner_source(plan.flow.supplier), claim.at)
    assert not isinstance(found, list), found
    return _order_fact(found)


def claim_event(plan: Plan) -> str:
    """The event id of what the supplier says of the line of another one."""
    return f"{plan.number:07d}-claim"


def _order_fact(found: Fact | tuple[str | None, str]) -> OrderFact:
    assert isinstance(found, OrderFact), found
    return found


def _ask(plan: Plan, voice: Voice, kind: str, at: UtcMillis, line: str, **fields: object) -> None:
    """What the buyer says of a line."""
    fact = OrderFact(
        voice.event_id(),
        plan.flow.buyer_feed,
        kind,
        at,
        at,
        order_ref=plan.order_ref,
        line=line,
        **fields,  # type: ignore[arg-type]
    )
    voice.send(fact, at)
