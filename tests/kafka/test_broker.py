"""The promises of Apache Kafka and its client that the engine stands on, each seen to hold."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.kafka.cluster import KafkaCluster

WAIT_SECONDS = 30.0


def create_topics(bootstrap: str, names: list[str], partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(name, partitions) for name in names]).values():
        future.result(timeout=WAIT_SECONDS)


def transactional_producer(bootstrap: str, transactional_id: str) -> Producer:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id})
    producer.init_transactions(WAIT_SECONDS)
    return producer


def read_to_end(bootstrap: str, topic: str) -> tuple[list[bytes | None], int, int]:
    """The values a read_committed reader finds in partition 0, its position, and the end offset."""
    reader = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    partition = TopicPartition(topic, 0, OFFSET_BEGINNING)
    reader.assign([partition])
    _, end = reader.get_watermark_offsets(partition, timeout=WAIT_SECONDS)
    values: list[bytes | None] = []
    deadline = time.monotonic() + WAIT_SECONDS
    position = 0
    while position < end and time.monotonic() < deadline:
        for message in reader.consume(100, timeout=0.2):
            assert message.error() is None
            values.append(message.value())
        position = max(0, reader.position([partition])[0].offset)
    reader.close()
    return values, position, end


def test_a_reader_of_committed_records_sees_nothing_of_an_aborted_transaction(
    bootstrap: str, unique_name: str
) -> None:
    create_topics(bootstrap, [unique_name], partitions=1)
    producer = transactional_producer(bootstrap, unique_name)
    producer.begin_transaction()
    producer.produce(unique_name, b"committed")
    producer.commit_transaction(WAIT_SECONDS)
    producer.begin_transaction()
    producer.produce(unique_name, b"aborted")
    producer.flush(WAIT_SECONDS)
    producer.abort_transaction(WAIT_SECONDS)

    values, position, end = read_to_end(bootstrap, unique_name)

    assert values == [b"committed"]
    # Two records and two markers. "Read up to the cut" rests on the position passing all of them.
    assert (position, end) == (4, 4)


def test_a_second_producer_with_the_same_id_fences_the_first(
    bootstrap: str, unique_name: str
) -> None:
    create_topics(bootstrap, [unique_name], partitions=1)
    first = transactional_producer(bootstrap, unique_name)
    first.begin_transaction()
    first.produce(unique_name, b"of the first")
    first.flush(WAIT_SECONDS)

    second = transactional_producer(bootstrap, unique_name)
    second.begin_transaction()
    second.produce(unique_name, b"of the second")
    second.commit_transaction(WAIT_SECONDS)

    with pytest.raises(KafkaException) as raised:
        first.commit_transaction(WAIT_SECONDS)
    assert raised.value.args[0].fatal()
    assert read_to_end(bootstrap, unique_name)[0] == [b"of the second"]


def joined(bootstrap: str, group: str, topics: list[str]) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "group.protocol": "consumer",
            "group.remote.assignor": "range",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(topics)
    return consumer


def poll_until(consumers: list[Consumer], is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, [consumer.assignment() for consumer in consumers]
        for consumer in consumers:
            message: Message | None = consumer.poll(0.1)
            assert message is None or message.error() is None


def partitions_by_topic(consumer: Consumer) -> dict[str, set[int]]:
    assigned: dict[str, set[int]] = {}
    for partition in consumer.assignment():
        assigned.setdefault(partition.topic, set()).add(partition.partition)
    return assigned


def test_the_range_assignor_of_the_consumer_protocol_keeps_topics_together(
    bootstrap: str, unique_name: str
) -> None:
    orders, shipments = topics = [f"{unique_name}.orders", f"{unique_name}.shipments"]
    create_topics(bootstrap, topics, partitions=4)
    consumers = [joined(bootstrap, unique_name, topics)]
    poll_until(consumers, lambda: len(consumers[0].assignment()) == 8)

    consumers.append(joined(bootstrap, unique_name, topics))
    poll_until(consumers, lambda: all(len(member.assignment()) == 4 for member in consumers))

    shares = [partitions_by_topic(consumer) for consumer in consumers]
    for share in shares:
        assert share[orders] == share[shipments]
    assert sorted(shares[0][orders] | shares[1][orders]) == [0, 1, 2, 3]
    for consumer in consumers:
        consumer.close()


def test_a_killed_broker_comes_back_with_what_was_committed(
    own_cluster: KafkaCluster, unique_name: str
) -> None:
    create_topics(own_cluster.bootstrap, [unique_name], partitions=1)
    producer = transactional_producer(own_cluster.bootstrap, unique_name)
    producer.begin_transaction()
    producer.produce(unique_name, b"kept")
    producer.commit_transaction(WAIT_SECONDS)

    own_cluster.kill(1)
    own_cluster.restart(1)

    assert read_to_end(own_cluster.bootstrap, unique_name)[0] == [b"kept"]
