"""How often a source speaks, and when its silence makes it blind."""

from __future__ import annotations

from alerts.lines import FeedState
from alerts.policy import Policy
from schemas.units import UtcMillis
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
