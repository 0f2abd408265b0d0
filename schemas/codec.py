"""Facts as bytes: Avro on the topics that sources write, MessagePack between the stages.

On the wire a value is Avro in single-object encoding (the writer's schema named by fingerprint) or
in Confluent's format (by an id in a schema registry). What a value decodes to depends on its bytes
and its schema alone, never on the batch that it came in.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import fastavro
import msgspec

from schemas.bulk import decode_bodies, decode_decimal
from schemas.facts import FACT_TYPES, Fact, Family
from schemas.limits import DECIMAL_BYTES_MAX, SCHEMA_ID_MAX
from schemas.refusals import Reason, Refused
from schemas.screening import SCREEN_MIN, find_doubtful
from schemas.validation import check
from schemas.writers import (
    Writer,
    compile_writer,
    current_writer,
    encode_long,
    published_writers,
)

SINGLE_OBJECT_MARKER: Final = b"\xc3\x01"
SINGLE_OBJECT_HEAD_BYTES: Final = 10
CONFLUENT_MARKER: Final = b"\x00"
CONFLUENT_HEAD_BYTES: Final = 5

BULK_MIN = 96
"""Fewer bodies of one schema are decoded one by one: reading columns costs 1.3 ms before any."""

PIECE_SIZE = 1_024
"""Bodies that are tried again together after a larger batch has failed."""

_FAMILY_OF: dict[type, Family] = {struct: family for family, struct in FACT_TYPES.items()}
_LENGTHS = tuple(encode_long(length) for length in range(64))
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


class SchemaRegistry(Protocol):
    """Where ids of schemas are looked up; a dict from id to JSON text is one."""

    def get(self, schema_id: int, /) -> str | Refused | None:
        """The JSON text of the schema with that id, or None if there is none, or why it is refused.

        A text that was given once is given again; a refusal may turn into a text.
        """
        ...


def schema_id_of(value: bytes | None) -> int | None:
    """The id of a registry by which the value names its schema, if it does and the id may be."""
    if value is None or value[:1] != CONFLUENT_MARKER or len(value) < CONFLUENT_HEAD_BYTES:
        return None
    schema_id = int.from_bytes(value[1:CONFLUENT_HEAD_BYTES], "big")
    return schema_id if schema_id <= SCHEMA_ID_MAX else None


class FactEncoder:
    """Writes facts of one family with today's schema; for the simulator and for `send`.

    Raises ValueError when a required field is None or an int does not fit 64 bits, and
    UnicodeEncodeError for a lone surrogate: facts that pass `validation.check` have neither.
    """

    def __init__(self, family: Family) -> None:
        writer = current_writer(family)
        self._head = SINGLE_OBJECT_MARKER + writer.fingerprint
        self._fields = tuple(
            (
                field.name,
                "decimal" if is_decimal else field.avro_type,
                b"" if required else b"\x02",
            )
            for field, is_decimal, required in zip(
                writer.fields, writer.decimals, writer.required, strict=True
            )
        )

    def encode(self, fact: Fact) -> bytes:
        """The fact in single-object encoding; about 3 µs."""
        return self._head + self.encode_body(fact)

    def encode_body(self, fact: Fact) -> bytes:
        """The fact as Avro, without the head that names its schema."""
        out: list[bytes] = []
        values = msgspec.structs.astuple(fact)
        for value, (name, kind, mark) in zip(values, self._fields, strict=True):
            if value is None:
                if not mark:
                    raise ValueError(f"{name} is None, and a fact cannot do without it")
                out.append(b"\x00")
                continue
            out.append(mark)
            if kind == "string":
                text = value.encode()
                length = len(text)
                out.append(_LENGTHS[length] if length < 64 else encode_long(length))
                out.append(text)
            elif kind == "long":
                if not _INT64_MIN <= value <= _INT64_MAX:
                    raise ValueError(f"{name} is {value}, which does not fit 64 bits")
                out.append(encode_long(value))
            elif kind == "decimal":
                size = (abs(value).bit_length() + 8) // 8
                out.append(encode_long(size))
                out.append(value.to_bytes(size, "big", signed=True))
            else:
                out.append(b"\x01" if value else b"\x00")
        return b"".join(out)


@functools.cache
def _encoder(struct: type[Fact]) -> FactEncoder:
    return FactEncoder(_FAMILY_OF[struct])


def encode_fact(fact: Fact) -> bytes:
    """The fact in single-object encoding with today's schema; errors as FactEncoder."""
    return _encoder(type(fact)).encode(fact)


def encode_facts(facts: Iterable[Fact]) -> list[bytes]:
    """Each fact in single-object encoding, in order."""
    return [_encoder(type(fact)).encode(fact) for fact in facts]


class Unsound(NamedTuple):
    """A value that must be refused, and the fact in it if it is one."""

    refused: Refused
    fact: Fact | None = None


T = TypeVar("T")
InBulk = Callable[[Writer, list[bytes]], list[T] | None]
"""Decodes bodies together, or says by None that it cannot."""
OneByOne = Callable[[Writer, bytes], T]


class FactDecoder:
    """Reads facts that were written with any of the known schemas, or with one of a registry.

    Deterministic and without I/O of its own: a registry that fails raises through `decode`.
    """

    def __init__(
        self, writers: Iterable[Writer] | None = None, registry: SchemaRegistry | None = None
    ) -> None:
        known = published_writers() if writers is None else tuple(writers)
        self._known = {(writer.family, writer.fingerprint): writer for writer in known}
        self._families = {writer.fingerprint: writer.family for writer in known}
        self._registry: SchemaRegistry = {} if registry is None else registry
        self._by_id: dict[tuple[Family, int], Writer | Refused] = {}

    def decode(self, family: Family, values: Sequence[bytes | None]) -> list[Fact | Refused]:
        """What each value says, or why it is refused, in the order of the values.

        About 2.5 µs a fact where the values share a schema and are sound; below BULK_MIN values of
        a schema, or in a piece of PIECE_SIZE with one that is unsound, up to 15 µs. So hand over
        all that was read of a family at once.
        """
        return self._decode(family, values, _decode_columns, decode_body, _refuse)

    def decode_sound(self, family: Family, values: Sequence[bytes | None]) -> list[Fact | Unsound]:
        """As `decode`, each fact held against `validation.check`; 0.3 µs more where `decode` is
        fast, 3 µs where it is slow."""
        return self._decode(family, values, _decode_sound_columns, _decode_sound_body, Unsound)

    def _decode(
        self,
        family: Family,
        values: Sequence[bytes | None],
        in_bulk: InBulk[T],
        one: OneByOne[T],
        refuse: Callable[[Refused], T],
    ) -> list[T]:
        head = _head(values[0]) if values else b""
        bodies = [v[len(head) :] for v in values if v is not None and v.startswith(head)]
        if len(bodies) == len(values) and _is_whole(head):
            # All of one schema, as nearly always.
            writer = self._find_writer(family, head)
            if isinstance(writer, Refused):
                return [refuse(writer)] * len(values)
            return _decode_group(writer, bodies, in_bulk, one)
        results: dict[int, T] = {}
        groups: dict[bytes, list[int]] = {}
        for at, value in enumerate(values):
            groups.setdefault(_head(value), []).append(at)
        for head, places in groups.items():
            writer = self._find_writer(family, head)
            if isinstance(writer, Refused):
                results.update(dict.fromkeys(places, refuse(writer)))
                continue
            skip = len(head)
            bodies = [value[skip:] for at in places if (value := values[at]) is not None]
            decoded = _decode_group(writer, bodies, in_bulk, one)
            results.update(zip(places, decoded, strict=True))
        return [results[at] for at in range(len(values))]

    def _find_writer(self, family: Family, head: bytes) -> Writer | Refused:
        if not head:
            return Refused(Reason.EMPTY, "the record has no value, expected a fact in Avro")
        if head[:2] == SINGLE_OBJECT_MARKER and len(head) == SINGLE_OBJECT_HEAD_BYTES:
            return self._find_published(family, head[2:])
        if head[:1] == CONFLUENT_MARKER and len(head) == CONFLUENT_HEAD_BYTES:
            return self._find_registered(family, int.from_bytes(head[1:], "big"))
        return Refused(
            Reason.UNKNOWN_FORMAT,
            f"the value starts with bytes {head.hex(' ')}, expected c3 01 and a fingerprint of 8 "
            "bytes (Avro single-object) or 00 and an id of 4 bytes (Confluent)",
        )

    def _find_published(self, family: Family, fingerprint: bytes) -> Writer | Refused:
        writer = self._known.get((family, fingerprint))
        if writer is not None:
            return writer
        other = self._families.get(fingerprint)
        if other is not None:
            return Refused(
                Reason.SCHEMA_MISMATCH,
                f"the value is a fact of {other}, expected one of {family}",
            )
        return Refused(
            Reason.UNKNOWN_FINGERPRINT,
            f"the schema fingerprint is {fingerprint.hex(' ')}, expected one of the published "
            f"schemas of {family}",
        )

    def _find_registered(self, family: Family, schema_id: int) -> Writer | Refused:
        known = self._by_id.get((family, schema_id))
        if known is not None:
            return known
        if schema_id > SCHEMA_ID_MAX:
            return Refused(
                Reason.UNKNOWN_SCHEMA_ID,
                f"the schema id is {schema_id}, expected at most {SCHEMA_ID_MAX}",
            )
        text = self._registry.get(schema_id)
        if isinstance(text, Refused):
            return text
        if text is None:
            return Refused(
                Reason.UNKNOWN_SCHEMA_ID,
                f"the schema id is {schema_id}, expected one that the schema registry knows",
            )
        writer = compile_writer(text, family, f"with id {schema_id}")
        self._by_id[family, schema_id] = writer
        return writer


def _head(value: bytes | None) -> bytes:
    """What names the writer of a value; less than a whole head where the value ends in it."""
    if not value:
        return b""
    return value[: SINGLE_OBJECT_HEAD_BYTES if value[0] == 0xC3 else CONFLUENT_HEAD_BYTES]


def _is_whole(head: bytes) -> bool:
    """Whether every value that starts with the head has this head."""
    return len(head) == (SINGLE_OBJECT_HEAD_BYTES if head[:1] == b"\xc3" else CONFLUENT_HEAD_BYTES)


def _decode_group(
    writer: Writer, bodies: list[bytes], in_bulk: InBulk[T], one: OneByOne[T]
) -> list[T]:
    if len(bodies) >= BULK_MIN:
        results = in_bulk(writer, bodies)
        if results is not None:
            return results
    if len(bodies) <= PIECE_SIZE:
        return [one(writer, body) for body in bodies]
    pieces: list[T] = []
    for start in range(0, len(bodies), PIECE_SIZE):
        pieces += _decode_group(writer, bodies[start : start + PIECE_SIZE], in_bulk, one)
    return pieces


def _refuse(refused: Refused) -> Fact | Refused:
    return refused


def _decode_columns(writer: Writer, bodies: list[bytes]) -> list[Fact | Refused] | None:
    decoded = decode_bodies(writer, bodies)
    return None if decoded is None else [*decoded.facts]


def _decode_sound_columns(writer: Writer, bodies: list[bytes]) -> list[Fact | Unsound] | None:
    decoded = decode_bodies(writer, bodies)
    if decoded is None:
        return None
    if len(bodies) < SCREEN_MIN:
        return [_sound(fact) for fact in decoded.facts]
    results: list[Fact | Unsound] = [*decoded.facts]
    for at in find_doubtful(writer.family, decoded.columns, decoded.facts):
        results[at] = _sound(decoded.facts[at])
    return results


def _decode_sound_body(writer: Writer, body: bytes) -> Fact | Unsound:
    fact = decode_body(writer, body)
    return Unsound(fact) if isinstance(fact, Refused) else _sound(fact)


def _sound(fact: Fact) -> Fact | Unsound:
    refused = check(fact)
    return fact if refused is None else Unsound(refused, fact)


def decode_body(writer: Writer, body: bytes) -> Fact | Refused:
    """One body by fastavro, about 12 µs: the reference that decoding in bulk must equal."""
    stream = io.BytesIO(body)
    try:
        record = fastavro.schemaless_reader(stream, writer.plain_schema, None)
    except UnicodeDecodeError as error:
        return Refused(
            Reason.BAD_BODY,
            f"a text has bytes {error.object[error.start : error.start + 4].hex(' ')}, "
            "expected UTF-8",
        )
    except EOFError:
        return Refused(
            Reason.BAD_BODY, f"the body ends after {len(body)} bytes, expected more by its schema"
        )
    except IndexError:
        # fastavro reads past the end, or a branch past the union's last, with one error.
        return Refused(
            Reason.BAD_BODY,
            f"the body of {len(body)} bytes ends early or names a branch that a union has not, "
            f"expected a record of schema {writer.name}",
        )
    except (ValueError, TypeError, OverflowError, fastavro.read.SchemaResolutionError) as error:
        return Refused(
            Reason.BAD_BODY,
            f"the body is no record of schema {writer.name}: {str(error) or 'null'}",
        )
    if stream.tell() != len(body):
        return Refused(
            Reason.TRAILING_BYTES,
            f"the record ends after {stream.tell()} bytes, and the body has {len(body)}, expected "
            "them to be equal",
        )
    return _build_fact(writer, record)


def _build_fact(writer: Writer, record: object) -> Fact | Refused:
    if not isinstance(record, Mapping):
        raise TypeError(f"expected a record from fastavro, found {type(record).__name__}")
    struct = FACT_TYPES[writer.family]
    values: list[Any] = []
    for name, required, is_decimal in zip(
        struct.__struct_fields__, writer.required, writer.decimals, strict=True
    ):
        value = record.get(name)
        if value is None and required:
            return Refused(Reason.MISSING_FIELD, f"{name} is null, expected a value")
        if is_decimal and value is not None:
            if len(value) > DECIMAL_BYTES_MAX:
                return Refused(
                    Reason.VALUE_OUT_OF_RANGE,
                    f"{name} is a decimal of {len(value)} bytes, expected at most "
                    f"{DECIMAL_BYTES_MAX}",
                )
            value = decode_decimal(value)
        values.append(value)
    return struct(*values)


_packer = msgspec.msgpack.Encoder()
_unpacker: msgspec.msgpack.Decoder[Fact] = msgspec.msgpack.Decoder(Fact)


def pack(fact: Fact) -> bytes:
    """The fact as it travels between stages and lies in the ledgers; equal facts, equal bytes."""
    return _packer.encode(fact)


def unpack(body: bytes) -> Fact:
    """The fact that `pack` wrote; raises msgspec.DecodeError for anything else."""
    try:
        return _unpacker.decode(body)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
