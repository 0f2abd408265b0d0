"""Facts in Confluent's wire format, with a schema registry that is there, away, and back: on the
log in memory and on Apache Kafka, against a real HTTP server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import AnyHttpUrl, SecretStr

from schemas.addresses import fact_key, fact_topic
from schemas.codec import FactEncoder
from schemas.facts import Fact, Family
from schemas.records import DeadLetter, OrderStatus, decode, encode
from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS
from schemas.units import instant
from schemas.writers import schema_text
from streams.engine.clock import ManualClock
from streams.engine.worker import Worker
from streams.registry import RegistryClient, RegistryHttp
from streams.replay.audit import audit
from streams.settings import RegistrySettings
from tests.contract.test_engine import at_rest, check
from tests.registry_double import RegistryDouble
from tests.scenario import START, Chain, network
from tests.worlds import PARTITIONS, KafkaWorld, World, running, until

HOUR = 3_600_000
ID = 100_001


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def world(request: pytest.FixtureRequest, unique_name: str) -> Iterator[World]:
    if request.param == "memory":
        yield World()
    else:
        yield KafkaWorld(request.getfixturevalue("bootstrap"), unique_name)


@pytest.fixture
def memory() -> World:
    """For what the log has no part in: topics on Apache Kafka take seconds to make."""
    return World()


@pytest.fixture
def registry() -> Iterator[RegistryDouble]:
    double = RegistryDouble(password="of-the-registry")
    yield double
    double.stop()


class Heard:
    """An observer that keeps the troubles it is told."""

    def __init__(self) -> None:
        self.troubles: list[str] = []

    def trouble(self, text: str) -> None:
        self.troubles.append(text)

    def __getattr__(self, _: str) -> object:
        return lambda *_: None


def source(registry: RegistryDouble, lookups: Counter[str] | None = None) -> RegistryClient:
    settings = RegistrySettings(
        url=AnyHttpUrl(registry.url),
        username="slipwatch",
        password=SecretStr(registry.password),
        timeout_seconds=2,
    )
    counted = Counter[str]() if lookups is None else lookups
    return RegistryClient(
        RegistryHttp(settings), 0.2, lambda outcome: counted.update([outcome]), 0.1
    )


def worker(world: World, clock: ManualClock, client: RegistryClient, **more: Any) -> Worker:
    return world.worker("one", clock, schemas=client, **more)


def text_of_another() -> str:
    """A source's own schema of orders: ours, and a field that we do not know."""
    schema = json.loads(schema_text(Family.ORDERS))
    schema["fields"].append({"name": "colour", "type": ["null", "string"], "default": None})
    return json.dumps(schema)


def send(world: World, facts: Sequence[Fact], schema_id: int = ID, more: bytes = b"\0") -> None:
    """The facts as that source writes them: the id, and `colour` null behind our fields."""
    for fact in facts:
        body = FactEncoder(Family(fact_topic(fact))).encode_body(fact) + more
        head = b"\0" + schema_id.to_bytes(4, "big")
        world.send_raw(fact_topic(fact), fact_key(fact), head + body, 0)
    world.flush()


def order(number: int, chain: Chain) -> list[Fact]:
    return [chain.placed(f"PO-{number}", START)]


def lines(world: World) -> set[str]:
    return {
        decode(value, OrderStatus).line_id
        for _, _, value in world.read("order-status")
        if value is not None
    }


def letters(world: World) -> list[DeadLetter]:
    return [decode(value, DeadLetter) for _, _, value in world.read("dead-letters") if value]


def settle(world: World, clock: ManualClock, at: int) -> None:
    clock.set(at)
    until(lambda: at_rest(world, at), f"the tick at {at} is done")


def test_a_fact_says_the_same_whichever_way_its_schema_is_named(
    world: World, registry: RegistryDouble
) -> None:
    clock, lookups, chain = ManualClock(START), Counter[str](), Chain()
    registry.put(ID, text_of_another())
    registry.start()
    world.publish(network())
    with running(worker(world, clock, source(registry, lookups))):
        send(world, order(1, chain) + order(2, chain))
        world.send(order(3, chain))
        settle(world, clock, START + HOUR)
        send(world, order(4, chain))
        settle(world, clock, START + 2 * HOUR)
    assert lines(world) == {f"ACME/PO-{number}#10" for number in (1, 2, 3, 4)}
    assert not letters(world)
    # An id is asked for once; from then on the topic knows it.
    assert lookups == {"found": 1}
    assert check(world) > 4


def test_with_the_registry_away_time_stands_still_and_no_fact_is_lost(
    world: World, registry: RegistryDouble
) -> None:
    clock, chain, heard = ManualClock(START), Chain(), Heard()
    registry.put(ID, text_of_another())
    world.publish(network())
    first = worker(world, clock, source(registry), observer=heard)
    with running(first):
        send(world, order(1, chain))
        clock.set(START + HOUR)
        until(lambda: first.status().schemas_awaited == 1, "the worker waits for the schema")
        until(lambda: first.status().trouble, "and says why")
        status = first.status()
        assert f"schema id {ID} is not known yet" in status.waits_for
        assert registry.url in status.trouble
        assert registry.password not in status.trouble
        until(lambda: any(registry.url in each for each in heard.troubles), "once, to its observer")
        assert not at_rest(world, START + HOUR)
        assert not letters(world)
        assert not lines(world)
        registry.start()
        settle(world, clock, START + HOUR)
        assert first.status().schemas_awaited == 0
        assert lines(world) == {"ACME/PO-1#10"}
        # Away again: what is known goes on, what is not waits.
        registry.stop()
        send(world, order(2, chain))
        settle(world, clock, START + 2 * HOUR)
        assert lines(world) == {"ACME/PO-1#10", "ACME/PO-2#10"}
        send(world, order(3, chain), ID + 1)
        clock.set(START + 3 * HOUR)
        until(lambda: first.status().schemas_awaited == 1, "the worker waits for the other schema")
        registry.put(ID + 1, text_of_another())
        registry.start()
        settle(world, clock, START + 3 * HOUR)
    assert lines(world) == {f"ACME/PO-{number}#10" for number in (1, 2, 3)}
    assert not letters(world)
    assert check(world) > 3


def test_a_proxy_or_a_wrong_password_is_no_answer(memory: World, registry: RegistryDouble) -> None:
    clock, chain = ManualClock(START), Chain()
    registry.put(ID, text_of_another())
    registry.start()
    memory.publish(network())
    client = source(registry)
    first = worker(memory, clock, client)
    with running(first):
        send(memory, order(1, chain))
        for status, says in ((404, "is its url right"), (401, "other credentials"), (503, "503")):
            registry.status = status
            clock.set(START + HOUR)
            until(lambda says=says: says in first.status().trouble, says)  # type: ignore[misc]
        assert not letters(memory)
        registry.status = None
        settle(memory, clock, START + HOUR)
    assert lines(memory) == {"ACME/PO-1#10"}


def test_a_worker_that_starts_while_the_registry_is_away_reads_what_was_known(
    memory: World, registry: RegistryDouble
) -> None:
    clock, chain = ManualClock(START), Chain()
    registry.put(ID, text_of_another())
    registry.start()
    memory.publish(network())
    with running(worker(memory, clock, source(registry))):
        send(memory, order(1, chain))
        settle(memory, clock, START + HOUR)
    registry.stop()
    with running(memory.worker("two", clock, schemas=source(registry))):
        send(memory, order(2, chain))
        settle(memory, clock, START + 2 * HOUR)
    assert lines(memory) == {"ACME/PO-1#10", "ACME/PO-2#10"}
    assert check(memory) > 2


def test_an_id_that_the_registry_does_not_know_is_refused_until_it_does(
    memory: World, registry: RegistryDouble
) -> None:
    clock, chain = ManualClock(START), Chain()
    registry.start()
    memory.publish(network())
    hour = 1
    with running(worker(memory, clock, source(registry))):
        send(memory, order(1, chain))
        settle(memory, clock, START + HOUR)
        assert [(each.reason, each.offset) for each in letters(memory)] == [
            ("unknown_schema_id", 0)
        ]
        registry.put(ID, text_of_another())

        def sent_and_read() -> bool:
            nonlocal hour
            hour += 1
            send(memory, order(hour, chain))
            settle(memory, clock, START + hour * HOUR)
            return f"ACME/PO-{hour}#10" in lines(memory)

        until(sent_and_read, "the schema that was registered later is found")
    # Those in between were refused; which ones is on the topic, and a replay says the same.
    refused, read = len(letters(memory)), len(lines(memory))
    assert refused + read == hour
    assert check(memory) > hour


def test_facts_behind_the_cut_of_an_older_release_wait_for_the_registry(
    memory: World, registry: RegistryDouble
) -> None:
    clock, chain = ManualClock(START), Chain()
    registry.put(ID, text_of_another())
    memory.publish(network())
    send(memory, order(1, chain) + order(2, chain))
    # In flight when the worker was replaced; it knows of no schemas, and refuses the first fact.
    older = Tick(
        n=1,
        at=instant(START),
        cut={topic: [int(topic == "orders"), *[0] * (PARTITIONS - 1)] for topic in FACT_TOPICS},
        network=network().version,
    )
    memory.send_raw("ticks", None, encode(older), 0)
    first = worker(memory, clock, source(registry))
    with running(first):
        clock.set(START + HOUR)
        until(lambda: first.status().schemas_awaited == 1, "the worker waits for the schema")
        registry.start()
        settle(memory, clock, START + HOUR)
    assert [each.offset for each in letters(memory)] == [0]
    assert lines(memory) == {"ACME/PO-2#10"}
    assert audit(memory.log()).difference_count == 0


def test_a_schema_that_gives_no_facts_is_a_dead_letter_with_its_reason(
    memory: World, registry: RegistryDouble
) -> None:
    schema = json.loads(text_of_another())
    schema["fields"] = [each for each in schema["fields"] if each["name"] != "source"]
    registry.put(ID, json.dumps(schema))
    registry.put(ID + 1, "syntax = 'proto3';", schemaType="PROTOBUF")
    registry.put(ID + 2, text_of_another() + " " * 200_000)
    registry.start()
    clock, chain = ManualClock(START), Chain()
    memory.publish(network())
    with running(worker(memory, clock, source(registry))):
        for number in range(3):
            send(memory, order(number, chain), ID + number)
        settle(memory, clock, START + HOUR)
    found = {each.offset: (each.reason, each.error) for each in letters(memory)}
    assert {reason for reason, _ in found.values()} == {"schema_mismatch"}
    assert "lacks the field source" in found[0][1]
    assert "PROTOBUF" in found[1][1]
    assert "expected at most 200000" in found[2][1]
    assert check(memory) > 2


def test_without_a_registry_an_id_is_refused_and_a_replay_agrees_though_one_came_later(
    memory: World, registry: RegistryDouble
) -> None:
    clock, chain = ManualClock(START), Chain()
    memory.publish(network())
    with running(memory.worker("one", clock)):
        send(memory, order(1, chain))
        settle(memory, clock, START + HOUR)
    assert "no schema registry is configured" in letters(memory)[0].error
    registry.put(ID, text_of_another())
    registry.start()
    hour = 1

    def sent_and_read() -> bool:
        nonlocal hour
        hour += 1
        send(memory, order(hour, chain))
        settle(memory, clock, START + hour * HOUR)
        return bool(lines(memory))

    with running(worker(memory, clock, source(registry))):
        until(sent_and_read, "facts are read once there is a registry")
    assert audit(memory.log()).difference_count == 0
    assert len(letters(memory)) == hour - 1
