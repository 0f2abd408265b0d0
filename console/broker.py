"""The view's clients of the broker, and what they answer in the view's own words.

Topics are named without the prefix; nothing is ever committed to the broker, for the view's offsets
lie in its database beside what was read up to them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Message as KafkaMessage

from console.cut import (
    GATE_TOPIC,
    LIVE_TOPICS,
    TICK_TOPICS,
    Message,
    Partition,
)
from schemas.ticks import TICK_HEADER

BATCH_RECORDS = 10_000
BROKER_TIMEOUT_SECONDS = 5.0

_librdkafka = logging.getLogger("slipwatch.librdkafka")


class BrokerFault(Exception):
    """The broker cannot be read now; the message says why. Trying again is the way out."""


class TopicsMissing(BrokerFault):
    """Topics that the view reads do not exist yet; the message names them and what to do."""


class Broker:
    """The three clients of a session, in the words of the view: unprefixed topics, offsets."""

    def __init__(self, client_config: Mapping[str, str], prefix: str) -> None:
        self._prefix = prefix
        self._heads = _consumer(client_config, prefix, "read_uncommitted")
        self.live = _consumer(client_config, prefix, "read_committed")
        self.tick = _consumer(client_config, prefix, "read_committed")

    def close(self) -> None:
        """Closes the clients; nothing is committed, the offsets are in the database."""
        for consumer in (self._heads, self.live, self.tick):
            consumer.close()

    def layout(self) -> tuple[str | None, dict[str, int]]:
        """The cluster's id and the number of partitions of each topic that the view needs."""
        with _faults():
            found = self._heads.list_topics(timeout=BROKER_TIMEOUT_SECONDS)
        needed = (*TICK_TOPICS, *LIVE_TOPICS, GATE_TOPIC)
        counts = {
            name: len(found.topics[self._prefix + name].partitions)
            for name in needed
            if self._prefix + name in found.topics
        }
        missing = [self._prefix + name for name in needed if not counts.get(name)]
        if missing:
            raise TopicsMissing(
                f"The broker has no topic {', '.join(missing)}. "
                "Create them with `slipwatch topics create`; the view goes on by itself then."
            )
        return found.cluster_id, counts

    def first_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The first offset that each partition still has."""
        return self._offsets(partitions, OFFSET_BEGINNING)

    def high_watermarks(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The end of each partition, open transactions included."""
        return self._offsets(partitions, OFFSET_END)

    def assign(self, consumer: Consumer, offsets: Mapping[Partition, int]) -> None:
        """Makes the consumer read these partitions from these offsets."""
        consumer.assign([self._named(at, offset) for at, offset in offsets.items()])

    def reached(self, consumer: Consumer, starts: Mapping[Partition, int]) -> dict[Partition, int]:
        """The next offset of each partition, past aborted records and markers."""
        with _faults():
            found = consumer.position([self._named(at, 0) for at in starts])
        positions = {self._unnamed(answer): answer.offset for answer in found}
        return {at: max(start, positions.get(at, start)) for at, start in starts.items()}

    def consume(self, consumer: Consumer, timeout_seconds: float) -> list[Message]:
        """Records as they come; raises BrokerFault for a fault that stops a partition."""
        # `consume` waits its whole timeout for a full batch; `poll` only for the first record.
        with _faults():
            first = consumer.poll(timeout_seconds)
            if first is None:
                return []
            rest = consumer.consume(BATCH_RECORDS - 1, 0)
        return [self._message(message) for message in (first, *rest)]

    def _offsets(self, partitions: Sequence[Partition], which: int) -> dict[Partition, int]:
        # Asking for the time -2 or -1 means the first or the last offset, all in one request.
        asked = [self._named(at, which) for at in partitions]
        with _faults():
            found = self._heads.offsets_for_times(asked, timeout=BROKER_TIMEOUT_SECONDS)
        for answer in found:
            if answer.error:
                raise BrokerFault(_plain(answer.error))
        return {self._unnamed(answer): answer.offset for answer in found}

    def _message(self, message: KafkaMessage) -> Message:
        error = message.error()
        if error is not None:
            raise BrokerFault(_plain(error))
        key, value = message.key(), message.value()
        return Message(
            str(message.topic()).removeprefix(self._prefix),
            message.partition() or 0,
            message.offset() or 0,
            (key or b"").decode(errors="replace"),
            value,
            None if value else _tombstone_tick(message),
        )

    def _named(self, at: Partition, offset: int) -> TopicPartition:
        return TopicPartition(self._prefix + at[0], at[1], offset)

    def _unnamed(self, at: TopicPartition) -> Partition:
        return at.topic.removeprefix(self._prefix), at.partition


def _consumer(client_config: Mapping[str, str], prefix: str, isolation: str) -> Consumer:
    config: dict[str, Any] = {
        **client_config,
        # It commits nothing; rights are given by prefix all the same.
        "group.id": f"{prefix}slipwatch-view",
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 65_536,
        "logger": _librdkafka,
    }
    return Consumer(config)


def _tombstone_tick(message: KafkaMessage) -> int | None:
    stated = dict(message.headers() or ()).get(TICK_HEADER)
    return int(stated) if stated is not None and stated.isdigit() else None


@contextmanager
def _faults() -> Iterator[None]:
    """Says faults of the client library in the view's words."""
    try:
        yield
    except KafkaException as error:
        cause = error.args[0] if error.args else error
        raise BrokerFault(_plain(cause)) from error


def _plain(cause: object) -> str:
    if isinstance(cause, KafkaError):
        return f"The broker cannot be read: {cause.str()} ({cause.name()})."
    return f"The broker cannot be read: {cause}."
