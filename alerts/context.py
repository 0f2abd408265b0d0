"""What judging a line takes, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alerts import reasons
from alerts.chasing import Ask
from alerts.findings import Blind, Finding, RuleVerdict
from alerts.lines import FeedState, LineSummary
from alerts.policy import Policy
from alerts.settlement import Settlement
from alerts.standing import Expectation, NextStep, expected_of
from alerts.view import LineView, derived
from schemas.records import Progress, Standing
from schemas.units import UtcMillis
from topology.network import Network


class LineContext(msgspec.Struct, frozen=True, eq=False):
    """A line and all that judging it may look at. `held_families` are those of which facts may
    hide; `complete` says that everything up to `now` has been read."""

    line: LineSummary
    network: Network
    policy: Policy
    now: UtcMillis
    feeds: Mapping[str, FeedState]
    held_families: tuple[str, ...] = ()
    complete: bool = True


class Judgement(msgspec.Struct, frozen=True, eq=False, dict=True):
    """What is to be known of a line now.

    `feeds` are the sources whose blindness would change it; `waits` says that a verdict waits for
    the word of one, or for facts that hide; `settlement` is how its money stands, `ask` what its
    supplier is asked for. At `next_fire_at` it is to be judged anew.
    """

    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    progress: Progress
    standing: Standing
    next_step: NextStep | None
    blind_feed: Blind | None
    next_fire_at: UtcMillis | None
    feeds: tuple[str, ...]
    waits: bool
    view: LineView
    settlement: Settlement | None = None
    ask: Ask | None = None

    @derived
    def expected(self) -> Expectation | None:
        """When it is expected; None without a date, and for what is over."""
        return None if self.next_step is None else expected_of(self.view, self.findings)

    @property
    def why(self) -> str:
        """Why it stands as it does, in one sentence."""
        return reasons.why(self.standing, self.view, self.findings, self.blind_feed)
