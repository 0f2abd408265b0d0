"""Full lines and numbers: what they keep, and that within a tick the order of arrival is no matter.

The limits are lowered here, so that each test goes to one and past it in a moment; what happens
there does not depend on their height.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

import pytest

from schemas import limits
from schemas.codec import pack
from schemas.facts import Fact, OrderFact, ShipmentFact
from schemas.ledger import decode_line
from schemas.records import DeadLetter, decode
from schemas.units import DAY_MS
from streams.engine.local import LocalEngine
from streams.letters import retry_all
from tests.scenario import START, Chain, network

AT = START + DAY_MS


def _engine(ticks: Sequence[Sequence[Fact]]) -> LocalEngine:
    engine = LocalEngine(network(), partitions=2)
    for number, facts in enumerate(ticks):
        for fact in facts:
            engine.send(fact)
        engine.tick(AT + number * 60_000)
    return engine


def _letters(engine: LocalEngine) -> dict[str, DeadLetter]:
    values = engine.latest("dead-letters").values()
    return {letter.id: letter for letter in (decode(bytes(value), DeadLetter) for value in values)}


def _told(engine: LocalEngine) -> dict[str, tuple[bytes, ...]]:
    lines = engine.latest("lines").items()
    return {bytes(key).decode(): decode_line(bytes(value)).facts for key, value in lines}


def _changes(count: int, reason: str = "") -> list[Fact]:
    placed = Chain().placed("PO-1", AT)
    told = [
        OrderFact(
            f"c{n:03d}", "acme-erp", "changed", AT, AT, order_ref="ACME/PO-1", line="10",
            requested_on=20_500 + n, reason=reason or None,
        )
        for n in range(count - 1)
    ]  # fmt: skip
    return [placed, *told]


def test_a_line_keeps_so_many_facts_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_PER_LINE_MAX", 5)
    at_it = _engine([_changes(5)])
    assert not _letters(at_it)
    past_it = _engine([_changes(6)])
    (letter,) = _letters(past_it).values()
    assert letter.reason == "line_full"
    assert letter.error == "ACME/PO-1#10 already has 5 facts"
    assert len(_told(past_it)["ACME/PO-1#10"]) == 5


def test_a_line_keeps_so_many_bytes_of_facts_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = _changes(4, "x" * 500)
    size = sum(len(pack(fact)) for fact in facts)
    monkeypatch.setattr(limits, "FACT_BYTES_PER_LINE_MAX", size)
    assert not _letters(_engine([facts]))
    monkeypatch.setattr(limits, "FACT_BYTES_PER_LINE_MAX", size - 1)
    (letter,) = _letters(_engine([facts])).values()
    assert letter.reason == "line_full"
    assert "no room for more" in letter.error


def test_a_full_line_still_takes_what_it_knows_and_refuses_no_duplicate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FACTS_PER_LINE_MAX", 5)
    assert not _letters(_engine([_changes(5), _changes(5)]))


def _moves(count: int, reason: str = "held") -> list[Fact]:
    return [
        ShipmentFact(
            f"m{n:03d}", "cargo-edi", "exception", AT, AT, shipment_ref="SUP/S-1", reason=reason
        )
        for n in range(count)
    ]


def test_a_number_keeps_so_many_facts_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_PER_NUMBER_MAX", 4)
    assert not _letters(_engine([_moves(4)]))
    (letter,) = _letters(_engine([_moves(5)])).values()
    assert letter.reason == "number_full"
    assert letter.error == "shipment:SUP/S-1 already has 4 facts"


def test_a_number_keeps_so_many_bytes_of_facts_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = _moves(4, "x" * 500)
    size = sum(len(pack(fact)) for fact in facts)
    monkeypatch.setattr(limits, "FACT_BYTES_PER_NUMBER_MAX", size)
    assert not _letters(_engine([facts]))
    monkeypatch.setattr(limits, "FACT_BYTES_PER_NUMBER_MAX", size - 1)
    (letter,) = _letters(_engine([facts])).values()
    assert letter.reason == "number_full"


def _worths(count: int) -> list[Fact]:
    return [
        OrderFact(
            f"w{n}", "acme-erp", "placed", AT, AT, order_ref="ACME/PO-1", line=f"{n}",
            item="BOLT", quantity=1, unit="EA", value_minor=100, currency="EUR",
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_number_knows_so_many_amounts_of_its_lines_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "WORTHS_PER_NUMBER_MAX", 4)
    assert not _letters(_engine([_worths(4)]))
    (letter,) = _letters(_engine([_worths(5)])).values()
    assert (letter.reason, letter.event_id) == ("number_full", "w4")
    assert letter.error == (
        "order:ACME/PO-1 already knows 4 amounts of its lines, and has no room for more; "
        "ACME/PO-1#4 gets no share by this one"
    )


def _packed(count: int) -> list[Fact]:
    chain = Chain()
    for n in range(count):
        chain.packed(f"PO-{n}", "S-1", AT)
    return chain.facts


def test_a_number_stands_for_so_many_lines_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINES_PER_NUMBER_MAX", 3)
    assert not _letters(_engine([_packed(3)]))
    (letter,) = _letters(_engine([_packed(4)])).values()
    assert letter.reason == "number_full"
    assert letter.error.startswith("shipment:SUP/S-1 already stands for 3 lines or numbers")


def test_a_number_keeps_so_many_characters_of_lines_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = 3 * len("LACME/PO-0#10")
    monkeypatch.setattr(limits, "LINE_CHARS_PER_NUMBER_MAX", size)
    assert not _letters(_engine([_packed(3)]))
    monkeypatch.setattr(limits, "LINE_CHARS_PER_NUMBER_MAX", size - 1)
    (letter,) = _letters(_engine([_packed(3)])).values()
    assert letter.reason == "number_full"


@pytest.mark.parametrize("seed", range(8))
def test_within_a_tick_a_full_line_or_number_refuses_the_same_in_any_order(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for name, most in (
        ("FACTS_PER_LINE_MAX", 6), ("FACTS_PER_NUMBER_MAX", 3), ("LINES_PER_NUMBER_MAX", 2),
    ):  # fmt: skip
        monkeypatch.setattr(limits, name, most)
    facts = [*_changes(9), *_moves(6), *_packed(4)]
    half = len(facts) // 2
    told = _engine([facts[:half], facts[half:]])
    chance = random.Random(seed)
    ticks = [facts[:half] * 2, facts[half:] * 2]
    for tick in ticks:
        chance.shuffle(tick)
    again = _engine(ticks)
    assert len(_letters(told)) > 3
    assert _letters(again).keys() == _letters(told).keys()
    assert _told(again) == _told(told)


def test_between_ticks_what_came_first_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/limits.md says: another cut of the same facts may refuse others of a full line."""
    monkeypatch.setattr(limits, "FACTS_PER_LINE_MAX", 3)
    placed, *changes = _changes(6)
    first = _engine([[placed, *changes[:2]], changes[2:]])
    last = _engine([[placed, *changes[-2:]], changes[:-2]])
    assert {decode_id(each) for each in _letters(first)} == {"c002", "c003", "c004"}
    assert {decode_id(each) for each in _letters(last)} == {"c000", "c001", "c002"}


def decode_id(letter_id: str) -> str:
    return letter_id.rpartition("/")[2]


def test_the_fullest_line_and_number_still_fit_a_record() -> None:
    reason = "x" * 400
    facts = _changes(limits.FACTS_PER_LINE_MAX + 200, "y" * 900)
    engine = _engine([[*facts, *_moves(limits.FACTS_PER_NUMBER_MAX + 100, reason), *_packed(3)]])
    assert {letter.reason for letter in _letters(engine).values()} == {"line_full", "number_full"}
    assert not engine.latest("parked")
    for topic in ("lines", "links-state", "ledgers-rows", "cells-rows", "cells-state"):
        sizes = [len(each.value) for each in engine.outputs(topic) if each.value is not None]
        assert max(sizes) <= limits.RECORD_BYTES_MAX, topic


def test_facts_of_a_full_line_come_back_once_when_it_may_hold_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = limits.FACTS_PER_LINE_MAX
    monkeypatch.setattr(limits, "FACTS_PER_LINE_MAX", 5)
    facts = _changes(8)
    engine = _engine([facts])
    assert len(_letters(engine)) == 3
    monkeypatch.setattr(limits, "FACTS_PER_LINE_MAX", room)
    at = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert len(retry_all(engine.log, None, None, at).sent) == 3
    engine.tick(AT + 2 * 60_000)
    assert _told(engine)["ACME/PO-1#10"] == tuple(sorted(pack(fact) for fact in facts))
    assert all(letter.retried_at == at for letter in _letters(engine).values())
    retold = engine.outputs("lines")
    assert not retry_all(engine.log, None, None, at).sent
    engine.tick(AT + 3 * 60_000)
    assert engine.outputs("lines") == retold
