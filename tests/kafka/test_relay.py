"""The relay on Apache Kafka: workers are killed, a topic is lost, and each party still finds its
lines, each change of them once, on its topic and by webhook."""

from __future__ import annotations

import functools
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.partner_records import split_partner_key
from schemas.topics import partner_topic
from streams.engine.clock import FileClock
from tests.contract.test_engine import at_rest, check
from tests.kafka.hook_party import Party
from tests.kafka.worker_process import WorkerProcess, ended
from tests.receivers import Receiver, receiving
from tests.scenario import START, by_tick, network, story
from tests.worlds import KafkaWorld, until

ALL = ("ACME", "CARGO", "SUP")
TICKS = 12
KILL_EVERY = 4
WITHIN_S = 60.0


class Reads(Protocol):
    """Whoever can read a topic: (partition, key, value) of everything committed."""

    def read(self, topic: str) -> list[tuple[int, bytes | None, bytes | None]]: ...


def wanted(world: Reads, party: str) -> list[bytes]:
    """What the party is to find, sorted."""
    stands: dict[str, bytes] = {}
    for _, key, value in world.read("partner-status"):
        of, line = split_partner_key((key or b"").decode())
        if of == party and value is not None:
            stands[line] = value
        elif of == party:
            stands.pop(line, None)
    return sorted(stands.values())


def found(world: Reads, party: str) -> list[bytes]:
    """What the party finds, sorted; nothing was said twice on the way."""
    stands: dict[bytes, bytes | None] = {}
    for _, key, value in world.read(partner_topic(party)):
        assert key is not None
        assert stands.get(key, b"nothing yet") != value, f"{party} was told {key!r} twice"
        stands[key] = value
    return sorted(value for value in stands.values() if value is not None)


def is_up(worker: WorkerProcess, starts: Counter[str]) -> bool:
    """Whether it listens, and not only the one of its name before it."""
    return worker.text().count("listens on") == starts[worker.name]


def is_relayed(world: KafkaWorld) -> bool:
    return all(found(world, party) == wanted(world, party) for party in ALL)


def check_hook(party: Party, secrets: list[str]) -> None:
    """The receiver of the party learned each change once, lost answers and all."""
    receiver = party.receiver
    receiver.verified(secrets[0])
    Receiver(requests=receiver.requests[-1:]).verified(secrets[1])
    assert len(receiver.effective()) < len(receiver.requests)
    last: dict[str, Any] = {}
    for each in receiver.effective():
        told = each.said["data"]
        assert last.get(told["id"]) != told, "it was told the same under another id"
        last[told["id"]] = told


def on_topic(world: KafkaWorld, party: str) -> dict[str, Any]:
    """What the party's topic says, by the line's id."""
    stands: dict[str, Any] = {}
    for _, key, value in world.read(partner_topic(party)):
        name = (key or b"").decode()
        stands.pop(name, None)
        if value is not None:
            stands[name] = json.loads(value)
    return stands


@pytest.fixture
def hook(bootstrap: str, unique_name: str, tmp_path: Path) -> Iterator[Party]:
    party = Party(bootstrap, unique_name, tmp_path)
    with receiving(*party.tls, party.receiver):
        yield party


@pytest.mark.timeout(200)
def test_killed_workers_lose_and_repeat_nothing_for_partners(
    bootstrap: str, unique_name: str, tmp_path: Path, hook: Party
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network(subscribed=ALL))
    hook.said("key")
    secrets = [hook.said("add", "ACME", hook.receiver.url())["secret"]]
    clock = FileClock.create(tmp_path / "clock", START)

    def start(name: str) -> WorkerProcess:
        return WorkerProcess(world, name, tmp_path / "clock", tick_ms=50, **hook.environment)

    workers = [start(name) for name in ("first", "second")]
    starts = Counter(worker.name for worker in workers)
    batches = by_tick(story(5), ticks=TICKS)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
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
                workers.append(start(victim.name))
            if number == TICKS // 2:
                secrets.append(hook.said("rotate", "ACME")["secret"])
        until(lambda: at_rest(world, batches[-1][0]), "the last tick is done", WITHIN_S)
        until(lambda: is_relayed(world), "the relay has come to the end", WITHIN_S)
        assert all(found(world, party) for party in ALL)
        stands = on_topic(world, "ACME")
        until(lambda: hook.receiver.standing() == stands, "the address knows all", WITHIN_S)
        check_hook(hook, secrets)

        topic = world.prefix + partner_topic("SUP")
        resource = ConfigResource(ResourceType.TOPIC, topic)
        config = admin.describe_configs([resource])[resource].result(10)
        assert config["cleanup.policy"].value == "compact"

        # Somebody deletes a partner's topic: the next relay makes it again and fills it.
        for worker in workers:
            until(functools.partial(is_up, worker, starts), "it is up", WITHIN_S)
            assert worker.stop() == 0, worker.text()
        admin.delete_topics([topic])[topic].result(10)
        workers.append(start("third"))
        starts["third"] += 1
        until(lambda: is_relayed(world), "the topic is filled again", WITHIN_S)
        until(functools.partial(is_up, workers[-1], starts), "it is up", WITHIN_S)
        assert workers[-1].stop() == 0, workers[-1].text()
    finally:
        with ended(*workers):
            clock.close()
    assert check(world) > 0
