"""Topics on Apache Kafka: made as planned, and differences explained, never changed."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType
from confluent_kafka.cimpl import NewTopic

from streams.broker.topics import BrokerUnreachable, TopicAdmin, TopicState, plan
from streams.settings import KafkaSettings, TopicSettings

WAIT_SECONDS = 30.0


def settings_of(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=bootstrap, timeout_seconds=WAIT_SECONDS)


def test_topics_are_created_as_planned_and_then_found_good(
    bootstrap: str, unique_name: str
) -> None:
    topics = TopicSettings(prefix=f"{unique_name}.", engine_partitions=2, fact_partitions=3)
    admin = TopicAdmin(settings_of(bootstrap))

    assert {finding.state for finding in admin.check(topics)} == {TopicState.MISSING}
    assert {finding.state for finding in admin.create(topics)} == {TopicState.CREATED}
    found = admin.check(topics)
    again = admin.create(topics)

    assert [(f.name, f.partitions) for f in found] == [(p.name, p.partitions) for p in plan(topics)]
    assert {finding.state for finding in found} == {TopicState.GOOD}
    assert {finding.notes for finding in found} == {()}
    assert again == found
    config = described(bootstrap, f"{unique_name}.progress")
    assert config["cleanup.policy"] == "compact"
    assert config["segment.bytes"] == str(16 * 1024 * 1024)
    assert described(bootstrap, f"{unique_name}.ticks")["message.timestamp.type"] == "LogAppendTime"
    assert described(bootstrap, f"{unique_name}.decisions")["retention.ms"] == "-1"
    assert described(bootstrap, f"{unique_name}.cells-rows")["retention.ms"] == str(14 * 86_400_000)


def described(bootstrap: str, topic: str) -> dict[str, str | None]:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(WAIT_SECONDS)
    return {name: entry.value for name, entry in entries.items()}


def test_what_differs_is_explained_and_left_as_it_is(bootstrap: str, unique_name: str) -> None:
    prefix = f"{unique_name}."
    raw = AdminClient({"bootstrap.servers": bootstrap})
    strange = [
        NewTopic(f"{prefix}alerts", 5, config={"cleanup.policy": "compact"}),
        NewTopic(f"{prefix}ticks", 2),
        NewTopic(f"{prefix}lines", 4, config={"cleanup.policy": "delete"}),
        NewTopic(f"{prefix}decisions", 4, config={"retention.ms": "1000"}),
        NewTopic(f"{prefix}notifications", 4, config={"max.message.bytes": "1000"}),
        NewTopic(f"{prefix}orders", 7, config={"retention.ms": "-1"}),
    ]
    for future in raw.create_topics(strange).values():
        future.result(WAIT_SECONDS)
    topics = TopicSettings(prefix=prefix, engine_partitions=4, fact_partitions=4)

    found = {
        finding.name.removeprefix(prefix): finding
        for finding in TopicAdmin(settings_of(bootstrap)).create(topics)
    }

    assert found["alerts"].state is TopicState.DIFFERENT
    assert "it has 5 partitions, and must have 4" in found["alerts"].differences[0]
    assert "topics.engine_partitions to 5" in found["alerts"].differences[0]
    assert len(found["ticks"].differences) == 2
    assert "message.timestamp.type is CreateTime" in found["ticks"].differences[1]
    assert "cleanup.policy is delete, and must be compact" in found["lines"].differences[0]
    assert found["decisions"].state is TopicState.GOOD
    assert "cannot reach back further" in found["decisions"].notes[0]
    assert "max.message.bytes is 1000" in found["notifications"].differences[0]
    assert found["orders"].state is TopicState.GOOD
    assert found["shipments"].state is TopicState.CREATED
    assert described(bootstrap, f"{prefix}lines")["cleanup.policy"] == "delete"


def test_a_silent_broker_is_named() -> None:
    nobody = KafkaSettings(bootstrap_servers="127.0.0.1:1", timeout_seconds=0.5)
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1"):
        TopicAdmin(nobody).check(TopicSettings())
