"""What rows are read from: a table with a header, wherever it lies, and rows of text one at a time.

`csv_table` and `sqlite_table` open one each. A cell is text; what a database keeps as a number is
its decimal text, and what it keeps as nothing is empty, as it would be in CSV.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas import limits
from streams.replay.mapping import Reading
from topology.problems import Problem, quoted, suggestion


class FileError(ValueError):
    """The input as a whole cannot be read by the mapping; `problems` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: its cells by the header, or the `fault` for which there are none.

    `line` is the line of the file at which it starts, from 1; in a database the number of the row
    in what was asked for, from 1.
    """

    line: int
    cells: list[str]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row: the column ("" for the whole row), what was found and expected."""

    column: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is open: `label` is how problems call it."""

    label: str
    header: list[str]
    rows: Iterator[RawRow]


def check_header(reading: Reading, label: str, header: list[str]) -> None:
    """Refuses, by FileError, a header without the columns that the mapping reads, each once."""
    problems = []
    for column in reading.columns():
        if column not in header:
            expected = f"the column {quoted(column)}{suggestion(column, header)}"
            problems.append(Problem(label, 1, "", "no such column", expected))
        elif header.count(column) > 1:
            found = f"the column {quoted(column)} {header.count(column)} times"
            problems.append(Problem(label, 1, column, found, "one column of that name"))
    for column in header:
        join = reading.join_of(column)
        if join is not None and column[len(join) + 1 :] in reading.joined_columns(join):
            expected = f"no column called as one of the join {quoted(join)}"
            problems.append(Problem(label, 1, column, f"the column {quoted(column)}", expected))
    if problems:
        raise FileError(problems)


def cell_fault(column: str, cell: str, encoding: str) -> Fault | None:
    """What is wrong with the text of a cell, if anything is."""
    if len(cell) > limits.CSV_CELL_CHARS_MAX:
        expected = f"at most {limits.CSV_CELL_CHARS_MAX}"
        return Fault(column, f"{len(cell)} characters", expected)
    if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
        shown = ascii(cell[:40])
        return Fault(column, f"bytes that are no text: {shown}", f"text in {encoding}")
    return None
