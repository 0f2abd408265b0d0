"""The desk that delivers: on a log in memory, with sinks that a test can hold up or let fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from alerts.sinks import Permanent, Recoverable, Sink
from schemas.records import Notification, Receipt, decode, encode
from streams.app.attempts import Ports, ReceiptLost
from streams.app.delivering import DeliveryDesk
from streams.delivery import Checkpoint, request_detail
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.metrics import Metrics
from streams.owed_log import OwedLog
from streams.settings import DeliverySettings
from tests.unit.streams_app.test_delivery import AT, notification

SETTINGS = DeliverySettings(
    attempts_max=3,
    backoff_seconds_min=0.01,
    backoff_seconds_max=0.02,
    queued_per_recipient_max=2,
    timeout_seconds=5.0,
)
WAIT_SECONDS = 10.0


@dataclass
class RecordingSink:
    """Takes notifications; `refusals` are raised first, `gate` holds recipients up."""

    refusals: dict[str, list[Exception]] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    async def deliver(self, notification: Notification) -> None:
        self.tried.append(notification.notification_id)
        if notification.recipient in self.gates:
            await self.gates[notification.recipient].wait()
        waiting = self.refusals.get(notification.notification_id)
        if waiting:
            raise waiting.pop(0)
        self.taken.append(notification.notification_id)

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class World:
    """A log, and what outlives a worker: the stored checkpoints."""

    log: MemoryLog = field(default_factory=lambda: MemoryLog(partitions=1))
    stored: dict[int, Checkpoint] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)
    receipts_to_lose: int = 0
    shadow: bool | None = False

    def load(self, number: int) -> Checkpoint | None:
        return self.stored.get(number)

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        self.stored[number] = checkpoint

    def tell(self, *told: Notification) -> None:
        for each in told:
            self.log.append("notifications", each.recipient.encode(), encode(each))

    def receipts(self) -> list[Receipt]:
        records = self.log.partition_log(Partition("receipts", 0)).records
        return [decode(record.value() or b"", Receipt) for record in records if record is not None]

    def outcomes(self) -> list[tuple[str, str]]:
        return [(each.notification_id, each.outcome) for each in self.receipts()]

    async def write(self, number: int, receipt: Receipt) -> int:
        if self.receipts_to_lose:
            self.receipts_to_lose -= 1
            raise ReceiptLost("lost on purpose")
        self.log.append("receipts", receipt.notification_id.encode(), encode(receipt), number)
        return len(self.log.partition_log(Partition("receipts", number)).records) - 1

    def feed(self, desk: DeliveryDesk, topic: str, start: int) -> int:
        """Hand the desk what Faust's agents would hand it, from an offset on."""
        records = self.log.partition_log(Partition(topic, 0)).records
        take = desk.notified if topic == "notifications" else desk.receipted
        for offset in range(start, len(records)):
            record = records[offset]
            if record is not None:
                take(0, offset, record.value())
        return len(records)


@asynccontextmanager
async def desk_of(world: World, sinks: dict[str, Sink]) -> AsyncIterator[DeliveryDesk]:
    ports = Ports(
        OwedLog(world.log), world, world.write, lambda: AT, lambda: 0.5, lambda: world.shadow
    )
    metrics = Metrics(CollectorRegistry())
    desk = DeliveryDesk(SETTINGS, sinks, ports, metrics, world.failures.append)
    await desk.assigned({0})
    await until(lambda: desk.is_restored)
    try:
        yield desk
    finally:
        await desk.close()
        assert world.failures == []


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), WAIT_SECONDS))


def test_what_has_no_receipt_is_delivered_at_the_assignment_and_what_has_one_is_not() -> None:
    world, sink = World(), RecordingSink()
    world.tell(*(notification(number, "a") for number in range(3)))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 3)
        world.tell(notification(3, "a"))
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 4)

    run(scenario)
    assert sink.taken == ["n0", "n1", "n2", "n3"]
    assert world.stored[0] == Checkpoint(4, world.stored[0].receipts)


def test_what_comes_from_faust_as_well_is_delivered_once() -> None:
    world, sink = World(), RecordingSink()
    world.tell(notification(0, "a"))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}) as desk:
            world.feed(desk, "notifications", 0)
            world.tell(notification(1, "a"))
            world.feed(desk, "notifications", 1)
            world.feed(desk, "notifications", 0)
            await until(lambda: len(world.receipts()) == 2)

    run(scenario)
    assert sink.taken == ["n0", "n1"]


def test_a_recipient_that_does_not_answer_holds_up_nobody_and_keeps_its_order() -> None:
    world, sink = World(), RecordingSink()
    slow, quick = range(0, 20, 2), range(1, 20, 2)
    for number in range(20):
        world.tell(notification(number, "slow" if number in slow else "quick"))

    async def scenario() -> None:
        sink.gates["slow"] = asyncio.Event()
        async with desk_of(world, {"log": sink}) as desk:
            await until(lambda: len(world.receipts()) == len(quick))
            assert sink.taken == [f"n{number}" for number in quick]
            desk.update_gauges()
            sink.gates["slow"].set()
            await until(lambda: len(world.receipts()) == 20)

    run(scenario)
    assert sink.taken[len(quick) :] == [f"n{number}" for number in slow]


def test_a_failure_that_may_pass_is_tried_again_and_then_parked_and_the_next_goes_on() -> None:
    world = World()
    sink = RecordingSink(
        refusals={
            "n0": [Recoverable("busy")] * 2,
            "n1": [Recoverable("busy")] * 3,
            "n2": [Permanent("gone")],
        }
    )
    world.tell(*(notification(number, "a") for number in range(4)))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 4)

    run(scenario)
    assert world.outcomes() == [
        ("n0", "delivered"),
        ("n1", "parked"),
        ("n2", "parked"),
        ("n3", "delivered"),
    ]
    attempts = {each.notification_id: (each.attempts, each.detail) for each in world.receipts()}
    assert attempts == {
        "n0": (3, ""),
        "n1": (3, "busy"),
        "n2": (1, "gone"),
        "n3": (1, ""),
    }


def test_a_sink_that_is_not_configured_parks_and_says_so() -> None:
    world = World()
    world.tell(notification(0, "a", sinks=("pager", "log")))

    async def scenario() -> None:
        async with desk_of(world, {"log": RecordingSink()}):
            await until(lambda: len(world.receipts()) == 2)

    run(scenario)
    found = {each.sink: (each.outcome, each.detail) for each in world.receipts()}
    assert found["log"][0] == "delivered"
    assert found["pager"] == ("parked", "no such sink here")


@pytest.mark.parametrize("is_running", [True, False])
def test_a_parked_one_is_delivered_when_asked_for_anew_by_a_running_desk_or_the_next(
    is_running: bool,
) -> None:
    world = World()
    sink = RecordingSink(refusals={"n0": [Permanent("gone")]})
    world.tell(notification(0, "a"), notification(1, "a"))
    request = Receipt(
        notification_id="n0",
        recipient="a",
        sink="log",
        outcome="requested",
        attempts=0,
        at=AT,
        detail=request_detail(0),
    )

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}) as desk:
            await until(lambda: len(world.receipts()) == 2)
            if is_running:
                await world.write(0, request)
                world.feed(desk, "receipts", 0)
                await until(lambda: len(world.receipts()) == 4)
        if not is_running:
            await world.write(0, request)
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 4)
        async with desk_of(world, {"log": sink}):
            await asyncio.sleep(0.02)

    run(scenario)
    assert world.outcomes() == [
        ("n0", "parked"),
        ("n1", "delivered"),
        ("n0", "requested"),
        ("n0", "delivered"),
    ]
    assert sink.taken == ["n1", "n0"]


def test_a_receipt_that_the_broker_did_not_confirm_is_written_again() -> None:
    world, sink = World(receipts_to_lose=1), RecordingSink()
    world.tell(notification(0, "a"))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 1)

    run(scenario)
    assert sink.taken == ["n0"]


def test_a_desk_that_loses_the_partition_in_mid_delivery_leaves_it_to_the_next() -> None:
    world, sink = World(), RecordingSink()
    world.tell(notification(0, "a"), notification(1, "a"))

    async def scenario() -> None:
        sink.gates["a"] = asyncio.Event()
        async with desk_of(world, {"log": sink}) as desk:
            await until(lambda: sink.tried == ["n0"])
            leaving = asyncio.ensure_future(desk.revoked({0}))
            await asyncio.sleep(0.01)
            sink.gates["a"].set()
            await leaving
        async with desk_of(world, {"log": sink}):
            await until(lambda: len(world.receipts()) == 2)

    run(scenario)
    assert sink.taken == ["n0", "n1"]


def test_what_is_no_notification_is_passed_over_and_counted() -> None:
    world, sink = World(), RecordingSink()
    world.log.append("notifications", b"a", b"{")
    world.tell(notification(0, "a"))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}) as desk:
            world.log.append("notifications", b"a", b"[]")
            world.tell(notification(1, "a"))
            world.feed(desk, "notifications", 2)
            await until(lambda: len(world.receipts()) == 2)

    run(scenario)
    assert sink.taken == ["n0", "n1"]


def test_a_sink_that_breaks_its_promise_ends_the_process() -> None:
    world = World()
    sink = RecordingSink(refusals={"n0": [ZeroDivisionError("a fault of the sink")]})
    world.tell(notification(0, "a"))

    async def scenario() -> None:
        ports = Ports(
            OwedLog(world.log), world, world.write, lambda: AT, lambda: 0.5, lambda: world.shadow
        )
        metrics = Metrics(CollectorRegistry())
        desk = DeliveryDesk(SETTINGS, {"log": sink}, ports, metrics, world.failures.append)
        await desk.assigned({0})
        await until(lambda: bool(world.failures))
        await desk.close()

    run(scenario)
    assert isinstance(world.failures[0], ZeroDivisionError)
    assert world.receipts() == []


def test_nobody_is_told_what_is_owed_when_shadow_mode_begins_nor_after_it() -> None:
    world, sink = World(), RecordingSink()
    world.tell(*(notification(number, "a") for number in range(6)))
    sink.refusals["n0"] = [Recoverable("away", retry_after_s=60.0)]

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}) as desk:
            await until(lambda: bool(sink.tried))
            world.shadow = True
            await until(lambda: len(world.receipts()) == 6)
            desk.update_gauges()
            world.shadow = False
            world.tell(notification(6, "a"))
            world.feed(desk, "notifications", 6)
            await until(lambda: len(world.receipts()) == 7)
        async with desk_of(world, {"log": sink}):
            pass

    run(scenario)
    assert world.outcomes() == [(f"n{n}", "withheld") for n in range(6)] + [("n6", "delivered")]
    assert sink.taken == ["n6"]


def test_nothing_is_delivered_before_the_policy_is_known() -> None:
    world, sink = World(shadow=None), RecordingSink()
    world.tell(notification(0, "a"))

    async def scenario() -> None:
        async with desk_of(world, {"log": sink}):
            await asyncio.sleep(0.3)
            assert not sink.tried
            world.shadow = True
            await until(lambda: world.outcomes() == [("n0", "withheld")])

    run(scenario)
    assert not sink.tried
