"""What deadlines cost: a million that are pending, at each tick, and 100,000 that are due at once.

Idle ticks are those without facts and without anything due. Of the deadlines that are due at once
every line has one: the last departure that would meet its promise. A sign of progress is any record
on `progress`; its time and that of a tick are those at which the log took them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.ground import BenchFailed, lacks_kafka
from bench.grown import PROMISED_AT, Grown, grown
from bench.scaling import lines_name
from bench.slips import slip_network
from bench.workers import Watch, WorkerProcess, appended_s
from streams.engine.clock import FileClock

PENDING = 1_000_000
SHORT_PENDING = 1_000
DUE = 100_000
SHORT_DUE = 1_000
TICK_MS = 100
WINDOW_S = 6.0
SHORT_WINDOW_S = 1.0
EMPTY = "nothing pending: CPU of a tick"


def measure(run: Run) -> Sequence[Figure]:
    """Idle ticks first, then ticks with much to do."""
    tally = Tally()
    _measure_idle(run, grown(run, run.size(PENDING, SHORT_PENDING)), tally)
    for number in range(run.repeat):
        run.say(f"ticks {number + 1}/{run.repeat}: everything is due at once")
        _measure_due(run, Grown(run, run.size(DUE, SHORT_DUE)), tally)
    return tally.figures()


def _measure_idle(run: Run, chain: Grown, tally: Tally) -> None:
    with run.ground.place("idle") as place:
        path = run.folder / f"{place.prefix}clock"
        FileClock.create(path, chain.clock.now()).close()
        place.publish(slip_network())
        watch, empty_watch = Watch(chain.place), Watch(place)
        run.say(f"ticks: a worker on {chain.lines:,} lines and one on none")
        with (
            chain.worker(run, TICK_MS) as full,
            WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as empty,
        ):
            watch.wait_for_crew(full)
            empty_watch.wait_for_crew(empty)
            for number in range(run.repeat):
                run.say(f"ticks {number + 1}/{run.repeat}: nothing is due")
                name = f"{lines_name(chain.lines)} pending: CPU of a tick"
                _add_idle(run, tally, EMPTY, empty_watch, empty, "")
                _add_idle(run, tally, name, watch, full, EMPTY)
        watch.close()
        empty_watch.close()


def _add_idle(
    run: Run, tally: Tally, name: str, watch: Watch, worker: WorkerProcess, beside: str
) -> None:
    ticks, cpu = watch.tick_done(), worker.cpu_seconds()
    time.sleep(SHORT_WINDOW_S if run.short else WINDOW_S)
    ticks, cpu = watch.tick_done() - ticks, worker.cpu_seconds() - cpu
    tally.add(name, "ms", cpu / ticks * 1_000, beside)


def _measure_due(run: Run, chain: Grown, tally: Tally) -> None:
    watch, due_at = Watch(chain.place), PROMISED_AT - 1
    with chain.worker(run, TICK_MS) as worker:
        watch.wait_for_crew(worker)
        alerts, cpu = chain.place.written()["alerts"], worker.cpu_seconds()
        chain.clock.set(due_at)
        watch.wait(lambda: watch.tick_at >= due_at, [worker], "the tick with all that is due")
        n = watch.number
        watch.wait(lambda: watch.tick_done() >= n, [worker], "all that is due is done")
        cpu = worker.cpu_seconds() - cpu
        watch.wait(lambda: watch.number > n, [worker], "the tick after that")
    watch.close()
    name = f"{lines_name(chain.lines)} due"
    began, ended = appended_s(chain.place, "ticks")[n - 1 : n + 1]
    progress = appended_s(chain.place, "progress")
    signs = [began, *(at for at in progress if began < at < ended), ended]
    gaps = [later - earlier for earlier, later in itertools.pairwise(signs)]
    written = chain.place.written()["alerts"] - alerts
    if written < chain.lines:
        raise BenchFailed(f"{chain.lines} lines were due and only {written} alerts written")
    tally.add(f"{name}: until the next tick", "s", ended - began)
    tally.add(f"{name}: longest gap", "s", max(gaps))
    tally.add(f"{name}: CPU", "µs/line", cpu / chain.lines * 1e6)


BENCHMARK = Benchmark(
    "ticks", "a tick with a million deadlines pending, and with 100,000 due at once", measure,
    lacks_kafka,
)  # fmt: skip
