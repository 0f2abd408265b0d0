"""A worker killed with -9 in the middle, and started again, loses and repeats no decision."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from streams.engine.clock import FileClock
from tests.contract.test_engine import at_rest, check
from tests.kafka.worker_process import WorkerProcess, ended
from tests.scenario import START, by_tick, network, story
from tests.worlds import KafkaWorld, until

KILLS = 4


@pytest.mark.timeout(240)
def test_a_killed_worker_loses_and_repeats_no_decision(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    seed = random.randrange(2**16)
    chance = random.Random(seed)
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    clock = FileClock.create(tmp_path / "clock", START)
    batches = by_tick(story(seed, orders=120), ticks=24)
    killed_at = set(chance.sample(range(4, 22), KILLS))
    worker = WorkerProcess(world, "one", tmp_path / "clock")
    with ended(worker):
        for index, (at, facts) in enumerate(batches):
            world.send(facts)
            clock.set(at)
            if index in killed_at:
                time.sleep(chance.random() * 0.25)
                assert worker.exit_code is None
                worker.kill()
                worker = WorkerProcess(world, "one", tmp_path / "clock")
            elif index + 1 not in killed_at:
                until(lambda at=at: at_rest(world, at), f"seed {seed}, the tick at {at}")  # type: ignore[misc]
        until(lambda: at_rest(world, batches[-1][0]), f"seed {seed}, the last tick")
        assert worker.stop() == 0
    check(world)
    assert len(world.read("alerts")) >= 50


@pytest.mark.timeout(120)
def test_another_worker_takes_over_from_a_killed_one(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    clock = FileClock.create(tmp_path / "clock", START)
    batches = by_tick(story(21, orders=40), ticks=16)
    first = WorkerProcess(world, "first", tmp_path / "clock")
    second = WorkerProcess(world, "second", tmp_path / "clock")
    with ended(first, second):
        for index, (at, facts) in enumerate(batches):
            world.send(facts)
            clock.set(at)
            if index == 7:
                first.kill()
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
        assert second.stop() == 0
    check(world)
