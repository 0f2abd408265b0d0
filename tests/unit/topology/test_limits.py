"""Network files at their limits and one past them. Those of size are lowered, so that a test is
quick; what happens there does not depend on their height."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from schemas import limits
from topology.load import check
from topology.problems import Limits
from topology.reading import read_table

ITEMS = "id,base_unit,name\n"
LOWERED = {
    "NETWORK_FILE_BYTES_MAX": "file_bytes_max",
    "NETWORK_ROWS_MAX": "rows_max",
    "NETWORK_ROW_FIELDS_MAX": "row_fields_max",
    "NETWORK_FIELD_CHARS_MAX": "field_chars_max",
    "NETWORK_LIST_ENTRIES_MAX": "list_entries_max",
    "NETWORK_PROBLEMS_MAX": "problems_max",
    "CELL_NODES_MAX": "cell_nodes_max",
}


def _problems(name: str, text: str, **lowered: int) -> list[str]:
    return [
        str(each) for each in read_table(name, text.encode(), replace(Limits(), **lowered)).problems
    ]


def test_a_loader_keeps_to_the_limits_of_the_list() -> None:
    held = Limits()
    for name, field in LOWERED.items():
        assert getattr(held, field) == getattr(limits, name), name


def test_size_of_a_file() -> None:
    text = ITEMS + "A,EA,\n"
    assert not _problems("items.csv", text, file_bytes_max=len(text))
    (problem,) = _problems("items.csv", text, file_bytes_max=len(text) - 1)
    assert "found a larger file" in problem


def test_rows_of_a_file() -> None:
    text = ITEMS + "A,EA,\nB,EA,\n"
    assert not _problems("items.csv", text, rows_max=2)
    assert _problems("items.csv", text, rows_max=1) == [
        "items.csv:3: found one row more, expected at most 1 rows"
    ]


def test_fields_of_a_row() -> None:
    assert not _problems("items.yaml", "- {id: A, base_unit: EA}\n", row_fields_max=2)
    (problem,) = _problems("items.yaml", "- {id: A, base_unit: EA}\n", row_fields_max=1)
    assert "found one field more, expected at most 1 in a row" in problem
    (problem,) = _problems("items.csv", ITEMS, row_fields_max=2)
    assert "found 3 columns, expected at most 2" in problem


def test_characters_of_a_value_and_entries_of_a_list() -> None:
    text = "- {id: A, name: abcd, sites: [x, y, z]}\n"
    assert not _problems("accounts.yaml", text, field_chars_max=4, list_entries_max=3)
    assert _problems("accounts.yaml", text, field_chars_max=3, list_entries_max=2) == [
        "accounts.yaml:1: name: found 4 characters, expected at most 3 characters",
        "accounts.yaml:1: sites: found 3 entries, expected at most 2 entries",
    ]


def test_depth() -> None:
    def nested(levels: int) -> list[str]:
        inner = levels - 2
        return _problems("items.yaml", "- {id: " + "[" * inner + "]" * inner + "}\n")

    assert nested(limits.NETWORK_DEPTH_MAX) == [
        "items.yaml:1: id: found something nested, expected text or a list of texts"
    ]
    (problem,) = nested(limits.NETWORK_DEPTH_MAX + 1)
    assert "values nested too deep" in problem


def test_errors_listed_and_the_others_counted(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(ITEMS + ",EA,\n" * 10, "utf-8")
    full = check(tmp_path)
    assert (len(full.errors), full.omitted_count) == (10, 0)
    cut = check(tmp_path, replace(Limits(), problems_max=4))
    assert (len(cut.errors), cut.omitted_count) == (4, 6)


def test_many_errors_between_rows_are_counted_without_a_closer_look(tmp_path: Path) -> None:
    """Names that are close are looked for among the first errors alone: that costs milliseconds."""
    sites = "".join(f"S{n},P,plant,UTC\n" for n in range(1_500))
    nodes = "".join(f"BOLT,Q{n}\n" for n in range(20_000))
    (tmp_path / "parties.csv").write_text("id,kind\nP,supplier\n", "utf-8")
    (tmp_path / "sites.csv").write_text("id,party,kind,zone\n" + sites, "utf-8")
    (tmp_path / "items.csv").write_text("id,base_unit\nBOLT,EA\n", "utf-8")
    (tmp_path / "stock_nodes.csv").write_text("item,site\n" + nodes, "utf-8")
    result = check(tmp_path, replace(Limits(), problems_max=5))
    assert (len(result.errors), result.omitted_count) == (5, 19_995)


def test_nodes_of_a_cell(tmp_path: Path) -> None:
    (tmp_path / "parties.csv").write_text("id,kind\nP,supplier\n", "utf-8")
    (tmp_path / "sites.csv").write_text("id,party,kind,zone\nS,P,plant,UTC\n", "utf-8")
    (tmp_path / "items.csv").write_text("id,base_unit\nA,EA\nB,EA\n", "utf-8")
    (tmp_path / "stock_nodes.csv").write_text("item,site\nA,S\nB,S\n", "utf-8")
    (tmp_path / "bills_of_material.csv").write_text(
        "parent,component,quantity_per\nA,B,1\n", "utf-8"
    )
    assert not check(tmp_path, replace(Limits(), cell_nodes_max=2)).warnings
    (warning,) = check(tmp_path, replace(Limits(), cell_nodes_max=1)).warnings
    assert "2 stock nodes in the cell" in str(warning)


def test_units_of_an_item(tmp_path: Path) -> None:
    def told(count: int) -> list[str]:
        units = "|".join(f"u{number}={number + 2}" for number in range(count))
        (tmp_path / "items.csv").write_text(f"id,base_unit,units\nBOLT,EA,{units}\n")
        return [str(each) for each in check(tmp_path).errors]

    assert told(limits.ITEM_UNITS_MAX) == []
    (problem,) = told(limits.ITEM_UNITS_MAX + 1)
    assert problem.startswith("items.csv:2: units: found")
    assert problem.endswith(" of at most 50")
