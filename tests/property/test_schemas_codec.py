"""Bytes: every way there and back, bulk against fastavro, and bytes that mean harm."""

from __future__ import annotations

import datetime as dt
import functools
import io
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from schemas import bulk, codec, units
from schemas.facts import FACT_TYPES, Fact, Family
from schemas.refusals import Refused
from schemas.writers import Writer, current_writer, schema_text
from tests.unit.schemas.fact_strategies import GOOD, any_fact, facts_of, families

GOOD_OF = {
    family: [fact for fact in GOOD if isinstance(fact, struct)]
    for family, struct in FACT_TYPES.items()
}


@functools.cache
def parsed_schema(family: Family) -> Any:
    return fastavro.parse_schema(json.loads(schema_text(family)))


def to_fastavro(fact: Fact) -> dict[str, Any]:
    """The fact as fastavro's own types, where they can hold its values."""
    names = fact.__struct_fields__
    fields = json.loads(schema_text(family_of(fact)))["fields"]
    found = {}
    for field, name, value in zip(fields, names, msgspec.structs.astuple(fact), strict=True):
        logical = logical_type(field["type"])
        if value is None:
            found[name] = None
        elif logical == "timestamp-millis":
            found[name] = units.instant(value)
        elif logical == "date":
            found[name] = units.calendar_date(value)
        elif logical == "decimal":
            found[name] = Decimal(value).scaleb(-6)
        else:
            found[name] = value
    return found


def from_fastavro(family: Family, record: Mapping[str, Any]) -> Fact:
    values = []
    for name in FACT_TYPES[family].__struct_fields__:
        value = record[name]
        if isinstance(value, dt.datetime):
            value = units.millis(value)
        elif isinstance(value, dt.date):
            value = units.day(value)
        elif isinstance(value, Decimal):
            value = int(value.scaleb(6))
        values.append(value)
    return FACT_TYPES[family](*values)


def logical_type(declared: Any) -> str | None:
    if isinstance(declared, list):
        declared = declared[1]
    return declared["logicalType"] if isinstance(declared, dict) else None


def family_of(fact: Fact) -> Family:
    return next(family for family, struct in FACT_TYPES.items() if type(fact) is struct)


def decode_each(writer: Writer, bodies: list[bytes]) -> list[Fact | Refused]:
    """What fastavro makes of each body by itself."""
    return [codec.decode_body(writer, body) for body in bodies]


def bulk_facts(writer: Writer, bodies: list[bytes]) -> list[Fact] | None:
    decoded = bulk.decode_bodies(writer, bodies)
    return None if decoded is None else decoded.facts


def assert_bulk_is_sound(writer: Writer, bodies: list[bytes]) -> None:
    """Bulk gives what fastavro gives for each by itself, or leaves the decision to it."""
    facts = bulk_facts(writer, bodies)
    assert facts is None or facts == decode_each(writer, bodies)


@st.composite
def batches(draw: st.DrawFn) -> tuple[Writer, list[Fact]]:
    family = draw(families)
    return current_writer(family), draw(st.lists(facts_of(family), min_size=1, max_size=6))


@st.composite
def good_bodies(draw: st.DrawFn) -> tuple[Writer, list[bytes]]:
    family = draw(families)
    facts = draw(st.lists(st.sampled_from(GOOD_OF[family]), min_size=1, max_size=6))
    return current_writer(family), [codec.encode_fact(fact)[10:] for fact in facts]


@given(any_fact)
def test_pack_and_unpack_give_the_fact_back(fact: Fact) -> None:
    assert codec.unpack(codec.pack(fact)) == fact


@given(st.sampled_from(GOOD))
def test_the_encoder_writes_what_fastavro_writes(fact: Fact) -> None:
    schema = parsed_schema(family_of(fact))
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, schema, to_fastavro(fact))
    assert codec.encode_fact(fact)[10:] == stream.getvalue()


@given(any_fact)
def test_the_encoder_writes_what_fastavro_writes_for_any_values(fact: Fact) -> None:
    writer = current_writer(family_of(fact))
    record = {}
    for name, is_decimal, value in zip(
        fact.__struct_fields__, writer.decimals, msgspec.structs.astuple(fact), strict=True
    ):
        record[name] = fastavro_decimal(value) if is_decimal and value is not None else value
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, writer.plain_schema, record)
    assert codec.encode_fact(fact)[10:] == stream.getvalue()


def fastavro_decimal(value: int) -> bytes:
    stream = io.BytesIO()
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 0}
    fastavro.schemaless_writer(stream, schema, Decimal(value))
    return stream.getvalue()[1:]


@given(st.sampled_from(GOOD))
def test_fastavro_reads_the_same_fact_with_the_published_schema(fact: Fact) -> None:
    family = family_of(fact)
    schema = parsed_schema(family)
    body = codec.encode_fact(fact)[10:]
    record = fastavro.schemaless_reader(io.BytesIO(body), schema, schema)
    assert isinstance(record, dict)
    assert from_fastavro(family, record) == fact == codec.decode_body(current_writer(family), body)


@given(batches())
def test_one_by_one_gives_every_fact_back(batch: tuple[Writer, list[Fact]]) -> None:
    writer, facts = batch
    bodies = [codec.encode_fact(fact)[10:] for fact in facts]
    assert decode_each(writer, bodies) == facts


@given(batches())
def test_bulk_gives_every_fact_back(batch: tuple[Writer, list[Fact]]) -> None:
    writer, facts = batch
    bodies = [codec.encode_fact(fact)[10:] for fact in facts]
    decoded = bulk_facts(writer, bodies)
    # Longs of ten bytes are left to fastavro, so any value short of them must be taken.
    longs = [value for fact in facts for value in msgspec.structs.astuple(fact)]
    is_small = all(abs(value) < 1 << 61 for value in longs if isinstance(value, int))
    assert decoded == facts or (decoded is None and not is_small)


@given(st.lists(st.sampled_from(GOOD), min_size=1, max_size=400), st.booleans())
def test_the_decoder_gives_every_fact_back_in_order(facts: list[Fact], by_id: bool) -> None:
    registry = {7 + at: schema_text(family) for at, family in enumerate(Family)}
    decoder = codec.FactDecoder(registry=registry)
    for at, family in enumerate(Family):
        mine = [fact for fact in facts if family_of(fact) is family]
        values = codec.encode_facts(mine)
        if by_id:
            values = [b"\x00" + (7 + at).to_bytes(4, "big") + value[10:] for value in values]
        assert decoder.decode(family, values) == mine


@given(good_bodies(), st.data())
def test_a_boundary_that_is_moved_is_never_believed(
    batch: tuple[Writer, list[bytes]], data: st.DataObject
) -> None:
    writer, bodies = batch
    assume(len(bodies) > 1)
    joined = b"".join(bodies)
    cuts = sorted(
        data.draw(
            st.lists(
                st.integers(0, len(joined)), min_size=len(bodies) - 1, max_size=len(bodies) - 1
            )
        )
    )
    moved = [joined[a:b] for a, b in zip([0, *cuts], [*cuts, len(joined)], strict=True)]
    assume(moved != bodies)
    assert_bulk_is_sound(writer, moved)
    assert bulk.decode_bodies(writer, moved) is None


@settings(max_examples=200)
@given(good_bodies(), st.data())
def test_bulk_of_mutated_bodies_is_what_fastavro_says_or_nothing(
    batch: tuple[Writer, list[bytes]], data: st.DataObject
) -> None:
    writer, bodies = batch
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(bodies) - 1))
        bodies[at] = data.draw(mutations(bodies[at]))
    assert_bulk_is_sound(writer, bodies)


def mutations(body: bytes) -> st.SearchStrategy[bytes]:
    """The body with a byte changed, put in, taken out, made overlong, or cut and continued."""
    places = st.integers(0, max(len(body) - 1, 0))
    small = st.sampled_from([0, 1, 2, 3, 4, 6, 0x7F, 0x80, 0x81, 0x82, 0xFE, 0xFF])
    byte = small | st.integers(0, 255)
    return st.one_of(
        st.tuples(places, byte).map(lambda p: body[: p[0]] + bytes([p[1]]) + body[p[0] + 1 :]),
        st.tuples(places, byte).map(lambda p: body[: p[0]] + bytes([p[1]]) + body[p[0] :]),
        places.map(lambda at: body[:at] + body[at + 1 :]),
        places.map(lambda at: body[:at]),
        places.map(lambda at: body + body[:at]),
        places.map(
            lambda at: body[:at] + bytes([body[at] | 0x80, 0]) + body[at + 1 :] if body else b""
        ),
        st.binary(max_size=40),
    )


@settings(max_examples=25)
@given(families, st.data())
def test_what_a_value_decodes_to_does_not_depend_on_its_batch(
    family: Family, data: st.DataObject
) -> None:
    good = codec.encode_facts(GOOD_OF[family])
    odd = data.draw(
        st.lists(
            st.sampled_from(good).flatmap(
                lambda value: mutations(value[10:]).map(value[:10].__add__)
            )
            | st.binary(max_size=60)
            | st.none(),
            min_size=1,
            max_size=5,
        )
    )
    values: list[bytes | None] = [*good] * (600 // len(good))
    for value in odd:
        values.insert(data.draw(st.integers(0, len(values))), value)
    decoder = codec.FactDecoder()
    alone = {value: decoder.decode(family, [value])[0] for value in set(values)}
    assert decoder.decode(family, values) == [alone[value] for value in values]


@given(families, st.lists(st.none() | st.binary(max_size=200), max_size=20))
@example(Family.ORDERS, [None, b"", b"\x00", b"\xc3", b"\xc3\x01", b"\x00\x00\x00\x00\x01"])
def test_any_bytes_are_decoded_or_refused(family: Family, values: list[bytes | None]) -> None:
    decoder = codec.FactDecoder(registry={1: schema_text(family), 2: "{"})
    results = decoder.decode(family, values)
    assert len(results) == len(values)
    for result in results:
        assert isinstance(result, FACT_TYPES[family] | Refused)
        if isinstance(result, Refused):
            assert result.error
