"""A rebuild makes all state anew, says nothing twice, and completes a tick that was cut short."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

import msgspec
import pytest

from alerts import policy as policies
from alerts.policy import Policy
from alerts.terms import FORMAT
from schemas.records import Notification, decode
from schemas.ticks import REBUILD_STAGE
from schemas.units import HOUR_MS
from streams.engine.clock import ManualClock
from streams.engine.control import PROGRESS
from streams.engine.local import LocalEngine
from streams.engine.log import LogError, Partition, TransactionAborted
from streams.engine.memory_clients import MemoryProducer
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from streams.replay import rebuild as rebuilding
from streams.replay.audit import audit
from streams.replay.demand import ADDED_TOPICS, LATEST_TOPICS, ROW_TOPICS, STATE_TOPICS
from streams.replay.rebuild import Rebuilt, rebuild
from streams.stages.store import StateUnfinished
from tests.scenario import START, by_tick, network, story

GROUP = "slipwatch"
SEED, ORDERS, TICKS = 41, 8, 11
QUIET_TICKS = 5
TOLD = (*ADDED_TOPICS, *LATEST_TOPICS)


def shadow() -> Policy:
    return policies.build(
        msgspec.structs.replace(policies.DEFAULT.document, format=FORMAT, shadow=True)
    )


def worked(
    policy: Policy | None = None, *, cut_short: int | None = None, is_quiet: bool = False
) -> MemoryLog:
    """A log on which a chain has worked; of the last tick only `cut_short` turns of the loop. With
    `is_quiet` its last ticks had nothing to do."""
    engine = LocalEngine(network(), policy, partitions=2)
    batches = by_tick(story(SEED, orders=ORDERS))[:TICKS]
    for at, facts in batches:
        for fact in facts:
            engine.send(fact)
        engine.send_raw("orders", b"x", b"no fact", None)
        if at == batches[-1][0] and cut_short is not None:
            part = WorkerSettings(GROUP, "part", runs_ticker=False, keys_per_chunk=1)
            engine.replace_worker(Worker(engine.log, part, ManualClock(at)))
            engine.begin(at)
            for _ in range(cut_short):
                engine.worker.step(0)
            break
        engine.tick(at)
        for quiet in range(1, QUIET_TICKS if is_quiet or at != batches[-1][0] else 1):
            engine.tick(at + quiet * 1_000)
    engine.worker.abandon()
    engine.close()
    return engine.log


def goes_on(log: MemoryLog) -> LocalEngine:
    """Another worker takes the log over and works for some ticks more."""
    engine = LocalEngine(log=log)
    for at, facts in by_tick(story(SEED, orders=ORDERS))[TICKS : TICKS + 6]:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    engine.tick(START + 2_000 * HOUR_MS)
    return engine


@lru_cache
def undisturbed(policy: Policy | None) -> LocalEngine:
    """What a chain looks like to which nothing happened."""
    return goes_on(worked(policy))


def lies(log: MemoryLog, topic: str) -> Counter[tuple[int, bytes | None, bytes | None]]:
    count = log.partition_counts([topic])[topic]
    return Counter(
        (number, record.key(), record.value())
        for number in range(count)
        for record in log.committed(Partition(topic, number))
    )


def emptied(log: MemoryLog, *topics: str) -> None:
    """The topics were deleted and made anew."""
    for topic in topics:
        for number in range(log.partition_counts([topic])[topic]):
            where = log.partition_log(Partition(topic, number))
            where.records.clear()
            where.begin = 0


def everything_internal(log: MemoryLog, _: random.Random) -> None:
    emptied(log, *STATE_TOPICS, *ROW_TOPICS, "progress")


def nothing(log: MemoryLog, _: random.Random) -> None:
    """All is well."""


def here_and_there(log: MemoryLog, chance: random.Random) -> None:
    """Records of changelogs are lost, spoiled, taken back and added."""
    for topic in STATE_TOPICS:
        for number in range(2):
            for record in log.committed(Partition(topic, number)):
                match chance.randrange(8):
                    case 0:
                        log.partition_log(Partition(topic, number)).records[record.offset()] = None
                    case 1:
                        log.append(topic, record.key(), b"\xc1 spoiled", number)
                    case 2:
                        log.append(topic, record.key(), None, number)
                    case 3:
                        log.append(topic, (record.key() or b"") + b"x", record.value(), number)
    log.append("order-status", b"NOBODY/1#1", b'{"tick":3}', 1)


def behind(log: MemoryLog, _: random.Random) -> None:
    """What passes between stages expired."""
    for topic in ROW_TOPICS:
        for number in range(2):
            log.forget(Partition(topic, number), 1 << 40)


DAMAGE = [nothing, everything_internal, here_and_there, behind]


@pytest.mark.parametrize(
    ("policy", "cut_short", "damage"),
    [
        *((None, cut_short, damage) for cut_short in (None, 8) for damage in DAMAGE),
        *((shadow(), cut_short, everything_internal) for cut_short in (None, 3)),
        (shadow(), 8, here_and_there),
    ],
)
def test_afterwards_it_is_as_if_nothing_had_happened(
    policy: Policy | None,
    cut_short: int | None,
    damage: Callable[[MemoryLog, random.Random], None],
) -> None:
    whole = undisturbed(policy)
    log = worked(policy, cut_short=cut_short)
    told = {topic: lies(log, topic) for topic in ADDED_TOPICS}
    damage(log, random.Random(7))
    found = rebuild(log, GROUP)
    assert found.is_written
    assert not found.unlike
    assert found.state_changed or damage is nothing or damage is behind
    for topic in ADDED_TOPICS:
        assert told[topic] <= lies(log, topic), "what was said stays"
        if cut_short is None:
            assert told[topic] == lies(log, topic), "and nothing is added"
    engine = goes_on(log)
    for topic in ADDED_TOPICS:
        assert lies(log, topic) == lies(whole.log, topic)
    for topic in LATEST_TOPICS:
        assert engine.latest(topic) == whole.latest(topic)
    if damage is not here_and_there:
        assert audit(log).difference_count == 0
    assert lies(whole.log, "notifications")


def test_a_tick_that_was_cut_short_is_completed() -> None:
    log = worked(cut_short=8)
    found = rebuild(log, GROUP)
    assert found.completed
    assert audit(log).difference_count == 0
    assert rebuild(log, GROUP) == msgspec.structs.replace(
        found, state_changed=0, statements_changed=0, completed=0
    )


def test_a_second_rebuild_writes_nothing_but_where_it_stands() -> None:
    log = worked(is_quiet=True)
    first = rebuild(log, GROUP)
    before = {topic: lies(log, topic) for topic in TOLD}
    second = rebuild(log, GROUP)
    assert (first.state_changed, first.statements_changed, first.completed) == (0, 0, 0)
    assert second == first
    assert {topic: lies(log, topic) for topic in TOLD} == before


@pytest.mark.parametrize("seed", range(4))
def test_it_may_be_ended_at_any_moment_and_begun_again(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    log = worked(cut_short=chance.choice([None, 2, 5, 9]))
    everything_internal(log, chance)
    monkeypatch.setattr(rebuilding, "RECORDS_PER_TRANSACTION", 40)
    left = seed + 1
    commit = MemoryProducer.commit

    def ended(producer: MemoryProducer) -> None:
        nonlocal left
        left -= producer._log is log
        if left == 0 and producer._log is log:
            raise TransactionAborted("the process was killed")
        commit(producer)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryProducer, "commit", ended)
        with pytest.raises(LogError, match="the rebuild was interrupted"):
            rebuild(log, GROUP)
    marks = [r for r in log.committed(PROGRESS) if (r.key() or b"").startswith(b"rebuild")]
    if marks:
        with pytest.raises(StateUnfinished, match=REBUILD_STAGE):
            LocalEngine(log=log)
        log.groups.clear()
    assert rebuild(log, GROUP).is_written
    goes_on(log)
    assert audit(log).difference_count == 0
    for topic in ADDED_TOPICS:
        assert lies(log, topic) == lies(undisturbed(None).log, topic)


def refused(log: MemoryLog) -> Rebuilt:
    before = {topic: lies(log, topic) for topic in (*TOLD, *ROW_TOPICS, "progress")}
    found = rebuild(log, GROUP)
    assert not found.is_written
    assert {topic: lies(log, topic) for topic in before} == before
    return found


def test_what_was_said_otherwise_than_today_is_told_and_nothing_written_unless_asked() -> None:
    """As after an upgrade of the rules: of what was said something is not what they would say."""
    log = worked()
    said = log.partition_log(Partition("notifications", 0)).records
    place, record = next((i, r) for i, r in enumerate(said) if r is not None)
    said[place] = None
    other = decode(record.value() or b"", Notification)
    changed = msgspec.json.encode(msgspec.structs.replace(other, title="by other rules"))
    log.append("notifications", record.key(), changed, 0)
    everything_internal(log, random.Random(1))
    (unlike,) = refused(log).unlike
    assert (unlike.topic, unlike.expected) == ("notifications", unlike.found)
    told = lies(log, "notifications")
    found = rebuild(log, GROUP, accepts_unlike=True)
    assert found.is_written
    assert found.unlike == (unlike,)
    assert lies(log, "notifications") == told
    goes_on(log)


def test_what_is_gone_of_what_was_said_is_not_said_again() -> None:
    log = worked()
    emptied(log, "notifications")
    assert [each.topic for each in refused(log).unlike] == ["notifications"]
    rebuild(log, GROUP, accepts_unlike=True)
    assert not lies(log, "notifications")


def test_it_is_refused_while_a_worker_is_there() -> None:
    log = worked()
    engine = LocalEngine(log=log)
    with pytest.raises(LogError, match="a worker is a member of the group 'slipwatch'"):
        rebuild(log, GROUP)
    engine.close()
    assert rebuild(log, GROUP).is_written


def test_a_worker_that_joins_meanwhile_ends_it() -> None:
    log = worked()
    worker = Worker(log, WorkerSettings(GROUP, "late", runs_ticker=False), ManualClock(START))

    def joins(done: int) -> None:
        if done == 20:
            worker.open()

    before = {topic: lies(log, topic) for topic in TOLD}
    with pytest.raises(LogError, match=r"moved on without this member|has joined"):
        rebuild(log, GROUP, on_tick=joins)
    assert {topic: lies(log, topic) for topic in TOLD} == before
    worker.close()


@pytest.mark.parametrize("topic", ["orders", "ticks"])
def test_facts_and_ticks_that_are_gone_are_refused(topic: str) -> None:
    log = worked()
    log.forget(Partition(topic, 0), 3)
    with pytest.raises(LogError, match=f"{topic}/0 begins at offset 3: what came before is gone"):
        rebuild(log, GROUP)


def test_without_a_tick_there_is_nothing_to_rebuild() -> None:
    with pytest.raises(LogError, match="ticks holds no tick"):
        rebuild(MemoryLog(2), GROUP)


def test_it_holds_a_bounded_part_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the engine's own log two ticks stay; of the facts what one window holds."""
    log = worked()
    held: list[int] = []
    forget = MemoryLog.forget

    def weigh(memory: MemoryLog, where: Partition, offset: int) -> None:
        forget(memory, where, offset)
        held.append(len(memory.partition_log(where).records))

    monkeypatch.setattr(MemoryLog, "forget", weigh)
    monkeypatch.setattr("streams.engine.recorded.FACTS_AT_ONCE", 10)
    assert rebuild(log, GROUP).is_written
    assert max(held) < log.end_offsets([PROGRESS])[PROGRESS].high // 4
