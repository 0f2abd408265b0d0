"""One file of a folder: what it says, and the report on it.

JSON (`.json`, `.jsonl`) holds facts as they are posted over HTTP; CSV is read by the folder's
mapping. What the file says is told by the folder's source, whatever stands in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from schemas import limits
from schemas.facts import Fact
from schemas.json_facts import Problem as JsonProblem
from schemas.json_facts import read_objects
from schemas.units import UtcMillis
from streams.door.statements import ahead, fact_of, fit_for_json
from streams.replay.inputs import mapped_file
from streams.replay.mapping import FileForm, Mapping
from streams.replay.tables import FileError
from topology.problems import Problem as CsvProblem

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong in a line of the file, from 1; 0 is the file as a whole. `error` says what was
    found and what was expected."""

    line: int
    field: str | None
    error: str


Row: TypeAlias = list[Fact] | list[Wrong]
"""The facts of one row or object, or why it gives none."""


def read_rows(
    name: str,
    open_file: Callable[[], BinaryIO],
    source: str,
    mapping: Mapping | None,
    now: UtcMillis,
) -> Iterator[Row]:
    """What the file of that name says, in its order: the facts of each row, or why there are none.
    Nothing of it depends on when it is read but `recorded_at` where the file has none.

    The `mapping` is not `unfit`. What `open_file` raises as OSError is a problem of the file.
    """
    try:
        with open_file() as file:
            yield from _rows(name, file, source, mapping, now)
    except OSError as error:
        yield [Wrong(0, None, f"it cannot be read: {error.strerror}")]


def _rows(
    name: str, file: BinaryIO, source: str, mapping: Mapping | None, now: UtcMillis
) -> Iterator[Row]:
    suffix = Path(name).suffix.lower()
    size = os.fstat(file.fileno()).st_size
    if size > limits.DOOR_FILE_BYTES_MAX:
        expected = f"expected at most {limits.DOOR_FILE_BYTES_MAX}"
        yield [Wrong(0, None, f"found {size} bytes, {expected}")]
    elif suffix in JSON_SUFFIXES:
        yield from _json_rows(name, file.read(limits.DOOR_FILE_BYTES_MAX), source, now)
    elif suffix != ".csv":
        expected = f"expected .csv or one of {', '.join(JSON_SUFFIXES)}"
        yield [Wrong(0, None, f"found the ending {ascii(suffix)[:40]}, {expected}")]
    elif mapping is None:
        yield [Wrong(0, None, "found CSV, expected JSON: no mapping is set for this folder")]
    else:
        yield from _csv_rows(name, file, mapping.model_copy(update={"source": source}), now)


def _json_rows(name: str, data: bytes, source: str, now: UtcMillis) -> Iterator[Row]:
    for each in read_objects(data, name):
        if isinstance(each, JsonProblem):
            yield [Wrong(each.line, each.field, each.error)]
            continue
        line, found = each
        fact = fact_of(found, source, now) if isinstance(found, dict) else None
        if fact is None:
            yield [Wrong(line, None, "found no JSON object, expected a fact")]
        elif isinstance(fact, list):
            yield [Wrong(line, fit_for_json(field), error) for field, error in fact]
        else:
            yield [fact]


def _csv_rows(name: str, file: BinaryIO, mapping: Mapping, now: UtcMillis) -> Iterator[Row]:
    try:
        for row in mapped_file(mapping, file, name):
            late = [
                Wrong(row.line, field, error)
                for fact in row.facts
                for field, error in ahead(fact, now)
            ]
            yield [_of_csv(problem) for problem in row.problems] or late or list(row.facts)
    except FileError as error:
        yield [_of_csv(problem) for problem in error.problems]


def _of_csv(problem: CsvProblem) -> Wrong:
    error = f"found {problem.found}, expected {problem.expected}"
    # What is no UTF-8 in a header or cell stands in the sentence as a lone surrogate.
    error = error[: limits.ERROR_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
    return Wrong(problem.line, fit_for_json(problem.field or None), error)


def unfit(mapping: Mapping) -> str | None:
    """Why no file of a folder can be read by the mapping, found and expected; None when one can."""
    readings = mapping.readings()
    if len(readings) > 1:
        found = f"{len(readings)} inputs"
    elif not isinstance(readings[0].form, FileForm):
        found = "an SQLite database"
    else:
        return None
    return f"found {found}, expected one input of CSV: each file of a folder is read by itself"


class Report(msgspec.Struct, frozen=True):
    """What became of a file, beside it as NAME.report.json; at most `limits.DOOR_PROBLEMS_MAX`
    problems are listed, all are counted in `refused`."""

    file: str
    source: str
    accepted: int
    refused: int
    problems: tuple[Wrong, ...]
