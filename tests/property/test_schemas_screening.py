"""Screening against what it spares: whatever `check` refuses alone is doubtful in any batch."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas import limits
from schemas.bulk import decode_bodies
from schemas.codec import FactDecoder, Unsound, encode_facts
from schemas.facts import FACT_TYPES, Fact, Family, OrderFact
from schemas.refusals import Refused
from schemas.screening import SCREEN_MIN, find_doubtful
from schemas.units import QUANTITY_MAX, TIME_MAX, TIME_MIN
from schemas.validation import check
from schemas.value_checks import DAY_MAX, DAY_MIN
from schemas.writers import current_writer
from tests.unit.schemas.fact_strategies import AT, GOOD, facts_of, families, order, shipment

GOOD_OF = {
    family: [fact for fact in GOOD if isinstance(fact, struct)]
    for family, struct in FACT_TYPES.items()
}
TEXTS = [
    "", " ", "x", " x", "x ", "a b", "\t", "x\n", "\x00", "\u00a0x", "\u2028", "a\u200bb", "äß€",
    "|", "a|b", "a| b", "a |b", "||", "x" * limits.UNIT_LENGTH_MAX, "x" * 21, "x" * 200, "x" * 201,
    "ä" * 150, "x" * 2_000, "x" * 2_001, "/", "/a", "a/", "a/b", "a /b", "a/ b", "a/b/", "a//b",
    "a/b#1", "#", "a#b", "a@b", "@", "PLANT-1", "\U0010ffff", "ACME/1", "placed", "eta",
    "alive", "orders", "EUR", "eur", "EU1", "EU|", "EURO",
]  # fmt: skip
NUMBERS = [
    *(bound + by for bound in (TIME_MIN, TIME_MAX, DAY_MIN, DAY_MAX) for by in (-1, 0, 1)),
    *(bound + by for bound in (100, limits.VALUE_MINOR_MAX, QUANTITY_MAX) for by in (0, 1)),
    AT,
]


@st.composite
def odd_facts(draw: st.DrawFn, family: Family) -> Fact:
    """A good fact with some of its fields taken away, or changed to values about the edges."""
    fact = draw(st.sampled_from(GOOD_OF[family]))
    writer = current_writer(family)
    names = fact.__struct_fields__
    changed: dict[str, object] = {}
    for at in draw(st.lists(st.integers(0, len(names) - 1), max_size=3)):
        field = writer.fields[at]
        values: list[object] = [*(TEXTS if field.avro_type == "string" else NUMBERS)]
        if field.avro_type == "boolean":
            values = [True, False]
        if not writer.required[at]:
            values += [None] * 3
        changed[names[at]] = draw(st.sampled_from(values))
    return msgspec.structs.replace(fact, **changed)


@st.composite
def batches(draw: st.DrawFn) -> list[Fact]:
    family = draw(families)
    return draw(st.lists(odd_facts(family) | facts_of(family), min_size=1, max_size=12))


@settings(max_examples=150)
@given(batches())
def test_what_is_refused_is_doubtful(facts: list[Fact]) -> None:
    family = next(f for f, struct in FACT_TYPES.items() if struct is type(facts[0]))
    decoded = decode_bodies(current_writer(family), [v[10:] for v in encode_facts(facts)])
    assume(decoded is not None)
    assert decoded is not None
    doubtful = find_doubtful(family, decoded.columns, decoded.facts)
    assert doubtful == sorted(set(doubtful))
    refused = {at for at, fact in enumerate(decoded.facts) if check(fact) is not None}
    assert refused <= set(doubtful)


@pytest.mark.parametrize("family", Family)
def test_a_value_that_is_refused_is_doubtful_wherever_it_stands(family: Family) -> None:
    for value in (*TEXTS, *NUMBERS):
        avro_types = ("string",) if isinstance(value, str) else ("long", "bytes")
        fields = current_writer(family).fields
        names = [field.name for field in fields if field.avro_type in avro_types]
        facts = [*GOOD_OF[family]]
        facts += [
            msgspec.structs.replace(good, **{name: value})
            for good in GOOD_OF[family]
            for name in names
        ]
        decoded = decode_bodies(current_writer(family), [v[10:] for v in encode_facts(facts)])
        assert decoded is not None
        doubtful = find_doubtful(family, decoded.columns, facts)
        assert {at for at, fact in enumerate(facts) if check(fact) is not None} <= set(doubtful)


def test_a_sound_batch_leaves_nothing_to_check() -> None:
    for family, facts in GOOD_OF.items():
        plain = [fact for fact in facts if not _is_unusual(fact)]
        decoded = decode_bodies(current_writer(family), [v[10:] for v in encode_facts(plain)])
        assert decoded is not None
        assert find_doubtful(family, decoded.columns, plain) == []


def _is_unusual(fact: Fact) -> bool:
    """Sound, but only `check` can tell: an amount of zero or less, or line breaks in a reason."""
    values = msgspec.structs.asdict(fact)
    if (values.get("quantity") or 0) < 0:
        return True
    return 0 in (values.get("quantity"), values.get("over")) or "\n" in (values.get("reason") or "")


@settings(max_examples=20)
@given(families, st.data())
def test_decoding_what_is_sound_is_decoding_and_checking(
    family: Family, data: st.DataObject
) -> None:
    good = GOOD_OF[family] * (2 * SCREEN_MIN // len(GOOD_OF[family]))
    for fact in data.draw(st.lists(odd_facts(family), max_size=6)):
        good.insert(data.draw(st.integers(0, len(good))), fact)
    values: list[bytes | None] = [*encode_facts(good)]
    if data.draw(st.booleans()):
        values[data.draw(st.integers(0, len(values) - 1))] = data.draw(st.none() | st.binary())
    decoder = FactDecoder()
    expected: list[Fact | Unsound] = []
    for result in decoder.decode(family, values):
        if isinstance(result, Refused):
            expected.append(Unsound(result))
        else:
            refused = check(result)
            expected.append(result if refused is None else Unsound(refused, result))
    assert decoder.decode_sound(family, values) == expected


def test_many_kinds_that_do_not_exist_are_each_refused() -> None:
    facts: list[Fact] = [order(f"kind-{n}") for n in range(2 * SCREEN_MIN)]
    facts.append(order("closed"))
    decoded = FactDecoder().decode_sound(Family.ORDERS, encode_facts(facts))
    assert [type(each) for each in decoded] == [Unsound] * 2 * SCREEN_MIN + [OrderFact]


def test_the_first_of_a_shape_speaks_for_the_others_only_when_its_values_are_in_bounds() -> None:
    # The first is refused for its stop, and says nothing about the second, of the same fields.
    facts = [shipment("arrived", site="PORT", stop=500), shipment("arrived", site="PORT", stop=1)]
    decoded = decode_bodies(current_writer(Family.SHIPMENTS), [v[10:] for v in encode_facts(facts)])
    assert decoded is not None
    assert find_doubtful(Family.SHIPMENTS, decoded.columns, facts) == [0]
