"""The relay: each party's topic holds what `partner-status` says of it, whatever happened."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from schemas.facts import OrderFact
from schemas.partner_records import split_partner_key
from schemas.topics import partner_topic
from schemas.units import HOUR_MS
from streams.engine import relay as relaying
from streams.engine.local import LocalEngine
from streams.engine.log import LogError, Partition, TransactionAborted
from streams.engine.memory_clients import MemoryProducer
from streams.engine.memory_log import MemoryLog
from streams.engine.memory_parts import MemoryRecord
from streams.engine.relay import Relay, RelaySettings
from streams.stages.partners import PARTNER_STATUS
from tests.relays import KEY, Heard, raw, relay_of, repeats, settle, standing, statuses
from tests.scenario import START, Chain, by_tick, network, story

ALL = ("ACME", "CARGO", "SUP")
TICKS = by_tick(story(7))
PRODUCE = MemoryProducer.produce


def run(engine: LocalEngine, ticks: slice, after: Callable[[], object]) -> None:
    """Ticks of the story; `after` each."""
    for at, facts in TICKS[ticks]:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
        after()


def wanted(engine: LocalEngine) -> dict[str, list[bytes]]:
    """What each party is to find, sorted."""
    found: dict[str, list[bytes]] = {}
    for key, value in engine.latest("partner-status").items():
        found.setdefault(split_partner_key(key.decode())[0], []).append(value)
    return {party: sorted(values) for party, values in found.items()}


def check(engine: LocalEngine, parties: tuple[str, ...] = ALL) -> None:
    """The topics hold what they are to hold, each change once."""
    expected = wanted(engine)
    for party in parties:
        assert sorted(standing(engine.log, party).values()) == expected.get(party, [])
        assert list(repeats(engine.log, party)) == []


def test_each_party_finds_its_lines_and_nothing_else() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 20), lambda: settle(relay))
    check(engine)
    assert len(statuses(engine.log, "ACME")) == 12
    status = relay.status()
    lines = sum(len(standing(engine.log, party)) for party in ALL)
    assert (status.state, status.parties, status.lines) == ("running", 3, lines)
    assert status.relayed == sum(len(raw(engine.log, party)) for party in ALL)
    relay.close()
    assert relay.status().state == "stopped"


def test_keys_mean_nothing_differ_by_party_and_stay() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 6), lambda: settle(relay))
    before = {party: set(standing(engine.log, party)) for party in ALL}
    assert all(re.fullmatch(rb"[0-9a-f]{32}", key) for keys in before.values() for key in keys)
    assert not before["ACME"] & before["SUP"]
    relay.close()
    # Whatever another relay would choose: the key of the ids is made once.
    relay = relay_of(engine, key=b"x" * 32)
    run(engine, slice(6, 10), lambda: settle(relay))
    assert all(before[party] <= set(standing(engine.log, party)) for party in ALL)
    check(engine)


def test_a_relay_that_begins_late_says_the_end_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relaying, "RECORDS_MAX", 30)
    engine = LocalEngine(network(subscribed=ALL))
    run(engine, slice(0, 20), lambda: None)
    relay = relay_of(engine)
    settle(relay)
    check(engine)
    for party in ALL:
        assert len(raw(engine.log, party)) == len(standing(engine.log, party))


def test_a_relay_that_begins_again_repeats_nothing() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 10), lambda: settle(relay))
    count = len(raw(engine.log, "ACME"))
    relay.close()
    relay = relay_of(engine)
    settle(relay)
    assert len(raw(engine.log, "ACME")) == count
    run(engine, slice(10, 20), lambda: None)
    settle(relay)
    check(engine)


class Counted(bytes):
    """A value of which one can see how many are held."""

    held = 0

    def __new__(cls, value: bytes) -> Counted:
        Counted.held += 1
        return super().__new__(cls, value)

    def __del__(self) -> None:
        Counted.held -= 1


def test_beginning_holds_no_values_however_much_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run(engine, slice(0, 20), lambda: None)
    value_of = MemoryRecord.value

    def counted(record: MemoryRecord) -> bytes | None:
        value = value_of(record)
        is_said = record.topic() == PARTNER_STATUS and value is not None
        return Counted(value) if is_said else value

    monkeypatch.setattr(MemoryRecord, "value", counted)
    monkeypatch.setattr(MemoryProducer, "produce", _forgetting)
    monkeypatch.setattr(relaying, "RECORDS_MAX", 5)
    relay = relay_of(engine)
    steps = 0
    while relay.status().state != "running":
        relay.step(0)
        steps += 1
        assert Counted.held == 0, f"after step {steps}"
    assert steps > 10
    settle(relay)
    check(engine)


def _forgetting(
    self: MemoryProducer, topic: str, partition: int, key: bytes | None, value: bytes | None
) -> None:
    """As a broker has it: other bytes than the caller's."""
    PRODUCE(self, topic, partition, key, value if value is None else bytes(bytearray(value)))


def test_what_comes_while_it_begins_is_passed_on_too(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    run(engine, slice(0, 6), lambda: None)
    monkeypatch.setattr(relaying, "RECORDS_MAX", 30)
    relay = relay_of(engine)
    states: set[str] = set()

    def step() -> None:
        relay.step(0)
        states.add(relay.status().state)

    run(engine, slice(6, 20), step)
    assert states == {"reading", "running"}
    settle(relay)
    check(engine)


def test_another_worker_takes_over_and_the_first_lets_go() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    chosen = "first"
    first = relay_of(engine, is_chosen=lambda: chosen == "first")
    second = relay_of(engine, is_chosen=lambda: chosen == "second")
    run(engine, slice(0, 6), lambda: settle(first, second))
    assert [each.status().state for each in (first, second)] == ["running", "idle"]
    chosen = "second"
    run(engine, slice(6, 12), lambda: settle(first, second))
    assert [each.status().state for each in (first, second)] == ["idle", "running"]
    assert first.status().parties == 0
    check(engine)


def test_a_zombie_is_shut_out() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    zombie = relay_of(engine)
    run(engine, slice(0, 6), lambda: settle(zombie))
    # Another relay begins while the first still believes that it is chosen.
    other = relaying._Passing(
        engine.log, "slipwatch-relay", lambda topic: engine.log.create(topic, 1), lambda: KEY
    )
    run(engine, slice(6, 8), lambda: None)
    with pytest.raises(LogError):
        settle(zombie)
    while other.step(frozenset(ALL), 0) or not other.is_level:
        pass
    check(engine)


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_an_abort_anywhere_loses_and_repeats_nothing(
    fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LocalEngine(network(subscribed=ALL))
    commit, count = MemoryProducer.commit, 0

    def failing(self: MemoryProducer) -> None:
        nonlocal count
        count += 1
        if count == fails_at:
            raise TransactionAborted("on purpose")
        commit(self)

    run(engine, slice(0, 4), lambda: None)
    monkeypatch.setattr(relaying, "RECORDS_MAX", 3)
    monkeypatch.setattr(MemoryProducer, "commit", failing)
    relay = relay_of(engine)
    with pytest.raises(TransactionAborted):
        settle(relay)
    relay.close()
    relay = relay_of(engine)
    settle(relay)
    check(engine)


def test_who_subscribes_gets_all_that_stands_and_who_leaves_keeps_nothing() -> None:
    engine = LocalEngine(network(subscribed=("SUP",)))
    relay = relay_of(engine)
    run(engine, slice(0, 10), lambda: settle(relay))
    assert raw(engine.log, "ACME") == []
    engine.publish_network(network(subscribed=("ACME",)))
    run(engine, slice(10, 11), lambda: settle(relay))
    check(engine)
    assert statuses(engine.log, "ACME")
    assert standing(engine.log, "SUP") == {}
    assert raw(engine.log, "SUP")[-1].value() is None
    assert relay.status().parties == 1
    # A reader's place on the topic stays good: it is the same topic when the party comes back.
    engine.publish_network(network(subscribed=("ACME", "SUP")))
    run(engine, slice(11, 12), lambda: settle(relay))
    check(engine)
    assert relay.status().parties == 2


def test_who_leaves_while_nobody_relays_keeps_nothing() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 10), lambda: settle(relay))
    relay.close()
    engine.publish_network(network(subscribed=("ACME",)))
    run(engine, slice(10, 12), lambda: None)
    relay = relay_of(engine)
    settle(relay)
    check(engine)
    assert standing(engine.log, "SUP") == {}
    assert relay.status().parties == 1


def test_a_party_without_lines_has_its_topic() -> None:
    engine = LocalEngine(network(subscribed=("CARGO",)))
    relay = relay_of(engine)
    engine.tick(START)
    settle(relay)
    assert engine.log.partition_counts([partner_topic("CARGO")]) == {partner_topic("CARGO"): 1}
    assert raw(engine.log, "CARGO") == []


def test_what_was_lost_of_its_state_is_found_again() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 8), lambda: settle(relay))
    old = set(standing(engine.log, "ACME"))
    relay.close()
    for record in engine.log.committed(relaying.RELAY_STATE):
        engine.log.append("relay-state", record.key(), None, 0)
    relay = relay_of(engine, key=b"another key of thirty-two bytes.")
    settle(relay)
    check(engine)
    assert not old & set(standing(engine.log, "ACME")), "ids are new, and the old ones are gone"


def test_a_line_that_moves_to_another_cell_makes_no_record() -> None:
    engine = LocalEngine(network(subscribed=ALL, joined=False))
    relay = relay_of(engine)
    chain = Chain()
    engine.send(chain.placed("PO-1", START))
    engine.send(chain.confirmed("PO-1", START))
    engine.tick(START + HOUR_MS)
    settle(relay)
    written = len(engine.outputs("partner-status"))
    assert [len(raw(engine.log, party)) for party in ALL] == [1, 0, 1]
    engine.send(
        OrderFact(
            "moved", "acme-erp", "changed", START + HOUR_MS, START + HOUR_MS,
            order_ref="ACME/PO-1", line="10", ship_from="PUNE",
        )
    )  # fmt: skip
    engine.tick(START + 2 * HOUR_MS)
    settle(relay)
    assert len(engine.outputs("partner-status")) == written + 2, "the other cell says it anew"
    assert [len(raw(engine.log, party)) for party in ALL] == [1, 0, 1]
    check(engine)


def test_a_topic_that_is_refused_is_said_once_and_tried_again() -> None:
    engine = LocalEngine(network(subscribed=("ACME",)))
    engine.tick(START)
    refuses, heard = True, Heard()

    def make(topic: str) -> None:
        if refuses:
            raise LogError("the broker refuses it")
        engine.log.create(topic, 1)

    relay = Relay(
        engine.log,
        RelaySettings("slipwatch"),
        engine.worker.control,
        lambda: True,
        make,
        lambda: KEY,
        heard,
    )

    class Stop:
        turns = 0

        def is_set(self) -> bool:
            nonlocal refuses
            self.turns += 1
            refuses = self.turns < 12
            return relay.status().state == "running" or self.turns > 200

        def wait(self, _seconds: float) -> None:
            assert relay.status().state == "waiting"

    relay.run(Stop())  # type: ignore[arg-type]
    assert heard.troubles == ["the broker refuses it"]
    assert engine.log.partition_counts([partner_topic("ACME")]) == {partner_topic("ACME"): 1}


def test_a_foreign_record_is_named_with_its_place() -> None:
    engine = LocalEngine(network(subscribed=("ACME",)))
    engine.tick(START)
    engine.log.append("partner-status", b"nothing of ours", b"{}", 2)
    relay = relay_of(engine)
    with pytest.raises(LogError, match=r"partner-status/2 holds a record at offset 0"):
        settle(relay)


def test_headers_of_the_engine_stay_inside() -> None:
    engine = LocalEngine(network(subscribed=ALL))
    relay = relay_of(engine)
    run(engine, slice(0, 6), lambda: settle(relay))
    inside = [
        record
        for number in range(4)
        for record in engine.log.committed(Partition("partner-status", number))
    ]
    assert all(record.headers() for record in inside)
    assert isinstance(engine.log, MemoryLog)
    assert not any(record.headers() for party in ALL for record in raw(engine.log, party))
