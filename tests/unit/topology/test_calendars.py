"""Dates into moments: golden cases around changes of summer time, holidays and absurd claims."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from schemas.units import HOUR_MS, TIME_MAX, TIME_MIN, Day, UtcMillis, day, iso, millis
from topology import calendars
from topology.model import Calendar, Feed, Lane, Mode, Quantile, Site, SiteKind
from topology.zones import zone

HOLIDAYS = (day(date(2026, 12, 24)), day(date(2026, 12, 25)))
WEEK = Calendar(id="week", holidays=HOLIDAYS)


def at(text: str) -> UtcMillis:
    return millis(datetime.fromisoformat(text).astimezone(UTC))


def on(text: str) -> Day:
    return day(date.fromisoformat(text))


def site(zone_name: str, opens: int = 0, closes: int = 1440) -> Site:
    return Site(
        id="S",
        party="P",
        kind=SiteKind.WAREHOUSE,
        zone=zone_name,
        receiving_opens_minutes=opens,
        receiving_closes_minutes=closes,
    )


def lane(hours: int = 24, cut_off: int | None = None) -> Lane:
    return Lane(
        id="L",
        origin="S",
        destination="T",
        mode=Mode.ROAD,
        lead_time_p50_ms=hours * HOUR_MS,
        lead_time_p80_ms=2 * hours * HOUR_MS,
        lead_time_p95_ms=3 * hours * HOUR_MS,
        cut_off_minutes=cut_off,
    )


@pytest.mark.parametrize(
    ("zone_name", "promised", "due"),
    [
        # Berlin goes to summer time on 29 March 2026 and back on 25 October.
        ("Europe/Berlin", "2026-03-28", "2026-03-28T22:59:59.999Z"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T21:59:59.999Z"),
        ("Europe/Berlin", "2026-10-24", "2026-10-24T21:59:59.999Z"),
        ("Europe/Berlin", "2026-10-25", "2026-10-25T22:59:59.999Z"),
        ("America/New_York", "2026-03-07", "2026-03-08T04:59:59.999Z"),
        ("America/New_York", "2026-03-08", "2026-03-09T03:59:59.999Z"),
        # Beirut's clocks go forward at midnight: 29 March 2026 has no 00:00.
        ("Asia/Beirut", "2026-03-28", "2026-03-28T21:59:59.999Z"),
        # Havana's go back from 01:00 to 00:00: 1 November 2026 has two midnights.
        ("America/Havana", "2026-10-31", "2026-11-01T03:59:59.999Z"),
        ("Asia/Kolkata", "2026-06-01", "2026-06-01T18:29:59.999Z"),
        ("Pacific/Kiritimati", "2026-06-01", "2026-06-01T09:59:59.999Z"),
        # Samoa left out 30 December 2011.
        ("Pacific/Apia", "2011-12-29", "2011-12-30T09:59:59.999Z"),
    ],
)
def test_a_date_ends_with_the_day_at_its_place(zone_name: str, promised: str, due: str) -> None:
    found = calendars.due_at(site(zone_name), None, on(promised))
    assert iso(found) == due
    assert calendars.local_day(site(zone_name), found) == on(promised)
    assert calendars.local_day(site(zone_name), found + 1) > on(promised)


@pytest.mark.parametrize(
    ("promised", "due"),
    [
        ("2026-12-23", "2026-12-23T16:00:00Z"),  # Wednesday
        ("2026-12-24", "2026-12-28T16:00:00Z"),  # holiday, holiday, weekend
        ("2026-12-26", "2026-12-28T16:00:00Z"),  # Saturday
        ("2026-03-27", "2026-03-27T16:00:00Z"),  # Friday before summer time
        ("2026-03-28", "2026-03-30T15:00:00Z"),  # Saturday, due on Monday in summer time
    ],
)
def test_a_date_falls_due_when_receiving_next_ends(promised: str, due: str) -> None:
    receiving = site("Europe/Berlin", 6 * 60, 17 * 60)
    assert iso(calendars.due_at(receiving, WEEK, on(promised))) == due


def test_without_a_site_a_date_ends_in_utc() -> None:
    assert iso(calendars.due_at_default(on("2026-03-29"))) == "2026-03-29T23:59:59.999Z"


def test_a_closing_time_that_the_clocks_pass_twice_is_the_later_one() -> None:
    receiving = site("Europe/Berlin", 0, 2 * 60 + 30)
    assert iso(calendars.due_at(receiving, None, on("2026-10-25"))) == "2026-10-25T01:30:00Z"


def test_a_closing_time_that_the_clocks_leave_out_is_the_later_reading() -> None:
    receiving = site("Europe/Berlin", 0, 2 * 60 + 30)
    assert iso(calendars.due_at(receiving, None, on("2026-03-29"))) == "2026-03-29T01:30:00Z"


@pytest.mark.parametrize("absurd", [-(10**12), 10**12])
def test_absurd_dates_and_moments_end_at_the_border(absurd: int) -> None:
    near, far = day(date(1969, 12, 31)), day(date(2100, 1, 2))
    place = site("Europe/Berlin", 360, 1020)
    assert near <= calendars.local_day(place, absurd * 1000) <= far
    assert near <= calendars.due_at(place, WEEK, absurd) // (24 * HOUR_MS) <= far + 5
    border_at = TIME_MIN if absurd < 0 else TIME_MAX
    departing = lane(cut_off=60)
    for found in (
        calendars.latest_departure(departing, place, WEEK, absurd * 1000, Quantile.P95),
        calendars.next_departure(departing, place, WEEK, absurd * 1000),
        calendars.add_working_time(place, WEEK, absurd * 1000, HOUR_MS),
    ):
        assert abs(found - border_at) < 10 * 24 * HOUR_MS


def test_a_calendar_that_never_works_is_refused_rather_than_searched_for_ever() -> None:
    idle = Calendar(id="idle", working_weekdays=())
    with pytest.raises(ValueError, match="calendar 'idle' has no working day"):
        calendars.next_working(idle, 0)
    with pytest.raises(ValueError, match="calendar 'idle' has no working day"):
        calendars.last_working(idle, 0)


@pytest.mark.parametrize(
    ("cut_off", "calendar", "due", "departs"),
    [
        # 48 hours at p80 before Monday 17:00 in Berlin is Saturday 17:00.
        (None, None, "2026-06-15T17:00:00+02:00", "2026-06-13T15:00:00Z"),
        (None, WEEK, "2026-06-15T17:00:00+02:00", "2026-06-12T21:59:59.999Z"),
        (16 * 60, None, "2026-06-15T17:00:00+02:00", "2026-06-13T14:00:00Z"),
        (18 * 60, None, "2026-06-15T17:00:00+02:00", "2026-06-12T16:00:00Z"),
        (18 * 60, WEEK, "2026-06-15T17:00:00+02:00", "2026-06-12T16:00:00Z"),
        (17 * 60, WEEK, "2026-06-17T17:00:00+02:00", "2026-06-15T15:00:00Z"),
        # Over the holidays: due on the 28th, Christmas Eve and Day do not depart.
        (12 * 60, WEEK, "2026-12-28T08:00:00+01:00", "2026-12-23T11:00:00Z"),
        # A cut-off that exists twice: be there for the first.
        (150, None, "2026-10-27T17:00:00+01:00", "2026-10-25T00:30:00Z"),
    ],
)
def test_the_latest_departure_still_meets_the_promise(
    cut_off: int | None, calendar: Calendar | None, due: str, departs: str
) -> None:
    origin = site("Europe/Berlin")
    found = calendars.latest_departure(
        lane(cut_off=cut_off), origin, calendar, at(due), Quantile.P80
    )
    assert iso(found) == departs


@pytest.mark.parametrize(
    ("cut_off", "ready", "departs"),
    [
        (None, "2026-12-23T10:00:00+01:00", "2026-12-23T09:00:00Z"),
        (None, "2026-12-24T10:00:00+01:00", "2026-12-27T23:00:00Z"),
        (16 * 60, "2026-12-23T16:00:00+01:00", "2026-12-23T15:00:00Z"),
        (16 * 60, "2026-12-23T16:00:00.001+01:00", "2026-12-28T15:00:00Z"),
    ],
)
def test_the_next_departure_is_not_before_the_goods_are_ready(
    cut_off: int | None, ready: str, departs: str
) -> None:
    origin = site("Europe/Berlin")
    assert iso(calendars.next_departure(lane(cut_off=cut_off), origin, WEEK, at(ready))) == departs


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-06-12T10:00:00+02:00", 4, "2026-06-12T12:00:00Z"),
        ("2026-06-12T10:00:00+02:00", 8, "2026-06-15T05:00:00Z"),  # Friday into Monday
        ("2026-06-13T10:00:00+02:00", 0, "2026-06-15T04:00:00Z"),  # first open moment
        ("2026-06-12T10:00:00+02:00", 7, "2026-06-12T15:00:00Z"),  # to the end of receiving
        ("2026-06-12T03:00:00+02:00", 1, "2026-06-12T05:00:00Z"),  # before it opens
        ("2026-12-23T16:00:00+01:00", 2, "2026-12-28T06:00:00Z"),  # over the holidays
    ],
)
def test_working_time_counts_receiving_hours_only(start: str, hours: int, end: str) -> None:
    place = site("Europe/Berlin", 6 * 60, 17 * 60)
    assert iso(calendars.add_working_time(place, WEEK, at(start), hours * HOUR_MS)) == end


def test_a_day_of_working_time_is_23_hours_when_the_clocks_go_forward() -> None:
    place = site("Europe/Berlin")
    start = at("2026-03-29T00:00:00+01:00")
    assert (
        iso(calendars.add_working_time(place, None, start, 24 * HOUR_MS)) == "2026-03-29T23:00:00Z"
    )
    opens, closes = calendars.receiving_hours(place, on("2026-03-29"))
    assert closes - opens == 23 * HOUR_MS


def feed(**fields: object) -> Feed:
    return Feed(id="F", party="P", families=(), **fields)  # type: ignore[arg-type]


def test_a_feed_with_an_interval_is_blind_after_interval_and_grace() -> None:
    hourly = feed(every_ms=HOUR_MS, grace_ms=HOUR_MS // 2)
    assert calendars.blind_at(hourly, None, at("2026-06-01T00:00:00Z")) == at(
        "2026-06-01T01:30:00Z"
    )


@pytest.mark.parametrize(
    ("heard", "blind"),
    [
        # At 02:05 the run of the night came: nothing is expected before the next night.
        ("2026-06-10T02:05:00+02:00", "2026-06-11T01:00:00Z"),
        ("2026-06-10T12:00:00+02:00", "2026-06-11T01:00:00Z"),
        ("2026-06-10T02:00:00+02:00", "2026-06-11T01:00:00Z"),
        ("2026-06-10T01:59:59+02:00", "2026-06-10T01:00:00Z"),
        # Friday's run: the next is on Monday.
        ("2026-06-12T03:00:00+02:00", "2026-06-15T01:00:00Z"),
        # 02:00 to 03:00 is left out on Sunday 29 March; Monday's run is in summer time.
        ("2026-03-27T03:00:00+01:00", "2026-03-30T01:00:00Z"),
    ],
)
def test_a_nightly_feed_is_blind_after_its_next_run_and_never_at_noon(
    heard: str, blind: str
) -> None:
    nightly = feed(daily_at_minutes=120, zone="Europe/Berlin", grace_ms=HOUR_MS, calendar="week")
    assert iso(calendars.blind_at(nightly, WEEK, at(heard)) or 0) == blind


def test_a_nightly_run_in_the_hour_that_comes_twice_may_come_with_the_second() -> None:
    nightly = feed(daily_at_minutes=150, zone="Europe/Berlin")
    heard = at("2026-10-24T12:00:00+02:00")
    assert iso(calendars.blind_at(nightly, None, heard) or 0) == "2026-10-25T01:30:00Z"


def test_a_feed_without_rhythm_is_never_blind() -> None:
    assert calendars.blind_at(feed(), None, 0) is None


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\.\./\.\./etc/passwd' is not a time zone"):
        zone("../../etc/passwd")
