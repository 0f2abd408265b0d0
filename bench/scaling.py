"""Does a fact cost the same however much there is? CPU a fact, summed over all workers.

- at 10 k, 100 k and 1 M open lines: new ETAs for the same 10,000 lines of each, one fact a line and
  batch, by a worker that has all lines restored;
- with 1, 2 and 4 workers: the simulated chain;
- with one giant cell instead of 500: the facts of the slip join.

In the last two all workers are there and idle when the facts appear, all in one moment.

Each ratio compares runs of the same repetition; `bench.aims` says how far it may be from 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.chain import ChainFacts, chain_facts
from bench.ground import Sendable, lacks_kafka
from bench.grown import OPENED_AT, Grown, grown
from bench.slips import encoded, join_facts, join_told_at, slip_network
from bench.workers import Watch, WorkerProcess
from streams.engine.clock import FileClock
from topology.network import Network

LINES = (10_000, 100_000, 1_000_000)
SHORT_LINES = (1_000,)
BATCHES = 3
WORKERS = (1, 2, 4)
SHORT_WORKERS = (2,)
DAYS = 30
COPIES = 8
SHORT_DAYS = 6
CELL_LINES = 15_000
SHORT_CELL_LINES = 1_000
TICK_MS = 1_000


def lines_name(lines: int) -> str:
    """`10 k`, `1 M`."""
    if lines >= 1_000_000:
        return f"{lines / 1_000_000:g} M"
    return f"{lines / 1_000:g} k"


def measure(run: Run) -> Sequence[Figure]:
    """The three comparisons."""
    tally = Tally()
    _measure_lines(run, tally)
    chain = chain_facts(run.size(DAYS, SHORT_DAYS), run.size(COPIES, 1))
    join = list(encoded(join_facts(run.size(CELL_LINES, SHORT_CELL_LINES))))
    for number in range(run.repeat):
        for workers in SHORT_WORKERS if run.short else WORKERS:
            run.say(f"scaling {number + 1}/{run.repeat}: {workers} workers")
            _measure_workers(run, chain, workers, tally)
        for is_one in (True,) if run.short else (False, True):
            run.say(f"scaling {number + 1}/{run.repeat}: {'one cell' if is_one else 'many cells'}")
            _measure_cells(run, join, tally, is_one=is_one)
    return tally.figures()


def _measure_lines(run: Run, tally: Tally) -> None:
    sizes = SHORT_LINES if run.short else LINES
    chains = [grown(run, lines) for lines in sizes]
    for chain in chains:
        name = f"{lines_name(chain.lines)} lines: CPU to open them"
        first = f"{lines_name(sizes[0])} lines: CPU to open them"
        cpu = chain.growth.cpu_seconds / chain.growth.facts * 1e6
        tally.add(name, "µs/fact", cpu, "" if name == first else first)
    with ExitStack() as stack:
        ready: list[tuple[Grown, WorkerProcess, Watch]] = []
        for chain in chains:
            run.say(f"scaling: a worker on {chain.lines:,} lines")
            worker = stack.enter_context(chain.worker(run, TICK_MS))
            watch = Watch(chain.place)
            stack.callback(watch.close)
            watch.wait_for_crew(worker)
            chain.touch(watch, worker)
            ready.append((chain, worker, watch))
        for number in range(run.repeat):
            for chain, worker, watch in ready:
                run.say(f"scaling {number + 1}/{run.repeat}: {chain.lines:,} open lines")
                began_cpu = worker.cpu_seconds()
                count = sum(chain.touch(watch, worker) for _ in range(BATCHES))
                cpu = (worker.cpu_seconds() - began_cpu) / count * 1e6
                name = f"{lines_name(chain.lines)} lines: CPU"
                first = f"{lines_name(sizes[0])} lines: CPU"
                tally.add(name, "µs/fact", cpu, "" if name == first else first)


def _measure_workers(run: Run, chain: ChainFacts, count: int, tally: Tally) -> None:
    cpu, seconds = _take_in(run, chain.facts, chain.network, chain.told_at, count)
    name = "1 worker" if count == 1 else f"{count} workers"
    beside = "" if count == 1 or run.short else "1 worker: CPU"
    tally.add(f"{name}: CPU", "µs/fact", cpu / len(chain.facts) * 1e6, beside)
    tally.add(f"{name}: rate", "facts/s", len(chain.facts) / seconds)


def _measure_cells(run: Run, facts: Sequence[Sendable], tally: Tally, *, is_one: bool) -> None:
    network = slip_network(is_one_cell=is_one)
    cpu, _ = _take_in(run, facts, network, join_told_at(len(facts)), 1)
    many = f"{len(slip_network().cells)} cells: CPU"
    name = "1 cell: CPU" if is_one else many
    beside = many if is_one and not run.short else ""
    tally.add(name, "µs/fact", cpu / len(facts) * 1e6, beside)


def _take_in(
    run: Run, facts: Sequence[Sendable], network: Network, told_at: int, count: int
) -> tuple[float, float]:
    """CPU seconds of so many workers, and seconds, until all facts are through all stages."""
    with run.ground.place("scaling") as place, ExitStack() as stack:
        place.publish(network)
        path = run.folder / f"{place.prefix}clock"
        clock = FileClock.create(path, OPENED_AT)
        stack.callback(clock.close)
        watch = Watch(place)
        stack.callback(watch.close)
        workers = [
            stack.enter_context(
                WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path, name=f"w{number}")
            )
            for number in range(count)
        ]
        watch.wait_for_crew(*workers)
        began, began_cpu = time.monotonic(), sum(each.cpu_seconds() for each in workers)
        clock.set(told_at)
        place.load_at_once(facts)
        end = place.facts_end()
        watch.wait(lambda: watch.has_done(end), workers, f"{len(facts)} facts went through")
        cpu = sum(each.cpu_seconds() for each in workers) - began_cpu
        return cpu, time.monotonic() - began


BENCHMARK = Benchmark(
    "scaling",
    "CPU a fact at 10 k, 100 k and 1 M open lines, with 1, 2 and 4 workers, with one giant cell",
    measure,
    lacks_kafka,
)
