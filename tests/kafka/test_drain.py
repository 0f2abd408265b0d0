"""SIGTERM: a worker finishes its transaction, commits and leaves within ten seconds, whatever it
is in the middle of, with code 0, and the others go on."""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

import pytest

from streams.app.process import STOP_SECONDS
from streams.engine.clock import FileClock
from streams.engine.log import Partition
from tests.contract.test_engine import at_rest, check
from tests.integration.process import Receiver, wait_until
from tests.kafka.cluster import KafkaCluster
from tests.kafka.test_delivery import Chain as DeliveryChain
from tests.kafka.worker_process import WorkerProcess, ended
from tests.scenario import START, Chain, network
from tests.worlds import KafkaWorld, until

log = logging.getLogger(__name__)

LINES = 6_000
LONG_S = 120.0
AT_ONCE_S = 6.0
"""A worker that the broker answers must need well under the limit, also on a busy machine."""


def backlog(world: KafkaWorld, lines: int = LINES) -> None:
    """Orders that were placed and confirmed, all of them late by the end of the tick."""
    chain = Chain()
    for number in range(lines):
        chain.placed(f"PO-{number}", START, due_days=1)
        chain.confirmed(f"PO-{number}", START, due_days=1)
    world.send(chain.facts)


def offset_of_lines(world: KafkaWorld) -> int:
    ends = world.log().end_offsets([Partition("lines", number) for number in range(4)])
    return sum(end.stable for end in ends.values())


def timed_stop(worker: WorkerProcess) -> float:
    """Seconds from SIGTERM to the end, which must be a clean one."""
    began = time.monotonic()
    code = worker.stop()
    seconds = time.monotonic() - began
    assert code == 0, worker.text()
    log.info("%s ended in %.1f s", worker.name, seconds)
    assert seconds < STOP_SECONDS
    return seconds


@pytest.mark.timeout(240)
def test_in_the_middle_of_a_backlog_and_a_large_tick_and_another_goes_on(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    backlog(world)
    FileClock.create(tmp_path / "clock", START + 5 * 86_400_000)
    first = WorkerProcess(world, "first", tmp_path / "clock")
    second = WorkerProcess(world, "second", tmp_path / "clock")
    with ended(first, second):
        until(lambda: offset_of_lines(world) > LINES // 10, "the tick is under way", LONG_S)
        timed_stop(first)
        assert second.exit_code is None
        until(lambda: at_rest(world, START + 5 * 86_400_000), "the other goes on", LONG_S)
        assert timed_stop(second) < AT_ONCE_S
    assert check(world) > LINES


@pytest.mark.timeout(120)
def test_while_its_group_waits_for_one_that_was_killed(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    FileClock.create(tmp_path / "clock", START)
    dead = WorkerProcess(world, "dead", tmp_path / "clock")
    with ended(dead):
        until(lambda: "delivery_restored" in dead.text(), "it delivers", LONG_S)
        dead.kill()
    after = WorkerProcess(world, "after", tmp_path / "clock")
    with ended(after):
        until(lambda: "listens on" in after.text(), "it is up", LONG_S)
        # Delivery's group lets it in when the session of the dead one is over, and not before.
        time.sleep(3.0)
        timed_stop(after)
        assert "delivery_group_not_left" in after.text()


@pytest.mark.timeout(120)
def test_in_the_middle_of_a_delivery_that_hangs(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    chain = DeliveryChain(bootstrap, unique_name, tmp_path)
    chain.tell(range(20))
    with Receiver() as receiver:
        receiver.hold()
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: receiver.waiting > 0, worker.text)
            began = time.monotonic()
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
            log.info("ended in %.1f s", time.monotonic() - began)
            assert time.monotonic() - began < STOP_SECONDS
        receiver.let_go()
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: len(chain.receipts()) == 20, worker.text)
    # The one that hung is sent again under its id: whether it arrived nobody could tell.
    assert list(dict.fromkeys(receiver.ids())) == [f"n{number}" for number in range(20)]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("way", ["silent", "gone"])
def test_while_the_broker_is_away(own_cluster: KafkaCluster, tmp_path: Path, way: str) -> None:
    world = KafkaWorld(own_cluster.bootstrap, "away")
    world.publish(network())
    backlog(world, LINES // 4)
    FileClock.create(tmp_path / "clock", START + 5 * 86_400_000)
    worker = WorkerProcess(world, "first", tmp_path / "clock")
    with ended(worker):
        until(lambda: offset_of_lines(world) > LINES // 40, "the tick is under way", LONG_S)
        if way == "gone":
            own_cluster.kill(1)
        else:
            own_cluster.freeze(1)
        try:
            # Inside a transaction by then, which cannot be committed.
            time.sleep(1.0)
            timed_stop(worker)
        finally:
            if way == "silent":
                own_cluster.thaw(1)
        if way == "gone":
            own_cluster.restart(1)
        after = WorkerProcess(world, "first", tmp_path / "clock")
        with ended(after):
            # All may have been done before: to be at rest does not say that it has started.
            until(lambda: after.text().count("listens on") == 2, "it is back", LONG_S)
            until(lambda: at_rest(world, START + 5 * 86_400_000), "it goes on", LONG_S)
            timed_stop(after)
    assert check(world) > LINES // 4
