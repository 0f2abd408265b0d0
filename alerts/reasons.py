"""Why an order line stands as it does, in sentences that people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from alerts.findings import Blind, Finding
from alerts.lines import LineSummary
from alerts.rules import (
    DELIVERED_LATE,
    EXPECTED_AFTER_PROMISE,
    LATE_TO_SHIP,
    OVERDUE_NO_NEWS,
    STUCK_IN_TRANSIT,
    UNCONFIRMED,
)
from alerts.texts import amount, finding_text, moment, nobody_can_tell
from alerts.view import LineView
from schemas.records import Standing
from schemas.units import calendar_date


def why(
    standing: Standing, view: LineView, findings: Sequence[Finding], blind_feed: Blind | None
) -> str:
    """Why a line stands as it does: one sentence, and one on what is missing of deliveries."""
    lacks = _lacking(view.line)
    told = _why(standing, view, findings, blind_feed, lacks)
    return f"{told} {lacks}." if lacks and standing is not Standing.ON_TIME else told


def _why(
    standing: Standing, view: LineView, findings: Sequence[Finding], blind: Blind | None, lacks: str
) -> str:
    match standing:
        case Standing.ENDED:
            return _ended(view.line)
        case Standing.BLIND:
            return nobody_can_tell(blind)
        case Standing.UNKNOWN if view.line.tells_uncounted("delivered"):
            return "How much of it was delivered is told in a unit that cannot be counted."
        case Standing.UNKNOWN:
            return "Nothing has been promised yet."
        case Standing.ON_TIME:
            return _on_time(view, lacks)
        case Standing.LATE | Standing.AT_RISK:
            for rule in _TELLING_FIRST:
                for finding in findings:
                    if finding.rule == rule:
                        return finding_text(finding)
            late = "It was delivered, or is expected," if view.line.legs else "It is expected"
            return f"{late} after it falls due, within what the policy accepts."
        case _:
            assert_never(standing)


_TELLING_FIRST = (
    DELIVERED_LATE.name,
    EXPECTED_AFTER_PROMISE.name,
    OVERDUE_NO_NEWS.name,
    LATE_TO_SHIP.name,
    STUCK_IN_TRANSIT.name,
    UNCONFIRMED.name,
)


def _ended(line: LineSummary) -> str:
    ends = (("Rejected", line.rejected), ("Cancelled", line.cancelled_news))
    for name, news in (*ends, ("Closed", line.closed)):
        if news is not None:
            reason = f" ({news.reason})" if news.reason else ""
            return f"{name} {moment(news.at)}{reason}; nothing more is expected."
    return "Nothing more is expected."


def _on_time(view: LineView, lacks: str) -> str:
    promise = view.promise
    nothing = "nothing told speaks against " + (f"the rest. {lacks}." if lacks else "it.")
    if promise is None:
        return nothing[0].upper() + nothing[1:]
    on = calendar_date(view.day_of(promise)).isoformat()
    word = "Promised" if view.line.last_confirmed is not None else "Requested"
    if not view.line.is_delivered:
        return f"{word} for {on}; {nothing}"
    full = f", but not in full: {lacks}." if lacks else "."
    return f"{word} for {on}, delivered in time{full}"


def _lacking(line: LineSummary) -> str:
    """What deliveries that were told of did not bring, or brought damaged, and nothing made up for
    since; "" for nothing."""
    missing = sum([leg.missing for leg in line.legs if leg.delivered is not None])
    if line.tells_uncounted("delivered"):
        missing = line.short
    missing = min(missing, line.wanted - line.received)
    damaged = min(line.damaged, line.wanted - line.delivered)
    if missing <= 0 and damaged <= 0:
        return ""
    said = [
        f"{amount(lost, line.unit)} of {amount(line.wanted, line.unit)} are {word}"
        for lost, word in ((missing, "missing"), (damaged, "damaged"))
        if lost > 0
    ]
    return " and ".join(said)
