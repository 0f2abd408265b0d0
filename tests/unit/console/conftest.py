from __future__ import annotations

import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import uvicorn
from fastapi import FastAPI

from console.api import create_app
from console.database import Access, Database
from streams.promising import Promiser
from tests.postgres import Postgres
from tests.unit.console.filling import Filler
from tests.unit.console.story import at, first_tick, second_tick

START_SECONDS = 10.0


class Response(NamedTuple):
    status: int
    media_type: str
    body: Any


class Client:
    """Asks a real server over HTTP, as anyone would."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str | int) -> Response:
        """The answer; `path` is quoted as given, so that a test may write `%23`."""
        url = self._base + path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            with urllib.request.urlopen(url, timeout=10) as answered:
                return self._response(answered.status, answered.headers, answered.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return self._response(refused.code, refused.headers, refused.read())

    def _response(self, status: int, headers: Any, body: bytes) -> Response:
        return Response(status, headers.get_content_type(), json.loads(body))


class Served:
    """An app on a free port, for as long as it is used."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Client:
        self._thread.start()
        waited = threading.Event()
        while not self._server.started:
            assert self._thread.is_alive()
            waited.wait(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return Client(port)

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(START_SECONDS)


class Place(NamedTuple):
    """Where a database is, to be opened as often as one likes."""

    url: str
    access: Access

    def open(self, **more: Any) -> Database:
        return Database(self.url, access=self.access, **more)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Place]:
    """Makes empty databases, of each kind that there may be: both must answer the same."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("views")
        numbers = itertools.count()
        return lambda: Place(f"sqlite:///{folder / f'{next(numbers)}.db'}", Access())
    server: Postgres = request.getfixturevalue("postgres")
    return lambda: Place(server.database(), Access(server.password))


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


@pytest.fixture(scope="session")
def told_view(new_place: Callable[[], Place]) -> Iterator[Database]:
    """A view that has read both ticks of the story; nobody changes it."""
    database = new_place().open()
    filler = Filler(database)
    filler.tick(1, at(1), first_tick())
    filler.tick(2, at(2), second_tick())
    yield database
    database.close()


@pytest.fixture(scope="session")
def client(told_view: Database) -> Iterator[Client]:
    with Served(create_app(told_view, Promiser())) as found:
        yield found
