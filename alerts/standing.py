"""How far a line has come, how it stands, what is next and when it is expected.

**Standing** is against the date that holds (last confirmed, else requested), and the first of:

- `ended`: rejected, cancelled or closed without having been delivered in full;
- `late` where facts say so: delivered after it fell due, or past due and told to come later;
- `at_risk` where facts say so: an ETA, or the lead time from where it was last seen, is past due;
- `blind`: a source that should tell of its next step is blind. What facts say stays true when a
  source falls silent; what was concluded from silence does not;
- `late` or `at_risk` by what was not told: overdue, not shipped in time, stuck, not confirmed;
- `unknown`: nobody has promised anything and nothing has been shipped;
- `on_time`: nothing told speaks against it.
"""

from __future__ import annotations

import msgspec

from alerts.evidence import Step, earliest, telling
from alerts.findings import Blind, Finding
from alerts.rules import LATE_TO_SHIP, OVERDUE_NO_NEWS, STUCK_IN_TRANSIT, UNCONFIRMED
from alerts.view import LineView
from schemas.records import Progress, Standing
from schemas.units import UtcMillis


class Expectation(msgspec.Struct, frozen=True, gc=False):
    """When the line, or its last part, is expected, and what that rests on."""

    at: UtcMillis
    basis: str
    source: str | None = None
    told_at: UtcMillis | None = None


class NextStep(msgspec.Struct, frozen=True, gc=False):
    """What should happen next, by when, and who should tell of it."""

    step: Step
    by: UtcMillis | None
    feeds: tuple[str, ...]


def progress_of(view: LineView) -> Progress:
    """The furthest step that facts tell of."""
    line = view.line
    if line.is_rejected:
        return Progress.REJECTED
    if line.is_cancelled:
        return Progress.CANCELLED
    if line.closed is not None:
        return Progress.CLOSED
    if line.is_delivered:
        return Progress.DELIVERED
    for leg in view.moving:
        if view.has_reached(leg):
            return Progress.ARRIVED
    if view.has_shipped:
        return Progress.SHIPPED
    for leg in line.legs:
        if leg.packed_news is not None:
            return Progress.PACKED
    return Progress.PLACED if line.confirmed_news is None else Progress.CONFIRMED


def standing_of(
    view: LineView, findings: tuple[Finding, ...], blind_feed: Blind | None
) -> tuple[Standing, UtcMillis | None]:
    """How the line stands, and when that changes by time alone."""
    line, now = view.line, view.now
    over = line.is_over
    if over and not line.is_delivered:
        return Standing.ENDED, None
    at_risk_until: UtcMillis | None = None
    for part in view.parts:
        leg = part.leg
        if leg is not None and leg.delivered is not None and leg.delivered.at > part.due_at:
            return Standing.LATE, None
    for part, arrival in () if over else view.open_parts:
        if arrival is not None and view.is_after(arrival, part):
            if now > part.due_at:
                return Standing.LATE, None
            at_risk_until = earliest(at_risk_until, part.due_at + 1)
    if at_risk_until is not None:
        return Standing.AT_RISK, at_risk_until
    if blind_feed is not None:
        return Standing.BLIND, None
    return _standing_by_absence(view, findings)


def _standing_by_absence(
    view: LineView, findings: tuple[Finding, ...]
) -> tuple[Standing, UtcMillis | None]:
    turns_at: UtcMillis | None = None
    is_at_risk = False
    for finding in findings:
        if finding.rule == OVERDUE_NO_NEWS.name:
            return Standing.LATE, None
        if finding.rule in (LATE_TO_SHIP.name, STUCK_IN_TRANSIT.name, UNCONFIRMED.name):
            is_at_risk = True
        if finding.rule == LATE_TO_SHIP.name and finding.due_at is not None:
            if view.now > finding.due_at:
                return Standing.LATE, None
            turns_at = finding.due_at + 1
    if is_at_risk:
        return Standing.AT_RISK, turns_at
    line = view.line
    if line.tells_uncounted("delivered"):
        # It may be delivered in full, or overdue.
        return Standing.UNKNOWN, None
    if view.promise is None or (line.last_confirmed is None and not view.has_shipped):
        return Standing.UNKNOWN, None
    return Standing.ON_TIME, None


def next_step_of(view: LineView, confirm_limit_ms: int) -> NextStep | None:
    """What should happen next; None when nothing should."""
    line = view.line
    if line.is_ended:
        return None
    if line.confirmed_news is None and not view.has_shipped:
        asked_at = line.asked_at
        by = None if asked_at is None else asked_at + confirm_limit_ms
        return NextStep(Step.CONFIRM, by, telling(view, Step.CONFIRM))
    part = view.waiting
    if part is not None:
        return NextStep(Step.SHIP, view.leaves_by(part), telling(view, Step.SHIP, part.leg))
    if not view.moving:
        return NextStep(Step.SHIP, None, telling(view, Step.SHIP))
    due_at = min((each.due_at for each, _ in view.open_parts), default=None)
    return NextStep(Step.DELIVER, due_at, telling(view, Step.DELIVER, view.moving[0]))


def feeds_of(view: LineView, step: NextStep | None) -> tuple[str, ...]:
    """The sources that rules may ask: of the next step, of every step still open, and of money."""
    sources = set(telling(view, Step.PAY))
    if step is None:
        return tuple(sorted(sources))
    sources.update(step.feeds)
    if step.step is not Step.CONFIRM and view.line.confirmed < view.line.wanted:
        sources.update(telling(view, Step.CONFIRM))
    waiting = view.waiting
    if waiting is not None:
        sources.update(telling(view, Step.DELIVER, waiting.leg))
        if step.step is not Step.SHIP:
            sources.update(telling(view, Step.SHIP, waiting.leg))
    for leg in view.moving[step.step is Step.DELIVER :]:
        sources.update(telling(view, Step.DELIVER, leg))
    return tuple(sorted(sources))


def expected_of(view: LineView, findings: tuple[Finding, ...]) -> Expectation | None:
    """When the last of what is open is expected; None without a date."""
    latest: Expectation | None = None
    for part, arrival in view.open_parts:
        if arrival is None:
            told = part.promise
            basis = "promise" if view.line.last_confirmed is not None else "requested date"
            each = Expectation(part.due_at, basis, told.source, told.told_at)
            late = next((one for one in findings if one.rule == LATE_TO_SHIP.name), None)
            if late is not None and late.projected_at is not None and part.leg is None:
                each = Expectation(late.projected_at, "next departure of its lane")
        elif arrival.told is not None:
            each = Expectation(arrival.at, "ETA", arrival.told.source, arrival.told.told_at)
        else:
            each = Expectation(arrival.at, f"lead time of lane {arrival.lane}")
            if not arrival.lane:
                each = Expectation(arrival.at, "arrival")
        if latest is None or each.at > latest.at:
            latest = each
    return latest
