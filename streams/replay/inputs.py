"""Where recorded facts come from: CSV and SQLite by a mapping, JSON, or records of the topics.

Each gives `InputRow`s: what was read in one place, and the facts it became or why it became none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from schemas.codec import FactDecoder
from schemas.facts import Fact, Family
from schemas.json_facts import read_facts
from schemas.limits import FACT_FILE_BYTES_MAX
from schemas.refusals import Refused
from schemas.validation import check
from streams.replay.csv_table import csv_table
from streams.replay.evaluation import Note
from streams.replay.joins import Joins
from streams.replay.mapping import FileForm, Mapping, Reading
from streams.replay.rows import MappedRow, dangling_pointers, index_table, map_rows, map_table
from streams.replay.tables import FileError
from topology.problems import Problem, quoted

RECORDS_AT_ONCE = 5_000
"""Records that are decoded together."""


@dataclass(frozen=True)
class InputRow:
    """One row, object or record of an input: its facts, or the problems that stand against any.

    `line` counts lines of a file from 1; of rows of a database and of records it is their number,
    from 1. `input` is the mapping's name of the input, where it has one.
    """

    file: str
    line: int
    row_id: str
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()
    input: str = ""
    is_looked_up: bool = False
    """It became no facts itself: other inputs look it up."""

    @property
    def is_rejected(self) -> bool:
        """It is used for nothing."""
        return not self.facts and not self.is_looked_up


def mapped_rows(mapping: Mapping, paths: Sequence[Path]) -> Iterator[InputRow]:
    """The rows of the files, input after input in the order of the mapping.

    An input reads every file whose name fits its own. Raises FileError when a file is none of an
    input, an input has no file, or a file does not fit. Keeps in memory what is joined, and the
    rows of a file where the mapping has pointers from row to row; notes those that point nowhere.
    """
    files = assigned(mapping, paths)
    joins = Joins(mapping)
    for reading, path in files:
        if joins.is_joined(reading):
            index_table(reading, path, joins)
    for reading, path in files:
        yield from _input_rows(reading, path.name, map_table(reading, path, joins))


def mapped_file(mapping: Mapping, file: BinaryIO, name: str) -> Iterator[InputRow]:
    """The rows of a CSV file of that name that is open, by a mapping that has one input, of CSV.

    Raises FileError when the name is not the input's, or the file does not fit.
    """
    (reading,) = mapping.readings()
    form = reading.form
    assert isinstance(form, FileForm)
    if not fnmatchcase(name, form.name):
        expected = f"a file called {quoted(form.name)}, as the mapping says"
        raise FileError([Problem(name, 0, "", "a file of no input", expected)])
    with csv_table(reading, form, file, name) as table:
        yield from _input_rows(reading, name, map_rows(reading, table, Joins(mapping)))


def assigned(mapping: Mapping, paths: Sequence[Path]) -> list[tuple[Reading, Path]]:
    """Which input reads which file, in the order of the inputs; a folder stands for those of its
    files that fit an input. Raises FileError when files and inputs do not fit together."""
    readings = mapping.readings()
    named: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        fitting = [each for each in inside if any(_fits(reading, each) for reading in readings)]
        named += fitting
        if not fitting:
            names = " or ".join(sorted({quoted(reading.form.name) for reading in readings}))
            expected = f"a file called {names}, as the mapping says"
            found_there = "a file of no input" if path.exists() else "no such file"
            problems.append(Problem(path.name, 0, "", found_there, expected))
    found: list[tuple[Reading, Path]] = []
    for reading in readings:
        mine = [(reading, path) for path in named if _fits(reading, path)]
        if not mine and not problems:
            expected = f"a file for the input {reading.name}"
            problems.append(Problem(reading.form.name, 0, "", "no such file", expected))
        found += mine
    if problems:
        raise FileError(problems)
    return found


def _fits(reading: Reading, path: Path) -> bool:
    return path.is_file() and fnmatchcase(path.name, reading.form.name)


def _input_rows(reading: Reading, name: str, rows: Iterable[MappedRow]) -> Iterator[InputRow]:
    dangling: dict[int, list[Note]] = defaultdict(list)
    if any(rule.pointer for rule in reading.body.cells):
        rows = list(rows)
        for problem in dangling_pointers(Path(name), rows):
            dangling[problem.line].append(Note(problem.field, problem.found, problem.expected))
    for row in rows:
        yield InputRow(
            name,
            row.line,
            row.row_id,
            row.facts,
            row.problems,
            (*row.notes, *dangling.get(row.line, ())),
            reading.name,
            row.is_looked_up,
        )


def json_rows(path: Path) -> Iterator[InputRow]:
    """The facts in a file of JSON objects, then what was wrong with the other objects."""
    with path.open("rb") as file:
        data = file.read(FACT_FILE_BYTES_MAX + 1)
    facts, problems = read_facts(data, path.name)
    for number, fact in enumerate(facts, start=1):
        yield InputRow(path.name, number, fact.event_id, (fact,))
    wrong: dict[int, list[Problem]] = defaultdict(list)
    for each in problems:
        problem = Problem(each.file, each.line, each.field or "", "", each.error)
        wrong[each.line].append(problem)
    for line, found in wrong.items():
        yield InputRow(path.name, line, "", (), tuple(found))


def record_rows(
    records: Iterable[tuple[str, int, bytes]], decoder: FactDecoder
) -> Iterator[InputRow]:
    """The facts in records of the topics of facts: (topic, partition, value), in any order."""
    waiting: list[tuple[int, str, int, bytes]] = []
    for number, (topic, partition, value) in enumerate(records, start=1):
        waiting.append((number, topic, partition, value))
        if len(waiting) >= RECORDS_AT_ONCE:
            yield from _decoded(waiting, decoder)
            waiting = []
    yield from _decoded(waiting, decoder)


def _decoded(
    records: list[tuple[int, str, int, bytes]], decoder: FactDecoder
) -> Iterator[InputRow]:
    found: dict[int, Fact | Refused] = {}
    for family in Family:
        mine = [record for record in records if record[1] == family]
        facts = decoder.decode(family, [record[3] for record in mine])
        for record, fact in zip(mine, facts, strict=True):
            found[record[0]] = fact if isinstance(fact, Refused) else check(fact) or fact
    for number, topic, partition, _ in records:
        place = f"{topic}/{partition}"
        match found.get(number):
            case None:
                problem = Problem(place, number, "", f"the topic {topic!r}", "a topic of facts")
                yield InputRow(place, number, "", (), (problem,))
            case Refused() as refusal:
                problem = Problem(place, number, "", str(refusal.reason), refusal.error)
                yield InputRow(place, number, "", (), (problem,))
            case fact:
                yield InputRow(place, number, fact.event_id, (fact,))
