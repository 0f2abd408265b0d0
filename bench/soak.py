"""`python -m bench soak`: hours of steady load with lines that open and close; is memory flat?

A real worker takes in the simulated chain at some hundred facts a second. Its clock runs so fast
that a day passes in half a minute: lines close, leave past the lateness horizon, and their
tombstones after them, all the time, as do numbers and incidents. Every few seconds the memory of
worker and broker and the size of every state are written to a file. The verdict rests on the last
half: a line fitted through the worker's memory may rise by at most `GROWTH_MAX` of its mean.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alerts import policy as policies
from alerts.policy import Policy
from alerts.terms import OPERATIONS, Document, Recipient, Retention
from bench.benchmark import BUILD_DIRECTORY, Run
from bench.chain import SEED, STARTED_AT
from bench.ground import BenchFailed, Ground, Place, lacks_kafka
from bench.workers import Watch, WorkerProcess
from schemas.addresses import fact_key
from schemas.codec import encode_fact
from schemas.units import DAY_MS
from streams.engine.clock import FileClock
from streams.simulator.simulation import Simulation, SimulationOptions

GROWTH_MAX = 0.02
"""Of the mean memory in the last half: what its fitted line may rise by over that time."""
ENTRIES_GROWTH_MAX = 0.05
"""The same for the entries of all states: a load that is not steady proves nothing."""
HOURS = 2.0
DAY_SECONDS = 30.0
COPIES = 8
TICK_MS = 1_000
SAMPLE_EVERY_S = 10.0
STEP_S = 0.25
MIB = 1 << 20


class Sample(msgspec.Struct):
    """One moment: seconds since the worker had its first tick, and what was seen then."""

    seconds: float
    worker_bytes: int
    broker_bytes: int
    worker_cpu_seconds: float
    own_cpu_seconds: float
    facts: int
    tick: int
    days: float
    entries: dict[str, int]

    @property
    def all_entries(self) -> int:
        """Of all stages."""
        return sum(self.entries.values())


@dataclass(frozen=True)
class Trend:
    """A straight line through values by least squares: their mean, and its rise over the span."""

    mean: float
    rise: float

    @property
    def growth(self) -> float:
        """The rise as a share of the mean."""
        return self.rise / self.mean if self.mean else 0.0


def trend(points: Sequence[tuple[float, float]]) -> Trend:
    """The line through (time, value); at least two moments."""
    mean_time = sum(time for time, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((time - mean_time) ** 2 for time, _ in points)
    slope = sum((time - mean_time) * (value - mean) for time, value in points) / spread
    return Trend(mean, slope * (points[-1][0] - points[0][0]))


def last_half(samples: Sequence[Sample]) -> list[Sample]:
    """The samples of the later half of the time."""
    middle = samples[-1].seconds / 2
    return [each for each in samples if each.seconds >= middle]


def is_flat(samples: Sequence[Sample]) -> bool:
    """Whether neither memory nor state grew in the last half beyond what is allowed."""
    half = last_half(samples)
    memory = trend([(each.seconds, each.worker_bytes) for each in half])
    entries = trend([(each.seconds, each.all_entries) for each in half])
    return memory.growth <= GROWTH_MAX and entries.growth <= ENTRIES_GROWTH_MAX


def table(samples: Sequence[Sample]) -> str:
    """The verdict and its figures, in Markdown."""
    half, last = last_half(samples), samples[-1]
    hours = (half[-1].seconds - half[0].seconds) / 3_600
    rows = [
        ("time, last half of it judged", f"{last.seconds / 60:.1f} min"),
        ("simulated time", f"{last.days:.0f} days"),
        ("facts", f"{last.facts:,} ({last.facts / last.seconds:.0f} a second)"),
        ("ticks", f"{last.tick:,}"),
        ("CPU of the worker", f"{last.worker_cpu_seconds / last.seconds:.1%} of a core"),
        ("CPU of the generator", f"{last.own_cpu_seconds / last.seconds:.1%} of a core"),
    ]
    for name, points in (
        ("worker", [(each.seconds, each.worker_bytes) for each in half]),
        ("broker", [(each.seconds, each.broker_bytes) for each in half]),
    ):
        line = trend(points)
        rows.append((f"memory of the {name}, mean", f"{line.mean / MIB:.1f} MiB"))
        slope = f"{line.rise / MIB / hours:+.2f} MiB an hour ({line.growth:+.2%} over the half)"
        rows.append((f"memory of the {name}, slope", slope))
    for stage in sorted(last.entries):
        line = trend([(each.seconds, each.entries.get(stage, 0)) for each in half])
        rows.append((f"entries of {stage}, mean", f"{line.mean:,.0f} ({line.growth:+.1%})"))
    entries = trend([(each.seconds, each.all_entries) for each in half])
    rows.append(("entries of all, mean", f"{entries.mean:,.0f} ({entries.growth:+.1%})"))
    verdict = "flat" if is_flat(samples) else "NOT FLAT"
    allowed = f"allowed: {GROWTH_MAX:.0%} of memory, {ENTRIES_GROWTH_MAX:.0%} of entries"
    rows.append(("verdict", f"**{verdict}** ({allowed})"))
    lines = ["| soak | measured |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines)


def soak_policy() -> Policy:
    """All rules, operations told in the log, and everything that is over forgotten in days."""
    retention = Retention(
        lateness_horizon_days=2, tombstone_days=5, link_retention_days=5, incident_days=5
    )
    operations = Recipient(id=OPERATIONS, audience=OPERATIONS, sinks=("log",))
    document = Document(recipients=(operations,), retention=retention)
    return policies.build(policies.complete(document))


class SteadyChain:
    """Sends what the simulated chain says, in its time, and moves the clock behind it."""

    def __init__(self, place: Place, clock: FileClock, copies: int, day_seconds: float) -> None:
        self._place, self._clock, self._day_seconds = place, clock, day_seconds
        self._simulation = Simulation(SimulationOptions(SEED, STARTED_AT, copies=copies))
        self.network = self._simulation.network
        self.facts = 0

    def step(self, seconds: float) -> None:
        """Sends what is said up to so many seconds of real time since the beginning."""
        at = STARTED_AT + int(seconds / self._day_seconds * DAY_MS)
        said = self._simulation.advance(at)
        self._place.load((each.topic, fact_key(each.fact), encode_fact(each.fact)) for each in said)
        self.facts += len(said)
        self._clock.set(max(at, self._clock.now()))


def soak(run: Run, options: argparse.Namespace) -> Iterator[Sample]:
    """Runs worker and chain for the time that was asked for, and samples them."""
    path = run.folder / "clock"
    with run.ground.place("soak") as place:
        clock = FileClock.create(path, STARTED_AT)
        chain = SteadyChain(place, clock, options.copies, options.day_seconds)
        place.publish(chain.network, soak_policy())
        watch = Watch(place)
        try:
            with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
                watch.wait_for_tick(worker)
                began, own = time.monotonic(), time.process_time()
                cpu, sampled = worker.cpu_seconds(), 0.0
                while (seconds := time.monotonic() - began) < options.hours * 3_600:
                    chain.step(seconds)
                    tick = watch.tick_done()
                    if seconds >= sampled:
                        sampled += SAMPLE_EVERY_S
                        yield Sample(
                            round(seconds, 1), worker.resident_bytes(), run.ground.broker_bytes(),
                            round(worker.cpu_seconds() - cpu, 2),
                            round(time.process_time() - own, 2), chain.facts, tick,
                            round(seconds / options.day_seconds, 2), watch.entries(),
                        )  # fmt: skip
                    time.sleep(STEP_S)
        finally:
            watch.close()
            clock.close()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ends the process with a message when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help=f"how long [{HOURS:g}]")
    parser.add_argument(
        "--day-seconds", type=float, default=DAY_SECONDS, metavar="S",
        help=f"real seconds for a day of the chain [{DAY_SECONDS:g}]",
    )  # fmt: skip
    parser.add_argument(
        "--copies", type=int, default=COPIES, metavar="N",
        help=f"each order so many times; 525 facts a day for each [{COPIES}]",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=Path, metavar="FILE", default=BUILD_DIRECTORY / "soak.jsonl",
        help="write a JSON line each 10 s there [.build/bench/soak.jsonl]",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if min(options.hours, options.day_seconds, options.copies) <= 0:
        parser.error("every number must be above 0")
    if options.hours * 3_600 < 4 * SAMPLE_EVERY_S:
        parser.error(f"fewer than four samples ({4 * SAMPLE_EVERY_S:.0f} s) say nothing")
    return options


def main(arguments: Sequence[str]) -> int:
    """Soaks, prints the verdict; 1 when it is not flat or something failed."""
    options = parse(arguments)
    if lacks := lacks_kafka():
        sys.stderr.write(f"{lacks}\n")
        return 1
    options.samples.parent.mkdir(parents=True, exist_ok=True)
    BUILD_DIRECTORY.mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    with (
        tempfile.TemporaryDirectory(dir=BUILD_DIRECTORY, prefix="soak-") as folder,
        Ground(Path(folder)) as ground,
        options.samples.open("wb") as file,
    ):
        run = Run(short=False, repeat=1, ground=ground, folder=Path(folder))
        run.say(f"a worker on a day each {options.day_seconds:g} s for {options.hours:g} hours")
        try:
            for sample in soak(run, options):
                samples.append(sample)
                file.write(msgspec.json.encode(sample) + b"\n")
                file.flush()
                memory = f"{sample.worker_bytes / MIB:.1f} MiB, {sample.all_entries:,} entries"
                run.say(f"day {sample.days:.0f}: {sample.facts:,} facts, {memory}")
        except BenchFailed as error:
            sys.stderr.write(f"the soak failed: {error}\n")
            return 1
    print(table(samples))
    return 0 if is_flat(samples) else 1
