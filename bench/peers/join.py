"""The slip join itself, as the peers in Python run it: decode a fact, fold it in, tell the status.

A state is a list that every serializer takes: requested, promised, ETA, delivered (milliseconds or
None), departed, status.
"""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import fastavro

HEADER_BYTES = 10
"""Avro single-object encoding: a marker and the fingerprint of the schema."""

REQUESTED, PROMISED, ETA, DELIVERED, DEPARTED, STATUS = range(6)
_ORDER_FIELDS = ("kind", "requested_at", "promised_at")
_SHIPMENT_FIELDS = ("kind", "occurred_at", "eta_at")


class Decoder:
    """Decodes facts of one family into only the fields that matter."""

    def __init__(self, schemas: Path, family: str) -> None:
        writer = json.loads((schemas / f"{family}.avsc").read_text())
        wanted = _ORDER_FIELDS if family == "orders" else _SHIPMENT_FIELDS
        fields = [_plain(field) for field in writer["fields"]]
        self._writer = fastavro.parse_schema({**writer, "fields": fields})
        self._reader = fastavro.parse_schema(
            {**writer, "fields": [field for field in fields if field["name"] in wanted]}
        )

    def decode(self, value: bytes) -> Any:
        """The fact as a dictionary; moments are milliseconds."""
        stream = io.BytesIO(value)
        stream.seek(HEADER_BYTES)
        return fastavro.schemaless_reader(stream, self._writer, self._reader)


def _plain(field: dict[str, Any]) -> dict[str, Any]:
    """The field without logical types: integers need no datetime made of them."""
    kind = field["type"]
    if isinstance(kind, list):
        return {**field, "type": [_bare(each) for each in kind]}
    return {**field, "type": _bare(kind)}


def _bare(kind: Any) -> Any:
    return kind["type"] if isinstance(kind, dict) and "logicalType" in kind else kind


def take_order(line: list[Any] | None, fact: Any) -> list[Any]:
    """The line with a fact `placed` or `confirmed`."""
    line = line or [None, None, None, None, False, ""]
    if fact["kind"] == "placed":
        line[REQUESTED] = fact["requested_at"]
    else:
        line[PROMISED] = fact["promised_at"]
    return line


def take_shipment(line: list[Any] | None, fact: Any) -> list[Any]:
    """The line with a fact `departed`, `eta` or `delivered`."""
    line = line or [None, None, None, None, False, ""]
    kind = fact["kind"]
    if kind == "delivered":
        line[DELIVERED] = fact["occurred_at"]
    elif kind == "departed":
        line[DEPARTED] = True
        if line[ETA] is None:
            line[ETA] = fact["eta_at"]
    else:
        line[ETA] = fact["eta_at"]
    return line


def status(line: list[Any]) -> str:
    """The status of the line."""
    due = line[PROMISED] if line[PROMISED] is not None else line[REQUESTED]
    if line[DELIVERED] is not None:
        return "late" if due is not None and line[DELIVERED] > due else "delivered"
    if due is not None and line[ETA] is not None and line[ETA] > due:
        return "at_risk"
    if line[DEPARTED]:
        return "shipped"
    return "open" if line[PROMISED] is None else "confirmed"


class Meter:
    """Counts facts; from the first to `done`, how long they took."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.count = 0
        self._began = self._began_cpu = 0.0

    def took(self) -> bool:
        """One more fact; says whether it was the last one."""
        if self.count == 0:
            self._began, self._began_cpu = time.monotonic(), time.process_time()
        self.count += 1
        return self.count >= self.expected

    def done(self) -> None:
        """Prints what the benchmark wants to know."""
        told = {
            "facts": self.count,
            "seconds": time.monotonic() - self._began,
            "cpu_seconds": time.process_time() - self._began_cpu,
        }
        # Faust turns what is printed into log lines; the first standard output is still there.
        os.write(1, json.dumps(told).encode() + b"\n")
