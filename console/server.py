"""`slipwatch view`: the follower and the HTTP server, started and stopped together."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

import structlog
import uvicorn
from fastapi import FastAPI

from console.api import create_app
from console.database import Access, Database
from console.follow import Follower
from schemas.promise_records import Promising

STOP_TIMEOUT_SECONDS = 15

VIEW_STARTED = "view_started"
VIEW_STOPPED = "view_stopped"

log = structlog.get_logger()


class ViewError(Exception):
    """The view cannot start; the message says why and what to do."""


def run_view(  # noqa: PLR0913 - where from, where to, how to start and stop it
    client_config: Mapping[str, str],
    database_url: str,
    host: str = "127.0.0.1",
    port: int = 8381,
    *,
    access: Access | None = None,
    follows: bool = True,
    ready: Callable[[int], None] | None = None,
    stop: threading.Event,
    promising: Promising,
    topic_prefix: str = "",
) -> None:
    """Follows the topics and answers over HTTP until `stop` is set; returns when both have ended.
    With `follows` False it answers only, from a database that another view brings on.

    `promising` answers for orders that do not exist yet.
    `client_config` is librdkafka's (bootstrap.servers, TLS, SASL). Port 0 takes a free one; `ready`
    is called with the port as soon as it answers, which is before the first tick is read. Call it
    from any thread; it handles no signals. Raises ViewError when the port is taken, DatabaseError
    when the database cannot be used or another view takes it over, and whatever else ends the
    follower. A broker that does not answer ends nothing: it is tried again, and /ready says so.
    """
    listener = _listen(host, port)
    try:
        database = Database(database_url, access=access, follows=follows)
        follower = Follower(client_config, database, topic_prefix=topic_prefix)
        try:
            _serve(
                follower if follows else None,
                create_app(database, promising),
                listener,
                ready,
                stop,
            )
        finally:
            database.close()
    finally:
        listener.close()


def _serve(
    follower: Follower | None,
    app: FastAPI,
    listener: socket.socket,
    ready: Callable[[int], None] | None,
    stop: threading.Event,
) -> None:
    failures: list[BaseException] = []
    ended = threading.Event()

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 (raised again by run_view's thread)
                failures.append(error)
            finally:
                ended.set()

        return run

    halt = threading.Event()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_SECONDS // 2,
    )
    server = uvicorn.Server(config)
    threads = [
        threading.Thread(target=guarded(lambda: server.run([listener])), name="view-http"),
    ]
    if follower is not None:
        follow = follower.run
        threads.append(threading.Thread(target=guarded(lambda: follow(halt)), name="view-follower"))
    host, port = listener.getsockname()[:2]
    try:
        for thread in threads:
            thread.start()
        while not server.started and not ended.wait(0.02):
            pass
        if server.started:
            log.info(VIEW_STARTED, address=f"http://{host}:{port}")
            if ready is not None:
                ready(port)
        while not stop.wait(0.1) and not ended.is_set():
            pass
    finally:
        halt.set()
        server.should_exit = True
        for thread in threads:
            thread.join(STOP_TIMEOUT_SECONDS)
        log.info(VIEW_STOPPED)
    if failures:
        raise failures[0]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ViewError(
            f"The view cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another with view.host and view.port; port 0 takes a free one."
        ) from error
