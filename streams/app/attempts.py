"""One delivery: attempts until it is taken, refused for good, or has failed too often; then the
receipt, until the broker has it."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from alerts.sinks import Permanent, Recoverable, Sink
from schemas.records import Receipt
from streams import metrics
from streams.backoff import backoff_seconds
from streams.delivery import Checkpoint, DeliveryOutcome, Lane, Owed
from streams.metrics import Metrics
from streams.owed_log import OwedLog
from streams.settings import DeliverySettings

DELIVERIES_AT_ONCE_PER_SINK = 16
"""A slow webhook is called for at most so many recipients at once; each has its own limit."""
LOG_RETRY_SECONDS_MIN = 0.5
LOG_RETRY_SECONDS_MAX = 30.0
POLICY_LOOK_SECONDS = 1.0
POLICY_WAIT_SECONDS = 0.1
"""Between two looks at whether the policy has been read, when a worker starts."""

DELIVERY_FAILED = "delivery_failed"
DELIVERY_PARKED = "delivery_parked"
RECEIPT_NOT_WRITTEN = "receipt_not_written"

log = structlog.stdlib.get_logger(__name__)

WriteReceipt = Callable[[int, Receipt], Awaitable[int]]
"""Writes a receipt to the partition and answers with its offset once the broker has it. Raises
ReceiptLost when that is not certain."""


class ReceiptLost(Exception):
    """The broker did not confirm a receipt; whether it is there is not known."""


class Checkpoints(Protocol):
    """Keeps the checkpoint of each partition; both calls block and raise LogError."""

    def load(self, number: int) -> Checkpoint | None: ...
    def save(self, number: int, checkpoint: Checkpoint) -> None: ...


@dataclass(frozen=True)
class Ports:
    """What the desk has of the world: `now` for receipts, `chance` in [0, 1) for waits, `is_shadow`
    for whether nobody is to be told, None while that is not known."""

    source: OwedLog
    store: Checkpoints
    write_receipt: WriteReceipt
    now: Callable[[], dt.datetime]
    chance: Callable[[], float]
    is_shadow: Callable[[], bool | None]


class Attempts:
    """Delivers one notification on one sink; several at a time."""

    def __init__(
        self,
        settings: DeliverySettings,
        sinks: Mapping[str, Sink],
        ports: Ports,
        kept: Metrics,
    ) -> None:
        self._settings = settings
        self._sinks = sinks
        self._ports = ports
        self._metrics = kept
        self._at_once = {name: asyncio.Semaphore(DELIVERIES_AT_ONCE_PER_SINK) for name in sinks}

    async def settle(self, number: int, lane: Lane, owed: Owed) -> int:
        """Deliver or park it, and write the receipt to the partition; the receipt's offset."""
        receipt = await self._deliver(lane, owed)
        return await self._confirm(number, receipt)

    async def _deliver(self, lane: Lane, owed: Owed) -> Receipt:
        """Try until it is delivered, refused for good, or has failed too often, or until nobody is
        to be told."""
        notification = owed.notification
        sink = self._sinks.get(lane.sink)
        if sink is None:
            return self._receipt(lane, owed, DeliveryOutcome.PARKED, 0, "no such sink here")
        failures = 0
        while True:
            if await self._is_shadow():
                why = "shadow mode: nobody is told"
                return self._receipt(lane, owed, DeliveryOutcome.WITHHELD, failures, why)
            began = time.monotonic()
            try:
                async with (
                    self._at_once[lane.sink],
                    asyncio.timeout(self._settings.timeout_seconds),
                ):
                    await sink.deliver(notification)
            except (Recoverable, Permanent, TimeoutError) as error:
                failures += 1
                is_last = isinstance(error, Permanent) or failures >= self._settings.attempts_max
                why = str(error) or f"no answer in {self._settings.timeout_seconds:g} s"
                self._metrics.count(metrics.DELIVERY_FAILURES, sink=lane.sink)
                log.warning(
                    DELIVERY_FAILED,
                    notification=notification.notification_id,
                    sink=lane.sink,
                    failures=failures,
                    why=why,
                )
                if is_last:
                    return self._receipt(lane, owed, DeliveryOutcome.PARKED, failures, why)
                asked = error.retry_after_s if isinstance(error, Recoverable) else None
                await self._pause(max(self._backoff(failures), asked or 0.0))
            else:
                seconds = time.monotonic() - began
                self._metrics.observe(metrics.DELIVERY_SECONDS, seconds, sink=lane.sink)
                return self._receipt(lane, owed, DeliveryOutcome.DELIVERED, failures + 1, "")

    async def _is_shadow(self) -> bool:
        """Whether nobody is to be told; waits until that is known."""
        while (is_shadow := self._ports.is_shadow()) is None:  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(POLICY_WAIT_SECONDS)
        return is_shadow

    async def _pause(self, seconds: float) -> None:
        """Wait before the next attempt, not beyond the beginning of shadow mode."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._ports.is_shadow():  # noqa: ASYNC110
            await asyncio.sleep(min(left, POLICY_LOOK_SECONDS))

    def _receipt(
        self, lane: Lane, owed: Owed, outcome: DeliveryOutcome, attempts: int, detail: str
    ) -> Receipt:
        return Receipt(
            notification_id=owed.notification.notification_id,
            recipient=lane.recipient,
            sink=lane.sink,
            outcome=outcome.value,
            attempts=attempts,
            at=self._ports.now(),
            detail=detail,
        )

    async def _confirm(self, number: int, receipt: Receipt) -> int:
        """Write the receipt until the broker has it; only then is the notification settled."""
        failures = 0
        while True:
            try:
                offset = await self._ports.write_receipt(number, receipt)
            except ReceiptLost as error:
                failures += 1
                log.warning(RECEIPT_NOT_WRITTEN, why=str(error), failures=failures)
                await asyncio.sleep(self.log_backoff(failures))
            else:
                self._metrics.count(
                    metrics.NOTIFICATIONS, sink=receipt.sink, outcome=receipt.outcome
                )
                if receipt.outcome == DeliveryOutcome.PARKED:
                    log.error(
                        DELIVERY_PARKED,
                        notification=receipt.notification_id,
                        sink=receipt.sink,
                        why=receipt.detail,
                    )
                return offset

    def _backoff(self, failures: int) -> float:
        least, most = self._settings.backoff_seconds_min, self._settings.backoff_seconds_max
        return backoff_seconds(failures, least, most, self._ports.chance())

    def log_backoff(self, failures: int) -> float:
        """How long to wait for a log that did not answer so many times in a row."""
        return backoff_seconds(
            failures, LOG_RETRY_SECONDS_MIN, LOG_RETRY_SECONDS_MAX, self._ports.chance()
        )
