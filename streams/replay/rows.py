"""Rows of a CSV file, each with its line, and the facts that a mapping makes of them.

Every row comes out once: as facts, or rejected with its problems. Rows are read one at a time; what
is kept of all of them is their ids and, for pointers, the ids that they point at.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from schemas import limits
from schemas.facts import FACT_TYPES, Fact
from schemas.validation import check
from streams.replay.evaluation import Note, Refused, RowValues
from streams.replay.mapping import CellRule, FactRule, Mapping
from streams.replay.mapping_checks import MONEY_FIELDS
from topology.problems import Problem, quoted, suggestion


@dataclass(frozen=True)
class MappedRow:
    """What became of one row: facts, or problems that name column, found and expected.

    `line` is the line of the file at which the row starts, from 1. A row without facts always has
    a problem. `pointers` are the ids of other rows that its cells point at.
    """

    line: int
    row_id: str
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    pointers: tuple[tuple[str, str], ...] = ()
    """Column and the id of the row that it points at."""

    @property
    def is_rejected(self) -> bool:
        """The row gave no facts."""
        return not self.facts


class FileError(ValueError):
    """The file as a whole cannot be read by the mapping; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def map_file(mapping: Mapping, path: Path) -> Iterator[MappedRow]:
    """Every row of the file, mapped, in the order of the file. Blank lines are no rows.

    Raises FileError before the first row when the header does not fit, OSError without a file.
    """
    with path.open(
        "r", encoding=mapping.file.encoding, errors="surrogateescape", newline=""
    ) as file:
        reader = csv.reader(_lines(file), delimiter=mapping.file.delimiter)
        mapper = _RowMapper(mapping, path.name, _header(mapping, path.name, reader))
        line_next = reader.line_num + 1
        while True:
            try:
                cells = next(reader, None)
            except _LongLine:
                expected = f"at most {limits.CSV_LINE_CHARS_MAX} characters"
                yield mapper.rejected(line_next, "", "", "a longer line", expected)
                return
            except csv.Error as error:
                line, line_next = line_next, reader.line_num + 1
                yield mapper.rejected(line, "", "", str(error), "a row of comma-separated values")
                continue
            if cells is None:
                return
            line, line_next = line_next, reader.line_num + 1
            if cells:
                yield mapper.mapped(line, cells)


class _LongLine(Exception):
    """A line is longer than a line may be; it was not read to its end."""


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(limits.CSV_LINE_CHARS_MAX + 1):
        if len(line) > limits.CSV_LINE_CHARS_MAX:
            raise _LongLine
        yield line


def dangling_pointers(path: Path, rows: list[MappedRow]) -> Iterator[Problem]:
    """Pointers, in all rows of one file, at rows that the file does not have."""
    known = {row.row_id for row in rows}
    for row in rows:
        for column, target in row.pointers:
            if target not in known:
                found = f"a pointer at row {quoted(target)}"
                yield Problem(path.name, row.line, column, found, "the id of a row of this file")


def _header(mapping: Mapping, name: str, reader: Iterator[list[str]]) -> list[str]:
    try:
        cells = next(reader, None)
    except csv.Error as error:
        raise FileError([Problem(name, 1, "", str(error), "a header")]) from error
    except _LongLine as error:
        expected = f"at most {limits.CSV_LINE_CHARS_MAX} characters"
        raise FileError([Problem(name, 1, "", "a longer line", expected)]) from error
    if not cells:
        raise FileError([Problem(name, 1, "", "nothing", "a header with the names of columns")])
    if len(cells) > limits.CSV_COLUMNS_MAX:
        expected = f"at most {limits.CSV_COLUMNS_MAX}"
        raise FileError([Problem(name, 1, "", f"{len(cells)} columns", expected)])
    header = [cell.strip() for cell in cells]
    header[0] = header[0].removeprefix("\ufeff").strip()
    problems = []
    for column in mapping.columns():
        if column not in header:
            expected = f"the column {quoted(column)}{suggestion(column, header)}"
            problems.append(Problem(name, 1, "", "no such column", expected))
        elif header.count(column) > 1:
            found = f"the column {quoted(column)} {header.count(column)} times"
            problems.append(Problem(name, 1, column, found, "one column of that name"))
    if problems:
        raise FileError(problems)
    return header


class _RowMapper:
    """Maps the rows of one file; remembers their ids, so that none is used twice."""

    def __init__(self, mapping: Mapping, name: str, header: list[str]) -> None:
        self._mapping = mapping
        self._name = name
        self._header = header
        self._lines: dict[str, int] = {}

    def rejected(self, line: int, row_id: str, column: str, found: str, expected: str) -> MappedRow:
        """The row without facts, and why."""
        return MappedRow(line, row_id, (), (Problem(self._name, line, column, found, expected),))

    def mapped(self, line: int, cells: list[str]) -> MappedRow:
        """The row's facts, or why there are none."""
        if len(cells) != len(self._header):
            expected = f"{len(self._header)}, as the header has"
            return self.rejected(line, "", "", f"{len(cells)} cells", expected)
        row = dict(zip(self._header, cells, strict=True))
        row_id = row[self._mapping.file.row_id].strip()
        for column, cell in row.items():
            if len(cell) > limits.CSV_CELL_CHARS_MAX:
                expected = f"at most {limits.CSV_CELL_CHARS_MAX}"
                return self.rejected(line, row_id, column, f"{len(cell)} characters", expected)
            if any("\udc80" <= character <= "\udcff" for character in cell):
                shown = ascii(cell[:40])
                expected = f"text in {self._mapping.file.encoding}"
                return self.rejected(line, "", column, f"bytes that are no text: {shown}", expected)
        if not row_id:
            column = self._mapping.file.row_id
            return self.rejected(line, "", column, "nothing", "the id of the row")
        if row_id in self._lines:
            found = f"the row id {quoted(row_id)} of line {self._lines[row_id]} again"
            column = self._mapping.file.row_id
            return self.rejected(line, row_id, column, found, "an id of its own")
        self._lines[row_id] = line
        return self._told(line, row_id, row)

    def _told(self, line: int, row_id: str, row: dict[str, str]) -> MappedRow:
        values = RowValues(self._mapping, row)
        facts: list[Fact] = []
        for rule in self._mapping.facts:
            try:
                if rule.when is None or values.holds(rule.when):
                    facts.append(_fact(self._mapping.source, row_id, rule, values))
            except Refused as error:
                column = f"{rule.label}: {error.column}" if error.column else rule.label
                return self.rejected(line, row_id, column, error.found, error.expected)
        if not facts:
            return self.rejected(line, row_id, "", "a row that no fact applies to", "a fact")
        notes, pointers = dict(values.notes), list[tuple[str, str]]()
        for cell_rule in self._mapping.cells:
            for column in cell_rule.columns:
                _read_cell(self._mapping, cell_rule, column, row[column].strip(), notes, pointers)
        return MappedRow(line, row_id, tuple(facts), (), tuple(notes), tuple(pointers))


def _fact(source: str, row_id: str, rule: FactRule, values: RowValues) -> Fact:
    fields: dict[str, Any] = {"occurred_at": values.value(rule.occurred_at)}
    fields["recorded_at"] = (
        fields["occurred_at"] if rule.recorded_at is None else values.value(rule.recorded_at)
    )
    for name in ("occurred_at", "recorded_at"):
        if fields[name] is None:
            raise Refused(name, "nothing", "a moment")
    for name, expression in rule.fields.items():
        value = values.value(expression)
        if name not in MONEY_FIELDS:
            fields[name] = value
        elif isinstance(value, tuple):
            fields[MONEY_FIELDS[name]], currency = value
            if fields.setdefault("currency", currency) != currency:
                raise Refused(name, f"an amount in {currency}", f"one in {fields['currency']}")
    event_id = f"{source}:{row_id}:{rule.label}"
    fact = FACT_TYPES[rule.family](event_id=event_id, source=source, kind=rule.kind, **fields)
    refused = check(fact)
    if refused is not None:
        raise Refused("", str(refused.reason), refused.error)
    return fact


def _read_cell(
    mapping: Mapping,
    rule: CellRule,
    column: str,
    text: str,
    notes: dict[Note, None],
    pointers: list[tuple[str, str]],
) -> None:
    """Notes what the cell is when it is no figure; collects where it points."""
    if not text or _is_decimal(text):
        return
    sentinels = mapping.sentinels[rule.sentinels] if rule.sentinels is not None else {}
    if text in sentinels:
        notes[Note(column, text, sentinels[text])] = None
        return
    found = None
    if rule.pointer is not None and len(text) <= limits.POINTER_CHARS_MAX:
        found = _pointer(rule.pointer).fullmatch(text)
    if found is None:
        reason = "neither a figure, nor a sentinel, nor a pointer at another row: not used"
        notes[Note(column, text, reason)] = None
        return
    pointers.append((column, found["row"]))


def _is_decimal(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


@lru_cache(maxsize=100)
def _pointer(template: str) -> re.Pattern[str]:
    pattern = re.escape(template).replace(r"\{row\}", r"(?P<row>\S+?)")
    return re.compile(pattern.replace(r"\{any\}", r"\S+"))
