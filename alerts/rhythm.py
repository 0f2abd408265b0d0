"""How often a source speaks, and when its silence makes it blind.

A source for which the network declares no rhythm is listened to: of each day on which it spoke its
longest silence is kept, for the last days, and the second longest of these is what is usual for it.
Nights come back and count, and so do weekends, of which two have gone by before anything is usual;
one outage does not. `blind_at` says what the policy makes of it. A partner that speaks by the door
is not held to what is usual for it: it answers when there is something to answer.
"""

from __future__ import annotations

from typing import TypeAlias

from alerts.findings import NETWORK_SOURCE, POLICY_SOURCE, Threshold
from alerts.lines import FeedState
from alerts.policy import Policy
from alerts.rules.feeds import Rhythm
from schemas.limits import RHYTHM_DAYS_MAX
from schemas.partner_sources import partner_of
from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, Day, UtcMillis
from topology.model import Feed
from topology.network import Network

Silences: TypeAlias = tuple[tuple[Day, int], ...]
"""(day in UTC, the longest silence in milliseconds that ended on it), ascending; only days on which
the source spoke."""

DAYS_MIN = 7
"""Days on which a source must have spoken before anything is usual for it."""

SPAN_DAYS_MIN = 14
"""From the first of these days to the last, so that two weekends lie between them: the second
longest silence of a source that rests at weekends is a weekend then, and never a night."""


def listened(silences: Silences, heard_at: UtcMillis, at: UtcMillis) -> Silences:
    """The silences once the source, last heard at `heard_at`, spoke at `at`."""
    days = dict(silences)
    day = at // DAY_MS
    days[day] = max(days.get(day, 0), at - heard_at)
    return tuple(sorted(days.items()))[-RHYTHM_DAYS_MAX:]


def usual_hours(silences: Silences) -> int | None:
    """What silence is usual, in whole hours, rounded up; None before enough was heard."""
    if len(silences) < DAYS_MIN or silences[-1][0] - silences[0][0] < SPAN_DAYS_MIN:
        return None
    second = sorted(length for _, length in silences)[-2]
    return max(1, -(-second // HOUR_MS))


def blind_at(feed: FeedState, network: Network, policy: Policy) -> UtcMillis | None:
    """When the source turns blind if nothing more is heard of it: by its declared rhythm, else by
    what it has shown to be usual, else by the policy's for sources without one; None if never."""
    declared = network.feed(feed.source)
    rhythm = None if declared is None else network.blind_at(declared, feed.heard_at)
    if rhythm is not None:
        return rhythm
    learned_ms = _learned_ms(feed, policy)
    allowed_ms = policy.feed_default_ms if learned_ms is None else learned_ms
    return None if allowed_ms is None else feed.heard_at + allowed_ms


def _learned_ms(feed: FeedState, policy: Policy) -> int | None:
    if feed.learned_hours is None or partner_of(feed.source) is not None:
        return None
    return policy.learned_ms(feed.learned_hours)


def rhythm_of(feed: FeedState, network: Network, policy: Policy) -> Rhythm | None:
    """How long the source may be silent and who says so, by the same order as `blind_at`; None
    where that is None. It changes with network, policy and what is usual alone, never with each
    word of the source."""
    declared = network.feed(feed.source)
    if declared is not None and declared.every_ms is not None:
        allowed = _minutes(declared.every_ms + declared.grace_ms)
        return Rhythm(Threshold(allowed, _says(declared, "interval and grace")), False)
    if declared is not None and declared.daily_at_minutes is not None:
        hours, minutes = divmod(declared.daily_at_minutes, 60)
        run = f"grace after its run at {hours:02}:{minutes:02} {declared.zone}"
        if declared.calendar:
            run += f" on working days of {declared.calendar}"
        return Rhythm(Threshold(_minutes(declared.grace_ms), _says(declared, run)), True)
    learned_ms = _learned_ms(feed, policy)
    if learned_ms is not None:
        says = f"{POLICY_SOURCE}learned_feeds, from {feed.learned_hours} hours learned as usual"
        return Rhythm(Threshold(_minutes(learned_ms), says), False)
    default_ms = policy.feed_default_ms
    if default_ms is None:
        return None
    threshold = Threshold(_minutes(default_ms), f"{POLICY_SOURCE}undeclared_feeds")
    return Rhythm(threshold, False)


def _says(declared: Feed, which: str) -> str:
    return f"{NETWORK_SOURCE}feed {declared.id}, {which}"


def _minutes(duration_ms: int) -> int:
    return -(-duration_ms // MINUTE_MS)
