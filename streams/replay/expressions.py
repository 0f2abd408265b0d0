"""The grammar of a mapping: what a field may be made of, and when a fact is told.

An expression is a YAML mapping with one key, its operation: `{column: Vendor}`. The set is closed
and safe: no code, no files, no clock. An expression gives a value of one type, or nothing (an empty
cell, a sentinel), and an operation on nothing gives nothing. `evaluation` carries them out.
"""

from __future__ import annotations

import enum
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from streams.replay.dates import date_format

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class ValueType(enum.StrEnum):
    """What an expression gives. A date is no moment until `moment` says at what time of day."""

    TEXT = "text"
    DATE = "date"
    MOMENT = "moment"
    QUANTITY = "quantity"
    INTEGER = "integer"
    MONEY = "money"
    BOOLEAN = "boolean"


class Rounding(enum.StrEnum):
    """What becomes of a fraction of a minor unit of money."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"
    DOWN = "down"
    REFUSE = "refuse"


class Otherwise(enum.StrEnum):
    """What becomes of text that a table does not hold."""

    REFUSE = "refuse"
    NOTHING = "nothing"


class _Node(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnCell(_Node):
    """A column, and the named list of sentinels that mean nothing in it."""

    name: str
    sentinels: str | None = None


class Column(_Node):
    """The text of a cell without blanks around it; an empty one gives nothing."""

    column: ColumnCell

    @field_validator("column", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Text(_Node):
    """A template: `{Column}` stands for a cell, `{=value}` for a named value that is text."""

    text: str

    @property
    def placeholders(self) -> tuple[str, ...]:
        """What stands in braces, in order."""
        return tuple(_PLACEHOLDER.findall(self.text))


class Constant(_Node):
    """The same for every row."""

    constant: str


class Named(_Node):
    """One of the mapping's named values."""

    value: str


class LookupOf(_Node):
    of: Expression
    table: str
    otherwise: Otherwise = Field(default=Otherwise.REFUSE, strict=False)


class Lookup(_Node):
    """What a table says of a text."""

    lookup: LookupOf


class Identifier(_Node):
    """The text as an id: blanks are joined, and `/`, `#` and `@` become `-`."""

    id: Expression


class DateOf(_Node):
    of: Expression
    formats: tuple[str, ...] = Field(min_length=1, strict=False)

    @field_validator("formats")
    @classmethod
    def _known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            if date_format(text).has_time:
                raise ValueError(f"date format {text!r} has a time of day: use moment")
        return formats


class Date(_Node):
    """The date in a text, by the first format that fits."""

    date: DateOf


class MomentOf(_Node):
    """Of a date, `at` is the time of day; of a text, `formats` hold the time or `at` gives it."""

    of: Expression
    at: str | None = Field(default=None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    formats: tuple[str, ...] = Field(default=(), strict=False)
    zone: str | None = None

    @field_validator("formats")
    @classmethod
    def _known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for text in formats:
            date_format(text)
        return formats


class Moment(_Node):
    """A moment, from a date or a text in a zone (its own, or the mapping's)."""

    moment: MomentOf


class Amount(_Node):
    """An exact decimal amount, with at most six decimals."""

    quantity: Expression


class Integer(_Node):
    """A whole number."""

    integer: Expression


class MoneyOf(_Node):
    of: Expression
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    rounding: Rounding = Field(default=Rounding.REFUSE, strict=False)


class Money(_Node):
    """An amount in the major unit of a currency, counted in its minor units."""

    money: MoneyOf


class First(_Node):
    """The first that is something."""

    first: tuple[Expression, ...] = Field(min_length=1, strict=False)


class Earliest(_Node):
    """The earliest of those that are something."""

    earliest: tuple[Expression, ...] = Field(min_length=1, strict=False)


class Latest(_Node):
    """The latest of those that are something."""

    latest: tuple[Expression, ...] = Field(min_length=1, strict=False)


class Sum(_Node):
    """The sum of quantities, integers or amounts of one currency; nothing if one of them is."""

    sum: tuple[Expression, ...] = Field(min_length=1, strict=False)


class NotedOf(_Node):
    of: Expression
    note: str


class Holds(_Node):
    """Whether a condition holds."""

    holds: Condition


class Noted(_Node):
    """The value, with a note in the row's report that says that it was used."""

    noted: NotedOf


def _operation(value: Any) -> str | None:
    """The one key of a YAML mapping, or the one field of a node."""
    if isinstance(value, dict):
        return next(iter(value)) if len(value) == 1 and all(map(_is_text, value)) else None
    return next(iter(type(value).model_fields), None) if isinstance(value, BaseModel) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


Expression: TypeAlias = Annotated[
    Annotated[Column, Tag("column")]
    | Annotated[Text, Tag("text")]
    | Annotated[Constant, Tag("constant")]
    | Annotated[Named, Tag("value")]
    | Annotated[Lookup, Tag("lookup")]
    | Annotated[Identifier, Tag("id")]
    | Annotated[Date, Tag("date")]
    | Annotated[Moment, Tag("moment")]
    | Annotated[Amount, Tag("quantity")]
    | Annotated[Integer, Tag("integer")]
    | Annotated[Money, Tag("money")]
    | Annotated[First, Tag("first")]
    | Annotated[Earliest, Tag("earliest")]
    | Annotated[Latest, Tag("latest")]
    | Annotated[Sum, Tag("sum")]
    | Annotated[Holds, Tag("holds")]
    | Annotated[Noted, Tag("noted")],
    Discriminator(_operation),
]


class Present(_Node):
    """The expression gives something."""

    present: Expression


class Absent(_Node):
    """The expression gives nothing."""

    absent: Expression


class EqualsOf(_Node):
    of: Expression
    to: tuple[str, ...] = Field(min_length=1, strict=False)

    @field_validator("to", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Equals(_Node):
    """The text is this one, or one of these."""

    equals: EqualsOf


class Every(_Node):
    """Every condition holds."""

    all: tuple[Condition, ...] = Field(min_length=1, strict=False)


class Either(_Node):
    """At least one condition holds."""

    any: tuple[Condition, ...] = Field(min_length=1, strict=False)


class Not(_Node):
    """The condition does not hold."""

    none: Condition = Field(alias="not")


def _test(value: Any) -> str | None:
    if isinstance(value, Not):
        return "not"
    return _operation(value)


Condition: TypeAlias = Annotated[
    Annotated[Present, Tag("present")]
    | Annotated[Absent, Tag("absent")]
    | Annotated[Equals, Tag("equals")]
    | Annotated[Every, Tag("all")]
    | Annotated[Either, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(_test),
]


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that this one is directly made of."""
    match expression:
        case Column() | Text() | Constant() | Named():
            return ()
        case Lookup(lookup=inner):
            return (inner.of,)
        case Identifier(id=of) | Amount(quantity=of) | Integer(integer=of):
            return (of,)
        case Date(date=dated):
            return (dated.of,)
        case Moment(moment=timed):
            return (timed.of,)
        case Money(money=counted):
            return (counted.of,)
        case First(first=choices) | Earliest(earliest=choices) | Latest(latest=choices):
            return choices
        case Sum(sum=addends):
            return addends
        case Holds(holds=condition):
            return operands(condition)
        case Noted(noted=noted):
            return (noted.of,)


def operands(condition: Condition) -> tuple[Expression, ...]:
    """All expressions in a condition."""
    match condition:
        case Present(present=of) | Absent(absent=of):
            return (of,)
        case Equals(equals=test):
            return (test.of,)
        case Every(all=tests) | Either(any=tests):
            return tuple(each for test in tests for each in operands(test))
        case Not(none=test):
            return operands(test)


def compared(condition: Condition) -> tuple[Expression, ...]:
    """The expressions in a condition that are compared with text."""
    match condition:
        case Present() | Absent():
            return ()
        case Equals(equals=test):
            return (test.of,)
        case Every(all=tests) | Either(any=tests):
            return tuple(each for test in tests for each in compared(test))
        case Not(none=test):
            return compared(test)
