"""The books of delivery: nothing owed is forgotten, order is kept, memory is bounded."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Alert, AlertState, Notification, Receipt, Severity
from streams.backoff import backoff_seconds
from streams.delivery import (
    Answers,
    Checkpoint,
    Lane,
    Owed,
    OwedLedger,
    ReceiptId,
    request_detail,
)

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
ALERT = Alert(
    alert_id="a",
    episode=1,
    state=AlertState.OPEN,
    revision=1,
    tick=1,
    at=AT,
    aspect="late",
    cause_kind="line",
    cause_id="c",
    cause="c",
    severity=Severity.MAJOR,
    title="t",
    next_step="n",
    opened_at=AT,
    updated_at=AT,
)


def notification(number: int, recipient: str, sinks: tuple[str, ...] = ("log",)) -> Notification:
    return Notification(
        notification_id=f"n{number}",
        recipient=recipient,
        audience="operations",
        sinks=sinks,
        tick=1,
        at=AT,
        event="opened",
        alert_id="a",
        episode=1,
        revision=1,
        severity=Severity.MAJOR,
        title="t",
        text="x",
        next_step="n",
        alert=ALERT,
    )


def receipt(about: ReceiptId, outcome: str, detail: str = "") -> Receipt:
    return Receipt(
        notification_id=about.notification_id,
        recipient="a",
        sink=about.sink,
        outcome=outcome,
        attempts=1,
        at=AT,
        detail=detail,
    )


class Topics:
    """The two topics, and a deliverer that follows the ledger and may die at any moment."""

    def __init__(self, log: list[Notification], queued_max: int) -> None:
        self.log = log
        self.queued_max = queued_max
        self.receipts: list[ReceiptId] = []
        self.delivered: list[ReceiptId] = []
        self.stored = Checkpoint(0, 0)
        self.held_max = 0

    def restore(self) -> OwedLedger:
        ledger = OwedLedger(self.stored, self.queued_max)
        answers = Answers()
        for offset in range(self.stored.receipts, len(self.receipts)):
            answers.add(receipt(self.receipts[offset], "delivered"), offset)
        return self.read_on(ledger, len(self.log), answers.settled)

    def read_on(
        self, ledger: OwedLedger, end: int, settled: set[ReceiptId] | None = None
    ) -> OwedLedger:
        for offset in range(ledger.read_to, end):
            ledger.account(offset, self.log[offset], settled or ())
        return ledger

    def step(self, ledger: OwedLedger, lane: Lane, writes_receipt: bool) -> None:
        start = ledger.refill_from(lane)
        if start is not None:
            found = [
                Owed(offset, self.log[offset])
                for offset in range(start, ledger.read_to)
                if self.log[offset].recipient == lane.recipient
                and lane.sink in self.log[offset].sinks
            ]
            ledger.refill(lane, found, ledger.read_to)
        owed = ledger.head(lane)
        if owed is None:
            return
        done = ReceiptId(owed.notification.notification_id, lane.sink)
        self.delivered.append(done)
        if writes_receipt:
            self.receipts.append(done)
            ledger.settle(lane, owed)
        self.held_max = max(self.held_max, sum(1 for _ in ledger.held()))


@given(
    recipients=st.lists(st.sampled_from("abc"), max_size=40),
    two_sinks=st.booleans(),
    queued_max=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
def test_through_any_crashes_everything_is_delivered_in_order_and_memory_is_bounded(
    recipients: list[str], two_sinks: bool, queued_max: int, seed: int
) -> None:
    chance = random.Random(seed)
    sinks = ("log", "hook") if two_sinks else ("log",)
    log = [notification(number, who, sinks) for number, who in enumerate(recipients)]
    topics = Topics(log[: len(log) // 2], queued_max)
    ledger = topics.restore()
    crashes = 6
    while True:
        lanes = ledger.lanes()
        if not lanes and len(topics.log) == len(log):
            break
        if crashes and chance.random() < 0.15:
            crashes -= 1
            ledger = topics.restore()
            continue
        if (chance.random() < 0.2 and len(topics.log) < len(log)) or not lanes:
            topics.log = log[: len(topics.log) + 1 + chance.randrange(5)]
            topics.read_on(ledger, len(topics.log))
            continue
        topics.step(ledger, chance.choice(lanes), writes_receipt=True)
        if chance.random() < 0.3:
            topics.stored = ledger.checkpoint(len(topics.receipts))
            assert topics.stored.notifications <= len(topics.log)

    expected = {ReceiptId(item.notification_id, sink) for item in log for sink in sinks}
    assert set(topics.receipts) == expected
    assert len(topics.receipts) == len(expected), "a receipt on the topic ends what is owed"
    for who in "abc":
        for sink in sinks:
            sent = [int(r.notification_id[1:]) for r in topics.delivered if r.sink == sink]
            mine = [number for number in sent if recipients[number] == who]
            assert mine == sorted(mine)
    assert topics.held_max <= queued_max * 3 * len(sinks)
    final = ledger.checkpoint(len(topics.receipts))
    assert final.notifications == len(log)


def test_a_delivery_without_a_receipt_is_made_again_after_a_restart() -> None:
    topics = Topics([notification(0, "a")], 4)
    topics.step(topics.restore(), Lane("a", "log"), writes_receipt=False)
    ledger = topics.restore()
    assert ledger.head(Lane("a", "log")) is not None


def test_a_full_lane_does_not_hold_up_another_and_reads_on_where_it_stopped() -> None:
    topics = Topics([notification(n, "slow") for n in range(5)] + [notification(5, "quick")], 2)
    ledger = topics.restore()
    assert [held.offset for held in ledger.held()] == [0, 1, 5]
    assert ledger.checkpoint(0).notifications == 0
    for _ in range(2):
        topics.step(ledger, Lane("slow", "log"), writes_receipt=True)
    assert ledger.refill_from(Lane("slow", "log")) == 2
    assert ledger.checkpoint(2).notifications == 2
    found = [Owed(offset, topics.log[offset]) for offset in (2, 3, 4)]
    ledger.refill(Lane("slow", "log"), found, scanned_to=6)
    assert [held.offset for held in ledger.held()] == [2, 3, 5]


def test_a_scan_that_stops_before_what_was_read_meanwhile_is_continued() -> None:
    topics = Topics([notification(n, "a") for n in range(2)], 1)
    ledger = topics.restore()
    topics.step(ledger, Lane("a", "log"), writes_receipt=True)
    topics.log.append(notification(2, "a"))
    topics.read_on(ledger, 3)
    ledger.refill(Lane("a", "log"), [Owed(1, topics.log[1])], scanned_to=2)
    owed = ledger.head(Lane("a", "log"))
    assert owed is not None
    ledger.settle(Lane("a", "log"), owed)
    assert ledger.refill_from(Lane("a", "log")) == 2


def test_what_was_read_already_is_passed_over() -> None:
    ledger = OwedLedger(Checkpoint(5, 0), 2)
    assert ledger.account(4, notification(4, "a")) == []
    assert ledger.account(5, notification(5, "a")) == [Lane("a", "log")]
    assert ledger.account(5, notification(5, "a")) == []
    ledger.pass_over(7)
    assert ledger.account(7, notification(7, "a")) == []


def test_only_the_head_of_a_lane_can_be_settled() -> None:
    ledger = OwedLedger(Checkpoint(0, 0), 2)
    ledger.account(0, notification(0, "a"))
    with pytest.raises(ValueError, match="not what"):
        ledger.settle(Lane("a", "log"), Owed(1, notification(1, "a")))


def test_a_request_holds_the_receipts_back_until_it_is_answered() -> None:
    ledger = OwedLedger(Checkpoint(10, 20), 2)
    ledger.checkpoint(30)
    lane = ledger.request(Owed(3, notification(3, "a"), request_offset=25), "log")
    ledger.request(Owed(3, notification(3, "a"), request_offset=25), "log")
    assert lane == Lane("a", "log", again=True)
    assert ledger.checkpoint(40) == Checkpoint(10, 25)
    owed = ledger.head(lane)
    assert owed is not None
    ledger.settle(lane, owed)
    assert ledger.lanes() == ()
    assert ledger.checkpoint(50).receipts > 25


def test_a_request_is_open_until_a_later_receipt_answers_it() -> None:
    answers = Answers()
    about = ReceiptId("n", "hook")
    answers.add(receipt(about, "parked"), 1)
    answers.add(receipt(about, "requested", request_detail(9)), 2)
    assert answers.requests == {about: (2, 9)}
    assert about in answers.settled
    answers.add(receipt(about, "delivered"), 3)
    assert answers.requests == {}
    answers.add(receipt(about, "requested", "in other words"), 4)
    assert answers.requests == {}


@given(failures=st.integers(1, 5_000), chance=st.floats(0, 1, exclude_max=True))
def test_the_wait_grows_to_its_limit_and_never_below_half(failures: int, chance: float) -> None:
    wait = backoff_seconds(failures, 1.0, 60.0, chance)
    whole = min(60.0, 2.0 ** min(failures - 1, 10))
    assert whole / 2 <= wait <= whole
