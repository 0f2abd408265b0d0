"""Network files as rows of text, each value with the line it stands on.

YAML and CSV say the same: rows of named values, a value being text or a list of texts. YAML is read
without guessing types, so that a country `NO`, an id `0815` and a time `17:00` stay what they are.
It is read event by event, so depth and size are bounded; aliases and tags are refused.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from schemas.limits import NETWORK_DEPTH_MAX
from topology.problems import Limits, Problem, quoted

LIST_SEPARATOR = "|"
"""Between the entries of a list in one CSV cell."""

Value: TypeAlias = str | list[str]

_LOADER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


@dataclass(frozen=True)
class RawRow:
    """One row as written: values by field, and the line of each; `line` is where it starts."""

    file: str
    line: int
    values: dict[str, Value]
    lines: dict[str, int] = field(default_factory=dict)

    def problem(self, name: str, found: str, expected: str) -> Problem:
        """A problem of that field of this row, at its line."""
        return Problem(self.file, self.lines.get(name, self.line), name, found, expected)


@dataclass(frozen=True)
class Header:
    """The columns of a CSV file and the line they stand on."""

    line: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RawTable:
    """The rows of one file; `header` of a CSV only. `is_whole` is false when some of the file could
    not be read."""

    file: str
    rows: tuple[RawRow, ...] = ()
    header: Header | None = None
    problems: tuple[Problem, ...] = ()
    is_whole: bool = True


_Piece: TypeAlias = Header | RawRow | Problem


class _Unreadable(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(line, found, expected)
        self.line, self.found, self.expected = line, found, expected


def read_file(path: Path, limits: Limits) -> RawTable:
    """The rows of a .yaml, .yml or .csv file, and what is wrong with its form."""
    try:
        with path.open("rb") as file:
            data = file.read(limits.file_bytes_max + 1)
    except OSError as error:
        problem = Problem(path.name, 0, "", error.strerror or "an error", "a file to read")
        return RawTable(path.name, problems=(problem,), is_whole=False)
    return read_table(path.name, data, limits)


def read_table(name: str, data: bytes, limits: Limits) -> RawTable:
    """The rows in the bytes of a file of that name."""
    rows: list[RawRow] = []
    problems: list[Problem] = []
    header: Header | None = None
    is_whole = True
    for each in _pieces(name, data, limits):
        match each:
            case Header():
                header = each
            case RawRow():
                rows.append(each)
            case Problem():
                problems.append(each)
            case _Unreadable():
                is_whole = False
                problems.append(Problem(name, each.line, "", each.found, each.expected))
    return RawTable(name, tuple(rows), header, tuple(problems[: limits.problems_max]), is_whole)


def _pieces(name: str, data: bytes, limits: Limits) -> Iterator[_Piece | _Unreadable]:
    """What the file holds, up to where it cannot be read any further."""
    row_count = 0
    try:
        text = _text(data, limits)
        for each in (_csv_rows if name.lower().endswith(".csv") else _yaml_rows)(
            name, text, limits
        ):
            row_count += isinstance(each, RawRow)
            if row_count > limits.rows_max:
                line = each.line if isinstance(each, RawRow) else 0
                yield _Unreadable(line, "one row more", f"at most {limits.rows_max} rows")
                return
            yield each
    except _Unreadable as stop:
        yield stop


def _text(data: bytes, limits: Limits) -> str:
    if len(data) > limits.file_bytes_max:
        raise _Unreadable(0, "a larger file", f"at most {limits.file_bytes_max} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Unreadable(line, f"the byte 0x{data[error.start]:02x}", "text in UTF-8") from error


def _checked(row: RawRow, limits: Limits) -> Iterator[RawRow | Problem]:
    """The row, or its values that are larger than they may be."""
    is_fit = True
    for name, value in row.values.items():
        entries = value if isinstance(value, list) else [value]
        if len(entries) > limits.list_entries_max:
            is_fit = False
            expected = f"at most {limits.list_entries_max} entries"
            yield row.problem(name, f"{len(entries)} entries", expected)
        longest = max(map(len, entries), default=0)
        if longest > limits.field_chars_max:
            is_fit = False
            expected = f"at most {limits.field_chars_max} characters"
            yield row.problem(name, f"{longest} characters", expected)
    if is_fit:
        yield row


def _csv_rows(name: str, text: str, limits: Limits) -> Iterator[_Piece]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: Header | None = None
    line_next = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _Unreadable(reader.line_num, str(error), "comma-separated values") from error
        if cells is None:
            return
        line, line_next = line_next, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(line, cells, limits)
            yield header
        elif len(cells) != len(header.columns):
            found, expected = f"{len(cells)} cells", f"{len(header.columns)}, as the header has"
            yield Problem(name, line, "", found, expected)
        else:
            values: dict[str, Value] = {
                column: cell.strip() for column, cell in zip(header.columns, cells, strict=True)
            }
            yield from _checked(RawRow(name, line, values), limits)


def _header(line: int, cells: list[str], limits: Limits) -> Header:
    columns = tuple(cell.strip() for cell in cells)
    if len(columns) == 1 and ";" in columns[0]:
        raise _Unreadable(line, "a header with semicolons", "commas between the columns")
    if len(columns) > limits.row_fields_max:
        expected = f"at most {limits.row_fields_max}"
        raise _Unreadable(line, f"{len(columns)} columns", expected)
    for at, column in enumerate(columns):
        if not column:
            raise _Unreadable(line, "a column without a name", "a name for each column")
        if column in columns[:at]:
            raise _Unreadable(line, f"the column {quoted(column)} twice", "each column once")
    return Header(line, columns)


def _yaml_rows(name: str, text: str, limits: Limits) -> Iterator[_Piece]:
    events = _events(text)
    for event in events:
        if isinstance(event, yaml.SequenceStartEvent):
            break
        if isinstance(event, yaml.ScalarEvent) and not event.value:
            break
        if isinstance(event, yaml.NodeEvent):
            raise _Unreadable(_line(event), _kind(event), "a list of rows, each starting with '- '")
    for event in events:
        if isinstance(event, yaml.MappingStartEvent):
            yield from _yaml_row(name, event, events, limits)
        elif isinstance(event, yaml.NodeEvent):
            yield Problem(name, _line(event), "", _kind(event), "a row of 'field: value' lines")
            _skip(event, events)
        elif isinstance(event, yaml.DocumentStartEvent):
            raise _Unreadable(_line(event), "a second document", "one document in a file")


def _yaml_row(
    name: str, start: yaml.Event, events: Iterator[yaml.Event], limits: Limits
) -> Iterator[RawRow | Problem]:
    row = RawRow(name, _line(start), {})
    is_whole = True
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        value = None
        if isinstance(key, yaml.ScalarEvent):
            value = _yaml_value(events)
        else:
            _skip(key, events)
            _skip(next(events), events)
        if not isinstance(key, yaml.ScalarEvent):
            is_whole = False
            yield Problem(name, _line(key), "", f"{_kind(key)} as a field", "the name of a field")
        elif key.value in row.values:
            is_whole = False
            yield Problem(
                name, _line(key), key.value, "the field twice", "each field once in a row"
            )
        elif value is None:
            is_whole = False
            expected = "text or a list of texts"
            yield Problem(name, _line(key), key.value, "something nested", expected)
        elif len(row.values) >= limits.row_fields_max:
            expected = f"at most {limits.row_fields_max} in a row"
            raise _Unreadable(_line(key), "one field more", expected)
        else:
            row.values[key.value] = value
            row.lines[key.value] = _line(key)
    if is_whole:
        yield from _checked(row, limits)


def _yaml_value(events: Iterator[yaml.Event]) -> Value | None:
    """The text or list of texts that follows; None when it is something else, then skipped."""
    event = next(events)
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if not isinstance(event, yaml.SequenceStartEvent):
        _skip(event, events)
        return None
    entries: list[str] = []
    is_flat = True
    for each in events:
        if isinstance(each, yaml.SequenceEndEvent):
            break
        if isinstance(each, yaml.ScalarEvent):
            entries.append(_scalar(each))
        else:
            is_flat = False
            _skip(each, events)
    return entries if is_flat else None


def _scalar(event: yaml.ScalarEvent) -> str:
    """The text; a plain `~` or `null` means that nothing is given."""
    return "" if not event.style and event.value in ("~", "null") else str(event.value).strip()


def _skip(start: yaml.Event, events: Iterator[yaml.Event]) -> None:
    """Passes over the rest of what the event starts."""
    depth = int(isinstance(start, yaml.CollectionStartEvent))
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)


def _events(text: str) -> Iterator[yaml.Event]:
    """The events of the text; what cannot be read, an alias, a tag or deep nesting ends it.

    Depth is bounded here because the parser's time grows with its square.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > NETWORK_DEPTH_MAX:
                raise _Unreadable(_line(event), "values nested too deep", "rows of plain values")
            if isinstance(event, yaml.AliasEvent):
                raise _Unreadable(_line(event), f"the alias *{event.anchor}", "values written out")
            tag = getattr(event, "tag", None)
            if tag is not None and isinstance(event, yaml.NodeEvent):
                raise _Unreadable(_line(event), f"the tag {quoted(tag)}", "values without tags")
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise _Unreadable(line, error.problem or "an error", "YAML") from error
    except yaml.YAMLError as error:
        at = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise _Unreadable(at, "a character that YAML does not allow", "YAML") from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _kind(event: yaml.Event) -> str:
    if isinstance(event, yaml.ScalarEvent):
        return quoted(event.value)
    return "fields" if isinstance(event, yaml.MappingStartEvent) else "a list"
