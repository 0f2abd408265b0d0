"""Apache Kafka for benchmarks: one broker for a whole run, topics of their own for each part."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from alerts.policy import Policy
from bench.cpu import cpu_seconds, resident_bytes
from schemas.topics import FACT_TOPICS, TOPICS
from streams.broker.topics import TopicAdmin
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition
from streams.publishing import Publication, split
from streams.sending import PARTITIONER
from streams.settings import KafkaSettings, TopicSettings
from tests.kafka.cluster import KafkaCluster, KafkaUnavailable, require_kafka
from topology import network as networks
from topology.network import Network

PARTITIONS = 4
WAIT_S = 600.0
STOP_S = 20.0

Sendable = tuple[str, bytes, bytes]
"""Topic, key and value of a fact that is ready to be sent."""


class BenchFailed(Exception):
    """Something did not do what it is measured at; the text says what and where to look."""


def lacks_kafka() -> str:
    """What is missing to run Apache Kafka here; "" when nothing is."""
    try:
        require_kafka()
    except KafkaUnavailable as error:
        return str(error)
    return ""


class Ground:
    """The broker of a run, started when it is first needed and stopped at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster: KafkaCluster | None = None
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.kill_all()
            self._cluster = None

    @property
    def bootstrap(self) -> str:
        """Address of the broker, which is started now if it is not yet."""
        if self._cluster is None:
            cluster = KafkaCluster(
                self._folder / "kafka", java_options=("-Xms512m", "-Xmx1g", "-XX:+UseSerialGC")
            )
            cluster.start()
            self._cluster = cluster
        return self._cluster.bootstrap

    def broker_bytes(self) -> int:
        """Memory of the broker's process."""
        assert self._cluster is not None, "the broker was started"
        return sum(resident_bytes(pid) for pid in self._cluster.process_ids)

    def broker_cpu_seconds(self) -> float:
        """CPU time of the broker's process so far."""
        assert self._cluster is not None, "the broker was started"
        return sum(cpu_seconds(pid) for pid in self._cluster.process_ids)

    def disk_bytes(self, prefix: str) -> int:
        """What the broker keeps on disk for topics that begin so."""
        partitions = (self._folder / "kafka").glob(f"broker-*/data/{prefix}*")
        return sum(
            file.stat().st_size for partition in partitions for file in partition.glob("*.log")
        )

    def place(self, name: str) -> Place:
        """New topics under a prefix of their own; a context manager that deletes them."""
        return Place(self.bootstrap, f"{name}-{next(self._numbers)}.")


class Place:
    """The product's topics on the broker, empty, with 4 partitions where it is free to choose."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        topics = TopicSettings(
            prefix=prefix, engine_partitions=PARTITIONS, fact_partitions=PARTITIONS,
            replication_factor=1,
        )  # fmt: skip
        TopicAdmin(KafkaSettings(bootstrap_servers=bootstrap)).create(topics)
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 5,
                "batch.size": 1_000_000,
                "compression.type": "lz4",
                "partitioner": PARTITIONER,
                "queue.buffering.max.messages": 2_000_000,
                "queue.buffering.max.kbytes": 1 << 20,
                "log_level": 0,
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for future in admin.delete_topics([self.prefix + topic.name for topic in TOPICS]).values():
            future.result(STOP_S)

    def log(self, prefix: str | None = None) -> KafkaLog:
        """A connection of its own for each caller; with another prefix, to other topics."""
        prefix = self.prefix if prefix is None else prefix
        return KafkaLog(KafkaLogSettings({"bootstrap.servers": self.bootstrap}, prefix))

    def create(self, names: Sequence[str]) -> None:
        """More topics, by their full names; they go when the broker goes."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for future in admin.create_topics([NewTopic(n, PARTITIONS, 1) for n in names]).values():
            future.result(STOP_S)

    def publish(self, network: Network, policy: Policy | None = None) -> None:
        """From the next tick on, the chain is this one."""
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        published = [("networks", network.version, networks.encode(network))]
        if policy is not None:
            published.append(("policies", policy.version, policy.to_bytes()))
        for topic, version, data in published:
            for key, value in split(Publication(version, data, epoch)):
                self.producer.produce(self.prefix + topic, value, key, 0)
        self.flush()

    def load(self, facts: Iterable[Sendable]) -> None:
        """Writes the facts; returns when the broker has all of them."""
        names = {topic: self.prefix + topic for topic in FACT_TOPICS}
        produce, poll = self.producer.produce, self.producer.poll
        for topic, key, value in facts:
            while True:
                try:
                    produce(names[topic], value, key)
                except BufferError:
                    poll(0.1)
                else:
                    break
        self.flush()

    def load_at_once(self, facts: Iterable[Sendable]) -> None:
        """Writes the facts in one transaction: nobody reads one before all of them are there."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": f"{self.prefix}load",
                "transaction.timeout.ms": 600_000,
                "linger.ms": 5,
                "compression.type": "lz4",
                "partitioner": PARTITIONER,
                "queue.buffering.max.messages": 2_000_000,
                "log_level": 0,
            }
        )
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        for topic, key, value in facts:
            producer.produce(self.prefix + topic, value, key)
        producer.commit_transaction(WAIT_S)

    def facts_end(self) -> int:
        """Offsets used on the topics of facts, markers of transactions included."""
        log = self.log()
        where = [Partition(topic, number) for topic in FACT_TOPICS for number in range(PARTITIONS)]
        end = sum(each.high for each in log.end_offsets(where).values())
        log.close()
        return end

    def flush(self) -> None:
        """Returns when the broker has everything."""
        if self.producer.flush(WAIT_S):
            raise BenchFailed("the broker does not take what is sent")

    def written(self) -> dict[str, int]:
        """Offsets used on each topic, transaction markers included."""
        log = self.log()
        counts = log.partition_counts([topic.name for topic in TOPICS])
        where = [Partition(topic, number) for topic, n in counts.items() for number in range(n)]
        written = dict.fromkeys(counts, 0)
        for partition, end in log.end_offsets(where).items():
            written[partition.topic] += end.high
        log.close()
        return written
