"""Facts as people write them, and what they are told of their mistakes."""

from __future__ import annotations

import json

import pytest

from schemas.facts import Fact
from schemas.json_facts import parse_fact, parse_lines, to_json
from schemas.kinds import FACT_KINDS
from tests.unit.schemas.fact_strategies import GOOD, order

ETA = {
    "kind": "eta",
    "event_id": "e1",
    "source": "dhl",
    "occurred_at": "2026-03-01T08:00:00Z",
    "recorded_at": "2026-03-01T09:05:00.1239+01:00",
    "shipment_ref": "SUP/ASN-7",
    "eta_on": "2026-03-09",
}
PLACED = to_json(GOOD[0])


def test_the_kind_alone_says_the_family() -> None:
    names = [kind.name for kind in FACT_KINDS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("fact", GOOD, ids=lambda fact: fact.kind)
def test_what_is_shown_can_be_sent_again(fact: Fact) -> None:
    text = json.dumps(to_json(fact))
    assert parse_lines(text, "f") == ([fact], [])
    assert parse_lines(json.dumps(to_json(fact), indent=2), "f") == ([fact], [])


def test_quantities_dates_and_moments_are_shown_as_people_write_them() -> None:
    shown = to_json(order("changed", quantity=2_500_000, unit="KG", requested_on=20_520))
    assert shown == {
        "event_id": "e1",
        "source": "erp",
        "kind": "changed",
        "occurred_at": "2026-03-01T08:00:00Z",
        "recorded_at": "2026-03-01T08:00:00.001Z",
        "order_ref": "ACME/4711",
        "line": "10",
        "quantity": "2.5",
        "unit": "KG",
        "requested_on": "2026-03-08",
    }


@pytest.mark.parametrize(
    ("written", "quantity"),
    [
        ("12", 12_000_000),
        ("0.1", 100_000),
        ('"0.1"', 100_000),
        ("1e3", 1_000_000_000),
        ("0.30000000000000000000000000000000000", 300_000),
        ('"999999999999.999999"', 10**18 - 1),
    ],
)
def test_a_quantity_is_read_as_written(written: str, quantity: int) -> None:
    text = json.dumps(PLACED | {"quantity": "?"}).replace('"?"', written)
    [fact], problems = parse_lines(text, "f")
    assert not problems
    assert fact.quantity == quantity  # type: ignore[union-attr]


def test_a_moment_is_utc_and_keeps_milliseconds() -> None:
    fact = parse_fact(ETA)
    assert not isinstance(fact, list)
    assert to_json(fact)["recorded_at"] == "2026-03-01T08:05:00.123Z"


def test_null_is_the_same_as_nothing() -> None:
    assert parse_fact(ETA | {"eta_at": None, "order_ref": None}) == parse_fact(ETA)


@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"kind": None}, "kind", "kind is missing, expected one of placed, changed"),
        ({"kind": 5}, "kind", "kind is the number 5, expected one of placed"),
        ({"kind": "etaa"}, "kind", "alive; did you mean eta?"),
        ({"kind": ["eta"]}, "kind", "kind is a list, expected one of"),
        ({"source": None}, "source", "source is missing, expected a value"),
        ({"source": 7}, "source", "source is the number 7, expected a text"),
        ({"source": {}}, "source", "source is an object, expected a text"),
        ({"source": "\ud800"}, None, "source is '\\ud800' with the character U+D800, expected no"),
        (
            {"shipment_reff": "x"},
            "shipment_reff",
            "found the unknown field 'shipment_reff', expected none; did you mean shipment_ref?",
        ),
        (
            {"occurred_at": "2026-03-01T08:00:00"},
            "occurred_at",
            "occurred_at is '2026-03-01T08:00:00', expected a time with a zone such as",
        ),
        ({"occurred_at": "20260301T080000Z"}, "occurred_at", "expected a time with a zone"),
        ({"occurred_at": 1}, "occurred_at", "occurred_at is the number 1, expected a time with"),
        (
            {"occurred_at": "2026-02-30T08:00:00Z"},
            "occurred_at",
            "expected a time that exists (day is out of range for month)",
        ),
        ({"eta_on": "2026-02-30"}, "eta_on", "eta_on is '2026-02-30', expected a date that exists"),
        ({"eta_on": "2026-W10-1"}, "eta_on", "expected a date such as 2026-03-01"),
        ({"eta_on": True}, "eta_on", "eta_on is true, expected a date such as 2026-03-01"),
        ({"stop": 1.5}, "stop", "stop is the number 1.5, expected a whole number"),
        ({"stop": True}, "stop", "stop is true, expected a whole number"),
        ({"resolved": "yes"}, "resolved", "resolved is 'yes', expected true or false"),
        ({"quantity": True}, "quantity", "quantity is true, expected a decimal amount such as"),
        ({"quantity": "1,5"}, "quantity", "quantity is '1,5', expected a decimal amount such as"),
        (
            {"quantity": "0.0000001"},
            "quantity",
            "expected an amount of at most 999999999999.999999 with at most 6 decimals",
        ),
        ({"quantity": 10**12}, "quantity", "expected an amount of at most 999999999999.999999"),
        ({"quantity": 1}, None, "unit is missing, and quantity is given, and needs it"),
        ({"eta_on": None}, None, "eta_at or eta_on is missing, and the kind eta needs one"),
    ],
)
def test_a_mistake_is_named(changes: dict[str, object], field: str | None, error: str) -> None:
    text = "\n\n" + json.dumps(ETA | changes) + "\n"
    facts, [problem] = parse_lines(text, "facts.jsonl")
    assert not facts
    assert (problem.file, problem.line, problem.field) == ("facts.jsonl", 3, field)
    assert error in problem.error
    assert str(problem) == f"facts.jsonl:3: {problem.error}"


def test_all_mistakes_in_the_fields_of_an_object_are_told_at_once() -> None:
    _, problems = parse_lines(json.dumps(ETA | {"source": 1, "stop": "x", "y": 2}), "f")
    assert [problem.field for problem in problems] == ["source", "stop", "y"]


def test_reading_goes_on_after_what_is_no_json() -> None:
    good = json.dumps(ETA)
    spread = json.dumps(ETA, indent=1)
    text = f'{good}\n{{"kind": \n{spread}\n[1]\n{good} {good}\n{{"a": 1, "a": 2}}\n{good}'
    facts, problems = parse_lines(text, "f")
    assert facts == [parse_fact(ETA)] * 3
    after = 3 + spread.count("\n")
    assert [problem.line for problem in problems] == [2, after + 1, after + 2, after + 3]
    said = [
        "is no JSON object: ",
        "found a list, expected a JSON object",
        "after the object, expected a new line",
        "is no JSON object: found the field 'a' twice, expected it once",
    ]
    for problem, part in zip(problems, said, strict=True):
        assert part in problem.error
