"""Schemas that others wrote with are read as Avro resolves them, one by one or in bulk."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
from hypothesis import given
from hypothesis import strategies as st

from schemas.bulk import decode_bodies
from schemas.codec import decode_body
from schemas.facts import FACT_TYPES, Fact, Family
from schemas.refusals import Refused
from schemas.writers import Writer, compile_writer, schema_text
from tests.unit.schemas.fact_strategies import AT, ON

EXTRA_TYPES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=70),
    "bytes": st.binary(max_size=70),
    "int": st.integers(-(1 << 31), (1 << 31) - 1),
    "long": st.integers(-(1 << 61), (1 << 61) - 1),
    "boolean": st.booleans(),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
}
KNOWN_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=70),
    "timestamp-millis": st.integers(0, AT * 2),
    "date": st.integers(-5, ON * 2),
    "decimal": st.integers(-300, 10**18).map(lambda n: n.to_bytes(9, "big", signed=True)),
    "int": st.integers(-70, 9_000),
    "long": st.integers(-(10**9), 10**15),
    "boolean": st.booleans(),
}


def value_type(declared: Any) -> tuple[Any, str]:
    """The type beside null, and the name by which `KNOWN_VALUES` knows it."""
    if isinstance(declared, list):
        declared = declared[1]
    return declared, declared["logicalType"] if isinstance(declared, dict) else declared


@st.composite
def evolved(draw: st.DrawFn) -> tuple[Family, str, list[dict[str, Any]]]:
    """A writer's schema that is not today's, and records of it with decimals as bytes."""
    family = draw(st.sampled_from(list(Family)))
    schema = json.loads(schema_text(family))
    schema["namespace"] = draw(st.sampled_from(["slipwatch.facts", "com.example"]))
    fields, values = [], []
    for field in schema["fields"]:
        declared, kind = value_type(field["type"])
        value = KNOWN_VALUES[kind]
        if "default" in field:
            form = draw(st.sampled_from(["as it is", "left out", "null last", "always"]))
            if form == "left out":
                continue
            field["type"] = {
                "as it is": ["null", declared],
                "null last": [declared, "null"],
                "always": declared,
            }[form]
            if form != "always":
                value = st.none() | value
            del field["default"]
        fields.append(field)
        values.append(value)
    for n in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(list(EXTRA_TYPES)))
        extra, value = draw(
            st.sampled_from(
                [
                    (name, EXTRA_TYPES[name]),
                    (["null", name], st.none() | EXTRA_TYPES[name]),
                    ([name, "null"], st.none() | EXTRA_TYPES[name]),
                ]
            )
        )
        at = draw(st.integers(0, len(fields)))
        fields.insert(at, {"name": f"extra_{n}", "type": extra})
        values.insert(at, value)
    order = draw(st.permutations(range(len(fields)))) if draw(st.booleans()) else range(len(fields))
    schema["fields"] = [fields[at] for at in order]
    records = st.fixed_dictionaries({fields[at]["name"]: values[at] for at in order})
    return family, json.dumps(schema), draw(st.lists(records, min_size=1, max_size=5))


def write(writer: Writer, record: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, writer.plain_schema, record)
    return stream.getvalue()


def without_logical_types(text: str) -> Any:
    """The schema as fastavro reads it, giving ints, bytes and texts; written for this test."""

    def strip(declared: Any) -> Any:
        if isinstance(declared, list):
            return [strip(branch) for branch in declared]
        return declared["type"] if isinstance(declared, dict) else declared

    schema = json.loads(text)
    schema["namespace"] = "slipwatch.facts"
    for field in schema["fields"]:
        field["type"] = strip(field["type"])
    return fastavro.parse_schema(schema)


def resolve(family: Family, text: str, body: bytes) -> Fact:
    """What fastavro's own schema resolution makes of the body."""
    record = fastavro.schemaless_reader(
        io.BytesIO(body), without_logical_types(text), without_logical_types(schema_text(family))
    )
    assert isinstance(record, dict)
    struct = FACT_TYPES[family]
    values = []
    for name in struct.__struct_fields__:
        value = record[name]
        values.append(
            int.from_bytes(value, "big", signed=True) if isinstance(value, bytes) else value
        )
    return struct(*values)


@given(evolved())
def test_other_schemas_are_read_as_avro_resolves_them(
    case: tuple[Family, str, list[dict[str, Any]]],
) -> None:
    family, text, records = case
    writer = compile_writer(text, family, "evolved")
    assert not isinstance(writer, Refused)
    bodies = [write(writer, record) for record in records]
    expected = [resolve(family, text, body) for body in bodies]
    assert [decode_body(writer, body) for body in bodies] == expected
    decoded = decode_bodies(writer, bodies)
    assert decoded is not None
    assert decoded.facts == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.sampled_from(["record", "string", "null", "long", "array", "OrderFact", "fields"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["type", "name", "fields", "logicalType", "items", "symbols", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.text(max_size=30) | JSON.map(json.dumps))
def test_any_text_as_a_schema_is_refused(text: str) -> None:
    assert isinstance(compile_writer(text, Family.ORDERS, "any"), Refused)


@given(st.data())
def test_a_published_schema_with_a_part_replaced_is_compiled_or_refused(
    data: st.DataObject,
) -> None:
    schema = json.loads(schema_text(Family.ORDERS))
    field = schema["fields"][data.draw(st.integers(0, len(schema["fields"]) - 1))]
    field[data.draw(st.sampled_from(["type", "name", "default"]))] = data.draw(JSON)
    result = compile_writer(json.dumps(schema), Family.ORDERS, "any")
    assert isinstance(result, Writer | Refused)
