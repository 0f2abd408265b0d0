"""The whole flow on the simulated chain: what is wrong is caught, what is not stays silent."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from schemas.partner_sources import partner_of
from schemas.payment_records import PaidFor
from schemas.records import DeadLetter, Decision, OrderStatus, Standing, decode
from schemas.stock_records import StockStanding, StockStatus
from schemas.units import DAY_MS, HOUR_MS, millis
from streams.engine.local import LocalEngine
from streams.simulator.faults import NO_FAULTS, NO_NOISE, USUAL_FAULTS, FaultKind
from streams.simulator.simulation import Simulation, SimulationOptions
from streams.simulator.truth import FalseAlarmReason, Fired, Score, fired, refused, score, truth_of

START = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
STEP_MS = 2 * HOUR_MS
TOLERANCE_MS = 4 * STEP_MS
"""A number that is known only over other numbers takes a tick for each on its way to the line."""

OPTIONS = SimulationOptions(seed=2026, started_at=START, orders_per_day=20)
RATES = replace(USUAL_FAULTS, shortage_percent_a_day=25)


def watched(options: SimulationOptions, days: int) -> tuple[Simulation, LocalEngine, list[Fired]]:
    """The simulation through the local engine, a tick every two hours, and all that it told."""
    simulation = Simulation(options)
    engine = LocalEngine(simulation.network, partitions=2)
    told: list[Fired] = []
    while simulation.now < options.started_at + days * DAY_MS:
        for emission in simulation.advance(simulation.now + STEP_MS):
            engine.send(emission.fact)
        engine.tick(simulation.now)
        outputs = engine.new_outputs("decisions")
        told += fired(decode(output.value, Decision) for output in outputs if output.value)
    return simulation, engine, told


def scored(options: SimulationOptions, days: int) -> tuple[Score, LocalEngine]:
    simulation, engine, told = watched(options, days)
    refusals = refused(letters(engine))
    return score(truth_of(simulation), told, TOLERANCE_MS, refusals), engine


def letters(engine: LocalEngine) -> list[DeadLetter]:
    found = [
        decode(each.value, DeadLetter) for each in engine.outputs("dead-letters") if each.value
    ]
    assert {each.reason for each in found} <= {"not_own_line"}
    return found


@pytest.fixture(scope="module")
def clean() -> tuple[Score, LocalEngine]:
    """Forty-five days with faults in facts without noise."""
    return scored(replace(OPTIONS, noise=NO_NOISE, rates=RATES), 45)


def test_faults_are_caught_and_nothing_else_is_told(clean: tuple[Score, LocalEngine]) -> None:
    found, _ = clean
    assert len(found.faults) >= 40
    missed = [each for each in found.faults if not each.is_caught]
    assert found.caught >= 0.95 * len(found.faults), missed
    assert found.false_alarms == ()


def test_each_kind_of_fault_is_caught_and_almost_all_in_time(
    clean: tuple[Score, LocalEngine],
) -> None:
    found, _ = clean
    caught = {each.injection.kind for each in found.faults if each.is_caught}
    assert caught == set(FaultKind)
    in_time = sum(each.in_time for each in found.faults)
    assert in_time >= 0.95 * len(found.faults)
    assert (found.early_hours_median or 0) > 24, "days, not hours, before it falls due"


def test_what_a_partner_says_stands_on_its_own_lines_alone(
    clean: tuple[Score, LocalEngine],
) -> None:
    found, engine = clean
    foreign = [each for each in found.faults if each.injection.kind is FaultKind.FOREIGN_ANSWER]
    assert 0 < len(foreign) <= len(letters(engine))
    lines = [decode(value, OrderStatus) for value in engine.latest("order-status").values()]
    partners = [
        (line.supplier, partner)
        for line in lines
        for told in (line.first_confirmed, line.last_confirmed)
        if told is not None and (partner := partner_of(told.source)) is not None
    ]
    assert len(partners) > 50
    assert all(supplier == partner for supplier, partner in partners)


def test_every_fact_finds_its_line(clean: tuple[Score, LocalEngine]) -> None:
    _, engine = clean
    assert engine.outputs("parked") == []
    assert engine.latest("unlinked") == {}


def test_without_faults_and_noise_nothing_is_told() -> None:
    _, engine, told = watched(replace(OPTIONS, rates=NO_FAULTS, noise=NO_NOISE), 24)
    assert told == []
    assert engine.outputs("alerts") == []
    assert engine.outputs("notifications") == []
    lines = [decode(value, OrderStatus) for value in engine.latest("order-status").values()]
    assert {each.standing for each in lines} <= {Standing.ON_TIME, Standing.UNKNOWN, Standing.ENDED}
    nodes = [decode(value, StockStatus) for value in engine.latest("stock-status").values()]
    assert {each.standing for each in nodes} == {StockStanding.ENOUGH}
    assert len(nodes) == 16
    assert {each.payment.paid_for for each in lines if each.payment is not None} == {
        PaidFor.UNPAID, PaidFor.PARTLY_PAID, PaidFor.PAID
    }  # fmt: skip


def test_noise_is_borne_and_false_alarms_have_a_reason() -> None:
    found, engine = scored(replace(OPTIONS, seed=7), 28)
    assert found.caught >= 0.95 * len(found.faults)
    reasons = {each.reason for each in found.false_alarms}
    assert FalseAlarmReason.NO_REASON not in reasons
    assert len(letters(engine)) == sum(
        each.injection.kind is FaultKind.FOREIGN_ANSWER for each in found.faults
    )
