"""Dates into moments: working days, due moments, departures, the rhythm of feeds.

Pure functions of a site, lane, feed and calendar. All are right across changes of summer time:
local times are turned into moments day by day, in the zone of the place. A local time that exists
twice, or not at all, is taken as the later of its two readings where it is a deadline that somebody
must keep, and as the earlier one where it is a moment that somebody must not miss. A moment or
day outside the years that a fact may claim (1970 to 2100) is taken as the first or last of them.

`Network` (network.py) remembers the answers; call those here where there is no network.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta

from schemas.units import (
    DAY_MS,
    SECOND_MS,
    TIME_MAX,
    TIME_MIN,
    Day,
    UtcMillis,
    calendar_date,
    day,
    millis,
)
from topology.model import DAY_MINUTES, Calendar, Feed, Lane, Quantile, Site
from topology.zones import zone

_MIDNIGHT = time()


def is_working(calendar: Calendar | None, on: Day) -> bool:
    """Whether the calendar works that day; without a calendar every day is worked."""
    if calendar is None:
        return True
    return (on + 3) % 7 in calendar.working_weekdays and on not in calendar.holidays


def next_working(calendar: Calendar | None, on: Day) -> Day:
    """The day itself when it is worked, else the next one that is."""
    for candidate in range(on, on + _search_days(calendar)):
        if is_working(calendar, candidate):
            return candidate
    raise ValueError(f"calendar {calendar.id if calendar else ''!r} has no working day")


def last_working(calendar: Calendar | None, on: Day) -> Day:
    """The day itself when it is worked, else the last one before it that is."""
    for candidate in range(on, on - _search_days(calendar), -1):
        if is_working(calendar, candidate):
            return candidate
    raise ValueError(f"calendar {calendar.id if calendar else ''!r} has no working day")


def _search_days(calendar: Calendar | None) -> int:
    """Within so many days there is a working one: each holiday takes at most one week away."""
    return 1 if calendar is None else 7 * (len(calendar.holidays) + 1)


def later_moment(zone_name: str, on: Day, minutes: int) -> UtcMillis:
    """The moment of a local time; the later one where the clocks are changed over it."""
    return max(_moment(zone_name, on, minutes, fold=0), _moment(zone_name, on, minutes, fold=1))


def earlier_moment(zone_name: str, on: Day, minutes: int) -> UtcMillis:
    """The moment of a local time; the earlier one where the clocks are changed over it."""
    return min(_moment(zone_name, on, minutes, fold=0), _moment(zone_name, on, minutes, fold=1))


def _moment(zone_name: str, on: Day, minutes: int, *, fold: int) -> UtcMillis:
    local = datetime.combine(calendar_date(on), _MIDNIGHT) + timedelta(minutes=minutes)
    return millis(local.replace(tzinfo=zone(zone_name), fold=fold))


def _claimable(at: UtcMillis) -> UtcMillis:
    return min(max(at, TIME_MIN), TIME_MAX)


def day_start(zone_name: str, on: Day) -> UtcMillis:
    """The first millisecond of the day in that zone, also where clocks change at midnight."""
    return _moment(zone_name, on, 0, fold=0)


def day_end(zone_name: str, on: Day) -> UtcMillis:
    """The last millisecond of the day in that zone."""
    return day_start(zone_name, on + 1) - 1


def day_at(zone_name: str, at: UtcMillis) -> Day:
    """The calendar date in that zone at that moment."""
    return day(datetime.fromtimestamp(at // SECOND_MS, zone(zone_name)))


def local_day(site: Site, at: UtcMillis) -> Day:
    """The calendar date at the site at that moment."""
    return day_at(site.zone, _claimable(at))


def due_at_default(on: Day) -> UtcMillis:
    """When a date falls due at a place that nobody has described: its last millisecond in UTC."""
    return (on + 1) * DAY_MS - 1


def due_at(site: Site, calendar: Calendar | None, on: Day) -> UtcMillis:
    """The last moment at which what was promised for that date is still on time at the site.

    This is the end of receiving on that day, in the site's zone; when the site does not receive
    that day (weekend, holiday), on the next day that it does. A site that receives until 17:00
    has its last moment at 17:00:00.000, one that never closes at 23:59:59.999: always on the
    receiving day itself.
    """
    bounded = min(max(on, TIME_MIN // DAY_MS), TIME_MAX // DAY_MS)
    receiving = next_working(calendar, bounded)
    if site.receiving_closes_minutes >= DAY_MINUTES:
        return day_end(site.zone, receiving)
    return later_moment(site.zone, receiving, site.receiving_closes_minutes)


def latest_departure(
    lane: Lane, origin: Site, calendar: Calendar | None, due: UtcMillis, quantile: Quantile
) -> UtcMillis:
    """The last departure of the lane that arrives by `due` if it keeps the quantile's lead time.

    With a cut-off: the cut-off of the last working day from which the goods arrive in time; the
    departure is taken to happen at the cut-off, so the goods must be handed over by then. Without
    one: the last moment of a working day. `calendar` is the lane's calendar of departures.
    """
    latest = _claimable(due) - lane.lead_time_ms(quantile)
    on = last_working(calendar, day_at(origin.zone, latest))
    if lane.cut_off_minutes is None:
        return min(latest, day_end(origin.zone, on))
    departure = earlier_moment(origin.zone, on, lane.cut_off_minutes)
    while departure > latest:
        on = last_working(calendar, on - 1)
        departure = earlier_moment(origin.zone, on, lane.cut_off_minutes)
    return departure


def next_departure(
    lane: Lane, origin: Site, calendar: Calendar | None, ready: UtcMillis
) -> UtcMillis:
    """The first departure of the lane at or after the moment at which the goods are ready."""
    ready = _claimable(ready)
    today = day_at(origin.zone, ready)
    if lane.cut_off_minutes is None:
        on = next_working(calendar, today)
        return ready if on == today else day_start(origin.zone, on)
    on = next_working(calendar, today - 1)
    departure = earlier_moment(origin.zone, on, lane.cut_off_minutes)
    while departure < ready:
        on = next_working(calendar, on + 1)
        departure = earlier_moment(origin.zone, on, lane.cut_off_minutes)
    return departure


def add_working_time(
    site: Site, calendar: Calendar | None, start: UtcMillis, duration_ms: int
) -> UtcMillis:
    """The moment at which the site has been open for the duration, counted from `start`.

    Only the receiving hours of its working days count. A duration of nothing is over at the first
    open moment. Costs one step per day passed, so a duration of years is for tests.
    """
    start = _claimable(start)
    left_ms = max(duration_ms, 0)
    on = next_working(calendar, day_at(site.zone, start))
    while True:
        opens, closes = receiving_hours(site, on)
        opens = max(start, opens)
        if opens < closes and left_ms <= closes - opens:
            return opens + left_ms
        left_ms -= max(closes - opens, 0)
        on = next_working(calendar, on + 1)


def receiving_hours(site: Site, on: Day) -> tuple[UtcMillis, UtcMillis]:
    """From and up to (excluded) when the site receives on that day, if it does."""
    opens, closes = site.receiving_opens_minutes, site.receiving_closes_minutes
    return (
        later_moment(site.zone, on, opens) if opens else day_start(site.zone, on),
        day_start(site.zone, on + 1)
        if closes >= DAY_MINUTES
        else later_moment(site.zone, on, closes),
    )


def blind_at(feed: Feed, calendar: Calendar | None, last_heard: UtcMillis) -> UtcMillis | None:
    """The moment from which the feed counts as blind if nothing more is heard of it.

    A feed with an interval: interval and grace after it was last heard. A nightly one: the grace
    after its first run that is due after it was last heard; between its runs it is never blind.
    `daily_at_minutes` is thus the earliest time of a run: what is told before counts for the run
    before. None when the feed declares no rhythm.
    """
    last_heard = _claimable(last_heard)
    if feed.every_ms is not None:
        return last_heard + feed.every_ms + feed.grace_ms
    if feed.daily_at_minutes is None:
        return None
    on = next_working(calendar, day_at(feed.zone, last_heard))
    run = later_moment(feed.zone, on, feed.daily_at_minutes)
    while run <= last_heard:
        on = next_working(calendar, on + 1)
        run = later_moment(feed.zone, on, feed.daily_at_minutes)
    return run + feed.grace_ms
