"""What a fact must say, kind by kind, and what an error says of it."""

from __future__ import annotations

import msgspec
import pytest

from schemas import limits
from schemas.facts import FACT_TYPES, Fact, Heartbeat
from schemas.kinds import FACT_KINDS
from schemas.refusals import REASON_SAYS, Reason
from schemas.units import QUANTITY_MAX, TIME_MAX
from schemas.validation import check
from tests.unit.schemas.fact_strategies import AT, GOOD, ON, order, payment, shipment, stock

LINE = "order_ref with line, or supplier_ref with supplier_line is missing, and the kind"


def with_fields(fact: Fact, **fields: object) -> Fact:
    return msgspec.structs.replace(fact, **fields)


PLACED, PACKED = GOOD[0], GOOD[6]
MONEY = {"value_minor": 1, "currency": "EUR"}
ALIVE = Heartbeat("e1", "erp", "alive", AT, AT, AT)


@pytest.mark.parametrize("fact", GOOD, ids=lambda fact: fact.kind)
def test_a_good_fact_of_each_kind_passes(fact: Fact) -> None:
    assert check(fact) is None


def test_there_is_a_good_fact_of_each_kind() -> None:
    assert {(type(fact), fact.kind) for fact in GOOD} == {
        (FACT_TYPES[kind.family], kind.name) for kind in FACT_KINDS
    }


@pytest.mark.parametrize("kind", FACT_KINDS, ids=lambda kind: kind.name)
def test_each_field_that_a_kind_needs_is_asked_for(kind: object) -> None:
    good = next(fact for fact in GOOD if fact.kind == kind.name)  # type: ignore[attr-defined]
    for entry in kind.required:  # type: ignore[attr-defined]
        fact = with_fields(good, **dict.fromkeys(entry.split("|")))
        refused = check(fact)
        if entry == "complete_to":
            continue  # The struct itself cannot do without it.
        assert refused is not None
        assert refused.reason is Reason.MISSING_FIELD
        assert refused.error.startswith(entry.replace("|", " or ") + " is missing, and")


@pytest.mark.parametrize(
    ("fact", "reason", "error"),
    [
        (
            order("plcaed"),
            Reason.UNKNOWN_KIND,
            "kind is 'plcaed', expected one of placed, changed,",
        ),
        (stock("placed"), Reason.UNKNOWN_KIND, "kind is 'placed', expected one of counted, "),
        (stock("counted", site="A@B"), Reason.BAD_REFERENCE, "site is 'A@B', expected no @"),
        (stock("counted", item="\U0010ffffX"), Reason.BAD_TEXT, "item is '\\U0010ffffX' with"),
        (stock("counted", quantity=-1), Reason.VALUE_OUT_OF_RANGE, "quantity is -0.000001,"),
        (stock("issued", quantity=0), Reason.VALUE_OUT_OF_RANGE, "quantity is 0, expected more"),
        (
            stock("adjusted", quantity=-QUANTITY_MAX - 1),
            Reason.VALUE_OUT_OF_RANGE,
            "quantity is -1000000000000000000, expected -999999999999.999999 to 999",
        ),
        (
            stock("transferred_out", to_site="PLANT-1", transfer_ref="SUP/T1"),
            Reason.CONFLICTING_FIELDS,
            "site and to_site are both 'PLANT-1', expected a transfer between two sites",
        ),
        (
            stock("transferred_in", transfer_ref="T1"),
            Reason.BAD_REFERENCE,
            "transfer_ref is 'T1', expected OWNER/NUMBER",
        ),
        (stock("issued", line="1"), Reason.MISSING_FIELD, "order_ref is missing, and line is '1'"),
        (
            stock("issued", order_ref="A/1", line="1#2"),
            Reason.BAD_REFERENCE,
            "line is '1#2', expected no #",
        ),
        (order("packed"), Reason.UNKNOWN_KIND, "kind is 'packed', expected one of placed"),
        (order("changed", line=None), Reason.MISSING_FIELD, f"{LINE} changed is about a line"),
        (
            order("changed", line=None, supplier_ref="S/1"),
            Reason.MISSING_FIELD,
            f"{LINE} changed is about a line",
        ),
        (
            order("changed", order_ref=None),
            Reason.MISSING_FIELD,
            "order_ref is missing, and line is '10'",
        ),
        (
            order("changed", supplier_line="1"),
            Reason.MISSING_FIELD,
            "supplier_ref is missing, and supplier_line is '1'",
        ),
        (
            order("closed", order_ref=None, line=None),
            Reason.MISSING_FIELD,
            "order_ref or supplier_ref is missing, and the kind closed is about a line or order",
        ),
        (
            with_fields(PACKED, shipment_ref=None),
            Reason.MISSING_FIELD,
            "shipment_ref or carrier_ref is missing, and the kind packed is about a line in",
        ),
        (
            shipment("departed", shipment_ref=None),
            Reason.MISSING_FIELD,
            "shipment_ref, carrier_ref, order_ref or supplier_ref is missing, and the kind",
        ),
        (
            order("changed", order_ref="4711"),
            Reason.BAD_REFERENCE,
            "order_ref is '4711', expected OWNER/NUMBER such as ACME/4711",
        ),
        (order("changed", order_ref="/4711"), Reason.BAD_REFERENCE, "order_ref is '/4711'"),
        (order("changed", order_ref="ACME/"), Reason.BAD_REFERENCE, "order_ref is 'ACME/'"),
        (order("changed", order_ref="ACME /1"), Reason.BAD_REFERENCE, "order_ref is 'ACME /1'"),
        (order("changed", order_ref="ACME/1#2"), Reason.BAD_REFERENCE, "order_ref is 'ACME/1#2'"),
        (order("changed", line="1#2"), Reason.BAD_REFERENCE, "line is '1#2', expected no #"),
        (
            order("changed", supplier_ref="S/1#"),
            Reason.BAD_REFERENCE,
            "supplier_ref is 'S/1#', expected no #",
        ),
        (
            order("changed", supplier_ref="S/1", supplier_line="#"),
            Reason.BAD_REFERENCE,
            "supplier_line is '#'",
        ),
        (
            shipment("departed", shipment_ref="ASN-7"),
            Reason.BAD_REFERENCE,
            "shipment_ref is 'ASN-7', expected OWNER/NUMBER",
        ),
        (
            shipment("departed", carrier_ref="7"),
            Reason.BAD_REFERENCE,
            "carrier_ref is '7', expected OWNER/NUMBER",
        ),
        (order("changed", item=""), Reason.BAD_TEXT, "item is empty, expected a text or no item"),
        (order("changed", item=" a"), Reason.BAD_TEXT, "item is ' a', expected it without space"),
        (
            order("changed", order_ref="ACME/1 "),
            Reason.BAD_TEXT,
            "order_ref is 'ACME/1 ', expected it without space around it",
        ),
        (
            order("changed", item="a\x1b[31m"),
            Reason.BAD_TEXT,
            "item is 'a\\x1b[31m' with the character U+001B, expected no control character",
        ),
        (order("changed", reason="a\x1b[31m"), Reason.BAD_TEXT, "reason is 'a\\x1b[31m' with the"),
        (
            order("changed", item="a\nb"),
            Reason.BAD_TEXT,
            "item is 'a\\nb' with the character U+000A",
        ),
        (order("changed", item="a\u2028b"), Reason.BAD_TEXT, "item is 'a\\u2028b' with the"),
        (
            order("changed", item="x" * 201),
            Reason.TOO_LONG,
            "item has 201 characters, expected at most 200",
        ),
        (
            order("changed", reason="x" * 2_001),
            Reason.TOO_LONG,
            "reason has 2001 characters, expected at most 2000",
        ),
        (
            order("changed", unit="x" * 21),
            Reason.TOO_LONG,
            "unit has 21 characters, expected at most 20",
        ),
        (
            with_fields(PLACED, occurred_at=-1),
            Reason.TIME_OUT_OF_RANGE,
            "occurred_at is -1 ms from 1970-01-01T00:00:00Z, expected 0 to",
        ),
        (
            with_fields(PLACED, recorded_at=TIME_MAX + 1),
            Reason.TIME_OUT_OF_RANGE,
            "recorded_at is 4102444800001 ms from",
        ),
        (
            order("confirmed", promised_on=-1),
            Reason.TIME_OUT_OF_RANGE,
            "promised_on is -1 days from 1970-01-01, expected 0 to 47482",
        ),
        (
            shipment("eta", eta_at=TIME_MAX + 1),
            Reason.TIME_OUT_OF_RANGE,
            "eta_at is 4102444800001 ms from",
        ),
        (
            order("confirmed", promised_on=ON, promised_at=AT),
            Reason.CONFLICTING_FIELDS,
            "promised_on and promised_at are both given, expected a date or a moment",
        ),
        (
            order("changed", requested_on=ON, requested_at=AT),
            Reason.CONFLICTING_FIELDS,
            "requested_on and requested_at are both given",
        ),
        (shipment("eta", eta_on=ON, eta_at=AT), Reason.CONFLICTING_FIELDS, "eta_on and eta_at are"),
        (
            with_fields(PLACED, quantity=0),
            Reason.VALUE_OUT_OF_RANGE,
            "quantity is 0, expected more than 0 and at most 999999999999.999999",
        ),
        (
            with_fields(PACKED, quantity=-500_000),
            Reason.VALUE_OUT_OF_RANGE,
            "quantity is -0.5, expected more than 0",
        ),
        (
            order("changed", quantity=QUANTITY_MAX + 1, unit="EA"),
            Reason.VALUE_OUT_OF_RANGE,
            "quantity is 1000000000000000000, expected 0 to",
        ),
        (
            order("changed", quantity=1 << 300, unit="EA"),
            Reason.VALUE_OUT_OF_RANGE,
            "quantity is a number of 301 bits, expected 0 to",
        ),
        (order("changed", quantity=1), Reason.MISSING_FIELD, "unit is missing, and quantity is"),
        (shipment("delivered", short=1), Reason.MISSING_FIELD, "unit is missing, and short is"),
        (
            shipment("delivered", damaged=-1, unit="EA"),
            Reason.VALUE_OUT_OF_RANGE,
            "damaged is -0.000001, expected 0 to",
        ),
        (order("changed", value_minor=1), Reason.MISSING_FIELD, "currency is missing, and value"),
        (
            order("changed", value_minor=-1, currency="EUR"),
            Reason.VALUE_OUT_OF_RANGE,
            "value_minor is -1, expected 0 to 1000000000000000",
        ),
        (
            order("changed", value_minor=1, currency="eur"),
            Reason.VALUE_OUT_OF_RANGE,
            "currency is 'eur', expected three capital letters (ISO 4217) such as EUR",
        ),
        (order("changed", currency="ÄÖÜ"), Reason.VALUE_OUT_OF_RANGE, "currency is 'ÄÖÜ'"),
        (
            order("confirmed", promised_on=ON, schedule=0, confirmation="c"),
            Reason.VALUE_OUT_OF_RANGE,
            "schedule is 0, expected 1 to 100",
        ),
        (
            order("confirmed", promised_on=ON, schedule=101, confirmation="c"),
            Reason.VALUE_OUT_OF_RANGE,
            "schedule is 101, expected 1 to 100",
        ),
        (
            order("confirmed", promised_on=ON, schedule=1),
            Reason.MISSING_FIELD,
            "confirmation is missing, and schedule is given",
        ),
        (
            shipment("arrived", site="PORT", stop=101),
            Reason.VALUE_OUT_OF_RANGE,
            "stop is 101, expected 1 to 100",
        ),
        (
            payment("invoiced", value_minor=1, currency="EUR"),
            Reason.MISSING_FIELD,
            "order_ref with line, or supplier_ref with supplier_line is missing, and the kind inv",
        ),
        (
            payment("invoiced", invoice_ref=None, order_ref="A/1", line="1", **MONEY),
            Reason.MISSING_FIELD,
            "invoice_ref is missing",
        ),
        (
            payment("credited", invoice_ref=None, payment_ref="B/1", **MONEY),
            Reason.MISSING_FIELD,
            "invoice_ref, or order_ref with line is missing",
        ),
        (
            payment("failed", invoice_ref=None),
            Reason.MISSING_FIELD,
            "payment_ref, invoice_ref, order_ref or supplier_ref is missing",
        ),
        (payment("paid"), Reason.MISSING_FIELD, "value_minor is missing"),
        (
            payment("paid", value_minor=-1, currency="EUR"),
            Reason.VALUE_OUT_OF_RANGE,
            "value_minor is -1, expected 0 to",
        ),
        (payment("held", payment_ref="B1"), Reason.BAD_REFERENCE, "payment_ref is 'B1', expected"),
        (
            payment("paid", currency="EUR", value_minor=1, price_minor=2),
            Reason.MISSING_FIELD,
            "unit is missing, and price_minor is given",
        ),
        (
            payment("paid", unit="EA", price_per=1, **MONEY),
            Reason.MISSING_FIELD,
            "price_minor is missing, and price_per is given",
        ),
        (
            payment("disputed", net_days=30, due_on=ON),
            Reason.CONFLICTING_FIELDS,
            "net_days is given beside due_on or due_at",
        ),
        (
            payment("disputed", due_at=AT, due_on=ON),
            Reason.CONFLICTING_FIELDS,
            "due_on and due_at are both given",
        ),
        (
            with_fields(ALIVE, family="order"),
            Reason.VALUE_OUT_OF_RANGE,
            "family is 'order', expected one of orders, shipments, inventory, payments, heartbeats",
        ),
        (
            with_fields(ALIVE, complete_to=-1),
            Reason.TIME_OUT_OF_RANGE,
            "complete_to is -1 ms from",
        ),
    ],
)
def test_a_fault_is_refused_with_a_sentence(fact: Fact, reason: Reason, error: str) -> None:
    refused = check(fact)
    assert refused is not None
    assert refused.error.startswith(error)
    assert refused.reason is reason


@pytest.mark.parametrize(
    "fact",
    [
        with_fields(PLACED, recorded_at=AT - 1),  # The source's clock, or its feed, is skewed.
        order("changed", order_ref="ACME/47/11", line="10.1"),
        order("changed", item="x" * limits.REFERENCE_LENGTH_MAX, reason="x" * 2_000),
        order("changed", item="a || b | c", ship_to="Łódź\u00a0Port"),
        order("confirmed", promised_at=AT, quantity=0, unit="EA"),
        order("changed", order_ref=None, line=None, supplier_ref="S/1", supplier_line="1"),
        shipment("departed", shipment_ref="SUP/ASN#7"),
        shipment("delivered", shipment_ref=None, order_ref="ACME/4711"),
        shipment("delivered", shipment_ref=None, carrier_ref="DHL/1"),
    ],
)
def test_what_is_unusual_but_said_clearly_passes(fact: Fact) -> None:
    assert check(fact) is None


def test_every_reason_is_explained() -> None:
    assert [code for code, _ in REASON_SAYS] == list(Reason)
