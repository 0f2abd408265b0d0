"""The store finds what is due, takes back what failed, and costs nothing for what is far off."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from streams.stages.deadlines import Deadlines
from streams.stages.store import ENTRIES_SPARE, Store

KEYS = st.sampled_from("abcdefgh")
MOMENTS = st.integers(0, 4 * HOUR_MS) | st.sampled_from([HOUR_MS - 1, HOUR_MS, HOUR_MS + 1])


def state(due: UtcMillis | None, mark: int = 0) -> bytes:
    return msgspec.msgpack.encode([1, due, mark])


PUTS = st.tuples(st.just("put"), KEYS, st.none() | MOMENTS)
DELETES = st.tuples(st.just("delete"), KEYS, st.none())
ENDS = st.tuples(st.sampled_from(["commit", "abort"]), st.just(""), st.none())
LOOKS = st.tuples(st.just("look"), st.just(""), MOMENTS)


@given(st.lists(PUTS | DELETES | ENDS | LOOKS, max_size=60))
def test_due_is_what_a_look_at_every_key_finds(
    steps: list[tuple[str, str, UtcMillis | None]],
) -> None:
    store = Store(1)
    committed: dict[str, UtcMillis | None] = {}
    pending: dict[str, UtcMillis | None] = {}
    for number, (step, key, at) in enumerate(steps):
        match step:
            case "put":
                store.put(key, state(at, number))
                pending[key] = at
            case "delete":
                store.delete(key)
                pending[key] = -1
            case "commit":
                store.commit()
                committed.update(pending)
                pending.clear()
            case "abort":
                store.abort()
                pending.clear()
            case _:
                assert at is not None
                found = [k for k, due in committed.items() if due is not None and 0 <= due <= at]
                assert store.due_keys(at) == sorted(found)


def test_a_moment_at_which_nothing_is_due_looks_at_no_key() -> None:
    looked: list[str] = []

    def deadline_of(key: str) -> UtcMillis:
        looked.append(key)
        return int(key) * HOUR_MS

    deadlines = Deadlines(deadline_of)
    for number in range(1_000):
        deadlines.add(str(number), number * HOUR_MS)
    assert deadlines.due(3 * HOUR_MS) == {"0", "1", "2", "3"}
    looked.clear()
    assert deadlines.due(3 * HOUR_MS + 1) == {"0", "1", "2", "3"}
    assert sorted(looked) == ["0", "1", "2", "3"]


def test_deadlines_that_move_do_not_pile_up() -> None:
    store = Store(1)
    for turn in range(5_000):
        for key in "abc":
            store.put(key, state((turn + 7) * DAY_MS))
        store.commit()
        assert store.due_keys(turn) == []
    assert store._deadlines.entries <= 2 * 3 + ENTRIES_SPARE + 3


def test_what_was_restored_is_due_as_before() -> None:
    live, restored = Store(1), Store(1)
    for number in range(100):
        live.put(f"k{number}", state(number * HOUR_MS if number % 3 else None))
    live.commit()
    for key, value in live.items():
        restored.restore(key, value)
    for at in (0, HOUR_MS, 50 * HOUR_MS + 1, 200 * HOUR_MS):
        assert restored.due_keys(at) == live.due_keys(at)


@given(
    before=st.lists(st.tuples(KEYS, st.none() | MOMENTS), max_size=8),
    failed=st.lists(st.tuples(KEYS, st.none() | MOMENTS), max_size=8),
)
def test_a_rollback_takes_back_only_what_came_after_the_savepoint(
    before: list[tuple[str, UtcMillis | None]], failed: list[tuple[str, UtcMillis | None]]
) -> None:
    store = Store(1)
    for key in "abcd":
        store.put(key, state(1))
    store.commit()

    def change(changes: list[tuple[str, UtcMillis | None]]) -> None:
        for key, at in changes:
            if at is None:
                store.delete(key)
            else:
                store.put(key, state(at))

    change(before)
    was = list(store.pending().items())
    store.savepoint()
    change(failed)
    store.rollback()
    assert list(store.pending().items()) == was
