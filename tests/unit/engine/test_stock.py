"""Stock through all stages: facts to books, to the cell, to findings, alerts and `stock-status`."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.facts import Fact, InventoryFact
from schemas.records import Alert, AlertState, Decision, decode
from schemas.stock_records import StockStanding, StockStatus
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis, instant
from streams.engine.clock import ManualClock
from streams.engine.local import LocalEngine
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from streams.replay.audit import AUDITED_TOPICS, audit
from tests.scenario import START, Chain, network
from topology.model import Feed
from topology.network import Network, build


class Wms:
    """Tells facts about the stock of BOLT, each with an id of its own."""

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def tell(
        self, kind: str, at: UtcMillis, quantity: int, site: str = "LYON", **more: object
    ) -> InventoryFact:
        self.count += 1
        return InventoryFact(
            f"w{self.count:04d}", f"{site.lower()}-wms", kind, at, at, "BOLT", site,
            quantity * QUANTITY_ONE, "EA", **more,  # type: ignore[arg-type]
        )  # fmt: skip


def status(engine: LocalEngine, node: str = "BOLT@LYON") -> StockStatus:
    return decode(engine.latest("stock-status")[node.encode()], StockStatus)


def alerts(engine: LocalEngine, state: AlertState = AlertState.OPEN) -> dict[str, Alert]:
    found = [decode(value, Alert) for value in engine.latest("alerts").values()]
    return {
        each.cause_id: each
        for each in found
        if each.cause_kind == "stock_node" and each.state is state
    }


def run(ticks: Sequence[tuple[UtcMillis, Sequence[Fact]]], **options: int) -> LocalEngine:
    engine = LocalEngine(network(), **options)
    for at, facts in ticks:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    assert engine.latest("parked") == {}
    return engine


def test_a_shortage_opens_with_the_lines_it_hits_and_ends_when_supply_comes() -> None:
    chain, wms = Chain(), Wms()
    lines = [chain.placed(f"PO-{due}", START, due_days=due) for due in (4, 8, 10)]
    engine = run([(START + HOUR_MS, [*lines, wms.tell("counted", START, 150)])])
    said = status(engine)
    assert said.standing is StockStanding.SHORT
    assert said.projection is not None
    assert said.projection.lines_hit == 2
    alert = alerts(engine)["BOLT@LYON"]
    assert {each.subject for each in alert.consequences} == {
        "BOLT@LYON", "ACME/PO-8#10", "ACME/PO-10#10",
    }  # fmt: skip
    assert [money.value_minor for money in alert.value_at_risk] == [50 * 100 + 100 * 100]
    assert alert.accounts == ("NORDICS",)
    engine.send(wms.tell("received", START + 2 * HOUR_MS, 500))
    engine.tick(START + 3 * HOUR_MS)
    assert status(engine).standing is StockStanding.ENOUGH
    assert alerts(engine) == {}
    assert "BOLT@LYON" in alerts(engine, AlertState.RESOLVED)


def test_a_line_that_ships_or_moves_away_frees_its_node_in_the_same_tick() -> None:
    chain, wms = Chain(), Wms()
    first = [chain.placed(f"PO-{due}", START, due_days=due) for due in (4, 8)]
    engine = run([(START + HOUR_MS, [*first, wms.tell("counted", START, 100)])])
    assert status(engine).standing is StockStanding.SHORT
    moved = msgspec.structs.replace(
        chain.placed("PO-8", START, due_days=8), kind="changed", ship_from="ROTTERDAM"
    )
    engine.send(moved)
    engine.tick(START + 2 * HOUR_MS)
    assert status(engine).standing is StockStanding.ENOUGH
    projection = status(engine).projection
    assert projection is not None
    assert projection.lowest == 0
    engine.send(chain.packed("PO-4", "S-1", START + 2 * HOUR_MS))
    engine.send(chain.moved("departed", "S-1", START + 2 * HOUR_MS, site="LYON"))
    engine.send(wms.tell("issued", START + 2 * HOUR_MS, 100))
    engine.tick(START + 3 * HOUR_MS)
    projection = status(engine).projection
    assert projection is not None
    assert (projection.lowest, status(engine).on_hand) == (0, 0)


def test_a_transfer_is_in_transit_at_its_destination_until_it_comes_in() -> None:
    wms = Wms()
    number = {"transfer_ref": "SUP/T1"}
    out = wms.tell("transferred_out", START + HOUR_MS, 40, to_site="OSLO", **number)
    counts = [wms.tell("counted", START, 100), wms.tell("counted", START, 0, "OSLO")]
    engine = run([(START + 2 * HOUR_MS, [out, *counts])])
    assert (status(engine).on_hand, status(engine).in_transit) == (60, 0)
    oslo = status(engine, "BOLT@OSLO")
    assert (oslo.on_hand, oslo.in_transit) == (0, 40)
    assert oslo.projection is not None
    assert [int(each.available) for each in oslo.projection.balances] == [0, 40]
    engine.send(wms.tell("transferred_in", START + DAY_MS, 40, "OSLO", from_site="LYON", **number))
    engine.tick(START + DAY_MS + HOUR_MS)
    oslo = status(engine, "BOLT@OSLO")
    assert (oslo.on_hand, oslo.in_transit) == (40, 0)


def with_feed(chain: Network) -> Network:
    """The chain with a feed of Lyon's stock, heard every day."""
    feed = Feed(id="lyon-wms", party="SUP", sites=("LYON",), families=("inventory",),
                every_ms=DAY_MS, grace_ms=0)  # type: ignore[arg-type]  # fmt: skip
    document = chain.document
    return build(msgspec.structs.replace(document, feeds=(*document.feeds, feed)))


def test_a_node_whose_source_falls_silent_is_blind_and_sees_again() -> None:
    wms = Wms()
    engine = LocalEngine(with_feed(network()))
    engine.send(wms.tell("counted", START, 100))
    engine.tick(START + HOUR_MS)
    assert status(engine).standing is StockStanding.ENOUGH
    engine.tick(START + 2 * DAY_MS)
    assert status(engine).standing is StockStanding.BLIND
    assert status(engine).blind_feeds == ("lyon-wms",)
    engine.send(wms.tell("issued", START + 2 * DAY_MS, 1))
    engine.tick(START + 2 * DAY_MS + HOUR_MS)
    assert status(engine).standing is StockStanding.ENOUGH


def story(seed: int) -> list[tuple[UtcMillis, list[Fact]]]:
    """Ten days of orders and stock at both ends of the lane, as told, half a day to a tick."""
    chance = random.Random(seed)
    chain, wms = Chain(), Wms()
    facts: list[Fact] = [wms.tell("counted", START, 300), wms.tell("counted", START, 20, "OSLO")]
    for number in range(6):
        at = START + chance.randrange(4 * DAY_MS)
        facts.append(chain.placed(f"PO-{number}", at, due_days=chance.randrange(5, 14)))
    for _ in range(25):
        at = START + chance.randrange(8 * DAY_MS)
        site = chance.choice(["LYON", "LYON", "OSLO"])
        kind = chance.choice(["received", "issued", "adjusted", "blocked", "reserved", "counted"])
        facts.append(wms.tell(kind, at, chance.randrange(1, 60), site))
    for number in range(3):
        at = START + chance.randrange(6 * DAY_MS)
        ref = f"SUP/T{number}"
        facts.append(wms.tell("transferred_out", at, 10, to_site="OSLO", transfer_ref=ref))
        facts.append(wms.tell("transferred_in", at + DAY_MS, 10, "OSLO", transfer_ref=ref))
    ticks = [(START + n * DAY_MS // 2, list[Fact]()) for n in range(1, 21)]
    for fact in facts:
        ticks[min((fact.occurred_at - START) * 2 // DAY_MS, 19)][1].append(fact)
    return ticks


def visible(engine: LocalEngine) -> list[tuple[str, bytes, bytes | None]]:
    return sorted(
        (each.topic, each.key or b"", each.value)
        for topic in AUDITED_TOPICS
        for each in engine.outputs(topic)
    )


@settings(max_examples=5)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_interleaving_and_duplicates_within_a_tick_change_no_byte(
    seed: int, chance: random.Random
) -> None:
    ticks = story(seed)
    mixed = []
    for at, told in ticks:
        shuffled = [*told, *chance.sample(told, len(told) // 3)]
        chance.shuffle(shuffled)
        mixed.append((at, shuffled))
    assert visible(run(ticks)) == visible(run(mixed, partitions=3, fact_partitions=2))


@settings(max_examples=5)
@given(st.integers(0, 2**16), st.randoms(use_true_random=False))
def test_late_and_split_over_ticks_the_same_facts_end_in_the_same_books(
    seed: int, chance: random.Random
) -> None:
    ticks = story(seed)
    late: list[tuple[UtcMillis, list[Fact]]] = [(at, []) for at, _ in ticks]
    for index, (_, told) in enumerate(ticks):
        for fact in told:
            for delay in {chance.randrange(8), chance.randrange(8)}:
                late[min(index + delay, len(ticks) - 1)][1].append(fact)

    def ends(engine: LocalEngine) -> dict[str, StockStatus]:
        return {
            node: msgspec.structs.replace(status(engine, node), tick=0, at=instant(START))
            for node in ("BOLT@LYON", "BOLT@OSLO")
        }

    assert ends(run(late)) == ends(run(ticks))


def test_a_node_comes_back_from_its_changelog_with_the_next_tick() -> None:
    ticks = story(7)
    engine = LocalEngine(network())
    for index, (at, told) in enumerate(ticks):
        for fact in told:
            engine.send(fact)
        engine.tick(at)
        if index % 5 == 2:
            settings_ = WorkerSettings("slipwatch", f"again-{index}", runs_ticker=False)
            engine.replace_worker(Worker(engine.log, settings_, ManualClock(at)))
    assert len(engine.latest("stock-status")) == 2
    assert audit(engine.log).differences == ()


def test_what_was_written_is_what_the_recorded_ticks_demand() -> None:
    engine = run(story(11))
    found = audit(engine.log)
    assert found.differences == ()
    assert "stock-status" in AUDITED_TOPICS


def test_old_days_are_settled_and_what_is_told_of_them_later_is_too_late() -> None:
    wms = Wms()
    engine = LocalEngine(network())
    told = [wms.tell("counted", START, 100)]
    told += [wms.tell("issued", START + n * DAY_MS + HOUR_MS, 1) for n in range(30)]
    for n, fact in enumerate(told):
        engine.send(fact)
        engine.tick(START + n * DAY_MS + 2 * HOUR_MS)
    assert status(engine).on_hand == 70
    days = [key for key in engine.latest("stock-state") if b"\x00" in key]
    assert 14 <= len(days) <= 16
    engine.send(wms.tell("received", START + 3 * DAY_MS, 500))
    engine.send(wms.tell("received", START + 20 * DAY_MS, 500))
    engine.tick(START + 31 * DAY_MS)
    assert status(engine).on_hand == 570
    [letter] = engine.latest("dead-letters").values()
    assert b'"reason":"too_late"' in letter
    assert b"is settled up to" in letter


def test_a_claim_ahead_of_time_counts_when_time_gets_there() -> None:
    wms = Wms()
    engine = run(
        [
            (
                START + HOUR_MS,
                [wms.tell("counted", START, 100), wms.tell("counted", START + 5 * DAY_MS, 900)],
            )
        ]
    )
    assert status(engine).on_hand == 100
    engine.tick(START + 4 * DAY_MS)
    assert status(engine).on_hand == 100
    engine.tick(START + 5 * DAY_MS)
    assert status(engine).on_hand == 900


def test_contradictions_are_told_with_both_facts_and_stay_in_the_books() -> None:
    wms = Wms()
    engine = run(
        [(START + 3 * HOUR_MS, [wms.tell("counted", START, 5), wms.tell("issued", START + 1, 8)])]
    )
    said = status(engine)
    assert (said.on_hand, said.contradictions) == (-3, 1)
    alert = next(
        decode(value, Alert)
        for value in engine.latest("alerts").values()
        if decode(value, Alert).aspect == "data"
    )
    assert "lyon-wms/w0001" in alert.consequences[0].text
    assert "lyon-wms/w0002" in alert.consequences[0].text


@pytest.mark.parametrize("known", [True, False])
def test_a_node_keeps_its_books_when_the_network_learns_of_it(known: bool) -> None:
    wms = Wms()
    engine = LocalEngine() if not known else LocalEngine(network(joined=False))
    engine.send(wms.tell("counted", START, 100))
    engine.tick(START + HOUR_MS)
    before = status(engine)
    assert before.standing is (StockStanding.ENOUGH if known else StockStanding.UNKNOWN)
    engine.publish_network(network())
    engine.tick(START + 2 * HOUR_MS)
    assert status(engine).on_hand == 100
    assert status(engine).standing is StockStanding.ENOUGH


def test_evaluating_a_node_with_nothing_new_changes_no_byte() -> None:
    chain, wms = Chain(), Wms()
    engine = run([(START + HOUR_MS, [chain.placed("PO-1", START), wms.tell("counted", START, 10)])])
    written = [engine.latest(topic) for topic in ("stock-status", "cells-state", "stock-state")]
    told = len(engine.outputs("decisions"))
    engine.tick(START + HOUR_MS + 1)
    engine.tick(START + DAY_MS + HOUR_MS)
    assert written[2] == engine.latest("stock-state")
    subjects = [decode(each.value or b"", Decision).subject for each in engine.outputs("decisions")]
    assert "BOLT@LYON" not in subjects[told:]
