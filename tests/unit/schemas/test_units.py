"""Times, dates and quantities: exact, or refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import units


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_a_quantity_survives_being_shown(amount: int) -> None:
    shown = units.decimal(amount)
    assert units.quantity(shown) == amount
    assert units.quantity(format(shown, "f")) == amount
    assert shown * 1_000_000 == amount


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("2.5", 2_500_000),
        (40, 40_000_000),
        (Decimal("1E+3"), 10**9),
        ("0.0000010", 1),
        ("-1", -(10**6)),
    ],
)
def test_a_quantity_is_counted_in_millionths(written: str | int | Decimal, amount: int) -> None:
    assert units.quantity(written) == amount


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("x", "'x' is not a decimal amount"),
        ("NaN", "'NaN' is not a decimal amount"),
        ("Infinity", "'Infinity' is not a decimal amount"),
        ("0.0000001", "'0.0000001' has more than 6 decimals"),
        # Thirty digits: the usual context of the decimal module would round them away.
        ("1.00000000000000000000000000001", "has more than 6 decimals"),
        ("1." + "0" * 80 + "1", "has more than 6 decimals"),
        ("1E-999999999", "has more than 6 decimals"),
        (10**12, "1000000000000 is larger than an amount may be"),
        ("1E+999999999", "'1E\\+999999999' is larger than an amount may be"),
    ],
)
def test_what_cannot_be_counted_exactly_is_refused(written: str | int, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        units.quantity(written)


@given(st.integers(units.TIME_MIN, units.TIME_MAX))
def test_a_moment_survives_being_shown(at: int) -> None:
    assert units.millis(units.instant(at)) == at
    assert units.millis(dt.datetime.fromisoformat(units.iso(at))) == at
    assert units.iso(at).endswith("Z")


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="2026-03-01T08:00:00 has no time zone"):
        units.millis(dt.datetime(2026, 3, 1, 8))  # noqa: DTZ001


@given(st.dates())
def test_a_date_survives_being_counted(date: dt.date) -> None:
    assert units.calendar_date(units.day(date)) == date
    assert units.day(dt.date(1970, 1, 2)) == 1
