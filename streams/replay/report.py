"""The report on rows: each row that gave no facts, and each note on one that did."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streams.replay.runner import ReplayResult


class ReportEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. A rejected row has one or more of `outcome` "rejected", a used one "note"s."""

    file: str
    line: int
    outcome: str
    column: str
    found: str
    reason: str


def report(result: ReplayResult) -> Iterator[ReportEntry]:
    """The entries, by file and line; of one line in the order in which they were found."""
    entries = [
        ReportEntry(
            file=each.file,
            line=each.line,
            outcome="rejected",
            column=each.field,
            found=each.found,
            reason=f"expected {each.expected}" if each.found else each.expected,
        )
        for each in result.problems
    ]
    entries += (
        ReportEntry(
            file=each.file,
            line=each.line,
            outcome="note",
            column=each.note.column,
            found=each.note.found,
            reason=each.note.reason,
        )
        for each in result.notes
    )
    yield from sorted(entries, key=lambda each: (each.file, each.line))


def report_lines(result: ReplayResult) -> Iterator[bytes]:
    """The entries as JSON, one a line."""
    for entry in report(result):
        yield msgspec.json.encode(entry) + b"\n"
