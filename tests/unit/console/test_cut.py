from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cut import Cut, Gate, Message, Position
from tests.unit.console.story import Said, Topics, first_tick, letter, second_tick, unlinked


def _messages(*ticks: int) -> list[Message]:
    return Topics().append([unlinked(f"N/{place}", tick) for place, tick in enumerate(ticks)])


def test_records_of_a_later_tick_wait_for_it() -> None:
    messages = _messages(1, 2, 1, 3)
    cut = Cut(None, {})
    assert cut.begin(1) == []
    assert [m.offset for m in cut.take(messages)] == [0, 2]
    assert [m.offset for m in cut.begin(2)] == [1]
    assert [m.offset for m in cut.begin(3)] == [3]
    assert cut.positions() == {("unlinked", 0): Position(4, 4)}


def test_positions_begin_at_the_first_record_that_waits() -> None:
    cut = Cut(None, {})
    cut.begin(1)
    cut.take(_messages(1, 2, 1))
    assert cut.positions() == {("unlinked", 0): Position(1, 3)}
    cut.reached(("unlinked", 0), 5)
    assert cut.positions() == {("unlinked", 0): Position(1, 5)}


def test_a_tombstone_waits_for_the_tick_in_its_header() -> None:
    gone = Said("unlinked", "N/0", None, gone_at=2)
    cut = Cut(None, {})
    cut.begin(1)
    assert [m.offset for m in cut.take(Topics().append([unlinked("N/0", 1), gone]))] == [0]
    assert [m.offset for m in cut.begin(2)] == [1]


def test_a_tombstone_without_one_goes_with_the_record_before_it() -> None:
    topics = Topics()
    gone = Said("unlinked", "N/0", None)
    messages = topics.append([unlinked("N/0", 1), gone, unlinked("N/1", 2), gone])
    cut = Cut(None, {})
    cut.begin(1)
    assert [m.offset for m in cut.take(messages)] == [0, 1]
    assert [m.offset for m in cut.begin(2)] == [2, 3]


def test_a_record_that_is_none_goes_on_with_its_neighbours() -> None:
    messages = Topics().append([unlinked("N/0", 1), Said("unlinked", "bad", b"{"), letter(9)])
    cut = Cut(None, {})
    cut.begin(1)
    assert [(m.topic, m.offset) for m in cut.take(messages)] == [("unlinked", 0), ("unlinked", 1)]


def test_what_is_told_late_of_an_old_tick_is_applied_at_once() -> None:
    cut = Cut(5, {("unlinked", 0): Position(10, 10)})
    cut.begin(6)
    late = Message("unlinked", 0, 10, "N/0", unlinked("N/0", 2).value)
    assert cut.take([late]) == [late]


def test_time_does_not_go_back() -> None:
    cut = Cut(5, {})
    with pytest.raises(ValueError, match="tick 4 comes before tick 5"):
        cut.begin(4)


@given(data=st.data())
def test_any_interruption_applies_every_record_once(data: st.DataObject) -> None:
    """Ticks end anywhere, the log grows meanwhile, and the view restarts between any two."""
    ticks = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=30))
    messages = _messages(*ticks)
    at = ("unlinked", 0)
    cut, read_to, written = Cut(None, {}), 0, 0
    stored_tick, stored = 0, Position(0, 0)
    applied: list[int] = []
    for end in [*sorted(data.draw(st.sets(st.integers(1, 5)))), 6]:
        if data.draw(st.booleans()):
            cut, read_to = Cut(stored_tick, {at: stored}), stored.resume_at
        written = len(messages) if end == 6 else data.draw(st.integers(written, len(messages)))
        now = cut.begin(end)
        middle = data.draw(st.integers(read_to, written))
        now += cut.take(messages[read_to:middle])
        now += cut.take(messages[middle:written])
        assert all(ticks[message.offset] <= end for message in now)
        applied += [message.offset for message in now]
        read_to, stored_tick, stored = written, end, cut.positions().get(at, stored)
    assert sorted(applied) == list(range(len(messages)))


def test_a_tick_is_over_when_every_partition_of_the_last_stage_says_so() -> None:
    gate = Gate(2)
    gate.note("notices", 0, 3)
    assert gate.finished_tick is None
    gate.note("cells", 1, 9)
    gate.note("notices", 7, 9)
    assert gate.finished_tick is None
    gate.note("notices", 1, 2)
    assert gate.finished_tick == 2
    gate.note("notices", 1, 3)
    assert gate.finished_tick == 3
    with pytest.raises(ValueError, match="0 partitions"):
        Gate(0)


def test_any_mixing_of_topics_gives_the_same_cut() -> None:
    topics = Topics()
    first, second = topics.append(first_tick()), topics.append(second_tick())
    for seed in range(20):
        mixed = _mixed([*first, *second], random.Random(seed))
        cut = Cut(None, {})
        cut.begin(1)
        now = cut.take(mixed)
        assert set(now) == set(first)
        for topic in {m.topic for m in now}:
            offsets = [m.offset for m in now if m.topic == topic]
            assert all(a < b for a, b in pairwise(offsets))


def _mixed(messages: list[Message], chance: random.Random) -> list[Message]:
    lanes: dict[str, list[Message]] = {}
    for message in messages:
        lanes.setdefault(message.topic, []).append(message)
    mixed: list[Message] = []
    while lanes:
        name = chance.choice(sorted(lanes))
        mixed.append(lanes[name].pop(0))
        if not lanes[name]:
            del lanes[name]
    return mixed
