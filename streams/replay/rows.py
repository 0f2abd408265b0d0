"""Rows of a table, each with its line, and the facts that a mapping makes of them.

Every row comes out once: as facts, as one that others look up, or rejected with its problems. Rows
are read one at a time; what is kept of all of them is their ids and, for pointers, the ids that
they point at; and of inputs that are joined what the others ask for (`joins`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from schemas import limits
from schemas.facts import FACT_TYPES, Fact
from schemas.validation import check
from streams.replay.csv_table import open_csv
from streams.replay.evaluation import Note, Refused, RowValues
from streams.replay.joins import Joins
from streams.replay.mapping import CellRule, FactRule, FileForm, Mapping, Reading
from streams.replay.mapping_checks import MONEY_FIELDS
from streams.replay.sqlite_table import open_sqlite
from streams.replay.tables import Fault, RawRow, Table, cell_fault
from topology.problems import Problem, quoted


@dataclass(frozen=True)
class MappedRow:
    """What became of one row: facts, or problems that name column, found and expected.

    `line` is where `RawRow` says. A row without facts always has a problem, unless it
    `is_looked_up`: it is there for other inputs that join it. `pointers` are the ids of other rows
    that its cells point at.
    """

    line: int
    row_id: str
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    pointers: tuple[tuple[str, str], ...] = ()
    """Column and the id of the row that it points at."""
    is_looked_up: bool = False

    @property
    def is_rejected(self) -> bool:
        """The row is used for nothing."""
        return not self.facts and not self.is_looked_up


def open_table(reading: Reading, path: Path) -> AbstractContextManager[Table]:
    """The file as the mapping says it is. Raises FileError when it is not, OSError without it."""
    form = reading.form
    if isinstance(form, FileForm):
        return open_csv(reading, form, path)
    return open_sqlite(reading, form, path)


def map_table(reading: Reading, path: Path, joins: Joins) -> Iterator[MappedRow]:
    """Every row of the file, mapped, in the order of the file.

    Raises FileError before the first row when the header does not fit, OSError without a file.
    """
    with open_table(reading, path) as table:
        yield from map_rows(reading, table, joins)


def map_rows(reading: Reading, table: Table, joins: Joins) -> Iterator[MappedRow]:
    """Every row of a table that is open, mapped, in its order."""
    mapper = _RowMapper(reading, table, joins)
    for row in table.rows:
        yield mapper.mapped(row)


def index_table(reading: Reading, path: Path, joins: Joins) -> None:
    """Puts every readable row of the file where those that join the input find it."""
    with open_table(reading, path) as table:
        joins.check(reading, table)
        for raw in table.rows:
            if raw.fault is None:
                row = dict(zip(table.header, raw.cells, strict=True))
                joins.take(reading, table.label, raw.line, row)


def dangling_pointers(path: Path, rows: list[MappedRow]) -> Iterator[Problem]:
    """Pointers, in all rows of one file, at rows that the file does not have."""
    known = {row.row_id for row in rows}
    for row in rows:
        for column, target in row.pointers:
            if target not in known:
                found = f"a pointer at row {quoted(target)}"
                yield Problem(path.name, row.line, column, found, "the id of a row of this file")


class _RowMapper:
    """Maps the rows of one table; remembers their ids, so that none is used twice."""

    def __init__(self, reading: Reading, table: Table, joins: Joins) -> None:
        self._reading = reading
        self._source = reading.mapping.source
        self._prefix = f"{reading.name}:" if reading.name else ""
        self._form = reading.form
        self._encoding = self._form.encoding if isinstance(self._form, FileForm) else "utf-8"
        self._label = table.label
        self._header = table.header
        self._joins = joins
        self._lines: dict[str, int] = {}

    def _rejected(self, line: int, row_id: str, fault: Fault) -> MappedRow:
        problem = Problem(self._label, line, fault.column, fault.found, fault.expected)
        return MappedRow(line, row_id, (), (problem,))

    def mapped(self, raw: RawRow) -> MappedRow:
        """The row's facts, or why there are none."""
        line = raw.line
        if raw.fault is not None:
            return self._rejected(line, "", raw.fault)
        row = dict(zip(self._header, raw.cells, strict=True))
        for column, cell in row.items():
            fault = cell_fault(column, cell, self._encoding)
            if fault is not None:
                return self._rejected(line, "", fault)
        parts = [row[column].strip() for column in self._form.row_id]
        columns = ", ".join(self._form.row_id)
        if not all(parts):
            return self._rejected(line, "", Fault(columns, "nothing", "the id of the row"))
        row_id = "/".join(parts)
        if row_id in self._lines:
            found = f"the row id {quoted(row_id)} of line {self._lines[row_id]} again"
            return self._rejected(line, row_id, Fault(columns, found, "an id of its own"))
        self._lines[row_id] = line
        if self._reading.is_only_joined:
            return MappedRow(line, row_id, (), is_looked_up=True)
        try:
            self._joins.widen(self._reading, row)
        except Refused as error:
            return self._rejected(line, row_id, Fault(error.column, error.found, error.expected))
        return self._told(line, row_id, row)

    def _told(self, line: int, row_id: str, row: dict[str, str]) -> MappedRow:
        values = RowValues(self._reading, row)
        facts: list[Fact] = []
        for rule in self._reading.body.facts:
            try:
                if rule.when is None or values.holds(rule.when):
                    facts.append(_fact(self._source, f"{self._prefix}{row_id}", rule, values))
            except Refused as error:
                column = f"{rule.label}: {error.column}" if error.column else rule.label
                return self._rejected(line, row_id, Fault(column, error.found, error.expected))
        if not facts:
            return self._rejected(
                line, row_id, Fault("", "a row that no fact applies to", "a fact")
            )
        notes, pointers = dict(values.notes), list[tuple[str, str]]()
        for cell_rule in self._reading.body.cells:
            for column in cell_rule.columns:
                _read_cell(
                    self._reading.mapping, cell_rule, column, row[column].strip(), notes, pointers
                )
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
