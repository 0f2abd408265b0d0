"""A copy of another worker's state is what a restoration to the same offset gives, and a worker
that has copies takes over as any other, only sooner; on the log in memory and on Apache Kafka."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from streams.engine.clock import ManualClock
from streams.engine.flow import STAGES
from streams.engine.log import Log, Partition, TransactionAborted
from streams.engine.moments import Moment
from streams.engine.observation import Unobserved
from streams.engine.restore import Restoration
from streams.engine.standby import Standby
from streams.engine.task import KeyedTask
from streams.engine.tasks import keyed_task
from streams.stages.cells import Cells
from streams.stages.incidents import Incidents
from tests.contract.test_engine import at_rest, check
from tests.scenario import START, by_tick, network, story
from tests.worlds import PARTITIONS, KafkaWorld, World, running, until

INPUTS = tuple(Partition(stage().input_topic, n) for stage in STAGES for n in range(PARTITIONS))
STEPS_MAX = 20_000


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, unique_name: str) -> Iterator[World]:
    if request.param == "memory":
        yield World()
    else:
        yield KafkaWorld(request.getfixturevalue("bootstrap"), unique_name)


@dataclass
class Restored(Unobserved):
    """Hears how many records each restoration read."""

    records: list[int] = field(default_factory=list)

    def restored(self, records: int, seconds: float) -> None:
        self.records.append(records)


def state_of(task: KeyedTask) -> tuple[object, ...]:
    """Everything that a task knows: its state, what is parked, and what is derived of it."""
    derived: tuple[object, ...] = ()
    if isinstance(task.stage, Cells):
        dependents = {k: v for k, v in task.stage._dependents.items() if v}
        nodes = (task.stage._nodes._known, task.stage._nodes._lines)
        derived = (task.stage._feeds, dependents, task.stage._waiting, nodes)
    if isinstance(task.stage, Incidents):
        derived = (task.stage._findings,)
    parked = {key: task.parked.turns(key) for key in task.parked.sorted_keys()}
    deadlines = task.store.due_keys(1 << 62)
    return (dict(task.store.items()), task.store.content(), deadlines, parked, derived)


def restored(log: Log) -> dict[Partition, KeyedTask]:
    """All tasks, restored from the beginning."""
    tasks = [keyed_task(each, PARTITIONS, None, 0, "x") for each in INPUTS]
    for task in tasks:
        # It is the state that is compared, not what the progress says of it.
        task._progress = task._next_progress = type(task.progress)(
            stage=task.stage.name, topic=task.input.topic, partition=0, tick=0, offset=0
        )
    restoration = Restoration(log, tasks)
    until(restoration.step, "all is restored")
    return {task.input: task for task in tasks}


def level(standby: Standby, owned: Sequence[Partition] = ()) -> None:
    """Reads until there is nothing more to read."""
    idle = 0
    for _ in range(STEPS_MAX):
        idle = 0 if standby.step(owned) else idle + 1
        if idle > 300 and standby.behind == 0:
            return
    raise AssertionError("the copies never came level")


def compare(world: World, standby: Standby) -> int:
    """Holds the copies against a restoration; how many keys they hold."""
    taken = standby.take(INPUTS)
    expected = restored(world.log())
    assert taken.keys() == expected.keys()
    for place, copy in taken.items():
        assert state_of(copy.task) == state_of(expected[place]), place
    return sum(len(copy.task.store) for copy in taken.values())


def test_a_copy_equals_a_restoration_whatever_was_aborted(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network(heartbeats=True))
    count = 0

    def sabotage(moment: Moment) -> None:
        nonlocal count
        count += moment is Moment.BEFORE_COMMIT
        if moment is Moment.BEFORE_COMMIT and count % 3 == 0:
            raise TransactionAborted("sabotaged")

    standby = Standby(world.log(), "spare", is_on=True)
    standby.open(PARTITIONS)
    with running(world.worker("one", clock, failpoint=sabotage)):
        for at, facts in by_tick(story(41), ticks=12):
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
            for _ in range(20):
                standby.step(())
    level(standby)
    assert compare(world, standby) > 50
    standby.close()


def test_copies_that_begin_at_different_times_are_as_good(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    standby = Standby(world.log(), "spare", is_on=True)
    standby.open(PARTITIONS)
    with running(world.worker("one", clock)):
        for index, (at, facts) in enumerate(by_tick(story(42), ticks=12)):
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
            # All that begins with the same number shares one changelog: of what is parked.
            owned = INPUTS[index % 5 :: 5] if index < 9 else ()
            standby.take(owned)
            for _ in range(20):
                standby.step(owned)
    level(standby)
    assert compare(world, standby) > 50
    standby.close()


def test_a_worker_with_copies_takes_over_and_reads_only_the_rest(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    batches = by_tick(story(43), ticks=18)
    heard = Restored()
    spare = world.worker("spare", clock, has_standby=True, observer=heard)
    stop = threading.Event()
    with running(world.worker("one", clock)):
        thread = threading.Thread(target=spare.run, args=(stop,), daemon=True)
        for at, facts in batches[:6]:
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
        thread.start()
        until(lambda: spare.status().partitions, "the spare gets partitions")
        until(lambda: not spare.status().restoring, "and their state")
        for at, facts in batches[6:12]:
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
        until(lambda: spare.status().copies_behind == 0, "its copies are level")
        heard.records.clear()
    for at, facts in batches[12:]:
        world.send(facts)
        clock.set(at)
        until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    stop.set()
    thread.join(60)
    check(world)
    everything = sum(len(task.store) for task in restored(world.log()).values())
    if world.on_kafka:
        # The classic protocol of the log in memory takes away what a worker has, too.
        assert sum(heard.records) < everything / 4


def test_a_copy_that_is_not_what_was_written_is_read_anew(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    batches = by_tick(story(44), ticks=10)
    with running(world.worker("one", clock)):
        for at, facts in batches:
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    standby = Standby(world.log(), "spare", is_on=True)
    standby.open(PARTITIONS)
    level(standby)
    copies = standby.take(INPUTS)
    standby.close()
    control = world.control()
    control.sync(30.0)
    wrong = next(each for each in copies.values() if len(each.task.store))
    key, value = next(iter(wrong.task.store.items()))
    wrong.task.store.restore(key, None)
    tasks = []
    for place, copy in copies.items():
        copy.task.stand_at(control.progress_of(copy.task.stage.name, place), 0)
        tasks.append(copy.task)
    restoration = Restoration(world.log(), tasks, copies)
    until(restoration.step, "all is restored")
    assert wrong.task.store.get(key) == value
    expected = restored(world.log())
    assert all(state_of(task) == state_of(expected[task.input]) for task in tasks)


def test_a_copy_that_this_release_cannot_read_does_not_stop_the_worker(world: World) -> None:
    world.send_raw("lines", b"ACME/PO-1#10", b"\x92\xcd\x27\x0f\xc0", 1)
    world.flush()
    standby = Standby(world.log(), "spare", is_on=True)
    standby.open(PARTITIONS)
    level(standby)
    taken = standby.take(INPUTS)
    assert set(INPUTS) - taken.keys() == {Partition("ledgers-rows", 1)}
    standby.close()
