"""A mapping: how the rows of one kind of CSV file become facts. Data, as its YAML file says it.

What the file may say is in docs/replay.md; the expressions in it are those of `expressions`;
`mapping_file` reads and checks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from schemas import limits
from schemas.facts import Family
from streams.replay.expressions import (
    Column,
    Condition,
    Expression,
    Text,
    operands,
    parts,
)
from topology.zones import zone_names

Place: TypeAlias = tuple[int | str, ...]
"""Where something stands in a mapping: keys and list positions from its root."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileForm(_Part):
    """How the file is written. A byte order mark is dropped. `row_id` names a row for ever."""

    row_id: str
    encoding: Literal["utf-8", "cp1252", "latin-1"] = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class FactRule(_Part):
    """One fact of a row: told `when` the condition holds. `name` makes its event id unique."""

    family: Family
    kind: str
    name: str = ""
    when: Condition | None = None
    occurred_at: Expression
    recorded_at: Expression | None = None
    fields: dict[str, Expression]

    @property
    def label(self) -> str:
        """The name, or without one the kind."""
        return self.name or self.kind


class CellRule(_Part):
    """Columns whose cells hold a decimal, a sentinel, or a pointer to the row that has the figure.

    In `pointer`, `{row}` stands for the id of the other row and `{any}` for text without blanks.
    Such cells become no facts; the report says which of them hold something else, and which point
    at a row that is not there.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    says: str = ""
    sentinels: str | None = None
    pointer: str | None = None

    @field_validator("pointer")
    @classmethod
    def _has_row(cls, pointer: str | None) -> str | None:
        if pointer is not None and pointer.count("{row}") != 1:
            raise ValueError("a pointer has {row} once, where the id of the other row stands")
        if pointer is not None and pointer.count("{any}") > limits.POINTER_GAPS_MAX:
            raise ValueError(f"a pointer has {{any}} at most {limits.POINTER_GAPS_MAX} times")
        return pointer


class Mapping(_Part):
    """One mapping, as its file says it."""

    mapping: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)
    says: str = ""
    source: str = Field(min_length=1, max_length=100)
    zone: str = "UTC"
    file: FileForm
    sentinels: dict[str, dict[str, str]] = {}
    tables: dict[str, dict[str, str]] = {}
    values: dict[str, Expression] = Field(default={}, max_length=limits.MAPPING_VALUES_MAX)
    facts: tuple[FactRule, ...] = Field(min_length=1, max_length=limits.MAPPING_FACTS_MAX)
    cells: tuple[CellRule, ...] = ()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in zone_names():
            raise ValueError("a time zone of the IANA database")
        return zone

    def columns(self) -> tuple[str, ...]:
        """All columns that the mapping reads, ascending."""
        found = {self.file.row_id}
        for _, expression in expressions(self):
            match expression:
                case Column(column=cell):
                    found.add(cell.name)
                case Text():
                    found |= {name for name in expression.placeholders if not name.startswith("=")}
                case _:
                    pass
        for rule in self.cells:
            found |= set(rule.columns)
        return tuple(sorted(found))


def roots(mapping: Mapping) -> Iterator[tuple[Place, Expression]]:
    """The outermost expressions and where they stand."""
    for name, expression in mapping.values.items():
        yield ("values", name), expression
    for at, rule in enumerate(mapping.facts):
        place: Place = ("facts", at)
        yield (*place, "occurred_at"), rule.occurred_at
        if rule.recorded_at is not None:
            yield (*place, "recorded_at"), rule.recorded_at
        if rule.when is not None:
            for each in operands(rule.when):
                yield (*place, "when"), each
        for name, expression in rule.fields.items():
            yield (*place, "fields", name), expression


def expressions(mapping: Mapping) -> Iterator[tuple[Place, Expression]]:
    """Every expression, and the place of the outermost one around it."""
    for path, root in roots(mapping):
        waiting = [root]
        while waiting:
            expression = waiting.pop()
            yield path, expression
            waiting.extend(parts(expression))
