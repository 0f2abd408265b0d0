"""Taking over a state that was followed looks at what changed since, and at no other key."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator

import msgspec
import pytest

from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from streams.engine.control import Control
from streams.engine.flow import STAGES
from streams.engine.local import LocalEngine
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.restore import Restoration
from streams.engine.standby import Standby
from streams.engine.task import KeyedTask
from streams.engine.tasks import keyed_task
from streams.stages.keys import source_key
from streams.stages.store import ENTRIES_SPARE, StateDamaged, Store
from tests.scenario import by_tick, network, story

PARTITIONS = 2
INPUTS = [Partition(stage().input_topic, n) for stage in STAGES for n in range(PARTITIONS)]
LOOKS_PER_RECORD_MAX = 4


class Looked(dict[str, bytes]):
    """Counts the keys that are looked at."""

    looks = 0

    def get(self, key: str, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        self.looks += 1
        return super().get(key, default)

    def items(self) -> ItemsView[str, bytes]:  # type: ignore[override]
        self.looks += len(self)
        return super().items()

    def __iter__(self) -> Iterator[str]:
        self.looks += len(self)
        return super().__iter__()


def looked(store: Store) -> Looked:
    """From now on, what is looked at in the store is counted."""
    counted = Looked(store._committed)
    store._committed = counted
    return counted


def caught_up(standby: Standby) -> None:
    while standby.step(()) or standby.behind:
        pass


def progress_in(log: MemoryLog) -> Control:
    control = Control(log)
    control.open(1.0)
    return control


def restored(log: MemoryLog, control: Control) -> dict[Partition, KeyedTask]:
    """The tasks as they are restored from the beginning."""
    found = [keyed_task(each, PARTITIONS, None, 0, "fresh") for each in INPUTS]
    for task in found:
        task.stand_at(control.progress_of(task.stage.name, task.input), 0)
    restoration = Restoration(log, found)
    while not restoration.step():
        pass
    return {task.input: task for task in found}


def test_a_take_over_looks_at_the_rest_alone_however_many_lines_there_are() -> None:
    engine = LocalEngine(network(heartbeats=True), partitions=PARTITIONS)
    standby = Standby(engine.log, "spare", is_on=True)
    standby.open(PARTITIONS)
    *before, (at, rest) = by_tick(story(51, orders=150), ticks=9)
    for moment, facts in before:
        for fact in facts:
            engine.send(fact)
        engine.tick(moment)
        caught_up(standby)
        standby.pass_to(moment)
    copies = standby.take(INPUTS)
    standby.close()
    counts = {place: looked(copy.task.store) for place, copy in copies.items()}
    for fact in rest[:6]:
        engine.send(fact)
    engine.tick(at)
    control = progress_in(engine.log)
    for place, copy in copies.items():
        copy.task.stand_at(control.progress_of(copy.task.stage.name, place), 0)
    restoration = Restoration(engine.log, [copy.task for copy in copies.values()], copies)
    while not restoration.step():
        pass
    due = {place: copy.task.store.due_keys(at) for place, copy in copies.items()}
    looks = sum(each.looks for each in counts.values())
    keys = sum(map(len, counts.values()))
    assert 0 < restoration.records < keys / 5
    assert looks <= LOOKS_PER_RECORD_MAX * (restoration.records + sum(map(len, due.values())))
    fresh = restored(engine.log, control)
    for place, copy in copies.items():
        expected = fresh[place].store
        assert dict(copy.task.store.items()) == dict(expected.items())
        assert copy.task.store.content() == expected.content()
        assert due[place] == expected.due_keys(at)
    engine.close()


def state(due: UtcMillis | None, mark: int = 0) -> bytes:
    return msgspec.msgpack.encode([1, due, mark])


def test_what_is_followed_for_long_piles_nothing_up_and_leaves_nothing_to_do() -> None:
    store = Store(1)
    keys = [f"k{n}" for n in range(200)]
    turns = 30
    for turn in range(turns):
        for key in keys:
            store.restore(key, state(turn * DAY_MS + HOUR_MS, turn))
        assert store._deadlines.entries <= 2 * len(keys) + ENTRIES_SPARE + 1
        assert store.due_keys(turn * DAY_MS) == []
    store.restore(keys.pop(), None)
    counted = looked(store)
    content = store.content()
    assert content.keys == len(keys)
    assert store.due_keys((turns - 1) * DAY_MS) == []
    assert counted.looks == 0
    assert store.due_keys(turns * DAY_MS) == sorted(keys)
    again = Store(1)
    for key, value in store.items():
        again.restore(key, value)
    assert again.content() == content


@pytest.mark.parametrize("key", ["cell\x00ACME/PO-1#10", source_key("sup-erp")])
@pytest.mark.parametrize("value", [b"\xc1", b"\x92\x01\xc0"])
def test_a_copy_with_bytes_that_are_no_state_is_given_up(key: str, value: bytes) -> None:
    log = MemoryLog(PARTITIONS)
    log.append("cells-state", key.encode(), value, 0)
    standby = Standby(log, "spare", is_on=True)
    standby.open(PARTITIONS)
    caught_up(standby)
    place = Partition("cells-rows", 0)
    assert set(INPUTS) - standby.take(INPUTS).keys() == {place}
    standby.close()
    with pytest.raises(StateDamaged, match="cannot be read"):
        keyed_task(place, PARTITIONS, None, 0, "spare").follow("cells-state", key.encode(), value)
