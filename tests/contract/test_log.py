"""What the engine rests on, held against both logs: the one in memory and Apache Kafka."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import (
    Entry,
    Fenced,
    GroupConsumer,
    Log,
    Partition,
    TransactionAborted,
    TransactionalProducer,
)
from streams.engine.memory_log import MemoryLog

WAIT_S = 30.0


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request: pytest.FixtureRequest, unique_name: str) -> Iterator[Log]:
    """Each log with topics `a` and `b` of two partitions."""
    if request.param == "memory":
        memory = MemoryLog()
        memory.create("a", 2)
        memory.create("b", 2)
        yield memory
        return
    bootstrap = request.getfixturevalue("bootstrap")
    prefix = f"{unique_name}."
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(prefix + name, 2, 1) for name in ("a", "b")]
    for future in admin.create_topics(topics).values():
        future.result(WAIT_S)
    kafka = KafkaLog(KafkaLogSettings({"bootstrap.servers": bootstrap}, prefix))
    yield kafka
    kafka.close()


class Member:
    """A member of a group that begins each partition where it is told and reads on."""

    def __init__(self, log: Log, group: str) -> None:
        self.mine: dict[Partition, int] = {}
        self.seen: list[tuple[Partition, Entry]] = []
        self.consumer: GroupConsumer = log.group_consumer(group, ["a", "b"], self)

    def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        for partition in partitions:
            self.mine[partition] = 0
        return dict.fromkeys(partitions, 0)

    def revoked(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self.mine.pop(partition, None)

    def turn(self) -> None:
        for partition, records in self.consumer.consume(100, 0.05).items():
            self.seen += [(partition, record) for record in records]


def until(claim: Callable[[], Any], *members: Member) -> None:
    """Lets the members work until the claim holds."""
    deadline = time.monotonic() + WAIT_S
    while not claim():
        for member in members:
            member.turn()
        assert time.monotonic() < deadline, "nothing came of it in time"


def write(log: Log, name: str, values: Sequence[bytes], *, commit: bool) -> None:
    producer = log.transactional_producer(name)
    producer.begin()
    for value in values:
        producer.produce("a", 0, b"key", value)
    producer.flush()
    if commit:
        producer.commit()
    else:
        producer.abort()
    producer.close()


def read_all(log: Log, partition: Partition) -> list[bytes | None]:
    """Everything committed up to the high watermark of now."""
    high = log.end_offsets([partition])[partition].high
    reader = log.reader()
    reader.assign({partition: 0})
    values: list[bytes | None] = []
    deadline = time.monotonic() + WAIT_S
    while reader.positions()[partition] < high:
        values += [record.value() for record in reader.read(100, 0.05).get(partition, ())]
        assert time.monotonic() < deadline, "the end was never reached"
    reader.close()
    return values


def commit_with(
    producer: TransactionalProducer, offsets: Mapping[Partition, int], metadata: Any
) -> None:
    """A log may refuse a stale member at either step."""
    producer.send_offsets(offsets, metadata)
    producer.commit()


def test_readers_see_what_was_committed_and_pass_what_was_aborted(log: Log) -> None:
    write(log, "one", [b"1", b"2"], commit=True)
    write(log, "two", [b"never"], commit=False)
    write(log, "three", [b"3"], commit=True)
    write(log, "four", [b"never"], commit=False)
    assert read_all(log, Partition("a", 0)) == [b"1", b"2", b"3"]


def test_a_partition_of_nothing_but_aborted_records_can_be_read_to_its_end(log: Log) -> None:
    write(log, "one", [b"never", b"never"], commit=False)
    assert read_all(log, Partition("a", 0)) == []


def test_an_open_transaction_holds_back_the_stable_end(log: Log) -> None:
    a0, a1 = Partition("a", 0), Partition("a", 1)
    producer = log.transactional_producer("open")
    producer.begin()
    producer.produce("a", 0, None, b"hidden")
    producer.flush()
    ends = log.end_offsets([a0, a1])
    assert ends[a0].high >= 1
    assert ends[a1] == (0, 0)
    assert ends[a0].stable == 0
    producer.abort()

    def is_let_go() -> bool:
        after = log.end_offsets([a0])[a0]
        return after.stable == after.high > 0

    until(is_let_go)


def test_a_newer_producer_of_an_id_fences_the_older(log: Log) -> None:
    old = log.transactional_producer("same")
    old.begin()
    old.produce("a", 0, None, b"of the old one")
    old.flush()
    new = log.transactional_producer("same")
    with pytest.raises(Fenced):
        old.commit()
    new.begin()
    new.produce("a", 0, None, b"of the new one")
    new.commit()
    assert read_all(log, Partition("a", 0)) == [b"of the new one"]


def test_partitions_begin_paused_where_the_owner_says(log: Log) -> None:
    write(log, "one", [b"1"], commit=True)
    member = Member(log, "paused")
    until(lambda: len(member.mine) == 4, member)
    for _ in range(5):
        member.turn()
    assert not member.seen
    member.consumer.resume(sorted(member.mine))
    until(lambda: member.seen, member)
    assert [record.value() for _, record in member.seen] == [b"1"]


def test_partitions_of_equal_number_go_to_the_same_member(log: Log) -> None:
    first = Member(log, "shared")
    until(lambda: len(first.mine) == 4, first)
    second = Member(log, "shared")
    until(lambda: len(first.mine) == 2 and len(second.mine) == 2, first, second)
    for member in (first, second):
        numbers = {partition.number for partition in member.mine}
        assert {topic for topic, _ in member.mine} == {"a", "b"}
        assert len(numbers) == 1
    second.consumer.close()
    until(lambda: len(first.mine) == 4, first)
    first.consumer.close()


def test_a_member_that_was_left_behind_cannot_commit(log: Log) -> None:
    first = Member(log, "zombies")
    until(lambda: len(first.mine) == 4, first)
    stale = first.consumer.group_metadata()
    second = Member(log, "zombies")
    until(lambda: len(first.mine) == 2 and len(second.mine) == 2, first, second)
    first.consumer.close()
    until(lambda: len(second.mine) == 4, second)
    producer = log.transactional_producer("zombie")
    producer.begin()
    producer.produce("a", 0, None, b"of a zombie")
    with pytest.raises(TransactionAborted):
        commit_with(producer, {Partition("a", 0): 1}, stale)
    producer.abort()
    assert read_all(log, Partition("a", 0)) == []
    second.consumer.close()


def test_positions_pass_markers_and_aborted_records(log: Log) -> None:
    a0 = Partition("a", 0)
    member = Member(log, "positions")
    until(lambda: len(member.mine) == 4, member)
    member.consumer.resume(sorted(member.mine))
    write(log, "one", [b"1"], commit=True)
    write(log, "two", [b"never"], commit=False)
    high = log.end_offsets([a0])[a0].high
    assert high == 4
    until(lambda: member.consumer.positions([a0]).get(a0) == high, member)
    assert [record.value() for _, record in member.seen] == [b"1"]
    member.consumer.close()
