"""The log on Kafka, by confluent-kafka: the only file that holds its clients for the engine.

Every call that can fail answers with an error of `streams.log`, which says what happened and what
to do. Topic names carry the installation's prefix here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.log import (
    EndOffsets,
    Fenced,
    LogError,
    OffsetGone,
    Partition,
    Rebalance,
    Record,
    TransactionAborted,
    Unavailable,
)

CALL_TIMEOUT_S = 15.0
QUEUE_MESSAGES_MAX = 2_000_000
QUEUE_KBYTES_MAX = 1 << 20
FETCH_BYTES_MAX = 8 << 20

_FENCED = {
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.FENCED_INSTANCE_ID,
}
_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
_PASSING = {
    KafkaError._PARTITION_EOF,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
    KafkaError._MAX_POLL_EXCEEDED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}


@dataclass(frozen=True, slots=True)
class KafkaLogSettings:
    """`client` is the connection part of a client's configuration. `group_protocol` is `consumer`
    (Apache Kafka 4) or `classic` (older brokers and the embedded one)."""

    client: Mapping[str, str | int | float | bool]
    prefix: str = ""
    group_protocol: str = "consumer"
    session_timeout_ms: int = 10_000
    transaction_timeout_ms: int = 10_000
    compression: str = "lz4"


class _Renamed:
    """A record under its name without the prefix."""

    __slots__ = ("_message", "_topic")

    def __init__(self, message: Message, prefix_length: int) -> None:
        self._message = message
        self._topic = (message.topic() or "")[prefix_length:]

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._message.partition() or 0

    def offset(self) -> int:
        return self._message.offset() or 0

    def key(self) -> bytes | None:
        return self._message.key()  # type: ignore[return-value]

    def value(self) -> bytes | None:
        return self._message.value()  # type: ignore[return-value]


def _records(messages: Sequence[Message], prefix: str) -> list[Record]:
    """The messages that are records; raises for the errors among them that do not pass."""
    good: list[Record] = []
    length = len(prefix)
    for message in messages:
        error = message.error()
        if error is None:
            good.append(_Renamed(message, length) if length else message)  # type: ignore[arg-type]
            continue
        if error.code() in _GONE:
            raise OffsetGone(
                f"records of {message.topic()}/{message.partition()} that must be read are gone "
                f"({error.str()})",
                "Lengthen the topic's retention; to accept the loss, choose a new prefix and "
                "rebuild from what is left.",
            )
        if error.fatal():
            raise _translate(error)
        if error.code() not in _PASSING:
            raise LogError(f"reading {message.topic()} failed: {error.str()}")
    return good


def _translate(error: KafkaError) -> LogError:
    text = error.str()
    if error.code() in _FENCED:
        return Fenced(f"another process took over this one's identity ({text})")
    if error.txn_requires_abort():
        return TransactionAborted(f"the transaction was aborted: {text}")
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return LogError(
            f"a record is larger than the broker takes: {text}",
            "Raise max.message.bytes of the topic, or lower the limits in the policy.",
        )
    if error.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
        return Unavailable(f"the broker did not answer: {text}", "Is it running and reachable?")
    return LogError(f"the broker refused: {text}")


class KafkaLog:
    """A connection to a Kafka cluster."""

    def __init__(self, settings: KafkaLogSettings) -> None:
        self._settings = settings
        self._admin: AdminClient | None = None
        self._probe: Consumer | None = None
        self._uncommitted: Consumer | None = None
        self._admin_lists = True

    def _name(self, topic: str) -> str:
        return self._settings.prefix + topic

    def _topic_partitions(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        return [TopicPartition(self._name(p.topic), p.number) for p in partitions]

    def _client(self, **extra: str | int | float | bool) -> dict[str, Any]:
        return {
            **self._settings.client,
            **{name.replace("_", "."): value for name, value in extra.items()},
            "log_level": 2,
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
                **extra,
            }
        )

    def group_consumer(
        self, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> KafkaGroupConsumer:
        """Joins the group; partitions come at a later `consume`."""
        if self._settings.group_protocol == "consumer":
            extra: dict[str, Any] = {"group.protocol": "consumer", "group.remote.assignor": "range"}
        else:
            extra = {
                "partition.assignment.strategy": "range",
                "session.timeout.ms": self._settings.session_timeout_ms,
                "heartbeat.interval.ms": max(100, self._settings.session_timeout_ms // 6),
            }
        consumer = self._consumer(group, **extra)
        return KafkaGroupConsumer(
            consumer,
            [self._name(topic) for topic in topics],
            rebalance,
            self._settings.prefix,
            incremental=self._settings.group_protocol == "consumer",
        )

    def reader(self) -> KafkaReader:
        """A reader of no partitions yet."""
        return KafkaReader(
            self._consumer("slipwatch-reader", **{"auto.offset.reset": "error"}),
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
        try:
            producer.init_transactions(3 * CALL_TIMEOUT_S)
        except KafkaException as error:
            raise _translate(error.args[0]) from error
        return KafkaProducer(producer, self._settings.prefix)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        """Two requests for all partitions; one a partition where the broker cannot list them."""
        if self._admin_lists:
            stable = self._list(partitions, IsolationLevel.READ_COMMITTED)
            if all(offset >= 0 for offset in stable.values()):
                high = self._list(partitions, IsolationLevel.READ_UNCOMMITTED)
                return {p: EndOffsets(stable[p], max(high[p], stable[p])) for p in partitions}
            self._admin_lists = False
        return {p: self._watermarks(p) for p in partitions}

    def _list(
        self, partitions: Sequence[Partition], isolation: IsolationLevel
    ) -> dict[Partition, int]:
        wanted = dict.fromkeys(self._topic_partitions(partitions), OffsetSpec.latest())
        length = len(self._settings.prefix)
        offsets: dict[Partition, int] = {}
        try:
            futures = self._admin_client().list_offsets(
                wanted, isolation_level=isolation, request_timeout=CALL_TIMEOUT_S
            )
            for where, future in futures.items():
                answer = future.result(CALL_TIMEOUT_S)
                offsets[Partition(where.topic[length:], where.partition)] = answer.offset
        except KafkaException as error:
            raise Unavailable(
                f"a partition did not say where it ends: {error.args[0].str()}",
                "A broker may be down.",
            ) from error
        except TimeoutError as error:
            raise Unavailable("a partition did not say where it ends") from error
        return offsets

    def _watermarks(self, partition: Partition) -> EndOffsets:
        if self._probe is None or self._uncommitted is None:
            self._probe = self._consumer("slipwatch-probe")
            self._uncommitted = self._consumer("slipwatch-probe", "read_uncommitted")
        (where,) = self._topic_partitions([partition])
        try:
            stable = self._probe.get_watermark_offsets(where, timeout=CALL_TIMEOUT_S)
            high = self._uncommitted.get_watermark_offsets(where, timeout=CALL_TIMEOUT_S)
        except KafkaException as error:
            raise _translate(error.args[0]) from error
        if stable is None or high is None:
            raise Unavailable(f"{partition.topic}/{partition.number} did not say where it ends")
        return EndOffsets(stable[1], max(high[1], stable[1]))

    def begin_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The first offset that is still there."""
        if self._probe is None:
            self._probe = self._consumer("slipwatch-probe")
            self._uncommitted = self._consumer("slipwatch-probe", "read_uncommitted")
        begins: dict[Partition, int] = {}
        for partition, where in zip(partitions, self._topic_partitions(partitions), strict=True):
            try:
                found = self._probe.get_watermark_offsets(where, timeout=CALL_TIMEOUT_S)
            except KafkaException as error:
                raise _translate(error.args[0]) from error
            if found is None:
                raise Unavailable(f"{partition.topic}/{partition.number} did not answer")
            begins[partition] = found[0]
        return begins

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic has; one request."""
        try:
            metadata = self._admin_client().list_topics(timeout=CALL_TIMEOUT_S)
        except KafkaException as error:
            raise _translate(error.args[0]) from error
        found = metadata.topics
        return {
            topic: len(found[self._name(topic)].partitions) if self._name(topic) in found else 0
            for topic in topics
        }

    def broker_clock_skew_ms(self, now: Callable[[], int]) -> int:
        """Writes a tombstone that nobody reads to `progress`, which the broker stamps.

        0 where the topic keeps the sender's time and so cannot tell.
        """
        stamps: list[int] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                kind, at = message.timestamp()
                if kind == TIMESTAMP_LOG_APPEND_TIME:
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
        for consumer in (self._probe, self._uncommitted):
            if consumer is not None:
                consumer.close()
        self._probe = self._uncommitted = self._admin = None

    def _admin_client(self) -> AdminClient:
        if self._admin is None:
            self._admin = AdminClient(self._client())
        return self._admin


class KafkaGroupConsumer:
    """A member of the group. Assignments arrive inside `consume`, on the caller's thread."""

    def __init__(
        self,
        consumer: Consumer,
        topics: list[str],
        rebalance: Rebalance,
        prefix: str,
        incremental: bool,
    ) -> None:
        self._consumer = consumer
        self._rebalance = rebalance
        self._prefix = prefix
        self._incremental = incremental
        self._failure: Exception | None = None
        consumer.subscribe(
            topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def _partition(self, where: TopicPartition) -> Partition:
        return Partition(where.topic[len(self._prefix) :], where.partition)

    def _where(self, partition: Partition, offset: int | None = None) -> TopicPartition:
        name = self._prefix + partition.topic
        if offset is None:
            return TopicPartition(name, partition.number)
        return TopicPartition(name, partition.number, offset)

    def _assigned(self, consumer: Consumer, wheres: list[TopicPartition]) -> None:
        try:
            offsets = self._rebalance.assigned([self._partition(where) for where in wheres])
            starts = [self._where(partition, offset) for partition, offset in offsets.items()]
            if self._incremental:
                consumer.incremental_assign(starts)
            else:
                consumer.assign(starts)
            consumer.pause([self._where(partition) for partition in offsets])
        except (LogError, LookupError) as error:
            # Raised again by `consume`: the client swallows what its callbacks raise.
            self._failure = error

    def _revoked(self, consumer: Consumer, wheres: list[TopicPartition]) -> None:
        try:
            self._rebalance.revoked([self._partition(where) for where in wheres])
        finally:
            if self._incremental:
                consumer.incremental_unassign(wheres)
            else:
                consumer.unassign()

    def consume(self, records_max: int, timeout_s: float) -> Sequence[Record]:
        """Takes part in rebalances, then reads."""
        try:
            messages = self._consumer.consume(records_max, timeout_s)
        except KafkaException as error:
            raise _translate(error.args[0]) from error
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return _records(messages, self._prefix)

    def positions(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """Where reading stands; a partition of which nothing was read yet is left out."""
        wheres = self._consumer.position([self._where(p) for p in partitions])
        return {self._partition(where): where.offset for where in wheres if where.offset >= 0}

    def seek(self, partition: Partition, offset: int) -> None:
        """Reads on from there."""
        self._consumer.seek(self._where(partition, offset))

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Reads no more of these."""
        self._consumer.pause([self._where(p) for p in partitions])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Reads these again."""
        self._consumer.resume([self._where(p) for p in partitions])

    def group_metadata(self) -> Any:
        """What fences a member that was left behind."""
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        """Leaves the group."""
        self._consumer.close()


class KafkaReader:
    """A reader outside any group."""

    def __init__(self, consumer: Consumer, prefix: str) -> None:
        self._consumer = consumer
        self._prefix = prefix
        self._starts: dict[Partition, int] = {}

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        """Reads these partitions from there."""
        self._starts = dict(offsets)
        self._consumer.assign(
            [TopicPartition(self._prefix + p.topic, p.number, at) for p, at in offsets.items()]
        )

    def read(self, records_max: int, timeout_s: float) -> Sequence[Record]:
        """The next committed records."""
        try:
            messages = self._consumer.consume(records_max, timeout_s)
        except KafkaException as error:
            raise _translate(error.args[0]) from error
        return _records(messages, self._prefix)

    def positions(self) -> Mapping[Partition, int]:
        """Where reading stands; where it began as long as nothing was read."""
        if not self._starts:
            return {}
        wheres = self._consumer.position(
            [TopicPartition(self._prefix + p.topic, p.number) for p in self._starts]
        )
        found = dict(self._starts)
        for where in wheres:
            if where.offset != OFFSET_INVALID and where.offset >= 0:
                found[Partition(where.topic[len(self._prefix) :], where.partition)] = where.offset
        return found

    def close(self) -> None:
        """Reads no more."""
        self._consumer.close()


class KafkaProducer:
    """A transactional producer."""

    def __init__(self, producer: Producer, prefix: str) -> None:
        self._producer = producer
        self._prefix = prefix

    def begin(self) -> None:
        """Begins a transaction."""
        self._call(self._producer.begin_transaction)

    def produce(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """One record of the transaction; waits while the client's queue is full."""
        while True:
            try:
                self._producer.produce(self._prefix + topic, value, key, partition)
            except BufferError:
                self._producer.poll(0.01)
            except KafkaException as error:
                raise _translate(error.args[0]) from error
            else:
                return

    def flush(self) -> None:
        """Waits until the broker has taken every record."""
        left = self._producer.flush(CALL_TIMEOUT_S)
        if left:
            raise TransactionAborted(f"{left} records were not taken by the broker in time")

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        """Flushes, then adds the offsets: a member that was left behind is refused here."""
        self.flush()
        wheres = [
            TopicPartition(self._prefix + p.topic, p.number, offset)
            for p, offset in offsets.items()
        ]
        self._call(self._producer.send_offsets_to_transaction, wheres, metadata, CALL_TIMEOUT_S)

    def commit(self) -> None:
        """Ends the transaction; all of it is visible at once."""
        self._call(self._producer.commit_transaction, CALL_TIMEOUT_S)

    def abort(self) -> None:
        """Ends the transaction; none of it is ever read."""
        self._call(self._producer.abort_transaction, CALL_TIMEOUT_S)

    def close(self) -> None:
        """Lets go; what is open is aborted by its timeout or by the next of this id."""
        self._producer.purge()

    def _call(self, operation: Callable[..., Any], *arguments: Any) -> None:
        """Calls, again while the error says that the same call may go through."""
        deadline = time.monotonic() + 4 * CALL_TIMEOUT_S
        while True:
            try:
                operation(*arguments)
            except KafkaException as error:
                fault: KafkaError = error.args[0]
                if fault.retriable() and time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                raise _translate(fault) from error
            else:
                return
