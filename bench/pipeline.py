"""The whole pipeline from a backlog: one worker process, six stages, all rules, Apache Kafka."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.chain import ChainFacts, chain_facts
from bench.floor import measure_floor
from bench.ground import Place, lacks_kafka
from bench.workers import Watch, WorkerProcess, wait_until
from schemas.topics import FACT_TOPICS
from streams.engine.clock import FileClock

DAYS = 30
COPIES = 20
SHORT_DAYS = 6
TICK_MS = 1_000
FLOOR = "bare loop"
OURS = "six stages"


def measure(run: Run) -> Sequence[Figure]:
    """Facts a second and CPU a fact of the worker, beside the bare loop on the same topics."""
    tally = Tally()
    began = time.process_time()
    chain = chain_facts(run.size(DAYS, SHORT_DAYS), run.size(COPIES, 1))
    tally.add("generator: rate", "facts/s", len(chain.facts) / (time.process_time() - began))
    for number in range(run.repeat):
        with run.ground.place("pipeline") as place:
            run.say(f"pipeline {number + 1}/{run.repeat}: sending {len(chain.facts)} facts")
            place.publish(chain.network)
            place.load(chain.facts)
            floor = run_apart(measure_floor, place.bootstrap, place.prefix)
            tally.add(f"{FLOOR}: CPU", "µs/fact", floor.cpu_seconds / floor.facts * 1e6)
            tally.add(f"{FLOOR}: rate", "facts/s", floor.facts / floor.seconds)
            run.say(f"pipeline {number + 1}/{run.repeat}: a worker takes them in")
            _measure_worker(run, place, chain, tally)
    return tally.figures()


def _measure_worker(run: Run, place: Place, chain: ChainFacts, tally: Tally) -> None:
    path = run.folder / f"{place.prefix}clock"
    FileClock.create(path, chain.told_at).close()
    count = len(chain.facts)
    watch = Watch(place)
    try:
        with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
            watch.wait_for_tick(worker)
            began, began_cpu = time.monotonic(), worker.cpu_seconds()
            broker_cpu = run.ground.broker_cpu_seconds()
            wait_until(watch, worker, count)
            seconds = time.monotonic() - began
            cpu = worker.cpu_seconds() - began_cpu
            broker_cpu = run.ground.broker_cpu_seconds() - broker_cpu
    finally:
        watch.close()
    written = sum(n for topic, n in place.written().items() if topic not in FACT_TOPICS)
    tally.add(f"{OURS}: CPU", "µs/fact", cpu / count * 1e6, f"{FLOOR}: CPU")
    tally.add(f"{OURS}: rate", "facts/s", count / seconds, f"{FLOOR}: rate")
    tally.add(f"{OURS}: records written", "per fact", written / count)
    tally.add(f"{OURS}: CPU of the broker", "µs/fact", broker_cpu / count * 1e6)
    tally.add(f"{OURS}: on disk", "B/fact", run.ground.disk_bytes(place.prefix) / count)


BENCHMARK = Benchmark(
    "pipeline",
    "a backlog of simulated facts through all stages and rules by one worker on Apache Kafka",
    measure,
    lacks_kafka,
)
