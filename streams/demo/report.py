"""What is left when a demo has ended: one record for machines, the same in words for people."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator

import msgspec

from alerts.texts import counted
from schemas.units import DAY_MS, HOUR_MS, instant
from streams.demo.demonstration import Demonstration
from streams.demo.summary import Alerts, Answers, Faults, count_alerts, count_answers, judge
from streams.demo.words import days

UNCAUGHT_SHOWN = 5
LABEL_WIDTH = 16


class Notifications(msgspec.Struct, frozen=True, kw_only=True):
    """Notifications that were decided, and those that every sink has a receipt for."""

    decided: int
    delivered: int
    by_recipient: dict[str, int]


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """How much went through: `past` facts were told before time began to move, in `past_seconds`
    of waiting; `per_second` is over the seconds of the run."""

    facts: int
    past: int
    past_seconds: float
    per_second: int
    ticks: int
    ticks_per_second: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The demo in one record.

    `first_alert_seconds` and `started_seconds` count from the start of the command, in this order:
    the first alert is of the past, which is judged before time begins to move, when the demo has
    `started`. `seconds` is how long time moved.
    """

    seed: int
    speed: float
    seconds: float
    simulated_from: dt.datetime
    simulated_to: dt.datetime
    first_alert_seconds: float | None
    started_seconds: float
    faults: Faults
    alerts: Alerts
    answers: Answers
    notifications: Notifications
    flow: Flow
    dead_letters: int
    parked_keys: int


def make_report(demo: Demonstration) -> Report:
    """The report on a demo that has run."""
    options, board = demo.options, demo.board
    faults = judge(demo.simulation, board, options.began_at)
    seconds = max(demo.ran_seconds, 0.001)
    first = demo.first_alert_seconds
    return Report(
        seed=options.seed,
        speed=options.speed,
        seconds=round(demo.ran_seconds, 1),
        simulated_from=instant(options.began_at),
        simulated_to=instant(demo.simulation.now),
        first_alert_seconds=None if first is None else round(first, 1),
        started_seconds=round(demo.started_seconds, 1),
        faults=faults,
        alerts=count_alerts(board),
        answers=count_answers(board),
        notifications=Notifications(
            decided=len(board.notified),
            delivered=board.delivered,
            by_recipient=dict(sorted(board.recipients.items())),
        ),
        flow=Flow(
            facts=board.taken,
            past=demo.past_facts,
            past_seconds=round(demo.past_seconds, 1),
            per_second=round((board.taken - demo.past_facts) / seconds),
            ticks=board.done,
            ticks_per_second=round((board.done - demo.past_ticks) / seconds, 1),
        ),
        dead_letters=len(board.letters),
        parked_keys=len(board.parked),
    )


def told(report: Report, width: int, *, program: str, keep: bool) -> Iterator[str]:
    """The report in words, in lines of at most that width; then commands, each whole, to be
    copied. `program` is what to type for `slipwatch` in them."""
    for line in _told(report):
        indent = " " * (len(line) - len(line.lstrip()) or LABEL_WIDTH)
        yield from textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False) or [
            ""
        ]
    yield from _next_told(report, program, keep=keep)


def _told(report: Report) -> Iterator[str]:
    faults, flow, sent = report.faults, report.flow, report.notifications
    span = days(
        round((report.simulated_to - report.simulated_from) / dt.timedelta(days=1)) * DAY_MS
    )
    yield (
        f"Slipwatch watched {span} of a chain in {report.seconds:.0f} s "
        f"(seed {report.seed}); the first alert came {report.first_alert_seconds or 0:.1f} s "
        "after the start."
    )
    yield ""
    yield from _faults_told(faults)
    yield ""
    yield (
        f"alerts          {report.alerts.raised}: {report.alerts.open} open, "
        f"{report.alerts.resolved} resolved by themselves"
    )
    answers = report.answers
    yield (
        f"answers         {counted(answers.lines, 'line')} promised by partners at the door; "
        f"{counted(answers.refused, 'answer')} refused, for lines of others"
    )
    recipients = ", ".join(f"{name} {count}" for name, count in sent.by_recipient.items())
    yield (
        f"notifications   {sent.decided}, of which {sent.delivered} are delivered and receipted"
        + (f" ({recipients})" if recipients else "")
    )
    yield (
        f"facts           {flow.facts:,}: {flow.past:,} of the past in {flow.past_seconds:.1f} s, "
        f"then {flow.per_second:,} a second"
    )
    yield f"ticks           {flow.ticks:,}, {flow.ticks_per_second:.1f} a second"
    if report.dead_letters or report.parked_keys:
        yield (
            f"refused         {counted(report.dead_letters, 'fact')}; "
            f"{counted(report.parked_keys, 'key')} parked"
        )
    yield ""


def _faults_told(faults: Faults) -> Iterator[str]:
    yield (
        f"faults          {faults.injected} injected: {faults.due} to be told by now, "
        f"{faults.open} not yet, {faults.harmless} harmless"
    )
    caught = f"caught          {faults.caught} of {faults.due} in time"
    if faults.early_hours_median is not None:
        early = days(faults.early_hours_median * HOUR_MS)
        caught += f", half of them {early} or more before the date that they break"
    yield caught
    for each in faults.by_kind:
        if each.due:
            name = each.kind.replace("_", " ")
            yield f"                  {name:<18}{each.caught:>4} of {each.due}"
    yield f"told late       {faults.late}"
    yield f"missed          {faults.missed}"
    for fault in faults.uncaught[:UNCAUGHT_SHOWN]:
        how = f"{counted(fault.late_hours, 'hour')} late" if fault.late_hours else "missed"
        yield f"                  {how}: {fault.subject}, {fault.says}: {fault.why}"
    if len(faults.uncaught) > UNCAUGHT_SHOWN:
        yield f"                  and {len(faults.uncaught) - UNCAUGHT_SHOWN} more"
    yield f"false alarms    {faults.false_alarms}"
    for alarm in faults.false_alarms_by_reason:
        name = alarm.rule.replace("_", " ")
        yield f"                  {alarm.alerts} {name}: {alarm.reason}, as for {alarm.example}"


def _next_told(report: Report, program: str, *, keep: bool) -> Iterator[str]:
    faults = report.faults
    example = f"'{faults.example}'" if faults.example else "ID"
    yield "What to try next:"
    commands = [
        ("alerts list", "what is wrong now, the worst first"),
        (f"explain {example}", "why, from the facts up, and who was told"),
        (f"order show {example}", "where it is, what was promised, what comes next"),
        ("stock list", "what lies where, and what runs short"),
        *_of_stock_and_money(faults),
        *_of_answers(report),
        ("status", "how far time has come, and what needs a person"),
    ]
    if keep:
        commands.append(("notifications list", "who was told what"))
    else:
        kept = f"demo --keep --seed {report.seed}"
        commands.insert(0, (kept, "the same, and it stays for the commands below"))
    for command, says in commands:
        yield f"  {program} {command}"
        yield f"      {says}"


def _of_answers(report: Report) -> Iterator[tuple[str, str]]:
    """Where to look at what partners answered, right or wrong, and at what was refused."""
    example = report.faults.answer_example or report.answers.example
    if example:
        yield f"explain '{example}'", "what its supplier answered by the door"
    if report.answers.refused:
        yield "dead-letters list --reason not_own_line", "what a partner said of another's line"


def _of_stock_and_money(faults: Faults) -> Iterator[tuple[str, str]]:
    """Where to look at a fault of stock and at one of money, if one was caught."""
    if faults.stock_example:
        yield f"explain '{faults.stock_example}'", "why that stock is not what it should be"
    if faults.money_example:
        yield f"order show '{faults.money_example}'", "is it paid for, is it free to go"
