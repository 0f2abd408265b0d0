"""Rows of one input looked up by rows of another, by key.

Of each input that is joined only the key and the columns that are asked for are kept, for every
row of its files.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas import limits
from streams.replay.evaluation import Refused
from streams.replay.expressions import Otherwise
from streams.replay.mapping import Join, Mapping, Reading
from streams.replay.tables import FileError, Table
from topology.problems import Problem, quoted


@dataclass
class Index:
    """Rows of one input by the text in its column `key`: the cells of `columns`, or None where
    several rows have that key, so that nobody can tell which is meant."""

    key: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...] | None] = field(default_factory=dict)

    def take(self, row: dict[str, str]) -> None:
        """One more row; one without the key is found by nobody."""
        key = row[self.key].strip()
        if not key:
            return
        told = tuple(row[column] for column in self.columns)
        self.rows[key] = None if key in self.rows else told


class Joins:
    """All indexes of a mapping. Fill them with every row of the inputs that are joined first."""

    def __init__(self, mapping: Mapping) -> None:
        self._indexes: dict[tuple[str, str], Index] = {}
        """By the input that joins and the name of the join there."""
        self._of: dict[str, list[Index]] = {}
        """By the input that is joined."""
        self._count = 0
        for reading in mapping.readings():
            for name, join in reading.body.joins.items():
                index = Index(join.key_column, reading.joined_columns(name))
                self._indexes[reading.name, name] = index
                self._of.setdefault(join.input, []).append(index)

    def is_joined(self, reading: Reading) -> bool:
        """Some input looks up rows of this one."""
        return reading.name in self._of

    def check(self, reading: Reading, table: Table) -> None:
        """Refuses, by FileError, a table of the input that lacks a column that others ask for."""
        wanted = {
            column
            for index in self._of.get(reading.name, ())
            for column in (index.key, *index.columns)
        }
        missing = sorted(wanted - set(table.header))
        if missing:
            expected = "the columns that other inputs ask for: {}".format(
                ", ".join(map(quoted, missing))
            )
            raise FileError([Problem(table.label, 1, "", "no such column", expected)])

    def take(self, reading: Reading, label: str, line: int, row: dict[str, str]) -> None:
        """One row of the input. Raises FileError when there are too many."""
        for index in self._of.get(reading.name, ()):
            self._count += 1
            if self._count > limits.JOINED_ROWS_MAX:
                expected = f"at most {limits.JOINED_ROWS_MAX} in all inputs that are joined"
                raise FileError([Problem(label, line, "", "more rows", expected)])
            index.take(row)

    def widen(self, reading: Reading, row: dict[str, str]) -> None:
        """Puts the columns of all joins of the input into one of its rows. Raises Refused."""
        for name, join in reading.body.joins.items():
            index = self._indexes[reading.name, name]
            found = self._found(name, join, index, row[join.by].strip())
            for at, column in enumerate(index.columns):
                row[f"{name}.{column}"] = found[at] if found is not None else ""

    @staticmethod
    def _found(name: str, join: Join, index: Index, key: str) -> tuple[str, ...] | None:
        told = index.rows.get(key, ())
        if told is None:
            found = f"several rows with {join.key_column} {quoted(key)}"
            raise Refused(join.by, found, f"one row of {join.input} for the join {name}")
        if key in index.rows:
            return told
        if join.otherwise is Otherwise.REFUSE:
            expected = f"a row of {join.input} with this {join.key_column}"
            raise Refused(join.by, quoted(key) if key else "nothing", expected)
        return None
