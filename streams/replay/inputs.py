"""Where recorded facts come from: CSV by a mapping, JSON, or records of the topics of facts.

Each gives `InputRow`s: what was read in one place, and the facts it became or why it became none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.codec import FactDecoder
from schemas.facts import Fact, Family
from schemas.json_facts import read_facts
from schemas.limits import FACT_FILE_BYTES_MAX
from schemas.refusals import Refused
from schemas.validation import check
from streams.replay.evaluation import Note
from streams.replay.mapping import Mapping
from streams.replay.rows import dangling_pointers, map_file
from topology.problems import Problem

RECORDS_AT_ONCE = 5_000
"""Records that are decoded together."""


@dataclass(frozen=True)
class InputRow:
    """One row, object or record of an input: its facts, or the problems that stand against any.

    `line` counts lines of a file from 1; of records it is their number, from 1.
    """

    file: str
    line: int
    row_id: str
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def is_rejected(self) -> bool:
        """It became no facts."""
        return not self.facts


def csv_rows(mapping: Mapping, path: Path) -> Iterator[InputRow]:
    """The rows of a CSV file. Raises FileError when the header does not fit the mapping.

    Keeps the whole file in memory where the mapping has pointers from row to row, and rows notes
    of pointers at rows that are not there.
    """
    rows = map_file(mapping, path)
    if not any(rule.pointer for rule in mapping.cells):
        for row in rows:
            yield InputRow(path.name, row.line, row.row_id, row.facts, row.problems, row.notes)
        return
    kept = list(rows)
    dangling: dict[int, list[Note]] = defaultdict(list)
    for problem in dangling_pointers(path, kept):
        dangling[problem.line].append(Note(problem.field, problem.found, problem.expected))
    for row in kept:
        notes = (*row.notes, *dangling[row.line])
        yield InputRow(path.name, row.line, row.row_id, row.facts, row.problems, notes)


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
