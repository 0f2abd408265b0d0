"""The Avro files: they say what the structs say, and no published version is ever forgotten."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import msgspec
import pytest

from schemas.codec import CONFLUENT_MARKER, FactDecoder, encode_fact
from schemas.facts import FACT_TYPES, Family
from schemas.refusals import Reason, Refused
from schemas.writers import (
    compile_writer,
    current_writer,
    historic_schemas,
    published_writers,
    schema_text,
)
from tests.unit.schemas.fact_strategies import GOOD

AVRO_TYPE_OF = {
    "str": "string",
    "UtcMillis": {"type": "long", "logicalType": "timestamp-millis"},
    "Day": {"type": "int", "logicalType": "date"},
    "Quantity": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 6},
    "bool": "boolean",
}
INT_TYPE_OF = {
    "schedule": "int",
    "stop": "int",
    "net_days": "int",
    "value_minor": "long",
    "price_minor": "long",
}


@pytest.mark.parametrize("family", Family)
def test_a_schema_has_the_fields_of_its_struct(family: Family) -> None:
    struct = FACT_TYPES[family]
    expected = []
    for field in msgspec.structs.fields(struct):
        declared = struct.__annotations__[field.name].removesuffix(" | None")
        avro: Any = INT_TYPE_OF[field.name] if declared == "int" else AVRO_TYPE_OF[declared]
        expected.append((field.name, avro if field.required else ["null", avro]))
    schema = json.loads(schema_text(family))
    assert [(field["name"], field["type"]) for field in schema["fields"]] == expected
    assert schema["name"] == struct.__name__
    for field in schema["fields"]:
        assert ("default" in field) is isinstance(field["type"], list)
        assert field.get("default") is None
        assert field["doc"].endswith(".")


@pytest.mark.parametrize("family", Family)
def test_todays_schema_is_the_newest_in_the_history(family: Family) -> None:
    history = [text for _, of, text in historic_schemas() if of is family]
    assert json.loads(history[-1]) == json.loads(schema_text(family)), (
        f"{family}.avsc has changed: add a copy of it to schemas/avro/history as "
        f"{family}.v{len(history) + 1}.avsc, and leave the older ones as they are"
    )


def test_the_history_has_every_version_from_the_first() -> None:
    names = [name for name, _, _ in historic_schemas()]
    for family in Family:
        count = sum(name.startswith(f"{family}.") for name in names)
        assert [f"{family}.v{n + 1}.avsc" for n in range(count)] == [
            name for name in names if name.startswith(f"{family}.")
        ]


def test_schemas_that_share_a_fingerprint_are_read_alike() -> None:
    # The fingerprint does not see logical types, defaults and docs.
    by_fingerprint = {}
    for writer in published_writers():
        known = by_fingerprint.setdefault(writer.fingerprint, writer)
        assert (known.family, known.fields, known.columns, known.decimals) == (
            writer.family,
            writer.fields,
            writer.columns,
            writer.decimals,
        )


@pytest.mark.parametrize(
    ("family", "text"),
    [pytest.param(family, text, id=name) for name, family, text in historic_schemas()],
)
@pytest.mark.parametrize("copies", [1, 300], ids=["one by one", "in bulk"])
def test_todays_readers_read_what_was_written_with_every_version(
    family: Family, text: str, copies: int
) -> None:
    schema = json.loads(text)
    names = [field["name"] for field in schema["fields"]]
    facts = [fact for fact in GOOD if isinstance(fact, FACT_TYPES[family])] * copies
    plain = compile_writer(text, family, "old")
    assert not isinstance(plain, Refused)
    values, expected = [], []
    for fact in facts:
        record = dict.fromkeys(names) | {
            name: value for name in names if (value := getattr(fact, name, None)) is not None
        }
        for field in schema["fields"]:
            if "decimal" in json.dumps(field["type"]) and record[field["name"]] is not None:
                record[field["name"]] = record[field["name"]].to_bytes(8, "big", signed=True)
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, plain.plain_schema, record)
        values.append(b"\xc3\x01" + plain.fingerprint + stream.getvalue())
        known = {name: getattr(fact, name) for name in names if hasattr(fact, name)}
        expected.append(FACT_TYPES[family](**known))
    assert FactDecoder().decode(family, values) == expected


def test_the_fingerprint_is_the_crc_of_the_specification() -> None:
    def crc_64(data: bytes) -> int:
        empty = 0xC15D213AA4D7A795
        table = []
        for entry in range(256):
            value = entry
            for _ in range(8):
                value = (value >> 1) ^ (empty & -(value & 1))
            table.append(value)
        value = empty
        for byte in data:
            value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
        return value

    assert crc_64(b'"int"') == 0x7275D51A3F395C8F  # From the Java implementation.
    for family in Family:
        schema = fastavro.schema.to_parsing_canonical_form(json.loads(schema_text(family)))
        assert current_writer(family).fingerprint == crc_64(schema.encode()).to_bytes(8, "little")


def test_a_fact_of_another_family_is_refused_by_name() -> None:
    value = encode_fact(next(f for f in GOOD if isinstance(f, FACT_TYPES[Family.SHIPMENTS])))
    [by_fingerprint] = FactDecoder().decode(Family.ORDERS, [value])
    assert by_fingerprint == Refused(
        Reason.SCHEMA_MISMATCH, "the value is a fact of shipments, expected one of orders"
    )
    registry = {1: schema_text(Family.SHIPMENTS)}
    confluent = CONFLUENT_MARKER + (1).to_bytes(4, "big") + value[10:]
    [by_id] = FactDecoder(registry=registry).decode(Family.ORDERS, [confluent])
    assert by_id == Refused(
        Reason.SCHEMA_MISMATCH,
        "schema with id 1 is of ShipmentFact, and the facts of orders are OrderFact",
    )


def changed(field: str, declared: Any) -> str:
    schema = json.loads(schema_text(Family.ORDERS))
    for entry in schema["fields"]:
        if entry["name"] == field:
            entry["type"] = declared
            entry.pop("default", None)
    return json.dumps(schema)


def without(field: str) -> str:
    schema = json.loads(schema_text(Family.ORDERS))
    schema["fields"] = [entry for entry in schema["fields"] if entry["name"] != field]
    return json.dumps(schema)


MICROS = {"type": "long", "logicalType": "timestamp-micros"}
CENTS = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "schema s is no Avro schema: "),
        ('"string"', "schema s is no record, and a fact is one"),
        ('{"type": "record", "name": "OrderFact"}', "schema s has no list of fields"),
        (
            '{"type": "record", "name": "x", "fields": [{"name": "a", "type": "b"}]}',
            "schema s is no",
        ),
        (without("source"), "schema s lacks the field source"),
        (changed("occurred_at", MICROS), "schema s has occurred_at with logicalType"),
        (changed("occurred_at", "long"), "schema s has occurred_at with logicalType null"),
        (changed("quantity", CENTS), "schema s has quantity with scale 2, expected 6"),
        (changed("schedule", "long"), "schema s has schedule as long, expected int"),
        (changed("reason", {"type": "array", "items": "null"}), "schema s has a field reason"),
        (changed("reason", ["null", "int", "string"]), "schema s has a field reason that is not"),
        (changed("reason", ["int", "string"]), "schema s has a field reason that is not one value"),
    ],
)
def test_a_schema_that_cannot_be_read_as_facts_is_refused(text: str, error: str) -> None:
    writer = compile_writer(text, Family.ORDERS, "s")
    assert isinstance(writer, Refused)
    assert writer.reason is Reason.SCHEMA_MISMATCH
    assert writer.error.startswith(error)
