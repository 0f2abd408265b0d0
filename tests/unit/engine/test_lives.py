"""What passes ends no worker: a broker that is away, a pause of the machine; a double does."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from schemas.units import DAY_MS
from streams.engine.clock import ManualClock
from streams.engine.lives import FENCED_MAX, FENCED_WITHIN_S, Backoff, Lives
from streams.engine.log import (
    EndOffsets,
    Expired,
    Fenced,
    Headers,
    Log,
    LogError,
    OffsetGone,
    Partition,
    TransactionAborted,
    Unavailable,
)
from streams.engine.memory_clients import MemoryProducer
from streams.engine.memory_log import MemoryLog
from streams.engine.memory_parts import Transaction
from streams.engine.observation import EXIT_FENCED, EXIT_LOG, EngineFailure, Unobserved
from tests.contract.test_engine import at_rest, check
from tests.scenario import START, by_tick, network, story
from tests.worlds import World, running, until

AWAY = "the broker did not answer"
UNREADY = "a partition has no leader yet"


class AwayLog(MemoryLog):
    """A log in memory whose broker answers nothing while `away` is set, and of its partitions
    nothing while `unready` is."""

    def __init__(self) -> None:
        super().__init__(4, 4)
        self.away = threading.Event()
        self.unready = threading.Event()

    def _ask(self) -> None:
        if self.away.is_set():
            raise Unavailable(AWAY)

    def transactional_producer(self, transactional_id: str) -> MemoryProducer:
        self._ask()
        return super().transactional_producer(transactional_id)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        self._ask()
        if self.unready.is_set():
            raise Unavailable(UNREADY)
        return super().end_offsets(partitions)

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        self._ask()
        return super().partition_counts(topics)

    def write(
        self,
        partition: Partition,
        key: bytes | None,
        value: bytes | None,
        transaction: Transaction | None,
        headers: Headers | None = None,
    ) -> None:
        self._ask()
        super().write(partition, key, value, transaction, headers)


class AwayWorld(World):
    def __init__(self) -> None:
        super().__init__()
        self.broker = self._memory = AwayLog()

    def log(self) -> Log:
        return self.broker


class Heard(Unobserved):
    """Remembers what the worker says of its troubles."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def trouble(self, text: str) -> None:
        self.troubles.append(text)


def test_a_worker_outlives_a_broker_that_is_away_and_says_so_once() -> None:
    world, clock, heard = AwayWorld(), ManualClock(START), Heard()
    world.publish(network())
    worker = world.worker("one", clock, observer=heard)
    batches = by_tick(story(31), ticks=10)
    with running(worker):
        for index, (at, facts) in enumerate(batches):
            world.send(facts)
            clock.set(at)
            if index == 5:
                world.broker.away.set()
                until(lambda: worker.status().trouble, "it notices")
                world.broker.away.clear()
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
        assert worker.status().state == "running"
        assert worker.status().trouble == ""
    assert heard.troubles == [AWAY]
    check(world)


def test_a_worker_says_that_it_waits_while_its_broker_is_away() -> None:
    world, clock, heard = AwayWorld(), ManualClock(START), Heard()
    world.publish(network())
    worker = world.worker("one", clock, observer=heard)
    with running(worker):
        until(lambda: at_rest(world, START), "the first tick is done")
        world.broker.away.set()
        # A rebalance asks the broker where the partitions stand.
        world.broker.create("orders", 5)
        until(lambda: worker.status().state == "waiting", "it waits")
        until(lambda: worker.status().partitions == (), "it lets go of everything")
        world.broker.away.clear()
        until(lambda: worker.status().state == "running", "it is back")
        clock.set(START + DAY_MS)
        until(lambda: at_rest(world, START + DAY_MS), "it works")


def test_a_worker_waits_for_a_broker_that_lists_its_topics_and_has_not_made_them_yet() -> None:
    world, clock, heard = AwayWorld(), ManualClock(START), Heard()
    world.publish(network())
    world.broker.unready.set()
    worker = world.worker("one", clock, observer=heard)
    with running(worker):
        until(lambda: worker.status().state == "waiting", "it waits")
        world.broker.unready.clear()
        until(lambda: at_rest(world, START), "the first tick is done")
        assert worker.status().trouble == ""
    assert heard.troubles == [UNREADY]


def test_a_worker_that_was_shut_out_goes_on_with_its_state_restored() -> None:
    world, clock, heard = World(), ManualClock(START), Heard()
    world.publish(network())
    worker = world.worker("one", clock, observer=heard)
    with running(worker):
        for index, (at, facts) in enumerate(by_tick(story(32), ticks=12)):
            world.send(facts)
            clock.set(at)
            if index in (4, 7):
                # As the broker does to a producer that stood still: nobody writes as the new one.
                world.log().transactional_producer("one")
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    assert heard.troubles == ["another producer took over this one's transactional id"] * 2
    check(world)


def test_a_ticker_that_was_shut_out_goes_on_if_the_group_leaves_it_the_ticks() -> None:
    world, clock, heard = World(), ManualClock(START), Heard()
    world.publish(network())
    with running(world.worker("one", clock, observer=heard)):
        for index, (at, facts) in enumerate(by_tick(story(33), ticks=8)):
            world.send(facts)
            clock.set(at)
            if index in (3, 5):
                world.log().transactional_producer("engine-ticker")
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    assert len(heard.troubles) == 2
    check(world)


@pytest.mark.timeout(120)
def test_of_two_workers_of_one_name_one_gives_way_and_says_why() -> None:
    world, clock = World(), ManualClock(START)
    world.publish(network())
    twins = [world.worker("twin", clock) for _ in range(2)]
    stop = threading.Event()
    ended: list[EngineFailure] = []

    def run(number: int) -> None:
        try:
            twins[number].run(stop)
        except EngineFailure as error:
            ended.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(2)]
    for thread in threads:
        thread.start()
    step = 0
    while not ended:
        step += 1
        clock.set(START + step * 1_000)
        threading.Event().wait(0.02)
    until(lambda: at_rest(world, START + step * 1_000), "the other goes on")
    stop.set()
    for thread in threads:
        thread.join(30.0)
    assert [error.exit_code for error in ended] == [EXIT_FENCED]
    assert "Another process has this worker's name" in str(ended[0])
    check(world)


class Count:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_pauses_far_apart_end_no_worker_and_some_in_short_time_do() -> None:
    now = Count()
    alive = Lives(now)
    alive.begun()
    for _ in range(5 * FENCED_MAX):
        now.now_s += FENCED_WITHIN_S
        assert alive.wait_after(Fenced("shut out")) < 1.0
    now.now_s += FENCED_WITHIN_S
    for _ in range(FENCED_MAX - 1):
        alive.wait_after(Fenced("shut out"))
    with pytest.raises(EngineFailure) as raised:
        alive.wait_after(Fenced("shut out"))
    assert raised.value.exit_code == EXIT_FENCED


def test_a_machine_too_busy_for_its_transactions_ends_no_worker() -> None:
    alive = Lives(Count())
    alive.begun()
    waits = [alive.wait_after(Expired("it took too long")) for _ in range(5 * FENCED_MAX)]
    assert max(waits) <= 15.0


@pytest.mark.parametrize("fault", [OffsetGone("gone", "Do this"), LogError("refused", "Do that")])
def test_what_needs_a_person_ends_the_worker(fault: LogError) -> None:
    alive = Lives()
    alive.begun()
    with pytest.raises(EngineFailure) as raised:
        alive.wait_after(fault)
    assert (raised.value.what, raised.value.then) == (fault.what, fault.then)
    assert raised.value.exit_code == EXIT_LOG


def test_a_broker_that_is_away_for_ever_is_asked_for_ever_in_bounded_waits() -> None:
    now = Count()
    alive = Lives(now)
    with pytest.raises(EngineFailure):
        alive.wait_after(Unavailable("nobody there at the start"))
    alive.begun()
    waits = [alive.wait_after(Unavailable("away")) for _ in range(100)]
    waits += [alive.wait_after(TransactionAborted("aborted")) for _ in range(100)]
    assert waits[0] <= 0.5
    assert max(waits) <= 15.0
    assert min(waits[10:]) >= 7.5
    alive.begun()
    now.now_s += 61.0
    assert alive.wait_after(Unavailable("away")) <= 0.5


def test_waits_double_and_are_never_all_alike() -> None:
    backoff = Backoff(1.0, 8.0)
    for longest in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert longest / 2 <= backoff.next_s() <= longest
    backoff.reset()
    assert backoff.next_s() <= 1.0
