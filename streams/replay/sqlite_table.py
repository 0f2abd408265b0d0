"""A table or a query of an SQLite database as a table.

The database is opened to read, and a query may only read it: nothing is written, attached or
loaded, whatever the mapping says.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from schemas import limits
from streams.replay.mapping import Reading, SqliteForm
from streams.replay.tables import Fault, FileError, RawRow, Table, check_header
from topology.problems import Problem, quoted

_STEPS_AT_ONCE = 1_000_000
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
)


@contextmanager
def open_sqlite(reading: Reading, form: SqliteForm, path: Path) -> Iterator[Table]:
    """The rows of the table or query, in the order in which SQLite gives them.

    Raises FileError when the database or the query cannot be read, lacks a column or takes too many
    steps, also while rows are read; OSError without a file.
    """
    label = f"{path.name} ({reading.name})" if reading.name else path.name
    if form.query is not None:
        statement, what = form.query, "a query that SQLite can read"
    else:
        name = str(form.table)
        quoted_name = name.replace('"', '""')
        statement = f'SELECT * FROM "{quoted_name}"'  # noqa: S608 a quoted name; and see `_ALLOWED`
        what = f"an SQLite database with the table {quoted(name)}"
    with path.open("rb"):
        pass  # SQLite would say of a missing file only that it cannot open it.
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise FileError([Problem(label, 0, "", str(error), "an SQLite database")]) from error
    with closing(connection):
        guard = _guard(connection, limits.SQLITE_STEPS_MAX)
        try:
            cursor = connection.execute(statement)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise FileError([_problem(label, 0, error, guard, what)]) from error
        header = [str(column[0]) for column in cursor.description or ()]
        if len(header) > limits.CSV_COLUMNS_MAX:
            expected = f"at most {limits.CSV_COLUMNS_MAX}"
            raise FileError([Problem(label, 1, "", f"{len(header)} columns", expected)])
        check_header(reading, label, header)
        yield Table(label, header, _rows(cursor, header, label, guard))


class _Guard:
    """Counts the steps of a query, so that none goes on for ever."""

    def __init__(self, steps_max: int) -> None:
        self.steps_max, self.steps = steps_max, 0

    def __call__(self) -> bool:
        """After so many more steps: whether it must end."""
        self.steps += min(_STEPS_AT_ONCE, self.steps_max)
        return self.is_over

    @property
    def is_over(self) -> bool:
        """The query took more steps than it may."""
        return self.steps >= self.steps_max


def _guard(connection: sqlite3.Connection, steps_max: int) -> _Guard:
    guard = _Guard(steps_max)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.SQLITE_VALUE_BYTES_MAX)
    connection.set_authorizer(_authorize)
    connection.set_progress_handler(guard, min(_STEPS_AT_ONCE, steps_max))
    connection.text_factory = _text
    return guard


def _authorize(action: int, subject: object, *_: object) -> int:
    # SQLite asks this when it sets up a table-valued function such as json_each; nothing is
    # written, and could not be, for the database is open to read only.
    is_setup = action == sqlite3.SQLITE_UPDATE and subject in ("sqlite_master", "sqlite_schema")
    return sqlite3.SQLITE_OK if is_setup or action in _ALLOWED else sqlite3.SQLITE_DENY


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _problem(label: str, line: int, error: Exception, guard: _Guard, expected: str) -> Problem:
    if guard.is_over:
        found = f"more than {guard.steps_max} steps of SQLite"
        return Problem(label, line, "", found, "a query that ends sooner")
    return Problem(label, line, "", str(error), expected)


def _rows(cursor: sqlite3.Cursor, header: list[str], label: str, guard: _Guard) -> Iterator[RawRow]:
    line = 0
    while True:
        line += 1
        try:
            row = cursor.fetchone()
        except sqlite3.Error as error:
            raise FileError([_problem(label, line, error, guard, "a row")]) from error
        if row is None:
            return
        cells: list[str] = []
        for column, value in zip(header, row, strict=True):
            match value:
                case None:
                    cells.append("")
                case str():
                    cells.append(value)
                case int():
                    cells.append(str(value))
                case float():
                    cells.append(format(Decimal(repr(value)), "f"))
                case _:
                    fault = Fault(column, f"{len(value)} bytes", "text or a number")
                    yield RawRow(line, [], fault)
                    break
        else:
            yield RawRow(line, cells)
