"""Inputs that fill memory are held back, and never so that the tick waits for what is not read."""

from __future__ import annotations

import pytest

from schemas.addresses import fact_key
from schemas.codec import encode_fact
from streams.engine.clock import ManualClock
from streams.engine.local import IDLE_STEPS_MAX
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerSettings
from streams.engine.ticker import TickerSettings
from streams.engine.worker import Worker
from tests.scenario import START, Chain


@pytest.mark.parametrize("buffered_max", [1, 12, 30, 90])
@pytest.mark.parametrize("records_max", [1, 4, 100])
def test_a_backlog_larger_than_memory_may_hold_goes_through(
    buffered_max: int, records_max: int
) -> None:
    log = MemoryLog(1)
    chain = Chain()
    for number in range(40):
        chain.placed(f"PO-{number}", START)
    for fact in chain.facts:
        log.append("orders", fact_key(fact), encode_fact(fact), 0)
    settings = WorkerSettings(
        "engine",
        "one",
        records_max=records_max,
        buffered_max=buffered_max,
        ticker=TickerSettings(interval_ms=0, facts_per_tick_max=25),
        runs_ticker=False,
    )
    worker = Worker(log, settings, ManualClock(START))
    worker.open()
    ticker = worker.make_ticker()
    ticker.open()
    idle = 0
    while worker.status().facts < len(chain.facts):
        idle = 0 if worker.step(0) or ticker.step() else idle + 1
        assert idle < IDLE_STEPS_MAX, worker.status().waits_for
        buffered = sum(task.buffered for task in worker.tasks.intake.values())
        assert buffered <= max(buffered_max, 3) + records_max
    worker.close()
