"""Puts facts and publications on the broker, and says of each whether the broker has it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Fact
from streams.broker.topics import BrokerUnreachable, Faults, full_name
from streams.clients import librdkafka_config
from streams.publishing import Publication, split
from streams.settings import Settings

QUEUE_PAUSE_SECONDS = 0.1
PARTITIONER = "murmur2_random"
"""The partitioner of the Java clients, so that a key lies where other senders would put it."""


class Refusal(msgspec.Struct, frozen=True):
    """A record that the broker did not take, by its place in what was sent, and why."""

    index: int
    why: str


class Outgoing(NamedTuple):
    """A record to write; the topic without a prefix, the partition by the key where None."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes


class Sender:
    """Writes to the broker of the settings; raises BrokerUnreachable when it does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.topics.prefix
        self._timeout_seconds = settings.kafka.timeout_seconds
        self._address = settings.kafka.bootstrap_servers
        self._faults = Faults()
        self._config: dict[str, Any] = {
            **librdkafka_config(settings.kafka),
            "partitioner": PARTITIONER,
            "compression.type": "lz4",
            "enable.idempotence": True,
            "message.timeout.ms": int(self._timeout_seconds * 1000),
            "log_level": 0,
            "error_cb": self._faults.remember,
        }

    def send_facts(
        self, facts: Iterable[Fact], on_delivered: Callable[[int], None] | None = None
    ) -> tuple[int, tuple[Refusal, ...]]:
        """Send facts in order; how many the broker has, and those that it refused.

        `on_delivered` hears the index of each as it is confirmed.
        """
        records = (
            Outgoing(fact_topic(fact), None, fact_key(fact), encode_fact(fact)) for fact in facts
        )
        return self.send(records, on_delivered)

    def send(
        self,
        records: Iterable[Outgoing],
        on_delivered: Callable[[int], None] | None = None,
    ) -> tuple[int, tuple[Refusal, ...]]:
        """Send records, as `send_facts` does facts."""
        producer = Producer(self._config)
        self._reach(producer)
        confirmed = 0
        refusals: list[Refusal] = []

        def settle(index: int, error: KafkaError | None) -> None:
            nonlocal confirmed
            if error is not None:
                refusals.append(Refusal(index, error.str()))
                return
            confirmed += 1
            if on_delivered is not None:
                on_delivered(index)

        for index, record in enumerate(records):

            def report(error: KafkaError | None, _: Message, index: int = index) -> None:
                settle(index, error)

            while True:
                try:
                    self._produce(producer, record, report)
                except BufferError:
                    producer.poll(QUEUE_PAUSE_SECONDS)
                else:
                    break
            producer.poll(0)
        producer.flush()
        return confirmed, tuple(sorted(refusals, key=lambda refusal: refusal.index))

    def publish(self, topic: str, publication: Publication) -> int:
        """Publish a version in one transaction; how many records it took."""
        records = split(publication)
        self.send_together(Outgoing(topic, 0, key, value) for key, value in records)
        return len(records)

    def send_together(self, records: Iterable[Outgoing]) -> None:
        """Send records in one transaction: readers see all of them or none."""
        name = f"{full_name(self._prefix, 'slipwatch')}-{uuid.uuid4().hex}"
        producer = Producer({**self._config, "transactional.id": name})
        self._reach(producer)
        try:
            producer.init_transactions(self._timeout_seconds)
            producer.begin_transaction()
            for record in records:
                self._produce(producer, record)
            producer.commit_transaction(self._timeout_seconds)
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from error

    def _produce(
        self,
        producer: Producer,
        record: Outgoing,
        report: Callable[[KafkaError | None, Message], None] | None = None,
    ) -> None:
        where: dict[str, Any] = {} if record.partition is None else {"partition": record.partition}
        if report is not None:
            where["on_delivery"] = report
        producer.produce(full_name(self._prefix, record.topic), record.value, record.key, **where)

    def _reach(self, producer: Producer) -> None:
        try:
            producer.list_topics(timeout=self._timeout_seconds)
        except KafkaException as error:
            raise self._unreachable(error.args[0]) from error

    def _unreachable(self, reason: KafkaError) -> BrokerUnreachable:
        text = self._faults.last or reason.str()
        return BrokerUnreachable(f"no answer from the broker at {self._address}: {text}")
