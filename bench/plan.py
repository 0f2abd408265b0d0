"""`python -m bench plan`: what a chain needs, by the sums of docs/scaling.md and measured figures.

The figures are the medians of a full benchmark run. They were measured on one machine; on another
one, measure there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.benchmark import BUILD_DIRECTORY
from bench.ground import BenchFailed
from bench.report import number

LINES = 5_000_000
RATE = 6_000
TICK_MS = 1_000
GIB = 2**30
WORKER_SHARE = 0.5
"""Of one core, that a worker may use at the highest rate: what is left catches up after a stop."""
BROKER_SHARE = 0.5
"""Of a broker's cores, for the same reason."""
BROKER_CORES = 4
WORKER_GIB_MAX = 8.0
PARTITIONS_PER_WORKER = 4
"""So that the busiest worker has at most a quarter more than its share."""
REPLICAS = 3
BROKERS_MIN = 3


@dataclass(frozen=True)
class Chain:
    """A chain's size: open lines, facts a second, workers that share them."""

    lines: int
    rate: int
    workers: int


@dataclass(frozen=True)
class Need:
    """What a chain takes: cores of all workers and of the broker, GiB of each worker, seconds until
    all workers are back with their state after a full stop."""

    worker_cores: float
    broker_cores: float
    worker_gib: float
    restore_s: float


FIGURES = {
    "CPU of a fact": ("scaling", "1 M lines: CPU"),
    "CPU of an idle tick": ("ticks", "nothing pending: CPU of a tick"),
    "CPU of the broker": ("latency", "5,000/s: CPU of the broker"),
    "on disk": ("latency", "5,000/s: on disk"),
    "memory of a worker": ("memory", "a worker without lines"),
    "memory of a line": ("memory", "an open line"),
    "restoring": ("restore", "1 M lines: restoring"),
}
"""What the sums rest on: benchmark and figure."""


def expected(chain: Chain, medians: Mapping[str, float]) -> Need:
    """The sums of docs/scaling.md; `medians` has a value for each name of `FIGURES`."""
    ticks = chain.workers * 1_000 / TICK_MS * medians["CPU of an idle tick"] / 1e3
    shared = chain.lines / chain.workers
    return Need(
        worker_cores=chain.rate * medians["CPU of a fact"] / 1e6 + ticks,
        broker_cores=chain.rate * medians["CPU of the broker"] / 1e6,
        worker_gib=(
            medians["memory of a worker"] * 2**20 + shared * medians["memory of a line"]
        ) / GIB,
        restore_s=shared / 1e6 * medians["restoring"],
    )  # fmt: skip


def read_figures(path: Path) -> dict[str, float]:
    """The medians of a full run's JSON file; BenchFailed when it lacks one."""
    told = json.loads(path.read_text())["benchmarks"]
    found = {}
    for name, (benchmark, figure) in FIGURES.items():
        medians = [each["median"] for each in told.get(benchmark, ()) if each["name"] == figure]
        if not medians:
            raise BenchFailed(f"{path} has no {figure!r} of {benchmark}: run them first")
        (found[name],) = medians
    return found


@dataclass(frozen=True)
class Plan:
    """How many of what, and what limits them."""

    workers_by_cpu: float
    workers_by_memory: float
    workers: int
    partitions: int
    brokers_by_cpu: float
    brokers: int
    crash_restore_s: float
    gib_a_million_facts: float


def plan(lines: int, rate: int, medians: Mapping[str, float]) -> Plan:
    """Workers, of which one may be missing; partitions and brokers."""
    alone = expected(Chain(lines, rate, 1), medians)
    by_cpu = alone.worker_cores / WORKER_SHARE
    base_gib = medians["memory of a worker"] / 1_024
    by_memory = (alone.worker_gib - base_gib) / (WORKER_GIB_MAX - base_gib)
    workers = math.ceil(max(by_cpu, by_memory)) + 1
    brokers_by_cpu = alone.broker_cores * REPLICAS / (BROKER_SHARE * BROKER_CORES)
    return Plan(
        by_cpu,
        by_memory,
        workers,
        workers * PARTITIONS_PER_WORKER,
        brokers_by_cpu,
        max(BROKERS_MIN, math.ceil(brokers_by_cpu)),
        alone.restore_s / workers / (workers - 1),
        medians["on disk"] * 1e6 * REPLICAS / GIB,
    )


def table(lines: int, rate: int, medians: Mapping[str, float]) -> str:
    """The plan in Markdown, with what it rests on."""
    made = plan(lines, rate, medians)
    shared = expected(Chain(lines, rate, made.workers), medians)
    rows = [
        ("workers by CPU", number(made.workers_by_cpu)),
        ("workers by memory", number(made.workers_by_memory)),
        ("**workers**, one of which may be missing", f"**{made.workers}**"),
        ("**partitions** of the engine's topics", f"**{made.partitions}**"),
        ("brokers by CPU", number(made.brokers_by_cpu)),
        ("**brokers**", f"**{made.brokers}**"),
        ("CPU of each worker, cores", number(shared.worker_cores / made.workers)),
        ("memory of each worker, GiB", number(shared.worker_gib)),
        ("restoring after a full stop, s", number(shared.restore_s)),
        ("restoring after the crash of one worker, s", number(made.crash_restore_s)),
        ("on disk for a million facts, all copies, GiB", number(made.gib_a_million_facts)),
    ]
    rests = "; ".join(f"{name} {number(value)}" for name, value in medians.items())
    lines_of_table = [
        f"| {lines:,} open lines, {rate:,} facts/s | needed |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
    ]
    return "\n".join([*lines_of_table, "", f"By these figures: {rests}."])


def main(arguments: Sequence[str]) -> int:
    """Prints the plan; 1 when figures are missing."""
    parser = argparse.ArgumentParser(prog="python -m bench plan", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, help=f"open lines [{LINES:,}]")
    parser.add_argument("--rate", type=int, default=RATE, help=f"facts a second [{RATE:,}]")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", default=BUILD_DIRECTORY / "results.json",
        help="JSON of a full run [.build/bench/results.json]",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if min(options.lines, options.rate) < 1:
        parser.error("every number must be at least 1")
    try:
        print(table(options.lines, options.rate, read_figures(options.figures)))
    except (BenchFailed, OSError) as error:
        sys.stderr.write(f"no plan: {error}\n")
        return 1
    return 0
