"""Every door keeps its promises: spoiled good inputs, plain garbage, and what once broke one.

A door takes any bytes, raises nothing, and names the place of whatever it does not accept; see
`door`. `make fuzz` does the same a million times, guided by coverage.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.door import Door, Verdict, go_through, joined, parts
from tests.fuzz.doors import DOORS, door_named
from tests.fuzz.finds import FINDS
from tests.fuzz.mutations import PLACE_MAX, spoil

MUTATIONS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, PLACE_MAX - 1), st.integers(0, 1 << 20)),
    min_size=1,
    max_size=5,
)
SECONDS_MAX = 5.0
"""CPU seconds that one input may take; the slowest of any door takes a tenth."""

EXAMPLES = 40
SLOW_EXAMPLES = 12
SLOW_DOORS = frozenset({"wire-in-bulk", "engine", "http", "state"})

doors = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)


def entered(door: Door, data: bytes) -> None:
    began = time.process_time()
    go_through(door, data)
    seconds = time.process_time() - began
    assert seconds < SECONDS_MAX, f"{seconds:.1f} s of CPU for {len(data)} bytes"


@doors
def test_good_inputs_keep_the_promises_and_some_are_accepted(door: Door) -> None:
    verdicts = [go_through(door, seed).verdict for seed in door.seeds()]
    assert Verdict.ACCEPTED in verdicts


@doors
def test_a_spoiled_input_breaks_no_promise(door: Door) -> None:
    seeds = door.seeds()

    @settings(
        max_examples=SLOW_EXAMPLES if door.name in SLOW_DOORS else EXAMPLES,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(seeds) - 1), MUTATIONS)
    def spoiled(seed: int, mutations: list[tuple[int, int, int]]) -> None:
        entered(door, spoil(seeds[seed], mutations, seeds)[: door.input_bytes_max])

    spoiled()


@doors
def test_garbage_breaks_no_promise(door: Door) -> None:
    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode()))
    @example(b"")
    @example(b"\x00" * 100)
    @example(b"\xff\xfe\xfd")
    def garbage(data: bytes) -> None:
        entered(door, data)

    garbage()


@pytest.mark.parametrize("number", range(len(FINDS)))
def test_what_once_broke_a_promise_does_not_again(number: int) -> None:
    name, data = FINDS[number]
    entered(door_named(name), data)


def test_the_parts_of_an_input_are_those_that_were_joined() -> None:
    named = {"a.csv": b"x\n", "b.yaml": b"- y\n"}
    assert {name: body for name, body in parts(joined(named)).items() if name} == named
