"""The release after this one, for tests of upgrades: state and facts have a version more.

The state of every stage is written with the next version, and that of lines with one element more;
both versions are read. Senders know a schema of orders with one field more, and so do its readers;
the old files go on being read, as schemas/avro/history promises. What is concluded is the same.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any

import fastavro
import msgspec

from schemas import codec, ledger, writers
from schemas.facts import Fact, Family
from schemas.refusals import Refused
from schemas.writers import Writer, compile_writer, published_writers, schema_text
from streams.stages import cells, incidents, ledgers, links, notices

SINGLE_OBJECT_MARKER = b"\xc3\x01"
NEXT_VERSION = ledger.LINE_STATE_VERSION + 1


def next_schema() -> str:
    """Tomorrow's orders: one field more, which may be absent."""
    schema = json.loads(schema_text(Family.ORDERS))
    schema["fields"].append({"name": "season", "type": ["null", "string"], "default": None})
    return json.dumps(schema)


def next_writer() -> Writer:
    """What reads them today."""
    writer = compile_writer(next_schema(), Family.ORDERS, "orders of the next release")
    assert not isinstance(writer, Refused), writer
    return writer


def encode_next(fact: Fact) -> bytes:
    """An order fact as tomorrow's senders write it."""
    old = codec.encode_fact(fact)
    read = fastavro.schemaless_reader(
        io.BytesIO(old[10:]), json.loads(schema_text(Family.ORDERS)), None
    )
    assert isinstance(read, dict), "a fact is a record"
    out = io.BytesIO()
    fastavro.schemaless_writer(out, json.loads(next_schema()), {**read, "season": "spring"})
    return SINGLE_OBJECT_MARKER + next_writer().fingerprint + out.getvalue()


def _encode_line(line: ledger.LineFacts) -> bytes:
    elements = msgspec.msgpack.decode(ledger.encode_line(line))
    return msgspec.msgpack.encode([*elements, {"season": None}])


def _patches() -> list[tuple[Any, str, object]]:
    known = (*published_writers(), next_writer())
    stages: list[tuple[Any, str, object]] = [
        (ledgers, "LINE_STATE_VERSION", NEXT_VERSION),
        (ledgers, "encode_line", _encode_line),
        (ledgers.Ledgers, "state_version", NEXT_VERSION),
        (codec, "published_writers", lambda: known),
    ]
    for module, stage in (
        (links, links.Links),
        (cells, cells.Cells),
        (incidents, incidents.Incidents),
        (notices, notices.Notices),
    ):
        stages += [
            (module, "STATE_VERSION", module.STATE_VERSION + 1),
            (stage, "state_version", module.STATE_VERSION + 1),
        ]
    return stages


def become() -> None:
    """This process is of the next release from now on."""
    assert writers.published_writers() is published_writers()
    for owner, name, value in _patches():
        getattr(owner, name)
        setattr(owner, name, value)


@contextlib.contextmanager
def becoming() -> Iterator[None]:
    """This process is of the next release for a while: to judge what that one wrote."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in _patches()]
    become()
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
