"""The engine's three clients on Kafka: a member of a group, a reader, a transactional producer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from streams.engine.kafka_calls import CALL_LOST, Caller, CallLost
from streams.engine.kafka_errors import (
    CALL_TIMEOUT_S,
    by_partition,
    refuses_protocol,
    tells_fatal,
    translate,
)
from streams.engine.log import (
    Entry,
    Expired,
    Fenced,
    Headers,
    LogError,
    Partition,
    Rebalance,
    TransactionAborted,
    Unavailable,
)

CLOSE_S = 4.0
"""What leaving the group may take."""
LAST_CALL_S = 2.0
"""What a call may take that is made when the transaction's time is up, such as to abort it."""


def _consume(consumer: Consumer, records_max: int, timeout_s: float) -> list[Message]:
    """Waits for the first message only: `Consumer.consume` would wait for a full batch."""
    try:
        first = consumer.poll(timeout_s)
        if first is None:
            return []
        return [first, *consumer.consume(records_max, 0)]
    except KafkaException as error:
        raise translate(error.args[0]) from error


class KafkaGroupConsumer:
    """A member of the group. Assignments arrive inside `consume`, on the caller's thread."""

    def __init__(
        self,
        make: Callable[[str], Consumer],
        topics: list[str],
        rebalance: Rebalance,
        prefix: str,
        protocol: str,
    ) -> None:
        """`make` gives a client that speaks a protocol, `consumer` or `classic`; with `auto` the
        second follows when the broker refuses the first."""
        self._make = make
        self._topics = topics
        self._rebalance = rebalance
        self._prefix = prefix
        self._may_fall_back = protocol == "auto"
        self._failure: Exception | None = None
        self._is_lost = False
        self._join("consumer" if protocol == "auto" else protocol)

    def _join(self, protocol: str) -> None:
        self.protocol = protocol
        self._incremental = protocol == "consumer"
        self._consumer = self._make(protocol)
        self._consumer.subscribe(
            self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
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
            if not self._is_lost:
                self._rebalance.revoked([self._partition(where) for where in wheres])
        finally:
            if self._incremental:
                consumer.incremental_unassign(wheres)
            else:
                consumer.unassign()

    def consume(self, records_max: int, timeout_s: float) -> Mapping[Partition, Sequence[Entry]]:
        """Takes part in rebalances, then reads."""
        messages = _consume(self._consumer, records_max, timeout_s)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._may_fall_back and self._incremental and any(map(refuses_protocol, messages)):
            self._consumer.close()
            self._join("classic")
            return {}
        return by_partition(messages, self._prefix)

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
        """Leaves the group. A client that cannot is left behind: the broker misses it by itself."""
        caller = Caller("kafka-close")
        try:
            caller.call(lambda _: self._consumer.close(), timeout_s=CLOSE_S)
        except CallLost:
            self._is_lost = True
        finally:
            caller.close()


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

    def read(self, records_max: int, timeout_s: float) -> Mapping[Partition, Sequence[Entry]]:
        """The next committed records."""
        return by_partition(_consume(self._consumer, records_max, timeout_s), self._prefix)

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

    def __init__(self, producer: Producer, prefix: str, timeout_s: float, caller: Caller) -> None:
        """`timeout_s` is how long the broker lets a transaction last; `caller` is this client's."""
        self._caller = caller
        self._producer = producer
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._began_s = time.monotonic()
        self._is_lost = False

    def begin(self) -> None:
        """Begins a transaction."""
        self._began_s = time.monotonic()
        try:
            self._producer.begin_transaction()
        except KafkaException as error:
            raise self._judged(error.args[0]) from error

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """One record of the transaction; waits while the client's queue is full."""
        name = self._prefix + topic
        while True:
            try:
                if headers is None:
                    self._producer.produce(name, value, key, partition)
                else:
                    self._producer.produce(name, value, key, partition, headers=headers)
            except BufferError:
                self._producer.poll(0.01)
            except KafkaException as error:
                raise self._judged(error.args[0]) from error
            else:
                return

    def flush(self) -> None:
        """Waits until the broker has taken every record."""
        try:
            left = self._producer.flush(CALL_TIMEOUT_S)
        except KafkaException as error:
            raise self._judged(error.args[0]) from error
        if left:
            raise TransactionAborted(f"{left} records were not taken by the broker in time")

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        """Flushes, then adds the offsets: a member that was left behind is refused here."""
        self.flush()
        wheres = [
            TopicPartition(self._prefix + p.topic, p.number, offset)
            for p, offset in offsets.items()
        ]
        self._call(self._producer.send_offsets_to_transaction, wheres, metadata)

    def commit(self) -> None:
        """Ends the transaction; all of it is visible at once."""
        self._call(self._producer.commit_transaction)

    def abort(self) -> None:
        """Ends the transaction; none of it is ever read."""
        self._call(self._producer.abort_transaction)

    def close(self) -> None:
        """Lets go; what is open is aborted by its timeout or by the next of this id.

        The client must be gone and not only unused: it would go on asking for its identity in the
        background, and shut out the next of this id when the broker is back. `Producer.close` is
        no way to do it: it waits for the broker.
        """
        self._caller.close()
        if not self._is_lost:
            self._producer.purge()
        del self._producer

    def _call(self, operation: Callable[..., Any], *arguments: Any) -> None:
        """Calls, again while the error says that the same call may go through and the transaction
        may still last. After that, or when the call is lost, only a new client helps."""
        while True:
            left_s = self._began_s + self._timeout_s - time.monotonic()
            try:
                self._caller.call(operation, *arguments, timeout_s=max(LAST_CALL_S, left_s))
            except CallLost as error:
                self._is_lost = True
                raise Unavailable(CALL_LOST) from error
            except KafkaException as error:
                fault: KafkaError = error.args[0]
                if fault.retriable() and left_s > LAST_CALL_S:
                    time.sleep(0.05)
                    continue
                raise self._judged(fault) from error
            else:
                return

    def _judged(self, error: KafkaError) -> LogError:
        """The broker says the same of a producer that was replaced and of one that took too long;
        how long this one took tells them apart."""
        is_over = isinstance(translate(error), Fenced) or tells_fatal(error)
        if is_over and time.monotonic() - self._began_s >= self._timeout_s:
            return Expired(
                f"a transaction took longer than the {self._timeout_s:g} s it may last, and the "
                "broker ended it"
            )
        if tells_fatal(error):
            return Unavailable(f"the client could not go on as it was: {error.str()}")
        return translate(error)
