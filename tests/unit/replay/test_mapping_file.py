"""Mappings are checked whole: every error with its place, before the first row."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import Family
from streams.replay.mapping_checks import field_types
from streams.replay.mapping_file import MappingError, load_mapping, read_mapping

GOOD = """\
mapping: orders
source: erp
file: {row_id: ID}
sentinels:
  dates: {never: it was not planned}
tables:
  sites: {Oslo: OSL}
values:
  due_on: {date: {of: {column: {name: Due, sentinels: dates}}, formats: [YYYY-MM-DD]}}
facts:
  - family: orders
    kind: placed
    occurred_at: {moment: {of: {column: Placed}, formats: ["YYYY-MM-DD hh:mm"]}}
    fields:
      order_ref: {text: "ACME/{Order}"}
      line: {column: ID}
      item: {column: Item}
      quantity: {quantity: {column: Pieces}}
      unit: {constant: pcs}
      ship_to: {lookup: {of: {column: City}, table: sites}}
      requested_on: {value: due_on}
"""


def broken(before: str, after: str) -> list[str]:
    assert before in GOOD
    with pytest.raises(MappingError) as caught:
        read_mapping("m.yaml", GOOD.replace(before, after).encode())
    return [str(problem) for problem in caught.value.problems]


def test_a_good_mapping_names_its_columns() -> None:
    mapping = read_mapping("m.yaml", b"\xef\xbb\xbf" + GOOD.encode())
    assert mapping.readings()[0].columns() == (
        "City",
        "Due",
        "ID",
        "Item",
        "Order",
        "Pieces",
        "Placed",
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("source: erp\n", "", "m.yaml:1: source: found nothing, expected a value: it is required"),
        (
            "kind: placed",
            "kind: plaiced",
            (
                "m.yaml:12: facts[0].kind: found the kind 'plaiced', "
                "expected a kind of orders: placed, changed, confirmed, rejected, cancelled, closed"
            ),
        ),
        (
            "      unit: {constant: pcs}\n",
            "",
            (
                "m.yaml:14: facts[0].fields: found nothing, "
                "expected the field unit, which placed needs"
            ),
        ),
        (
            "      line: {column: ID}\n",
            "",
            (
                "m.yaml:14: facts[0].fields: found no reference, expected order_ref and line "
                "or supplier_ref and supplier_line: what placed is about"
            ),
        ),
        (
            "item: {column: Item}",
            "itme: {column: Item}\n      item: {constant: x}",
            (
                "m.yaml:17: facts[0].fields.itme: found the field 'itme', "
                "expected a field of orders (did you mean 'item'?)"
            ),
        ),
        (
            "requested_on: {value: due_on}",
            "requested_on: {value: due_at}",
            (
                "m.yaml:21: facts[0].fields.requested_on: found 'due_at', "
                "expected a named value of this mapping"
            ),
        ),
        (
            "requested_on: {value: due_on}",
            "requested_at: {value: due_on}",
            (
                "m.yaml:21: facts[0].fields.requested_at: found date, "
                "expected an expression that gives moment"
            ),
        ),
        (
            "{quantity: {column: Pieces}}",
            "{quantity: {value: due_on}}",
            "m.yaml:18: facts[0].fields.quantity: found date in `quantity`, expected text there",
        ),
        (
            "table: sites",
            "table: places",
            "m.yaml:20: facts[0].fields.ship_to: found 'places', expected a table of this mapping",
        ),
        (
            "formats: [YYYY-MM-DD]",
            "formats: [YYYY-MM]",
            (
                "m.yaml:9: values.due_on.date.formats: found \"['YYYY-MM']\", expected date format "
                "'YYYY-MM' must have one day; tokens are YYYY YY MMM MM M DD D hh mm ss fff"
            ),
        ),
        (
            "sentinels: dates",
            "sentinels: data",
            "m.yaml:9: values.due_on: found 'data', expected a list of sentinels of this mapping",
        ),
        (
            "source: erp\n",
            "source: erp\nzone: Mars/Base\n",
            "m.yaml:3: zone: found 'Mars/Base', expected a time zone of the IANA database",
        ),
        (
            "values:\n",
            "values:\n  due_on2: {value: due_on3}\n  due_on3: {value: due_on2}\n",
            "m.yaml:9: values.due_on2: found a value that is made of itself, expected no such loop",
        ),
        (
            "unit: {constant: pcs}",
            "unit: pcs",
            "m.yaml:19: facts[0].fields.unit: found 'pcs', expected one operation as {name: ...}",
        ),
        (
            "source: erp\n",
            "source: erp\nsource: erp2\n",
            "m.yaml:3: found 'source' twice, expected each key once",
        ),
        (
            "source: erp\n",
            "source: &a erp\nsays: *a\n",
            "m.yaml:3: found the alias *a, expected values written out",
        ),
        (
            "source: erp\n",
            "source: [erp\n",
            "m.yaml:3: found did not find expected ',' or ']', expected YAML",
        ),
    ],
)
def test_errors_name_the_place(before: str, after: str, expected: str) -> None:
    found = broken(before, after)
    if "',' or ']'" in expected:
        assert found[0].startswith("m.yaml:3: found")
        assert found[0].endswith("expected YAML")
    else:
        assert expected in found


def test_all_errors_come_at_once() -> None:
    found = broken("{column: Item}", "{colum: Item}")
    assert len(found) == 1
    assert "m.yaml:17: facts[0].fields.item" in found[0]
    text = GOOD.replace("kind: placed", "kind: x").replace("table: sites", "table: s")
    text = text.replace("{value: due_on}", "{value: d}")
    with pytest.raises(MappingError) as caught:
        read_mapping("m.yaml", text.encode())
    assert len(caught.value.problems) == 2, "names first, then what rests on them"


def test_two_facts_of_one_kind_need_names() -> None:
    again = GOOD + GOOD[GOOD.index("  - family") :]
    with pytest.raises(MappingError, match="a `name` of its own"):
        read_mapping("m.yaml", again.encode())
    read_mapping(
        "m.yaml", (GOOD + again[len(GOOD) :].replace("kind:", "name: b\n    kind:")).encode()
    )


def test_bytes_that_are_no_text_are_named_by_line() -> None:
    with pytest.raises(MappingError, match=r"m\.yaml:2: found the byte 0xff"):
        read_mapping("m.yaml", b"mapping: x\nsource: \xff\n")


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    deep = "{first: [" * 3_000 + "{column: A}" + "]}" * 3_000
    with pytest.raises(MappingError):
        read_mapping("m.yaml", GOOD.replace("{value: due_on}", deep).encode())


def test_the_types_of_all_fields_are_known() -> None:
    for family in Family:
        assert field_types(family)


@pytest.mark.parametrize("path", sorted(Path(__file__).parents[3].glob("examples/*/[mh]a*.yaml")))
def test_the_mappings_that_ship_are_good(path: Path) -> None:
    assert any(reading.body.facts for reading in load_mapping(path).readings())


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(data: bytes) -> None:
    with pytest.raises(MappingError):
        read_mapping("m.yaml", data)


@given(st.data())
def test_no_change_of_a_line_crashes_the_reader(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.text(alphabet="abc:{}[]- ,\"'#&*!|>%@`\n", max_size=40))
    try:
        read_mapping("m.yaml", "\n".join(lines).encode())
    except MappingError:
        return
