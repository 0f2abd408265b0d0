"""A partner on Apache Kafka with a stock client: its own topic, and nothing else; and our own
processes on a broker with SASL/SCRAM, TLS and an authorizer."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from schemas.codec import FactEncoder
from schemas.facts import Family
from schemas.topics import TOPICS
from schemas.writers import schema_text
from streams.cli.root import slipwatch
from tests.kafka.cluster import KafkaUnavailable, require_kafka
from tests.kafka.secured import PREFIX, WORKERS, Secured, publish_network, secured_cluster
from tests.registry_double import RegistryDouble
from tests.scenario import START, Chain

OWN = f"{PREFIX}order-status.ACME"
OTHER = f"{PREFIX}order-status.SUP"
WAIT_SECONDS = 30.0
_GROUPS = itertools.count(1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        pytest.skip(f"a broker of one's own, with an authorizer: {unavailable}")
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the broker's certificate, and is not installed")
    with secured_cluster(tmp_path_factory.mktemp("secured")) as secured:
        environment = secured.environment(PREFIX)
        done = CliRunner().invoke(slipwatch, ["topics", "create", "--json"], env=environment)
        assert done.exit_code == 0, done.output
        publish_network(environment)
        _fill(secured)
        yield secured


def _fill(secured: Secured) -> None:
    """The topics of two partners, with a record each."""
    plain: dict[str, Any] = {"bootstrap.servers": secured.plain_bootstrap, "log_level": 0}
    admin = AdminClient(plain)
    for future in admin.create_topics([NewTopic(OWN, 1), NewTopic(OTHER, 1)]).values():
        future.result(WAIT_SECONDS)
    producer = Producer(plain)
    producer.produce(OWN, b"for ACME alone")
    producer.produce(OTHER, b"for SUP alone")
    for topic in ("orders", "alerts", "order-status"):
        producer.produce(PREFIX + topic, b"for nobody else")
    assert producer.flush(WAIT_SECONDS) == 0


@pytest.fixture
def run(broker: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `slipwatch partners` with these words and answers with its JSON."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(broker.ca_file, tmp_path / "ca.pem")

    def invoke(*words: str, code: int = 0) -> Any:
        environment = broker.environment(PREFIX)
        done = CliRunner().invoke(slipwatch, ["partners", *words, "--json"], env=environment)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if code == 0 else {"said": done.output}

    return invoke


@pytest.fixture
def partner(run: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """ACME, let in: what `add` said."""
    yield run("add", "ACME")
    run("remove", "ACME")


def client(settings: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**settings, "log_level": 0, "error_cb": lambda _: None, **more}


def first(settings: dict[str, str], topic: str, **more: Any) -> bytes | str | None:
    """What a consumer, in a new group of the party's own unless another is given, gets first: a
    value, or the name of an error."""
    group = {"group.id": f"{settings['group.id']}-{next(_GROUPS)}"}
    consumer = Consumer(client(settings, **(group | more)))
    try:
        consumer.subscribe([topic])
        return _first(consumer)
    finally:
        consumer.close()


def _first(consumer: Consumer) -> bytes | str | None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            message = consumer.poll(0.2)
        except KafkaException as error:
            return str(error.args[0].name())
        if message is not None:
            fault = message.error()
            return fault.name() if fault is not None else message.value()
    return None


def _becomes(ask: Callable[[], object], wanted: object) -> None:
    """Brokers learn of a change a moment after it was confirmed."""
    deadline = time.monotonic() + WAIT_SECONDS
    found = ask()
    while found != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
        found = ask()
    assert found == wanted


def login(settings: dict[str, str]) -> str:
    """What becomes of a connection: `in`, or the name of the error."""
    faults: list[KafkaError] = []
    consumer = Consumer(client(settings, error_cb=faults.append))
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while time.monotonic() < deadline:
            with contextlib.suppress(KafkaException):
                consumer.list_topics(timeout=1.0)
                return "in"
            consumer.poll(0)
            for fault in faults:
                if fault.name() == "_AUTHENTICATION":
                    return str(fault.name())
        return "silence"
    finally:
        consumer.close()


def test_the_two_lines_that_are_handed_over_read_the_partys_topic(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    done = run("add", "ACME", "--settings-file", "acme.properties")
    again = run("add", "ACME")

    assert (done["password"], done["rights_changed"], done["quota_changed"]) == ("made", 4, True)
    assert (again["password"], again["rights_changed"], again["quota_changed"]) == (
        "kept", 0, False
    )  # fmt: skip
    assert "settings" not in again or again["settings"] is None
    file = tmp_path / "acme.properties"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "sasl.password" not in json.dumps(done), "the password is in the file alone"
    assert run("add", "ACME", "--settings-file", "acme.properties", code=2)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", "\n".join(done["consumer"])],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdout is not None
        line = reader.stdout.readline()
        reader.kill()
    assert line == "b'for ACME alone'\n"
    run("remove", "ACME")


def test_a_partner_is_refused_every_other_topic_group_and_write(
    partner: dict[str, Any], broker: Secured
) -> None:
    settings = partner["settings"]
    assert first(settings, OWN) == b"for ACME alone"
    # Every other topic, to read and even to see.
    consumer = Consumer(client(settings))
    assert set(consumer.list_topics(timeout=WAIT_SECONDS).topics) == {OWN}
    others = [PREFIX + topic.name for topic in TOPICS] + [OTHER, "__consumer_offsets"]
    for topic in others:
        shown = consumer.list_topics(topic, timeout=WAIT_SECONDS).topics[topic]
        assert shown.error is not None
        assert shown.error.name() == "TOPIC_AUTHORIZATION_FAILED", topic
    consumer.close()
    for topic in (OTHER, f"{PREFIX}orders", f"{PREFIX}alerts", f"{PREFIX}order-status"):
        assert first(settings, topic) == "TOPIC_AUTHORIZATION_FAILED", topic
    # Nor by asking a partition itself, which needs no group.
    direct = Consumer(client(settings))
    assert direct.get_watermark_offsets(TopicPartition(OWN, 0), WAIT_SECONDS) == (0, 1)
    for topic in (OTHER, f"{PREFIX}orders"):
        with pytest.raises(KafkaException):
            direct.get_watermark_offsets(TopicPartition(topic, 0), 3.0)
    direct.close()
    # Groups of others, and those that only begin alike.
    for group in (f"{PREFIX}slipwatch", f"{OTHER}/main", OWN, f"{OWN}-2/main", "main"):
        refused = first(settings, OWN, **{"group.id": group})
        assert refused == "GROUP_AUTHORIZATION_FAILED", group
    assert first(settings, OWN, **{"group.id": f"{OWN}/second"}) == b"for ACME alone"
    # Every write, its own topic included.
    refusals: list[str] = []
    producer = Producer(client(settings))
    for topic in (OWN, *others[:-1]):
        producer.produce(
            topic, b"x", on_delivery=lambda error, _: refusals.append(error.name() if error else "")
        )
    assert producer.flush(WAIT_SECONDS) == 0
    assert set(refusals) == {"TOPIC_AUTHORIZATION_FAILED"}
    transactional = Producer(client(settings, **{"transactional.id": "acme"}))
    with pytest.raises(KafkaException, match=r"AUTHORIZATION_FAILED"):
        transactional.init_transactions(WAIT_SECONDS)
    # And the administration.
    admin = AdminClient(client(settings))
    for future in (
        *admin.create_topics([NewTopic(f"{PREFIX}mine", 1)]).values(),
        *admin.delete_topics([OWN]).values(),
        *admin.delete_consumer_groups([f"{PREFIX}slipwatch"]).values(),
    ):
        with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
            future.result(WAIT_SECONDS)
    assert first(settings, OWN) == b"for ACME alone"
    assert broker.bootstrap == settings["bootstrap.servers"]


def test_after_rotate_the_old_password_fails_and_after_remove_nothing_works(
    partner: dict[str, Any], run: Callable[..., Any]
) -> None:
    old = partner["settings"]
    assert login(old) == "in"
    new = run("rotate", "ACME")["settings"]
    assert new["sasl.password"] != old["sasl.password"]
    _becomes(lambda: login(old), "_AUTHENTICATION")
    assert login(new) == "in"
    # A connection that was there before loses its rights with the others.
    open_before = Consumer(client(new, **{"group.id": f"{OWN}/open"}))
    open_before.subscribe([OWN])
    assert _first(open_before) == b"for ACME alone"

    gone = run("remove", "ACME")
    again = run("remove", "ACME")

    assert (gone["password"], gone["rights_changed"], gone["quota_changed"]) == ("removed", 4, True)
    assert (again["password"], again["rights_changed"], again["quota_changed"]) == (
        "none", 0, False
    )  # fmt: skip
    assert "AUTHORIZATION_FAILED" in str(_first(open_before))
    open_before.close()
    _becomes(lambda: login(new), "_AUTHENTICATION")
    _becomes(lambda: run("list"), [])
    assert "has no access" in run("rotate", "ACME", code=1)["said"]


def test_a_partys_quota_is_set_shown_and_kept_by_the_broker(
    run: Callable[..., Any], broker: Secured
) -> None:
    plain = Producer({"bootstrap.servers": broker.plain_bootstrap, "log_level": 0})
    for _ in range(40):
        plain.produce(OTHER, os.urandom(10_000))
    assert plain.flush(WAIT_SECONDS) == 0
    settings = run("add", "SUP", "--bytes-per-second", "20000")["settings"]
    (listed,) = run("list")
    assert listed["quotas"] == {"consumer_byte_rate": 20_000.0, "request_percentage": 20.0}
    assert (listed["party"], listed["rights_missing"], listed["rights_beyond"]) == ("SUP", [], [])
    assert run("add", "SUP", "--bytes-per-second", "10000")["quota_changed"]
    throttled: list[float] = []
    consumer = Consumer(
        client(settings, throttle_cb=lambda event: throttled.append(event.throttle_time))
    )
    consumer.subscribe([OTHER])
    deadline = time.monotonic() + WAIT_SECONDS
    while not throttled and time.monotonic() < deadline:
        consumer.poll(0.2)
    consumer.close()
    assert max(throttled, default=0) > 0
    run("remove", "SUP")
    _becomes(lambda: run("list"), [])


def test_a_party_that_the_network_does_not_have_gets_nothing(
    run: Callable[..., Any],
) -> None:
    said = run("add", "ACMEE", code=1)["said"]
    assert "the published network has no party 'ACMEE'" in said
    assert "perhaps ACME" in said
    assert run("list") == []


def test_rights_that_somebody_else_gave_are_shown_and_taken_back(
    partner: dict[str, Any], run: Callable[..., Any], broker: Secured
) -> None:
    admin = AdminClient({"bootstrap.servers": broker.plain_bootstrap, "log_level": 0})
    _give_too_much(admin, partner["user"])
    _becomes(lambda: run("list")[0]["rights_beyond"], [f"write topic {OWN}"])
    assert run("add", "ACME")["rights_changed"] == 1
    _becomes(lambda: run("list")[0]["rights_beyond"], [])


def _give_too_much(admin: AdminClient, user: str) -> None:
    right = AclBinding(
        ResourceType.TOPIC, OWN, ResourcePatternType.LITERAL, f"User:{user}", "*",
        AclOperation.WRITE, AclPermissionType.ALLOW,
    )  # fmt: skip
    for future in admin.create_acls([right]).values():
        future.result(WAIT_SECONDS)


def test_worker_and_view_get_in_over_tls_with_scram_and_wait_visibly_for_a_registry(
    broker: Secured, tmp_path: Path
) -> None:
    registry = RegistryDouble()
    registry.put(7, schema_text(Family.ORDERS))
    environment = {
        **os.environ,
        **broker.environment(PREFIX, WORKERS),
        "SLIPWATCH_WEB__PORT": "0",
        "SLIPWATCH_VIEW__PORT": "0",
        "SLIPWATCH_VIEW__DATABASE": f"sqlite:///{tmp_path / 'view.db'}",
        "SLIPWATCH_REGISTRY__URL": registry.url,
    }
    processes: list[subprocess.Popen[str]] = []
    try:
        worker = _started(["worker", "--name", "one"], environment, processes)
        view = _started(["view"], environment, processes)
        _until(f"{worker}/ready", lambda answer: answer["ready"] and answer["tick"] > 1)
        _until(f"{view}/v1/status", lambda answer: answer["as_of"] is not None)
        plain = Producer({"bootstrap.servers": broker.plain_bootstrap, "log_level": 0})
        body = FactEncoder(Family.ORDERS).encode_body(Chain().placed("PO-1", START))
        plain.produce(f"{PREFIX}orders", b"\0\0\0\0\x07" + body, b"ACME/PO-1", 0)
        assert plain.flush(WAIT_SECONDS) == 0
        _until(
            f"{worker}/ready",
            lambda answer: (
                answer["waits_for"] == "orders/0 has facts whose schema id 7 is not known yet"
                and registry.url in answer["trouble"]
            ),
        )
        _until(f"{view}/v1/status", lambda answer: answer["workers"][0]["schemas_awaited"] == 1)
        assert "\nslipwatch_schemas_awaited 1.0\n" in _page(f"{worker}/metrics")
        registry.start()
        line = "ACME%2FPO-1%2310"
        _until(f"{view}/v1/orders/{line}", lambda answer: bool(answer["lines"]))
        metrics = _page(f"{worker}/metrics")
        assert '\nslipwatch_schema_lookups_total{outcome="found"} 1.0\n' in metrics
        assert "\nslipwatch_schemas_awaited 0.0\n" in metrics
        listed = CliRunner().invoke(slipwatch, ["schemas", "list", "--json"], env=environment)
        assert json.loads(listed.stdout) == [{"id": 7, "families": ["orders"], "why_not": ""}]
    finally:
        registry.stop()
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate(timeout=WAIT_SECONDS)


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as response:
        return str(response.read().decode())


def _started(
    words: list[str], environment: dict[str, str], processes: list[subprocess.Popen[str]]
) -> str:
    """The address on which the process says that it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", *words],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    processes.append(process)
    assert process.stdout is not None
    found = re.search(r"http://\S+", process.stdout.readline())
    assert found is not None, words
    return found[0]


def _until(url: str, claim: Callable[[dict[str, Any]], Any]) -> None:
    deadline = time.monotonic() + 2 * WAIT_SECONDS
    answer: dict[str, Any] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            answer = json.loads(_page(url))
            if claim(answer):
                return
        time.sleep(0.2)
    pytest.fail(f"{url}: {answer}")
