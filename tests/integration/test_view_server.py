from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.database import Database, DatabaseError
from console.server import ViewError, run_view
from streams.promising import Promiser
from tests.integration.view_bench import Broker, mock_broker
from tests.unit.console.conftest import Client
from tests.unit.console.story import FIRST, first_tick, second_tick

PATIENCE_SECONDS = 20.0
NO_BROKER = {"bootstrap.servers": "127.0.0.1:9", "reconnect.backoff.max.ms": "100"}


class Running:
    """A view in a thread; `failures` holds what it raised."""

    def __init__(self, client_config: Mapping[str, str], database_url: str) -> None:
        self.stop = threading.Event()
        self.failures: list[Exception] = []
        self._ports: queue.Queue[int] = queue.Queue()
        self._run = (dict(client_config), database_url)
        self.thread = threading.Thread(target=self._guarded, daemon=True)
        self.thread.start()
        self.client = Client(self._ports.get(timeout=PATIENCE_SECONDS))

    def _guarded(self) -> None:
        config, url = self._run
        try:
            run_view(
                config,
                url,
                "127.0.0.1",
                0,
                ready=self._ports.put,
                stop=self.stop,
                promising=Promiser(),
            )
        except DatabaseError as error:
            self.failures.append(error)

    def wait_for_tick(self, tick: int) -> None:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.client.get("/ready")
            if answer.status == 200 and answer.body["as_of"]["tick"] == tick:
                return
            assert time.monotonic() < ends_at, answer.body
            time.sleep(0.05)


@contextmanager
def running(client_config: Mapping[str, str], database_url: str) -> Iterator[Running]:
    view = Running(client_config, database_url)
    try:
        yield view
    finally:
        view.stop.set()
        view.thread.join(PATIENCE_SECONDS)
        assert not view.thread.is_alive()


@pytest.fixture
def broker() -> Iterator[Broker]:
    with mock_broker() as found:
        yield found


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'folder' / 'view.db'}"


def test_a_view_answers_stops_and_goes_on_where_it_was(broker: Broker, database_url: str) -> None:
    broker.append_tick(1, first_tick())
    with running(broker.client_config, database_url) as view:
        view.wait_for_tick(1)
        assert view.client.get("/v1/orders/4711").body["lines"][0]["standing"] == "on_time"
    assert view.failures == []
    broker.append_tick(2, second_tick())
    with running(broker.client_config, database_url) as view:
        view.wait_for_tick(2)
        body = view.client.get("/v1/explain", id=FIRST).body
        assert body["order"]["standing"] == "at_risk"
        assert len(body["told"]) == 2


def test_a_view_without_a_broker_answers_and_says_so(database_url: str) -> None:
    with running(NO_BROKER, database_url) as view:
        assert view.client.get("/health").status == 200
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not (problem := view.client.get("/v1/status").body["view_problem"]):
            assert time.monotonic() < ends_at
            time.sleep(0.1)
        assert "broker" in problem
        refused = view.client.get("/ready")
        assert (refused.status, refused.body["detail"]) == (503, problem)


def test_a_view_whose_database_was_taken_over_ends(broker: Broker, database_url: str) -> None:
    broker.append_tick(1, first_tick())
    with running(broker.client_config, database_url) as view:
        view.wait_for_tick(1)
        other = Database(database_url)
        other.claim()
        other.close()
        view.thread.join(PATIENCE_SECONDS)
        assert "Another view took over" in str(view.failures[0])


def test_a_port_that_is_taken_is_named(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ViewError, match=rf"127.0.0.1:{port}.*view\.port"):
            run_view(
                NO_BROKER,
                database_url,
                "127.0.0.1",
                port,
                stop=threading.Event(),
                promising=Promiser(),
            )
