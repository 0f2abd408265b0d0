"""Date formats of mappings. They read local times: the zone is the mapping's."""
# ruff: noqa: DTZ001

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.replay.dates import date_format

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("D-MMM-YY", "4-Aug-09", datetime(2009, 8, 4)),
        ("D-MMM-YY", "14-APR-11", datetime(2011, 4, 14)),
        ("M/D/YYYY", "8/20/2010", datetime(2010, 8, 20)),
        ("M/D/YY", "8/5/69", datetime(1969, 8, 5)),
        ("M/D/YY", "8/5/68", datetime(2068, 8, 5)),
        ("YYYY-MM-DD hh:mm:ss", "2026-03-01 23:59:58", datetime(2026, 3, 1, 23, 59, 58)),
        ("DD.MM.YYYY hh:mm", "01.03.2026 07:05", datetime(2026, 3, 1, 7, 5)),
        ("YYYYMMDD", "20260301", datetime(2026, 3, 1)),
    ],
)
def test_a_format_reads_its_dates(form: str, text: str, expected: datetime) -> None:
    assert date_format(form).read(text) == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("D-MMM-YY", "31-Feb-09"),
        ("D-MMM-YY", "4-Foo-09"),
        ("D-MMM-YY", "4-Aug-2009"),
        ("M/D/YYYY", "13/1/2010"),
        ("MM/DD/YYYY", "1/2/2010"),
        ("YYYY-MM-DD", "2026-03-01 "),
        ("YYYY-MM-DD", "２０２６-03-01"),
        ("YYYY-MM-DD hh:mm:ss", "2026-03-01 24:00:00"),
        ("YYYY-MM-DD", "0000-01-01"),
    ],
)
def test_what_is_no_date_is_nothing(form: str, text: str) -> None:
    assert date_format(form).read(text) is None


@pytest.mark.parametrize("form", ["YYYY-MM", "D/M", "YYYY YY-MM-DD", "M MMM-DD-YYYY", "", "hh:mm"])
def test_a_format_names_one_day(form: str) -> None:
    with pytest.raises(ValueError, match="must have one"):
        date_format(form)


def test_a_format_has_a_time_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        date_format("YYYY-MM-DD hh:hh")


@given(st.dates(date(1970, 1, 1), date(2099, 12, 31)))
def test_written_dates_are_read_back(day: date) -> None:
    month = MONTHS[day.month - 1]
    for form, text in (
        ("YYYY-MM-DD", day.isoformat()),
        ("D-MMM-YYYY", f"{day.day}-{month}-{day.year}"),
        ("M/D/YYYY", f"{day.month}/{day.day}/{day.year}"),
    ):
        found = date_format(form).read(text)
        assert found is not None
        assert found.date() == day


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_crashes_a_format(form: str, text: str) -> None:
    try:
        found = date_format(form)
    except ValueError:
        return
    found.read(text)
