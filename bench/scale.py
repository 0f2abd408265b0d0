"""`python -m bench scale`: the largest chain that this machine holds, and what was expected of it.

Opens lines, restarts on them with several workers, and sends facts about them at a steady rate.
What workers and broker take is told beside what docs/scaling.md computes from the figures of a full
benchmark run; where the two agree, the same sums may be done for chains that no one machine holds.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.benchmark import BUILD_DIRECTORY, Run
from bench.ground import BenchFailed, Ground, lacks_kafka
from bench.grown import PROMISED_AT, Grown, grown
from bench.plan import Chain, Need, expected, read_figures
from bench.report import number
from bench.slips import encode_slip, shipped
from bench.workers import Watch, WorkerProcess, appended_s
from schemas.units import DAY_MS

LINES = 2_000_000
RATE = 4_000
SECONDS = 60.0
WORKERS = 2
TICK_MS = 1_000
WARM_UP_S = 10.0
SEND_EVERY_S = 0.05
CATCH_UP_S = 60.0
GIB = 2**30


SHORT = Chain(lines=1_000, rate=200, workers=2)


@dataclass
class Load:
    """Sends a new ETA for lines chosen by chance, evenly in time."""

    chain: Grown
    rate: int
    sent: int = 0

    def run_for(self, seconds: float, watch: Watch) -> None:
        """Sends for so long; time goes on as the machine's does."""
        chance = random.Random(self.sent)  # noqa: S311 - any lines will do
        clock, began, before = self.chain.clock, time.monotonic(), self.sent
        began_at = clock.now()
        while (passed := time.monotonic() - began) < seconds:
            at = began_at + int(passed * 1_000)
            due = int(passed * self.rate) - (self.sent - before)
            eta_at = PROMISED_AT - DAY_MS
            self.chain.place.load(
                encode_slip(
                    shipped("eta", chance.randrange(self.chain.lines), at, eta_at, told=number)
                )
                for number in range(self.sent + 1, self.sent + due + 1)
            )
            self.sent += due
            clock.set(at)
            watch.poll()
            time.sleep(SEND_EVERY_S)


def measure(run: Run, chain: Chain) -> tuple[Need, dict[str, str]]:
    """What the chain took, and what else was seen."""
    lines = grown(run, chain.lines)
    with ExitStack() as stack:
        watch = Watch(lines.place)
        stack.callback(watch.close)
        workers: list[WorkerProcess] = [
            stack.enter_context(lines.worker(run, TICK_MS, name=f"w{n}"))
            for n in range(chain.workers)
        ]
        run.say(f"{chain.workers} workers come back")
        watch.wait_for_crew(*workers)
        restored = max(sum(each.seconds for each in worker.restorations()) for worker in workers)
        load = Load(lines, chain.rate)
        run.say(f"{chain.rate:,} facts a second")
        load.run_for(WARM_UP_S, watch)
        cpu, broker = [each.cpu_seconds() for each in workers], run.ground.broker_cpu_seconds()
        began, since, sent = time.monotonic(), time.time_ns() / 1e9, load.sent
        load.run_for(run.size(int(SECONDS), 3), watch)
        seconds = time.monotonic() - began
        used = [each.cpu_seconds() - before for each, before in zip(workers, cpu, strict=True)]
        broker = run.ground.broker_cpu_seconds() - broker
        watch.poll()
        behind = load.sent + lines.facts - watch.facts_cut()
        gaps = _gaps(lines, watch, workers, since)
        memory = max(each.resident_bytes() for each in workers)
    took = Need(sum(used) / seconds, broker / seconds, memory / GIB, restored)
    seen = {
        "facts a second": number((load.sent - sent) / seconds),
        "behind at the end": f"{number(behind / chain.rate)} s",
        "between ticks, p50 and p95": f"{number(gaps[len(gaps) // 2])} s, "
        f"{number(gaps[len(gaps) * 95 // 100])} s",
        "busiest worker": f"{number(max(used) / seconds)} cores",
        "on disk": f"{number(run.ground.disk_bytes(lines.place.prefix) / GIB)} GiB",
    }
    return took, seen


def _gaps(
    lines: Grown, watch: Watch, workers: Sequence[WorkerProcess], since: float
) -> list[float]:
    """Seconds between each two ticks, of which the later one came after that moment; ascending."""
    n = watch.number
    watch.wait(lambda: watch.number > n, workers, "ticks go on")
    moments = appended_s(lines.place, "ticks")
    pairs = itertools.pairwise(moments)
    return sorted(later - earlier for earlier, later in pairs if later >= since)


def table(chain: Chain, took: Need, seen: Mapping[str, str], wanted: Need | None) -> str:
    """The comparison in Markdown."""
    rows = [
        ("CPU of all workers, cores", took.worker_cores, wanted and wanted.worker_cores),
        ("CPU of the broker, cores", took.broker_cores, wanted and wanted.broker_cores),
        ("memory of a worker, GiB", took.worker_gib, wanted and wanted.worker_gib),
        ("restoring, s", took.restore_s, wanted and wanted.restore_s),
    ]
    head = f"{chain.lines:,} open lines, {chain.rate:,} facts/s, {chain.workers} workers"
    lines = [f"| {head} | expected | measured | ratio |", "|---|---|---|---|"]
    for name, value, expects in rows:
        told = (number(expects), f"{value / expects:.2f}") if expects else ("", "")
        lines.append(f"| {name} | {told[0]} | {number(value)} | {told[1]} |")
    lines += [f"| {name} | | {value} | |" for name, value in seen.items()]
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; ends the process with a message when they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m bench scale", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, help=f"open lines [{LINES:,}]")
    parser.add_argument("--rate", type=int, default=RATE, help=f"facts a second [{RATE:,}]")
    parser.add_argument("--workers", type=int, default=WORKERS, help=f"[{WORKERS}]")
    parser.add_argument("--short", action="store_true", help="does it work?")
    parser.add_argument(
        "--figures", type=Path, metavar="FILE", default=BUILD_DIRECTORY / "results.json",
        help="JSON of a full run to expect by [.build/bench/results.json]",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if min(options.lines, options.rate, options.workers) < 1:
        parser.error("every number must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Runs it and prints the comparison; 1 when something is missing or fails."""
    options = parse(arguments)
    if lacks := lacks_kafka():
        sys.stderr.write(f"{lacks}\n")
        return 1
    chain = SHORT if options.short else Chain(options.lines, options.rate, options.workers)
    BUILD_DIRECTORY.mkdir(parents=True, exist_ok=True)
    try:
        wanted = (
            expected(chain, read_figures(options.figures))
            if options.figures.exists() and not options.short
            else None
        )
        with (
            tempfile.TemporaryDirectory(dir=BUILD_DIRECTORY, prefix="scale-") as folder,
            Ground(Path(folder)) as ground,
        ):
            run = Run(options.short, 1, ground, Path(folder))
            told = table(chain, *measure(run, chain), wanted)
    except BenchFailed as error:
        sys.stderr.write(f"scale failed: {error}\n")
        return 1
    print(told)
    return 0
