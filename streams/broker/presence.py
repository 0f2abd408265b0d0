"""Whether the broker is there, asked of nobody who waits for it already."""

from __future__ import annotations

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.clients import librdkafka_config
from streams.settings import KafkaSettings


def broker_answers(kafka: KafkaSettings, seconds: float) -> bool:
    """Whether it answers a new connection within so many seconds."""
    try:
        AdminClient({**librdkafka_config(kafka), "log_level": 0}).list_topics(timeout=seconds)
    except KafkaException:
        return False
    return True
