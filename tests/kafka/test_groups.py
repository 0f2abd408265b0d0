"""How workers share partitions: the protocol that the broker can do, and what a join moves."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.ticks import Tick
from streams.broker.embedded import EmbeddedBroker
from streams.engine.clock import WallClock
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition
from streams.engine.worker import Worker
from streams.settings import TopicSettings
from tests.contract.test_engine import check, ticks_of
from tests.contract.test_log import Member
from tests.contract.test_log import until as until_members
from tests.kafka.cluster import KafkaCluster
from tests.scenario import network, story
from tests.worlds import KafkaWorld, running, until

Owned = dict[str, frozenset[Partition]]


def protocol_on(bootstrap: str, prefix: str) -> str:
    """The protocol by which a member of a new group got its partitions."""
    log = KafkaLog(KafkaLogSettings({"bootstrap.servers": bootstrap}, prefix))
    member = Member(log, f"{prefix}group")
    until_members(lambda: len(member.mine) == 4, member)
    protocol: str = member.consumer.protocol  # type: ignore[attr-defined]
    member.consumer.close()
    log.close()
    return protocol


def make_topics(bootstrap: str, prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(prefix + name, 2, 1) for name in ("a", "b")]
    for future in admin.create_topics(topics).values():
        future.result(30)


def test_a_broker_that_has_the_newer_protocol_is_spoken_to_in_it(
    bootstrap: str, unique_name: str
) -> None:
    make_topics(bootstrap, f"{unique_name}.")
    assert protocol_on(bootstrap, f"{unique_name}.") == "consumer"


def test_a_broker_without_it_is_spoken_to_in_the_classic_one(tmp_path: Path) -> None:
    settings = {"group.coordinator.rebalance.protocols": "classic"}
    with KafkaCluster(tmp_path / "cluster", settings=settings) as cluster:
        make_topics(cluster.bootstrap, "")
        assert protocol_on(cluster.bootstrap, "") == "classic"


def test_the_embedded_broker_is_spoken_to_in_the_classic_one() -> None:
    with EmbeddedBroker(TopicSettings(engine_partitions=2, fact_partitions=2)) as broker:
        log = KafkaLog(KafkaLogSettings({"bootstrap.servers": broker.bootstrap}))
        consumer = log.group_consumer("group", ["orders"], Member.__new__(Member))
        assert consumer.protocol == "classic"
        consumer.close()
        log.close()


def owned(*workers: Worker) -> Owned:
    return {each.status().name: frozenset(each.status().partitions) for each in workers}


def are_settled(total: int, *workers: Worker) -> bool:
    """All partitions are owned, each by one, by everybody some, and restored."""
    states = [worker.status() for worker in workers]
    held = [partition for state in states for partition in state.partitions]
    return (
        len(held) == total
        and len(set(held)) == total
        and all(state.partitions and not state.restoring for state in states)
    )


def moved(before: Owned, after: Owned) -> int:
    """Partitions that an owner of before had and has no more."""
    return sum(len(held - after.get(name, frozenset())) for name, held in before.items())


@pytest.mark.timeout(150)
def test_a_clean_join_or_leave_moves_only_what_must_move_and_ticks_go_on(
    bootstrap: str, unique_name: str
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    world.send([fact for _, fact in story(31, orders=40)])
    clock = WallClock()
    first, second, third = (world.worker(name, clock) for name in ("one", "two", "three"))
    with running(first):
        until(lambda: first.status().tick > 3, "ticks go on")
        total = len(first.status().partitions)
        with running(second):
            until(lambda: are_settled(total, first, second), "two share")
            two = owned(first, second)
            stop = threading.Event()
            thread = threading.Thread(target=third.run, args=(stop,))
            thread.start()
            until(lambda: are_settled(total, first, second, third), "three share")
            three = owned(first, second, third)
            tick = first.status().tick
            until(lambda: first.status().tick > tick + 3, "ticks go on")
            # What the third has now, and nothing else, has changed hands.
            came = moved(two, three)
            assert came == len(three["three"])
            stop.set()
            thread.join(30)
            assert not thread.is_alive()
            until(lambda: are_settled(total, first, second), "two share again")
            tick = first.status().tick
            until(lambda: first.status().tick > tick + 3, "ticks go on")
            again = owned(first, second)
            # Nothing was taken from those who stayed.
            assert moved({name: three[name] for name in ("one", "two")}, again) == 0
    ticks: list[Tick] = ticks_of(world)
    assert [tick.n for tick in ticks] == list(range(1, len(ticks) + 1))
    check(world)
