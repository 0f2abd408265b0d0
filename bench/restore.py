"""How long ticks stand still: state comes back from the changelogs, workers come, go and crash.

- 1 M open lines: one worker starts and reads all of its state back;
- 100 k open lines, two workers in the group, a tick each 100 ms: a third one joins, leaves and
  crashes; then all stop and one starts;
- the same lines, two workers of which each keeps copies of the other's state: one leaves, and the
  other one is to go on at once.

Ticks stand still for the longest time between two of them, by the times at which the log took them.

A partition moved without need when it went from one worker that stays to another one that stays.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.ground import lacks_kafka
from bench.grown import Grown, grown
from bench.scaling import lines_name
from bench.workers import Watch, WorkerProcess, appended_s

RESTORED_LINES = 1_000_000
SHORT_RESTORED_LINES = 1_000
SHARED_LINES = 100_000
SHORT_SHARED_LINES = 1_000
TICK_MS = 100
SETTLE_S = 1.5
SHORT_TRANSACTION_MS = 5_000
"""In the short form a crashed worker's transaction ends sooner than by default."""
WORKER_MEMORY = "memory of the worker that restored"


def measure(run: Run) -> Sequence[Figure]:
    """Restoring, then hand-overs."""
    tally = Tally()
    many = grown(run, run.size(RESTORED_LINES, SHORT_RESTORED_LINES))
    some = grown(run, run.size(SHARED_LINES, SHORT_SHARED_LINES))
    for number in range(run.repeat):
        run.say(f"restore {number + 1}/{run.repeat}: {many.lines:,} lines")
        _measure_restore(run, many, tally)
        run.say(f"restore {number + 1}/{run.repeat}: workers come and go on {some.lines:,} lines")
        _measure_moves(run, some, tally)
    return tally.figures()


def _measure_restore(run: Run, chain: Grown, tally: Tally) -> None:
    name = f"{lines_name(chain.lines)} lines"
    watch = Watch(chain.place)
    began = time.monotonic()
    with chain.worker(run, TICK_MS) as worker:
        watch.wait_for_crew(worker)
        seconds = time.monotonic() - began
        restored = worker.restorations()
        cpu, memory = worker.cpu_seconds(), worker.resident_bytes()
    watch.close()
    restoring = sum(each.seconds for each in restored)
    records = sum(each.records for each in restored)
    tally.add(f"{name}: restoring", "s", restoring)
    tally.add(f"{name}: from start to ticks", "s", seconds)
    tally.add(f"{name}: records read back", "records", records)
    tally.add(f"{name}: records read back", "records/s", records / max(restoring, 0.001))
    tally.add(f"{name}: CPU until ticks", "s", cpu)
    tally.add(WORKER_MEMORY, "MiB", memory / 2**20)


class _Crew:
    """Workers on the same lines, and what happens to ticks while they come and go."""

    def __init__(self, run: Run, chain: Grown, stack: ExitStack, tally: Tally) -> None:
        self._run, self._chain, self._stack, self._tally = run, chain, stack, tally
        self._watch = Watch(chain.place)
        stack.callback(self._watch.close)

    def start(self, name: str, *, has_standby: bool = False) -> WorkerProcess:
        """One more worker; with a standby, it keeps copies of what others own."""
        settings = {"ENGINE__STANDBY": str(has_standby).lower()}
        if self._run.short:
            settings["ENGINE__TRANSACTION_TIMEOUT_MS"] = str(SHORT_TRANSACTION_MS)
        worker = self._chain.worker(self._run, TICK_MS, name=name, settings=settings)
        return self._stack.enter_context(worker)

    def settle(self, *workers: WorkerProcess) -> None:
        """Returns when these share the partitions."""
        self._watch.wait_for_crew(*workers)

    def copy(self, *workers: WorkerProcess) -> None:
        """Returns when each keeps copies of the other's state."""
        self._watch.wait_for_copies(*workers)

    def wait(self, seconds: float, *workers: WorkerProcess) -> None:
        """Lets ticks pass for so long."""
        until = time.monotonic() + seconds
        self._watch.wait(lambda: time.monotonic() > until, workers, "ticks go on")

    def change(
        self, name: str, do: Callable[[], WorkerProcess | None], *stay: WorkerProcess
    ) -> WorkerProcess | None:
        """Does it, waits until who is there then shares the partitions, and tallies the rest."""
        before, since = self._watch.owners(), time.time_ns() / 1e9 - 2 * TICK_MS / 1_000
        came = do()
        self._watch.wait_for_crew(*stay, *([came] if came is not None else []))
        self.wait(SETTLE_S, *stay)
        moved, needless = _moves(before, self._watch.owners(), {each.owner for each in stay})
        moments = [at for at in appended_s(self._chain.place, "ticks") if at >= since]
        still = max(later - earlier for earlier, later in itertools.pairwise(moments))
        self._tally.add(f"{name}: ticks stand still", "s", still)
        self._tally.add(f"{name}: moved", "partitions", moved)
        self._tally.add(f"{name}: moved without need", "partitions", needless)
        return came


def _moves(before: Mapping[str, str], after: Mapping[str, str], stay: set[str]) -> tuple[int, int]:
    moved = [key for key, owner in before.items() if after.get(key) != owner]
    return len(moved), sum({before[key], after.get(key, "")} <= stay for key in moved)


def _measure_moves(run: Run, chain: Grown, tally: Tally) -> None:
    with ExitStack() as stack:
        crew = _Crew(run, chain, stack, tally)
        first, second = crew.start("a"), crew.start("b")
        crew.settle(first, second)
        third = crew.change("clean join", lambda: crew.start("c"), first, second)
        assert third is not None, "it was started"
        crew.change("clean leave", third.stop, first, second)
        third = crew.start("c")
        crew.settle(first, second, third)
        crew.change("crash", third.kill, first, second)
        crew.change("all stop, one starts", lambda: _restart(crew, first, second))
    with ExitStack() as stack:
        crew = _Crew(run, chain, stack, tally)
        first, second = crew.start("a", has_standby=True), crew.start("b", has_standby=True)
        crew.settle(first, second)
        crew.copy(first, second)
        crew.change("standby: clean leave", second.stop, first)


def _restart(crew: _Crew, *workers: WorkerProcess) -> WorkerProcess:
    for worker in workers:
        worker.stop()
    return crew.start("a")


BENCHMARK = Benchmark(
    "restore",
    "state comes back from the changelogs; how long ticks stand still when workers come and go",
    measure,
    lacks_kafka,
)
