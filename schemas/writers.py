"""Writers: the Avro schemas that facts may have been written with, and how each is read today.

A fact is flat, so a writer's schema is taken only when each of its fields is one value or null.
What it has beyond today's fields is dropped; what it lacks is None. Logical types must be the same
on both sides: without that rule microseconds would be read as milliseconds.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, Final

import fastavro
import fastavro.schema

from schemas import limits
from schemas.facts import FACT_TYPES, Family
from schemas.refusals import Reason, Refused

FINGERPRINT_ALGORITHM: Final = "CRC-64-AVRO"
SYNC_MARKER: Final = bytes(16)

_LOGICAL_KEYS = ("logicalType", "scale")
_FLAT_TYPES = frozenset({"string", "bytes", "int", "long", "boolean", "float", "double", "enum"})


@dataclass(frozen=True, slots=True)
class WriterField:
    """A field as it lies in the bytes: `avro_type` without logical type, int and enum as long.

    `null_branch` is the place of null in its union, or None when it is no union.
    """

    name: str
    avro_type: str
    null_branch: int | None


@dataclass(frozen=True, slots=True)
class Writer:
    """A schema that facts were written with, made ready for reading.

    `columns` holds, for each field of today's struct in order, its place among `fields`, or None
    when the writer does not know it. `container_head` is the start of an object container of this
    schema without logical types, up to the count of its first block.
    """

    family: Family
    name: str
    fingerprint: bytes
    fields: tuple[WriterField, ...]
    columns: tuple[int | None, ...]
    required: tuple[bool, ...]
    decimals: tuple[bool, ...]
    container_head: bytes
    plain_schema: dict[str, Any]


def schema_directory() -> Traversable:
    """The folder of the schema files that are part of this package."""
    return importlib.resources.files("schemas") / "avro"


@functools.cache
def schema_text(family: Family) -> str:
    """Today's schema of the family, as its file has it."""
    return (schema_directory() / f"{family}.avsc").read_text("utf-8")


def historic_schemas() -> list[tuple[str, Family, str]]:
    """Name, family and text of every schema file that was ever published, by family and version."""
    found = []
    for entry in (schema_directory() / "history").iterdir():
        family, version, _ = entry.name.split(".")
        found.append((Family(family), int(version.removeprefix("v")), entry))
    found.sort(key=lambda item: item[:2])
    return [(entry.name, family, entry.read_text("utf-8")) for family, _, entry in found]


@functools.cache
def current_writer(family: Family) -> Writer:
    """The writer that today's schema of the family makes."""
    return _expect_writer(f"{family}.avsc", family, schema_text(family))


@functools.cache
def published_writers() -> tuple[Writer, ...]:
    """A writer for each schema file that was ever published, today's last."""
    old = [_expect_writer(name, family, text) for name, family, text in historic_schemas()]
    return (*old, *map(current_writer, Family))


def _expect_writer(name: str, family: Family, text: str) -> Writer:
    writer = compile_writer(text, family, name)
    if isinstance(writer, Refused):
        raise TypeError(f"schemas/avro holds what is no schema of facts: {writer.error}")
    return writer


def compile_writer(text: str, family: Family, name: str) -> Writer | Refused:
    """The writer that a schema's JSON text makes for today's reader of the family.

    `name` is what errors call the schema. Refused (`schema_mismatch`) when the text is no Avro
    schema, is not flat, or cannot be resolved to the fields of the family.
    """
    try:
        schema = json.loads(text)
        fastavro.parse_schema(schema)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return _mismatch(name, f"is no Avro schema: {error}")
    except (fastavro.schema.SchemaParseException, fastavro.schema.UnknownType) as error:
        return _mismatch(name, f"is no Avro schema: {error!r}")
    if not isinstance(schema, dict) or schema.get("type") != "record":
        return _mismatch(name, "is no record, and a fact is one")
    names = _name_fields(schema)
    if names is None or len(set(names)) != len(names):
        return _mismatch(name, "has no list of fields, each with a name of its own and a type")
    reader = json.loads(schema_text(family))
    record_name = str(schema["name"]).rpartition(".")[2]
    if record_name != reader["name"]:
        return _mismatch(
            name, f"is of {record_name}, and the facts of {family} are {reader['name']}"
        )
    fields: list[WriterField] = []
    for field in schema["fields"]:
        flat = _flatten(field["name"], field["type"])
        if flat is None:
            return _mismatch(name, f"has a field {field['name']} that is not one value or null")
        fields.append(flat)
    problem = _find_conflict(schema["fields"], reader["fields"])
    if problem:
        return _mismatch(name, problem)
    try:
        return _build_writer(family, name, schema, reader, tuple(fields))
    except UnicodeEncodeError:
        return _mismatch(name, "has a name with a lone surrogate, expected text")


def _mismatch(name: str, what: str) -> Refused:
    # A schema is JSON of anyone's, so what it says may be long and hold lone surrogates.
    told = what[: limits.ERROR_CHARS_MAX].encode("utf-8", "backslashreplace").decode()
    return Refused(Reason.SCHEMA_MISMATCH, f"schema {name} {told}")


def _name_fields(schema: dict[str, Any]) -> list[str] | None:
    """The names of a record's fields; fastavro 1.13 takes a record that has none or no list."""
    fields = schema.get("fields")
    if not isinstance(fields, list):
        return None
    names = []
    for field in fields:
        if not isinstance(field, dict) or "type" not in field:
            return None
        if not isinstance(field.get("name"), str):
            return None
        names.append(field["name"])
    return names


def _flatten(name: str, declared: Any) -> WriterField | None:
    null_branch = None
    if isinstance(declared, list):
        if len(declared) != 2 or "null" not in declared:
            return None
        null_branch = declared.index("null")
        declared = declared[1 - null_branch]
    avro_type = declared["type"] if isinstance(declared, dict) else declared
    if not isinstance(avro_type, str) or avro_type not in _FLAT_TYPES:
        return None
    same_bytes = "long" if avro_type in ("int", "enum") else avro_type
    return WriterField(name, same_bytes, null_branch)


def _value_type(declared: Any) -> dict[str, Any]:
    if isinstance(declared, list):
        declared = next(branch for branch in declared if branch != "null")
    return declared if isinstance(declared, dict) else {"type": declared}


def _find_conflict(declared: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str | None:
    by_name = {field["name"]: field for field in declared}
    for reader_field in wanted:
        name, reader_type = reader_field["name"], _value_type(reader_field["type"])
        if name not in by_name:
            if "default" not in reader_field:
                return f"lacks the field {name}"
            continue
        writer_type = _value_type(by_name[name]["type"])
        promoted = (writer_type["type"], reader_type["type"]) == ("int", "long")
        if writer_type["type"] != reader_type["type"] and not promoted:
            return f"has {name} as {writer_type['type']}, expected {reader_type['type']}"
        for key in _LOGICAL_KEYS:
            if writer_type.get(key) != reader_type.get(key):
                found = json.dumps(writer_type.get(key))
                return f"has {name} with {key} {found}, expected {json.dumps(reader_type.get(key))}"
    return None


def _build_writer(
    family: Family,
    name: str,
    schema: dict[str, Any],
    reader: dict[str, Any],
    fields: tuple[WriterField, ...],
) -> Writer:
    place = {field.name: at for at, field in enumerate(fields)}
    struct = FACT_TYPES[family]
    plain = _plain_schema(reader["name"], fields)
    head = json.dumps(plain).encode()
    meta = encode_long(11) + b"avro.schema" + encode_long(len(head)) + head
    fingerprint = fastavro.schema.fingerprint(
        fastavro.schema.to_parsing_canonical_form(schema), FINGERPRINT_ALGORITHM
    )
    return Writer(
        family=family,
        name=name,
        fingerprint=bytes.fromhex(fingerprint),
        fields=fields,
        columns=tuple(place.get(field) for field in struct.__struct_fields__),
        required=tuple("default" not in field for field in reader["fields"]),
        decimals=tuple(
            _value_type(field["type"]).get("logicalType") == "decimal" for field in reader["fields"]
        ),
        container_head=b"Obj\x01" + encode_long(1) + meta + b"\x00" + SYNC_MARKER,
        plain_schema=dict(_parse(plain)),
    )


def _parse(schema: dict[str, Any]) -> dict[str, Any]:
    parsed = fastavro.parse_schema(schema)
    if not isinstance(parsed, dict):
        raise TypeError(f"expected a record, found {parsed!r}")
    return parsed


def _plain_schema(name: str, fields: tuple[WriterField, ...]) -> dict[str, Any]:
    """The record without logical types: the same bytes, read as ints, bytes and texts."""
    declared: list[dict[str, Any]] = []
    for field in fields:
        entry: dict[str, Any] = {"name": field.name, "type": field.avro_type}
        if field.null_branch is not None:
            union = [field.avro_type]
            union.insert(field.null_branch, "null")
            entry["type"] = union
        declared.append(entry)
    return {"type": "record", "name": name, "fields": declared}


def encode_long(value: int) -> bytes:
    """An Avro long: zigzag, then seven bits a byte, the lowest first."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)
