"""A log to run workers on, in memory or on Apache Kafka, with the same handles for tests."""

from __future__ import annotations

import datetime as dt
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer

from alerts.policy import Policy
from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Fact
from streams.broker.topics import TopicAdmin
from streams.engine.clock import Clock
from streams.engine.control import Control
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Log, Partition
from streams.engine.lookups import SchemaSource
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerObserver, WorkerSettings
from streams.engine.recorded import read_committed
from streams.engine.ticker import TickerSettings
from streams.engine.worker import Worker
from streams.publishing import Publication, split
from streams.settings import KafkaSettings, TopicSettings
from topology.network import Network, encode

WAIT_S = 120.0
PARTITIONS = 4


class World:
    """Where workers run. `log()` is a connection of its own for each caller."""

    def __init__(self) -> None:
        self._memory = MemoryLog(PARTITIONS, PARTITIONS)
        self._control: Control | None = None
        self.on_kafka = False

    def log(self) -> Log:
        return self._memory

    def send_raw(self, topic: str, key: bytes | None, value: bytes, partition: int) -> None:
        self._memory.append(topic, key, value, partition)

    def send(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            key = fact_key(fact)
            self.send_raw(fact_topic(fact), key, encode_fact(fact), zlib.crc32(key) % PARTITIONS)
        self.flush()

    def control(self) -> Control:
        """A view of ticks and progress, to be polled; one for the test."""
        if self._control is None:
            self._control = Control(self.log())
            self._control.open(WAIT_S)
        return self._control

    def flush(self) -> None:
        """What was sent can be read."""

    def publish(self, network: Network) -> None:
        self._publish("networks", network.version, encode(network))

    def publish_policy(self, policy: Policy) -> None:
        self._publish("policies", policy.version, policy.to_bytes())

    def _publish(self, topic: str, version: str, data: bytes) -> None:
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        for key, value in split(Publication(version, data, epoch)):
            self.send_raw(topic, key, value, 0)
        self.flush()

    def read(self, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
        """Everything committed on a topic: (partition, key, value)."""
        log = self.log()
        count = log.partition_counts([topic])[topic]
        partitions = [Partition(topic, number) for number in range(count)]
        records = list(read_committed(log, partitions))
        return [(where.number, record.key(), record.value()) for where, record in records]

    def worker(
        self,
        name: str,
        clock: Clock,
        *,
        observer: WorkerObserver | None = None,
        schemas: SchemaSource | None = None,
        **settings: Any,
    ) -> Worker:
        ticker = TickerSettings(interval_ms=settings.pop("interval_ms", 20), name=name)
        made = WorkerSettings("engine", name, ticker=ticker, **settings)
        return Worker(self.log(), made, clock, observer, schemas)


class KafkaWorld(World):
    """Topics of its own on an Apache Kafka."""

    def __init__(self, bootstrap: str, name: str, replication_factor: int = 1) -> None:
        self._control = None
        self.on_kafka = True
        self.bootstrap = bootstrap
        self.prefix = f"{name}."
        topics = TopicSettings(
            prefix=self.prefix, engine_partitions=PARTITIONS, fact_partitions=PARTITIONS,
            replication_factor=replication_factor,
        )  # fmt: skip
        TopicAdmin(KafkaSettings(bootstrap_servers=bootstrap)).create(topics)
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "log_level": 0})

    def log(self) -> KafkaLog:
        return KafkaLog(KafkaLogSettings({"bootstrap.servers": self.bootstrap}, self.prefix))

    def send_raw(self, topic: str, key: bytes | None, value: bytes, partition: int) -> None:
        self._producer.produce(self.prefix + topic, value, key, partition)

    def flush(self) -> None:
        assert self._producer.flush(WAIT_S) == 0


@contextmanager
def running(*workers: Worker) -> Iterator[None]:
    """The workers, each in a thread, until the block ends; their failures are raised then."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def run(worker: Worker) -> None:
        try:
            worker.run(stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
    if failures:
        raise failures[0]


def until(claim: Callable[[], Any], what: str, seconds: float = WAIT_S) -> None:
    """Waits until the claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"{what}: it never came true"
        time.sleep(0.01)
