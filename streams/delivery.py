"""What is owed to recipients, decided without I/O: order, memory, retries and what to read again.

A notification is owed to each of its sinks until a receipt for (notification, sink) is on topic
`receipts`. One `OwedLedger` keeps the books of one partition of `notifications`; a *lane* is one
recipient on one sink, and is served strictly in order, one notification at a time. Memory is
bounded: a lane holds a limited number of notifications and, beyond that, only the offset from
which to read on, so that a sink that is down costs nothing while Kafka holds the queue.

`streams.app.delivering` is the shell around it: clocks, sinks, Kafka.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from schemas.records import Notification, Receipt

REQUEST_DETAIL = "asked for anew; notification at offset "
"""How the detail of a receipt begins that asks for a delivery anew; the offset follows."""


class DeliveryOutcome(enum.StrEnum):
    """What a receipt says. `requested`: a person asked to try a parked one anew; `withheld`: it was
    owed when shadow mode began, and nobody will be told."""

    DELIVERED = "delivered"
    PARKED = "parked"
    WITHHELD = "withheld"
    REQUESTED = "requested"


class ReceiptId(NamedTuple):
    """What a receipt is about."""

    notification_id: str
    sink: str

    def key(self) -> bytes:
        """The key of the receipt's record."""
        return f"{self.notification_id}/{self.sink}".encode()


class Lane(NamedTuple):
    """One recipient on one sink. `again` lanes carry what people asked to have sent anew."""

    recipient: str
    sink: str
    again: bool = False


class Owed(msgspec.Struct, frozen=True):
    """A notification that a lane owes; `request_offset`, in `again` lanes, is the request's.

    `seen_at` is when it was taken up, on whatever clock the shell uses for ages.
    """

    offset: int
    notification: Notification
    request_offset: int | None = None
    seen_at: float = 0.0


class Checkpoint(NamedTuple):
    """Where to begin after a restart, as offsets of the same partition number of two topics.

    Every notification before `notifications` has all its receipts, and every receipt of one at or
    after it lies at or after `receipts`.
    """

    notifications: int
    receipts: int


class _LaneState:
    __slots__ = ("queue", "spilled_from")

    def __init__(self) -> None:
        self.queue: deque[Owed] = deque()
        self.spilled_from: int | None = None


class OwedLedger:
    """The books of one partition of `notifications`, from a checkpoint on.

    Offsets must be accounted for in rising order; one that was accounted for is passed over, so
    that the same record may come from a restore and from Faust. Not safe for threads.
    """

    def __init__(self, start: Checkpoint, queued_max: int) -> None:
        self._queued_max = queued_max
        self._lanes: dict[Lane, _LaneState] = {}
        self._base = start
        self._ahead: Checkpoint | None = None
        self.read_to = start.notifications

    def account(
        self,
        offset: int,
        notification: Notification,
        receipted: Collection[ReceiptId] = (),
        seen_at: float = 0.0,
    ) -> list[Lane]:
        """Take up one notification; the lanes that have something to do because of it."""
        if offset < self.read_to:
            return []
        self.read_to = offset + 1
        busy = []
        for sink in dict.fromkeys(notification.sinks):
            if ReceiptId(notification.notification_id, sink) in receipted:
                continue
            lane = Lane(notification.recipient, sink)
            state = self._lanes.setdefault(lane, _LaneState())
            if state.spilled_from is not None:
                continue
            if len(state.queue) >= self._queued_max:
                state.spilled_from = offset
                continue
            state.queue.append(Owed(offset, notification, seen_at=seen_at))
            busy.append(lane)
        return busy

    def pass_over(self, offset: int) -> None:
        """Note that the record at the offset is no notification and nobody is owed it."""
        self.read_to = max(self.read_to, offset + 1)

    def request(self, owed: Owed, sink: str) -> Lane:
        """Take up what a person asked to have sent anew; the lane that has something to do."""
        lane = Lane(owed.notification.recipient, sink, again=True)
        state = self._lanes.setdefault(lane, _LaneState())
        asked = (owed.notification.notification_id, owed.request_offset)
        known = {(item.notification.notification_id, item.request_offset) for item in state.queue}
        if asked not in known:
            state.queue.append(owed)
        return lane

    def head(self, lane: Lane) -> Owed | None:
        """What the lane must deliver next; None if nothing is held."""
        state = self._lanes.get(lane)
        return state.queue[0] if state is not None and state.queue else None

    def settle(self, lane: Lane, owed: Owed) -> None:
        """The head of the lane has its receipt. ValueError if it is not the head."""
        state = self._lanes.get(lane)
        if state is None or not state.queue or state.queue[0] is not owed:
            raise ValueError(f"offset {owed.offset} is not what {lane} owes next")
        state.queue.popleft()
        if not state.queue and state.spilled_from is None:
            del self._lanes[lane]

    def refill_from(self, lane: Lane) -> int | None:
        """From which offset the lane must be read again, because what it held is delivered."""
        state = self._lanes.get(lane)
        return None if state is None or state.queue else state.spilled_from

    def refill(self, lane: Lane, found: Sequence[Owed], scanned_to: int) -> None:
        """Give the lane what a scan from `refill_from` up to `scanned_to` found for it, in order.

        The scan may stop early, once it found more than the lane can hold.
        """
        state = self._lanes[lane]
        state.queue.extend(found[: self._queued_max])
        if len(found) > self._queued_max:
            state.spilled_from = found[self._queued_max].offset
        elif scanned_to < self.read_to:
            state.spilled_from = scanned_to
        else:
            state.spilled_from = None
        if not state.queue and state.spilled_from is None:
            del self._lanes[lane]

    @property
    def queued_max(self) -> int:
        """How many notifications a lane may hold."""
        return self._queued_max

    def lanes(self) -> tuple[Lane, ...]:
        """The lanes with something owed."""
        return tuple(self._lanes)

    def held(self) -> Iterator[Owed]:
        """Every notification in memory, lane by lane, in order."""
        for state in self._lanes.values():
            yield from state.queue

    def checkpoint(self, receipts_end: int) -> Checkpoint:
        """Where a restart may begin; `receipts_end` is the end of the partition of receipts now.

        The receipts offset follows in steps: a mark is set at the present ends, and counts as soon
        as all notifications before it have their receipts.
        """
        floor = self._floor()
        if self._ahead is not None and floor >= self._ahead.notifications:
            self._base = self._ahead
            self._ahead = None
        if self._ahead is None:
            self._ahead = Checkpoint(self.read_to, receipts_end)
        requests = [owed.request_offset for owed in self.held() if owed.request_offset is not None]
        return Checkpoint(floor, min([self._base.receipts, *requests]))

    def _floor(self) -> int:
        floor = self.read_to
        for lane, state in self._lanes.items():
            if lane.again:
                continue
            if state.queue:
                floor = min(floor, state.queue[0].offset)
            if state.spilled_from is not None:
                floor = min(floor, state.spilled_from)
        return floor


class Answers:
    """What the receipts from a checkpoint on say: what is settled, and what is asked for anew."""

    def __init__(self) -> None:
        self.settled: set[ReceiptId] = set()
        self.requests: dict[ReceiptId, tuple[int, int]] = {}
        """The offset of the request and of its notification."""

    def add(self, receipt: Receipt, offset: int) -> None:
        """Take up one receipt, in the order of the topic."""
        receipt_id = ReceiptId(receipt.notification_id, receipt.sink)
        if receipt.outcome == DeliveryOutcome.REQUESTED:
            notification_offset = requested_offset(receipt.detail)
            if notification_offset is not None:
                self.requests[receipt_id] = (offset, notification_offset)
        else:
            self.settled.add(receipt_id)
            self.requests.pop(receipt_id, None)


def request_detail(notification_offset: int) -> str:
    """The detail of a receipt that asks for the notification at the offset anew."""
    return f"{REQUEST_DETAIL}{notification_offset}"


def requested_offset(detail: str) -> int | None:
    """The offset in such a detail; None if it is another text."""
    number = detail.removeprefix(REQUEST_DETAIL)
    return int(number) if detail.startswith(REQUEST_DETAIL) and number.isdecimal() else None
