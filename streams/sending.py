"""Puts facts and publications on the broker, and says of each whether the broker has it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
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
FLUSH_GRACE_SECONDS = 2.0
READY_TIMEOUT_SECONDS = 2.0
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


def producer_config(settings: Settings, faults: Faults) -> dict[str, Any]:
    """Idempotent, and confirmed by every replica in step; `faults` hears what goes wrong."""
    return {
        **librdkafka_config(settings.kafka),
        "partitioner": PARTITIONER,
        "compression.type": "lz4",
        "enable.idempotence": True,
        "message.timeout.ms": int(settings.kafka.timeout_seconds * 1000),
        "log_level": 0,
        "error_cb": faults.remember,
    }


def _reached(settings: Settings) -> Producer:
    faults = Faults()
    producer = Producer(producer_config(settings, faults))
    try:
        producer.list_topics(timeout=settings.kafka.timeout_seconds)
    except KafkaException as error:
        text = faults.last or error.args[0].str()
        address = settings.kafka.bootstrap_servers
        raise BrokerUnreachable(f"no answer from the broker at {address}: {text}") from error
    return producer


class OpenSender:
    """Stays connected: any thread sends facts through it, and waits for its own alone."""

    def __init__(self, settings: Settings) -> None:
        """Raises BrokerUnreachable when the broker does not answer."""
        self._prefix = settings.topics.prefix
        self._wait_seconds = settings.kafka.timeout_seconds + FLUSH_GRACE_SECONDS
        self._producer = _reached(settings)
        self._stop = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="sender", daemon=True)
        self._poller.start()

    def send(self, facts: Sequence[Fact]) -> tuple[Refusal, ...]:
        """Those that the broker did not take, with the reason; all others it has for good."""
        waiting = _Waiting(len(facts))
        for index, fact in enumerate(facts):
            self._produce(index, fact, waiting)
        return waiting.refusals(self._wait_seconds)

    def answers(self) -> bool:
        """Whether the broker answers now."""
        try:
            self._producer.list_topics(timeout=READY_TIMEOUT_SECONDS)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """What was not taken yet is refused."""
        self._stop.set()
        self._poller.join()

    def _produce(self, index: int, fact: Fact, waiting: _Waiting) -> None:
        topic = full_name(self._prefix, fact_topic(fact))

        def settle(error: KafkaError | None, _: Message) -> None:
            waiting.settle(index, None if error is None else error.str())

        deadline = time.monotonic() + self._wait_seconds
        while True:
            try:
                self._producer.produce(topic, encode_fact(fact), fact_key(fact), on_delivery=settle)
            except BufferError:
                if self._stop.wait(QUEUE_PAUSE_SECONDS) or time.monotonic() > deadline:
                    waiting.settle(index, "too much waits for the broker already")
                    return
            except KafkaException as error:
                waiting.settle(index, error.args[0].str())
                return
            else:
                return

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(QUEUE_PAUSE_SECONDS)
        self._producer.flush(FLUSH_GRACE_SECONDS)


class _Waiting:
    """What one caller waits for."""

    def __init__(self, count: int) -> None:
        self._open = set(range(count))
        self._why: dict[int, str] = {}
        self._changed = threading.Condition()

    def settle(self, index: int, error: str | None) -> None:
        with self._changed:
            self._open.discard(index)
            if error is not None:
                self._why[index] = error
            self._changed.notify()

    def refusals(self, wait_seconds: float) -> tuple[Refusal, ...]:
        with self._changed:
            self._changed.wait_for(lambda: not self._open, wait_seconds)
            why = self._why | dict.fromkeys(self._open, "no answer in time; it may have it")
        return tuple([Refusal(index, why[index]) for index in sorted(why)])


class Sender:
    """Writes to the broker of the settings; raises BrokerUnreachable when it does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._prefix = settings.topics.prefix
        self._timeout_seconds = settings.kafka.timeout_seconds
        self._address = settings.kafka.bootstrap_servers
        self._faults = Faults()
        self._config = producer_config(settings, self._faults)

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
