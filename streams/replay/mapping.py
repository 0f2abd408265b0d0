"""A mapping: how rows of CSV files and SQLite databases become facts. Data, as its YAML says it.

What the file may say is in docs/replay.md; the expressions in it are those of `expressions`;
`mapping_file` reads and checks it. A mapping has one input, or several that may be joined by key;
either way the others read it as `Reading`s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas import limits
from schemas.facts import Family
from streams.replay.expressions import (
    Column,
    Condition,
    Expression,
    Otherwise,
    Text,
    operands,
    parts,
)
from topology.zones import zone_names

Place: TypeAlias = tuple[int | str, ...]
"""Where something stands in a mapping: keys and list positions from its root."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RowForm(_Part):
    """Which files hold the rows, and the columns whose texts together name a row for ever.

    `name` is what the files are called, where `*` stands for any text and `?` for a character.
    """

    name: str = Field(default="*", min_length=1, max_length=limits.REFERENCE_LENGTH_MAX)
    row_id: tuple[str, ...] = Field(min_length=1)

    @field_validator("row_id", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class FileForm(RowForm):
    """CSV, and how it is written. A byte order mark is dropped."""

    encoding: Literal["utf-8", "cp1252", "latin-1"] = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)


class SqliteForm(RowForm):
    """An SQLite database, and its table, or the query whose rows are read. Nothing is written."""

    table: str | None = Field(default=None, min_length=1)
    query: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("either a `table` or a `query`")
        return self


class Join(_Part):
    """The row of another input whose `key` is what this row says in `by`: its columns are read as
    `NAME.COLUMN`, by the name of the join. `by` may be such a column of a join before it."""

    input: str
    by: str
    key: str = ""
    otherwise: Otherwise = Otherwise.REFUSE

    @property
    def key_column(self) -> str:
        """The column there; without one it is called as the one here."""
        return self.key or self.by


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


class Body(_Part):
    """What a mapping says of one input: where its rows are, and what becomes of them."""

    file: FileForm | None = None
    sqlite: SqliteForm | None = None
    joins: dict[str, Join] = Field(default={}, max_length=limits.MAPPING_JOINS_MAX)
    values: dict[str, Expression] = Field(default={}, max_length=limits.MAPPING_VALUES_MAX)
    facts: tuple[FactRule, ...] = Field(default=(), max_length=limits.MAPPING_FACTS_MAX)
    cells: tuple[CellRule, ...] = ()


class Input(Body):
    """One of several inputs. Its name is a part of the event ids of its facts."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)


class Mapping(Body):
    """One mapping, as its file says it: one input, or `inputs`."""

    mapping: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)
    says: str = ""
    source: str = Field(min_length=1, max_length=100)
    zone: str = "UTC"
    sentinels: dict[str, dict[str, str]] = {}
    tables: dict[str, dict[str, str]] = {}
    inputs: tuple[Input, ...] = Field(default=(), max_length=limits.MAPPING_INPUTS_MAX)

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in zone_names():
            raise ValueError("a time zone of the IANA database")
        return zone

    def readings(self) -> tuple[Reading, ...]:
        """Its inputs, in the order of the file."""
        if not self.inputs:
            return (Reading(self, (), "", self),)
        return tuple(
            Reading(self, ("inputs", at), each.name, each) for at, each in enumerate(self.inputs)
        )


@dataclass(frozen=True)
class Reading:
    """One input of a mapping: where it stands there, its name ("" when it is the only one, without
    a name), and what is said of it."""

    mapping: Mapping
    place: Place
    name: str
    body: Body

    @property
    def form(self) -> FileForm | SqliteForm:
        """How its rows are read; a mapping that was checked has one."""
        form = self.body.file or self.body.sqlite
        assert form is not None
        return form

    @property
    def is_only_joined(self) -> bool:
        """No facts are made of its rows: others look them up."""
        return not self.body.facts

    def columns(self) -> tuple[str, ...]:
        """All columns of its own rows that the input reads, ascending."""
        found = set(self.form.row_id)
        found |= {name for name in self._named() if self.join_of(name) is None}
        return tuple(sorted(found))

    def joined_columns(self, join: str) -> tuple[str, ...]:
        """The columns that it reads of the rows of a join, ascending, as they are called there."""
        named = {name for name in self._named() if self.join_of(name) == join}
        return tuple(sorted(name[len(join) + 1 :] for name in named))

    def join_of(self, column: str) -> str | None:
        """The join whose column that is; None for one of its own."""
        join, dot, _ = column.partition(".")
        return join if dot and join in self.body.joins else None

    def _named(self) -> Iterator[str]:
        for _, expression in expressions(self):
            match expression:
                case Column(column=cell):
                    yield cell.name
                case Text():
                    yield from (each for each in expression.placeholders if each[:1] != "=")
                case _:
                    pass
        for rule in self.body.cells:
            yield from rule.columns
        for join in self.body.joins.values():
            yield join.by


def roots(reading: Reading) -> Iterator[tuple[Place, Expression]]:
    """The outermost expressions and where they stand."""
    for name, expression in reading.body.values.items():
        yield (*reading.place, "values", name), expression
    for at, rule in enumerate(reading.body.facts):
        place: Place = (*reading.place, "facts", at)
        yield (*place, "occurred_at"), rule.occurred_at
        if rule.recorded_at is not None:
            yield (*place, "recorded_at"), rule.recorded_at
        if rule.when is not None:
            for each in operands(rule.when):
                yield (*place, "when"), each
        for name, expression in rule.fields.items():
            yield (*place, "fields", name), expression


def expressions(reading: Reading) -> Iterator[tuple[Place, Expression]]:
    """Every expression, and the place of the outermost one around it."""
    for path, root in roots(reading):
        waiting = [root]
        while waiting:
            expression = waiting.pop()
            yield path, expression
            waiting.extend(parts(expression))
