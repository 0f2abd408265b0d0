"""Doors of partners: what is posted over HTTP, put into a folder or answered by a link; who may."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from functools import cache, partial
from pathlib import Path

import msgspec

from schemas.codec import encode_fact
from streams.door.answers import FormRefused, facts_of_form, read_form
from streams.door.files import Wrong, read_rows
from streams.door.links import (
    KeysRefused,
    Link,
    LinkExpired,
    LinkRefused,
    Purpose,
    read_keys,
    read_link,
    seal_link,
)
from streams.door.pages import form_page
from streams.door.server import answer_to
from streams.door.statements import EVENT, EVENTS, JSON, BodyRefused, fact_of, read_statements
from streams.door.tokens import TokensRefused, read_tokens
from streams.replay.mapping import Mapping
from streams.webhooks.keys import KeyRefused, read_key
from tests.fuzz.door import ACCEPTED, Broken, Outcome, refused
from tests.unit.door.test_files import CSV, mapping
from tests.unit.door.test_statements import EVENT_OF_IT, NOW, SOURCE, TOLD

FACTS_PLACE = re.compile(
    r"^(body: |Content-Type is |found a larger body|found [0-9]+ entries|\[[0-9]+\] )"
)
FOLDER_PLACE = re.compile(r"^told\.(csv|jsonl):[0-9]+: ")
ANSWER_PLACE = re.compile(r"^(link|form): ")
LINK_KEYS_PLACE = re.compile(r"^link-keys(:[0-9]+)?: ")
LINK_KEYS = (b"k" * 32,)
GOOD_LINK = seal_link(
    Link("NORD", "ACME/4711", "10", Purpose.ANSWER, NOW + 1, "VALVE", "400", "PCE"), LINK_KEYS
)
WEBHOOK_KEY_PLACE = re.compile(r"^webhook-key: ")
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
        for row in read_rows(name, partial(path.open, "rb"), SOURCE, _mapping(), NOW):
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


def enter_answer(data: bytes) -> Outcome:
    """A link in the first line, and behind it the form; a link that is `-` is a good one."""
    text, _, body = data.partition(b"\n")
    given = GOOD_LINK if text == b"-" else text.decode("utf-8", "surrogateescape")
    try:
        link = read_link(given, LINK_KEYS, NOW)
    except (LinkRefused, LinkExpired) as error:
        return refused(f"link: {error}")
    try:
        found = facts_of_form(link, read_form(body), NOW)
    except FormRefused as error:
        return refused(f"form: {error}")
    wrong = [each for each in found if isinstance(each, tuple)]
    form_page(link, "x", wrong).encode()
    for each in found:
        if not isinstance(each, tuple):
            if each.source != SOURCE:
                raise Broken(f"it is told by {each.source!r}")
            encode_fact(each)
    return refused(*(f"form: {error}" for _, error in wrong)) if wrong else ACCEPTED


def answer_seeds() -> tuple[bytes, ...]:
    """Answers by a good link, and the link itself."""
    form = b"form=ffffffffffffffffffffffff&answer="
    return (
        b"-\n" + form + b"reject&reason=no+more",
        b"-\n" + form + b"confirm&date1=2026-04-09",
        b"-\n" + form + b"confirm&date1=2026-04-09&quantity1=1.5&date2=2026-05-09&quantity2=7",
        GOOD_LINK.encode() + b"\n" + form + b"reject",
    )


def enter_link_keys(data: bytes) -> Outcome:
    """The file of keys that seal links."""
    try:
        read_keys(data, "link-keys")
    except KeysRefused as error:
        return refused(str(error))
    return ACCEPTED


def link_keys_seeds() -> tuple[bytes, ...]:
    """One key, and two."""
    key = base64.b64encode(LINK_KEYS[0])
    return (key + b"\n", key + b"\n" + key + b"\n")


def enter_webhook_key(data: bytes) -> Outcome:
    """The file of the key that the secrets of webhooks are made of."""
    try:
        read_key(data, "webhook-key")
    except KeyRefused as error:
        return refused(str(error))
    return ACCEPTED


def webhook_key_seeds() -> tuple[bytes, ...]:
    """A key, and one that is too short."""
    return (base64.b64encode(b"k" * 32) + b"\n", base64.b64encode(b"k" * 16))
