"""One summary per recipient, where shadow mode ends: what is open, the worst first.

While a policy says `shadow`, everything is decided as ever and nobody is told. When it no longer
does, each recipient from whom something was withheld gets one notification, with what is open for
them then; singly they hear only of what changes later. A summary is gathered alert by alert, so
that a tick with many of them may be evaluated in parts.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from alerts.findings import severity_rank
from alerts.terms import Recipient
from schemas.records import Alert, Notification, Severity, decode, encode
from schemas.units import UtcMillis, instant, millis

SUMMARY = "summary"
"""The event of such a notification."""

LISTED_MAX = 20
"""Alerts that a summary writes out; the others are counted."""


class Listed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An open alert as the summary writes it."""

    alert_id: str
    severity: Severity
    title: str
    opened_at: UtcMillis


class Summary(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What was gathered so far. `listed` are the worst, oldest first among equals; `shown` is the
    worst alert without its consequences, or, where none is open, the last of those that the
    recipient had heard of and whose end was withheld; empty for none of either."""

    count: int = 0
    listed: tuple[Listed, ...] = ()
    shown: bytes = b""


def summary_id(recipient_id: str, tick: int) -> str:
    """The id of the recipient's summary at the tick: the same however often it is made."""
    return blake2b(f"{recipient_id}|{SUMMARY}|{tick}".encode(), digest_size=12).hexdigest()


def ended(summary: Summary, alert: Alert) -> Summary:
    """The summary after an end was withheld from somebody who had heard of the alert."""
    return summary if summary.count else msgspec.structs.replace(summary, shown=_bare(alert))


def opened(summary: Summary, alert: Alert) -> Summary:
    """The summary with one more open alert."""
    entry = Listed(alert.alert_id, alert.severity, alert.title, millis(alert.opened_at))
    listed = tuple(sorted((*summary.listed, entry), key=_worst_first)[:LISTED_MAX])
    shown = _bare(alert) if listed[0] is entry else summary.shown
    return Summary(summary.count + 1, listed, shown)


def notification(
    summary: Summary, recipient: Recipient, tick: int, now: UtcMillis
) -> Notification | None:
    """The summary as a notification; it carries the worst alert. None where there is nothing to
    say: nothing is open, and nothing that was heard of has ended."""
    if not summary.shown:
        return None
    worst = decode(summary.shown, Alert)
    number = summary.count
    lines = [f"- {each.severity.value}: {each.title} ({each.alert_id})" for each in summary.listed]
    if number > len(lines):
        lines.append(f"- and {number - len(lines)} more")
    what = ("Nothing is", "One alert is")[number] if number < 2 else f"{number} alerts are"
    return Notification(
        notification_id=summary_id(recipient.id, tick),
        recipient=recipient.id,
        audience=recipient.audience,
        sinks=recipient.sinks,
        tick=tick,
        at=instant(now),
        event=SUMMARY,
        alert_id=worst.alert_id,
        episode=worst.episode,
        revision=worst.revision,
        severity=worst.severity,
        title=f"{what} open at the end of shadow mode",
        text="\n".join(
            (
                f"Shadow mode has ended. {what} open{':' if lines else '.'}",
                *lines,
                "What you heard of before and is not open now has ended.",
            )
        ),
        next_step=worst.next_step if number else "Nothing is to be done.",
        alert=worst,
    )


def _worst_first(each: Listed) -> tuple[int, UtcMillis, str]:
    return -severity_rank(each.severity), each.opened_at, each.alert_id


def _bare(alert: Alert) -> bytes:
    return encode(msgspec.structs.replace(alert, consequences=()))
