"""The guarantees of the engine hold when partners tell everything by their doors: what they say is
the same in any order and on any number of partitions, and a rival's word changes nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.facts import Fact, Heartbeat, OrderFact
from schemas.partner_sources import partner_source
from schemas.units import HOUR_MS, UtcMillis
from streams.engine.local import LocalEngine
from tests.scenario import by_tick, network, story
from tests.unit.engine.test_guarantees import Visible, final

PARTY_OF = {"acme-erp": "ACME", "sup-erp": "SUP", "cargo-edi": "CARGO"}

RIVAL = partner_source("RIVAL")
LINES = ("order-status", "alerts", "decisions", "notifications")
"""What can be seen of lines. Who was heard, and what waits, is another matter; so are decisions on
the rival as a source."""

Batches = Sequence[tuple[UtcMillis, list[Fact]]]


def by_doors(batches: Batches) -> list[tuple[UtcMillis, list[Fact]]]:
    """The same, told by the parties themselves; the heartbeats stay those of the feeds."""
    return [
        (
            at,
            [
                fact
                if isinstance(fact, Heartbeat)
                else msgspec.structs.replace(fact, source=partner_source(PARTY_OF[fact.source]))
                for fact in told
            ],
        )
        for at, told in batches
    ]


def with_rival(batches: Batches, chance: random.Random) -> list[tuple[UtcMillis, list[Fact]]]:
    """A rival repeats what others say under its own name, later, and promises other dates."""
    mixed = []
    for at, told in batches:
        rival: list[Fact] = []
        for fact in told:
            if isinstance(fact, Heartbeat) or chance.random() < 0.5:
                continue
            lie = msgspec.structs.replace(
                fact, source=RIVAL, occurred_at=fact.occurred_at + HOUR_MS
            )
            if isinstance(lie, OrderFact) and lie.promised_on is not None:
                lie = msgspec.structs.replace(lie, promised_on=lie.promised_on + 3)
            rival.append(lie)
        mixed.append((at, [*told, *rival]))
    return mixed


def ran(
    batches: Batches, *, partitions: int = 4, facts: int = 4
) -> tuple[LocalEngine, list[Visible]]:
    """The engine, and what each tick, with those that settle it, says of lines."""
    engine = LocalEngine(network(), partitions=partitions, fact_partitions=facts)
    seen: list[Visible] = []
    for at, told in batches:
        for fact in told:
            engine.send(fact)
        engine.tick(at)
        seen.append(
            sorted(
                ((topic, out.key or b"", out.value) for topic in LINES
                 for out in engine.new_outputs(topic) if out.key != RIVAL.encode()),
                key=lambda each: (each[0], each[1], each[2] or b""),
            )
        )  # fmt: skip
    return engine, seen


@settings(max_examples=5)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_partitions_order_and_duplicates_within_a_tick_change_no_byte(
    seed: int, chance: random.Random
) -> None:
    batches = with_rival(by_doors(by_tick(story(seed, orders=5))), chance)
    shuffled = []
    for at, told in batches:
        mixed = [*told, *chance.sample(told, len(told) // 3)]
        chance.shuffle(mixed)
        shuffled.append((at, mixed))
    assert ran(batches)[1] == ran(shuffled, partitions=3, facts=2)[1]


@pytest.mark.parametrize("seed", range(2))
def test_what_the_parties_say_by_their_doors_ends_as_what_their_feeds_say(seed: int) -> None:
    batches = by_tick(story(seed, orders=8))
    fed, told = final(ran(batches)[0]), final(ran(by_doors(batches))[0])
    assert fed["order-status"].keys() == told["order-status"].keys()
    for key, status in fed["order-status"].items():
        other = told["order-status"][key]
        assert isinstance(status, dict)
        assert isinstance(other, dict)
        for name in ("quantities", "progress", "shipments", "supplier", "buyer"):
            assert other.get(name) == status.get(name), (key, name)


@pytest.mark.parametrize("seed", range(2))
def test_a_rival_that_speaks_of_every_line_changes_no_byte_of_any(seed: int) -> None:
    batches = by_doors(by_tick(story(seed, orders=8)))
    mixed = with_rival(batches, random.Random(seed))
    assert sum(len(told) for _, told in mixed) > sum(len(told) for _, told in batches) + 10
    assert ran(mixed)[1] == ran(batches)[1]
