"""The door as people run it: tokens by command, facts posted over HTTP, read on the broker."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer

from schemas import limits
from schemas.codec import FactDecoder
from schemas.facts import Fact, Family
from streams.broker.embedded import EmbeddedBroker
from streams.door.answering import AnswerDesk
from streams.door.folder import Folders
from streams.door.server import Desk, run_door
from streams.door.tokens import Tokens, add_token
from streams.engine.clock import WallClock
from streams.metrics import door_metrics
from streams.sending import OpenSender
from streams.settings import KafkaSettings, Settings, TopicSettings
from tests.integration.process import command, get, started, wait_until

TOLD: dict[str, Any] = {
    "kind": "confirmed",
    "event_id": "e1",
    "occurred_at": "2026-03-31T20:00:00Z",
    "order_ref": "ACME/4711",
    "line": "10",
    "promised_on": "2026-04-09",
}


@pytest.fixture
def embedded() -> Iterator[str]:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        yield running.bootstrap


def environment_of(bootstrap: str) -> dict[str, str]:
    return {
        "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "SLIPWATCH_KAFKA__TIMEOUT_SECONDS": "3",
        "SLIPWATCH_DOOR__PORT": "0",
        "SLIPWATCH_LOG__FORMAT": "json",
    }


def post(
    address: str, token: str, content: object, media: str = "application/json", **headers: str
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{address}/facts",
        data=content if isinstance(content, bytes) else json.dumps(content).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": media, **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def lying_on(bootstrap: str, topic: str, count: int) -> list[Fact]:
    """The first so many facts on the topic."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        values: list[bytes] = []
        deadline = time.monotonic() + 20
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                values.append(message.value() or b"")
    finally:
        consumer.close()
    found = FactDecoder().decode(Family(topic), values)
    facts = [fact for fact in found if not hasattr(fact, "reason") or hasattr(fact, "event_id")]
    assert len(facts) == count
    return facts  # type: ignore[return-value]


def test_what_is_accepted_lies_on_the_topic_under_the_source_of_the_token(
    embedded: str, tmp_path: Path
) -> None:
    environment = environment_of(embedded)
    made = command(
        ["door", "token", "add", "nord-1", "--party", "NORD", "--json"], environment, tmp_path
    )
    assert made.returncode == 0, made.stderr
    token = json.loads(made.stdout)["token"]
    with started(["door", "run"], environment, tmp_path) as door:
        address = door.address
        assert get(f"{address}/health")[0] == get(f"{address}/ready")[0] == 200
        status, answer = post(address, token, [TOLD, TOLD | {"line": "x" * 300}])
        assert (status, answer["accepted"], answer["refused"]) == (200, 1, 1)
        assert answer["answers"][0] == {"index": 0, "accepted": True, "event_id": "e1"}
        (wrong,) = answer["answers"][1]["errors"]
        assert wrong["error"] == "line has 300 characters, expected at most 200"
        (fact,) = lying_on(embedded, "orders", 1)
        assert (fact.source, fact.event_id, fact.kind) == ("partner:NORD", "e1", "confirmed")
        assert post(address, token, TOLD | {"source": "partner:ACME"})[1]["refused"] == 1
        assert post(address, token[:-1], TOLD)[0] == 401
        assert post(address, token, b"{", "text/plain")[0] == 415
        assert post(address, token, b" " * (limits.DOOR_BODY_BYTES_MAX + 1))[0] == 413
        assert get(f"{address}/facts")[0] == 405
        metrics = get(f"{address}/metrics")[1]
        assert 'slipwatch_door_facts_total{outcome="accepted",way="http"} 1.0' in metrics
        assert 'slipwatch_door_requests_total{status="401"} 1.0' in metrics
        listed = command(["door", "token", "list", "--json"], environment, tmp_path)
        assert json.loads(listed.stdout)["tokens"] == [
            {"name": "nord-1", "source": "partner:NORD", "party": "NORD"}
        ]
        assert command(["door", "token", "remove", "nord-1"], environment, tmp_path).returncode == 0
        assert post(address, token, TOLD)[0] == 401
        door.signal(signal.SIGTERM)
        assert door.wait() == 0
        assert token not in door.text()
        assert token.split(".")[1] not in door.text()


def test_files_are_taken_from_a_folder_and_put_aside_with_a_report(
    embedded: str, tmp_path: Path
) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    environment = environment_of(embedded) | {
        "SLIPWATCH_DOOR__FOLDERS__NORD__PATH": str(drop),
        "SLIPWATCH_DOOR__FOLDERS__NORD__PARTY": "NORD",
    }
    lines = [TOLD, TOLD | {"event_id": "e2", "promised_on": "soon"}, TOLD | {"event_id": "e3"}]
    whole = json.dumps(TOLD | {"event_id": "e9"})
    with started(["door", "run"], environment, tmp_path) as door:
        assert door.address
        part = drop / ".answers.jsonl.part"
        part.write_text("\n".join(map(json.dumps, lines)))
        part.rename(drop / "answers.jsonl")
        wait_until((drop / "refused" / "answers.jsonl").exists, door.text)
        report = json.loads((drop / "refused" / "answers.jsonl.report.json").read_bytes())
        assert (report["accepted"], report["refused"], report["source"]) == (2, 1, "partner:NORD")
        assert report["problems"] == [
            {
                "line": 2,
                "field": "promised_on",
                "error": "promised_on is 'soon', expected a date such as 2026-03-01",
            }
        ]
        (drop / "whole.json").write_text(whole)
        wait_until((drop / "done" / "whole.json").exists, door.text)
    facts = lying_on(embedded, "orders", 3)
    assert {fact.source for fact in facts} == {"partner:NORD"}
    assert [fact.event_id for fact in facts] == ["e1", "e3", "e9"]


def test_what_the_broker_does_not_take_is_answered_so(tmp_path: Path) -> None:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        environment = environment_of(running.bootstrap)
        token = add_token(tmp_path / ".slipwatch/tokens.json", "wms", "wms-oslo")
        with started(["door", "run"], environment, tmp_path) as door:
            address = door.address
            assert post(address, token, TOLD)[0] == 200
            running.stop()
            status, answer = post(address, token, [TOLD, TOLD | {"kind": "nothing"}])
            assert (status, answer["accepted"], answer["refused"]) == (503, 0, 2)
            assert "send it again" in answer["answers"][0]["errors"][0]["error"]
            assert get(f"{address}/health")[0] == 200
            assert get(f"{address}/ready")[0] == 503


def test_the_door_does_not_open_without_tokens_or_broker(tmp_path: Path) -> None:
    environment = environment_of("127.0.0.1:9")
    ran = command(["door", "run"], environment, tmp_path)
    assert ran.returncode == 3
    assert "tokens.json" in ran.stderr
    assert "slipwatch door token add" in ran.stderr
    add_token(tmp_path / ".slipwatch/tokens.json", "wms", "wms-oslo")
    assert command(["door", "run"], environment, tmp_path).returncode == 4
    refused = command(["door", "token", "add", "x", "--source", "partner:A"], environment, tmp_path)
    assert refused.returncode == 2


@contextmanager
def opened(bootstrap: str, folder: Path) -> Iterator[tuple[int, str]]:
    """A door in this process, so that a limit can be lowered; its port and a token."""
    path = folder / "tokens.json"
    token = add_token(path, "wms", "wms-oslo")
    settings = Settings(kafka=KafkaSettings(bootstrap_servers=bootstrap, timeout_seconds=3))
    ports: list[int] = []
    stop = threading.Event()
    sender, now = OpenSender(settings), WallClock().now
    metrics = door_metrics()
    thread = threading.Thread(
        target=run_door,
        args=(
            Desk(Tokens(path), sender, now, metrics),
            AnswerDesk(folder / "link-keys", sender, now, metrics),
            Folders((), sender, now, metrics),
            ("127.0.0.1", 0),
        ),
        kwargs={"ready": ports.append, "stop": stop},
    )
    thread.start()
    try:
        wait_until(lambda: bool(ports))
        yield ports[0], token
    finally:
        stop.set()
        thread.join(30)
        sender.close()


def test_a_body_that_does_not_come_in_in_time_is_given_up(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_BODY_SECONDS_MAX", 1)
    with opened(embedded, tmp_path) as (port, token):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest("POST", "/facts")
        connection.putheader("Authorization", f"Bearer {token}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        assert connection.getresponse().status == 408
        connection.close()
