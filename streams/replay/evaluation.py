"""What the expressions of a mapping give for one row."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import datetime, time
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeAlias

from schemas.limits import MAPPING_TEXT_CHARS_MAX
from schemas.units import Day, UtcMillis, calendar_date, day, millis, quantity
from streams.replay.dates import DateFormat, date_format
from streams.replay.expressions import (
    Absent,
    Amount,
    Column,
    Condition,
    Constant,
    Date,
    Earliest,
    Either,
    Equals,
    Every,
    Expression,
    First,
    Holds,
    Identifier,
    Integer,
    Latest,
    Lookup,
    Moment,
    MomentOf,
    Money,
    MoneyOf,
    Named,
    Not,
    Noted,
    Otherwise,
    Present,
    Rounding,
    Sum,
    Text,
    parts,
)
from streams.replay.mapping import Reading
from topology.problems import quoted
from topology.zones import zone

_ROUNDINGS = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.DOWN: ROUND_DOWN,
    Rounding.REFUSE: ROUND_DOWN,
}
_MINOR_DIGITS_DEFAULT = 2
_MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF"), 0),
    **dict.fromkeys(("UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Digits of the minor unit where they are not two (ISO 4217, list one)."""

_VALUE_MINOR_MAX = 2**63 - 1
_BLANKS = re.compile(r"\s+")
_NOT_IN_IDS = re.compile(r"[/#@]")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")

Value: TypeAlias = str | int | bool | tuple[int, str]
"""Text, date (Day), moment (UtcMillis), quantity, integer, boolean; money is (minor, currency)."""


@dataclass(frozen=True)
class Note:
    """Something worth knowing of a row that is used all the same."""

    column: str
    found: str
    reason: str


class Refused(Exception):
    """A value of the row cannot be used: the column, what was found and what was expected."""

    def __init__(self, column: str, found: str, expected: str) -> None:
        super().__init__(f"{column}: found {found}, expected {expected}")
        self.column, self.found, self.expected = column, found, expected


class RowValues:
    """The values of one row. Each is worked out once, so that each note is made once."""

    def __init__(self, reading: Reading, cells: MappingOf[str, str]) -> None:
        self._mapping = reading.mapping
        self._values = reading.body.values
        self._cells = cells
        self._named: dict[str, Value | None] = {}
        self._columns: dict[str, str] = {}
        self.notes: dict[Note, None] = {}
        """In the order in which they were made; the values mean nothing."""

    def value(self, expression: Expression) -> Value | None:
        """What the expression gives; None for nothing. Raises Refused."""
        match expression:
            case Column(column=cell):
                return self._cell(cell.name, cell.sentinels)
            case Text():
                return self._text(expression)
            case Constant(constant=constant):
                return constant
            case Named(value=name):
                if name not in self._named:
                    self._named[name] = self.value(self._values[name])
                return self._named[name]
            case First(first=choices):
                return next((v for v in map(self.value, choices) if v is not None), None)
            case Earliest(earliest=choices):
                return self._extreme(choices, min)
            case Latest(latest=choices):
                return self._extreme(choices, max)
            case Sum():
                return self._sum(expression)
            case Holds(holds=condition):
                return self.holds(condition)
            case Noted(noted=noted):
                found = self.value(noted.of)
                if found is not None:
                    self.notes[Note("", "", noted.note)] = None
                return found
            case Moment(moment=inner):
                of = self.value(inner.of)
                return None if of is None else self._moment(inner, of)
            case _:
                return self._of_text(expression)

    def holds(self, condition: Condition) -> bool:
        """Whether the condition holds for the row. Raises Refused."""
        match condition:
            case Present(present=of):
                return self.value(of) is not None
            case Absent(absent=of):
                return self.value(of) is None
            case Equals(equals=test):
                return self.value(test.of) in test.to
            case Every(all=tests):
                return all(map(self.holds, tests))
            case Either(any=tests):
                return any(map(self.holds, tests))
            case Not(none=test):
                return not self.holds(test)

    def _cell(self, name: str, sentinels: str | None = None) -> str | None:
        text = self._cells[name].strip()
        if sentinels is not None and text in self._mapping.sentinels[sentinels]:
            reason = self._mapping.sentinels[sentinels][text]
            self.notes[Note(name, text, reason)] = None
            return None
        return text or None

    def _text(self, template: Text) -> str | None:
        filled: dict[str, str] = {}
        for name in template.placeholders:
            part = self.value(Named(value=name[1:])) if name[:1] == "=" else self._cell(name)
            if part is None:
                return None
            filled[name] = str(part)
        length = sum(len(filled[name]) for name in template.placeholders)
        if length > MAPPING_TEXT_CHARS_MAX:
            expected = f"at most {MAPPING_TEXT_CHARS_MAX}"
            raise Refused(self._column_of(template), f"a text of {length} characters", expected)
        return _PLACEHOLDER.sub(lambda found: filled[found[1]], template.text)

    def _extreme(
        self, choices: tuple[Expression, ...], choose: Callable[[list[int]], int]
    ) -> int | None:
        found = [v for v in map(self.value, choices) if isinstance(v, int)]
        return choose(found) if found else None

    def _sum(self, expression: Sum) -> Value | None:
        total, currency = 0, ""
        for each in map(self.value, expression.sum):
            if each is None:
                return None
            if isinstance(each, tuple):
                minor, other = each
                if currency not in ("", other):
                    column = self._column_of(expression)
                    raise Refused(column, f"an amount in {other}", f"one in {currency}")
                total, currency = total + minor, other
            else:
                assert isinstance(each, int)
                total += each
        if abs(total) > _VALUE_MINOR_MAX:
            raise Refused(self._column_of(expression), f"a sum of {total}", "a sum of 64 bits")
        return (total, currency) if currency else total

    def _of_text(self, expression: Expression) -> Value | None:
        """An operation on one text."""
        (of,) = parts(expression)
        text = self.value(of)
        if not isinstance(text, str):
            return None
        column = self._column_of(of)
        match expression:
            case Lookup(lookup=inner):
                return self._looked_up(inner.table, inner.otherwise, text, column)
            case Identifier():
                return _NOT_IN_IDS.sub("-", _BLANKS.sub(" ", text))
            case Date(date=dated):
                return day(_read(dated.formats, text, column, "a date").date())
            case Amount():
                return _amount(text, column)
            case Integer():
                return _integer(text, column)
            case Money(money=inner):
                return _money(inner, text, column)
            case _:
                raise AssertionError(f"{type(expression).__name__} is no operation on text")

    def _looked_up(self, table: str, otherwise: Otherwise, text: str, column: str) -> str | None:
        found = self._mapping.tables[table].get(text)
        if found is None and otherwise is Otherwise.REFUSE:
            raise Refused(column, quoted(text), f"an entry of the table {table!r}")
        return found or None

    def _moment(self, inner: MomentOf, of: Value) -> UtcMillis:
        name = inner.zone or self._mapping.zone
        if isinstance(of, str):
            local = _read(inner.formats, of, self._column_of(inner.of), "a moment")
            has_time = any(_format(each).has_time for each in inner.formats)
            if inner.at is not None and not has_time:
                local = datetime.combine(local, time.fromisoformat(inner.at))
        else:
            assert isinstance(of, int)
            assert inner.at is not None
            local = datetime.combine(_date(of), time.fromisoformat(inner.at))
        return millis(local.replace(tzinfo=zone(name)))

    def _column_of(self, expression: Expression) -> str:
        """The first column in the expression, to name the place of what is wrong with it."""
        match expression:
            case Column(column=cell):
                return cell.name
            case Text():
                return next((each for each in expression.placeholders if each[:1] != "="), "")
            case Named(value=name):
                if name not in self._columns:
                    self._columns[name] = self._column_of(self._values[name])
                return self._columns[name]
            case _:
                return next(filter(None, map(self._column_of, parts(expression))), "")


def _date(on: Day) -> datetime:
    return datetime.combine(calendar_date(on), time())


@lru_cache(maxsize=1_000)
def _format(text: str) -> DateFormat:
    return date_format(text)


def _read(formats: tuple[str, ...], text: str, column: str, what: str) -> datetime:
    for each in formats:
        found = _format(each).read(text)
        if found is not None:
            return found
    raise Refused(column, quoted(text), f"{what} written as {' or '.join(formats)}")


def _amount(text: str, column: str) -> int:
    try:
        return quantity(text)
    except ValueError as error:
        expected = "a decimal amount of at most 12 digits before and 6 after the point"
        raise Refused(column, quoted(text), expected) from error


def _integer(text: str, column: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
        raise Refused(column, quoted(text), "a whole number")
    return int(text)


def _money(inner: MoneyOf, text: str, column: str) -> tuple[int, str]:
    digits = _MINOR_DIGITS.get(inner.currency, _MINOR_DIGITS_DEFAULT)
    try:
        amount = Decimal(text).scaleb(digits)
        minor = amount.quantize(Decimal(1), rounding=_ROUNDINGS[inner.rounding])
    except InvalidOperation as error:
        raise Refused(column, quoted(text), f"an amount of {inner.currency}") from error
    if not amount.is_finite() or abs(minor) > _VALUE_MINOR_MAX:
        raise Refused(column, quoted(text), f"an amount of {inner.currency}")
    if inner.rounding is Rounding.REFUSE and minor != amount:
        raise Refused(column, quoted(text), f"at most {digits} decimals of {inner.currency}")
    return int(minor), inner.currency
