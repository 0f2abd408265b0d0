"""Scores of alerts against the truth."""

from __future__ import annotations

import datetime as dt

from schemas.records import DeadLetter, Decision, DecisionKind, Outcome, Verdict
from schemas.units import HOUR_MS, instant
from streams.simulator.faults import (
    ExpectedCatch,
    FaultKind,
    Injection,
    NoiseKind,
    refused_fact,
)
from streams.simulator.truth import FalseAlarmReason, Fired, Truth, fired, refused, score

HOUR = HOUR_MS


def fault(name: str, *lines: str, at: int = 10) -> Injection:
    """A late supplier: can be told from `at` on, by five hours later, due after twenty."""
    expected = tuple(ExpectedCatch(line, at * HOUR, (at + 5) * HOUR, 30 * HOUR) for line in lines)
    return Injection(name, FaultKind.LATE_SUPPLIER, at * HOUR, "", expected, (*lines, "touched"))


def told(subject: str, hour: int, alert: str = "") -> Fired:
    return Fired(subject, "late_to_ship", alert or f"alert-{subject}", hour * HOUR)


def truth(*faults: Injection, at: int = 100) -> Truth:
    noisy = {"dropped": (NoiseKind.DROP,), "contradicted": (NoiseKind.CONTRADICTION,)}
    return Truth(at * HOUR, faults, noisy)


def test_a_fault_is_caught_when_all_of_it_is() -> None:
    found = score(truth(fault("one", "a", "b")), [told("b", 12), told("a", 11)])
    (one,) = found.faults
    assert one.is_caught
    assert one.in_time
    assert (one.caught, one.caught_at, one.early_ms) == (2, 12 * HOUR, 19 * HOUR)
    assert (found.caught, found.early_hours_median, found.alerts) == (1, 19, 2)
    assert found.false_alarms == ()


def test_a_part_that_is_missed_is_named() -> None:
    found = score(truth(fault("one", "a", "b")), [told("a", 11)])
    (one,) = found.faults
    assert (one.is_caught, one.missed, found.caught) == (False, ("b",), 0)


def test_what_was_told_before_it_could_be_known_does_not_count() -> None:
    found = score(truth(fault("one", "a")), [told("a", 9)])
    assert found.faults[0].missed == ("a",)


def test_a_late_catch_is_a_catch_but_not_in_time() -> None:
    found = score(truth(fault("one", "a")), [told("a", 17)])
    assert found.faults[0].is_caught
    assert not found.faults[0].in_time
    on_the_edge = score(truth(fault("one", "a")), [told("a", 16)])
    assert on_the_edge.faults[0].in_time, "a tick later is in time"


def test_faults_are_scored_when_their_time_is_up() -> None:
    harmless = Injection("h", FaultKind.PORT_CONGESTION, HOUR, "", (), ("touched",))
    found = score(truth(fault("one", "a"), harmless, at=15), [])
    assert (found.faults, found.open, found.harmless) == ((), 1, 1)
    found = score(truth(fault("one", "a"), harmless, at=16), [])
    assert (len(found.faults), found.open, found.harmless) == (1, 0, 1)


def test_an_alert_without_a_fault_is_a_false_alarm_with_its_reason() -> None:
    alerts = [
        told("dropped", 1),
        told("dropped", 2),
        told("contradicted", 3),
        told("sound", 4),
        told("touched", 5),
        told("sound", 6, "shared"),
        told("a", 6, "shared"),
    ]
    found = score(truth(fault("one", "a")), alerts)
    assert [(each.subject, each.reason) for each in found.false_alarms] == [
        ("dropped", FalseAlarmReason.DROPPED_FACT),
        ("contradicted", FalseAlarmReason.CONTRADICTION),
        ("sound", FalseAlarmReason.NO_REASON),
    ]


def test_only_rules_that_fire_are_read_from_decisions() -> None:
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    verdicts = (
        Verdict(rule="r1", outcome=Outcome.FIRES, reason="x", text="x", alert_id="a1"),
        Verdict(rule="r2", outcome=Outcome.SILENT, reason="x", text="x"),
        Verdict(rule="r3", outcome=Outcome.BLIND, reason="x", text="x"),
    )
    decisions = [
        Decision(subject="l", tick=1, at=at, kind=DecisionKind.VERDICTS, verdicts=verdicts),
        Decision(subject="a1", tick=1, at=at, kind=DecisionKind.ALERT, what="opened"),
    ]
    (only,) = fired(decisions)
    assert (only.subject, only.rule, only.alert_id, instant(only.at)) == ("l", "r1", "a1", at)


def a_letter(event: str, hour: int, source: str = "partner:BOLTS") -> DeadLetter:
    return DeadLetter(
        id=f"line:ACME/1#10:{source}:{event}",
        topic="orders",
        partition=0,
        offset=0,
        reason="not_own_line",
        error="",
        tick=1,
        at=instant(hour * HOUR),
        source=source,
        event_id=event,
        value=b"",
    )


def test_a_fact_that_must_be_refused_is_caught_by_its_dead_letter_alone() -> None:
    subject = refused_fact("partner:BOLTS", "claim")
    catch = ExpectedCatch(subject, 10 * HOUR, 10 * HOUR)
    foreign = Injection("f", FaultKind.FOREIGN_ANSWER, 8 * HOUR, "", (catch,), ())
    refusals = refused([a_letter("claim", 11), a_letter("claim", 12)])
    found = score(truth(foreign), [], refusals=refusals)
    assert (found.caught, found.faults[0].in_time, found.alerts) == (1, True, 0)
    assert found.false_alarms == ()
    missed = score(truth(foreign), [told("ACME/1#10", 11)])
    assert (missed.caught, len(missed.false_alarms)) == (0, 1), "it stands in nobody's record"


def test_a_fact_that_is_refused_without_a_fault_is_a_false_alarm() -> None:
    found = score(truth(), [], refusals=refused([a_letter("sound", 11)]))
    (alarm,) = found.false_alarms
    assert (alarm.subject, alarm.rule) == ("partner:BOLTS sound", "not_own_line")
