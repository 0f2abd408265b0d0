"""From a fact on a broker to an alert on a webhook and on the command line.

The processes are those that people start; the broker is the embedded one, and Apache Kafka.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Producer
from standardwebhooks import Webhook

from schemas.topics import FACT_TOPICS
from streams.broker.embedded import EmbeddedBroker
from streams.metrics import METRICS
from streams.settings import TopicSettings
from tests.integration.process import (
    Process,
    Receiver,
    command,
    get,
    started,
    wait_until,
)

SECRET = "whsec_" + "c2xpcHdhdGNoLWludGVncmF0aW9uLXRlc3Rz"
NETWORK = Path(__file__).resolve().parents[2] / "examples" / "networks" / "three-tier"
POLICY = """
recipients:
  - {id: planners, audience: operations, sinks: [log, hook], minimum_severity: info}
"""
FACTS = (
    {
        "kind": "placed",
        "event_id": "e1",
        "source": "acme-erp",
        "occurred_at": "2026-03-01T00:00:00Z",
        "recorded_at": "2026-03-01T00:00:00Z",
        "order_ref": "ACME/4711",
        "line": "10",
        "buyer": "ACME",
        "supplier": "NORD",
        "item": "VALVE",
        "quantity": "400",
        "unit": "PCE",
        "requested_on": "2026-03-02",
    },
    {
        "kind": "confirmed",
        "event_id": "e2",
        "source": "nord-erp",
        "occurred_at": "2026-03-01T01:00:00Z",
        "recorded_at": "2026-03-01T01:00:00Z",
        "order_ref": "ACME/4711",
        "line": "10",
        "quantity": "400",
        "unit": "PCE",
        "promised_on": "2026-03-05",
    },
)


class Place(NamedTuple):
    """A broker, and where on it our topics are."""

    bootstrap: str
    prefix: str = ""


@pytest.fixture
def embedded() -> Iterator[Place]:
    with EmbeddedBroker(TopicSettings(engine_partitions=2, fact_partitions=2)) as running:
        yield Place(running.bootstrap)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest, unique_name: str, tmp_path: Path) -> Place:
    if request.param == "embedded":
        found: Place = request.getfixturevalue("embedded")
        return found
    bootstrap: str = request.getfixturevalue("bootstrap")
    made = Place(bootstrap, f"{unique_name}.")
    ran = command(["topics", "create"], environment_of(made), tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return made


def environment_of(place: Place, hook: str = "http://127.0.0.1:9/") -> dict[str, str]:
    return {
        "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": place.bootstrap,
        "SLIPWATCH_TOPICS__PREFIX": place.prefix,
        "SLIPWATCH_TOPICS__ENGINE_PARTITIONS": "2",
        "SLIPWATCH_TOPICS__FACT_PARTITIONS": "2",
        "SLIPWATCH_ENGINE__TICK_MS": "100",
        "SLIPWATCH_WEB__PORT": "0",
        "SLIPWATCH_VIEW__PORT": "0",
        "SLIPWATCH_SINKS__WEBHOOKS__HOOK__URL": hook,
        "SLIPWATCH_SINKS__WEBHOOKS__HOOK__SECRET": SECRET,
        "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MIN": "0.1",
    }


WORKER = ["worker", "--clock-from", "2026-03-01T02:00:00Z", "--clock-speed", "1000"]


@pytest.mark.timeout(300)
def test_a_fact_becomes_a_signed_webhook_and_an_answer(place: Place, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "facts.jsonl").write_text(
        "".join(json.dumps(fact) + "\n" for fact in FACTS), encoding="utf-8"
    )
    with Receiver() as receiver:
        receiver.answers = [503]
        environment = environment_of(place, receiver.url)
        for words in (
            ["policy", "publish", "policy.yaml"],
            ["policy", "show"],
            ["network", "publish", str(NETWORK)],
            ["network", "show"],
        ):
            ran = command(words, environment, tmp_path)
            assert ran.returncode == 0, ran.stderr + ran.stdout
        with (
            started(WORKER, environment, tmp_path) as worker,
            started(["view"], environment, tmp_path) as view,
        ):
            environment["SLIPWATCH_VIEW_URL"] = view.address
            wait_until(lambda: get(worker.address + "/ready")[0] == 200, worker.text)

            sent = command(["send", "facts.jsonl"], environment, tmp_path)
            assert sent.returncode == 0, sent.stdout + sent.stderr
            wait_until(lambda: len(receiver.requests) >= 2, worker.text)
            _check_answers(environment, tmp_path)
            _check_status(environment, tmp_path, worker.address)
            _check_dead_letters(environment, tmp_path, place)
            _check_pages(worker)

            worker.signal(signal.SIGTERM)
            stopping = time.monotonic()
            assert worker.wait() == 0, worker.text()
            assert time.monotonic() - stopping < 10
            view.signal(signal.SIGTERM)
            assert view.wait() == 0, view.text()
        assert SECRET not in worker.text() + view.text()

    assert receiver.ids()[0] == receiver.ids()[1], "the one that was answered 503 comes again"
    told = [Webhook(SECRET).verify(body, headers) for headers, body in receiver.requests]
    assert {each["recipient"] for each in told} == {"planners"}
    assert any("ACME/4711" in each["title"] for each in told)


def _check_answers(environment: dict[str, str], directory: Path) -> None:
    def answer(*words: str, codes: tuple[int, ...] = (0,)) -> dict[str, object]:
        ran = command([*words, "--json"], environment, directory)
        assert ran.returncode in codes, ran.stdout + ran.stderr
        found = json.loads(ran.stdout)
        assert isinstance(found, dict)
        return found

    wait_until(lambda: bool(answer("alerts", "list")["alerts"]))
    shown = command(["order", "show", "4711", "--utc"], environment, directory)
    assert "ACME/4711#10" in shown.stdout
    assert "falls due 2026-03-05 23:59 UTC" in shown.stdout
    explained = answer("explain", "ACME/4711#10")
    assert explained["about"] == "line"
    # 1 as soon as a feed that the network declares has been silent for too long.
    assert answer("status", codes=(0, 1))["workers"]
    listed = answer("notifications", "list")["notifications"]
    assert isinstance(listed, list)
    assert listed[0]["recipient"] == "planners"
    missing = command(["order", "show", "NOBODY/1"], environment, directory)
    assert missing.returncode == 1
    assert "NOBODY/1" in missing.stderr


STATUS = {
    # Each item of what status is to tell, as answer, as text, and as metric of the view.
    "workers": ("workers", "workers ", "slipwatch_status_workers"),
    "partitions": ("partitions", "partitions, tick", "slipwatch_status_worker_partitions"),
    "lag": ("facts_behind", "lag ", "slipwatch_status_facts_behind"),
    "time": ("as_of", "time stands at", "slipwatch_status_time_seconds"),
    "time per stage": ("stages", "incidents ", "slipwatch_status_stage_time_seconds"),
    "time per input": (
        "partitions", "inputs ", "slipwatch_status_input_time_seconds",
    ),
    "what holds it back": (
        "held_back_by", "", 'slipwatch_status_held_back_by_partitions{stage="notices"}',
    ),
    "behind a sender's transaction": ("held_sources", "", "slipwatch_status_hidden_partitions"),
    "restoring": ("workers", "", "slipwatch_status_worker_restoring_partitions"),
    "catching up": ("newest_is_complete", "", "slipwatch_status_catching_up"),
    "blind feeds": ("blind_feeds", "blind", "slipwatch_status_blind_feeds"),
    "dead letters": ("dead_letters", "dead letters ", "slipwatch_status_dead_letters"),
    "undelivered": ("undelivered", "undelivered ", "slipwatch_status_undelivered_notifications"),
    "oldest undelivered": (
        "oldest_undelivered", "", "slipwatch_status_oldest_undelivered_seconds",
    ),
}  # fmt: skip


def _check_status(environment: dict[str, str], directory: Path, worker: str) -> None:
    ran = command(["status", "--json"], environment, directory)
    told = json.loads(ran.stdout)
    text = command(["status", "--utc"], environment, directory).stdout
    measured = get(environment["SLIPWATCH_VIEW_URL"] + "/metrics")[1]
    for item, (field, words, metric) in STATUS.items():
        assert field in told, item
        assert words.strip() in text, (item, text)
        assert re.search(rf"^{re.escape(metric)}(\{{.*\}})? [0-9]", measured, re.MULTILINE), item
    stages = ["intake", "links", "ledgers", "cells", "incidents", "notices"]
    assert [each["stage"] for each in told["stages"] if each["at_min"]] == stages
    inputs = {each["topic"] for each in told["partitions"] if each["stage"] == "intake"}
    assert inputs == set(FACT_TOPICS)
    own = get(worker + "/metrics")[1]
    for spec in METRICS:
        assert f"# HELP {spec.name.removesuffix('_total')}" in own


def _check_dead_letters(environment: dict[str, str], directory: Path, place: Place) -> None:
    """What is no fact becomes a dead letter, and one more when its bytes are sent again."""
    producer = Producer({"bootstrap.servers": place.bootstrap})
    producer.produce(f"{place.prefix}orders", b"no fact", b"a key")
    assert producer.flush(30) == 0

    def letters(*words: str) -> list[dict[str, object]]:
        ran = command(["dead-letters", "list", "--json", *words], environment, directory)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        found = json.loads(ran.stdout)["dead_letters"]
        assert isinstance(found, list)
        return found

    wait_until(lambda: len(letters()) == 1)
    first = str(letters()[0]["id"])
    shown = command(["dead-letters", "show", first, "--json"], environment, directory)
    body = json.loads(shown.stdout)["dead_letter"]
    assert base64.b64decode(body["value_base64"]) == b"no fact"
    assert base64.b64decode(body["key_base64"]) == b"a key"

    retried = command(["dead-letters", "retry", "--all", "--json"], environment, directory)
    nothing: dict[str, list[str]] = {"sent": [], "skipped": [], "unsendable": [], "unknown": []}
    assert json.loads(retried.stdout) == nothing | {"sent": [first]}
    wait_until(lambda: len(letters()) == 2)
    wait_until(lambda: [each["id"] for each in letters("--retried")] == [first])
    again = command(["dead-letters", "retry", first, "--json"], environment, directory)
    assert json.loads(again.stdout) == nothing | {"skipped": [first]}


def _check_pages(worker: Process) -> None:
    assert get(worker.address + "/health") == (200, {"healthy": True, "engine": "running"})
    _, ready = get(worker.address + "/ready")
    assert ready["ready"] is True
    assert ready["tick"] > 0
    _, metrics = get(worker.address + "/metrics")
    assert "slipwatch_facts_total 2.0" in metrics
    assert "slipwatch_facts_refused_total 2.0" in metrics
    assert 'slipwatch_notifications_total{outcome="delivered",sink="hook"}' in metrics


def test_a_worker_without_topics_says_so_and_ends(tmp_path: Path) -> None:
    with EmbeddedBroker(TopicSettings(prefix="other.")) as elsewhere:
        environment = environment_of(Place(elsewhere.bootstrap))
        ran = command(["worker"], environment, tmp_path)
    assert ran.returncode == 4
    assert "slipwatch topics create" in ran.stderr


def test_a_worker_that_does_not_deliver_runs_and_stops(embedded: Place, tmp_path: Path) -> None:
    environment = environment_of(embedded) | {"SLIPWATCH_DELIVERY__ENABLED": "false"}
    with started(WORKER, environment, tmp_path) as worker:
        wait_until(lambda: get(worker.address + "/ready")[0] == 200, worker.text)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.text()


def test_a_worker_whose_web_port_is_taken_ends(embedded: Place, tmp_path: Path) -> None:
    with Receiver() as receiver:
        taken = receiver.url.rsplit(":", 1)[1].split("/")[0]
        environment = environment_of(embedded) | {"SLIPWATCH_WEB__PORT": taken}
        with started(WORKER, environment, tmp_path) as worker:
            assert worker.wait() == 7
            assert "address already in use" in worker.text().splitlines()[-1]
