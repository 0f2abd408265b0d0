"""The audit notices what was said too often, too seldom or otherwise, and forgives compaction."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import msgspec
import pytest

from schemas.records import encode
from schemas.ticks import TICK_HEADER, Tick
from streams.engine.local import LocalEngine, Output
from streams.engine.log import Partition
from streams.replay.audit import (
    AUDITED_TOPICS,
    Audit,
    Difference,
    Written,
    _differing,
    _Told,
    audit,
    written,
)
from tests.scenario import by_tick, network, story


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    made = LocalEngine(network())
    for at, facts in by_tick(story(3), ticks=16):
        for fact in facts:
            made.send(fact)
        made.tick(at)
    return made


def audited_with(engine: LocalEngine, *more: Output) -> Audit:
    """The audit of a log that says all that the engine's says, and this."""
    other = LocalEngine(network())
    for at, facts in by_tick(story(3), ticks=16):
        for fact in facts:
            other.send(fact)
        other.tick(at)
    for each in more:
        other.log.append(each.topic, each.key, each.value, each.partition)
    return audit(other.log)


def test_what_was_said_as_it_had_to_be_differs_in_nothing(engine: LocalEngine) -> None:
    found = audited_with(engine)
    assert found.difference_count == 0
    assert found.records > 100


@pytest.mark.parametrize("topic", ["decisions", "order-status", "alerts"])
def test_a_record_that_is_there_twice_is_noticed(engine: LocalEngine, topic: str) -> None:
    last_of_all = engine.outputs(topic)[-1]
    found = audited_with(engine, last_of_all)
    assert found.difference_count == 1
    (difference,) = found.differences
    assert last_of_all.key is not None
    assert difference == Difference(topic, last_of_all.key.decode(), 1, 2)


def test_a_last_word_that_nobody_had_to_say_is_noticed(engine: LocalEngine) -> None:
    said = engine.outputs("order-status")
    twice = next(key for key in (each.key for each in said)
                 if sum(each.key == key for each in said) > 1)  # fmt: skip
    first = next(each for each in said if each.key == twice)
    found = audited_with(engine, first)
    assert found.difference_count == 2, "the first word is there twice, and the last one is not it"


def test_a_tick_that_is_not_finished_is_left_out_with_all_that_it_wrote() -> None:
    engine = LocalEngine(network())
    for at, facts in by_tick(story(3), ticks=16):
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    whole = audit(engine.log)
    assert whole.difference_count == 0
    ticks = engine.log.committed(Partition("ticks", 0))
    last = msgspec.json.decode(ticks[-1].value() or b"", type=Tick)
    assert whole.ticks == last.n
    unfinished = msgspec.structs.replace(last, n=last.n + 1, at=last.at + dt.timedelta(hours=6))
    engine.log.append("ticks", None, encode(unfinished), 0)
    status, gone = engine.outputs("order-status")[-2:]
    said = msgspec.json.decode(status.value or b"")
    again = msgspec.json.encode({**said, "tick": unfinished.n})
    engine.log.append(status.topic, status.key, again, status.partition)
    header = [(TICK_HEADER, str(unfinished.n).encode())]
    engine.log.write(Partition(gone.topic, gone.partition), gone.key, None, None, header)
    found = audit(engine.log)
    assert (found.ticks, found.records, found.difference_count) == (last.n, whole.records, 0)


def test_every_record_names_the_tick_that_wrote_it() -> None:
    engine = LocalEngine(network())
    seen: Counter[Written] = Counter()
    named = set()
    for at, facts in by_tick(story(3), ticks=16):
        for fact in facts:
            engine.send(fact)
        before = last_tick(engine)
        engine.tick(at)
        now = list(written(engine.log, AUDITED_TOPICS))
        news = Counter(record for _, record in now) - seen
        stamps = {tick for tick, record in now if news[record]}
        assert all(before < tick <= last_tick(engine) for tick in stamps)
        named |= {record.topic for record in news}
        seen += news
    assert {"order-status", "alerts", "decisions", "notifications"} <= named


def last_tick(engine: LocalEngine) -> int:
    ticks = engine.log.committed(Partition("ticks", 0))
    return msgspec.json.decode(ticks[-1].value() or b"", type=Tick).n if ticks else 0


def told(*values: bytes | None) -> _Told:
    made = _Told()
    for value in values:
        made.take(Written("order-status", 0, b"key", value))
    return made


def test_compaction_may_take_all_but_the_last_word_of_a_key() -> None:
    due = told(b"first", b"second", b"third")
    assert not list(_differing(due, told(b"third")))
    assert not list(_differing(due, told(b"first", b"third")))
    assert [each.value for each in _differing(due, told(b"first", b"second"))] == [b"third"]
    assert [each.value for each in _differing(due, told(b"other", b"third"))] == [b"other"]
    assert not list(_differing(told(b"first", None), told()))
    assert [each.value for each in _differing(told(b"first", None), told(b"first"))] == [None]


def test_a_word_that_a_later_tick_overtook_may_be_gone() -> None:
    due, found = told(b"first", b"second"), told(b"first")
    assert [each.value for each in _differing(due, found)] == [b"second"]
    found.overtaken.add(("order-status", b"key"))
    assert not list(_differing(due, found))
