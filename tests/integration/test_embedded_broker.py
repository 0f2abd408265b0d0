"""The embedded broker: topics as planned, reachable from other processes, transactions run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from confluent_kafka import Consumer, Producer

from streams.broker.embedded import EmbeddedBroker, EmbeddedBrokerFailed
from streams.broker.topics import TopicAdmin, TopicsNotAnswered, plan
from streams.exits import Exit
from streams.settings import KafkaSettings, TopicSettings

WAIT_SECONDS = 10.0


def test_all_topics_are_there_with_the_partitions_that_the_settings_say() -> None:
    settings = TopicSettings(prefix="try.", engine_partitions=3, fact_partitions=2)
    with EmbeddedBroker(settings) as broker:
        client = Producer({"bootstrap.servers": broker.bootstrap})
        topics = client.list_topics(timeout=WAIT_SECONDS).topics
    found = {name: len(topic.partitions) for name, topic in topics.items()}
    assert found == {item.name: item.partitions for item in plan(settings)}
    assert found["try.ticks"] == 1
    assert found["try.orders"] == 2
    assert found["try.alerts"] == 3


def test_another_process_writes_what_this_one_reads() -> None:
    with EmbeddedBroker(TopicSettings()) as broker:
        writer = (
            "import sys; from confluent_kafka import Producer\n"
            "p = Producer({'bootstrap.servers': sys.argv[1], 'transactional.id': 'w'})\n"
            "p.init_transactions(10); p.begin_transaction()\n"
            "p.produce('ticks', b'one'); p.commit_transaction(10)\n"
        )
        subprocess.run([sys.executable, "-c", writer, broker.bootstrap], check=True, timeout=30)
        reader = Consumer(
            {
                "bootstrap.servers": broker.bootstrap,
                "group.id": "g",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        reader.subscribe(["ticks"])
        message = reader.poll(WAIT_SECONDS)
        assert message is not None
        assert message.value() == b"one"
        reader.close()


def test_two_brokers_share_nothing_and_a_stopped_one_says_so() -> None:
    with EmbeddedBroker(TopicSettings(prefix="a.")) as one, EmbeddedBroker(TopicSettings()) as two:
        assert one.bootstrap != two.bootstrap
        names = Producer({"bootstrap.servers": one.bootstrap}).list_topics(timeout=WAIT_SECONDS)
        assert all(name.startswith("a.") for name in names.topics)
    with pytest.raises(EmbeddedBrokerFailed, match="not running"):
        _ = one.bootstrap


def test_a_topic_that_exists_is_refused() -> None:
    with (
        EmbeddedBroker(TopicSettings()) as broker,
        pytest.raises(EmbeddedBrokerFailed, match="topic orders"),
    ):
        broker.create_topic("orders", 1)


def test_a_broker_that_does_not_describe_topics_says_so() -> None:
    """The embedded broker lists topics and answers none of the other questions about them."""
    with EmbeddedBroker(TopicSettings()) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap, timeout_seconds=0.5)
        with pytest.raises(TopicsNotAnswered, match="did not say how its topics"):
            TopicAdmin(kafka).check(TopicSettings())
        with pytest.raises(TopicsNotAnswered, match="did not create topics"):
            TopicAdmin(kafka).create(TopicSettings(prefix="absent."))
        env = os.environ | {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "SLIPWATCH_KAFKA__TIMEOUT_SECONDS": "0.5",
        }
        ran = subprocess.run(
            [sys.executable, "-m", "streams.cli", "topics", "check"],
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ran.returncode == Exit.BROKER
    assert len(ran.stderr.splitlines()) == 1
