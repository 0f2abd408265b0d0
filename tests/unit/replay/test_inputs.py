"""Mappings with several inputs: joins by key, SQLite, and every row accounted for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from schemas import limits
from schemas.facts import OrderFact, ShipmentFact
from schemas.units import iso
from streams.replay.inputs import InputRow, mapped_rows
from streams.replay.mapping import Mapping
from streams.replay.mapping_file import MappingError, read_mapping
from streams.replay.runner import ReplayOptions, run_replay
from streams.replay.tables import FileError

PLACED = """\
        occurred_at: {moment: {of: {column: orders.placed}, formats: ["YYYY-MM-DD hh:mm:ss.fff"]}}
        fields:
          order_ref: {text: "ACME/{order}"}
          line: {column: line}
          item: {column: item}
          quantity: {quantity: {column: pieces}}
          unit: {constant: EA}
          ship_to: {column: sites.country}
          value:
            sum:
              - money: {of: {column: price}, currency: EUR}
              - money: {of: {column: freight}, currency: EUR}
"""
TWO = f"""\
mapping: shop
source: shop
inputs:
  - name: orders
    file: {{name: orders.csv, row_id: id}}
    facts:
      - family: shipments
        kind: departed
        occurred_at: {{moment: {{of: {{column: placed}}, formats: ["YYYY-MM-DD hh:mm:ss.fff"]}}}}
        fields: {{shipment_ref: {{text: "ACME/{{id}}"}}}}
  - name: items
    file: {{name: "items*.csv", row_id: [order, line]}}
    joins:
      orders: {{input: orders, by: order, key: id}}
      sites: {{input: sites, by: orders.site, key: site, otherwise: nothing}}
    facts:
      - family: orders
        kind: placed
{PLACED}
  - name: sites
    file: {{name: sites.csv, row_id: site}}
"""
ORDERS = "id,placed,site\n7,2026-03-01 10:00:00.5,OSL\n8,2026-03-01 11:00:00.000,\n"
ITEMS = "order,line,item,pieces,price,freight\n7,1,PUMP,2,12.50,0.75\n8,1,BOLT,3,1,\n"
SITES = "site,country\nOSL,Norway\n"
FILES = {"orders.csv": ORDERS, "items.csv": ITEMS, "sites.csv": SITES}


def folder(tmp_path: Path, **changed: str) -> Path:
    files = FILES | {f"{name}.csv": text for name, text in changed.items()}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def mapped(tmp_path: Path, text: str = TWO, **changed: str) -> list[InputRow]:
    given = folder(tmp_path, **changed)
    return list(mapped_rows(read_mapping("m.yaml", text.encode()), [given]))


def refused(tmp_path: Path, text: str = TWO, **changed: str) -> str:
    with pytest.raises(FileError) as caught:
        mapped(tmp_path, text, **changed)
    return str(caught.value)


def problem(rows: list[InputRow]) -> str:
    (found,) = [str(problem) for row in rows for problem in row.problems]
    return found


def test_rows_are_joined_over_several_steps(tmp_path: Path) -> None:
    rows = mapped(tmp_path)
    told = {row.row_id: row.facts for row in rows if row.input == "items"}
    (first,), (second,) = told["7/1"], told["8/1"]
    assert isinstance(first, OrderFact)
    assert isinstance(second, OrderFact)
    assert first.event_id == "shop:items:7/1:placed", "the input is a part of the id"
    assert iso(first.occurred_at) == "2026-03-01T10:00:00.500Z"
    assert (first.ship_to, second.ship_to) == ("Norway", None)
    assert (first.value_minor, first.currency) == (1325, "EUR")
    assert second.value_minor is None, "a sum with a part that is not there is not there"
    (order, *_) = [row.facts[0] for row in rows if row.input == "orders"]
    assert isinstance(order, ShipmentFact)
    assert order.event_id == "shop:orders:7:departed"


def test_every_row_of_every_input_is_counted_once(tmp_path: Path) -> None:
    broken = ITEMS + "9,1,BOLT,1,1,1\n7,1,BOLT,1,1,1\n"
    rows = mapped(tmp_path, items=broken, items2="order,line,item,pieces,price,freight\n")
    summary = run_replay(rows, ReplayOptions(settle_days=0)).summary
    assert (summary.rows, summary.rows_with_facts) == (7, 4)
    assert (summary.looked_up, summary.rejected) == (1, 2)
    assert summary.by_input["items"].rows == 4
    assert summary.by_input["items"].rejected == 2
    assert summary.by_input["items"].orders == 2
    assert summary.by_input["sites"].looked_up == 1
    assert sum(each.rows for each in summary.by_input.values()) == summary.rows
    assert summary.facts_by_kind == {"orders.placed": 2, "shipments.departed": 2}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"items": ITEMS + "9,1,BOLT,1,1,1\n"},
            "items.csv:4: order: found '9', expected a row of orders with this id",
        ),
        (
            {"orders": ORDERS + "7,2026-03-02 10:00:00.000,OSL\n", "items": ITEMS[:-12]},
            "orders.csv:4: id: found the row id '7' of line 2 again, expected an id of its own",
        ),
        (
            {"sites": SITES + "OSL\n"},
            "sites.csv:3: found 1 cells, expected 2, as the header has",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_why(
    tmp_path: Path, changed: dict[str, str], expected: str
) -> None:
    assert expected in [
        str(problem) for row in mapped(tmp_path, **changed) for problem in row.problems
    ]


def test_of_several_rows_with_one_key_none_is_guessed(tmp_path: Path) -> None:
    rows = mapped(tmp_path, sites=SITES + "OSL,Sweden\n")
    told = [str(problem) for row in rows for problem in row.problems]
    assert told == [
        (
            "items.csv:2: orders.site: found several rows with site 'OSL', "
            "expected one row of sites for the join sites"
        ),
        "sites.csv:3: site: found the row id 'OSL' of line 2 again, expected an id of its own",
    ]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"orders": "id,placed\n"}, "orders.csv:1: found no such column, expected the columns"),
        ({"items": "order,line\n"}, "items.csv:1: found no such column, expected the column"),
        (
            {"items": ITEMS.replace("freight", "freight,orders.site")},
            "items.csv:1: orders.site: found the column 'orders.site', expected no column called",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, changed: dict[str, str], expected: str
) -> None:
    assert expected in refused(tmp_path, **changed)


def test_files_and_inputs_must_fit_together(tmp_path: Path) -> None:
    given = folder(tmp_path)
    mapping = read_mapping("m.yaml", TWO.encode())
    with pytest.raises(FileError, match=r"sites\.csv: found no such file, expected a file for the"):
        list(mapped_rows(mapping, [given / "orders.csv", given / "items.csv"]))
    (given / "other.csv").write_text("x\n")
    with pytest.raises(FileError, match=r"other\.csv: found a file of no input, expected a file"):
        list(mapped_rows(mapping, [given / "other.csv"]))
    assert len(list(mapped_rows(mapping, [given]))) == 5, "a folder may hold other files"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("input: orders,", "input: order,", "found 'order', expected an input of this mapping"),
        ("by: order, key", "by: sites.x, key", "found 'sites.x', expected a column, of this"),
        ("name: sites\n", "name: items\n", "found a second 'items', expected a name of its own"),
        ("sites: {input: sites", "sites: {input: orders", "inputs[2].facts: found nothing"),
        ("source: shop\n", "source: shop\nvalues: {}\n", "values: found `values` beside `inputs`"),
        ("file: {name: sites.csv, row_id: site}", "says: x", "a field that is not known here"),
        (
            "file: {name: sites.csv, row_id: site}",
            "sqlite: {row_id: site}",
            "expected either a `table` or a `query`",
        ),
        ("{column: price}", "{column: price, more: x}", "inputs[1].facts[0].fields.value"),
        (
            "- money: {of: {column: price}, currency: EUR}",
            "- integer: {column: price}",
            "as choices or parts",
        ),
    ],
)
def test_a_mapping_is_checked_whole(before: str, after: str, expected: str) -> None:
    assert before in TWO
    text = TWO.replace(before, after, 1).encode()
    with pytest.raises(MappingError) as caught:
        read_mapping("m.yaml", text)
    found = [str(each) for each in caught.value.problems]
    assert any(expected in each for each in found), found
    assert all(each.startswith("m.yaml:") for each in found)


SQLITE = """\
mapping: stock
source: wms
sqlite: {row_id: id, QUERY}
facts:
  - family: inventory
    kind: counted
    occurred_at: {moment: {of: {constant: "2026-03-01"}, formats: [YYYY-MM-DD], at: "12:00"}}
    fields:
      item: {column: item}
      site: {constant: OSLO}
      quantity: {quantity: {column: pieces}}
      unit: {constant: EA}
"""


def from_query(query: str) -> Mapping:
    return read_mapping("m.yaml", SQLITE.replace("QUERY", query).encode())


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "wms?.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute('CREATE TABLE "a ""table" (id INTEGER, item TEXT, pieces)')
        values = [(1, "PUMP", 2.5), (2, "BOLT", 7), (3, "GEAR", b"\x01"), (4, None, "1e-3")]
        made.executemany('INSERT INTO "a ""table" VALUES (?, ?, ?)', values)
        made.execute('INSERT INTO "a ""table" VALUES (5, CAST(x\'ff41\' AS TEXT), 0.0000001)')
        made.commit()
    return path


def test_rows_of_a_table_and_of_a_query_become_facts(database: Path) -> None:
    before = database.read_bytes()
    for query in ("table: 'a \"table'", 'query: "SELECT * FROM \\"a \\"\\"table\\" ORDER BY id"'):
        rows = list(mapped_rows(from_query(query), [database]))
        told = [fact.quantity for row in rows for fact in row.facts]  # type: ignore[union-attr]
        assert told == [2_500_000, 7_000_000]
        assert [str(problem) for row in rows for problem in row.problems] == [
            "wms?.db:3: pieces: found 1 bytes, expected text or a number",
            (
                "wms?.db:4: counted: found missing_field, "
                "expected item is missing, and the kind counted needs it"
            ),
            "wms?.db:5: item: found bytes that are no text: '\\udcffA', expected text in utf-8",
        ]
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("table: nowhere", "no such table: nowhere, expected an SQLite database with the table"),
        ("query: SELEC 1", "syntax error, expected a query that SQLite can read"),
        ("query: SELECT 1 AS id", "found no such column, expected the column 'item'"),
        ("query: SELECT 1; SELECT 2", "one statement at a time"),
        ("query: DELETE FROM sqlite_master", "may not be modified, expected a query"),
        ("query: DELETE FROM 'a \"table'", "found not authorized, expected a query"),
        ("query: ATTACH 'x.db' AS x", "found not authorized, expected a query"),
        ("query: PRAGMA writable_schema = 1", "found not authorized, expected a query"),
        ("query: CREATE TABLE x (y)", "found not authorized, expected a query"),
        ("query: SELECT load_extension('x')", "found not authorized, expected a query"),
    ],
)
def test_a_query_reads_and_does_nothing_else(database: Path, query: str, expected: str) -> None:
    with pytest.raises(FileError) as caught:
        list(mapped_rows(from_query(query), [database]))
    assert str(caught.value).startswith("wms?.db: ") or "no such column" in expected
    assert expected in str(caught.value)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database " * 1_000)
    with pytest.raises(FileError, match=r"x\.db: found file is not a database"):
        list(mapped_rows(from_query("table: t"), [path]))
    with pytest.raises(FileError, match="no such file"):
        list(mapped_rows(from_query("table: t"), [tmp_path / "away.db"]))


def test_functions_over_json_are_there_for_wide_tables(database: Path) -> None:
    query = (
        'query: "SELECT key AS id, key AS item, value AS pieces '
        'FROM json_each(\'{\\"A\\": 1, \\"B\\": 2}\')"'
    )
    assert [row.row_id for row in mapped_rows(from_query(query), [database])] == ["A", "B"]


def test_steps_of_a_query_at_their_limit_and_past_it(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SQLITE_STEPS_MAX", 5_000)
    endless = (
        'query: "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) '
        "SELECT id, 'PUMP' AS item, 1 AS pieces FROM n LIMIT {}\""
    )
    assert len(list(mapped_rows(from_query(endless.format(10)), [database]))) == 10
    rows = mapped_rows(from_query(endless.format(-1)), [database])
    assert next(rows).line == 1
    with pytest.raises(FileError) as caught:
        list(rows)
    assert str(caught.value).endswith(
        "found more than 5000 steps of SQLite, expected a query that ends sooner"
    )
    assert str(caught.value).startswith("wms?.db:"), "and the row at which it ended"


def test_a_value_of_sqlite_at_its_limit_and_past_it(database: Path) -> None:
    most = limits.SQLITE_VALUE_BYTES_MAX
    select = "query: \"SELECT 1 AS id, 'PUMP' AS item, zeroblob({}) AS pieces\""
    (row,) = mapped_rows(from_query(select.format(most)), [database])
    assert f"found {most} bytes" in str(row.problems[0])
    with pytest.raises(FileError, match="string or blob too big"):
        list(mapped_rows(from_query(select.format(most + 1)), [database]))


def test_joined_rows_at_their_limit_and_past_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "JOINED_ROWS_MAX", 3)
    assert mapped(tmp_path)
    more = refused(tmp_path, sites=SITES + "BGO,Norway\n")
    assert more == (
        "sites.csv:3: found more rows, expected at most 3 in all inputs that are joined"
    )
