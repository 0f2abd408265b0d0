"""Apache Kafka for benchmarks: one broker for a whole run, topics of their own for each part."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from alerts.policy import Policy
from bench.cpu import cpu_seconds, resident_bytes
from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS, TOPICS
from streams.broker.topics import TopicAdmin
from streams.engine.control import Control
from streams.engine.flow import LAST_STAGE
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


class Watch:
    """Sees ticks and progress as they become readable."""

    def __init__(self, place: Place) -> None:
        self._log = place.log()
        self._control = Control(self._log)
        self._control.open(WAIT_S)
        name, topic = LAST_STAGE
        self._stage = name
        self._last = [Partition(topic, number) for number in range(PARTITIONS)]
        self._facts = [Partition(topic, n) for topic in FACT_TOPICS for n in range(PARTITIONS)]

    @property
    def tick(self) -> Tick | None:
        """The latest tick."""
        return self._control.tick

    def poll(self) -> None:
        """Takes in what is new."""
        self._control.poll(0.005)

    def tick_done(self) -> int:
        """The number of the last tick that is finished everywhere."""
        while self._control.poll(0.05):
            pass
        return self._control.done(self._stage, self._last)

    def has_done(self, facts: int) -> bool:
        """Whether a complete tick that cuts so many facts is finished everywhere."""
        tick = self._control.tick
        if tick is None or not tick.complete:
            return False
        if sum(sum(offsets) for offsets in tick.cut.values()) < facts:
            return False
        return self._control.done(self._stage, self._last) >= tick.n

    def entries(self) -> dict[str, int]:
        """Stage → entries of its state over all partitions, as of their last tick."""
        found: dict[str, int] = {}
        for each in self._control.progress.values():
            if "state" in each.counts:
                found[each.stage] = found.get(each.stage, 0) + each.counts["state"]
        return found

    def close(self) -> None:
        """Reads no more."""
        self._control.close()
        self._log.close()


class WorkerProcess:
    """A real `slipwatch worker`; what it says goes to a file, its end to whoever asks."""

    def __init__(self, place: Place, folder: Path, *, tick_ms: int, clock: Path | None) -> None:
        self._log_path = folder / f"{place.prefix}worker.log"
        self._output = self._log_path.open("wb")
        arguments = ["--name", "bench"]
        if clock is not None:
            arguments += ["--clock-file", str(clock)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker", *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("SLIPWATCH_")},
                "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": place.bootstrap,
                "SLIPWATCH_TOPICS__PREFIX": place.prefix,
                "SLIPWATCH_ENGINE__TICK_MS": str(tick_ms),
                "SLIPWATCH_WEB__PORT": "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_S)
        self._output.close()

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, all threads."""
        self.check()
        return cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory of the process now."""
        self.check()
        return resident_bytes(self._process.pid)

    def check(self) -> None:
        """Raises BenchFailed when the worker has ended."""
        if self._process.poll() is not None:
            said = self._log_path.read_text(errors="replace")[-2_000:]
            raise BenchFailed(f"the worker ended with code {self._process.returncode}:\n{said}")


def wait_until(watch: Watch, worker: WorkerProcess, facts: int) -> None:
    """Waits until all facts went through all stages; BenchFailed when they do not in time."""
    deadline = time.monotonic() + WAIT_S
    while not watch.has_done(facts):
        watch.poll()
        worker.check()
        if time.monotonic() > deadline:
            raise BenchFailed(f"{facts} facts were not through all stages after {WAIT_S:.0f} s")
