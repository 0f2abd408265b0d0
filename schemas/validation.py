"""Validation: whether a fact says enough, and nothing that cannot be, for its kind.

`check` judges one fact by itself. What only a comparison with other facts or with the network can
show (an unknown item, a time told before it happened, more shipped than ordered) is data quality,
judged later, and no reason to refuse a fact.

All facts: texts have no control characters and no space around them, and are not empty; `reason`
may have line breaks and tabs. References are `OWNER/NUMBER`. A number and line that make a line id
or the number of a supplier's line have no `#`, so that they can be told apart again. Times lie in
1970 to 2100. A quantity has a unit beside it, a value its currency, a schedule its confirmation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas import limits
from schemas.facts import (
    FACT_TYPES,
    Fact,
    Family,
    Heartbeat,
    InventoryFact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
)
from schemas.kinds import FACT_KINDS, FactKind, Subject
from schemas.refusals import Reason, Refused
from schemas.units import QUANTITY_MAX, TIME_MAX, TIME_MIN
from schemas.value_checks import (
    check_due,
    check_minor,
    check_moment,
    check_quantity,
    check_text,
    refuse_missing,
    refuse_value,
    show,
)

POSITIVE_QUANTITY_KINDS = frozenset(
    {
        *("placed", "cancelled", "packed", "returned", "invoiced"),
        *("received", "issued", "reserved", "unreserved", "blocked", "unblocked"),
        *("transferred_out", "transferred_in"),
    }
)
"""Kinds that say nothing with a quantity of zero; for others zero is an answer."""

SIGNED_QUANTITY_KINDS = frozenset({"adjusted"})
"""Kinds whose quantity may lie below zero."""

SITES_OF_STOCK = ("site", "to_site", "from_site")

TEXT_FIELDS: dict[Family, tuple[str, ...]] = {
    family: tuple(
        name
        for name in struct.__struct_fields__
        if struct.__annotations__[name].startswith("str") and name != "kind"
    )
    for family, struct in FACT_TYPES.items()
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What `check` asks of one kind, made once."""

    kind: FactKind
    texts: Callable[[Any], tuple[str | None, ...]]
    required: tuple[str, ...]
    one_of: tuple[tuple[str, str], ...]
    least_quantity: int


def _make_plan(kind: FactKind) -> _Plan:
    return _Plan(
        kind=kind,
        texts=operator.attrgetter(*TEXT_FIELDS[kind.family]),
        required=tuple(name for name in kind.required if "|" not in name),
        one_of=tuple(
            (names[0], names[1]) for entry in kind.required if len(names := entry.split("|")) == 2
        ),
        least_quantity=1
        if kind.name in POSITIVE_QUANTITY_KINDS
        else (-QUANTITY_MAX if kind.name in SIGNED_QUANTITY_KINDS else 0),
    )


_PLANS: dict[tuple[type, str], _Plan] = {
    (FACT_TYPES[kind.family], kind.name): _make_plan(kind) for kind in FACT_KINDS
}


def check(fact: Fact) -> Refused | None:
    """Why the fact must be refused, or None. The first fault found is told; about 3 µs."""
    plan = _PLANS.get((type(fact), fact.kind))
    if plan is None:
        return _refuse_kind(fact)
    refused = _check_texts(fact, plan)
    if refused is not None:
        return refused
    if not (TIME_MIN <= fact.occurred_at <= TIME_MAX and TIME_MIN <= fact.recorded_at <= TIME_MAX):
        return check_moment("occurred_at", fact.occurred_at) or check_moment(
            "recorded_at", fact.recorded_at
        )
    if (plan.required or plan.one_of) and (refused := _check_required(fact, plan)):
        return refused
    match fact:
        case OrderFact():
            return _check_references(fact, plan) or _check_order(fact, plan)
        case ShipmentFact():
            return _check_references(fact, plan) or _check_shipment(fact, plan)
        case InventoryFact():
            return _check_stock(fact, plan)
        case PaymentFact():
            return _check_references(fact, plan) or _check_payment(fact, plan)
        case Heartbeat():
            return _check_heartbeat(fact)


def _check_required(fact: Fact, plan: _Plan) -> Refused | None:
    for name in plan.required:
        if getattr(fact, name) is None:
            return refuse_missing(name, f"the kind {fact.kind} needs it")
    for first, second in plan.one_of:
        if getattr(fact, first) is None and getattr(fact, second) is None:
            return refuse_missing(f"{first} or {second}", f"the kind {fact.kind} needs one")
    return None


def _check_texts(fact: Fact, plan: _Plan) -> Refused | None:
    joined = "|".join([text for text in plan.texts(fact) if text is not None])
    # One look at all texts at once; only where something could be wrong, each by itself.
    if (
        len(joined) <= limits.REFERENCE_LENGTH_MAX
        and joined.isprintable()
        and "||" not in joined
        and " |" not in joined
        and "| " not in joined
        and joined[0] not in "| "
        and joined[-1] not in "| "
    ):
        return None
    for name, text in zip(TEXT_FIELDS[plan.kind.family], plan.texts(fact), strict=True):
        if text is not None and (refused := check_text(name, text)):
            return refused
    return None


def _check_references(fact: OrderFact | ShipmentFact | PaymentFact, plan: _Plan) -> Refused | None:
    order_ref, line = fact.order_ref, fact.line
    supplier_ref, supplier_line = fact.supplier_ref, fact.supplier_line
    if order_ref is not None:
        refused = _check_number("order_ref", order_ref, True)
        if refused is not None:
            return refused
    elif line is not None:
        return refuse_missing("order_ref", f"line is {show(line)}, a line of some order")
    if supplier_ref is not None:
        refused = _check_number("supplier_ref", supplier_ref, True)
        if refused is not None:
            return refused
    elif supplier_line is not None:
        return refuse_missing(
            "supplier_ref", f"supplier_line is {show(supplier_line)}, a line of some order"
        )
    if line is not None and "#" in line:
        return Refused(Reason.BAD_REFERENCE, f"line is {show(line)}, expected no # in it")
    if supplier_line is not None and "#" in supplier_line:
        return Refused(
            Reason.BAD_REFERENCE, f"supplier_line is {show(supplier_line)}, expected no # in it"
        )
    of_document, of_payment = False, False
    if isinstance(fact, ShipmentFact):
        of_document = fact.shipment_ref is not None or fact.carrier_ref is not None
        refused = _check_document_numbers(fact, ("shipment_ref", "carrier_ref"))
        if refused is not None:
            return refused
    elif isinstance(fact, PaymentFact):
        of_document, of_payment = fact.invoice_ref is not None, fact.payment_ref is not None
        refused = _check_document_numbers(fact, ("invoice_ref", "payment_ref"))
        if refused is not None:
            return refused
    names_order = order_ref is not None or supplier_ref is not None
    names_line = line is not None or supplier_line is not None
    return _check_subject(plan.kind, names_line, names_order, of_document, of_payment)


def _check_document_numbers(
    fact: ShipmentFact | PaymentFact, names: tuple[str, str]
) -> Refused | None:
    for name in names:
        number = getattr(fact, name)
        if number is not None and (refused := _check_number(name, number, False)):
            return refused
    return None


def _check_subject(
    kind: FactKind, names_line: bool, names_order: bool, of_document: bool, of_payment: bool
) -> Refused | None:
    """`of_document`: it names a shipment or carrier's number, or an invoice."""
    about = f"the kind {kind.name} is about a {kind.subject}"
    match kind.subject:
        case Subject.LINE | Subject.SHIPPED_LINE | Subject.INVOICED_LINE if not names_line:
            return refuse_missing("order_ref with line, or supplier_ref with supplier_line", about)
        case Subject.SHIPPED_LINE if not of_document:
            return refuse_missing("shipment_ref or carrier_ref", about)
        case Subject.LINE_OR_ORDER if not names_order:
            return refuse_missing("order_ref or supplier_ref", about)
        case Subject.SHIPMENT_OR_LINE if not (of_document or names_order):
            return refuse_missing("shipment_ref, carrier_ref, order_ref or supplier_ref", about)
        case Subject.INVOICED_LINE if not of_document:
            return refuse_missing("invoice_ref", about)
        case Subject.INVOICE_OR_LINE if not (of_document or names_line):
            return refuse_missing("invoice_ref, or order_ref with line", about)
        case Subject.PAYMENT if not (of_document or of_payment or names_order):
            return refuse_missing("payment_ref, invoice_ref, order_ref or supplier_ref", about)
        case _:
            return None


def _check_number(name: str, number: str, in_line_id: bool) -> Refused | None:
    owner, _, own_number = number.partition("/")
    if not owner or not own_number or owner[-1] == " " or own_number[0] == " ":
        return Refused(
            Reason.BAD_REFERENCE,
            f"{name} is {show(number)}, expected OWNER/NUMBER such as ACME/4711",
        )
    if in_line_id and "#" in number:
        return Refused(
            Reason.BAD_REFERENCE,
            f"{name} is {show(number)}, expected no # in it: the line has its own field",
        )
    return None


def _check_order(fact: OrderFact, plan: _Plan) -> Refused | None:
    refused = (
        check_due("requested_on", fact.requested_on, "requested_at", fact.requested_at)
        or check_due("promised_on", fact.promised_on, "promised_at", fact.promised_at)
        or check_quantity("quantity", fact.quantity, fact.unit, plan.least_quantity)
    )
    if refused is not None:
        return refused
    refused = check_minor("value_minor", fact.value_minor, fact.currency)
    if refused is not None:
        return refused
    if fact.schedule is not None:
        if not 1 <= fact.schedule <= limits.SCHEDULES_PER_LINE_MAX:
            return refuse_value("schedule", fact.schedule, f"1 to {limits.SCHEDULES_PER_LINE_MAX}")
        if fact.confirmation is None:
            return refuse_missing("confirmation", "schedule is given, and is a part of one")
    return None


def _check_shipment(fact: ShipmentFact, plan: _Plan) -> Refused | None:
    refused = check_due("eta_on", fact.eta_on, "eta_at", fact.eta_at) or check_quantity(
        "quantity", fact.quantity, fact.unit, plan.least_quantity
    )
    if refused is not None:
        return refused
    if fact.short is not None or fact.over is not None or fact.damaged is not None:
        for name in ("short", "over", "damaged"):
            refused = check_quantity(name, getattr(fact, name), fact.unit, 0)
            if refused is not None:
                return refused
    if fact.stop is not None and not 1 <= fact.stop <= limits.STOPS_PER_SHIPMENT_MAX:
        return refuse_value("stop", fact.stop, f"1 to {limits.STOPS_PER_SHIPMENT_MAX}")
    return None


def _check_payment(fact: PaymentFact, plan: _Plan) -> Refused | None:
    refused = (
        check_due("due_on", fact.due_on, "due_at", fact.due_at)
        or check_quantity("quantity", fact.quantity, fact.unit, plan.least_quantity)
        or check_quantity("price_per", fact.price_per, fact.unit, 1)
        or check_minor("value_minor", fact.value_minor, fact.currency)
        or check_minor("price_minor", fact.price_minor, fact.currency)
    )
    if refused is not None:
        return refused
    if fact.price_per is not None and fact.price_minor is None:
        return refuse_missing("price_minor", "price_per is given, and says for how many units")
    if fact.price_minor is not None and fact.unit is None:
        return refuse_missing("unit", "price_minor is given, and is for a unit")
    days = fact.net_days
    if days is None:
        return None
    if not 0 <= days <= limits.NET_DAYS_MAX:
        return refuse_value("net_days", days, f"0 to {limits.NET_DAYS_MAX}")
    if fact.due_on is not None or fact.due_at is not None:
        return Refused(
            Reason.CONFLICTING_FIELDS,
            "net_days is given beside due_on or due_at, expected one of them",
        )
    return None


def _check_stock(fact: InventoryFact, plan: _Plan) -> Refused | None:
    for name in SITES_OF_STOCK:
        site = getattr(fact, name)
        if site is not None and "@" in site:
            return Refused(Reason.BAD_REFERENCE, f"{name} is {show(site)}, expected no @ in it")
        if name != "site" and site is not None and site == fact.site:
            return Refused(
                Reason.CONFLICTING_FIELDS,
                f"site and {name} are both {show(site)}, expected a transfer between two sites",
            )
    if fact.line is not None:
        if fact.order_ref is None:
            return refuse_missing("order_ref", f"line is {show(fact.line)}, a line of some order")
        if "#" in fact.line:
            return Refused(Reason.BAD_REFERENCE, f"line is {show(fact.line)}, expected no # in it")
    for name, is_part in (("order_ref", True), ("transfer_ref", False)):
        number = getattr(fact, name)
        if number is not None and (refused := _check_number(name, number, is_part)):
            return refused
    return check_quantity("quantity", fact.quantity, fact.unit, plan.least_quantity)


def _check_heartbeat(fact: Heartbeat) -> Refused | None:
    if fact.family is not None and fact.family not in Family.__members__.values():
        return Refused(
            Reason.VALUE_OUT_OF_RANGE,
            f"family is {show(fact.family)}, expected one of {', '.join(Family)}",
        )
    return check_moment("complete_to", fact.complete_to)


def _refuse_kind(fact: Fact) -> Refused:
    kinds = [kind.name for kind in FACT_KINDS if FACT_TYPES[kind.family] is type(fact)]
    return Refused(
        Reason.UNKNOWN_KIND, f"kind is {show(fact.kind)}, expected one of {', '.join(kinds)}"
    )
