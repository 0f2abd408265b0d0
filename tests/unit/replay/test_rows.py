"""Rows become facts, or are rejected with the place and the reason; none is lost."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.facts import OrderFact
from schemas.units import instant
from streams.replay.joins import Joins
from streams.replay.mapping import Mapping
from streams.replay.mapping_file import read_mapping
from streams.replay.rows import MappedRow, dangling_pointers, map_table
from streams.replay.tables import FileError

MAPPING = read_mapping(
    "m.yaml",
    b"""
mapping: orders
source: erp
zone: Europe/Berlin
file: {row_id: ID}
sentinels:
  dates: {never: it was not planned}
  figures: {elsewhere: the figure is kept elsewhere}
tables:
  sites: {Oslo: OSL, Nowhere: ""}
values:
  placed_at: {moment: {of: {column: Placed}, formats: ["YYYY-MM-DD hh:mm"]}}
  due_on: {date: {of: {column: {name: Due, sentinels: dates}}, formats: [YYYY-MM-DD, D.M.YYYY]}}
facts:
  - family: orders
    kind: placed
    occurred_at: {value: placed_at}
    fields:
      order_ref: {text: "ACME/{Order}"}
      line: {column: ID}
      item: {id: {column: Item}}
      quantity: {quantity: {column: Pieces}}
      unit: {constant: pcs}
      ship_to: {lookup: {of: {column: City}, table: sites}}
      requested_on: {value: due_on}
      value: {money: {of: {column: Price}, currency: EUR, rounding: half_even}}
  - family: orders
    kind: confirmed
    when:
      all:
        - present: {value: due_on}
        - not: {equals: {of: {column: State}, to: [open, new]}}
    occurred_at: {value: placed_at}
    recorded_at: {moment: {of: {value: due_on}, at: "08:00", zone: UTC}}
    fields:
      order_ref: {text: "ACME/{Order}"}
      line: {column: ID}
      promised_on: {value: due_on}
cells:
  - columns: [Weight]
    sentinels: figures
    pointer: "See {any} (row {row})"
""",
)
HEADER = "ID,Order,Item,Pieces,City,Due,State,Placed,Price,Weight"
GOOD = "1,77,Pump,2.5,Oslo,2026-03-09,sure,2026-03-01 10:00,12.345,7"


def table_rows(mapping: Mapping, path: Path) -> Iterator[MappedRow]:
    return map_table(mapping.readings()[0], path, Joins(mapping))


def mapped(tmp_path: Path, *lines: str, mapping: Mapping = MAPPING) -> list[MappedRow]:
    path = tmp_path / "orders.csv"
    path.write_bytes("\n".join((HEADER, *lines)).encode("utf-8-sig"))
    return list(table_rows(mapping, path))


def problem(tmp_path: Path, line: str) -> str:
    (row,) = mapped(tmp_path, line)
    assert row.is_rejected
    return str(row.problems[0])


def test_a_row_becomes_its_facts(tmp_path: Path) -> None:
    (row,) = mapped(tmp_path, GOOD)
    placed, confirmed = row.facts
    assert isinstance(placed, OrderFact)
    assert (placed.event_id, confirmed.event_id) == ("erp:1:placed", "erp:1:confirmed")
    assert placed.order_ref == "ACME/77"
    assert placed.quantity == 2_500_000
    assert placed.ship_to == "OSL"
    assert (placed.value_minor, placed.currency) == (1234, "EUR"), "half to even"
    assert instant(placed.occurred_at).isoformat() == "2026-03-01T09:00:00+00:00", "from Berlin"
    assert instant(confirmed.recorded_at).isoformat() == "2026-03-09T08:00:00+00:00", "from UTC"
    assert (row.line, row.problems, row.notes, row.pointers) == (2, (), (), ())


def test_a_sentinel_is_nothing_and_says_why(tmp_path: Path) -> None:
    (row,) = mapped(tmp_path, GOOD.replace("2026-03-09", "never"))
    assert [fact.kind for fact in row.facts] == ["placed"]
    assert [(note.column, note.found, note.reason) for note in row.notes] == [
        ("Due", "never", "it was not planned")
    ]


def test_a_condition_decides_what_is_told(tmp_path: Path) -> None:
    (row,) = mapped(tmp_path, GOOD.replace("sure", "open"))
    assert [fact.kind for fact in row.facts] == ["placed"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "2026-03-09",
            "9 March",
            (
                "orders.csv:2: placed: Due: found '9 March', "
                "expected a date written as YYYY-MM-DD or D.M.YYYY"
            ),
        ),
        (
            "Oslo",
            "Bergen",
            "orders.csv:2: placed: City: found 'Bergen', expected an entry of the table 'sites'",
        ),
        (
            "2.5",
            "2.5 kg",
            "orders.csv:2: placed: Pieces: found '2.5 kg', expected a decimal amount",
        ),
        ("2.5", "0", "orders.csv:2: placed: found value_out_of_range, expected quantity is 0"),
        ("12.345", "12,3", "expected 10, as the header has"),
        ("12.345", "NaN", "orders.csv:2: placed: Price: found 'NaN', expected an amount of EUR"),
        (",77,", ",,", "orders.csv:2: placed: found missing_field"),
        ("1,77", " ,77", "orders.csv:2: ID: found nothing, expected the id of the row"),
        ("2026-03-01 10:00", "", "orders.csv:2: placed: occurred_at: found nothing, expected"),
        (
            "Pump",
            "P" * 20_001,
            "orders.csv:2: Item: found 20001 characters, expected at most 20000",
        ),
        ("Pump", "P" * 300, "orders.csv:2: placed: found too_long"),
    ],
)
def test_a_bad_row_is_rejected_with_its_place(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    assert expected in problem(tmp_path, GOOD.replace(before, after, 1))


def test_a_row_id_is_used_once(tmp_path: Path) -> None:
    first, second = mapped(tmp_path, GOOD, GOOD)
    assert not first.is_rejected
    assert "the row id '1' of line 2 again" in str(second.problems[0])


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    long_cell = GOOD.replace("Pump", '"Pu\nmp"')
    rows = mapped(tmp_path, long_cell, "", GOOD.replace("1,77", "2,77"), "x")
    assert [row.line for row in rows] == [2, 5, 6]
    assert [row.is_rejected for row in rows] == [False, False, True]


def test_bytes_that_are_no_text_reject_their_row_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    bad = GOOD.encode().replace(b"Pump", b"P\xffmp").replace(b"1,77", b"2,77")
    path.write_bytes(b"\n".join((HEADER.encode(), GOOD.encode(), bad)))
    good, rejected = table_rows(MAPPING, path)
    assert not good.is_rejected
    assert r"'P\udcffmp'" in str(rejected.problems[0])


def test_pointers_lead_to_rows(tmp_path: Path) -> None:
    to_first = GOOD.replace("1,77", "2,77").replace(",7\n", "") + " "
    rows = mapped(
        tmp_path,
        GOOD,
        to_first.removesuffix("7 ") + "See DN-3 (row 1)",
        GOOD.replace("1,77", "3,77").removesuffix("7") + "See DN-3 (row 9)",
        GOOD.replace("1,77", "4,77").removesuffix("7") + "elsewhere",
        GOOD.replace("1,77", "5,77").removesuffix("7") + "heavy",
    )
    assert [row.pointers for row in rows] == [(), (("Weight", "1"),), (("Weight", "9"),), (), ()]
    assert [str(each) for each in dangling_pointers(tmp_path / "orders.csv", rows)] == [
        "orders.csv:4: Weight: found a pointer at row '9', expected the id of a row of this file"
    ]
    assert rows[3].notes[0].reason == "the figure is kept elsewhere"
    assert "neither a figure" in rows[4].notes[0].reason


def test_a_header_must_have_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("id,Order,Item,Pieces,City,Due,State,Placed,Price,Weight,Weight\n")
    with pytest.raises(FileError) as caught:
        list(table_rows(MAPPING, path))
    assert [str(each) for each in caught.value.problems] == [
        "orders.csv:1: found no such column, expected the column 'ID' (did you mean 'id'?)",
        "orders.csv:1: Weight: found the column 'Weight' 2 times, expected one column of that name",
    ]
    path.write_text("")
    with pytest.raises(FileError, match="a header with the names of columns"):
        list(table_rows(MAPPING, path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.lists(st.text(max_size=12) | st.sampled_from(GOOD.split(",")), min_size=1, max_size=12),
        max_size=8,
    )
)
def test_every_row_becomes_facts_or_a_problem(tmp_path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADER.split(","), *rows])
    path = tmp_path / "orders.csv"
    path.write_bytes(text.getvalue().encode("utf-8", errors="surrogatepass"))
    for row in table_rows(MAPPING, path):
        assert bool(row.facts) != bool(row.problems)
        assert row.line >= 2
        assert all(problem.line == row.line for problem in row.problems)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_no_bytes_crash_the_reader(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(HEADER.encode() + b"\n" + data)
    for row in table_rows(MAPPING, path):
        assert bool(row.facts) != bool(row.problems)
