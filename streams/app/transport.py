"""Faust's Kafka transport, mended: its consumer reads committed records only.

Faust 0.15 reads uncommitted records unless its exactly-once mode is on, which has faults of its
own: an agent would deliver what an aborted transaction decided. Nothing in its settings changes
that, so the consumer that it made is changed before it starts. It also gets the range assignor:
`notifications` and `receipts` have equal partition counts, and one worker must own the same
partition of both. And it stops in time: aiokafka waits at its end for a rebalance to be over, which
another's death holds up for that one's session. This file can go when Faust has settings for these.
"""

from __future__ import annotations

import asyncio

import aiokafka
import structlog
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.drivers import aiokafka as driver

from streams.logs import SERVICE_LOGGER

LEAVE_SECONDS = 3.0
"""Leaving takes milliseconds, unless the group waits for somebody."""
NOT_LEFT = "delivery_group_not_left"

ISOLATION_ATTRIBUTE = "_isolation_level"
ASSIGNORS_ATTRIBUTE = "_partition_assignment_strategy"

log = structlog.stdlib.get_logger(__name__)


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

    async def on_thread_stop(self) -> None:
        """Leave the group; if it is not to be left in time, its session ends by itself."""
        try:
            await asyncio.wait_for(super().on_thread_stop(), LEAVE_SECONDS)
        except TimeoutError:
            log.warning(NOT_LEFT, waited_seconds=LEAVE_SECONDS)


class ReadCommittedConsumer(driver.Consumer):
    """Faust's consumer with the thread above."""

    logger = SERVICE_LOGGER

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)


class ReadCommittedTransport(driver.Transport):
    """Faust's transport with the consumer above."""

    Consumer = ReadCommittedConsumer
