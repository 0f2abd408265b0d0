"""The summary against the truth: what would be said of a Slipwatch that misses, and of one that
does not."""

from __future__ import annotations

import pytest

from schemas.units import DAY_MS, HOUR_MS
from streams.demo.board import Board
from streams.demo.options import CHAIN_BEGAN_AT, HISTORY_MS
from streams.demo.summary import Faults, judge
from streams.simulator.faults import MONEY_FAULTS, Injection
from streams.simulator.simulation import Simulation, SimulationOptions
from tests.unit.demo.pieces import fires

BEGAN_AT = CHAIN_BEGAN_AT + HISTORY_MS


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    made = Simulation(SimulationOptions(17, CHAIN_BEGAN_AT))
    made.advance(BEGAN_AT + 12 * DAY_MS)
    return made


def judged(simulation: Simulation, delay_ms: int, but: str | None = None) -> Faults:
    """What is said when everything expected is told so long after it can be, but for one fault."""
    board = Board()
    board.gap_max_ms = HOUR_MS
    board.verdicts = [
        fires(catch.subject, catch.latest_at + delay_ms, injection.id)
        for injection in simulation.injections()
        if injection.id != but
        for catch in injection.expected
    ]
    return judge(simulation, board, BEGAN_AT)


def one_due(simulation: Simulation) -> Injection:
    """A fault of an order that should have been told while Slipwatch watched."""
    return next(
        each
        for each in simulation.injections()
        if each.expected
        and all(
            BEGAN_AT + DAY_MS < catch.latest_at < simulation.now - DAY_MS for catch in each.expected
        )
    )


def test_whoever_tells_all_in_time_caught_all(simulation: Simulation) -> None:
    faults = judged(simulation, 0)
    assert faults.due == faults.caught > 10
    of_money = {
        line
        for each in simulation.injections()
        if each.kind in MONEY_FAULTS
        for line in each.touched
    }
    assert faults.money_example in of_money
    assert "@" in (faults.stock_example or "")
    assert (faults.late, faults.missed, faults.uncaught) == (0, 0, ())
    assert faults.false_alarms == 0
    assert faults.injected == faults.due + faults.open + faults.harmless
    assert sum(each.caught for each in faults.by_kind) == faults.caught


def test_whoever_is_silent_caught_nothing(simulation: Simulation) -> None:
    faults = judge(simulation, Board(), BEGAN_AT)
    assert faults.due == faults.missed > 10
    assert (faults.caught, faults.early_hours_median, faults.example) == (0, None, None)
    assert faults.money_example is faults.stock_example is None
    assert all(each.why for each in faults.uncaught)


def test_one_that_is_missed_is_named_with_its_line(simulation: Simulation) -> None:
    missing = one_due(simulation)
    faults = judged(simulation, 0, but=missing.id)
    assert (faults.missed, faults.caught) == (1, faults.due - 1)
    assert [each.fault for each in faults.uncaught] == [missing.id]
    assert faults.uncaught[0].subject == missing.expected[0].subject


def test_what_is_told_two_ticks_late_is_in_time_and_later_is_late(simulation: Simulation) -> None:
    assert judged(simulation, 2 * HOUR_MS).late == 0
    late = judged(simulation, 5 * HOUR_MS)
    assert late.late > 0
    assert (late.missed, late.caught + late.late) == (0, late.due)


def test_what_should_have_been_told_before_it_watched_does_not_count(
    simulation: Simulation,
) -> None:
    everything = judge(simulation, Board(), CHAIN_BEGAN_AT)
    watched = judge(simulation, Board(), BEGAN_AT)
    assert everything.due > watched.due


def test_an_alarm_that_no_fault_explains_is_counted_with_an_example(
    simulation: Simulation,
) -> None:
    board = Board()
    board.verdicts = [fires("NOBODY/PO-1#10", BEGAN_AT + DAY_MS, "x")]
    faults = judge(simulation, board, BEGAN_AT)
    assert faults.false_alarms == 1
    assert faults.false_alarms_by_reason[0].example == "NOBODY/PO-1#10"
    assert faults.false_alarms_by_reason[0].rule == "late_to_ship"
