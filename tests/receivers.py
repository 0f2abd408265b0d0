"""A party's receiver of webhooks: a real HTTPS server in a thread, with its own certificate."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

STARTED_S = 10.0
GOODBYE_S = 0.05
"""How long a connection that ends waits for the other side to say so too."""


@dataclass(frozen=True)
class Request:
    """One request as it came: `raw` is everything that the party can read of it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def raw(self) -> bytes:
        head = "\n".join(f"{name}: {value}" for name, value in self.headers.items())
        return f"{self.path}\n{head}\n".encode() + self.body


def takes(_: Request) -> tuple[int, Mapping[str, str]]:
    return 200, {}


def at_once(_: Request) -> bool:
    return False


@dataclass
class Receiver:
    """What came, in order, and how it is answered: `answers` gives status and headers, after
    `delay_s` and when `is_held` says no more; both are called in the server's thread."""

    port: int = 0
    answers: Callable[[Request], tuple[int, Mapping[str, str]]] = takes
    requests: list[Request] = field(default_factory=list)
    delay_s: float = 0.0
    is_held: Callable[[Request], bool] = at_once
    is_over: bool = False

    def url(self, path: str = "/hook") -> str:
        return f"https://127.0.0.1:{self.port}{path}"

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """What was said, each checked by the receiver's own library."""
        return [Webhook(secret).verify(each.body, each.headers) for each in self.requests]

    def effective(self) -> list[Request]:
        """What a receiver acts on that drops ids it has seen."""
        return list({each.id: each for each in reversed(self.requests)}.values())[::-1]

    def standing(self) -> dict[str, dict[str, Any]]:
        """The lines as the receiver knows them that does what docs/partners.md says: by id, without
        what only webhooks say."""
        found: dict[str, dict[str, Any]] = {}
        stood_at: dict[str, dt.datetime] = {}
        for each in self.effective():
            data = dict(each.said["data"])
            line, at = data.pop("id"), dt.datetime.fromisoformat(each.said["timestamp"])
            if at < stood_at.get(line, at):
                continue
            stood_at[line] = at
            data.pop("answer_url", None)
            if each.said["type"] == "order-status.removed":
                found.pop(line, None)
            else:
                found[line] = data
        return found

    async def _handle(self, request: web.Request) -> web.Response:
        came = Request(
            request.path_qs,
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.requests.append(came)
        deadline_s = time.monotonic() + self.delay_s
        while time.monotonic() < deadline_s or self.is_held(came):
            if self.is_over:
                break
            await asyncio.sleep(0.01)
        status, headers = self.answers(came)
        return web.Response(status=status, headers=dict(headers), text="x" * 10_000)


def certificate(directory: Path) -> tuple[Path, Path]:
    """Key and certificate of 127.0.0.1, by nobody that is known."""
    key, made = directory / "hook-key.pem", directory / "hook-ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-keyout", str(key), "-out", str(made),
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, made


@contextmanager
def receiving(key: Path, made: Path, receiver: Receiver | None = None) -> Iterator[Receiver]:
    """A receiver that listens until the block ends; with a port of its own, or the one it has."""
    receiver = receiver or Receiver()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made, key)
    started = threading.Event()
    ends: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(over.set))
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", receiver._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        assert runner.server is not None
        server = await loop.create_server(
            runner.server, "127.0.0.1", receiver.port, ssl=tls, ssl_shutdown_timeout=GOODBYE_S
        )
        receiver.port = server.sockets[0].getsockname()[1]
        receiver.is_over = False
        started.set()
        await over.wait()
        receiver.is_over = True
        server.close()
        await runner.cleanup()
        await asyncio.sleep(2 * GOODBYE_S)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(STARTED_S)
    try:
        yield receiver
    finally:
        ends[0]()
        thread.join(STARTED_S)
