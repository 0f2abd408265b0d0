"""Changelogs that do not hold what was written are found out before anything is done with them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.clock import ManualClock
from streams.engine.local import LocalEngine
from streams.engine.log import LogError, Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import EXIT_STATE, EngineFailure, WorkerSettings
from streams.engine.worker import Worker
from streams.replay.demand import STATE_TOPICS
from streams.stages.store import StateDamaged, StateTooNew, Store
from tests.scenario import START, by_tick, network, story

VALUES = st.integers(0, 9).map(lambda n: msgspec.msgpack.encode([1, None, n]))
KEYS = st.sampled_from("abcdef")


@given(
    changes=st.lists(
        st.tuples(st.lists(st.tuples(KEYS, st.none() | VALUES), max_size=5), st.booleans()),
        max_size=8,
    )
)
def test_the_sum_is_that_of_what_is_held_however_it_came_there(
    changes: list[tuple[list[tuple[str, bytes | None]], bool]],
) -> None:
    live = Store(1)
    replica = Store(1)
    for transaction, is_committed in changes:
        for key, value in transaction:
            if value is None:
                live.delete(key)
            else:
                live.put(key, value)
        promised = live.content()
        if not is_committed:
            live.abort()
            continue
        written = dict(live.pending())
        live.commit()
        for key, value in reversed(written.items()):
            replica.restore(key, value)
        assert live.content() == promised == replica.content()
    fresh = Store(1)
    for key, value in live.items():
        fresh.restore(key, value)
    assert fresh.content() == live.content()


def worked(ticks: int = 8) -> MemoryLog:
    """A log on which a chain has worked for a while, and its worker has ended."""
    engine = LocalEngine(network())
    for at, facts in by_tick(story(41), ticks=ticks):
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    engine.close()
    return engine.log


def restored(log: MemoryLog) -> Worker:
    worker = Worker(log, WorkerSettings("slipwatch", "next", runs_ticker=False), ManualClock(START))
    worker.open()
    for _ in range(20):
        worker.step(0)
    assert worker.status().restoring == ()
    return worker


def a_record(log: MemoryLog, topic: str) -> tuple[Partition, bytes, bytes]:
    """A key and value that are part of the state."""
    for number in range(4):
        partition = Partition(topic, number)
        latest = {each.key(): each.value() for each in log.committed(partition)}
        for key, value in latest.items():
            if key is not None and value is not None:
                return partition, key, value
    raise AssertionError(f"{topic} is empty")


def lost(log: MemoryLog, partition: Partition, key: bytes, value: bytes) -> None:
    """The records of the key are no longer there, as after a truncation."""
    records = log.partition_log(partition).records
    for index, each in enumerate(records):
        if each is not None and each.key() == key:
            records[index] = None


def changed(log: MemoryLog, partition: Partition, key: bytes, value: bytes) -> None:
    """One bit of the value is another, behind what says version and deadline."""
    log.append(partition.topic, key, value[:-1] + bytes([value[-1] ^ 1]), partition.number)


def added(log: MemoryLog, partition: Partition, key: bytes, value: bytes) -> None:
    """Somebody wrote a record that is like ours."""
    log.append(partition.topic, key + b"x", value, partition.number)


def deleted(log: MemoryLog, partition: Partition, key: bytes, value: bytes) -> None:
    """Somebody wrote a tombstone."""
    log.append(partition.topic, key, None, partition.number)


@pytest.mark.parametrize("topic", ["lines", "links-state", "cells-state", "incidents-state"])
@pytest.mark.parametrize("damage", [lost, changed, added, deleted])
def test_a_damaged_changelog_is_refused(
    topic: str, damage: Callable[[MemoryLog, Partition, bytes, bytes], None]
) -> None:
    log = worked()
    damage(log, *a_record(log, topic))
    with pytest.raises(StateDamaged) as raised:
        restored(log)
    assert "and its progress says" in str(raised.value) or "cannot be read" in str(raised.value)
    assert "slipwatch rebuild" in raised.value.then


def test_an_untouched_one_is_not() -> None:
    log = worked()
    restored(log).close()


def test_state_without_its_progress_is_refused() -> None:
    log = worked()
    for record in log.committed(Partition("progress", 0)):
        if (record.key() or b"").startswith(b"ledgers/"):
            log.append("progress", record.key(), None, 0)
    with pytest.raises(StateDamaged, match="its progress says 0"):
        restored(log)


def test_ticks_of_which_progress_knows_nothing_are_refused() -> None:
    """Neither state nor progress is there: a worker would decide, and tell, everything again."""
    log = worked()
    for topic in (*STATE_TOPICS, "progress"):
        for number in range(log.partition_counts([topic])[topic]):
            records = log.partition_log(Partition(topic, number)).records
            records[:] = [None] * len(records)
    with pytest.raises(StateDamaged, match=r"tick 0 is done everywhere, and ticks that \d+ is"):
        restored(log)


def test_bytes_that_are_no_state_are_refused_with_their_place() -> None:
    log = worked()
    partition, key, _ = a_record(log, "lines")
    log.append("lines", key, b"\xc1 no state", partition.number)
    end = log.end_offsets([partition])[partition].high
    with pytest.raises(
        StateDamaged, match=rf"lines/{partition.number} at offset {end - 1}: the state of .* cannot"
    ):
        restored(log)


def test_state_of_a_later_release_is_refused_with_its_place() -> None:
    log = worked()
    partition, key, value = a_record(log, "lines")
    head, *rest = msgspec.msgpack.decode(value)
    log.append("lines", key, msgspec.msgpack.encode([head + 2, *rest]), partition.number)
    with pytest.raises(StateTooNew, match=r"lines/.*has version 3, this release reads up to 2"):
        restored(log)


def test_the_worker_ends_with_a_code_of_its_own_and_the_way_out() -> None:
    log = worked()
    lost(log, *a_record(log, "lines"))
    worker = Worker(log, WorkerSettings("slipwatch", "next"), ManualClock(START))
    with pytest.raises(EngineFailure) as raised:
        worker.run(threading.Event())
    assert raised.value.exit_code == EXIT_STATE
    assert "rebuild from the facts" in raised.value.then


@pytest.mark.parametrize("topic", ["ticks", "progress", "networks", "policies"])
def test_a_foreign_record_on_a_topic_that_everybody_reads_is_refused(topic: str) -> None:
    log = worked()
    log.append(topic, b"k", b"{]", 0)
    with pytest.raises(LogError, match=f"{topic}/0 holds a record at offset .* that is not ours"):
        restored(log)


def test_a_foreign_record_between_stages_is_refused() -> None:
    log = worked()
    log.append("ledgers-rows", None, b"\xc1", 1)
    with pytest.raises(LogError, match=r"ledgers-rows/1 holds a record at offset .* not ours"):
        restored(log)


def test_progress_of_a_release_that_kept_no_sums_is_taken_as_it_is() -> None:
    engine = LocalEngine(network())
    for at, facts in by_tick(story(41), ticks=8):
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    partition = Partition("progress", 0)
    for record in engine.log.committed(partition):
        said = msgspec.json.decode(record.value() or b"null")
        if said and "state_sum" in said:
            del said["state_sum"], said["state_keys"]
            engine.log.append("progress", record.key(), msgspec.json.encode(said), 0)
    engine.close()
    lost(engine.log, *a_record(engine.log, "lines"))
    restored(engine.log).close()
