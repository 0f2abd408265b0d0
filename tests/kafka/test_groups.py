"""How workers share partitions: the protocol that the broker can do, and what a join moves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.ticks import Tick
from streams.broker.embedded import EmbeddedBroker
from streams.engine.clock import WallClock
from streams.engine.control import TICKS
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition
from streams.engine.observation import Unobserved
from streams.engine.worker import Worker
from streams.settings import TopicSettings
from tests.contract.test_engine import check, ticks_of
from tests.contract.test_log import Member
from tests.contract.test_log import until as until_members
from tests.kafka.cluster import KafkaCluster
from tests.scenario import network, story
from tests.worlds import PARTITIONS, KafkaWorld, running, until

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


class Handed(Unobserved):
    """What a worker was given and what was taken from it, since the last look; the topic of
    ticks, which has one partition and no state, aside."""

    def __init__(self) -> None:
        self.given: list[Partition] = []
        self.taken: list[Partition] = []

    def assigned(self, partitions: Sequence[Partition]) -> None:
        self.given += (each for each in partitions if each != TICKS)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        self.taken += (each for each in partitions if each != TICKS)

    def differs(self, before: frozenset[Partition], after: frozenset[Partition]) -> bool:
        """More or less changed hands than the one assignment has and the other has not. Begins
        anew."""
        given, taken = sorted(self.given), sorted(self.taken)
        self.given, self.taken = [], []
        return given != sorted(after - before) or taken != sorted(before - after)


def is_range(held: frozenset[Partition], topics: int) -> bool:
    """Numbers that follow each other, and each of them of every topic."""
    numbers = [number for _, number in held]
    return len(held) == topics * (max(numbers) - min(numbers) + 1) == topics * len(set(numbers))


@pytest.mark.timeout(150)
def test_a_clean_join_or_leave_leaves_alone_what_stays_where_it_was_and_ticks_go_on(
    bootstrap: str, unique_name: str
) -> None:
    # Who stands where in the range is chance, so how much moves is too. What must hold is that
    # nobody lets go, even for a moment, of what is its own before and after.
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network())
    world.send([fact for _, fact in story(31, orders=40)])
    clock = WallClock()
    handed = {name: Handed() for name in ("one", "two", "three")}
    first, second, third = (
        world.worker(name, clock, observer=observer) for name, observer in handed.items()
    )

    def ticks_go_on() -> None:
        tick = first.status().tick
        until(lambda: first.status().tick > tick + 3, "ticks go on")

    with running(first):
        ticks_go_on()
        total = len(first.status().partitions)
        with running(second):
            until(lambda: are_settled(total, first, second), "two share")
            ticks_go_on()
            two = owned(first, second)
            for name in two:
                handed[name].differs(two[name], two[name])
            with running(third):
                until(lambda: are_settled(total, first, second, third), "three share")
                ticks_go_on()
                three = owned(first, second, third)
                assert all(is_range(held, total // PARTITIONS) for held in three.values())
                assert not [name for name in two if handed[name].differs(two[name], three[name])]
            until(lambda: are_settled(total, first, second), "two share again")
            ticks_go_on()
            again = owned(first, second)
            assert not [name for name in two if handed[name].differs(three[name], again[name])]
    ticks: list[Tick] = ticks_of(world)
    assert [tick.n for tick in ticks] == list(range(1, len(ticks) + 1))
    check(world)
