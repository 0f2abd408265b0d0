"""The shell of delivery: lanes as tasks, sinks, waits, receipts. `streams.delivery` decides.

At each assignment the desk reads back, from its own checkpoint and on its own reader, what is owed;
what Faust's agents hand over is only the quicker way to learn of the same records. A lane that is
stuck holds up nobody else. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from alerts.sinks import Sink
from schemas.records import Receipt
from streams import metrics
from streams.app.attempts import Attempts, Ports
from streams.delivery import (
    Answers,
    Checkpoint,
    DeliveryOutcome,
    Lane,
    Owed,
    OwedLedger,
    ReceiptId,
    requested_offset,
)
from streams.engine.log import LogError
from streams.metrics import Metrics
from streams.owed_log import Scan, read_notification, read_receipt
from streams.settings import DeliverySettings

CHECKPOINT_PERIOD_SECONDS = 5.0
RESTORE_RECORDS_MAX = 1_000
HAND_OVER_SECONDS = 2.0
"""How long a partition that is taken away may finish what is on its way."""

DELIVERY_RESTORED = "delivery_restored"
DELIVERY_LOG_SILENT = "delivery_log_silent"
NOTIFICATION_UNREADABLE = "notification_unreadable"

T = TypeVar("T")

log = structlog.stdlib.get_logger(__name__)


@dataclass
class _Desk:
    """What is open for one partition; `ledger` is None until it is restored."""

    number: int
    ledger: OwedLedger | None = None
    known_end: int = 0
    receipts_end: int = 0
    early: list[tuple[int, Receipt]] = field(default_factory=list)
    lanes: dict[Lane, asyncio.Task[None]] = field(default_factory=dict)
    keeper: asyncio.Task[None] | None = None
    is_closing: bool = False


class DeliveryDesk:
    """Delivers the notifications of the partitions that it is given.

    `failed` is called with a fault that is ours; the process must then end.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        sinks: Mapping[str, Sink],
        ports: Ports,
        kept: Metrics,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._queued_max = settings.queued_per_recipient_max
        self._source = ports.source
        self._store = ports.store
        self._is_shadow = ports.is_shadow
        self._attempts = Attempts(settings, sinks, ports, kept)
        self._metrics = kept
        self._failed = failed
        self._desks: dict[int, _Desk] = {}

    # What Faust tells.

    async def assigned(self, numbers: set[int]) -> None:
        """These partitions are ours now, and no others."""
        await self.revoked(set(self._desks) - numbers)
        for number in sorted(numbers - set(self._desks)):
            desk = _Desk(number)
            self._desks[number] = desk
            desk.keeper = self._spawn(self._keep(desk))

    async def revoked(self, numbers: set[int]) -> None:
        """These partitions are no longer ours: let go, without losing what is owed."""
        leaving = [self._desks.pop(number) for number in sorted(numbers) if number in self._desks]
        await asyncio.gather(*(self._close(desk) for desk in leaving))

    async def close(self) -> None:
        """Let go of everything; what is owed stays on the log."""
        await self.revoked(set(self._desks))

    def notified(self, number: int, offset: int, value: bytes | None) -> None:
        """A record of `notifications` was read."""
        desk = self._desks.get(number)
        if desk is None:
            return
        if desk.ledger is None:
            desk.known_end = max(desk.known_end, offset + 1)
            return
        self._take(desk, desk.ledger, offset, value)

    def receipted(self, number: int, offset: int, value: bytes | None) -> None:
        """A record of `receipts` was read; only requests to deliver anew matter here."""
        desk = self._desks.get(number)
        receipt = read_receipt(value)
        if desk is None or receipt is None:
            return
        if desk.ledger is None:
            desk.early.append((offset, receipt))
            return
        self._answer(desk, offset, receipt)

    # What others ask.

    @property
    def is_restored(self) -> bool:
        """Whether what is owed is known for every partition that is ours."""
        return all(desk.ledger is not None for desk in self._desks.values())

    def update_gauges(self) -> None:
        """Set the gauges of what is owed, and of whether anybody is told."""
        held = [
            owed.seen_at
            for desk in self._desks.values()
            if desk.ledger is not None
            for owed in desk.ledger.held()
        ]
        self._metrics.set(metrics.UNDELIVERED, len(held))
        age = time.monotonic() - min(held) if held else 0.0
        self._metrics.set(metrics.OLDEST_UNDELIVERED, age)
        self._metrics.set(metrics.SHADOW, float(self._is_shadow() is True))

    # One partition.

    async def _keep(self, desk: _Desk) -> None:
        """Read back what is owed, then store checkpoints until told to stop."""
        ledger, answers = await self._restore(desk)
        desk.ledger = ledger
        for receipt_id, (request, notification) in answers.requests.items():
            await self._resend(desk, receipt_id, request, notification)
        for offset, receipt in desk.early:
            if offset >= desk.receipts_end:
                self._answer(desk, offset, receipt)
        desk.early.clear()
        for lane in ledger.lanes():
            self._serve(desk, lane)
        log.info(
            DELIVERY_RESTORED, partition=desk.number, lanes=len(ledger.lanes()), to=ledger.read_to
        )
        stored: Checkpoint | None = None
        while True:
            await asyncio.sleep(CHECKPOINT_PERIOD_SECONDS)
            stored = await self._store_checkpoint(desk, stored)

    async def _restore(self, desk: _Desk) -> tuple[OwedLedger, Answers]:
        number = desk.number
        begins = await self._ask(lambda: self._source.beginning(number))
        stored = await self._ask(lambda: self._store.load(number)) or begins
        start = Checkpoint(*(max(pair) for pair in zip(stored, begins, strict=True)))
        answers, desk.receipts_end = await self._ask(
            lambda: self._source.answers(number, start.receipts)
        )
        ledger = OwedLedger(start, self._queued_max)
        while True:
            scan: Scan = await self._ask(
                lambda: self._source.scan(number, ledger.read_to, records_max=RESTORE_RECORDS_MAX)
            )
            for offset, notification in scan.found:
                if notification is None:
                    self._pass_over(desk, ledger, offset)
                else:
                    ledger.account(offset, notification, answers.settled, time.monotonic())
            ledger.pass_over(scan.scanned_to - 1)
            if scan.is_at_end and ledger.read_to >= desk.known_end:
                return ledger, answers

    async def _ask(self, question: Callable[[], T]) -> T:
        """The log's answer, however long it takes; it blocks, so a thread asks."""
        failures = 0
        while True:
            try:
                return await asyncio.to_thread(question)
            except LogError as error:
                failures += 1
                log.warning(DELIVERY_LOG_SILENT, why=str(error), failures=failures)
                await asyncio.sleep(self._attempts.log_backoff(failures))

    async def _store_checkpoint(self, desk: _Desk, stored: Checkpoint | None) -> Checkpoint | None:
        if desk.ledger is None:
            return stored
        checkpoint = desk.ledger.checkpoint(desk.receipts_end)
        if checkpoint == stored:
            return stored
        try:
            await asyncio.to_thread(self._store.save, desk.number, checkpoint)
        except LogError as error:
            # Nothing is lost: the next start reads back a little more.
            log.warning(DELIVERY_LOG_SILENT, why=str(error), failures=1)
            return stored
        return checkpoint

    async def _close(self, desk: _Desk) -> None:
        desk.is_closing = True
        if desk.keeper is not None:
            await _end(desk.keeper)
        if desk.lanes:
            await asyncio.wait(desk.lanes.values(), timeout=HAND_OVER_SECONDS)
        for task in list(desk.lanes.values()):
            await _end(task)
        await self._store_checkpoint(desk, None)

    def _take(self, desk: _Desk, ledger: OwedLedger, offset: int, value: bytes | None) -> None:
        if offset < ledger.read_to:
            return
        notification = read_notification(value)
        if notification is None:
            self._pass_over(desk, ledger, offset)
            return
        for lane in ledger.account(offset, notification, seen_at=time.monotonic()):
            self._serve(desk, lane)

    def _pass_over(self, desk: _Desk, ledger: OwedLedger, offset: int) -> None:
        ledger.pass_over(offset)
        self._metrics.count(metrics.UNREADABLE_NOTIFICATIONS)
        log.warning(NOTIFICATION_UNREADABLE, partition=desk.number, offset=offset)

    def _answer(self, desk: _Desk, offset: int, receipt: Receipt) -> None:
        desk.receipts_end = max(desk.receipts_end, offset + 1)
        notification_offset = requested_offset(receipt.detail)
        if receipt.outcome != DeliveryOutcome.REQUESTED or notification_offset is None:
            return
        about = ReceiptId(receipt.notification_id, receipt.sink)
        self._spawn(self._resend(desk, about, offset, notification_offset))

    async def _resend(
        self, desk: _Desk, about: ReceiptId, request_offset: int, notification_offset: int
    ) -> None:
        """Take up a request: find the notification, and put it into a lane of its own."""
        scan = await self._ask(
            lambda: self._source.scan(desk.number, notification_offset, records_max=1)
        )
        found = scan.found[0].notification if scan.found else None
        if found is None or found.notification_id != about.notification_id:
            log.warning(NOTIFICATION_UNREADABLE, partition=desk.number, offset=notification_offset)
            return
        if desk.ledger is not None and not desk.is_closing:
            owed = Owed(notification_offset, found, request_offset, time.monotonic())
            self._serve(desk, desk.ledger.request(owed, about.sink))

    # One lane.

    def _serve(self, desk: _Desk, lane: Lane) -> None:
        if lane not in desk.lanes and not desk.is_closing:
            desk.lanes[lane] = self._spawn(self._run_lane(desk, lane))

    async def _run_lane(self, desk: _Desk, lane: Lane) -> None:
        ledger = desk.ledger
        assert ledger is not None, "lanes open after the restore"
        while not desk.is_closing:
            start = ledger.refill_from(lane)
            if start is not None:
                await self._refill(desk, ledger, lane, start)
                continue
            owed = ledger.head(lane)
            if owed is None:
                break
            offset = await self._attempts.settle(desk.number, lane, owed)
            desk.receipts_end = max(desk.receipts_end, offset + 1)
            ledger.settle(lane, owed)
        del desk.lanes[lane]

    async def _refill(self, desk: _Desk, ledger: OwedLedger, lane: Lane, start: int) -> None:
        scan = await self._ask(
            lambda: self._source.scan(
                desk.number,
                start,
                records_max=ledger.queued_max + 1,
                wanted=lambda each: each.recipient == lane.recipient and lane.sink in each.sinks,
            )
        )
        seen_at = time.monotonic()
        # The scan may have seen further than the ledger; that comes again from Faust.
        found = [
            Owed(offset, notification, seen_at=seen_at)
            for offset, notification in scan.found
            if notification is not None and offset < ledger.read_to
        ]
        ledger.refill(lane, found, scan.scanned_to)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._report)
        return task

    def _report(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel the task and wait until it is gone; what it raised was reported already."""
    task.cancel()
    await asyncio.wait([task])
