"""Taking over the ticks, and ticking on what was read late: no tick is written twice."""

from __future__ import annotations

import msgspec

from schemas.records import decode
from schemas.ticks import StageProgress, Tick
from streams.engine.clock import ManualClock
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerSettings
from streams.engine.ticker import TickerSettings
from streams.engine.worker import Worker
from streams.engine.writing import progress_key
from tests.scenario import START

PARTITIONS = 2


def worker(log: MemoryLog, name: str) -> Worker:
    settings = WorkerSettings("engine", name, ticker=TickerSettings(interval_ms=0, name=name))
    made = Worker(log, settings, ManualClock(START))
    made.open()
    return made


def ticks_of(log: MemoryLog) -> list[int]:
    values = [record.value() for record in log.committed(Partition("ticks", 0))]
    return [decode(value, Tick).n for value in values if value]


def test_a_tick_that_the_old_ticker_wrote_until_it_was_fenced_is_not_written_again() -> None:
    log = MemoryLog(PARTITIONS)
    old, new = worker(log, "old"), worker(log, "new")
    first, second = old.make_ticker(), new.make_ticker()
    first.open()
    assert first.step()
    second.open()
    assert not second.step(), "the old one's last tick is in flight"
    assert second.flight() == 1
    assert ticks_of(log) == [1]


def test_progress_that_is_read_before_its_tick_leads_to_the_next_tick_and_not_to_the_same() -> None:
    log = MemoryLog(PARTITIONS)
    only = worker(log, "only")
    ticker = only.make_ticker()
    ticker.open()
    tick = ticker.cut()
    for number in range(PARTITIONS):
        key = progress_key("notices", "notices-rows", number)
        only.control.progress[key] = StageProgress(
            stage="notices", topic="notices-rows", partition=number, tick=tick.n, offset=1
        )
    assert only.control.tick is None
    assert ticker.step()
    assert ticks_of(log) == [1, 2]


def test_rows_on_their_way_are_seen_before_the_tick_that_they_belong_to_is_read() -> None:
    log = MemoryLog(PARTITIONS)
    only = worker(log, "only")
    ticker = only.make_ticker()
    ticker.open()
    tick = ticker.cut()
    on_their_way = StageProgress(
        stage="links", topic="links-rows", partition=0, tick=tick.n, offset=1, pending=3
    )
    key = progress_key("links", "links-rows", 0)
    only.control.progress[key] = on_their_way
    assert ticker.settles()
    only.control.progress[key] = msgspec.structs.replace(on_their_way, pending=0)
    assert not ticker.settles()
