"""Faust's Kafka transport, mended: its consumer reads committed records only.

Faust 0.15 reads uncommitted records unless its exactly-once mode is on, which has faults of its
own: an agent would deliver what an aborted transaction decided. Nothing in its settings changes
that, so the consumer that it made is changed before it starts. It also gets the range assignor:
`notifications` and `receipts` have equal partition counts, and one worker must own the same
partition of both. This file can go when Faust has settings for both.
"""

from __future__ import annotations

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.drivers import aiokafka as driver

from streams.logs import SERVICE_LOGGER

ISOLATION_ATTRIBUTE = "_isolation_level"
ASSIGNORS_ATTRIBUTE = "_partition_assignment_strategy"


class TransportChanged(Exception):
    """This release of aiokafka keeps its settings elsewhere; the mend would do nothing."""


class ReadCommittedThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer."""

    logger = SERVICE_LOGGER

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        for name, value in (
            (ISOLATION_ATTRIBUTE, "read_committed"),
            (ASSIGNORS_ATTRIBUTE, [RangePartitionAssignor]),
        ):
            if not hasattr(consumer, name):
                raise TransportChanged(f"aiokafka {aiokafka.__version__} has no {name}")
            setattr(consumer, name, value)
        return consumer


class ReadCommittedConsumer(driver.Consumer):
    """Faust's consumer with the thread above."""

    logger = SERVICE_LOGGER

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)


class ReadCommittedTransport(driver.Transport):
    """Faust's transport with the consumer above."""

    Consumer = ReadCommittedConsumer
