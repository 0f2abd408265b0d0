"""The engine's thread is watched, its status becomes metrics, and readiness gives its reason."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from schemas.ticks import StageProgress
from streams.app.engine_host import EngineGauges, EngineHost, EngineObserver
from streams.app.pages import Readiness, TickWatch
from streams.engine.log import EndOffsets, Partition
from streams.engine.observation import EngineFailure, WorkerStatus
from streams.metrics import Metrics
from tests.unit.streams_app.test_metrics import samples

STATUS = WorkerStatus(
    state="running",
    name="one",
    partitions=(Partition("orders", 0), Partition("orders", 1), Partition("cells-rows", 0)),
    copies=0,
    copies_behind=0,
    restoring=(),
    tick=7,
    tick_at=1_772_000_000_000,
    in_flight=8,
    waits_for="",
    schemas_awaited=0,
    is_ticker=True,
    facts=1,
    refused=0,
    transactions=1,
    aborts=0,
    trouble="",
    network="n",
    policy="p",
)


def status(**changed: object) -> WorkerStatus:
    fields = {name: getattr(STATUS, name) for name in WorkerStatus.__dataclass_fields__}
    return WorkerStatus(**(fields | changed))


class ScriptedEngine:
    """Runs until it is stopped, or raises what it is given."""

    def __init__(self, failure: BaseException | None = None, *, returns: bool = False) -> None:
        self.failure, self.returns = failure, returns
        self.was_stopped = False

    def run(self, stop: threading.Event) -> None:
        if self.failure is not None:
            raise self.failure
        if not self.returns:
            self.was_stopped = stop.wait(10)

    def status(self) -> WorkerStatus:
        return STATUS


async def hosted(engine: ScriptedEngine, *, seconds: float) -> EngineHost:
    """A host that was started and, if it has not crashed by then, stopped."""
    host = EngineHost(engine, threading.Event())
    await host.start()
    deadline = time.monotonic() + seconds
    while not host.crashed and time.monotonic() < deadline:  # noqa: ASYNC110 - mode has no event
        await asyncio.sleep(0.01)
    if not host.crashed:
        assert host.is_alive
        await host.stop()
    return host


def test_a_stop_reaches_the_engine_and_is_no_failure() -> None:
    engine = ScriptedEngine()
    host = asyncio.run(hosted(engine, seconds=0.1))
    assert engine.was_stopped
    assert host.failure is None
    assert not host.is_alive


@pytest.mark.parametrize(
    "failure", [EngineFailure("the topics are gone", "Create them", 4), ZeroDivisionError("ours")]
)
def test_an_engine_that_fails_crashes_the_host_with_its_reason(failure: BaseException) -> None:
    host = asyncio.run(hosted(ScriptedEngine(failure), seconds=5))
    assert host.failure is failure
    assert host.crashed


def test_an_engine_that_ends_without_being_told_to_is_a_failure_too() -> None:
    host = asyncio.run(hosted(ScriptedEngine(returns=True), seconds=5))
    assert isinstance(host.failure, RuntimeError)


def test_status_and_positions_become_gauges() -> None:
    kept = Metrics(CollectorRegistry())
    gauges = EngineGauges(kept, EngineObserver(kept))
    gauges.update(STATUS)
    progress = StageProgress(stage="intake", topic="orders", partition=0, tick=7, offset=90)
    gauges.update_lag(
        {
            Partition("orders", 0): EndOffsets(100, 120),
            Partition("orders", 1): EndOffsets(30, 30),
        },
        {Partition("orders", 0): 0, Partition("orders", 1): 25},
        {"intake/orders/0": progress},
    )

    found = samples(kept.text())

    assert found["slipwatch_engine_state", (("state", "running"),)] == 1
    assert found["slipwatch_engine_state", (("state", "restoring"),)] == 0
    assert found["slipwatch_tick_number", ()] == 7
    assert found["slipwatch_tick_time_seconds", ()] == 1_772_000_000
    assert found["slipwatch_assigned_partitions", (("topic", "orders"),)] == 2
    lag = "slipwatch_input_lag_records"
    assert found[lag, (("partition", "0"), ("topic", "orders"))] == 10
    assert found[lag, (("partition", "1"), ("topic", "orders"))] == 5


@pytest.mark.parametrize(
    ("seen", "is_alive", "expected"),
    [
        (status(), True, Readiness.READY),
        (status(), False, Readiness.ENGINE_DOWN),
        (status(state="stopped"), True, Readiness.ENGINE_DOWN),
        (status(restoring=(Partition("cells-rows", 0),)), True, Readiness.RESTORING),
        (status(state="starting"), True, Readiness.STARTING),
        (status(tick=0, in_flight=None), True, Readiness.NO_TICK),
    ],
)
def test_readiness_names_the_first_reason(
    seen: WorkerStatus, is_alive: bool, expected: Readiness
) -> None:
    assert TickWatch(30.0, lambda: 0.0).judge(seen, is_alive=is_alive) is expected


def test_a_tick_that_does_not_move_is_told_after_a_while_and_forgiven_when_it_does() -> None:
    at = 0.0
    watch = TickWatch(30.0, lambda: at)
    assert watch.judge(STATUS, is_alive=True) is Readiness.READY
    at = 29.0
    assert watch.judge(STATUS, is_alive=True) is Readiness.READY
    at = 31.0
    assert watch.judge(STATUS, is_alive=True) is Readiness.TICK_STUCK
    assert watch.judge(status(tick=8, in_flight=9), is_alive=True) is Readiness.READY
