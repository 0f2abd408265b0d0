"""What is wrong with network files: problems with their place, limits, and close names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from schemas import limits

FOUND_CHARS_MAX = 80
FIELD_CHARS_MAX = 200
SUGGESTION_CANDIDATES_MAX = 2_000
"""Beyond so many names no close one is looked for: it would cost more than it helps."""


@dataclass(frozen=True)
class Limits:
    """How large network files may be. What is larger is refused with an error that names the limit;
    `cell_nodes_max` alone is a warning. After `problems_max` errors the rest is only counted.
    """

    file_bytes_max: int = limits.NETWORK_FILE_BYTES_MAX
    rows_max: int = limits.NETWORK_ROWS_MAX
    """Rows of one file."""
    row_fields_max: int = limits.NETWORK_ROW_FIELDS_MAX
    field_chars_max: int = limits.NETWORK_FIELD_CHARS_MAX
    """Characters of one value; of a list in CSV, of all of it."""
    list_entries_max: int = limits.NETWORK_LIST_ENTRIES_MAX
    problems_max: int = limits.NETWORK_PROBLEMS_MAX
    cell_nodes_max: int = limits.CELL_NODES_MAX
    """Stock nodes of one cell, which one worker must hold and evaluate."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong at one place. `line` counts from 1; 0 means the file as a whole."""

    file: str
    line: int
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place}: {_shown(self.field)}" if self.field else place
        return f"{where}: found {self.found}, expected {self.expected}"


def _shown(field: str) -> str:
    """The name of a field as a problem shows it: the file may call it anything."""
    text = field if len(field) <= FIELD_CHARS_MAX else field[:FIELD_CHARS_MAX] + "…"
    return text if text.isprintable() else ascii(text)[1:-1]


def quoted(value: object) -> str:
    """The value as a problem shows it: in quotes, on one line, cut to a readable length."""
    text = value if isinstance(value, str) else str(value)
    shown = text if len(text) <= FOUND_CHARS_MAX else text[:FOUND_CHARS_MAX] + "…"
    return repr(shown)


def suggestion(name: str, candidates: Collection[str]) -> str:
    """` (did you mean 'x'?)` when a candidate is close to the name, else nothing."""
    if len(candidates) > SUGGESTION_CANDIDATES_MAX or len(name) > FOUND_CHARS_MAX:
        return ""
    folded = {candidate.casefold(): candidate for candidate in sorted(candidates, reverse=True)}
    close = get_close_matches(name.casefold(), sorted(folded), n=1, cutoff=0.7)
    return f" (did you mean '{folded[close[0]]}'?)" if close else ""
