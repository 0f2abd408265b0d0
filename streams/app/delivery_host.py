"""Delivery as part of the Faust app: two agents, the assignment, and the receipts' way out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError
from faust.types import TP, EventT, StreamT
from mode import Service

from alerts.sinks import Sink
from schemas.records import Receipt, encode
from schemas.units import instant
from streams.app.attempts import Ports, ReceiptLost
from streams.app.delivering import DeliveryDesk
from streams.broker.topics import full_name
from streams.clients import librdkafka_config
from streams.delivery import ReceiptId
from streams.engine.clock import Clock
from streams.engine.log import Log
from streams.logs import SERVICE_LOGGER
from streams.metrics import Metrics
from streams.owed_log import NOTIFICATIONS, RECEIPTS, CheckpointStore, OwedLog
from streams.settings import Settings

SEND_TIMEOUT_SECONDS = 15.0
DELIVERY_CRASHED = "delivery_crashed"

log = structlog.stdlib.get_logger(__name__)


class DeliveryHost(Service):
    """Owns the desk, feeds it from Faust's agents, and crashes the app when it fails.

    `failure` says why, for the process's exit code and last line.
    """

    abstract = False
    logger = SERVICE_LOGGER

    def __init__(
        self,
        app: faust.App,
        settings: Settings,
        sinks: Mapping[str, Sink],
        source: Log,
        clock: Clock,
        kept: Metrics,
        is_shadow: Callable[[], bool | None],
    ) -> None:
        self.failure: BaseException | None = None
        self._sinks = sinks
        prefix = settings.topics.prefix
        self._notifications = full_name(prefix, NOTIFICATIONS)
        self._receipts = full_name(prefix, RECEIPTS)
        self._receipts_topic = app.topic(self._receipts, key_type=bytes, value_type=bytes)
        self._store = CheckpointStore(
            librdkafka_config(settings.kafka), f"{app.conf.id}-checkpoints", prefix
        )
        ports = Ports(
            source=OwedLog(source),
            store=self._store,
            write_receipt=self._write,
            now=lambda: instant(clock.now()),
            # Jitter only; nothing that anyone reads depends on it.
            chance=random.random,
            is_shadow=is_shadow,
        )
        self.desk = DeliveryDesk(settings.delivery, sinks, ports, kept, self._failed)
        self._add_agents(app)
        super().__init__()

    async def on_stop(self) -> None:
        """Finish what is on its way, keep the books."""
        await self.desk.close()
        for sink in self._sinks.values():
            await sink.close()
        await asyncio.to_thread(self._store.close)

    def _add_agents(self, app: faust.App) -> None:
        notifications = app.topic(self._notifications, key_type=bytes, value_type=bytes)

        @app.agent(notifications, name="deliver", concurrency=1)
        async def deliver(stream: StreamT[bytes]) -> None:
            async for event in stream.events():
                self._take(event, is_receipt=False)

        @app.agent(self._receipts_topic, name="requests", concurrency=1)
        async def requests(stream: StreamT[bytes]) -> None:
            async for event in stream.events():
                self._take(event, is_receipt=True)

        @app.on_partitions_assigned.connect
        async def assigned(_app: Any, /, *partitions: Any, signal: Any, **_: Any) -> None:
            await self.desk.assigned(self._numbers(*partitions))

        @app.on_partitions_revoked.connect
        async def revoked(_app: Any, /, *partitions: Any, signal: Any, **_: Any) -> None:
            await self.desk.revoked(self._numbers(*partitions))

        # Faust holds its receivers weakly.
        self._receivers = (deliver, requests, assigned, revoked)

    def _take(self, event: EventT[bytes], *, is_receipt: bool) -> None:
        message = event.message
        take = self.desk.receipted if is_receipt else self.desk.notified
        try:
            take(message.partition, message.offset, message.value)
        except BaseException as error:
            # Faust would log it and begin the agent anew.
            self._failed(error)
            raise

    def _numbers(self, partitions: set[TP]) -> set[int]:
        return {each.partition for each in partitions if each.topic == self._notifications}

    async def _write(self, number: int, receipt: Receipt) -> int:
        about = ReceiptId(receipt.notification_id, receipt.sink)
        try:
            sent = await self._receipts_topic.send(
                key=about.key(), value=encode(receipt), partition=number
            )
            metadata = await asyncio.wait_for(sent, SEND_TIMEOUT_SECONDS)
        except (KafkaError, FaustError, TimeoutError) as error:
            raise ReceiptLost(str(error) or type(error).__name__) from error
        return metadata.offset

    def _failed(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
            log.error(DELIVERY_CRASHED, exc_info=error)
            self._crashing = asyncio.ensure_future(self.crash(error))
