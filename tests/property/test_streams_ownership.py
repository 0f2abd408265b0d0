"""Whose line it is does not depend on the order in which that becomes known."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import pack
from schemas.facts import Fact, OrderFact, ShipmentFact
from schemas.ledger import decode_line
from schemas.partner_sources import partner_of, partner_source
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE
from streams.engine.local import LocalEngine
from streams.stages.fold import fold
from streams.stages.legs import canonical
from streams.stages.ownership import split
from tests.scenario import START, START_DAY, network

AT = START + DAY_MS
PARTIES = ("ACME", "SUP", "CARGO", "RIVAL")
LINE = {"order_ref": "ACME/PO-1", "line": "10"}
SOURCES = st.sampled_from(["erp", *map(partner_source, PARTIES)])


@st.composite
def told(draw: st.DrawFn) -> list[Fact]:
    """What sources of our own and partners, in their roles and out of them, say of one line."""
    facts: list[Fact] = []
    for number in range(draw(st.integers(1, 9))):
        kind = draw(
            st.sampled_from(
                [
                    *("placed", "placed", "changed", "changed", "confirmed", "confirmed"),
                    *("rejected", "closed", "cancelled", "packed", "packed", "eta"),
                ]
            )
        )
        at = AT - draw(st.integers(0, 5)) * HOUR_MS
        more: dict[str, Any] = dict(LINE)
        source = draw(SOURCES)
        if kind == "placed":
            more |= {"item": "BOLT", "quantity": 5 * QUANTITY_ONE, "unit": "EA"}
        if kind in ("placed", "changed"):
            more["supplier"] = draw(st.sampled_from([None, *PARTIES]))
            more["buyer"] = draw(st.sampled_from([None, *PARTIES]))
        if kind == "confirmed":
            more["promised_on"] = START_DAY + draw(st.integers(3, 20))
        if kind in ("packed", "eta"):
            more["shipment_ref"] = draw(st.sampled_from(["SUP/S-1", "CARGO/C-1"]))
            more["carrier"] = draw(st.sampled_from([None, *PARTIES]))
        if kind == "packed":
            more |= {"quantity": QUANTITY_ONE, "unit": "EA"}
        if kind == "eta":
            more["eta_on"] = START_DAY + draw(st.integers(3, 20))
            if draw(st.booleans()):
                # Of the shipment alone: it reaches the line over its number.
                del more["order_ref"], more["line"]
        made = ShipmentFact if kind in ("packed", "eta") else OrderFact
        facts.append(made(f"e{number}", source, kind, at, at, **more))
    return facts


def ends_as(ticks: list[list[Fact]]) -> object:
    """What is known of the line once all ticks are done, but when that was."""
    engine = LocalEngine(network(), partitions=2)
    for number, facts in enumerate(ticks):
        for fact in facts:
            engine.send(fact)
        engine.tick(AT + number * 1000)
    engine.tick(AT + HOUR_MS)
    held = engine.latest("lines").get(b"ACME/PO-1#10")
    if held is None:
        return None
    line = decode_line(bytes(held))
    return line.facts, {each.body for each in line.aside}


@settings(max_examples=60)
@given(told(), st.data())
def test_the_same_facts_in_any_order_are_believed_and_set_aside_alike(
    facts: list[Fact], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(facts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(facts)), min_size=2, max_size=2)))
    split_up = [other[: cuts[0]], other[cuts[0] : cuts[1]], other[cuts[1] :]]
    assert ends_as([facts]) == ends_as(split_up)


@settings(max_examples=60)
@given(told())
def test_who_has_the_line_in_the_end_is_answered_for_by_nobody_else(facts: list[Fact]) -> None:
    """What holds of the line was told by its supplier, or by sources of our own."""
    own, _ = split("ACME/PO-1#10", [(fact, pack(fact)) for fact in facts])
    counted = sorted((fact for fact, _ in own), key=canonical)
    line = fold("ACME/PO-1#10", counted)
    # Where a confirmation alone named it, nobody gave it to anybody.
    given = [fact.supplier for fact in counted if fact.kind in ("placed", "changed")]
    if any(given):
        promise, refusal = line.last_confirmed, line.rejected
        for told_of in (promise, refusal):
            if told_of is not None:
                assert partner_of(told_of.source) in {None, line.supplier}


@given(told(), st.data())
def test_what_is_set_aside_could_be_left_out(facts: list[Fact], data: st.DataObject) -> None:
    """No fact that does not count makes another one count; and what our own sources say counts."""
    pairs = [(fact, pack(fact)) for fact in facts]
    own, others = split("ACME/PO-1#10", pairs)
    assert sorted([*own, *others], key=lambda each: each[1]) == sorted(
        pairs, key=lambda each: each[1]
    )
    assert split("ACME/PO-1#10", own) == (own, [])
    assert all(partner_of(fact.source) is not None for fact, _ in others)
    shuffled, _ = split("ACME/PO-1#10", data.draw(st.permutations(pairs)))
    assert {body for _, body in shuffled} == {body for _, body in own}
