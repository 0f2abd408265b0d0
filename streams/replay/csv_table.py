"""CSV as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from schemas import limits
from streams.replay.mapping import FileForm, Reading
from streams.replay.tables import Fault, FileError, RawRow, Table, check_header
from topology.problems import Problem


@contextmanager
def open_csv(reading: Reading, form: FileForm, path: Path) -> Iterator[Table]:
    """The rows of the file, in its order. Blank lines are no rows.

    Raises FileError when the header does not fit, OSError without a file.
    """
    with path.open("rb") as file, csv_table(reading, form, file, path.name) as table:
        yield table


@contextmanager
def csv_table(reading: Reading, form: FileForm, file: BinaryIO, name: str) -> Iterator[Table]:
    """The rows of a file of that name that is open; it is closed when the block ends. Raises
    FileError when the header does not fit."""
    with TextIOWrapper(file, encoding=form.encoding, errors="surrogateescape", newline="") as text:
        reader = _Reader(name, text, form.delimiter)
        header = reader.header()
        check_header(reading, name, header)
        yield Table(name, header, reader.rows(len(header)))


class _LongLine(Exception):
    """A line is longer than a line may be; it was not read to its end."""


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(limits.CSV_LINE_CHARS_MAX + 1):
        if len(line) > limits.CSV_LINE_CHARS_MAX:
            raise _LongLine
        yield line


class _Reader:
    """Reads one file: its header, then its rows."""

    def __init__(self, name: str, file: TextIO, delimiter: str) -> None:
        self._name = name
        self._reader = csv.reader(_lines(file), delimiter=delimiter)

    def header(self) -> list[str]:
        """The names of the columns. Raises FileError."""
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            raise self._refused(str(error), "a header") from error
        except _LongLine as error:
            expected = f"at most {limits.CSV_LINE_CHARS_MAX} characters"
            raise self._refused("a longer line", expected) from error
        if not cells:
            raise self._refused("nothing", "a header with the names of columns")
        if len(cells) > limits.CSV_COLUMNS_MAX:
            raise self._refused(f"{len(cells)} columns", f"at most {limits.CSV_COLUMNS_MAX}")
        header = [cell.strip() for cell in cells]
        header[0] = header[0].removeprefix("\ufeff").strip()
        return header

    def _refused(self, found: str, expected: str) -> FileError:
        return FileError([Problem(self._name, 1, "", found, expected)])

    def rows(self, width: int) -> Iterator[RawRow]:
        """The rows below the header."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader, None)
            except _LongLine:
                expected = f"at most {limits.CSV_LINE_CHARS_MAX} characters"
                yield RawRow(line, [], Fault("", "a longer line", expected))
                return
            except csv.Error as error:
                yield RawRow(line, [], Fault("", str(error), "a row of comma-separated values"))
                continue
            if cells is None:
                return
            if cells and len(cells) != width:
                expected = f"{width}, as the header has"
                yield RawRow(line, [], Fault("", f"{len(cells)} cells", expected))
            elif cells:
                yield RawRow(line, cells)
