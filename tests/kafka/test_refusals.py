"""What the engine refuses on Apache Kafka: it says what it found and the way out, and the way out
leads out. The texts are those that docs/operations.md explains."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from schemas.topics import FACT_TOPICS, TOPICS
from streams.broker.topics import TopicAdmin
from streams.engine.clock import ManualClock
from streams.engine.log import LogError, Partition
from streams.engine.observation import EXIT_LOG, EXIT_STATE, EngineFailure
from streams.engine.worker import Worker
from streams.replay.demand import STATE_TOPICS
from streams.replay.rebuild import Rebuilt, rebuild
from streams.settings import KafkaSettings, TopicSettings
from tests.contract.test_engine import at_rest, check
from tests.scenario import START, by_tick, network, story
from tests.worlds import PARTITIONS, WAIT_S, KafkaWorld, running, until

TICKS = 8
GROUP = "engine"
"""Of the workers of `KafkaWorld`."""
OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


class Chain:
    """A chain on topics of its own that has worked for some ticks."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self.world = KafkaWorld(bootstrap, name)
        self.world.publish(network())
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.clock = ManualClock(START)
        self._batches = by_tick(story(51), ticks=28)
        self._next = 0

    def worker(self) -> Worker:
        return self.world.worker("one", self.clock)

    def tell(self, ticks: int) -> None:
        """Facts of so many ticks, each waited for."""
        for at, facts in self._batches[self._next : self._next + ticks]:
            self.world.send(facts)
            self.clock.set(at)
            until(lambda at=at: at_rest(self.world, at), f"the tick at {at} is done")  # type: ignore[misc]
        self._next += ticks

    def work(self, ticks: int = TICKS) -> None:
        """A worker runs for so many ticks."""
        with running(self.worker()):
            self.tell(ticks)

    def refused(self, worker: Worker | None = None) -> EngineFailure:
        """How a worker ends that is started now."""
        try:
            stop = threading.Event()
            timer = threading.Timer(WAIT_S, stop.set)
            timer.start()
            (worker or self.worker()).run(stop)
        except EngineFailure as failure:
            return failure
        finally:
            timer.cancel()
        raise AssertionError("it was not refused")

    def name(self, topic: str) -> str:
        return self.world.prefix + topic

    def configure(self, topic: str, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, self.name(topic), incremental_configs=[entry])
        (done,) = self.admin.incremental_alter_configs([resource]).values()
        done.result(WAIT_S)

    def make_anew(self, *topics: str) -> None:
        """Deletes the topics and makes them again, empty."""
        names = [self.name(topic) for topic in topics]
        for done in self.admin.delete_topics(names, operation_timeout=WAIT_S).values():
            done.result(WAIT_S)

        def are_gone() -> bool:
            return not set(names) & set(self.admin.list_topics(timeout=WAIT_S).topics)

        until(are_gone, "the topics are gone")
        settings = TopicSettings(
            prefix=self.world.prefix, engine_partitions=PARTITIONS, fact_partitions=PARTITIONS,
            replication_factor=1,
        )  # fmt: skip
        TopicAdmin(KafkaSettings(bootstrap_servers=self.world.bootstrap)).create(settings)

    def end(self, topic: str, number: int) -> int:
        partition = Partition(topic, number)
        return self.world.log().end_offsets([partition])[partition].high

    def delete_records(self, topic: str, number: int) -> None:
        """Everything that is there now."""
        where = TopicPartition(self.name(topic), number, self.end(topic, number))
        (done,) = self.admin.delete_records([where]).values()
        done.result(WAIT_S)

    def fullest(self, topic: str) -> int:
        """The partition with the most records."""
        return max(range(PARTITIONS), key=lambda number: self.end(topic, number))


@pytest.fixture
def chain(bootstrap: str, unique_name: str) -> Chain:
    return Chain(bootstrap, unique_name)


def explained(failure: EngineFailure, what: str, then: str, code: int) -> None:
    """The failure says both, and the operator's page explains them in the same words."""
    assert what in failure.what
    assert then in failure.then
    assert failure.exit_code == code
    page = " ".join(OPERATIONS.read_text(encoding="utf-8").split())
    assert what in page
    assert failure.then.split(". ")[0].rstrip(".") in page or then in page


def test_a_truncated_changelog(chain: Chain) -> None:
    chain.work()
    chain.configure("lines", "cleanup.policy", "delete")
    chain.delete_records("lines", chain.fullest("lines"))
    failure = chain.refused()
    explained(failure, "and its progress says", "rebuild from the facts", EXIT_STATE)
    assert "ledgers/" in failure.what
    chain.configure("lines", "cleanup.policy", "compact")
    assert rebuilt(chain).state_changed


def test_a_changelog_that_somebody_wrote_to(chain: Chain) -> None:
    chain.work()
    number = chain.fullest("lines")
    (key,) = [key for where, key, _ in chain.world.read("lines") if where == number][:1]
    chain.world.send_raw("lines", key, b"\xc1 not ours", number)
    chain.world.flush()
    explained(chain.refused(), "cannot be read", "rebuild from the facts", EXIT_STATE)
    assert rebuilt(chain).state_changed == 1


def test_a_partition_added_to_an_internal_topic(chain: Chain) -> None:
    chain.work(2)
    stopped = threading.Event()
    failures: list[EngineFailure] = []

    def run(worker: Worker) -> None:
        failures.append(chain.refused(worker))
        stopped.set()

    working = chain.worker()
    thread = threading.Thread(target=run, args=(working,), daemon=True)
    thread.start()
    until(lambda: working.status().partitions, "it works")
    (done,) = chain.admin.create_partitions(
        [NewPartitions(chain.name("cells-rows"), PARTITIONS + 1)]
    ).values()
    done.result(WAIT_S)
    until(stopped.is_set, "the worker that is handed the new partition refuses it")
    thread.join(WAIT_S)
    then = "rebuild from the facts"
    explained(failures[0], "state is split by partition", then, EXIT_LOG)
    explained(chain.refused(), "state is split by partition", then, EXIT_LOG)
    chain.make_anew("cells-rows")
    rebuilt(chain)


def test_facts_that_were_deleted_unread(chain: Chain) -> None:
    chain.work(4)
    number = chain.fullest("orders")
    chain.world.send_raw("orders", b"k", b"never read", number)
    chain.world.flush()
    chain.delete_records("orders", number)
    then = "Facts were deleted before they were read"
    explained(chain.refused(), "but this installation has only taken it in up to", then, EXIT_LOG)
    with pytest.raises(LogError, match="what came before is gone"):
        rebuild(chain.world.log(), GROUP)
    begin_anew(chain)
    chain.world = fresh_view(chain.world)
    chain.work(4)
    assert chain.world.read("decisions")


def test_progress_and_state_that_somebody_deleted(chain: Chain) -> None:
    chain.work()
    chain.make_anew(*STATE_TOPICS, "progress")
    chain.world = fresh_view(chain.world)
    explained(
        chain.refused(), "is done everywhere, and ticks that", "slipwatch rebuild", EXIT_STATE
    )
    assert rebuilt(chain).state_changed > 20


def rebuilt(chain: Chain) -> Rebuilt:
    """The way out: a rebuild, after which the chain works on and everything is as it must be."""
    told = Counter(chain.world.read("notifications"))
    until(lambda: not chain.world.log().has_members(GROUP), "the workers are given up")
    found = rebuild(chain.world.log(), GROUP)
    assert found.is_written
    assert Counter(chain.world.read("notifications")) == told
    chain.work(4)
    assert check(chain.world) > 20
    return found


def begin_anew(chain: Chain) -> None:
    """What docs/operations.md says under "Begin anew from what is left"."""
    kept = {*FACT_TOPICS, "networks", "policies"}
    chain.make_anew(*(topic.name for topic in TOPICS if topic.name not in kept))


def test_rows_between_stages_that_expired_unread(chain: Chain) -> None:
    chain.work(4)
    chain.world.send_raw("ledgers-rows", None, b"never read", 2)
    chain.world.flush()
    chain.delete_records("ledgers-rows", 2)
    then = "The facts are there: run `slipwatch rebuild`"
    explained(chain.refused(), "but this installation has only taken it in up to", then, EXIT_LOG)
    rebuilt(chain)


def fresh_view(world: KafkaWorld) -> KafkaWorld:
    """The same topics, with nothing remembered of what they held."""
    seen = object.__new__(KafkaWorld)
    seen.__dict__.update(world.__dict__)
    seen._control = None
    return seen


def test_a_message_larger_than_the_broker_takes(chain: Chain) -> None:
    chain.work(4)
    chain.configure("decisions", "max.message.bytes", "300")
    failures: list[EngineFailure] = []
    thread = threading.Thread(target=lambda: failures.append(chain.refused()), daemon=True)
    thread.start()
    at, facts = by_tick(story(51), ticks=28)[4]
    chain.world.send(facts)
    chain.clock.set(at)
    thread.join(2 * WAIT_S)
    explained(failures[0], "larger than the broker takes", "Raise max.message.bytes", EXIT_LOG)
    assert chain.name("decisions") in failures[0].what
    chain.configure("decisions", "max.message.bytes", "1048588")
    chain.work(6)
    check(chain.world)
