"""The rule on sources: a feed that is silent beyond its rhythm."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.findings import Answer, Aspect, Fires, Silence
from alerts.lines import FeedState
from alerts.rules.rule import Rule, Settings, Unit
from schemas.records import Severity
from schemas.units import UtcMillis


@dataclass(frozen=True, eq=False)
class FeedView:
    """One source at `now`. `blind_at` is when it turns blind if nothing more is heard than `feed`
    holds; None when nothing is known of its rhythm."""

    feed: FeedState
    blind_at: UtcMillis | None
    now: UtcMillis


def feed_blind(view: FeedView, settings: Settings) -> Answer:
    """A source has been silent for longer than its declared rhythm and grace.

    The rhythm is the feed's own: at least one word in an interval, or a run at a time of day on
    its working days, so that a nightly feed is not blind at noon. While a source is blind nothing
    is concluded from its silence, and lines that wait for its word are shown as blind, never as on
    time or late. A source that declares no rhythm is given the policy's, if that names one.
    """
    feed = view.feed
    if feed.blind_since is None:
        # Its ledger notices when it turns blind, and its words are too many to restate this.
        return _NO_RHYTHM if view.blind_at is None else _HEARD
    deadline = feed.blind_since if view.blind_at is None else view.blind_at
    days, restated_at = settings.days_reached(deadline, view.now)
    return Fires(
        "fires",
        feed.heard_at,
        None,
        (
            ("source", feed.source),
            ("heard_at", feed.heard_at),
            ("deadline_at", deadline),
            ("days", days),
        ),
        due_at=deadline,
        days=days,
        next_fire_at=restated_at,
    )


_NO_RHYTHM = Silence("no_rhythm")
_HEARD = Silence("heard")

FEED_BLIND = Rule(
    name="feed_blind",
    aspect=Aspect.FEED,
    rests_on_absence=True,
    severity=Severity.MAJOR,
    severity_by_days=((1, Severity.CRITICAL),),
    parameters=(),
    value_unit=Unit.MOMENT,
    says={
        "fires": "Source {source} was last heard {heard_at}; it should have spoken by "
        "{deadline_at}.",
        "no_rhythm": "It declares no rhythm, so its silence says nothing.",
        "heard": "It speaks within its rhythm.",
    },
    headline="silent since {heard_at}",
    next_step="Ask whoever runs {source} to restart it; what depends on it cannot be seen.",
    evaluate=feed_blind,
)
