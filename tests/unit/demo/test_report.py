"""What is printed when a demo has ended."""

from __future__ import annotations

import msgspec
import pytest

from schemas.units import DAY_MS, instant
from streams.demo.board import Board
from streams.demo.options import CHAIN_BEGAN_AT, HISTORY_MS, SEED_DEFAULT
from streams.demo.report import Flow, Notifications, Report, told
from streams.demo.summary import Alerts, Answers, Faults, judge
from streams.simulator.faults import FaultKind
from streams.simulator.simulation import Simulation, SimulationOptions

BEGAN_AT = CHAIN_BEGAN_AT + HISTORY_MS
SLOW_DAYS = 12
"""How far a machine comes that is three times too slow for the default speed."""

PROGRAM = "/home/somebody/a-folder-with-a-long-name/another-folder/" * 2 + ".venv/bin/slipwatch"


@pytest.fixture(scope="module")
def faults() -> Faults:
    """The faults of the default demo, of which nothing was told."""
    simulation = Simulation(SimulationOptions(SEED_DEFAULT, CHAIN_BEGAN_AT))
    simulation.advance(BEGAN_AT + SLOW_DAYS * DAY_MS)
    return judge(simulation, Board(), BEGAN_AT)


def a_report(faults: Faults) -> Report:
    return Report(
        seed=SEED_DEFAULT,
        speed=57_600.0,
        seconds=60.0,
        simulated_from=instant(BEGAN_AT),
        simulated_to=instant(BEGAN_AT + SLOW_DAYS * DAY_MS),
        first_alert_seconds=4.0,
        started_seconds=6.0,
        faults=msgspec.structs.replace(
            faults,
            example="ACME/4711#10",
            money_example="ACME/4712#10",
            stock_example="BOLT@OSLO",
            answer_example="ACME/4713#10",
        ),
        alerts=Alerts(raised=3, open=2, resolved=1),
        answers=Answers(lines=12, example="ACME/4714#10", refused=1),
        notifications=Notifications(decided=2, delivered=2, by_recipient={"operations": 2}),
        flow=Flow(facts=9, past=4, past_seconds=1.0, per_second=1, ticks=7, ticks_per_second=1.0),
        dead_letters=1,
        parked_keys=0,
    )


def test_the_default_demo_shows_every_kind_of_fault_on_a_slow_machine_too(faults: Faults) -> None:
    due = {each.kind: each.due for each in faults.by_kind}
    assert {FaultKind(kind) for kind, count in due.items() if count > 0} == set(FaultKind)


@pytest.mark.parametrize("keep", [False, True])
def test_commands_are_printed_whole_as_the_demo_was_started(faults: Faults, keep: bool) -> None:
    lines = list(told(a_report(faults), 80, program=PROGRAM, keep=keep))
    start = lines.index("What to try next:")
    assert max(map(len, lines[:start])) <= 80
    commands = lines[start + 1 :: 2]
    assert all(each.startswith(f"  {PROGRAM} ") for each in commands)
    assert f"  {PROGRAM} explain 'ACME/4711#10'" in commands
    assert f"  {PROGRAM} stock list" in commands
    assert f"  {PROGRAM} explain 'BOLT@OSLO'" in commands
    assert f"  {PROGRAM} order show 'ACME/4712#10'" in commands
    assert f"  {PROGRAM} explain 'ACME/4713#10'" in commands
    assert f"  {PROGRAM} dead-letters list --reason not_own_line" in commands
    assert any("demo --keep" in each for each in commands) is not keep


def test_what_was_refused_is_counted_as_one_counts(faults: Faults) -> None:
    lines = told(a_report(faults), 80, program="slipwatch", keep=False)
    assert "refused         1 fact; 0 keys parked" in lines


def test_answers_of_partners_are_counted_with_what_was_refused(faults: Faults) -> None:
    lines = told(a_report(faults), 100, program="slipwatch", keep=False)
    assert (
        "answers         12 lines promised by partners at the door; "
        "1 answer refused, for lines of others"
    ) in lines


def test_for_machines_each_name_stands_once(faults: Faults) -> None:
    document = msgspec.json.encode(a_report(faults))
    assert document.count(b'"example":"ACME/4711#10"') == 1
    assert document.index(b"first_alert_seconds") < document.index(b"started_seconds")
