"""What the expressions of mappings give."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import TypeAdapter

from schemas.units import QUANTITY_ONE, day, millis
from streams.replay.evaluation import Note, Refused, RowValues
from streams.replay.expressions import Condition, Expression
from streams.replay.mapping import Mapping

CELLS = {"A": " x ", "B": "", "N": "12", "D": "2026-03-29", "E": "2026-03-30", "V": "A/S #1  Ltd@"}
EXPRESSION: TypeAdapter[Expression] = TypeAdapter(Expression)
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def row(cells: dict[str, str] = CELLS) -> RowValues:
    mapping = Mapping.model_validate(
        {
            "mapping": "m",
            "source": "s",
            "zone": "Europe/Berlin",
            "file": {"row_id": "A"},
            "sentinels": {"none": {"x": "it is an x"}},
            "tables": {"t": {"x": "y", "gone": ""}},
            "values": {
                "text": {"column": "A"},
                "sentinel": {"column": {"name": "A", "sentinels": "none"}},
            },
            "facts": [
                {
                    "family": "orders",
                    "kind": "placed",
                    "occurred_at": {"moment": {"of": {"column": "D"}, "formats": ["YYYY-MM-DD"]}},
                    "fields": {},
                }
            ],
        }
    )
    return RowValues(mapping.readings()[0], cells)


def date(column: str) -> dict[str, object]:
    return {"date": {"of": {"column": column}, "formats": ["YYYY-MM-DD"]}}


def money(currency: str, rounding: str = "half_up") -> dict[str, object]:
    return {"money": {"of": {"column": "A"}, "currency": currency, "rounding": rounding}}


def moment(on: dt.date, hour: int) -> int:
    return millis(dt.datetime(on.year, on.month, on.day, hour, tzinfo=dt.UTC))


SUNDAY, MONDAY = dt.date(2026, 3, 29), dt.date(2026, 3, 30)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ({"column": "A"}, "x"),
        ({"column": "B"}, None),
        ({"column": {"name": "A", "sentinels": "none"}}, None),
        ({"text": "{A}-{=text}-{N}"}, "x-x-12"),
        ({"text": "{A}{B}"}, None),
        ({"constant": "{A}"}, "{A}"),
        ({"value": "text"}, "x"),
        ({"lookup": {"of": {"column": "A"}, "table": "t"}}, "y"),
        ({"lookup": {"of": {"column": "B"}, "table": "t"}}, None),
        ({"lookup": {"of": {"constant": "gone"}, "table": "t"}}, None),
        ({"lookup": {"of": {"column": "N"}, "table": "t", "otherwise": "nothing"}}, None),
        ({"id": {"column": "V"}}, "A-S -1 Ltd-"),
        ({"quantity": {"column": "N"}}, 12 * QUANTITY_ONE),
        ({"integer": {"column": "N"}}, 12),
        (date("D"), day(SUNDAY)),
        ({"earliest": [date("E"), date("B"), date("D")]}, day(SUNDAY)),
        ({"latest": [date("D"), date("E")]}, day(MONDAY)),
        ({"earliest": [date("B")]}, None),
        ({"first": [{"column": "B"}, {"column": "N"}, {"column": "A"}]}, "12"),
        ({"moment": {"of": date("D"), "at": "08:00"}}, moment(SUNDAY, 6)),
        ({"moment": {"of": date("D"), "at": "01:00"}}, moment(SUNDAY, 0)),
        ({"moment": {"of": date("D"), "at": "08:00", "zone": "UTC"}}, moment(SUNDAY, 8)),
        (
            {"moment": {"of": {"column": "D"}, "formats": ["YYYY-MM-DD"], "at": "08:00"}},
            moment(SUNDAY, 6),
        ),
        ({"holds": {"present": {"column": "A"}}}, True),
        ({"noted": {"of": {"column": "B"}, "note": "n"}}, None),
    ],
)
def test_an_expression_gives(expression: object, expected: object) -> None:
    assert row().value(EXPRESSION.validate_python(expression)) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"present": {"column": "B"}}, False),
        ({"absent": {"column": "B"}}, True),
        ({"equals": {"of": {"column": "A"}, "to": "x"}}, True),
        ({"equals": {"of": {"column": "A"}, "to": ["y", "z"]}}, False),
        ({"equals": {"of": {"column": "B"}, "to": "x"}}, False),
        ({"all": [{"present": {"column": "A"}}, {"present": {"column": "B"}}]}, False),
        ({"any": [{"present": {"column": "A"}}, {"present": {"column": "B"}}]}, True),
        ({"not": {"present": {"column": "B"}}}, True),
    ],
)
def test_a_condition_holds(condition: object, expected: bool) -> None:
    assert row().holds(CONDITION.validate_python(condition)) is expected


@pytest.mark.parametrize(
    ("text", "currency", "rounding", "expected"),
    [
        ("12.345", "EUR", "half_up", 1235),
        ("12.345", "EUR", "half_even", 1234),
        ("12.349", "EUR", "down", 1234),
        ("-12.345", "EUR", "half_up", -1235),
        ("12.34", "EUR", "refuse", 1234),
        ("1234", "JPY", "refuse", 1234),
        ("1.2345", "KWD", "half_up", 1235),
    ],
)
def test_money_is_counted_in_minor_units(
    text: str, currency: str, rounding: str, expected: int
) -> None:
    expression = EXPRESSION.validate_python(money(currency, rounding))
    assert row({**CELLS, "A": text}).value(expression) == (expected, currency)


@pytest.mark.parametrize(
    ("text", "rounding"),
    [("12.345", "refuse"), ("Infinity", "half_up"), ("1e99999", "half_up"), ("$ 5", "half_up")],
)
def test_money_that_cannot_be_counted_is_refused(text: str, rounding: str) -> None:
    with pytest.raises(Refused, match="A: found"):
        row({**CELLS, "A": text}).value(EXPRESSION.validate_python(money("EUR", rounding)))


@pytest.mark.parametrize("text", ["1.0", "one", "9" * 19, "١٢"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    expression = EXPRESSION.validate_python({"integer": {"column": "N"}})
    with pytest.raises(Refused, match="a whole number"):
        row({**CELLS, "N": text}).value(expression)


def test_the_place_of_a_fault_is_the_column_behind_names() -> None:
    values = row()
    with pytest.raises(Refused) as caught:
        values.value(EXPRESSION.validate_python({"integer": {"value": "text"}}))
    assert caught.value.column == "A"


def test_a_note_is_made_once_and_in_order() -> None:
    values = row()
    noted = EXPRESSION.validate_python({"noted": {"of": {"column": "N"}, "note": "used"}})
    sentinel = EXPRESSION.validate_python({"value": "sentinel"})
    for _ in range(2):
        values.value(sentinel)
        values.value(noted)
    assert list(values.notes) == [Note("A", "x", "it is an x"), Note("", "", "used")]
