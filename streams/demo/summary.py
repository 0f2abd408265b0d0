"""How the demo went: what was done wrong on purpose, against what Slipwatch said of it.

The only module of the product that knows the truth of the simulation.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from schemas.records import AlertState, Decision, Outcome
from schemas.units import HOUR_MS, UtcMillis, instant
from streams.demo.board import Board
from streams.simulator.faults import ANSWER_FAULTS, MONEY_FAULTS, STOCK_FAULTS, FaultKind
from streams.simulator.simulation import Simulation
from streams.simulator.truth import (
    FalseAlarm,
    FaultScore,
    Truth,
    fired,
    refused,
    score,
    truth_of,
)
from streams.stages.ownership import NOT_OWN_LINE

NO_RULE = "no rule fired for it"


class FaultCount(msgspec.Struct, frozen=True, kw_only=True):
    """The faults of one kind whose time was up."""

    kind: str
    due: int
    caught: int
    late: int
    missed: int


class UncaughtFault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault that was told too late, or not at all: of which line or source, and why."""

    fault: str
    kind: str
    says: str
    subject: str
    began_at: dt.datetime
    late_hours: int | None
    why: str


class FalseAlarmCount(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that no fault explains, by rule and the reason in the facts, and one of them."""

    rule: str
    reason: str
    alerts: int
    example: str


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Faults that were injected while Slipwatch watched.

    `due`: all that should be told of them should have been told by now. `caught`: it was, within
    the time that the truth allows; `late`: it was, later than that. `open`: there is still time.
    `harmless`: they make nothing late. `early_hours_median`: how long before the date that they
    break they were first told, over those caught that break one.
    """

    injected: int
    due: int
    caught: int
    late: int
    missed: int
    open: int
    harmless: int
    early_hours_median: int | None
    by_kind: tuple[FaultCount, ...]
    uncaught: tuple[UncaughtFault, ...]
    false_alarms: int
    false_alarms_by_reason: tuple[FalseAlarmCount, ...]
    example: str | None
    """A line of the fault that was told of before its date and began last: it is still known."""
    money_example: str | None
    """A line of the fault of money that was caught last."""
    stock_example: str | None
    """The stock node of the fault of stock that was caught last."""
    answer_example: str | None
    """A line of the fault in an answer by the door that was caught last."""


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Lines whose last promise came by the door, the one answered for last, and how many facts of
    partners were refused because the line is not theirs."""

    lines: int
    example: str | None
    refused: int


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts by what became of them."""

    raised: int
    open: int
    resolved: int


def judge(simulation: Simulation, board: Board, began_at: UtcMillis) -> Faults:
    """The faults, and how the alerts met them, as of now.

    Slipwatch is asked for nothing that should have been told before it was switched on, at
    `began_at`. What should be told by some time may be told two ticks later: a fact waits for the
    next one, and for another where its number points at another number.
    """
    gap_ms = board.gap_max_ms
    truth = _widened(truth_of(simulation), gap_ms)
    refusals = refused(board.letters)
    whole = score(truth, fired(board.verdicts), 2 * gap_ms + HOUR_MS, refusals)
    scored = [each for each in whole.faults if _latest_at(each) > began_at]
    caught = [each for each in scored if each.in_time]
    in_advance = [each for each in caught if each.early_ms is not None and each.early_ms > 0]
    of_money = [each for each in caught if each.injection.kind in MONEY_FAULTS]
    of_stock = [each for each in caught if each.injection.kind in STOCK_FAULTS]
    of_answers = [
        each for each in caught if each.injection.kind in ANSWER_FAULTS and each.injection.touched
    ]
    early = sorted(each.early_ms for each in caught if each.early_ms is not None)
    return Faults(
        injected=len(scored) + whole.open + whole.harmless,
        due=len(scored),
        caught=len(caught),
        late=sum(each.is_caught and not each.in_time for each in scored),
        missed=sum(not each.is_caught for each in scored),
        open=whole.open,
        harmless=whole.harmless,
        early_hours_median=early[len(early) // 2] // HOUR_MS if early else None,
        by_kind=tuple(_counted(kind, scored) for kind in FaultKind),
        uncaught=tuple(_uncaught(each, truth, board) for each in scored if not each.in_time),
        false_alarms=len(whole.false_alarms),
        false_alarms_by_reason=_false_alarms(whole.false_alarms),
        example=_last_subject(in_advance),
        money_example=_last_subject(of_money),
        stock_example=_last_subject(of_stock),
        answer_example=_last_subject(of_answers),
    )


def _last_subject(faults: Iterable[FaultScore]) -> str | None:
    """A line or node of the fault that began last."""
    last = max(faults, key=lambda each: (each.injection.at, each.injection.id), default=None)
    return None if last is None else last.injection.expected[0].subject


def _widened(truth: Truth, gap_ms: int) -> Truth:
    """The truth with the distance of two ticks more room before each catch: a tick's time is read
    before its cut is made, so it holds what was said a little later too."""
    injections = tuple(
        replace(
            each,
            expected=tuple(
                replace(catch, earliest_at=catch.earliest_at - gap_ms) for catch in each.expected
            ),
        )
        for each in truth.injections
    )
    return replace(truth, injections=injections)


def count_answers(board: Board) -> Answers:
    """The answers by the door: those that hold, and facts that were refused because the line is
    not the partner's."""
    answered = board.answered()
    return Answers(
        lines=answered.lines,
        example=answered.newest,
        refused=sum(each.reason == NOT_OWN_LINE for each in board.letters),
    )


def count_alerts(board: Board) -> Alerts:
    """The alerts by what became of them."""
    states = Counter(each.state for each in board.alerts.values())
    return Alerts(
        raised=len(board.alerts),
        open=states[AlertState.OPEN],
        resolved=states[AlertState.RESOLVED],
    )


def _latest_at(fault: FaultScore) -> UtcMillis:
    return max(each.latest_at for each in fault.injection.expected)


def _counted(kind: FaultKind, scored: Iterable[FaultScore]) -> FaultCount:
    of_kind = [each for each in scored if each.injection.kind is kind]
    return FaultCount(
        kind=kind.value,
        due=len(of_kind),
        caught=sum(each.in_time for each in of_kind),
        late=sum(each.is_caught and not each.in_time for each in of_kind),
        missed=sum(not each.is_caught for each in of_kind),
    )


def _uncaught(fault: FaultScore, truth: Truth, board: Board) -> UncaughtFault:
    injection = fault.injection
    subject = (fault.missed or tuple(each.subject for each in injection.expected))[0]
    late_hours = None
    if fault.caught_at is not None and not fault.missed:
        late_hours = (fault.caught_at - _latest_at(fault)) // HOUR_MS
    noise = ", ".join(f"{kind} fact" for kind in truth.noisy_lines.get(subject, ()))
    return UncaughtFault(
        fault=injection.id,
        kind=injection.kind.value,
        says=injection.says,
        subject=subject,
        began_at=instant(injection.at),
        late_hours=late_hours,
        why=noise or _silence(subject, board.verdicts),
    )


def _silence(subject: str, verdicts: Iterable[Decision]) -> str:
    """What a rule that cannot see said last of the subject, else that none fired."""
    blind = [
        verdict.text
        for decision in verdicts
        if decision.subject == subject
        for verdict in decision.verdicts
        if verdict.outcome is Outcome.BLIND
    ]
    return blind[-1] if blind else NO_RULE


def _false_alarms(alarms: Iterable[FalseAlarm]) -> tuple[FalseAlarmCount, ...]:
    groups: dict[tuple[str, str], list[str]] = {}
    for alarm in alarms:
        groups.setdefault((alarm.rule, alarm.reason.value), []).append(alarm.subject)
    return tuple(
        FalseAlarmCount(rule=rule, reason=reason, alerts=len(subjects), example=subjects[0])
        for (rule, reason), subjects in sorted(groups.items())
    )
