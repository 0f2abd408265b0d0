"""The rule on sources: a feed that is silent beyond its rhythm."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.findings import Answer, Aspect, Fires, Silence, Threshold
from alerts.lines import FeedState, Quarantined
from alerts.rules.rule import Rule, Settings, Unit
from schemas.records import Severity
from schemas.units import UtcMillis


@dataclass(frozen=True)
class Rhythm:
    """How long a source may be silent, in minutes, grace included, and who says so. Of a source
    with a daily run the threshold is the grace alone, counted from the run that is due."""

    threshold: Threshold
    is_daily: bool


@dataclass(frozen=True, eq=False)
class FeedView:
    """One source at `now`. `blind_at` is when it turns blind if nothing more is heard than `feed`
    holds; None, like `rhythm`, when nothing is known of its rhythm."""

    feed: FeedState
    blind_at: UtcMillis | None
    rhythm: Rhythm | None
    now: UtcMillis


def feed_blind(view: FeedView, settings: Settings) -> Answer:
    """A source has been silent for longer than its rhythm and grace, or is in quarantine.

    The rhythm is the feed's own: at least one word in an interval, or a run at a time of day on
    its working days, so that a nightly feed is not blind at noon. While a source is blind nothing
    is concluded from its silence, and lines that wait for its word are shown as blind, never as on
    time or late. A source that declares no rhythm is held to the one that it has shown, or to the
    policy's, if the policy says so. One of which too many records are refused is in quarantine:
    what is good of it is used, and as to the rest it is blind.
    """
    feed, rhythm = view.feed, view.rhythm
    if feed.quarantined is not None:
        return _in_quarantine(feed, feed.quarantined, view.now, settings)
    if feed.blind_since is None:
        if rhythm is None:
            return _NO_RHYTHM
        # Its ledger notices when it turns blind. Value and next moment are left out: they move with
        # every word of the source, and each move would be another decision.
        return Silence("heard_daily" if rhythm.is_daily else "heard", threshold=rhythm.threshold)
    deadline = feed.blind_since if view.blind_at is None else view.blind_at
    days, restated_at = settings.days_reached(deadline, view.now)
    return Fires(
        "fires",
        feed.heard_at,
        None if rhythm is None else rhythm.threshold,
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


def _in_quarantine(
    feed: FeedState, quarantined: Quarantined, now: UtcMillis, settings: Settings
) -> Fires:
    days, restated_at = settings.days_reached(quarantined.since, now)
    return Fires(
        "quarantined",
        feed.heard_at,
        None,
        (
            ("source", feed.source),
            ("heard_at", feed.heard_at),
            ("refused", quarantined.refused),
            ("records", quarantined.records),
            ("quarantined_at", quarantined.since),
            ("days", days),
        ),
        due_at=quarantined.since,
        days=days,
        next_fire_at=restated_at,
    )


_NO_RHYTHM = Silence("no_rhythm")
_MOVES = "that moment moves with each of its words, and is shown in `feeds`."

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
        "quarantined": "Source {source} is in quarantine since {quarantined_at}: {refused} of its "
        "last {records} records were refused.",
        "no_rhythm": "It declares no rhythm and the policy gives none: its silence says nothing.",
        "heard": "It speaks within its rhythm. It would fire once it has been silent for "
        f"{{threshold}}; {_MOVES}",
        "heard_daily": "It speaks within its rhythm. It would fire {threshold} after a daily run "
        f"that is due and does not come; {_MOVES}",
    },
    headline="blind, last heard {heard_at}",
    next_step="Ask whoever runs {source} to mend it; what depends on it cannot be seen.",
    evaluate=feed_blind,
    threshold_unit=Unit.MINUTES,
)
