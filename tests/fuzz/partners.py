"""Doors of partners: what is posted over HTTP or put into a folder, and who may."""

from __future__ import annotations

import json
import re
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from schemas.codec import encode_fact
from streams.door.files import Wrong, read_rows
from streams.door.server import answer_to
from streams.door.statements import EVENT, EVENTS, JSON, BodyRefused, fact_of, read_statements
from streams.door.tokens import TokensRefused, read_tokens
from streams.replay.mapping import Mapping
from tests.fuzz.door import ACCEPTED, Broken, Outcome, refused
from tests.unit.door.test_files import CSV, mapping
from tests.unit.door.test_statements import EVENT_OF_IT, NOW, SOURCE, TOLD

FACTS_PLACE = re.compile(
    r"^(body: |Content-Type is |found a larger body|found [0-9]+ entries|\[[0-9]+\] )"
)
FOLDER_PLACE = re.compile(r"^told\.(csv|jsonl):[0-9]+: ")
TOKENS_PLACE = re.compile(r"^tokens\.json: ")


def enter_facts(data: bytes) -> Outcome:
    """Headers, one a line, an empty line, and the body of `POST /facts`."""
    head, _, body = data.partition(b"\n\n")
    headers = {}
    for line in head.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    try:
        statements = read_statements(body, headers)
    except BodyRefused as error:
        if error.status not in {400, 413, 415}:
            raise Broken(f"the status is {error.status}") from error
        return refused(str(error))
    errors = []
    for index, statement in enumerate(statements):
        found = fact_of(statement, SOURCE, NOW)
        answer = answer_to(index, found, None)
        msgspec.json.encode(answer)
        if isinstance(found, list):
            errors += [f"[{index}] {each.field}: {each.error}" for each in answer.errors]
            continue
        if found.source != SOURCE:
            raise Broken(f"it is told by {found.source!r}")
        encode_fact(found)
    return refused(*errors) if errors else ACCEPTED


def facts_seeds() -> tuple[bytes, ...]:
    """A fact, a batch, and a CloudEvent in each of its modes."""
    bare = {name: value for name, value in TOLD.items() if name != "event_id"}
    binary = (
        f"content-type: {JSON}\nce-specversion: 1.0\nce-id: 7\nce-source: /erp\n"
        "ce-type: slipwatch.confirmed\nce-time: 2026-03-31T20:00:00Z"
    )
    return (
        _posted(f"content-type: {JSON}", TOLD),
        _posted(f"content-type: {JSON}; charset=utf-8", [TOLD, bare, TOLD | {"line": "x"}]),
        _posted(f"content-type: {EVENT}", EVENT_OF_IT),
        _posted(f"content-type: {EVENTS}", [EVENT_OF_IT, EVENT_OF_IT | {"id": "8"}]),
        _posted(binary, EVENT_OF_IT["data"]),
    )


def _posted(head: str, content: object) -> bytes:
    return f"{head}\n\n{json.dumps(content)}".encode()


def enter_folder(data: bytes) -> Outcome:
    """A file that is put into a folder: CSV if it begins with a comma, which is not part of it."""
    is_csv = data.startswith(b",")
    name = "told.csv" if is_csv else "told.jsonl"
    memory = Path("/dev/shm")
    errors: list[str] = []
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder) / name
        path.write_bytes(data[1:] if is_csv else data)
        for row in read_rows(path, SOURCE, _mapping(), NOW):
            for each in row:
                if isinstance(each, Wrong):
                    msgspec.json.encode(each)
                    errors.append(f"{name}:{each.line}: {each.field}: {each.error}")
                elif each.source != SOURCE:
                    raise Broken(f"it is told by {each.source!r}")
                else:
                    encode_fact(each)
    return refused(*errors) if errors else ACCEPTED


@cache
def _mapping() -> Mapping:
    return mapping()


def folder_seeds() -> tuple[bytes, ...]:
    """Facts as lines of JSON, and rows of CSV."""
    lines = (TOLD, TOLD | {"event_id": "e2", "line": "20"})
    return ("\n".join(map(json.dumps, lines)).encode(), b"," + CSV.encode())


def enter_tokens(data: bytes) -> Outcome:
    """The file of tokens."""
    try:
        read_tokens(data, "tokens.json")
    except TokensRefused as error:
        return refused(str(error))
    return ACCEPTED


def tokens_seeds() -> tuple[bytes, ...]:
    """A file of two tokens, and an empty one."""
    tokens = [
        {"name": f"acme-{n}", "source": "partner:ACME", "sha256": f"{n}" * 64} for n in (1, 2)
    ]
    return (json.dumps({"tokens": tokens}).encode(), b'{"tokens": []}')
