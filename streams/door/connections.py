"""Connections to the door, and how many there may be: who says nothing keeps nobody out.

uvicorn has no time limit on the head of a request, and its own limit counts connections that are
silent as it counts requests, and refuses /health with the others; so both limits are here.
"""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from schemas import limits

RETRY_AFTER_SECONDS = 5
OWN_PAGES = ("/health", "/ready", "/metrics")
"""Those of whoever runs the door: answered however many ask."""


class Connection(H11Protocol):
    """One connection. It is closed when the head of a request does not come in in time; and when
    there are too many, the one that has waited longest for a request is."""

    _patience: asyncio.TimerHandle | None = None
    waits_since_seconds = 0.0
    """When it was opened, or the last request was answered, by the clock of the event loop."""

    @property
    def is_waiting(self) -> bool:
        """Whether no request is being answered on it."""
        cycle = cast(RequestResponseCycle | None, self.cycle)
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes its place among the others."""
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > limits.DOOR_CONNECTIONS_MAX:
            others = [each for each in self.connections if isinstance(each, Connection)]
            waiting = [each for each in others if each.is_waiting]
            min(waiting, key=lambda each: each.waits_since_seconds).let_go()

    def data_received(self, data: bytes) -> None:
        """Part of a request; once its head is whole, the body has a time limit of its own."""
        super().data_received(data)
        if not self.is_waiting:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        super().on_response_complete()
        if self.is_waiting:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def let_go(self) -> None:
        """Closes it at once."""
        self.connections.discard(self)
        self.transport.abort()

    def _wait(self) -> None:
        self._stop_waiting()
        self.waits_since_seconds = self.loop.time()
        self._patience = self.loop.call_later(limits.DOOR_HEAD_SECONDS_MAX, self.let_go)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Crowd:
    """Answers so many requests at once and refuses others, but for the pages of who runs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["path"] in OWN_PAGES:
            await self._app(scope, receive, send)
        elif self._running >= limits.DOOR_REQUESTS_MAX:
            await unavailable("there are too many requests")(scope, receive, send)
        else:
            self._running += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._running -= 1


def unavailable(error: str) -> Response:
    """503, and when to try again."""
    content = msgspec.json.encode({"error": error})
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Response(content, 503, headers, media_type="application/json")
