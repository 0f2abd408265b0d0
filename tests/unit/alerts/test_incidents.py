"""The table of an incident's life, and what its alert says."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from alerts.findings import Finding
from alerts.incidents import (
    TRANSITIONS,
    Advance,
    Event,
    IllegalTransition,
    Incident,
    Signal,
    State,
    advance,
)
from alerts.judgement import judge
from alerts.policy import DEFAULT, Policy
from schemas.records import AlertState, Severity
from schemas.units import DAY_MS, MINUTE_MS
from tests.unit.alerts import scene
from topology import model
from topology.network import build as build_network

KEY = "time|order|ACME/4711"
HOLD = Policy.from_bytes(
    msgspec.json.encode({**msgspec.json.decode(DEFAULT.to_bytes()), "resolve_hold_minutes": 30})
)
LATE = {"promise": "2026-05-04", "legs": [{"departed": "2026-04-12 08:00 @SHANGHAI"}]}


def findings(*lines: dict[str, Any], now: str = "2026-04-20 08:00") -> dict[str, Finding]:
    """The findings of lines 1, 2, … of order ACME/4711, or of what `line_id` says."""
    found: dict[str, Finding] = {}
    for number, fields in enumerate(lines, start=1):
        line = scene.line({"line_id": f"ACME/4711#{number}", **fields})
        for each in judge(scene.context(line, now), ()).findings:
            found[f"{each.subject}|{each.rule}"] = each
    return dict(sorted(found.items()))


def step(
    incident: Incident | None,
    found: dict[str, Finding],
    minutes: int = 0,
    by: Policy = DEFAULT,
) -> Advance:
    now = scene.START_AT + minutes * MINUTE_MS
    return advance(incident, KEY, found, now, minutes, by, scene.NETWORK)


def in_state(state: State) -> Incident | None:
    """An incident that came to the state by the table."""
    if state is State.NEW:
        return None
    opened = step(None, findings(LATE), by=HOLD).incident
    if state is State.OPEN:
        return opened
    clearing = step(opened, {}, 1, HOLD).incident
    if state is State.CLEARING:
        return clearing
    return step(clearing, {}, 31, HOLD).incident


MINUTES = {Signal.FINDINGS: 2, Signal.CLEAR: 2, Signal.SETTLED: 40, Signal.EXPIRED: 200 * 24 * 60}


@pytest.mark.parametrize(("state", "signal"), sorted(TRANSITIONS), ids=lambda each: str(each.value))
def test_every_cell_of_the_table_is_what_happens(state: State, signal: Signal) -> None:
    after, event = TRANSITIONS[state, signal]
    found = findings({**LATE, "promise": "2026-04-28"}) if signal is Signal.FINDINGS else {}
    by = DEFAULT if (state, signal) == (State.OPEN, Signal.SETTLED) else HOLD
    done = step(in_state(state), found, MINUTES[signal], by)
    assert done.event is event
    if after is State.FORGOTTEN:
        assert done.incident is None
    else:
        assert done.incident is not None
        assert done.incident.state is after


def test_what_is_not_in_the_table_is_an_error() -> None:
    absent = set(itertools.product(State, Signal)) - set(TRANSITIONS)
    assert (State.NEW, Signal.CLEAR) in absent
    with pytest.raises(IllegalTransition, match="clear while new"):
        step(None, {})


def test_it_resolves_and_reopens_as_a_new_episode() -> None:
    opened = step(None, findings(LATE))
    resolved = step(opened.incident, {}, 10)
    again = step(resolved.incident, findings(LATE), 20)
    assert opened.alert is not None
    assert resolved.alert is not None
    assert again.alert is not None
    assert opened.alert.alert_id == resolved.alert.alert_id == again.alert.alert_id
    assert resolved.alert.state is AlertState.RESOLVED
    assert resolved.alert.title == opened.alert.title
    assert resolved.alert.accounts == opened.alert.accounts
    assert (resolved.alert.consequences, resolved.alert.value_at_risk) == ((), ())
    assert resolved.alert.resolved_at == resolved.alert.updated_at
    assert [each.alert.episode for each in (opened, resolved, again) if each.alert] == [1, 1, 2]
    assert [each.alert.revision for each in (opened, resolved, again) if each.alert] == [1, 2, 3]
    assert again.alert.opened_at > opened.alert.opened_at


def test_a_held_incident_does_not_flap() -> None:
    opened = step(None, findings(LATE), by=HOLD)
    clearing = step(opened.incident, {}, 5, HOLD)
    assert (clearing.alert, clearing.event) == (None, None)
    assert clearing.due == scene.START_AT + 35 * MINUTE_MS
    back = step(clearing.incident, findings(LATE), 20, HOLD)
    assert (back.alert, back.event) == (None, None)
    assert back.incident is not None
    assert back.incident.state is State.OPEN
    cleared = step(step(back.incident, {}, 30, HOLD).incident, {}, 59, HOLD)
    assert cleared.event is None
    assert step(cleared.incident, {}, 60, HOLD).event is Event.RESOLVED


def test_a_resolved_incident_is_forgotten_in_the_end() -> None:
    resolved = step(step(None, findings(LATE)).incident, {}, 10)
    assert resolved.due == scene.START_AT + 10 * MINUTE_MS + 90 * DAY_MS
    assert step(resolved.incident, {}, 11).incident == resolved.incident
    assert step(resolved.incident, {}, 10 + 90 * 24 * 60).incident is None


def test_small_changes_are_shown_and_large_ones_told() -> None:
    lines = [LATE] * 10
    opened = step(None, findings(*lines))
    small = step(opened.incident, findings(*lines, LATE), 1)
    assert small.alert is not None
    assert (small.event, small.alert.revision, small.alert.consequence_count) == (
        Event.UPDATED,
        2,
        11,
    ), "10 % more value"
    smaller = step(small.incident, findings(*lines), 2)
    assert smaller.alert is not None
    assert (smaller.event, smaller.decision, smaller.alert.revision) == (None, None, 3)
    creeping = step(smaller.incident, findings(*lines[1:]), 3)
    assert creeping.event is Event.UPDATED, "compared with what was told, small steps add up"
    later = step(creeping.incident, findings(*lines[2:], {**LATE, "promise": "2026-05-01"}), 4)
    assert later.event is Event.UPDATED
    assert later.decision is not None
    assert later.decision.reason == "days changed"


def test_the_title_says_what_is_hit_and_how_badly() -> None:
    eta = {**LATE, "legs": [{"departed": "2026-04-12 08:00 @SHANGHAI", "eta": "2026-05-08"}]}
    alert = step(None, findings(eta, eta, {**eta, "promise": "2026-05-06"})).alert
    assert alert is not None
    assert alert.title == "Order ACME/4711: 3 lines expected up to 4 days after promise"
    assert alert.cause == (
        "Order ACME/4711 left Volta Cells later than the last departure that meets the promise."
    )
    assert alert.next_step == (
        "Ask Kestrel Lines whether it can be faster, and tell who waits for order ACME/4711."
    )
    assert (alert.severity, alert.days) == (Severity.MAJOR, 4)
    assert [each.value_minor for each in alert.value_at_risk] == [3_000_000]
    assert alert.accounts == ("NORTH", "OSLO-STORES")
    assert alert.audiences == ("account_manager", "operations")


def test_one_congested_port_is_one_incident_of_many_orders() -> None:
    leg = {
        "departed": "2026-04-08 08:00 @SHANGHAI",
        "exception": "2026-04-19 08:00 @ROTTERDAM !CONGESTION",
        "eta": "2026-05-07",
    }
    lines = [
        {**LATE, "line_id": f"ACME/{order}#1", "legs": [{**leg, "shipment": f"KESTREL/{order}"}]}
        for order in (1, 2, 3)
    ]
    found = findings(*lines)
    assert {each.key for each in found.values()} == {"time|exception|CONGESTION@ROTTERDAM"}
    alert = step(None, found).alert
    assert alert is not None
    assert alert.title == (
        "CONGESTION at Port of Rotterdam: 3 lines of 3 orders expected 3 days after promise"
    )
    assert alert.cause == "CONGESTION at Port of Rotterdam holds it up."
    assert "Kestrel Lines how long CONGESTION at Port of Rotterdam will last" in alert.next_step


def test_another_network_shows_whom_it_concerns_and_tells_nothing_twice() -> None:
    opened = step(None, findings(LATE))
    unmanaged = build_network(
        msgspec.structs.replace(scene.NETWORK.document, accounts=(model.Account(id="NORTH"),))
    )
    at = scene.START_AT + MINUTE_MS
    moved = advance(opened.incident, KEY, findings(LATE), at, 1, DEFAULT, unmanaged)
    assert moved.alert is not None
    assert (moved.alert.audiences, moved.alert.revision) == (("operations",), 2)
    assert (moved.event, moved.decision) == (None, None)
    again = advance(moved.incident, KEY, findings(LATE), at, 2, DEFAULT, unmanaged)
    assert (again.incident, again.alert, again.event) == (moved.incident, None, None)
    back = advance(again.incident, KEY, findings(LATE), at, 3, DEFAULT, scene.NETWORK)
    assert back.alert is not None
    assert (back.alert.audiences, back.event) == (("account_manager", "operations"), None)


def test_another_policy_is_told_when_it_makes_it_worse() -> None:
    opened = step(None, findings(LATE))
    document = msgspec.json.decode(DEFAULT.to_bytes())
    document["severity_by_value"] = [{"currency": "EUR", "value_minor": 1, "severity": "critical"}]
    strict = Policy.from_bytes(msgspec.json.encode(document))
    worse = step(opened.incident, findings(LATE), 1, strict)
    assert (worse.event, worse.decision and worse.decision.reason) == (
        Event.UPDATED,
        "severity changed",
    )
    assert step(worse.incident, findings(LATE), 2, strict) == Advance(worse.incident)
