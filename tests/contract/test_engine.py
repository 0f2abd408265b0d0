"""What the engine promises, on the log in memory and on Apache Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from alerts import policy as policies
from alerts.summary import SUMMARY
from alerts.terms import FORMAT
from schemas.records import DeadLetter, Notification, Parked, decode
from schemas.ticks import Tick
from schemas.units import DAY_MS, HOUR_MS, millis
from streams.engine.clock import ManualClock
from streams.engine.log import Fenced, TransactionAborted
from streams.replay.audit import audit
from streams.stages import fold as folding
from streams.stages import units
from tests.scenario import START, Chain, by_tick, network, story
from tests.worlds import PARTITIONS, KafkaWorld, World, running, until


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, unique_name: str) -> Iterator[World]:
    if request.param == "memory":
        yield World()
    else:
        yield KafkaWorld(request.getfixturevalue("bootstrap"), unique_name)


def check(world: World) -> int:
    """Everything written is what the recorded facts and ticks demand, once; how many records."""
    found = audit(world.log())
    assert found.difference_count == 0, found.differences
    for topic in ("decisions", "notifications"):
        counted = Counter(world.read(topic))
        assert not counted or max(counted.values()) == 1
    return found.records


def ticks_of(world: World) -> list[Tick]:
    return [decode(value, Tick) for _, _, value in world.read("ticks") if value]


def at_rest(world: World, at: int) -> bool:
    """Every notices partition has done a tick at or after `at`."""
    control = world.control()
    control.poll()
    done = [
        each for key, each in control.progress.items() if key.startswith("notices/") and each.at
    ]
    moments = [millis(each.at) for each in done if each.at is not None]
    return len(moments) == PARTITIONS and min(moments) >= at


def tell(world: World, clock: ManualClock, story_seed: int, ticks: int = 28) -> None:
    """Sends the story tick by tick, moving the clock when its facts are sent."""
    for at, facts in by_tick(story(story_seed), ticks=ticks):
        world.send(facts)
        clock.set(at)
        until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]


def test_live_equals_the_local_engine_on_the_recorded_facts_and_ticks(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    with running(world.worker("one", clock)):
        tell(world, clock, 11, ticks=14)
    assert check(world) > 50


def test_two_workers_share_the_partitions_and_hand_over(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    batches = by_tick(story(12))
    first, second = world.worker("one", clock), world.worker("two", clock)

    def go(part: slice) -> None:
        for at, facts in batches[part]:
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]

    with running(first):
        go(slice(0, 6))
        with running(second):
            until(lambda: second.status().partitions, "the second worker gets partitions")
            until(
                lambda: not set(first.status().partitions) & set(second.status().partitions),
                "they share",
            )
            go(slice(6, 10))
            mine, other = first.status().partitions, second.status().partitions
            assert mine
            assert other
            assert not set(mine) & set(other)
        go(slice(10, 14))
    check(world)


def test_a_new_network_in_mid_stream_with_two_workers_merges_and_splits_cells(
    world: World,
) -> None:
    clock = ManualClock(START)
    world.publish(network(joined=False))
    batches = by_tick(story(13))
    with running(world.worker("one", clock), world.worker("two", clock)):
        for index, (at, facts) in enumerate(batches[:16]):
            if index in (6, 9, 12):
                world.publish(network(joined=index != 9))
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    assert len({tick.network for tick in ticks_of(world)}) == 2
    check(world)


def test_shadow_mode_begins_and_ends_with_two_workers_in_mid_stream(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    document = policies.DEFAULT.document
    shadow = msgspec.structs.replace(document, format=FORMAT, shadow=True)

    def told() -> list[Notification]:
        found = [
            decode(value, Notification) for _, _, value in world.read("notifications") if value
        ]
        return sorted(found, key=lambda each: each.tick)

    with running(world.worker("one", clock), world.worker("two", clock, keys_per_chunk=2)):
        for index, (at, facts) in enumerate(by_tick(story(17))[:14]):
            if index in (4, 11):
                world.publish_policy(policies.build(shadow if index == 4 else document))
            world.send(facts)
            clock.set(at)
            until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    check(world)
    withheld = [each for each in told() if each.shadow]
    assert withheld
    assert not any(each.sinks for each in withheld)
    (summary,) = [each for each in told() if each.event == SUMMARY]
    assert summary.tick > withheld[-1].tick
    assert [each for each in told() if each.tick == summary.tick] == [summary]


def test_a_worker_that_ends_is_followed_by_one_that_restores_its_state(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    batches = by_tick(story(14))
    for part in (batches[:5], batches[5:9], batches[9:14]):
        with running(world.worker(f"worker-{part[0][0]}", clock)):
            for at, facts in part:
                world.send(facts)
                clock.set(at)
                until(lambda at=at: at_rest(world, at), f"the tick at {at} is done")  # type: ignore[misc]
    check(world)


def test_large_ticks_in_several_transactions_give_the_same(world: World) -> None:
    clock = ManualClock(START)
    world.publish(network())
    with running(world.worker("one", clock, facts_per_chunk=3, keys_per_chunk=2)):
        world.send([fact for at, facts in by_tick(story(15))[:10] for fact in facts])
        clock.set(START + 5 * DAY_MS)
        until(lambda: at_rest(world, START + 5 * DAY_MS), "the large tick is done")
        world.send([fact for at, facts in by_tick(story(15))[10:20] for fact in facts])
        clock.set(START + 10 * DAY_MS)
        until(lambda: at_rest(world, START + 10 * DAY_MS), "the large tick is done")
    check(world)


def test_a_bad_record_is_dead_lettered_with_its_bytes_and_reason(world: World) -> None:
    clock = ManualClock(START)
    world.send_raw("orders", b"k", b"no fact at all", 2)
    chain = Chain()
    chain.placed("PO-1", START)
    world.send(chain.facts)
    clock.set(START + HOUR_MS)
    with running(world.worker("one", clock)):
        until(lambda: at_rest(world, START + HOUR_MS), "the tick is done")
    letters = [decode(value, DeadLetter) for _, _, value in world.read("dead-letters") if value]
    assert [(each.topic, each.partition, each.offset, each.value) for each in letters] == [
        ("orders", 2, 0, b"no fact at all")
    ]
    assert letters[0].reason
    assert [key for _, key, _ in world.read("order-status")] == [b"ACME/PO-1#10"]


def test_a_key_that_fails_is_parked_and_joins_again_when_it_can_be_evaluated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock(START)
    chain = Chain()
    chain.placed("PO-1", START)
    chain.placed("PO-2", START)
    fold = folding.fold

    def failing(line_id: str, *told: Any) -> object:
        if line_id == "ACME/PO-1#10":
            raise ArithmeticError("a fault of ours")
        return fold(line_id, *told)

    monkeypatch.setattr(units, "fold", failing)
    world.send(chain.facts)
    clock.set(START + HOUR_MS)
    with running(world.worker("one", clock)):
        until(lambda: at_rest(world, START + HOUR_MS), "the tick is done")
        parked = [decode(value, Parked) for _, _, value in world.read("parked") if value]
        assert [(each.stage, each.key, each.rows) for each in parked] == [
            ("ledgers", "ACME/PO-1#10", 1)
        ]
        assert "a fault of ours" in parked[0].error
        assert [key for _, key, _ in world.read("order-status")] == [b"ACME/PO-2#10"]
        monkeypatch.setattr(units, "fold", fold)
        chain.confirmed("PO-1", START + HOUR_MS)
        world.send(chain.facts[2:])
        clock.set(START + 2 * HOUR_MS)
        until(lambda: at_rest(world, START + 2 * HOUR_MS), "the next tick is done")
    assert b"ACME/PO-1#10" in [key for _, key, _ in world.read("order-status")]
    assert [value for _, _, value in world.read("parked")][-1] is None


def test_a_new_ticker_fences_the_old(world: World) -> None:
    clock = ManualClock(START)
    old, new = world.worker("old", clock), world.worker("new", clock)
    for worker in (old, new):
        worker.control.open(30.0)
    first = old.make_ticker()
    first.open()
    second = new.make_ticker()
    second.open()
    with pytest.raises(Fenced):
        first.cut()
    assert second.cut().n == 1
    assert [tick.n for tick in ticks_of(world)] == [1]
    first.close()
    second.close()


def test_an_abort_leaves_no_trace(world: World) -> None:
    """Every third transaction is aborted at its end, and done again."""
    clock = ManualClock(START)
    world.publish(network())
    count = 0

    def sabotage(moment: str) -> None:
        nonlocal count
        count += moment == "before commit"
        if moment == "before commit" and count % 3 == 0:
            raise TransactionAborted("sabotaged")

    worker = world.worker("one", clock, failpoint=sabotage)
    with running(worker):
        tell(world, clock, 16, ticks=10)
    assert worker.status().aborts > 5
    check(world)
