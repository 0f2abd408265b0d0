"""Who reaches the door without a token or a link keeps nobody out of it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from schemas import limits
from schemas.units import HOUR_MS
from streams.broker.embedded import EmbeddedBroker
from streams.door.links import Link, Purpose, load_keys, rotate_keys, seal_link
from streams.engine.clock import WallClock
from streams.settings import TopicSettings
from tests.integration.process import get, wait_until
from tests.integration.test_door import TOLD, opened, post


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        yield running.bootstrap


Connect: TypeAlias = Callable[[int, str], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens connections that say so much; all are closed in the end."""
    with ExitStack() as opened_ones:

        def made(port: int, begin: str) -> socket.socket:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            opened_ones.enter_context(connection)
            connection.sendall(begin.replace("\n", "\r\n").encode())
            return connection

        yield made


def is_closed(connection: socket.socket) -> bool:
    """Waits until it is closed or says something."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def drips(connection: socket.socket) -> bool:
    """Says a little more; whether somebody listens."""
    try:
        connection.sendall(b"G")
    except ConnectionError:
        return False
    return True


def begun(token: str) -> str:
    """A request whose body does not come."""
    return (
        f"POST /facts HTTP/1.1\nHost: door\nAuthorization: Bearer {token}\n"
        "Content-Type: application/json\nContent-Length: 100\n\n{"
    )


def test_silent_connections_make_room_for_those_that_ask(
    broker: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_CONNECTIONS_MAX", 3)
    with opened(broker, tmp_path) as (port, token):
        address = f"http://127.0.0.1:{port}"
        silent = [connect(port, "POST /fac") for _ in range(5)]
        assert is_closed(silent[0])
        assert is_closed(silent[1])
        assert post(address, token, TOLD)[0] == 200
        assert get(f"{address}/health")[0] == 200
        assert is_closed(silent[2])


def test_the_head_of_a_request_comes_in_in_time_or_never(
    broker: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_HEAD_SECONDS_MAX", 1)
    with opened(broker, tmp_path) as (port, _):
        dripping = connect(port, "GET /health HTTP/1.1\nHost: door\n\n")
        assert dripping.recv(1_000).startswith(b"HTTP/1.1 200")
        wait_until(lambda: not drips(dripping), seconds=20)
        assert is_closed(connect(port, "GET /health HTTP/1.1\nHost: door\n"))


def test_so_many_requests_at_once_and_no_more(
    broker: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_REQUESTS_MAX", 2)
    with opened(broker, tmp_path) as (port, token):
        address = f"http://127.0.0.1:{port}"
        first = connect(port, begun(token))
        assert post(address, token, TOLD)[0] == 200
        second = connect(port, begun(token))
        wait_until(lambda: post(address, token, TOLD)[0] == 503, seconds=10)
        assert get(f"{address}/health")[0] == 200
        for each in (first, second):
            each.close()
        wait_until(lambda: post(address, token, TOLD)[0] == 200, seconds=10)


def test_no_body_is_waited_for_of_who_has_no_link(
    broker: str, connect: Connect, tmp_path: Path
) -> None:
    with opened(broker, tmp_path) as (port, _):
        asks = connect(port, "POST /answer/none HTTP/1.1\nHost: door\nContent-Length: 9\n\n")
        assert asks.recv(1_000).startswith(b"HTTP/1.1 404")
        asks.close()


def test_a_body_that_breaks_off_is_no_fault_of_ours(
    broker: str, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rotate_keys(tmp_path / "link-keys")
    link = Link("NORD", "ACME/4711", "10", Purpose.ANSWER, WallClock().now() + HOUR_MS)
    text = seal_link(link, load_keys(tmp_path / "link-keys"))
    with opened(broker, tmp_path) as (port, token):
        address = f"http://127.0.0.1:{port}"
        connect(port, begun(token)).close()
        connect(port, f"POST /answer/{text} HTTP/1.1\nHost: door\nContent-Length: 9\n\na").close()
        counted = 'slipwatch_door_requests_total{status="400"} 2.0'
        wait_until(lambda: counted in get(f"{address}/metrics")[1], seconds=10)
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []
