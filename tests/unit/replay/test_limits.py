"""CSV and mappings at their limits and one past them."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas import limits
from streams.replay.inputs import InputRow, mapped_rows
from streams.replay.mapping import Mapping
from streams.replay.mapping_file import MappingError, read_mapping
from streams.replay.tables import FileError

HEAD = """\
mapping: small
source: erp
file: {row_id: ID}
"""
FACT = """\
  - family: orders
    kind: closed
    name: %s
    occurred_at: {moment: {of: {constant: "2026-03-01"}, formats: [YYYY-MM-DD], at: "12:00"}}
    fields: {order_ref: {text: "ACME/{ID}"}, reason: %s}
"""


def _mapping(
    *, values: str = "", facts: int = 1, reason: str = "{column: ID}", more: str = ""
) -> Mapping:
    told = "".join(FACT % (f"n{number}", reason) for number in range(facts))
    return read_mapping("m.yaml", f"{HEAD}{values}facts:\n{told}{more}".encode())


def _refused(**given: object) -> str:
    with pytest.raises(MappingError) as error:
        _mapping(**given)  # type: ignore[arg-type]
    return str(error.value)


def _rows(folder: Path, text: str, mapping: Mapping | None = None) -> list[InputRow]:
    file = folder / "rows.csv"
    file.write_text(text, "utf-8")
    return list(mapped_rows(mapping or _mapping(), [file]))


def test_a_cell(tmp_path: Path) -> None:
    most = limits.CSV_CELL_CHARS_MAX
    at_it, past_it = _rows(tmp_path, f"ID,X\n1,{'x' * most}\n2,{'x' * (most + 1)}\n")
    assert not at_it.is_rejected
    assert str(past_it.problems[0]).endswith(
        f"found {most + 1} characters, expected at most {most}"
    )


def test_columns(tmp_path: Path) -> None:
    def header(count: int) -> str:
        return "ID," + ",".join(f"c{number}" for number in range(count - 1)) + "\n"

    most = limits.CSV_COLUMNS_MAX
    assert _rows(tmp_path, header(most)) == []
    with pytest.raises(FileError, match=f"found {most + 1} columns, expected at most {most}"):
        _rows(tmp_path, header(most + 1))


def test_a_line(tmp_path: Path) -> None:
    most = limits.CSV_LINE_CHARS_MAX

    def row(length: int) -> str:
        return "1," + "x" * (length - 3) + "\n"

    (at_it,) = _rows(tmp_path, "ID,X\n" + row(most))
    assert "field larger than field limit" in str(at_it.problems[0])
    good, past_it = _rows(tmp_path, "ID,X\n0,a\n" + row(most + 1) + "2,b\n")
    assert not good.is_rejected
    assert str(past_it.problems[0]) == (
        f"rows.csv:3: found a longer line, expected at most {most} characters"
    )
    with pytest.raises(FileError, match=r"rows\.csv:1: found a longer line"):
        _rows(tmp_path, "ID," + "x" * most + "\n")


def test_a_mapping_file() -> None:
    most = limits.MAPPING_FILE_CHARS_MAX
    text = HEAD + "facts:\n" + FACT % ("a", "{column: ID}")
    full = text + "#" * (most - len(text))
    assert read_mapping("m.yaml", full.encode()).source == "erp"
    with pytest.raises(MappingError, match="found a larger file, expected at most 1000000"):
        read_mapping("m.yaml", (full + "#").encode())


def test_depth_of_a_mapping_file() -> None:
    def nested(levels: int) -> str:
        with pytest.raises(MappingError) as error:
            read_mapping("m.yaml", b"x: " + b"[" * (levels - 1) + b"]" * (levels - 1))
        return str(error.value)

    assert "deeper" not in nested(limits.MAPPING_DEPTH_MAX)
    assert "m.yaml:1: found deeper nesting" in nested(limits.MAPPING_DEPTH_MAX + 1)


def _chain(count: int) -> str:
    """Named values, each made of the one before."""
    first = "values:\n  v0: {column: ID}\n"
    return first + "".join(f"  v{n}: {{value: v{n - 1}}}\n" for n in range(1, count))


def test_named_values(tmp_path: Path) -> None:
    most = limits.MAPPING_VALUES_MAX
    longest = _mapping(values=_chain(most), reason=f"{{value: v{most - 1}}}")
    (row,) = _rows(tmp_path, "ID\n7\n", longest)
    assert row.facts[0].reason == "7"  # type: ignore[union-attr]
    assert "values" in _refused(values=_chain(most + 1))


def test_facts_of_a_row(tmp_path: Path) -> None:
    most = limits.MAPPING_FACTS_MAX
    (row,) = _rows(tmp_path, "ID\n7\n", _mapping(facts=most))
    assert len(row.facts) == most
    assert "facts" in _refused(facts=most + 1)


def test_what_fills_a_template(tmp_path: Path) -> None:
    """Values that double one another: without a limit, thirty of them are a billion characters."""
    doubled = "values:\n  v0: {column: X}\n" + "".join(
        f'  v{n}: {{text: "{{=v{n - 1}}}{{=v{n - 1}}}"}}\n' for n in range(1, 40)
    )
    most = limits.MAPPING_TEXT_CHARS_MAX
    (row,) = _rows(tmp_path, "ID,X\n7,ab\n", _mapping(values=doubled, reason="{value: v39}"))
    assert f"characters, expected at most {most}" in str(row.problems[0])
    twice = _mapping(values=doubled, reason="{value: v1}")
    at_it, past_it = _rows(
        tmp_path, f"ID,X\n1,{'x' * (most // 2)}\n2,{'x' * (most // 2 + 1)}\n", twice
    )
    assert f"reason has {most} characters" in str(at_it.problems[0])
    assert f"found a text of {most + 2} characters" in str(past_it.problems[0])


def test_choices_between_values_that_are_nothing_are_each_looked_at_once(tmp_path: Path) -> None:
    doubled = "values:\n  v0: {constant: x}\n" + "".join(
        f"  v{n}: {{first: [{{value: v{n - 1}}}, {{value: v{n - 1}}}]}}\n" for n in range(1, 60)
    )
    mapping = _mapping(values=doubled, reason="{id: {value: v59}}")
    assert len(_rows(tmp_path, "ID\n7\n", mapping)[0].facts) == 1


JOINED = """\
mapping: small
source: erp
inputs:
%s
"""
LOOKED_UP = "  - name: i%d\n    file: {name: i%d.csv, row_id: ID}\n"


def _inputs(inputs: int, joins: int) -> str:
    joined = "".join(f"      j{n}: {{input: i1, by: ID}}\n" for n in range(joins))
    first = f"  - name: i0\n    file: {{row_id: ID}}\n    joins:\n{joined}    facts:\n"
    fact = FACT % ("n", "{column: ID}")
    told = "".join(f"    {line}\n" for line in fact.splitlines())
    others = "".join(LOOKED_UP % (n, n) for n in range(1, inputs))
    return JOINED % (first + told + others)


def test_inputs_and_joins_of_a_mapping() -> None:
    most = limits.MAPPING_JOINS_MAX
    assert read_mapping("m.yaml", _inputs(2, most).encode()).inputs
    with pytest.raises(MappingError, match=f"inputs\\[0\\].joins: .* at most {most} items"):
        read_mapping("m.yaml", _inputs(2, most + 1).encode())
    most = limits.MAPPING_INPUTS_MAX

    def many(count: int) -> bytes:
        named = "".join(
            f"  - name: i{n}\n    file: {{row_id: ID}}\n    facts:\n"
            + "".join(f"    {line}\n" for line in (FACT % ("n", "{column: ID}")).splitlines())
            for n in range(count)
        )
        return (JOINED % named).encode()

    assert len(read_mapping("m.yaml", many(most)).inputs) == most
    with pytest.raises(MappingError, match=f"inputs: .* at most {most} items"):
        read_mapping("m.yaml", many(most + 1))


CELLS = 'cells:\n  - columns: [X]\n    pointer: "see {row}%s"\n'


def test_gaps_and_length_of_a_pointer(tmp_path: Path) -> None:
    gaps = "{any}" * limits.POINTER_GAPS_MAX
    mapping = _mapping(more=CELLS % gaps)
    assert "{any} at most 2 times" in _refused(more=CELLS % (gaps + "{any}"))
    fits = "see " + "a" * (limits.POINTER_CHARS_MAX - 4)
    rows = _rows(tmp_path, f"ID,X\n1,{fits}\n2,{fits}a\n", mapping)
    assert "a pointer at row" in rows[0].notes[0].found
    assert "not used" in rows[1].notes[0].reason
