"""Webhooks on Apache Kafka: workers are killed, and a receiver that drops known ids learns each
change once; parties are registered, tried, rotated and removed by the command line."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schemas.topics import partner_topic
from streams.cli.root import slipwatch
from streams.engine.clock import FileClock
from streams.exits import Exit
from tests.contract.test_engine import at_rest
from tests.kafka.worker_process import WorkerProcess, ended
from tests.receivers import Receiver, Request, certificate, receiving
from tests.scenario import START, by_tick, network, story
from tests.worlds import KafkaWorld, until

TICKS, KILL_EVERY = 8, 3
WITHIN_S = 60.0


def stands(world: KafkaWorld, party: str) -> dict[str, Any]:
    """What the party's topic says, by the line's id."""
    found: dict[str, Any] = {}
    for _, key, value in world.read(partner_topic(party)):
        name = (key or b"").decode()
        found.pop(name, None)
        if value is not None:
            found[name] = json.loads(value)
    return found


def is_up(worker: WorkerProcess, starts: Counter[str]) -> bool:
    return worker.text().count("listens on") == starts[worker.name]


class Party:
    """ACME with a receiver, registered by the command line; some answers of it are lost."""

    def __init__(self, world: KafkaWorld, tmp_path: Path) -> None:
        self.tls = certificate(tmp_path)
        self.receiver = Receiver(answers=self._answers)
        self.environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": world.bootstrap,
            "SLIPWATCH_TOPICS__PREFIX": world.prefix,
            "SLIPWATCH_PARTNERS__WEBHOOK_KEY_FILE": str(tmp_path / "webhook-key"),
            "SLIPWATCH_PARTNERS__WEBHOOK_CA_FILE": str(self.tls[1]),
            "SLIPWATCH_PARTNERS__WEBHOOK_PRIVATE_ADDRESSES": "true",
            "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MIN": "0.05",
            "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MAX": "0.5",
        }
        self._failed: set[str] = set()

    def _answers(self, request: Request) -> tuple[int, dict[str, str]]:
        is_lost = int(request.id[-1], 16) < 4 and request.id not in self._failed
        self._failed.add(request.id)
        return (503 if is_lost else 200), {}

    def command(self, *words: str, **extra: str) -> Result:
        full = ["partners", "webhook", *words, "--json"]
        return CliRunner().invoke(slipwatch, full, env=self.environment | extra)

    def said(self, *words: str) -> Any:
        done = self.command(*words)
        assert done.exit_code == Exit.OK, done.output
        return json.loads(done.stdout)


@pytest.fixture
def world(bootstrap: str, unique_name: str) -> KafkaWorld:
    made = KafkaWorld(bootstrap, unique_name)
    made.publish(network(subscribed=("ACME", "SUP")))
    return made


@pytest.mark.timeout(200)
def test_killed_workers_lose_nothing_and_each_change_is_learned_once(
    world: KafkaWorld, tmp_path: Path
) -> None:
    party = Party(world, tmp_path)
    party.said("key")
    clock = FileClock.create(tmp_path / "clock", START)

    def worker(name: str) -> WorkerProcess:
        return WorkerProcess(world, name, tmp_path / "clock", tick_ms=50, **party.environment)

    with receiving(*party.tls, party.receiver) as receiver:
        first = party.said("add", "ACME", receiver.url())["secret"]
        file = tmp_path / "acme.secret"
        workers = [worker(name) for name in ("first", "second")]
        starts = Counter(each.name for each in workers)
        batches = by_tick(story(5), ticks=TICKS)
        try:
            for number, (at, facts) in enumerate(batches):
                world.send(facts)
                clock.set(at)
                time.sleep(0.2)
                if number % KILL_EVERY == KILL_EVERY - 1:
                    until(functools.partial(at_rest, world, at), "the tick is done", WITHIN_S)
                    victim = workers.pop(0)
                    until(functools.partial(is_up, victim, starts), "it is up", WITHIN_S)
                    victim.kill()
                    starts[victim.name] += 1
                    workers.append(worker(victim.name))
                if number == TICKS // 2:
                    party.said("rotate", "ACME", "--secret-file", str(file))
            until(lambda: at_rest(world, batches[-1][0]), "the last tick is done", WITHIN_S)
            until(lambda: bool(stands(world, "ACME")), "the relay is there", WITHIN_S)
            until(lambda: receiver.standing() == stands(world, "ACME"), "it knows all", WITHIN_S)
            for process in workers:
                until(functools.partial(is_up, process, starts), "it is up", WITHIN_S)
                assert process.stop() == 0, process.text()
        finally:
            with ended(*workers):
                clock.close()
        # The secret before signs for a day yet, and the new one since it was made.
        receiver.verified(first)
        Receiver(requests=receiver.requests[-1:]).verified(file.read_text().strip())
        assert len(receiver.effective()) < len(receiver.requests)
        last: dict[str, Any] = {}
        for each in receiver.effective():
            told = each.said["data"]
            assert last.get(told["id"]) != told, "it was told the same under another id"
            last[told["id"]] = told


def test_a_party_is_registered_tried_and_removed(world: KafkaWorld, tmp_path: Path) -> None:
    party = Party(world, tmp_path)
    with receiving(*party.tls, party.receiver) as receiver:
        url = receiver.url()
        refused = party.command("add", "ACME", url)
        assert (refused.exit_code, "webhook key" in refused.output) == (Exit.CONFIGURATION, True)
        party.said("key")
        assert party.command("key").exit_code == Exit.CONFIGURATION
        for words in (("ACME", url.replace("https", "http")), ("NOBODY", url), ("ACME",)):
            assert party.command("add", *words).exit_code != Exit.OK
        outside = {"SLIPWATCH_PARTNERS__WEBHOOK_PRIVATE_ADDRESSES": "false"}
        refused = party.command("add", "ACME", url, **outside)
        assert (refused.exit_code, "public" in refused.output) == (Exit.FINDINGS, True)

        made, again = party.said("add", "ACME", url), party.said("add", "ACME", url)
        assert (made["changed"], made["is_subscribed"]) == (True, True)
        assert (again["changed"], again["secret"]) == (False, None)
        receiver.answers = lambda _: (200, {})
        assert party.said("test", "ACME")["delivered"] is True
        assert receiver.verified(made["secret"])[0]["type"] == "webhook.test"
        receiver.answers = lambda _: (404, {})
        failed = party.command("test", "ACME")
        assert (failed.exit_code, json.loads(failed.stdout)["status"]) == (Exit.FINDINGS, 404)

        rotated = party.said("rotate", "ACME", "--hours", "0")
        assert (rotated["both_until"], rotated["secret"] != made["secret"]) == (None, True)
        (listed,) = party.said("list")
        assert (listed["party"], listed["url"], listed["secret_number"]) == ("ACME", url, 2)
        other = {"SLIPWATCH_PARTNERS__WEBHOOK_KEY_FILE": str(tmp_path / "other-key")}
        assert party.command("key", **other).exit_code == Exit.OK
        refused = party.command("add", "SUP", url, **other)
        assert (refused.exit_code, "another webhook key" in refused.output) == (
            Exit.CONFIGURATION, True,
        )  # fmt: skip
        assert party.said("remove", "ACME")["removed"] is True
        assert party.said("remove", "ACME")["removed"] is False
        assert party.said("list") == []
        assert party.command("rotate", "ACME").exit_code == Exit.FINDINGS
