"""Times, dates, quantities and money as the core counts them.

Inside the core a time is an int of milliseconds, a date an int of days and a quantity an int of
millionths, because they are compared, stored and sent a million times for each time that a person
reads one. The aliases below are what a signature says; the functions are the only doors between
these ints and the types that people and libraries use.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import TypeAlias

UtcMillis: TypeAlias = int
"""A moment: milliseconds since 1970-01-01T00:00:00Z."""

Day: TypeAlias = int
"""A calendar date at some place: days since 1970-01-01. It has no moment until a site gives one."""

Quantity: TypeAlias = int
"""An exact decimal amount, counted in millionths of its unit; always kept beside its unit."""

QUANTITY_SCALE = 6
QUANTITY_ONE: Quantity = 10**QUANTITY_SCALE
QUANTITY_MAX: Quantity = 10**18 - 1
"""Largest amount, from the precision (18 digits) of the decimal in the fact schemas."""

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

TIME_MIN: UtcMillis = 0
TIME_MAX: UtcMillis = 4_102_444_800_000
"""Claimed times outside 1970 to 2100 are refused: they are faults of a clock or a format."""

INSTANTS_MAX = 16_384
"""Moments that are remembered as times, 150 bytes each."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MILLISECOND = timedelta(milliseconds=1)
_SCALE = Decimal(QUANTITY_ONE)
_DIGITS_MAX = 18
_ZERO = Decimal(0)
_EXACT = Context(prec=60, traps=[Inexact])
"""Refuses to round: the usual context would do so, silently, past 28 digits."""


def millis(moment: datetime) -> UtcMillis:
    """The moment as milliseconds; refuses a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return (moment - _EPOCH) // _MILLISECOND


def _instant(at: UtcMillis) -> datetime:
    return _EPOCH + at * _MILLISECOND


instant: Callable[[UtcMillis], datetime] = lru_cache(INSTANTS_MAX)(_instant)
"""The milliseconds as an aware UTC time.

Remembered, because a status names each moment two or three times, and its next one most of them
again: making one costs ten times as much as finding it.
"""


def day(value: date) -> Day:
    """The date as days since 1970-01-01."""
    return value.toordinal() - _EPOCH_ORDINAL


def calendar_date(value: Day) -> date:
    """The days since 1970-01-01 as a date."""
    return date.fromordinal(value + _EPOCH_ORDINAL)


def quantity(amount: Decimal | str | int) -> Quantity:
    """The amount in millionths; refuses what is no number, too large, or finer than a millionth."""
    try:
        number = Decimal(amount)
    except InvalidOperation as error:
        raise ValueError(f"{amount!r} is not a decimal amount") from error
    if not number.is_finite():
        raise ValueError(f"{amount!r} is not a decimal amount")
    # Before anything is computed: a million digits of 1E+999999 take seconds.
    if number.adjusted() > _DIGITS_MAX:
        raise ValueError(f"{amount!r} is larger than an amount may be")
    try:
        scaled = _EXACT.multiply(number, _SCALE)
    except Inexact as error:
        raise ValueError(f"{amount!r} has more than {QUANTITY_SCALE} decimals") from error
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount!r} has more than {QUANTITY_SCALE} decimals")
    if abs(scaled) > QUANTITY_MAX:
        raise ValueError(f"{amount!r} is larger than an amount may be")
    return int(scaled)


def decimal(amount: Quantity) -> Decimal:
    """The amount as a decimal without trailing zeros: 2500000 gives 2.5, 40000000 gives 40."""
    if not amount:
        return _ZERO
    whole, rest = divmod(amount, QUANTITY_ONE)
    if not rest:
        return Decimal(whole)
    return Decimal(amount).scaleb(-QUANTITY_SCALE).normalize()


def iso(at: UtcMillis) -> str:
    """The moment as people and other programs read it: 2026-03-01T08:00:00Z."""
    text = instant(at).isoformat(timespec="milliseconds" if at % SECOND_MS else "seconds")
    return text.replace("+00:00", "Z")
