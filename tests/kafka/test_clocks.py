"""A worker's clock an hour off, both ways: no ticks until it is right, and not one at a wrong T."""

from __future__ import annotations

import time

import pytest

from schemas.ticks import Tick
from schemas.units import HOUR_MS, SECOND_MS, UtcMillis, millis
from streams.engine.clock import WallClock
from tests.contract.test_engine import check, ticks_of
from tests.scenario import network, story
from tests.worlds import KafkaWorld, running, until


class OffClock:
    """The machine's time, and some milliseconds more."""

    is_wall = True

    def __init__(self, off_ms: int = 0) -> None:
        self.off_ms = off_ms

    def now(self) -> UtcMillis:
        return WallClock().now() + self.off_ms


def last_tick(world: KafkaWorld) -> Tick | None:
    control = world.control()
    control.poll()
    return control.tick


def stands_still(world: KafkaWorld) -> bool:
    """Whether there is no tick for a while in which there should be several."""
    before = last_tick(world)
    time.sleep(1.5)
    return last_tick(world) == before


@pytest.mark.parametrize(("off_ms", "words"), [(HOUR_MS, "ahead of"), (-HOUR_MS, "behind")])
def test_no_tick_is_made_by_a_clock_that_is_an_hour_off(
    bootstrap: str, unique_name: str, off_ms: int, words: str
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    clock = OffClock(off_ms)
    facts = [fact for _, fact in story(61, orders=30)]
    worker = world.worker("one", clock, interval_ms=200)
    with running(worker):
        world.send(facts[:80])
        until(lambda: words in worker.status().trouble, "it says that its clock is off")
        assert "no ticks until it is set" in worker.status().trouble
        assert last_tick(world) is None
        clock.off_ms = 0
        until(lambda: worker.status().tick > 3, "it ticks when the clock is right")
        assert worker.status().trouble == ""

        world.send(facts[80:])
        clock.off_ms = off_ms
        until(lambda: words in worker.status().trouble, "it notices the jump")
        assert stands_still(world)
        other = world.worker("two", OffClock(), interval_ms=200)
        with running(other):
            until(lambda: other.status().partitions, "another shares the work")
            clock.off_ms = 0
            reached = worker.status().tick
            until(lambda: other.status().tick > reached + 3, "time goes on")
    times = [millis(each.at) for each in ticks_of(world)]
    now = WallClock().now()
    assert all(now - HOUR_MS < at <= now + SECOND_MS for at in times)
    check(world)
