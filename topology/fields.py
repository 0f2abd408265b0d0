"""How the values of network files are read: one type per kind of value, each with its `Expected`.

A reader takes the text (or list of texts) of a field and returns its value, or raises Refused. An
empty text never reaches a reader: it means that the field is not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from schemas import units
from schemas.facts import Family
from schemas.limits import ITEM_UNITS_MAX, REFERENCE_LENGTH_MAX, UNIT_LENGTH_MAX
from topology.model import DAY_MINUTES, Mode, PartyKind, SiteKind
from topology.problems import quoted, suggestion
from topology.reading import LIST_SEPARATOR, Value
from topology.zones import zone_names

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOURS_MAX = 87_600
DAYS_MAX = 3_650
"""Ten years: no lead time, interval or grace is longer."""

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_COORDINATE = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,15})?", re.ASCII)
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LIST_HINT = f"(in CSV separated by {LIST_SEPARATOR})"


@dataclass(frozen=True)
class Expected:
    """What a field holds, in words that go on from "expected"."""

    text: str


@dataclass(frozen=True)
class Reference:
    """The field holds ids of rows of that file."""

    table: str


class Refused(ValueError):
    """The value is not what the field holds: what exactly was found, and perhaps a hint."""

    def __init__(self, found: object, hint: str = "") -> None:
        super().__init__(quoted(found) if isinstance(found, str) else "a list")
        self.hint = hint


def expected_of(field: FieldInfo) -> str:
    """What the field holds, in words."""
    return next(each.text for each in field.metadata if isinstance(each, Expected))


def reference_of(field: FieldInfo) -> str:
    """The file whose ids the field holds, or nothing."""
    return next((each.table for each in field.metadata if isinstance(each, Reference)), "")


def _one(value: Value) -> str:
    if isinstance(value, list):
        raise Refused(value, " and no list")
    return value


def _entries(value: Value) -> list[str]:
    entries = value if isinstance(value, list) else value.split(LIST_SEPARATOR)
    return [entry.strip() for entry in entries if entry.strip()]


def _unique(entries: list[Any]) -> tuple[Any, ...]:
    return tuple(sorted(set(entries)))


def _text(value: Value) -> str:
    text = _one(value)
    if len(text) > REFERENCE_LENGTH_MAX or not text.isprintable():
        raise Refused(text)
    return text


def _id_without(characters: str) -> Callable[[Value], str]:
    def read(value: Value) -> str:
        text = _text(value)
        if any(character in characters for character in text):
            raise Refused(text)
        return text

    return read


_read_id = _id_without("@#/|")
_read_item = _id_without("@|")


def _number(value: Value) -> Decimal:
    text = _one(value)
    if not _NUMBER.fullmatch(text):
        raise Refused(text)
    return Decimal(text)


def _hours(value: Value) -> int:
    hours = _number(value)
    if hours > HOURS_MAX:
        raise Refused(value)
    return round(hours * units.HOUR_MS)


def _days(value: Value) -> int:
    number = _number(value)
    if number != int(number) or not 0 <= number <= DAYS_MAX:
        raise Refused(value)
    return int(number)


def _quantity(value: Value) -> int:
    try:
        return units.quantity(_number(value))
    except Refused:
        raise
    except ValueError as error:
        raise Refused(value) from error


def _unit_sizes(value: Value) -> tuple[tuple[str, int], ...]:
    sizes: dict[str, int] = {}
    for entry in _entries(value):
        name, separator, amount = (part.strip() for part in entry.rpartition("="))
        if not separator or not name or len(name) > UNIT_LENGTH_MAX or not name.isprintable():
            raise Refused(entry)
        size = _quantity(amount)
        if not size:
            raise Refused(entry, " and more than 0 of the base unit")
        if name in sizes:
            raise Refused(entry, " and each unit once")
        sizes[name] = size
    if len(sizes) > ITEM_UNITS_MAX:
        raise Refused(value, f" of at most {ITEM_UNITS_MAX}")
    return tuple(sorted(sizes.items()))


def _minor_units(value: Value) -> int:
    amount = _number(value)
    if amount != int(amount) or "." in _one(value):
        raise Refused(value)
    return int(amount)


def _coordinate(bound: int) -> Callable[[Value], float]:
    def read(value: Value) -> float:
        text = _one(value)
        if not _COORDINATE.fullmatch(text) or abs(Decimal(text)) > bound:
            raise Refused(text)
        return float(text) + 0.0

    return read


def _minutes(latest: int) -> Callable[[Value], int]:
    def read(value: Value) -> int:
        text = _one(value)
        parts = _TIME.fullmatch(text)
        if parts is None or int(parts[2]) > 59:
            raise Refused(text)
        minutes = int(parts[1]) * 60 + int(parts[2])
        if minutes > latest:
            raise Refused(text)
        return minutes

    return read


def _dates(value: Value) -> tuple[int, ...]:
    return _unique([_day(entry) for entry in _entries(value)])


def _day(text: str) -> int:
    if not _DATE.fullmatch(text):
        raise Refused(text)
    try:
        return units.day(date.fromisoformat(text))
    except ValueError as error:
        raise Refused(text) from error


def _weekdays(value: Value) -> tuple[int, ...]:
    names = _entries(value)
    for name in names:
        if name.casefold() not in WEEKDAYS:
            raise Refused(name)
    if not names:
        raise Refused(value)
    return _unique([WEEKDAYS.index(name.casefold()) for name in names])


def _zone(value: Value) -> str:
    name = _one(value)
    if name not in zone_names():
        raise Refused(name, suggestion(name, zone_names()))
    return name


def _flag(value: Value) -> bool:
    text = _one(value)
    if text not in ("true", "false"):
        raise Refused(text)
    return text == "true"


def _matching(pattern: str) -> Callable[[Value], str]:
    compiled = re.compile(pattern, re.ASCII)

    def read(value: Value) -> str:
        text = _one(value)
        if not compiled.fullmatch(text):
            raise Refused(text)
        return text

    return read


def _choice(choices: type[StrEnum]) -> Callable[[Value], StrEnum]:
    def read(value: Value) -> StrEnum:
        name = _one(value)
        if name not in list(choices):
            raise Refused(name, suggestion(name, list(choices)))
        return choices(name)

    return read


def _each(read: Callable[[Value], Any]) -> Callable[[Value], tuple[Any, ...]]:
    def read_all(value: Value) -> tuple[Any, ...]:
        return _unique([read(entry) for entry in _entries(value)])

    return read_all


def _one_of(choices: type[StrEnum]) -> str:
    return "one of " + ", ".join(choices)


_ID = f"an id: at most {REFERENCE_LENGTH_MAX} printable characters without @ # / |"
_ITEM_ID = f"an item id: at most {REFERENCE_LENGTH_MAX} printable characters without @ |"
_HOURS = f"hours from 0 to {HOURS_MAX}, such as 36 or 2.5"

Id = Annotated[str, BeforeValidator(_read_id), Expected(_ID)]
ItemId = Annotated[str, BeforeValidator(_read_item), Expected(_ITEM_ID)]
Ids = Annotated[
    tuple[str, ...], BeforeValidator(_each(_read_id)), Expected(f"a list of ids {_LIST_HINT}")
]
ItemIds = Annotated[
    tuple[str, ...],
    BeforeValidator(_each(_read_item)),
    Expected(f"a list of item ids {_LIST_HINT}"),
]
Text = Annotated[
    str,
    BeforeValidator(_text),
    Expected(f"text of at most {REFERENCE_LENGTH_MAX} printable characters"),
]
ZoneName = Annotated[
    str,
    BeforeValidator(_zone),
    Expected("a time zone of the IANA database, such as Europe/Berlin"),
]
Hours = Annotated[int, BeforeValidator(_hours), Expected(_HOURS)]
HoursGiven = Annotated[int | None, BeforeValidator(_hours), Expected(_HOURS)]
ClosingTime = Annotated[
    int,
    BeforeValidator(_minutes(DAY_MINUTES)),
    Expected("a local time from 00:00 to 24:00, such as 17:30"),
]
_TIME_OF_DAY = Expected("a local time from 00:00 to 23:59, such as 17:30")
OpeningTime = Annotated[int, BeforeValidator(_minutes(DAY_MINUTES - 1)), _TIME_OF_DAY]
TimeGiven = Annotated[int | None, BeforeValidator(_minutes(DAY_MINUTES - 1)), _TIME_OF_DAY]
Dates = Annotated[
    tuple[int, ...],
    BeforeValidator(_dates),
    Expected(f"a list of dates such as 2026-12-25 {_LIST_HINT}"),
]
Weekdays = Annotated[
    tuple[int, ...],
    BeforeValidator(_weekdays),
    Expected(f"a list out of {', '.join(WEEKDAYS)} {_LIST_HINT}"),
]
Amount = Annotated[
    int,
    BeforeValidator(_quantity),
    Expected(f"an amount of 0 or more with at most {units.QUANTITY_SCALE} decimals"),
]
UnitSizes = Annotated[
    tuple[tuple[str, int], ...],
    BeforeValidator(_unit_sizes),
    Expected(
        f"a list of units and amounts of at most {units.QUANTITY_SCALE} decimals, such as case=12 "
        f"{_LIST_HINT}"
    ),
]
Days = Annotated[
    int, BeforeValidator(_days), Expected(f"a whole number of days from 0 to {DAYS_MAX}")
]
MinorUnits = Annotated[
    int | None,
    BeforeValidator(_minor_units),
    Expected("a whole number of 0 or more, in the smallest unit of the currency"),
]
Currency = Annotated[
    str,
    BeforeValidator(_matching("[A-Z]{3}")),
    Expected("a currency code of three capital letters, such as EUR"),
]
Country = Annotated[
    str,
    BeforeValidator(_matching("[A-Z]{2}")),
    Expected("a country code of two capital letters, such as DE"),
]
Latitude = Annotated[
    float | None, BeforeValidator(_coordinate(90)), Expected("degrees from -90 to 90")
]
Longitude = Annotated[
    float | None, BeforeValidator(_coordinate(180)), Expected("degrees from -180 to 180")
]
Flag = Annotated[bool, BeforeValidator(_flag), Expected("true or false")]
PartyKindName = Annotated[
    PartyKind, BeforeValidator(_choice(PartyKind)), Expected(_one_of(PartyKind))
]
SiteKindName = Annotated[SiteKind, BeforeValidator(_choice(SiteKind)), Expected(_one_of(SiteKind))]
ModeName = Annotated[Mode, BeforeValidator(_choice(Mode)), Expected(_one_of(Mode))]
Families = Annotated[
    tuple[Family, ...],
    BeforeValidator(_each(_choice(Family))),
    Expected(f"a list out of {', '.join(Family)} {_LIST_HINT}"),
]
