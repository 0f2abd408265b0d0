"""Doors to the network: questions over HTTP, and what a webhook's receiver answers."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from alerts.sinks.sink import Permanent, Recoverable
from alerts.sinks.webhook import Secret, SecretRefused, judge
from console.api import create_app
from console.database import Database
from console.reading import encode_cursor
from schemas.facts import Family
from schemas.limits import RETRY_AFTER_SECONDS_MAX
from schemas.records import decode, encode
from schemas.registered import RegisteredSchema
from schemas.units import instant
from schemas.writers import schema_text
from streams.promising import Promiser
from streams.registry import HttpAnswer, RegistryTrouble, read_answer
from tests.fuzz.door import ACCEPTED, Broken, Outcome, refused
from tests.unit.console.filling import Filler
from tests.unit.console.story import at, first_tick, second_tick

HTTP_PLACE = re.compile(r"^(404|405|409|422) ")
WEBHOOK_PLACE = re.compile(r"^(found a webhook secret|example\.com answered)")
REGISTRY_PLACE = re.compile(r"^the registry")
PATHS = (
    "/v1/orders/", "/v1/promise", "/v1/explain", "/v1/alerts", "/v1/alerts/", "/v1/notifications",
    "/v1/dead-letters", "/v1/dead-letters/", "/v1/unlinked", "/v1/feeds", "/v1/status",
    "/v1/ticks/latest", "/health", "/ready", "/openapi.json",
)  # fmt: skip


class _Site:
    """The API over a small read model, asked without a socket."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._database = Database(f"sqlite:///{Path(self._folder.name) / 'view.db'}")
        filler = Filler(self._database)
        filler.tick(1, at(1), first_tick())
        filler.tick(2, at(2), second_tick())
        self._app: FastAPI = create_app(self._database, Promiser())
        self._loop = asyncio.new_event_loop()

    def get(self, path: str, query: bytes) -> tuple[int, dict[str, str], bytes]:
        return self._loop.run_until_complete(self._ask(path, query))

    async def _ask(self, path: str, query: bytes) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": path, "raw_path": path.encode("utf-8", "replace"),
            "query_string": query, "root_path": "", "headers": [(b"host", b"view")],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
        }  # fmt: skip
        await self._app(scope, receive, send)
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], headers, body


@cache
def _site() -> _Site:
    return _Site()


def enter_http(data: bytes) -> Outcome:
    """A path and a query, apart by `?`; the first byte may choose one of the known paths."""
    target, _, query = data.partition(b"?")
    path = target.decode("utf-8", "replace")
    if target[:1] != b"/":
        path = PATHS[sum(target[:1]) % len(PATHS)] + target[1:].decode("utf-8", "replace")
    status, headers, body = _site().get(path, query)
    kind = headers.get("content-type", "")
    if status == 200:
        return ACCEPTED
    if status == 503 and path.startswith("/ready"):
        return ACCEPTED
    if status in (307, 308):
        return ACCEPTED
    if not kind.startswith("application/problem+json"):
        raise Broken(f"{path}?{query!r}: {status} as {kind}: {body[:300]!r}")
    problem = json.loads(body)
    if status not in (404, 405, 409, 422) or problem["status"] != status:
        raise Broken(f"{path}?{query!r}: {status} {body[:300]!r}")
    if not problem["next_step"] or (status == 422 and not problem["parameters"]):
        raise Broken(f"{path}?{query!r} does not say what to do: {body[:300]!r}")
    return refused(f"{status} {problem['detail']}"[:4_000])


def http_seeds() -> tuple[bytes, ...]:
    """Questions that have answers, and some that have none."""
    cursor = encode_cursor(3, 1_767_000_000_000, "x").encode()
    return (
        b"/v1/orders/ACME/4711%2310",
        b"/v1/orders/4711?limit=1&after=" + encode_cursor("a").encode(),
        b"/v1/explain?id=ACME/4711%2310&tick=1", b"/v1/explain?id=seaways",
        b"/v1/alerts?state=open&severity=warning&account=NORDICS&rule=late_to_ship&limit=2",
        b"/v1/alerts?after=" + cursor, b"/v1/notifications?undelivered=true&limit=1",
        b"/v1/dead-letters?source=x&reason=bad_body&retried=false", b"/v1/dead-letters/orders/0/7",
        b"/v1/unlinked?limit=1000", b"/v1/feeds", b"/v1/status", b"/v1/ticks/latest", b"/health",
        b"/ready", b"/openapi.json", b"/v1/alerts/abc", b"/nothing", b"\x00ACME/4711",
    )  # fmt: skip


def enter_webhook(data: bytes) -> Outcome:
    """The first line is a signing secret; the second the status and `Retry-After` of an answer."""
    lines = data.decode("utf-8", "replace").split("\n")
    errors = []
    try:
        signed = Secret(lines[0]).signed("n1", instant(1_767_000_000_000), "{}")
        if not signed.startswith("v1,"):
            raise Broken(f"the signature is {signed!r}")
    except SecretRefused as error:
        errors.append(str(error))
    status, _, retry_after = (lines[1] if len(lines) > 1 else "200").partition(" ")
    number = int(status) if re.fullmatch("[1-5][0-9][0-9]", status, re.ASCII) else 500
    try:
        judge("example.com", number, retry_after or None)
    except Recoverable as error:
        if (
            error.retry_after_s is not None
            and not 0 <= error.retry_after_s <= RETRY_AFTER_SECONDS_MAX
        ):
            raise Broken(f"a pause of {error.retry_after_s} s") from error
        errors.append(str(error))
    except Permanent as error:
        errors.append(str(error))
    return refused(*errors) if errors else ACCEPTED


def webhook_seeds() -> tuple[bytes, ...]:
    """A good secret, and answers."""
    secret = b"whsec_" + b"A" * 44
    return (secret + b"\n200", secret + b"\n503 120", secret + b"\n429 1e9", b"plain\n410")


def enter_registry_answer(data: bytes) -> Outcome:
    """The first line is the status, the rest the body of an answer about id 7. What it says can be
    written to the topic and read back, whatever text it holds."""
    status, _, body = data.partition(b"\n")
    number = int(status) if re.fullmatch(b"[1-5][0-9][0-9]", status) else 200
    try:
        said = read_answer(7, HttpAnswer(number, body))
    except RegistryTrouble as error:
        return refused(f"the registry {error}")
    if said is None:
        return refused("the registry answered 404 and knows no such schema")
    if decode(encode(said), RegisteredSchema) != said:
        raise Broken(f"{said!r} is another after it was written")
    return ACCEPTED if said.schema is not None else refused(f"the registry: {said.error}")


def registry_answer_seeds() -> tuple[bytes, ...]:
    """A schema, one of another type, one with references, and refusals."""
    text = schema_text(Family.HEARTBEATS)
    bodies: tuple[tuple[int, dict[str, object]], ...] = (
        (200, {"schema": text}),
        (200, {"schema": "message X {}", "schemaType": "PROTOBUF"}),
        (200, {"schema": text, "references": [{"name": "n", "subject": "s", "version": 1}]}),
        (404, {"error_code": 40403, "message": "Schema 7 not found"}),
        (500, {"error_code": 50001, "message": "Error in the backend data store"}),
    )
    return tuple(b"%d\n%s" % (status, json.dumps(body).encode()) for status, body in bodies)
