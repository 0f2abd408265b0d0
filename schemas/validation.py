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
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas import limits
from schemas.facts import (
    FACT_KINDS,
    FACT_TYPES,
    Fact,
    FactKind,
    Family,
    Heartbeat,
    InventoryFact,
    OrderFact,
    ShipmentFact,
    Subject,
)
from schemas.refusals import Reason, Refused
from schemas.units import DAY_MS, QUANTITY_MAX, TIME_MAX, TIME_MIN, decimal

DAY_MIN, DAY_MAX = TIME_MIN // DAY_MS, TIME_MAX // DAY_MS

POSITIVE_QUANTITY_KINDS = frozenset(
    {
        *("placed", "cancelled", "packed", "returned"),
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
TEXT_LENGTHS_MAX = {"reason": limits.REASON_LENGTH_MAX, "unit": limits.UNIT_LENGTH_MAX}
LAST_CHARACTER = "\U0010ffff"
"""No text holds it, so that what begins with it sorts after every id."""
_REASON_CONTROLS = frozenset("\n\r\t")
_SHOWN_MAX = 60


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
        return _check_moment("occurred_at", fact.occurred_at) or _check_moment(
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
        case Heartbeat():
            return _check_heartbeat(fact)


def _check_required(fact: Fact, plan: _Plan) -> Refused | None:
    for name in plan.required:
        if getattr(fact, name) is None:
            return _refuse_missing(name, f"the kind {fact.kind} needs it")
    for first, second in plan.one_of:
        if getattr(fact, first) is None and getattr(fact, second) is None:
            return _refuse_missing(f"{first} or {second}", f"the kind {fact.kind} needs one")
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
        if text is not None and (refused := _check_text(name, text)):
            return refused
    return None


def _check_text(name: str, text: str) -> Refused | None:
    length_max = TEXT_LENGTHS_MAX.get(name, limits.REFERENCE_LENGTH_MAX)
    if len(text) > length_max:
        return Refused(
            Reason.TOO_LONG, f"{name} has {len(text)} characters, expected at most {length_max}"
        )
    if not text:
        return Refused(Reason.BAD_TEXT, f"{name} is empty, expected a text or no {name} at all")
    if name == "reason":
        if not text.isprintable():
            text = "".join(char for char in text if char not in _REASON_CONTROLS)
    elif text != text.strip():
        return Refused(
            Reason.BAD_TEXT, f"{name} is {show(text)}, expected it without space around it"
        )
    if text.isprintable():
        return None
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char == LAST_CHARACTER:
            return Refused(
                Reason.BAD_TEXT,
                f"{name} is {show(text)} with the character U+{ord(char):04X}, expected no "
                "control character, line separator, lone surrogate or the last character there is",
            )
    return None


def _check_references(fact: OrderFact | ShipmentFact, plan: _Plan) -> Refused | None:
    order_ref, line = fact.order_ref, fact.line
    supplier_ref, supplier_line = fact.supplier_ref, fact.supplier_line
    if order_ref is not None:
        refused = _check_number("order_ref", order_ref, True)
        if refused is not None:
            return refused
    elif line is not None:
        return _refuse_missing("order_ref", f"line is {show(line)}, a line of some order")
    if supplier_ref is not None:
        refused = _check_number("supplier_ref", supplier_ref, True)
        if refused is not None:
            return refused
    elif supplier_line is not None:
        return _refuse_missing(
            "supplier_ref", f"supplier_line is {show(supplier_line)}, a line of some order"
        )
    if line is not None and "#" in line:
        return Refused(Reason.BAD_REFERENCE, f"line is {show(line)}, expected no # in it")
    if supplier_line is not None and "#" in supplier_line:
        return Refused(
            Reason.BAD_REFERENCE, f"supplier_line is {show(supplier_line)}, expected no # in it"
        )
    is_shipped = False
    if isinstance(fact, ShipmentFact):
        is_shipped = fact.shipment_ref is not None or fact.carrier_ref is not None
        refused = _check_shipment_numbers(fact) if is_shipped else None
        if refused is not None:
            return refused
    names_order = order_ref is not None or supplier_ref is not None
    names_line = line is not None or supplier_line is not None
    return _check_subject(plan.kind, names_line, names_order, is_shipped)


def _check_shipment_numbers(fact: ShipmentFact) -> Refused | None:
    if fact.shipment_ref is not None:
        refused = _check_number("shipment_ref", fact.shipment_ref, False)
        if refused is not None:
            return refused
    if fact.carrier_ref is not None:
        return _check_number("carrier_ref", fact.carrier_ref, False)
    return None


def _check_subject(
    kind: FactKind, names_line: bool, names_order: bool, is_shipped: bool
) -> Refused | None:
    about = f"the kind {kind.name} is about a {kind.subject}"
    match kind.subject:
        case Subject.LINE | Subject.SHIPPED_LINE if not names_line:
            return _refuse_missing("order_ref with line, or supplier_ref with supplier_line", about)
        case Subject.SHIPPED_LINE if not is_shipped:
            return _refuse_missing("shipment_ref or carrier_ref", about)
        case Subject.LINE_OR_ORDER if not names_order:
            return _refuse_missing("order_ref or supplier_ref", about)
        case Subject.SHIPMENT_OR_LINE if not (is_shipped or names_order):
            return _refuse_missing("shipment_ref, carrier_ref, order_ref or supplier_ref", about)
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
        _check_due("requested_on", fact.requested_on, "requested_at", fact.requested_at)
        or _check_due("promised_on", fact.promised_on, "promised_at", fact.promised_at)
        or _check_quantity("quantity", fact.quantity, fact.unit, plan.least_quantity)
    )
    if refused is not None:
        return refused
    value, currency = fact.value_minor, fact.currency
    if value is not None:
        if not 0 <= value <= limits.VALUE_MINOR_MAX:
            return _refuse_value("value_minor", value, f"0 to {limits.VALUE_MINOR_MAX}")
        if currency is None:
            return _refuse_missing("currency", "value_minor is given, and needs it")
    if currency is not None and not (
        len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()
    ):
        return Refused(
            Reason.VALUE_OUT_OF_RANGE,
            f"currency is {show(currency)}, expected three capital letters (ISO 4217) such as EUR",
        )
    if fact.schedule is not None:
        if not 1 <= fact.schedule <= limits.SCHEDULES_PER_LINE_MAX:
            return _refuse_value("schedule", fact.schedule, f"1 to {limits.SCHEDULES_PER_LINE_MAX}")
        if fact.confirmation is None:
            return _refuse_missing("confirmation", "schedule is given, and is a part of one")
    return None


def _check_shipment(fact: ShipmentFact, plan: _Plan) -> Refused | None:
    refused = _check_due("eta_on", fact.eta_on, "eta_at", fact.eta_at) or _check_quantity(
        "quantity", fact.quantity, fact.unit, plan.least_quantity
    )
    if refused is not None:
        return refused
    if fact.short is not None or fact.over is not None or fact.damaged is not None:
        for name in ("short", "over", "damaged"):
            refused = _check_quantity(name, getattr(fact, name), fact.unit, 0)
            if refused is not None:
                return refused
    if fact.stop is not None and not 1 <= fact.stop <= limits.STOPS_PER_SHIPMENT_MAX:
        return _refuse_value("stop", fact.stop, f"1 to {limits.STOPS_PER_SHIPMENT_MAX}")
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
            return _refuse_missing("order_ref", f"line is {show(fact.line)}, a line of some order")
        if "#" in fact.line:
            return Refused(Reason.BAD_REFERENCE, f"line is {show(fact.line)}, expected no # in it")
    for name, is_part in (("order_ref", True), ("transfer_ref", False)):
        number = getattr(fact, name)
        if number is not None and (refused := _check_number(name, number, is_part)):
            return refused
    return _check_quantity("quantity", fact.quantity, fact.unit, plan.least_quantity)


def _check_heartbeat(fact: Heartbeat) -> Refused | None:
    if fact.family is not None and fact.family not in Family.__members__.values():
        return Refused(
            Reason.VALUE_OUT_OF_RANGE,
            f"family is {show(fact.family)}, expected one of {', '.join(Family)}",
        )
    return _check_moment("complete_to", fact.complete_to)


def _check_due(day_name: str, on: int | None, moment_name: str, at: int | None) -> Refused | None:
    if on is not None:
        if at is not None:
            return Refused(
                Reason.CONFLICTING_FIELDS,
                f"{day_name} and {moment_name} are both given, expected a date or a moment",
            )
        if not DAY_MIN <= on <= DAY_MAX:
            return Refused(
                Reason.TIME_OUT_OF_RANGE,
                f"{day_name} is {show(on)} days from 1970-01-01, expected {DAY_MIN} to {DAY_MAX} "
                "(1970 to 2100)",
            )
    elif at is not None:
        return _check_moment(moment_name, at)
    return None


def _check_moment(name: str, at: int) -> Refused | None:
    if TIME_MIN <= at <= TIME_MAX:
        return None
    return Refused(
        Reason.TIME_OUT_OF_RANGE,
        f"{name} is {show(at)} ms from 1970-01-01T00:00:00Z, expected {TIME_MIN} to {TIME_MAX} "
        "(1970 to 2100)",
    )


def _check_quantity(
    name: str, quantity: int | None, unit: str | None, least: int
) -> Refused | None:
    if unit is not None and len(unit) > limits.UNIT_LENGTH_MAX:
        return _check_text("unit", unit)
    if quantity is None:
        return None
    if not least <= quantity <= QUANTITY_MAX:
        wanted = f"more than 0 and at most {decimal(QUANTITY_MAX)}"
        if least <= 0:
            wanted = f"{decimal(least)} to {decimal(QUANTITY_MAX)}"
        found = decimal(quantity) if abs(quantity) <= QUANTITY_MAX else show(quantity)
        return Refused(Reason.VALUE_OUT_OF_RANGE, f"{name} is {found}, expected {wanted}")
    if unit is None:
        return _refuse_missing("unit", f"{name} is given, and needs it")
    return None


def _refuse_kind(fact: Fact) -> Refused:
    kinds = [kind.name for kind in FACT_KINDS if FACT_TYPES[kind.family] is type(fact)]
    return Refused(
        Reason.UNKNOWN_KIND, f"kind is {show(fact.kind)}, expected one of {', '.join(kinds)}"
    )


def _refuse_missing(name: str, why: str) -> Refused:
    return Refused(Reason.MISSING_FIELD, f"{name} is missing, and {why}")


def _refuse_value(name: str, found: int, wanted: str) -> Refused:
    return Refused(Reason.VALUE_OUT_OF_RANGE, f"{name} is {show(found)}, expected {wanted}")


def show(found: str | int) -> str:
    """What was found, short and on one line whatever it holds."""
    if isinstance(found, int):
        return str(found) if found.bit_length() <= 128 else f"a number of {found.bit_length()} bits"
    shown = ascii(found) if not found.isprintable() else repr(found)
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[: _SHOWN_MAX - 4]}...{shown[-1]}"
