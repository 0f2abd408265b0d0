"""The truth of a simulation: which faults were injected, and how well alerts met them.

Only tests and the demo's summary may import this module: no part of the product may know the truth
that it is to find.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from schemas.records import DeadLetter, Decision, DecisionKind, Outcome
from schemas.units import HOUR_MS, UtcMillis, millis
from streams.simulator.faults import FaultKind, Injection, NoiseKind, refused_fact
from streams.simulator.simulation import Simulation


@dataclass(frozen=True)
class Truth:
    """All faults that began until `at`, and the lines whose facts noise made misleading."""

    at: UtcMillis
    injections: tuple[Injection, ...]
    noisy_lines: Mapping[str, tuple[NoiseKind, ...]]


class Fired(NamedTuple):
    """A rule fired for a subject (a line, a node or a source), as part of an alert; or a fact was
    refused, for a reason, in a dead letter."""

    subject: str
    rule: str
    alert_id: str
    at: UtcMillis


class FalseAlarmReason(enum.StrEnum):
    """Why an alert rose without a fault."""

    DROPPED_FACT = "a fact was dropped"
    CONTRADICTION = "two sources contradict each other"
    NO_REASON = "no reason in the facts"


class FalseAlarm(NamedTuple):
    """An alert that none of the faults explains, and what it said of whom."""

    alert_id: str
    subject: str
    rule: str
    at: UtcMillis
    reason: FalseAlarmReason


@dataclass(frozen=True)
class FaultScore:
    """How one fault was met. It is caught when everything expected of it was caught.

    `caught_at` is when the last of it was; `early_ms` how long before (below zero: after) the first
    promise that it breaks falls due its first alert rose, None where nothing falls due.
    """

    injection: Injection
    caught: int
    missed: tuple[str, ...]
    in_time: bool
    caught_at: UtcMillis | None
    early_ms: int | None

    @property
    def is_caught(self) -> bool:
        """Everything that should be caught of the fault was."""
        return not self.missed


@dataclass(frozen=True)
class Score:
    """The faults that should have been caught by now, how they were met, and the false alarms.

    `open` are faults whose time is not up; `harmless` those that make nothing late.
    """

    faults: tuple[FaultScore, ...]
    open: int
    harmless: int
    false_alarms: tuple[FalseAlarm, ...]
    alerts: int

    @property
    def caught(self) -> int:
        """Faults that were caught."""
        return sum(each.is_caught for each in self.faults)

    @property
    def early_hours_median(self) -> int | None:
        """Hours before the due date at which faults were first told; None where none fell due."""
        early = sorted(each.early_ms for each in self.faults if each.early_ms is not None)
        return early[len(early) // 2] // HOUR_MS if early else None


def truth_of(simulation: Simulation) -> Truth:
    """The truth as of now."""
    return Truth(simulation.now, simulation.injections(), simulation.noisy_lines())


def fired(decisions: Iterable[Decision]) -> list[Fired]:
    """Every time that a rule fired, from the records of `decisions`, in their order."""
    return [
        Fired(decision.subject, verdict.rule, verdict.alert_id or "", millis(decision.at))
        for decision in decisions
        if decision.kind is DecisionKind.VERDICTS
        for verdict in decision.verdicts
        if verdict.outcome is Outcome.FIRES
    ]


def refused(letters: Iterable[DeadLetter]) -> list[Fired]:
    """Every fact that was refused, once, from the records of `dead-letters`."""
    first: dict[str, Fired] = {}
    for each in letters:
        subject = refused_fact(each.source or each.topic, each.event_id or each.id)
        first.setdefault(subject, Fired(subject, each.reason, each.id, millis(each.at)))
    return list(first.values())


def score(
    truth: Truth,
    alerts: Iterable[Fired],
    tolerance_ms: int = HOUR_MS,
    refusals: Iterable[Fired] = (),
) -> Score:
    """How the alerts, and the facts that were refused, met the faults.

    A fault is due for scoring when everything expected of it should have been told by now, with
    `tolerance_ms` for the distance of ticks. An alert is a false alarm when no fault touches any
    line or source that it names, and so is a refused fact that none is about.
    """
    rules_fired = list(alerts)
    told = sorted((*rules_fired, *refusals), key=lambda each: (each.at, each.subject, each.rule))
    first: dict[str, list[UtcMillis]] = {}
    for each in told:
        first.setdefault(each.subject, []).append(each.at)
    scores, open_count, harmless = [], 0, 0
    explained: set[str] = set()
    for injection in truth.injections:
        explained |= {*injection.touched, *(each.subject for each in injection.expected)}
        if not injection.expected:
            harmless += 1
        elif max(each.latest_at for each in injection.expected) + tolerance_ms > truth.at:
            open_count += 1
        else:
            scores.append(_scored(injection, first, tolerance_ms))
    return Score(
        tuple(scores),
        open_count,
        harmless,
        tuple(_false_alarms(truth, told, explained)),
        len({each.alert_id for each in rules_fired}),
    )


def _scored(
    injection: Injection, told: Mapping[str, list[UtcMillis]], tolerance_ms: int
) -> FaultScore:
    caught: list[UtcMillis] = []
    early: list[int] = []
    missed: list[str] = []
    in_time = True
    for each in injection.expected:
        at = next((at for at in told.get(each.subject, ()) if at >= each.earliest_at), None)
        if at is None:
            missed.append(each.subject)
            continue
        caught.append(at)
        in_time = in_time and at <= each.latest_at + tolerance_ms
        if each.due_at is not None:
            early.append(each.due_at - at)
    return FaultScore(
        injection,
        len(caught),
        tuple(missed),
        in_time and not missed,
        max(caught, default=None),
        max(early, default=None),
    )


def _false_alarms(truth: Truth, told: list[Fired], explained: set[str]) -> Iterable[FalseAlarm]:
    """One for each alert that names nothing that a fault touches: its first rule and subject."""
    is_explained: dict[str, bool] = {}
    for each in told:
        is_explained[each.alert_id] = (
            is_explained.get(each.alert_id, False) or each.subject in explained
        )
    seen: set[str] = set()
    for each in told:
        if is_explained[each.alert_id] or each.alert_id in seen:
            continue
        seen.add(each.alert_id)
        noise = truth.noisy_lines.get(each.subject, ())
        reason = FalseAlarmReason.NO_REASON
        if NoiseKind.DROP in noise:
            reason = FalseAlarmReason.DROPPED_FACT
        elif NoiseKind.CONTRADICTION in noise:
            reason = FalseAlarmReason.CONTRADICTION
        yield FalseAlarm(each.alert_id, each.subject, each.rule, each.at, reason)


__all__ = [
    "FalseAlarm",
    "FalseAlarmReason",
    "FaultKind",
    "FaultScore",
    "Fired",
    "Score",
    "Truth",
    "fired",
    "refused",
    "score",
    "truth_of",
]
