"""How often a source speaks, and when its silence makes it blind."""

from __future__ import annotations

from alerts.findings import NETWORK_SOURCE, POLICY_SOURCE, Threshold
from alerts.lines import FeedState
from alerts.policy import Policy
from alerts.rules.feeds import Rhythm
from schemas.units import MINUTE_MS, UtcMillis
from topology.model import Feed
from topology.network import Network


def blind_at(feed: FeedState, network: Network, policy: Policy) -> UtcMillis | None:
    """When the source turns blind if nothing more is heard of it: by its declared rhythm, else by
    the policy's for sources without one, if there is one; None if never."""
    declared = network.feed(feed.source)
    rhythm = None if declared is None else network.blind_at(declared, feed.heard_at)
    if rhythm is not None:
        return rhythm
    default_ms = policy.feed_default_ms
    return None if default_ms is None else feed.heard_at + default_ms


def rhythm_of(source: str, network: Network, policy: Policy) -> Rhythm | None:
    """How long the source may be silent and who says so, by the same order as `blind_at`; None
    where that is None. It changes with network and policy alone, never with a word of the source.
    """
    declared = network.feed(source)
    if declared is not None and declared.every_ms is not None:
        allowed = _minutes(declared.every_ms + declared.grace_ms)
        return Rhythm(Threshold(allowed, _says(declared, "interval and grace")), False)
    if declared is not None and declared.daily_at_minutes is not None:
        hours, minutes = divmod(declared.daily_at_minutes, 60)
        run = f"grace after its run at {hours:02}:{minutes:02} {declared.zone}"
        if declared.calendar:
            run += f" on working days of {declared.calendar}"
        return Rhythm(Threshold(_minutes(declared.grace_ms), _says(declared, run)), True)
    default_ms = policy.feed_default_ms
    if default_ms is None:
        return None
    threshold = Threshold(_minutes(default_ms), f"{POLICY_SOURCE}undeclared_feeds")
    return Rhythm(threshold, False)


def _says(declared: Feed, which: str) -> str:
    return f"{NETWORK_SOURCE}feed {declared.id}, {which}"


def _minutes(duration_ms: int) -> int:
    return -(-duration_ms // MINUTE_MS)
