"""The log on Kafka, by confluent-kafka.

Every call that can fail answers with an error of `streams.engine.log`, which says what happened
and what to do. Topic names carry the installation's prefix here and nowhere else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.engine.kafka_calls import CALL_LOST, Caller, CallLost
from streams.engine.kafka_clients import KafkaGroupConsumer, KafkaProducer, KafkaReader
from streams.engine.kafka_errors import CALL_TIMEOUT_S, knows_old_leaders, patiently, translate
from streams.engine.log import EndOffsets, Partition, Rebalance, Unavailable

QUEUE_MESSAGES_MAX = 2_000_000
QUEUE_KBYTES_MAX = 1 << 20
FETCH_BYTES_MAX = 8 << 20
RECONNECT_WAIT_MS_MAX = 1_000
"""The client asks who leads a partition whenever it tries in vain to connect to the old leader, and
hardly otherwise. With its own longest wait, 10 s, that is as long as a transaction may last: of
three brokers one killed cost 20 s and two aborted transactions; so it costs the 3 to 6 s in which
the brokers themselves find out (broker.session.timeout.ms)."""
EMBEDDED_CLUSTER = "mockCluster"
"""How the cluster id of librdkafka's mock cluster begins."""

_NO_MEMBERS = (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD)


@dataclass(frozen=True, slots=True)
class KafkaLogSettings:
    """`client` is the connection part of a client's configuration. `group_protocol` is `consumer`
    (Apache Kafka 4), `classic` (older brokers and the embedded one), or `auto`: what the broker
    can do. The two times are the classic protocol's; the other takes them from the broker."""

    client: Mapping[str, str | int | float | bool]
    prefix: str = ""
    group_protocol: str = "auto"
    session_timeout_ms: int = 10_000
    heartbeat_ms: int = 1_500
    transaction_timeout_ms: int = 10_000
    compression: str = "lz4"


def _latest() -> OffsetSpec:
    return OffsetSpec.latest()  # type: ignore[no-untyped-call,no-any-return]


def _earliest() -> OffsetSpec:
    return OffsetSpec.earliest()  # type: ignore[no-untyped-call,no-any-return]


class KafkaLog:
    """A connection to a Kafka cluster."""

    def __init__(self, settings: KafkaLogSettings) -> None:
        self._settings = settings
        self._admin: AdminClient | None = None
        self._worn_admins: list[AdminClient] = []
        self._probes: dict[str, Consumer] = {}
        self._admin_lists = True

    def _name(self, topic: str) -> str:
        return self._settings.prefix + topic

    def _topic_partitions(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [TopicPartition(self._name(p.topic), p.number) for p in partitions]

    def _client(self, **extra: str | int | float | bool) -> dict[str, Any]:
        return {
            **self._settings.client,
            **{name.replace("_", "."): value for name, value in extra.items()},
            "log_level": 0,
            "reconnect.backoff.max.ms": RECONNECT_WAIT_MS_MAX,
        }

    def _consumer(self, group: str, isolation: str = "read_committed", **extra: Any) -> Consumer:
        return Consumer(
            {
                **self._client(),
                "group.id": group,
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "fetch.max.bytes": FETCH_BYTES_MAX,
                "queued.max.messages.kbytes": 8 * FETCH_BYTES_MAX // 1024,
                "fetch.queue.backoff.ms": 1,
                "fetch.wait.max.ms": 20,
                # A partition that is added to a topic of facts is read within so many seconds.
                "topic.metadata.refresh.interval.ms": 10_000,
                **extra,
            }
        )

    def group_consumer(
        self, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> KafkaGroupConsumer:
        """Joins the group; partitions come at a later `consume`."""
        asked = self._settings.group_protocol
        if asked == "auto" and self._is_embedded:
            asked = "classic"

        def make(protocol: str) -> Consumer:
            return self._consumer(group, **self._membership(protocol))

        return KafkaGroupConsumer(
            make, [self._name(topic) for topic in topics], rebalance, self._settings.prefix, asked
        )

    def _membership(self, protocol: str) -> dict[str, Any]:
        if protocol == "consumer":
            return {"group.protocol": "consumer", "group.remote.assignor": "range"}
        return {
            "partition.assignment.strategy": "range",
            "session.timeout.ms": self._settings.session_timeout_ms,
            "heartbeat.interval.ms": self._settings.heartbeat_ms,
        }

    @functools.cached_property
    def _is_embedded(self) -> bool:
        """Whether this is librdkafka's mock cluster, on which only the classic protocol is proven,
        though it answers to the newer one."""
        metadata = patiently(lambda: self._admin_client().list_topics(timeout=CALL_TIMEOUT_S))
        return str(metadata.cluster_id).startswith(EMBEDDED_CLUSTER)

    def reader(self) -> KafkaReader:
        """A reader of no partitions yet."""
        return KafkaReader(
            self._consumer(self._name("slipwatch-reader"), **{"auto.offset.reset": "error"}),
            self._settings.prefix,
        )

    def transactional_producer(self, transactional_id: str) -> KafkaProducer:
        """Fences the producer of that id; waits until what it had open is aborted."""
        producer = Producer(
            {
                **self._client(),
                "transactional.id": self._name(transactional_id),
                "transaction.timeout.ms": self._settings.transaction_timeout_ms,
                "linger.ms": 1,
                "compression.type": self._settings.compression,
                "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
                "queue.buffering.max.kbytes": QUEUE_KBYTES_MAX,
                "message.max.bytes": 1_000_000,
            }
        )
        caller = Caller("kafka-calls")
        try:
            caller.call(producer.init_transactions, timeout_s=CALL_TIMEOUT_S)
        except (KafkaException, CallLost) as error:
            caller.close()
            del producer  # The error's traceback would keep it alive; see KafkaProducer.close.
            if isinstance(error, CallLost):
                raise Unavailable(CALL_LOST) from None
            raise translate(error.args[0]) from None
        timeout_s = self._settings.transaction_timeout_ms / 1000
        return KafkaProducer(producer, self._settings.prefix, timeout_s, caller)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        """Two requests for all partitions; one a partition where the broker cannot list them."""
        if self._admin_lists:
            stable = self._list(partitions, _latest(), IsolationLevel.READ_COMMITTED)
            if all(offset >= 0 for offset in stable.values()):
                high = self._list(partitions, _latest(), IsolationLevel.READ_UNCOMMITTED)
                return {p: EndOffsets(stable[p], max(high[p], stable[p])) for p in partitions}
            self._admin_lists = False
        ends: dict[Partition, EndOffsets] = {}
        for partition in partitions:
            stable_end = self._watermarks(partition, "read_committed")[1]
            ends[partition] = EndOffsets(
                stable_end, max(stable_end, self._watermarks(partition, "read_uncommitted")[1])
            )
        return ends

    def begin_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The first offset that is still there."""
        if self._admin_lists and partitions:
            earliest = self._list(partitions, _earliest(), IsolationLevel.READ_UNCOMMITTED)
            if all(offset >= 0 for offset in earliest.values()):
                return earliest
            self._admin_lists = False
        return {p: self._watermarks(p, "read_committed")[0] for p in partitions}

    def _list(
        self, partitions: Sequence[Partition], spec: OffsetSpec, isolation: IsolationLevel
    ) -> dict[Partition, int]:
        wanted = dict.fromkeys(self._topic_partitions(partitions), spec)
        length = len(self._settings.prefix)

        def ask() -> dict[Partition, int]:
            futures = self._admin_client().list_offsets(
                wanted, isolation_level=isolation, request_timeout=CALL_TIMEOUT_S
            )
            try:
                answers = {w: each.result(CALL_TIMEOUT_S).offset for w, each in futures.items()}
            except KafkaException as error:
                if knows_old_leaders(error.args[0]) and self._admin is not None:
                    # It would go on asking with the leader epochs of before the failover. It may
                    # not end here: its own thread may still be busy with the other answers.
                    self._worn_admins.append(self._admin)
                    self._admin = None
                raise
            return {Partition(w.topic[length:], w.partition): at for w, at in answers.items()}

        return patiently(ask)

    def _watermarks(self, partition: Partition, isolation: str) -> tuple[int, int]:
        probe = self._probes.get(isolation)
        if probe is None:
            probe = self._probes[isolation] = self._consumer(
                self._name("slipwatch-probe"), isolation
            )
        (where,) = self._topic_partitions([partition])
        return patiently(lambda: probe.get_watermark_offsets(where, timeout=CALL_TIMEOUT_S))

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic has; one request."""
        metadata = patiently(lambda: self._admin_client().list_topics(timeout=CALL_TIMEOUT_S))
        found = metadata.topics
        return {
            topic: len(found[self._name(topic)].partitions) if self._name(topic) in found else 0
            for topic in topics
        }

    def has_members(self, group: str) -> bool:
        """One request; a member that died counts until its session has ended."""

        def ask() -> bool:
            listed = self._admin_client().list_consumer_groups(request_timeout=CALL_TIMEOUT_S)
            groups = listed.result(CALL_TIMEOUT_S).valid
            return any(each.group_id == group and each.state not in _NO_MEMBERS for each in groups)

        return patiently(ask)

    def broker_clock_skew_ms(self, now: Callable[[], int]) -> int:
        """Writes a tombstone that nobody reads to `progress`, which the broker stamps.

        0 where the topic keeps the sender's time and so cannot tell, and on the embedded broker,
        which gives every record the same stamp and has no clock but this machine's.
        """
        if self._is_embedded:
            return 0
        stamps: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                kind, at = message.timestamp()
                if kind == TIMESTAMP_LOG_APPEND_TIME and at > 0:
                    stamps.append(at)

        producer = Producer(self._client())
        before = now()
        producer.produce(
            self._name("progress"), key=b"~clock", value=None, partition=0, on_delivery=delivered
        )
        producer.flush(CALL_TIMEOUT_S)
        if not stamps:
            return 0
        return stamps[0] - (before + now()) // 2

    def close(self) -> None:
        """Lets go of the clients made here."""
        for probe in self._probes.values():
            probe.close()
        self._probes.clear()
        self._admin = None
        self._worn_admins.clear()

    def _admin_client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._client())
        return self._admin
