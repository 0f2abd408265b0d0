"""Bulk decoding: many bodies of one writer at once, proven equal to decoding each by itself.

The bodies are joined into one object container in memory and read as columns by polars, some ten
times faster than one by one. Joining loses where each body ends, so a body that is too long or too
short would shift its neighbours. `read_columns` therefore proves, before anything is believed:

1. For each record, the size of the shortest Avro encoding of the values that were read equals the
   size of its body. Any encoding of these values is at least that long, and the reader cannot have
   taken more bytes in all than there are; so, the sums being equal, each record was taken from
   exactly its own bytes, in the shortest encoding.
2. The branch of each union that holds a value, and each boolean, is one that exists. The reader
   itself takes any other for the second branch. With 1 their places are known.

What is left to the reader is the same in any reader: UTF-8 is checked, and integers of the full ten
bytes, where readers differ, are not accepted here. Whoever fails the proof is decoded one by one.
"""

from __future__ import annotations

import io
from itertools import repeat, starmap
from typing import Any, NamedTuple

import polars as pl
from polars.exceptions import PanicException, PolarsError

from schemas.facts import FACT_TYPES, Fact
from schemas.limits import DECIMAL_BYTES_MAX
from schemas.writers import SYNC_MARKER, Writer, WriterField, encode_long

_SECOND_BRANCH = 2
"""The branch with index 1, as the one byte of its zigzag encoding."""

_LONG_BYTES_MAX = 9
_FIXED_SIZES = {"boolean": 1, "float": 4, "double": 8}


class Decoded(NamedTuple):
    """Facts, in the order of their bodies, and the columns that they were made of: those of
    today's fields that the writer knows, by name."""

    facts: list[Fact]
    columns: pl.DataFrame


def decode_bodies(writer: Writer, bodies: list[bytes]) -> Decoded | None:
    """The facts in the bodies; None when it is not certain that all are sound."""
    columns = read_columns(writer, bodies)
    if columns is None:
        return None
    rows: list[Any] = []
    for place, required, is_decimal in zip(
        writer.columns, writer.required, writer.decimals, strict=True
    ):
        column = None if place is None else columns[place]
        if column is None or column.null_count() == len(bodies):
            if required:
                return None
            rows.append(repeat(None))
        elif required and column.null_count():
            return None
        elif is_decimal:
            if (column.bin.size() > DECIMAL_BYTES_MAX).any():
                return None
            raws = column.to_list()
            # Of the same few amounts, again and again.
            amounts = {raw: decode_decimal(raw) for raw in dict.fromkeys(raws) if raw is not None}
            rows.append(map(amounts.get, raws))
        else:
            rows.append(column.to_list())
    struct = FACT_TYPES[writer.family]
    known = pl.DataFrame([columns[place] for place in writer.columns if place is not None])
    return Decoded(list(starmap(struct, zip(*rows, strict=False))), known)


def decode_decimal(raw: bytes) -> int:
    """The unscaled number of an Avro decimal."""
    return int.from_bytes(raw, "big", signed=True)


def read_columns(writer: Writer, bodies: list[bytes]) -> list[pl.Series] | None:
    """A column for each field of the writer, or None when the proof above fails.

    polars panics, with a line on standard error, where a body ends too early.
    """
    joined = b"".join(bodies)
    container = b"".join(
        (
            writer.container_head,
            encode_long(len(bodies)),
            encode_long(len(joined)),
            joined,
            SYNC_MARKER,
        )
    )
    try:
        frame = pl.read_avro(io.BytesIO(container))
    except (PolarsError, PanicException, OSError):
        return None
    if frame.shape != (len(bodies), len(writer.fields)):
        return None
    sizes = pl.Series(list(map(len, bodies)), dtype=pl.UInt32)
    return frame.get_columns() if _is_proven(writer, frame, sizes, joined) else None


def _is_proven(writer: Writer, frame: pl.DataFrame, sizes: pl.Series, joined: bytes) -> bool:
    measured = _measure(writer, frame, sizes)
    start = measured["start"]
    # Bytes before the field in its record: what differs between records, and what does not.
    counted, counted_each = pl.zeros(len(sizes), dtype=pl.UInt32, eager=True), 0
    second_branches: list[pl.Series] = []
    booleans: list[pl.Series] = []
    for place, field in enumerate(writer.fields):
        column = frame.to_series(place)
        nulls = column.null_count()
        values = len(column) - nulls
        is_value = measured[f"is_value {place}"] if nulls and values else None
        of_second = values if field.null_branch == 0 else nulls
        if of_second or (values and field.avro_type == "boolean"):
            at = start + counted + counted_each
            if of_second == len(column):
                second_branches.append(at)
            elif of_second and is_value is not None:
                second_branches.append(at.filter(~is_value if field.null_branch else is_value))
            if values and field.avro_type == "boolean":
                at = at + (field.null_branch is not None)
                booleans.append(at if is_value is None else at.filter(is_value))
        counted_each += field.null_branch is not None
        if not values:
            continue
        shortest, steps, content = _size_values(field, column, measured, place)
        if shortest > _LONG_BYTES_MAX or shortest + len(steps) > _LONG_BYTES_MAX:
            return False
        if is_value is None:
            counted_each += shortest
        else:
            counted = counted + is_value.cast(pl.UInt32) * shortest
        for part in (*steps, *content):
            counted = counted + part
    if not (counted + counted_each == sizes).all():
        return False
    return _hold_at_most(joined, second_branches, _SECOND_BRANCH, _SECOND_BRANCH) and _hold_at_most(
        joined, booleans, 0, 1
    )


def _measure(writer: Writer, frame: pl.DataFrame, sizes: pl.Series) -> pl.DataFrame:
    """Where each record starts, and per field what its size depends on; one call, as each costs."""
    wanted = [(pl.lit(sizes).cum_sum() - pl.lit(sizes)).alias("start")]
    for place, (field, name) in enumerate(zip(writer.fields, frame.columns, strict=True)):
        nulls = frame.to_series(place).null_count()
        if nulls == len(sizes):
            continue
        column = pl.col(name)
        if nulls:
            wanted.append(column.is_not_null().alias(f"is_value {place}"))
        match field.avro_type:
            case "string":
                magnitude = column.str.len_bytes()
            case "bytes":
                magnitude = column.bin.size().cast(pl.UInt32)
            case "long":
                magnitude = pl.when(column < 0).then(-1 - column).otherwise(column)
            case _:
                continue
        wanted.append(magnitude.fill_null(0).alias(f"size {place}"))
    return frame.select(wanted)


def _size_values(
    field: WriterField, column: pl.Series, measured: pl.DataFrame, place: int
) -> tuple[int, list[pl.Series], list[pl.Series]]:
    """The size of each value: bytes that all have, single bytes that some have, and their content.

    In n bytes a zigzag integer has a magnitude (itself, or -1 - itself) below 2 ** (7 n - 1).
    """
    if field.avro_type in _FIXED_SIZES:
        return _FIXED_SIZES[field.avro_type], [], []
    magnitude = measured[f"size {place}"]
    least = 0
    if field.avro_type == "long":
        least = max(0, int(str(column.min())))
    shortest = len(encode_long(least))
    longest = len(encode_long(int(str(magnitude.max()))))
    steps = [(magnitude >= 1 << (7 * n - 1)).cast(pl.UInt32) for n in range(shortest, longest)]
    return shortest, steps, [] if field.avro_type == "long" else [magnitude]


def _hold_at_most(joined: bytes, places: list[pl.Series], least: int, most: int) -> bool:
    """Whether the bytes at all these places lie between the bounds."""
    if not places:
        return True
    raw = pl.Series([joined], dtype=pl.Binary).cast(pl.List(pl.UInt8))
    found = pl.select(pl.lit(raw).explode().gather(pl.lit(pl.concat(places)))).to_series()
    return bool(found.is_between(least, most).all())
