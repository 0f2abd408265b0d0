"""Open lines on topics of their own, taken in once and then used again and again.

All lines were placed and confirmed at the same moment and are promised for the same one, a month
later: until then nothing happens by itself. Their timers wait.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.benchmark import Run
from bench.ground import Place, Sendable
from bench.slips import confirmed, encode_slip, placed, shipped, slip_network
from bench.workers import Watch, WorkerProcess, wait_until
from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from streams.engine.clock import FileClock

OPENED_AT: UtcMillis = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""
PROMISED_AT = OPENED_AT + 30 * DAY_MS
FACTS_TO_OPEN = 2
TOUCHED_LINES_MAX = 10_000
GROW_TICK_MS = 1_000


@dataclass(frozen=True)
class Growth:
    """What it took to take the lines in."""

    facts: int
    seconds: float
    cpu_seconds: float


class Grown:
    """A chain with so many open lines and no worker; time stands at `clock`."""

    def __init__(self, run: Run, lines: int) -> None:
        self.lines = lines
        self.place: Place = run.ground.place(f"lines-{lines}")
        self.clock_path: Path = run.folder / f"{self.place.prefix}clock"
        self.clock = FileClock.create(self.clock_path, OPENED_AT + HOUR_MS)
        self.facts = lines * FACTS_TO_OPEN
        self._batches = 0
        self.place.publish(slip_network())
        self.growth = self._grow(run)

    def worker(
        self, run: Run, tick_ms: int, *, name: str = "bench",
        settings: Mapping[str, str] | None = None,
    ) -> WorkerProcess:  # fmt: skip
        """A worker on these lines; it shares them by the newer of Kafka's group protocols."""
        return WorkerProcess(
            self.place, run.folder, tick_ms=tick_ms, clock=self.clock_path, name=name,
            settings={"ENGINE__GROUP_PROTOCOL": "consumer", **(settings or {})},
        )  # fmt: skip

    def _grow(self, run: Run) -> Growth:
        run.say(f"{self.lines:,} lines are opened")
        watch = Watch(self.place)
        with self.worker(run, GROW_TICK_MS) as worker:
            watch.wait(lambda: watch.tick is not None, [worker], "the first tick")
            began, began_cpu = time.monotonic(), worker.cpu_seconds()
            self.place.load(opening_facts(self.lines, OPENED_AT, PROMISED_AT))
            wait_until(watch, worker, self.facts)
            cpu = worker.cpu_seconds() - began_cpu
            seconds = time.monotonic() - began
        watch.close()
        return Growth(self.facts, seconds, cpu)

    def touch(self, watch: Watch, worker: WorkerProcess) -> int:
        """A new ETA for each of some lines spread evenly over all, the same lines each time.

        Returns when all are through all stages; how many facts they were. One line gets one fact,
        so that ticks, however they fall, do not change how often a line is looked at.
        """
        self._batches += 1
        at = self.clock.now() + 60_000
        self.clock.set(at)
        count = min(self.lines, TOUCHED_LINES_MAX)
        chosen = range(0, count * (self.lines // count), self.lines // count)
        eta_at = PROMISED_AT - DAY_MS + self._batches * HOUR_MS
        self.place.load(
            encode_slip(shipped("eta", line, at, eta_at, told=self._batches)) for line in chosen
        )
        self.facts += count
        wait_until(watch, worker, self.facts)
        return count


def opening_facts(
    lines: int, at: UtcMillis, promised_at: UtcMillis, *, first: int = 0
) -> Iterator[Sendable]:
    """Lines that are placed and confirmed at once."""
    for line in range(first, first + lines):
        yield encode_slip(placed(line, at, promised_at))
        yield encode_slip(confirmed(line, at, promised_at))


def grown(run: Run, lines: int) -> Grown:
    """Made once in a run; topics, facts and clock are as the last user left them."""
    found = run.grown.get(lines)
    if not isinstance(found, Grown):
        found = run.grown[lines] = Grown(run, lines)
    return found
