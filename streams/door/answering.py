"""`/answer/LINK` of the door: GET shows a form and changes nothing, POST takes the answer.

Scanners of mail open every link they see, so only the form that a person sends counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from schemas import limits
from schemas.facts import Fact
from schemas.units import UtcMillis
from streams.door.answers import FormRefused, facts_of_form, new_form_id, read_form
from streams.door.links import KeysRefused, Link, LinkExpired, LinkRefused, load_keys, read_link
from streams.door.pages import HEADERS, form_page, message_page, thanks_page
from streams.metrics import DOOR_FACTS, DOOR_REQUESTS, Metrics
from streams.sending import OpenSender

KEYS_UNUSABLE = "link_keys_unusable"

log = structlog.get_logger()


class AnswerDesk:
    """Takes answers: looks at the link, reads the form, sends the facts."""

    def __init__(
        self, keys_file: Path, sender: OpenSender, now: Callable[[], UtcMillis], metrics: Metrics
    ) -> None:
        """`now` is the wall clock, in milliseconds."""
        self._keys_file = keys_file
        self._sender = sender
        self._now = now
        self._metrics = metrics

    def show(self, text: str) -> Response:
        """The form behind the link, or a page that says why there is none."""
        link = self.link(text)
        return link if isinstance(link, Response) else _html(200, form_page(link, new_form_id()))

    def take(self, link: Link, body: bytes) -> Response:
        """What became of the answer."""
        try:
            found = facts_of_form(link, read_form(body), self._now())
        except FormRefused as error:
            return _html(400, message_page("This cannot be read", str(error)))
        facts = [each for each in found if not isinstance(each, tuple)]
        if len(facts) < len(found):
            self._metrics.count(DOOR_FACTS, way="link", outcome="refused")
            wrong = [each for each in found if isinstance(each, tuple)]
            return _html(422, form_page(link, new_form_id(), wrong))
        return self._send(link, facts)

    def counted(self, response: Response) -> Response:
        """The response, counted by its status."""
        self._metrics.count(DOOR_REQUESTS, status=str(response.status_code))
        return response

    def _send(self, link: Link, facts: list[Fact]) -> Response:
        refusals = self._sender.send(facts)
        outcome = "failed" if refusals else "accepted"
        self._metrics.count(DOOR_FACTS, len(facts), way="link", outcome=outcome)
        if refusals:
            says = "Your answer could not be taken just now. Please go back and send it again."
            return _html(503, message_page("Not taken", says))
        return _html(200, thanks_page(link))

    def link(self, text: str) -> Link | Response:
        """The link, or the page that refuses it: the same for all that never were any."""
        try:
            return read_link(text, load_keys(self._keys_file), self._now())
        except LinkExpired:
            says = "This link is no longer good. Please ask whoever sent it for a new one."
            return _html(410, message_page("Too late", says))
        except (KeysRefused, OSError) as error:
            if not isinstance(error, FileNotFoundError):
                log.warning(KEYS_UNUSABLE, error=str(error))
        except LinkRefused:
            pass
        return _html(404, message_page("No such page", "There is nothing here. Is the link whole?"))


def add_answers(app: FastAPI, desk: AnswerDesk) -> None:
    """The page of answers, beside the others of the door."""

    @app.get("/answer/{text}")
    async def show(text: str) -> Response:
        return desk.counted(await run_in_threadpool(desk.show, text))

    @app.post("/answer/{text}")
    async def take(text: str, request: Request) -> Response:
        return desk.counted(await _taken(desk, text, request))


async def _taken(desk: AnswerDesk, text: str, request: Request) -> Response:
    """Nothing is read of who has no link."""
    link = await run_in_threadpool(desk.link, text)
    if isinstance(link, Response):
        return link
    body = bytearray()
    try:
        async with asyncio.timeout(limits.DOOR_BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.FORM_BYTES_MAX:
                    break
    except TimeoutError:
        return _html(408, message_page("Too slow", "Please send it again."))
    except ClientDisconnect:
        return _html(400, message_page("It broke off", "Please send it again."))
    return await run_in_threadpool(desk.take, link, bytes(body))


def _html(status: int, page: str) -> Response:
    return Response(page, status, dict(HEADERS), media_type="text/html; charset=utf-8")
