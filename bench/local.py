"""The same facts through the local engine: what the stages cost without Kafka, and which of them.

For the parts, a stopwatch stands around what the worker calls on its tasks; it adds about 1 %.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.chain import chain_facts
from streams.engine.flow import STAGES
from streams.engine.intake_task import IntakeTask
from streams.engine.local import LocalEngine
from streams.engine.task import KeyedTask

DAYS = 30
COPIES = 8
SHORT_DAYS = 6
TIMED = ("accept", "run", "committed")


class LocalCosts(NamedTuple):
    """CPU seconds for so many facts, in all and by part; and seconds of the clock."""

    facts: int
    seconds: float
    cpu_seconds: float
    by_part: dict[str, float]


def run_locally(days: int, copies: int) -> LocalCosts:
    """Sends the facts to a local engine and cuts one tick behind them."""
    chain = chain_facts(days, copies)
    engine = LocalEngine(chain.network)
    for topic, key, value in chain.facts:
        engine.send_raw(topic, key, value, None)
    with stopwatch() as parts:
        began, began_cpu = time.monotonic(), time.process_time()
        engine.tick(chain.told_at)
        seconds, cpu = time.monotonic() - began, time.process_time() - began_cpu
    engine.close()
    return LocalCosts(len(chain.facts), seconds, cpu, parts)


@contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """CPU seconds by stage that are spent in tasks until the block ends."""
    spent = dict.fromkeys(["intake", *(stage.name for stage in STAGES)], 0.0)
    kept: list[tuple[type[Any], str, Any]] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(task: KeyedTask | IntakeTask, *arguments: Any) -> Any:
            began = time.process_time()
            try:
                return function(task, *arguments)
            finally:
                name = task.stage.name if isinstance(task, KeyedTask) else "intake"
                spent[name] += time.process_time() - began

        return call

    for kind in (IntakeTask, KeyedTask):
        for name in TIMED if kind is KeyedTask else TIMED[1:]:
            function = getattr(kind, name)
            kept.append((kind, name, function))
            setattr(kind, name, timed(function))
    try:
        yield spent
    finally:
        for kind, name, function in kept:
            setattr(kind, name, function)


def measure(run: Run) -> Sequence[Figure]:
    """CPU a fact, in all and by stage."""
    tally = Tally()
    for number in range(run.repeat):
        run.say(f"local {number + 1}/{run.repeat}: facts through the local engine")
        costs = run_apart(run_locally, run.size(DAYS, SHORT_DAYS), run.size(COPIES, 1))
        tally.add("all: CPU", "µs/fact", costs.cpu_seconds / costs.facts * 1e6)
        tally.add("all: rate", "facts/s", costs.facts / costs.seconds)
        for part, spent in costs.by_part.items():
            tally.add(f"{part}: CPU", "µs/fact", spent / costs.facts * 1e6, "all: CPU")
        rest = costs.cpu_seconds - sum(costs.by_part.values())
        tally.add("log, loop: CPU", "µs/fact", rest / costs.facts * 1e6, "all: CPU")
    return tally.figures()


BENCHMARK = Benchmark(
    "local", "simulated facts through the local engine, with the cost of each stage", measure
)
