"""`slipwatch door run`: facts over HTTP, each answered accepted or refused.

What a request says is who tells it, by its token, and facts. Accepted means: the broker has it, in
every replica that is in step. A sender that got no answer, or 503, sends the same again; event ids
make it count once.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from schemas import limits
from schemas.facts import Fact
from schemas.units import UtcMillis
from streams.door.answering import AnswerDesk, add_answers
from streams.door.connections import RETRY_AFTER_SECONDS, Connection, Crowd, unavailable
from streams.door.folder import Folders
from streams.door.statements import BodyRefused, Complaint, fact_of, fit_for_json, read_statements
from streams.door.tokens import Tokens, TokensRefused
from streams.metrics import (
    CONTENT_TYPE,
    DOOR_FACTS,
    DOOR_REQUESTS,
    DOOR_SECONDS,
    Metrics,
)
from streams.sending import OpenSender

STOP_TIMEOUT_SECONDS = 15

DOOR_OPEN = "door_open"
DOOR_CLOSED = "door_closed"
TOKENS_UNUSABLE = "tokens_unusable"
BROKER_REFUSES = "broker_refuses"

log = structlog.get_logger()


class DoorError(Exception):
    """The door cannot open; the message says why and what to do."""


class Wrong(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with a fact; without a field, it is the fact as a whole."""

    error: str
    field: str | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the fact at that place of the request, from 0."""

    index: int
    accepted: bool = False
    event_id: str | None = None
    errors: tuple[Wrong, ...] = ()


class Answers(msgspec.Struct, frozen=True):
    """The answer to a request."""

    accepted: int
    refused: int
    answers: tuple[Answer, ...]


class Desk:
    """Takes requests: looks at the token, reads facts, sends them, and answers each."""

    def __init__(
        self, tokens: Tokens, sender: OpenSender, now: Callable[[], UtcMillis], metrics: Metrics
    ) -> None:
        """`now` is the wall clock, in milliseconds."""
        self._tokens = tokens
        self._sender = sender
        self._now = now
        self._metrics = metrics

    @property
    def metrics(self) -> Metrics:
        """What was counted."""
        return self._metrics

    def answers_broker(self) -> bool:
        """Whether what is accepted can be sent now."""
        return self._sender.answers()

    def who(self, authorization: str | None) -> str | None:
        """The source that the token stands for. Raises TokensRefused or OSError."""
        return self._tokens.source_of(authorization)

    def take(self, source: str, body: bytes, headers: dict[str, str]) -> tuple[int, Answers]:
        """The status and the answers; 503 when the broker did not take all that is good.

        Raises BodyRefused when nothing can be read.
        """
        began = time.monotonic()
        now = self._now()
        found = [fact_of(each, source, now) for each in read_statements(body, headers)]
        good = [(index, fact) for index, fact in enumerate(found) if not isinstance(fact, list)]
        refusals = self._sender.send([fact for _, fact in good]) if good else ()
        failed = {good[refusal.index][0]: refusal.why for refusal in refusals}
        answers = [answer_to(index, each, failed.get(index)) for index, each in enumerate(found)]
        accepted = sum(answer.accepted for answer in answers)
        for outcome, count in (
            ("accepted", accepted),
            ("failed", len(failed)),
            ("refused", len(answers) - accepted - len(failed)),
        ):
            self._metrics.count(DOOR_FACTS, count, way="http", outcome=outcome)
        self._metrics.observe(DOOR_SECONDS, time.monotonic() - began)
        if failed:
            log.warning(BROKER_REFUSES, facts=len(failed), why=next(iter(failed.values())))
        status = 503 if failed else 200
        return status, Answers(accepted, len(answers) - accepted, tuple(answers))


def answer_to(index: int, found: Fact | Sequence[Complaint], failed: str | None) -> Answer:
    """The answer to what was found at that place; `failed` is why the broker did not take it."""
    if not isinstance(found, Sequence):
        if failed is None:
            return Answer(index, accepted=True, event_id=found.event_id)
        wrong = Wrong(f"the broker did not take it: {failed}; send it again")
        return Answer(index, event_id=found.event_id, errors=(wrong,))
    return Answer(
        index, errors=tuple([Wrong(error, fit_for_json(field)) for field, error in found])
    )


def create_app(desk: Desk, answers: AnswerDesk) -> FastAPI:
    """The door's pages: `POST /facts`, `/answer/LINK`; and /health, /ready, /metrics for those who
    run it."""
    app = FastAPI(title="Slipwatch door", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post("/facts")
    async def facts(request: Request) -> Response:
        response = await _facts(desk, request)
        desk.metrics.count(DOOR_REQUESTS, status=str(response.status_code))
        return response

    add_answers(app, answers)

    @app.get("/health")
    async def health() -> Response:
        return _json(200, {"status": "ok"})

    @app.get("/ready")
    async def ready() -> Response:
        if await run_in_threadpool(desk.answers_broker):
            return _json(200, {"status": "ok"})
        return _json(503, {"status": "the broker does not answer"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(desk.metrics.text(), media_type=CONTENT_TYPE)

    return app


async def _facts(desk: Desk, request: Request) -> Response:
    try:
        source = desk.who(request.headers.get("authorization"))
    except (TokensRefused, OSError) as error:
        log.warning(TOKENS_UNUSABLE, error=str(error))
        return unavailable("tokens cannot be read; the operator is told")
    if source is None:
        refused = _json(401, {"error": "no such token; send Authorization: Bearer TOKEN"})
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    try:
        async with asyncio.timeout(limits.DOOR_BODY_SECONDS_MAX):
            body = await _read(request)
    except TimeoutError:
        return _json(408, {"error": "the body did not come in in time"})
    except ClientDisconnect:
        return _json(400, {"error": "the body broke off"})
    try:
        status, answers = await run_in_threadpool(desk.take, source, body, dict(request.headers))
    except BodyRefused as error:
        return _json(error.status, {"error": str(error)})
    response = _json(status, answers)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


async def _read(request: Request) -> bytes:
    """The body, or one byte more than it may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limits.DOOR_BODY_BYTES_MAX:
            break
    return bytes(body[: limits.DOOR_BODY_BYTES_MAX + 1])


def _json(status: int, content: object) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def run_door(
    desk: Desk,
    answers: AnswerDesk,
    folders: Folders,
    address: tuple[str, int],
    *,
    ready: Callable[[int], None],
    stop: threading.Event,
) -> None:
    """Answers over HTTP and looks into the folders until `stop` is set; `ready` is called with the
    port once it answers.

    Raises DoorError when the port is taken, and whatever else ends one of the two.
    """
    listener = _listen(*address)
    server = uvicorn.Server(
        uvicorn.Config(
            Crowd(create_app(desk, answers)),
            http=Connection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_SECONDS // 2,
        )
    )
    halt = threading.Event()
    with listener, ThreadPoolExecutor(2, "door") as pool:
        running = [pool.submit(server.run, [listener]), pool.submit(folders.watch, halt)]
        try:
            while not server.started and not any(each.done() for each in running):
                stop.wait(0.02)
            if server.started:
                port = listener.getsockname()[1]
                log.info(DOOR_OPEN, port=port)
                ready(port)
            while not stop.wait(0.1) and not any(each.done() for each in running):
                pass
        finally:
            halt.set()
            server.should_exit = True
    log.info(DOOR_CLOSED)
    for each in running:
        each.result()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise DoorError(
            f"The door cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another with door.host and door.port; port 0 takes a free one."
        ) from error
