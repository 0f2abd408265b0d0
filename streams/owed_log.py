"""What delivery reads from the log, and where it stores how far everything is settled.

Every call blocks, is made in a thread of its own, and raises LogError when the log does not
answer. Records are read committed; the positions of a Faust consumer play no part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.records import Notification, Receipt, decode
from streams.clients import LibrdkafkaConfig
from streams.delivery import Answers, Checkpoint
from streams.engine.log import Log, Partition, Unavailable
from streams.ranges import read_range

NOTIFICATIONS = "notifications"
RECEIPTS = "receipts"
STORE_TIMEOUT_SECONDS = 10.0


class Found(NamedTuple):
    """A record of `notifications`; None if it is no notification."""

    offset: int
    notification: Notification | None


class Scan(NamedTuple):
    """Records in order, and the offset up to which the partition was looked at."""

    found: list[Found]
    scanned_to: int
    is_at_end: bool


class OwedLog:
    """Reads notifications and receipts of one partition number at a time, from given offsets."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def scan(
        self,
        number: int,
        start: int,
        *,
        records_max: int,
        wanted: Callable[[Notification], bool] | None = None,
    ) -> Scan:
        """The notifications from the offset to the present end, at most so many of the wanted."""
        partition = Partition(NOTIFICATIONS, number)
        found: list[Found] = []
        end = self._end(partition)
        scanned_to = start
        for record in read_range(self._log, partition, start, end):
            scanned_to = record.offset() + 1
            notification = read_notification(record.value())
            if wanted is None or (notification is not None and wanted(notification)):
                found.append(Found(record.offset(), notification))
                if len(found) >= records_max:
                    return Scan(found, scanned_to, scanned_to >= end)
        return Scan(found, max(start, end), True)

    def answers(self, number: int, start: int) -> tuple[Answers, int]:
        """What the receipts from the offset to the present end say, and that end."""
        partition = Partition(RECEIPTS, number)
        end = self._end(partition)
        answers = Answers()
        for record in read_range(self._log, partition, start, end):
            receipt = read_receipt(record.value())
            if receipt is not None:
                answers.add(receipt, record.offset())
        return answers, end

    def beginning(self, number: int) -> Checkpoint:
        """The first offsets that are still in the log."""
        notifications, receipts = Partition(NOTIFICATIONS, number), Partition(RECEIPTS, number)
        begins = self._log.begin_offsets([notifications, receipts])
        return Checkpoint(begins[notifications], begins[receipts])

    def _end(self, partition: Partition) -> int:
        return self._log.end_offsets([partition])[partition].stable


class CheckpointStore:
    """Keeps checkpoints as committed offsets of a consumer group that has no members.

    The broker forgets them some days after the last worker stopped; delivery then begins at the
    first record, which is slower and as right.
    """

    def __init__(self, client: LibrdkafkaConfig, group: str, prefix: str) -> None:
        self._prefix = prefix
        self._consumer = Consumer(
            {**client, "group.id": group, "enable.auto.commit": False, "log_level": 2}
        )

    def load(self, number: int) -> Checkpoint | None:
        """The checkpoint that was stored last; None if there is none."""
        places = [self._place(topic, number) for topic in (NOTIFICATIONS, RECEIPTS)]
        try:
            found = self._consumer.committed(places, timeout=STORE_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise Unavailable(f"no answer about stored offsets: {error.args[0].str()}") from error
        offsets = {place.topic: place.offset for place in found}
        notifications = offsets[self._prefix + NOTIFICATIONS]
        receipts = offsets[self._prefix + RECEIPTS]
        if notifications < 0 or receipts < 0:
            return None
        return Checkpoint(notifications, receipts)

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        """Store the checkpoint, both offsets at once."""
        places = [
            self._place(NOTIFICATIONS, number, checkpoint.notifications),
            self._place(RECEIPTS, number, checkpoint.receipts),
        ]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            raise Unavailable(f"offsets were not stored: {error.args[0].str()}") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _place(self, topic: str, number: int, offset: int | None = None) -> TopicPartition:
        name = self._prefix + topic
        if offset is None:
            return TopicPartition(name, number)
        return TopicPartition(name, number, offset)


def read_notification(value: bytes | None) -> Notification | None:
    """The notification in the record; None if it is none."""
    try:
        return decode(value, Notification) if value is not None else None
    except msgspec.DecodeError:
        return None


def read_receipt(value: bytes | None) -> Receipt | None:
    """The receipt in the record; None if it is none."""
    try:
        return decode(value, Receipt) if value is not None else None
    except msgspec.DecodeError:
        return None
