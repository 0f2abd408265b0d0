"""The guarantees of the engine, on the local engine: what is visible is a function of facts and
ticks, of nothing else, and absence is concluded only from what was read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Fact, Heartbeat, ShipmentFact
from schemas.records import (
    Alert,
    AlertState,
    Decision,
    OrderStatus,
    Outcome,
    Progress,
    Standing,
    decode,
)
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.engine.local import LocalEngine
from streams.engine.log import Partition
from tests.scenario import START, Chain, by_tick, network, story

VISIBLE = ("order-status", "alerts", "decisions", "notifications", "feeds", "unlinked")

Visible = list[tuple[str, bytes, bytes | None]]


def new_visible(engine: LocalEngine) -> Visible:
    """What readers can see of the last tick, whatever the partition it lies on."""
    return sorted(
        (output.topic, output.key or b"", output.value)
        for topic in VISIBLE
        for output in engine.new_outputs(topic)
    )


def run(
    batches: Sequence[tuple[UtcMillis, Sequence[Fact]]], *, partitions: int = 4, facts: int = 4
) -> tuple[LocalEngine, list[Visible]]:
    engine = LocalEngine(network(), partitions=partitions, fact_partitions=facts)
    seen: list[Visible] = []
    for at, told in batches:
        for fact in told:
            engine.send(fact)
        engine.tick(at)
        seen.append(new_visible(engine))
    return engine, seen


def final(engine: LocalEngine) -> dict[str, dict[bytes, object]]:
    """The last word on each line and alert, without the ticks at which it was said."""
    unstamped: dict[str, dict[bytes, object]] = {}
    for topic in ("order-status", "alerts"):
        values = {key: json.loads(value) for key, value in engine.latest(topic).items()}
        for value in values.values():
            for stamp in ("tick", "at", "revision", "updated_at", "opened_at", "episode"):
                value.pop(stamp, None)
        if topic == "alerts":
            values = {k: v for k, v in values.items() if v["state"] == "open"}
        unstamped[topic] = dict(values)
    return unstamped


def open_alerts(engine: LocalEngine) -> list[Alert]:
    alerts = [decode(value, Alert) for value in engine.latest("alerts").values()]
    return [alert for alert in alerts if alert.state is AlertState.OPEN]


def status(engine: LocalEngine, line: str) -> OrderStatus:
    return decode(engine.latest("order-status")[line.encode()], OrderStatus)


def test_a_story_raises_alerts_of_several_rules() -> None:
    engine, seen = run(by_tick(story(4, orders=30)))
    told = [output.value for output in engine.outputs("alerts") if output.value]
    rules = {rule for value in told for rule in decode(value, Alert).rules}
    assert {"unconfirmed", "promise_moved", "delivered_late", "expected_after_promise"} <= rules
    assert any(topic == "notifications" for visible in seen for topic, _, _ in visible)


@settings(max_examples=10)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_interleaving_and_duplicates_within_a_tick_change_no_byte(
    seed: int, chance: random.Random
) -> None:
    batches = by_tick(story(seed, orders=6))
    shuffled = []
    for at, told in batches:
        mixed = [*told, *chance.sample(told, len(told) // 3)]
        chance.shuffle(mixed)
        shuffled.append((at, mixed))
    assert run(batches)[1] == run(shuffled)[1]


@settings(max_examples=10)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_interleaving_and_duplicates_across_ticks_end_in_the_same_state(
    seed: int, chance: random.Random
) -> None:
    batches = by_tick(story(seed, orders=6))
    late: list[list[Fact]] = [[] for _ in batches]
    for index, (_, told) in enumerate(batches):
        for fact in told:
            # Heartbeats stay: when a source was heard is itself a part of the story.
            delay = 0 if isinstance(fact, Heartbeat) else chance.randrange(3)
            for each in {delay, chance.randrange(3)} if chance.random() < 0.2 else {delay}:
                late[min(index + each, len(batches) - 3)].append(fact)
    moved = [(at, facts) for (at, _), facts in zip(batches, late, strict=True)]
    assert final(run(batches)[0]) == final(run(moved)[0])


@pytest.mark.parametrize(("partitions", "facts"), [(1, 1), (7, 3), (4, 7)])
def test_how_many_partitions_there_are_changes_nothing(partitions: int, facts: int) -> None:
    batches = by_tick(story(2))
    assert run(batches)[1] == run(batches, partitions=partitions, facts=facts)[1]


def test_evaluation_with_nothing_new_changes_no_byte() -> None:
    engine, seen = run(by_tick(story(3)))
    last = START + 14 * DAY_MS
    for minute in range(1, 4):
        engine.tick(last + minute)
        visible = [each for each in new_visible(engine) if each[0] != "feeds"]
        assert visible == []
    assert any(seen)


def test_the_hash_seed_changes_no_byte() -> None:
    program = (
        "import hashlib, sys; sys.path.insert(0, '.');"
        "from tests.unit.engine.test_guarantees import run, story, by_tick;"
        "print(hashlib.sha256(repr(run(by_tick(story(4)))[1]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_a_backlog_in_several_incomplete_ticks_brings_no_false_alert_and_every_due_one() -> None:
    batches = by_tick(story(5))
    undisturbed, seen = run(batches)
    engine = LocalEngine(network())
    down = range(8, 11)
    backlog: list[Fact] = []
    for index, (at, told) in enumerate(batches):
        if index in down:
            backlog += told
            continue
        for fact in [*backlog, *told]:
            engine.send(fact)
        if backlog:
            # The backlog comes in cuts of a handful of facts.
            engine.limit_facts_per_tick(4)
            backlog = []
        before = engine.ticks
        engine.tick(at)
        if index == down.stop:
            assert engine.ticks - before > 3, "the backlog was not cut into several ticks"
        engine.limit_facts_per_tick(400_000)
    assert final(engine) == final(undisturbed)
    opened = Counter(key for visible in seen for topic, key, _ in visible if topic == "alerts")
    for output in engine.outputs("alerts"):
        assert output.key in opened, "an alert was raised that the undisturbed run never raised"


def test_facts_with_absurd_times_fire_nothing_by_themselves() -> None:
    chain = Chain()
    chain.placed("PO-1", START, due_days=60)
    chain.confirmed("PO-1", START + HOUR_MS, due_days=60)
    chain.placed("PO-2", START, due_days=60, told_at=START + 1_400 * DAY_MS)
    chain.confirmed("PO-2", START + HOUR_MS, due_days=60)
    for source in ("sup-erp", "cargo-edi", "acme-erp"):
        chain.alive(source, START + HOUR_MS, complete_to=START + 1_400 * DAY_MS)
    engine, _ = run([(START + 2 * HOUR_MS, chain.facts), (START + 3 * HOUR_MS, [])])
    assert open_alerts(engine) == []


def test_a_partition_that_is_not_read_stops_time_and_its_release_loses_nothing() -> None:
    batches = by_tick(story(6))
    undisturbed, _ = run(batches)
    engine = LocalEngine(network())
    held = Partition("shipments", 1)
    for index, (at, told) in enumerate(batches):
        for fact in told:
            engine.send(fact)
        if index == 9:
            engine.hold(held)
            engine.begin(at)
            for _ in range(20):
                engine.worker.step(0)
            assert new_visible(engine) == [] or engine.ticks_done < engine.ticks
            assert engine.ticks_done < engine.ticks, "the tick ended without one of its inputs"
            assert "shipments/1" in engine.worker.status().waits_for
            engine.release(held)
            engine.settle()
        else:
            engine.tick(at)
    assert final(engine) == final(undisturbed)


def test_facts_behind_an_open_transaction_keep_rules_silent_that_need_them() -> None:
    """A sender's transaction hides a shipment: nothing is concluded from not having seen it."""
    chain = Chain()
    chain.placed("PO-1", START, due_days=5)
    chain.confirmed("PO-1", START + HOUR_MS, due_days=5)
    hidden = Chain()
    hidden.delivered("PO-1", START + 2 * DAY_MS)
    (fact,) = hidden.facts

    def drive(hide: bool) -> LocalEngine:
        engine = LocalEngine(network())
        for told in chain.facts:
            engine.send(told)
        topic, key = fact_topic(fact), fact_key(fact)
        producer = engine.log.transactional_producer("sender")
        for half in range(1, 17):
            at = START + half * DAY_MS // 2
            for source in ("sup-erp", "cargo-edi", "acme-erp"):
                engine.send(Heartbeat(f"{source}{half}", source, "alive", at, at, at))
            if half == 4:
                producer.begin()
                producer.produce(topic, 0, key, encode_fact(fact))
                if not hide:
                    producer.commit()
            if half == 14 and hide:
                quiet = {rule for alert in open_alerts(engine) for rule in alert.rules}
                assert not quiet & {"late_to_ship", "overdue_no_news"}
                producer.commit()
            engine.tick(at)
        return engine

    assert final(drive(hide=True)) == final(drive(hide=False))


def test_a_silent_feed_is_blind_and_never_on_time_or_late() -> None:
    chain = Chain()
    chain.placed("PO-1", START, due_days=9)
    chain.confirmed("PO-1", START + HOUR_MS, due_days=9)
    engine = LocalEngine(network())
    for fact in chain.facts:
        engine.send(fact)
    engine.tick(START + 2 * HOUR_MS)
    assert status(engine, "ACME/PO-1#10").standing is Standing.ON_TIME
    for hours in range(12, 24 * 14, 12):
        at = START + hours * HOUR_MS
        engine.send(Heartbeat(f"acme{hours}", "acme-erp", "alive", at, at, at))
        engine.tick(at)
        if hours > 30:
            assert status(engine, "ACME/PO-1#10").standing is Standing.BLIND
    assert all(alert.cause_kind == "feed" for alert in open_alerts(engine))
    assert {alert.cause_id for alert in open_alerts(engine)} >= {"sup-erp"}


def test_a_new_network_in_mid_stream_moves_lines_between_cells_unnoticed() -> None:
    """Splitting and joining cells restates every finding: no alert comes or goes by itself."""
    batches = by_tick(story(7))
    engine = LocalEngine(network())
    for index, (at, told) in enumerate(batches):
        for fact in told:
            engine.send(fact)
        if index in (10, 14):
            # GEAR alone keeps its lane: what is judged of it must not notice the split.
            engine.tick(at - 1)
            before = open_alerts(engine)
            engine.new_outputs("alerts")
            engine.publish_network(network(joined=False))
            engine.tick(at)
            engine.publish_network(network())
            engine.tick(at)
            assert {each.alert_id for each in open_alerts(engine)} == {
                each.alert_id for each in before
            }
        engine.tick(at + 1)
    assert final(engine) == final(run([(at + 1, told) for at, told in batches])[0])


def numbered(event: str, kind: str, at: UtcMillis, **more: object) -> ShipmentFact:
    """A fact of a shipment that names only the supplier's numbers, or only the shipment's."""
    return ShipmentFact(event, "sup-erp", kind, at, at, **more)  # type: ignore[arg-type]


def test_a_fact_that_is_still_on_its_way_to_its_line_is_not_absent() -> None:
    """Packed is told of the supplier's number and departed of the shipment's: two steps to the
    line, in the tick in which the source says that it has told everything."""
    chain = Chain()
    chain.placed("PO-1", START, due_days=10)
    chain.confirmed("PO-1", START + HOUR_MS, due_days=10)
    confirmed = msgspec.structs.replace(chain.facts[1], supplier_ref="SUP/SO-9", supplier_line="1")
    engine = LocalEngine(network(heartbeats=True))
    for fact in (chain.facts[0], confirmed):
        engine.send(fact)
    engine.tick(START + 2 * HOUR_MS)
    left = START + 7 * DAY_MS
    packed = numbered(
        "p1", "packed", left, supplier_ref="SUP/SO-9", supplier_line="1",
        shipment_ref="SUP/S-1", quantity=100 * QUANTITY_ONE, unit="EA",
    )  # fmt: skip
    departed = numbered("d1", "departed", left, shipment_ref="SUP/S-1", site="LYON")
    at = START + 9 * DAY_MS
    for fact in (packed, departed):
        engine.send(fact)
    for source in ("sup-erp", "cargo-edi", "acme-erp"):
        engine.send(Heartbeat(f"h-{source}", source, "alive", at, at, at))
    ticks = engine.ticks
    engine.tick(at)
    assert engine.ticks - ticks >= 2, "the steps did not take ticks of their own"
    assert status(engine, "ACME/PO-1#10").progress is Progress.SHIPPED
    fired = [
        verdict.rule
        for output in engine.outputs("decisions")
        for verdict in decode(output.value or b"", Decision).verdicts
        if verdict.outcome is Outcome.FIRES
    ]
    assert fired == []


def test_a_declared_feed_that_never_speaks_turns_blind() -> None:
    engine = LocalEngine(network())
    engine.tick(START)
    engine.tick(START + 3 * DAY_MS)
    assert {alert.cause_id for alert in open_alerts(engine)} == {"sup-erp", "cargo-edi"}
