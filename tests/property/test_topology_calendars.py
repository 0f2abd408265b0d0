"""Dates and moments: what holds for any site, calendar, lane and feed."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.units import DAY_MS, HOUR_MS, Day, UtcMillis
from topology import calendars
from topology.model import Calendar, Feed, Lane, Mode, Quantile, Site, SiteKind

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Pacific/Kiritimati",
)
FIRST_DAY, LAST_DAY = 14_600, 36_500  # 2009 to 2069

days = st.integers(FIRST_DAY, LAST_DAY)
moments = st.integers(FIRST_DAY * DAY_MS, LAST_DAY * DAY_MS)
minutes = st.integers(0, 1439)
quantiles = st.sampled_from(Quantile)
hours_ms = st.integers(0, 2_000).map(lambda hours: hours * HOUR_MS)


@st.composite
def working(draw: st.DrawFn, near: st.SearchStrategy[Day] = days) -> Calendar | None:
    """A calendar with a few weeks of holidays about some day, or none."""
    if draw(st.booleans()):
        return None
    start = draw(near)
    holidays = draw(st.sets(st.integers(start - 10, start + 20), max_size=25))
    weekdays = draw(st.sets(st.integers(0, 6), min_size=1))
    return Calendar(
        id="c", working_weekdays=tuple(sorted(weekdays)), holidays=tuple(sorted(holidays))
    )


@st.composite
def sites(draw: st.DrawFn) -> Site:
    opens, closes = sorted(draw(st.sets(st.integers(0, 1440), min_size=2, max_size=2)))
    return Site(
        id="s",
        party="p",
        kind=SiteKind.PLANT,
        zone=draw(st.sampled_from(ZONES)),
        receiving_opens_minutes=opens,
        receiving_closes_minutes=closes,
    )


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    p50, p80, p95 = sorted(draw(st.tuples(hours_ms, hours_ms, hours_ms)))
    return Lane(
        id="l",
        origin="s",
        destination="t",
        mode=Mode.SEA,
        lead_time_p50_ms=p50,
        lead_time_p80_ms=p80,
        lead_time_p95_ms=p95,
        cut_off_minutes=draw(st.none() | minutes),
    )


@st.composite
def dated(draw: st.DrawFn) -> tuple[Calendar | None, Day]:
    """A calendar and a day among its holidays, so that they matter."""
    on = draw(days)
    return draw(working(st.just(on))), on


@given(sites(), dated(), st.integers(0, 40))
def test_due_at_never_goes_back_as_the_date_goes_on(
    site: Site, dated: tuple[Calendar | None, Day], later: int
) -> None:
    calendar, on = dated
    assert calendars.due_at(site, calendar, on) <= calendars.due_at(site, calendar, on + later)


@given(sites(), dated())
def test_a_date_falls_due_on_the_first_receiving_day_from_it_on(
    site: Site, dated: tuple[Calendar | None, Day]
) -> None:
    calendar, on = dated
    assume(site.zone != "Pacific/Apia" or on > 15_400)  # a day that the island left out in 2011
    due_on = calendars.local_day(site, calendars.due_at(site, calendar, on))
    assert due_on >= on
    assert calendars.is_working(calendar, due_on)
    assert not any(calendars.is_working(calendar, each) for each in range(on, due_on))


@given(st.sampled_from(ZONES), days)
def test_days_follow_each_other_without_gap_or_overlap(zone: str, on: Day) -> None:
    assert calendars.day_end(zone, on) + 1 == calendars.day_start(zone, on + 1)
    assume(zone != "Pacific/Apia" or on > 15_400)
    assert calendars.day_at(zone, calendars.day_start(zone, on)) == on
    assert calendars.day_at(zone, calendars.day_end(zone, on)) == on


@given(lanes(), sites(), dated(), st.integers(0, DAY_MS), quantiles)
def test_the_latest_departure_arrives_in_time_and_the_next_one_does_not(
    lane: Lane,
    origin: Site,
    dated: tuple[Calendar | None, Day],
    within: int,
    quantile: Quantile,
) -> None:
    calendar, on = dated
    due_at = on * DAY_MS + within
    departs_at = calendars.latest_departure(lane, origin, calendar, due_at, quantile)
    lead_time_ms = lane.lead_time_ms(quantile)
    assert departs_at + lead_time_ms <= due_at
    assert calendars.next_departure(lane, origin, calendar, departs_at) == departs_at
    after = calendars.next_departure(lane, origin, calendar, departs_at + 1)
    assert after + lead_time_ms > due_at


@given(lanes(), sites(), dated(), st.integers(0, DAY_MS))
def test_the_next_departure_is_one_and_not_before_the_goods_are_ready(
    lane: Lane, origin: Site, dated: tuple[Calendar | None, Day], within: int
) -> None:
    calendar, on = dated
    ready_at = on * DAY_MS + within
    departs_at = calendars.next_departure(lane, origin, calendar, ready_at)
    assert departs_at >= ready_at
    assert calendars.next_departure(lane, origin, calendar, departs_at) == departs_at


@given(sites(), dated(), st.integers(0, DAY_MS), hours_ms, hours_ms)
def test_working_time_adds_up(
    site: Site, dated: tuple[Calendar | None, Day], within: int, first_ms: int, second_ms: int
) -> None:
    calendar, on = dated
    assume(site.receiving_closes_minutes - site.receiving_opens_minutes >= 240)
    start_at = on * DAY_MS + within
    half_way_at = calendars.add_working_time(site, calendar, start_at, first_ms)
    end_at = calendars.add_working_time(site, calendar, half_way_at, second_ms)
    assert start_at + first_ms <= half_way_at <= end_at
    # At a closing moment "nothing more" means the next opening: only then may the two differ.
    if second_ms:
        assert end_at == calendars.add_working_time(site, calendar, start_at, first_ms + second_ms)


@given(st.sampled_from(ZONES), minutes, working(), moments, hours_ms, st.integers(0, 3 * DAY_MS))
def test_hearing_of_a_feed_never_makes_it_blind_sooner(
    zone: str,
    daily_at: int,
    calendar: Calendar | None,
    heard_at: UtcMillis,
    grace_ms: int,
    later_ms: int,
) -> None:
    feed = Feed(
        id="f", party="p", families=(), daily_at_minutes=daily_at, zone=zone, grace_ms=grace_ms
    )
    blind_at = calendars.blind_at(feed, calendar, heard_at)
    later_at = calendars.blind_at(feed, calendar, heard_at + later_ms)
    assert blind_at is not None
    assert later_at is not None
    assert heard_at + grace_ms < blind_at <= later_at
