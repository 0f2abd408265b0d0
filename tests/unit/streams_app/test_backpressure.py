"""A sink that is down for long: what waits for it waits on the log, and then goes out in order."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from alerts.sinks import Recoverable
from schemas.records import Notification
from streams import metrics
from streams.app.attempts import Ports
from streams.app.delivering import DeliveryDesk
from streams.delivery import Owed
from streams.engine.log import Partition
from streams.metrics import Metrics
from streams.owed_log import OwedLog
from streams.settings import DeliverySettings
from tests.unit.streams_app.test_delivering import World
from tests.unit.streams_app.test_delivery import AT, notification
from tests.unit.streams_app.test_metrics import samples

RECIPIENTS = 8
QUEUED_MAX = 16
FIRST, MORE = 800, 4_000
WAIT_SECONDS = 60.0
GROWTH_BYTES_MAX = 2_000_000
SETTINGS = DeliverySettings(
    attempts_max=1_000,
    backoff_seconds_min=0.05,
    backoff_seconds_max=0.1,
    queued_per_recipient_max=QUEUED_MAX,
)


class DownSink:
    """Refuses everything while it is down, and then takes it."""

    def __init__(self) -> None:
        self.is_down = True
        self.refused = 0
        self.taken: list[Notification] = []

    async def deliver(self, notification: Notification) -> None:
        if self.is_down:
            self.refused += 1
            raise Recoverable("connection refused")
        self.taken.append(notification)

    async def close(self) -> None:
        """Nothing to let go of."""


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def tell(world: World, numbers: range) -> None:
    world.tell(*(notification(number, f"r{number % RECIPIENTS}") for number in numbers))


def test_memory_stays_flat_while_a_sink_is_down_and_everything_goes_out_once_and_in_order() -> None:
    world, sink, kept = World(), DownSink(), Metrics(CollectorRegistry())
    ports = Ports(OwedLog(world.log), world, world.write, lambda: AT, lambda: 0.5, lambda: False)
    desk = DeliveryDesk(SETTINGS, {"log": sink}, ports, kept, world.failures.append)

    def held() -> list[Owed]:
        ledger = desk._desks[0].ledger
        assert ledger is not None
        return list(ledger.held())

    async def scenario() -> None:
        await desk.assigned({0})
        await until(lambda: desk.is_restored)
        tell(world, range(FIRST))
        at = world.feed(desk, "notifications", 0)
        await until(lambda: sink.refused >= 2 * RECIPIENTS)
        assert len(held()) == RECIPIENTS * QUEUED_MAX

        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        log = world.log.partition_log(Partition("notifications", 0)).records
        tell(world, range(FIRST, FIRST + MORE))
        of_the_log = tracemalloc.get_traced_memory()[0] - before
        world.feed(desk, "notifications", at)
        refused = sink.refused
        await until(lambda: sink.refused >= refused + 4 * RECIPIENTS)
        growth = tracemalloc.get_traced_memory()[0] - before - of_the_log
        tracemalloc.stop()
        assert len(log) == FIRST + MORE
        assert growth < GROWTH_BYTES_MAX
        assert len(held()) == RECIPIENTS * QUEUED_MAX
        desk.update_gauges()
        told = samples(kept.text())
        assert told[metrics.UNDELIVERED.name, ()] == RECIPIENTS * QUEUED_MAX
        assert told[metrics.OLDEST_UNDELIVERED.name, ()] > 0

        sink.is_down = False
        await until(lambda: len(world.receipts()) == FIRST + MORE)
        await desk.close()

    asyncio.run(scenario())
    assert world.failures == []
    counted = Counter(each.notification_id for each in sink.taken)
    assert set(counted.values()) == {1}
    assert len(counted) == FIRST + MORE
    for number in range(RECIPIENTS):
        mine = [int(e.notification_id[1:]) for e in sink.taken if e.recipient == f"r{number}"]
        assert mine == sorted(mine)
