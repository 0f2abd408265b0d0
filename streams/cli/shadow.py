"""`slipwatch shadow`: what would have been told while nobody is, and how good the feeds are."""

from __future__ import annotations

import datetime as dt

import click
from rich.markup import escape

from schemas.units import millis
from streams.cli.display import SEVERITY_STYLES, print_table, styled, words
from streams.cli.session import Session, console, json_option, pass_session, print_json
from streams.shadow import ShadowReport, SourceReport, read_report


@click.group()
def shadow() -> None:
    """Say what would have been told while nobody is, and how good the feeds are.

    Everything runs and nobody is told while the policy says `shadow: true`.

    \b
    Examples:
      slipwatch shadow report
      slipwatch shadow report --since 2026-03-02
    """


@shadow.command("report")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Only what was told and withheld from this day on, in UTC. [default: all]",
)
@json_option
@pass_session
def report(session: Session, since: dt.datetime | None, as_json: bool) -> None:
    """Say what would have been told, to whom, and how good each feed is.

    Reads facts, notifications, dead letters and unlinked numbers from the broker; writes nothing.
    Lateness is how long after it happened a source tells of it.
    """
    at = None if since is None else millis(since.replace(tzinfo=dt.UTC))
    with session.log() as log:
        found = read_report(log, at)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: ShadowReport) -> None:
    print_table(
        ("recipient", "on", "what", "severity", "how many"),
        (
            (
                escape(each.recipient),
                escape(", ".join(each.sinks)),
                words(each.event),
                styled(each.severity.value, SEVERITY_STYLES),
                str(each.count),
            )
            for each in found.withheld
        ),
        title="Withheld",
    )
    print_table(
        ("when", "recipient", "severity", "what"),
        (
            (
                f"{each.at:%Y-%m-%d %H:%M} UTC",
                escape(each.recipient),
                styled(each.severity.value, SEVERITY_STYLES),
                escape(f"{words(each.event)}: {each.title}"),
            )
            for each in found.latest
        ),
        title="The latest of them",
    )
    print_table(
        (
            "source",
            "facts",
            "linked",
            "late: half, 95 %, most",
            "gaps",
            "longest silence",
            "refused",
        ),
        (_source(each) for each in found.sources),
        title="Feeds",
    )
    console().print(f"{found.notifications} notifications were withheld.")


def _source(each: SourceReport) -> tuple[str, ...]:
    linked = "" if each.linked_percent is None else f"{each.linked_percent:g} %"
    late = each.lateness
    refused = ", ".join(f"{count} {words(reason)}" for reason, count in each.refused.items())
    return (
        escape(each.source) or "(unknown)",
        str(each.facts),
        f"{linked}, {each.waiting} wait" if each.waiting else linked,
        ""
        if late is None
        else ", ".join(map(_hours, (late.p50_seconds, late.p95_seconds, late.max_seconds))),
        "" if each.gaps is None else str(each.gaps),
        "" if each.longest_silence_seconds is None else _hours(each.longest_silence_seconds),
        escape(refused),
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"
