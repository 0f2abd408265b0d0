"""Workers and tickers in a storm: whatever happens to them, what readers see is what the local
engine says of the same facts and ticks, once. And the proof that this would be noticed.

SLIPWATCH_SCHEDULES is how many schedules are run (`make chaos`: 10,000), SLIPWATCH_SCHEDULES_FROM
the first seed. A failing one is made smaller and printed, ready to be run again by `outcome`.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation import schedules
from tests.simulation.schedules import Schedule, draw, shrink, told
from tests.simulation.schedules_mutations import HARMLESS, MUTATIONS, Mutation
from tests.simulation.schedules_run import outcome
from tests.simulation.schedules_stock import STOCK_MUTATIONS

COUNT = int(os.environ.get("SLIPWATCH_SCHEDULES", "300"))
FIRST = int(os.environ.get("SLIPWATCH_SCHEDULES_FROM", "0"))
AUDITED_EVERY = 10
SHARE = 25
"""Schedules that a process is handed at a time."""
SEEDS_MAX = 400
"""Schedules after which a mutation counts as unnoticed."""
SECONDS_A_SCHEDULE = 0.4

HAPPENS = (
    *(f"{outcome} at {moment}" for outcome in ("crash", "abort", "slow")
      for moment in schedules.WORKER_MOMENTS),
    *(f"crash at {moment}" for moment in schedules.READER_MOMENTS),
    "depart at before commit", "depart at ticker before commit", "a commit lands late",
    "a transaction times out", "an open transaction is fenced", "offsets of a zombie refused",
    "worker fenced", "ticker fenced", "parked", "notifications",
)  # fmt: skip
"""What 300 schedules must have met for their success to mean something."""


def examine(seeds: range) -> tuple[list[tuple[int, str]], Counter[str]]:
    """The seeds that fail and why, and what was seen."""
    seen: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        error = outcome(draw(seed), audited=seed % AUDITED_EVERY == 0, seen=seen)
        if error is not None:
            failed.append((seed, _text(error)))
    return failed, seen


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _fails_alike(schedule: Schedule, why: str, mutation: Mutation | None = None) -> bool:
    error = outcome(schedule, mutation.made() if mutation is not None else None)
    return error is not None and _text(error)[:24] == why[:24]


OVERTAKEN_WHILE_RESTORING = (767, 1816, 3733, 4370, 5979, 6120, 6521, 7044, 8957, 9702)
"""Of ten thousand: others went on with what a worker restored, and it took that for damage."""


@pytest.mark.parametrize("seed", OVERTAKEN_WHILE_RESTORING)
def test_what_once_failed_holds(seed: int) -> None:
    assert outcome(draw(seed, all_families=False)) is None


@pytest.mark.timeout(120 + COUNT * SECONDS_A_SCHEDULE)
def test_whatever_happens_nothing_is_lost_or_said_twice(
    record_property: Callable[[str, object], None],
) -> None:
    shares = [
        range(start, min(start + SHARE, FIRST + COUNT))
        for start in range(FIRST, FIRST + COUNT, SHARE)
    ]
    failed: list[tuple[int, str]] = []
    seen: Counter[str] = Counter()
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        for wrong, met in pool.map(examine, shares):
            failed += wrong
            seen += met
    if failed:
        seed, why = failed[0]
        smaller = shrink(draw(seed), functools.partial(_fails_alike, why=why))
        seeds = ", ".join(str(each) for each, _ in failed[:20])
        pytest.fail(f"{len(failed)} schedules fail, seeds {seeds}. {why}\n{told(smaller)}")
    if COUNT >= 300:
        missing = [each for each in HAPPENS if not seen[each]]
        assert not missing, "the storm never brought this"
    record_property("schedules", f"{COUNT} from seed {FIRST}; " + _counted(seen))


def _counted(seen: Counter[str]) -> str:
    return ", ".join(f"{name} {seen[name]}" for name in sorted(seen))


def test_a_seed_says_everything() -> None:
    first, second = Counter[str](), Counter[str]()
    for seed in range(3):
        assert draw(seed) == draw(seed)
        assert outcome(draw(seed), seen=first) is None
        assert outcome(draw(seed), seen=second) is None
    assert first == second
    assert first["decisions"] > 0


def test_a_failing_schedule_gets_smaller_and_is_told_as_it_is() -> None:
    (mutation,) = [each for each in MUTATIONS if each.name == "commit before produce"]
    schedule = draw(mutation.seed, all_families=False)
    why = _text(outcome(schedule, mutation.made()) or AssertionError("it passes"))
    smaller = shrink(
        schedule, functools.partial(_fails_alike, why=why, mutation=mutation), attempts_max=60
    )
    assert len(smaller.events) < len(schedule.events) / 2
    assert _fails_alike(smaller, why, mutation)
    assert eval(told(smaller), vars(schedules)) == smaller


@pytest.mark.parametrize(
    "mutation", [*MUTATIONS, *STOCK_MUTATIONS], ids=lambda each: each.name.replace(" ", "-")
)
def test_a_mutated_engine_is_noticed(mutation: Mutation) -> None:
    """The schedule that noticed it first; if they have changed since, any of the next ones."""
    first = draw(mutation.seed, all_families=False)
    for schedule in itertools.chain([first], map(draw, range(SEEDS_MAX))):
        if outcome(schedule, mutation.made()) is not None:
            return
    pytest.fail(f"{SEEDS_MAX} schedules do not notice an engine that does this: {mutation.name}")


def test_rows_of_done_ticks_that_are_read_again_change_nothing() -> None:
    """The counterpart of a mutation: it is the skipping that keeps this harmless."""
    for seed in range(10):
        assert outcome(draw(seed), HARMLESS.made()) is None
