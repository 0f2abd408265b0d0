"""The engine with its first three stages only: intake, links and ledgers.

The engine has no setting for that: the names by which its worker knows the flow are changed in the
process that runs it, which ends with the measurement.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from bench.ground import WAIT_S, BenchFailed
from schemas.topics import FACT_TOPICS
from schemas.units import UtcMillis
from streams.collection import collect_seldom
from streams.engine import flow, tasks
from streams.engine import worker as engine
from streams.engine.clock import ManualClock
from streams.engine.control import TICKS
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.observation import WorkerSettings
from streams.engine.ticker import TickerSettings
from streams.stages.ledgers import Ledgers
from streams.stages.links import Links

INPUTS = (*FACT_TOPICS, Links.input_topic, Ledgers.input_topic, TICKS.topic)
LAST = (Ledgers.name, Ledgers.input_topic)
LOOK_EVERY_S = 0.02


class Alone(NamedTuple):
    """What the three stages took; CPU of the whole process, all threads."""

    facts: int
    seconds: float
    cpu_seconds: float


def run_ledgers(bootstrap: str, prefix: str, told_at: UtcMillis, tick_ms: int, facts: int) -> Alone:
    """Takes in the facts that lie on the topics, from the first tick on. In a fresh process."""
    engine.INPUT_TOPICS = INPUTS  # type: ignore[attr-defined]
    for module in (flow, tasks, engine):
        module.LAST_STAGE = LAST  # type: ignore[attr-defined]
    collect_seldom()
    log = KafkaLog(KafkaLogSettings({"bootstrap.servers": bootstrap}, prefix))
    settings = WorkerSettings("ledgers", "ledgers", ticker=TickerSettings(interval_ms=tick_ms))
    worker = engine.Worker(log, settings, ManualClock(told_at))
    stop, ended = threading.Event(), threading.Event()

    def run() -> None:
        try:
            worker.run(stop)
        finally:
            ended.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        _wait(lambda: worker.control.tick is not None, ended)
        began, began_cpu = time.monotonic(), time.process_time()
        _wait(lambda: _has_done(worker, facts), ended)
        return Alone(facts, time.monotonic() - began, time.process_time() - began_cpu)
    finally:
        stop.set()
        thread.join()
        log.close()


def _has_done(worker: engine.Worker, facts: int) -> bool:
    tick = worker.control.tick
    if tick is None or not tick.complete or sum(map(sum, tick.cut.values())) < facts:
        return False
    return worker.status().tick >= tick.n


def _wait(until: Callable[[], bool], ended: threading.Event) -> None:
    deadline = time.monotonic() + WAIT_S
    while not until():
        if ended.wait(LOOK_EVERY_S):
            raise BenchFailed("the engine ended before its facts were through the ledgers")
        if time.monotonic() > deadline:
            raise BenchFailed(f"the ledgers were not done after {WAIT_S:.0f} s")
