"""Reads a folder of YAML and CSV into a network, and says all that is wrong with it at once.

The one module of `topology` that reads files which people write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from topology.checks import CheckedTable, relation_problems, warnings
from topology.fields import Refused, expected_of
from topology.model import Document
from topology.network import Network, build
from topology.problems import Limits, Problem, quoted, suggestion
from topology.reading import RawRow, RawTable, read_file
from topology.rows import TABLES, Row, Table

ENDINGS = (".yaml", ".yml", ".csv")
LIMITS = Limits()


@dataclass(frozen=True)
class LoadResult:
    """A network, or the errors that stand against it; warnings of a network only.

    Errors and warnings ascend by file, line and field. `omitted_count` errors beyond
    `Limits.problems_max` are not listed.
    """

    network: Network | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    omitted_count: int = 0


@dataclass(frozen=True)
class Summary:
    """How much of everything a network holds."""

    version: str
    calendars: int
    parties: int
    sites: int
    items: int
    stock_nodes: int
    lanes: int
    bills_of_material: int
    accounts: int
    feeds: int
    cells: int
    largest_cell: str
    largest_cell_nodes: int


def summary(network: Network) -> Summary:
    """The counts of a network, and its largest cell (of several the smallest id)."""
    largest = min(network.cells, key=lambda cell: (-len(network.cells[cell]), cell), default="")
    return Summary(
        version=network.version,
        cells=len(network.cells),
        largest_cell=largest,
        largest_cell_nodes=len(network.cells.get(largest, ())),
        **{table.name: len(getattr(network.document, table.name)) for table in TABLES},
    )


def check(folder: Path, limits: Limits = LIMITS) -> LoadResult:
    """The network in the folder, or everything that is wrong with it. Never raises for content."""
    errors, files = _files(folder)
    omitted_count = 0
    tables: dict[str, CheckedTable] = {}
    for table in TABLES:
        path = files.get(table.name)
        if path is None:
            tables[table.name] = CheckedTable(table, f"{table.name}.yaml")
            continue
        raw = read_file(path, limits)
        rows, problems, omitted = _validated(table, raw, limits)
        errors += [*raw.problems, *problems]
        omitted_count += omitted
        ids = frozenset(_id(row) for row in raw.rows)
        tables[table.name] = CheckedTable(table, raw.file, rows, ids, raw.is_whole)
    between, omitted = relation_problems(tables, limits)
    errors += between
    if errors:
        listed = tuple(sorted(errors)[: limits.problems_max])
        omitted_count += omitted + len(errors) - len(listed)
        return LoadResult(None, listed, omitted_count=omitted_count)
    network = build(_document(tables))
    return LoadResult(network, warnings=tuple(sorted(warnings(network, tables, limits))))


def load(folder: Path, limits: Limits = LIMITS) -> Network:
    """The network in the folder; raises NetworkRefused with all errors when there is none."""
    result = check(folder, limits)
    if result.network is None:
        raise NetworkRefused(result)
    return result.network


class NetworkRefused(ValueError):
    """A folder holds no network; the text lists every error on its own line."""

    def __init__(self, result: LoadResult) -> None:
        lines = [str(error) for error in result.errors]
        if result.omitted_count:
            lines.append(f"and {result.omitted_count} more")
        super().__init__("\n".join(lines))
        self.result = result


def _files(folder: Path) -> tuple[list[Problem], dict[str, Path]]:
    """Table name → its file; what is wrong with the files' names."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    except OSError as error:
        found = error.strerror or "an error"
        return [Problem(str(folder), 0, "", found, "a folder of network files")], {}
    names = [table.name for table in TABLES]
    errors: list[Problem] = []
    files: dict[str, Path] = {}
    for path in paths:
        if path.stem not in names:
            expected = f"one of {', '.join(names)}{suggestion(path.stem, names)}"
            errors.append(Problem(path.name, 0, "", "a file of that name", expected))
        elif path.stem in files:
            expected = f"one file for {path.stem}: {files[path.stem].name} is there too"
            errors.append(Problem(path.name, 0, "", "a second file", expected))
        else:
            files[path.stem] = path
    if not paths:
        expected = f"at least one of {', '.join(names)} as .yaml or .csv"
        errors.append(Problem(str(folder), 0, "", "no network files", expected))
    return errors, files


def _id(raw: RawRow) -> str:
    value = raw.values.get("id", "")
    return value if isinstance(value, str) else ""


def _validated(
    table: Table, raw: RawTable, limits: Limits
) -> tuple[tuple[tuple[RawRow, Row], ...], list[Problem], int]:
    """The rows that are right in themselves, what is wrong with the others, and how many more
    errors there are than may be listed: those are only counted, for to explain one takes long."""
    fields = table.row.model_fields
    problems = list(_header_problems(table, raw))
    at_header = {problem.field for problem in problems}
    rows: list[tuple[RawRow, Row]] = []
    omitted = 0
    for each in raw.rows:
        given = {name: value for name, value in each.values.items() if value != ""}
        is_listed = len(problems) < limits.problems_max
        try:
            row = table.row.model_validate(given)
        except ValidationError as error:
            found = [
                details
                for details in error.errors(include_url=False, include_context=is_listed)
                if details["loc"][0] not in at_header
            ]
            if is_listed:
                problems += (_problem(each, details, fields) for details in found)
            else:
                omitted += len(found)
            continue
        faults = [each.problem(*fault) for fault in row.faults()]
        if is_listed:
            problems += faults
        else:
            omitted += len(faults)
        if not faults:
            rows.append((each, row))
    return tuple(rows), problems, omitted


def _header_problems(table: Table, raw: RawTable) -> Iterator[Problem]:
    """Columns of a CSV that nobody knows, and required ones that are not there: said once."""
    if raw.header is None:
        return
    fields = table.row.model_fields
    for column in raw.header.columns:
        if column not in fields:
            yield _unknown_field(raw.file, raw.header.line, column, fields)
    for name, field in fields.items():
        if field.is_required() and name not in raw.header.columns:
            yield Problem(raw.file, raw.header.line, name, "no such column", expected_of(field))


def _problem(raw: RawRow, details: ErrorDetails, fields: dict[str, FieldInfo]) -> Problem:
    name = str(details["loc"][0])
    line = raw.lines.get(name, raw.line)
    if name not in fields:
        return _unknown_field(raw.file, line, name, fields)
    expected = expected_of(fields[name])
    cause: Any = details.get("ctx", {}).get("error")
    if isinstance(cause, Refused):
        return raw.problem(name, str(cause), expected + cause.hint)
    if details["type"] == "missing":
        return raw.problem(name, "nothing", expected)
    return raw.problem(name, quoted(details["input"]), expected)


def _unknown_field(file: str, line: int, name: str, fields: dict[str, FieldInfo]) -> Problem:
    expected = f"one of {', '.join(fields)}{suggestion(name, fields)}"
    return Problem(file, line, name, "an unknown field", expected)


def _document(tables: dict[str, CheckedTable]) -> Document:
    entities: dict[str, Any] = {
        name: tuple(row.entity() for _, row in checked.rows) for name, checked in tables.items()
    }
    return Document(**entities)
