"""What the engine must not forget over time: parked rows, baselines, people who join, clocks."""

from __future__ import annotations

import dataclasses
import random

import msgspec
import pytest

from alerts import incidents as lives
from alerts import judgement
from alerts import policy as policies
from alerts.policy import Policy
from schemas import limits
from schemas.facts import OrderFact
from schemas.records import (
    Alert,
    AlertState,
    DeadLetter,
    Notification,
    OrderStatus,
    Parked,
    Progress,
    decode,
)
from schemas.units import DAY_MS, HOUR_MS, calendar_date
from streams.engine.clock import ManualClock
from streams.engine.control import Control
from streams.engine.local import LocalEngine
from streams.engine.observation import WorkerSettings
from streams.engine.ticker import CLOCK_SKEW_MAX_MS
from streams.engine.worker import Worker
from streams.stages import cells, incidents
from tests.scenario import START, START_DAY, Chain, by_tick, network, story
from topology.network import build

LINE = b"ACME/PO-1#10"


def status(engine: LocalEngine) -> OrderStatus:
    return decode(engine.latest("order-status")[LINE], OrderStatus)


def open_rules(engine: LocalEngine) -> set[str]:
    alerts = [decode(value, Alert) for value in engine.latest("alerts").values()]
    return {rule for each in alerts if each.state is AlertState.OPEN for rule in each.rules}


def told(engine: LocalEngine) -> set[str]:
    values = [each.value for each in engine.outputs("notifications")]
    return {decode(value, Notification).recipient for value in values if value}


def beat(engine: LocalEngine, chain: Chain, at: int) -> None:
    for source in ("sup-erp", "cargo-edi", "acme-erp"):
        engine.send(chain.alive(source, at))
    engine.tick(at)


def test_parked_rows_outlast_deadlines_and_join_when_the_fault_is_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = judgement.judge
    engine, chain = LocalEngine(network()), Chain()
    engine.send(chain.placed("PO-1", START))
    engine.send(chain.confirmed("PO-1", START + HOUR_MS))
    engine.tick(START + 2 * HOUR_MS)

    def failing(context, before):  # type: ignore[no-untyped-def]
        if context.line.legs:
            raise ArithmeticError("a shipped line cannot be judged")
        return judge(context, before)

    monkeypatch.setattr(cells, "judge", failing)
    engine.send(chain.packed("PO-1", "S1", START + 3 * HOUR_MS))
    engine.send(chain.moved("departed", "S1", START + 4 * HOUR_MS, site="LYON"))
    for days in range(1, 14):
        engine.tick(START + days * DAY_MS)
    (parked,) = (decode(value, Parked) for value in engine.latest("parked").values())
    assert (parked.stage, parked.rows) == ("cells", 1)
    monkeypatch.setattr(cells, "judge", judge)
    engine.publish_network(network(lead_days=3))
    engine.tick(START + 14 * DAY_MS)
    assert status(engine).progress is Progress.SHIPPED
    assert engine.latest("parked") == {}


def test_parked_rows_are_taken_before_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding that was stated while its incident failed, and withdrawn later, is gone."""
    advance = lives.advance
    engine, chain = LocalEngine(network()), Chain()

    def failing(*arguments):  # type: ignore[no-untyped-def]
        raise ArithmeticError("an incident cannot be advanced")

    engine.send(chain.placed("PO-1", START, due_days=30))
    for hours in range(1, 98, 12):
        beat(engine, chain, START + hours * HOUR_MS)
        if hours == 49:
            monkeypatch.setattr(incidents, "advance", failing)
    assert engine.latest("parked")
    monkeypatch.setattr(incidents, "advance", advance)
    engine.send(chain.confirmed("PO-1", START + 100 * HOUR_MS, due_days=30))
    beat(engine, chain, START + 100 * HOUR_MS)
    assert engine.latest("parked") == {}
    assert "unconfirmed" not in open_rules(engine)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_crashes_between_chunks_of_a_tick_change_no_byte(seed: int) -> None:
    """Workers die before some of their commits, also while the network changes."""

    def run(*, crashes: bool) -> list[tuple[str, bytes, bytes | None]]:
        chance = random.Random(seed)
        engine = LocalEngine(network(), partitions=2)

        def failpoint(moment: str) -> None:
            if crashes and moment == "before commit" and chance.random() < 0.05:
                raise InterruptedError

        def restart() -> None:
            settings = WorkerSettings(
                "slipwatch", "local", runs_ticker=False, keys_per_chunk=3, facts_per_chunk=7,
                failpoint=failpoint,
            )  # fmt: skip
            while True:
                try:
                    engine.replace_worker(Worker(engine.log, settings, ManualClock(START)))
                except InterruptedError:
                    continue
                return

        restart()
        for index, (at, facts) in enumerate(by_tick(story(seed, orders=8), ticks=20)):
            for fact in facts:
                engine.send(fact)
            if index in (9, 14):
                engine.publish_network(network(joined=index == 14, lead_days=3))
            engine.begin(at)
            while True:
                try:
                    engine.settle()
                    break
                except InterruptedError:
                    restart()
        return sorted(
            (topic, each.key or b"", each.value)
            for topic in ("order-status", "alerts", "decisions", "notifications")
            for each in engine.outputs(topic)
        )

    assert run(crashes=True) == run(crashes=False)


def policy_for(*recipients: str) -> Policy:
    document = policies.DEFAULT.document
    pattern = document.recipients[0]
    return policies.build(
        msgspec.structs.replace(
            document,
            recipients=tuple(
                msgspec.structs.replace(
                    pattern,
                    id=each,
                    audience="operations" if each.startswith("op") else "account_manager",
                )
                for each in recipients
            ),
        )
    )


def test_who_joins_hears_of_what_is_open() -> None:
    engine, chain = LocalEngine(network(), policy_for("operations", "am-new")), Chain()
    engine.send(chain.placed("PO-1", START, due_days=30))
    for hours in range(1, 98, 6):
        beat(engine, chain, START + hours * HOUR_MS)
    assert told(engine) == {"operations"}
    engine.publish_policy(policy_for("operations", "op-two", "am-new"))
    beat(engine, chain, START + 99 * HOUR_MS)
    assert told(engine) == {"operations", "op-two"}
    document = network().document
    accounts = tuple(
        msgspec.structs.replace(each, account_manager="am-new") for each in document.accounts
    )
    engine.publish_network(build(msgspec.structs.replace(document, accounts=accounts)))
    beat(engine, chain, START + 100 * HOUR_MS)
    assert told(engine) == {"operations", "op-two", "am-new"}


def test_a_rhythm_that_makes_the_silence_normal_takes_blindness_back() -> None:
    engine, chain = LocalEngine(network()), Chain()
    beat(engine, chain, START + HOUR_MS)
    engine.tick(START + 2 * DAY_MS)
    assert open_rules(engine) == {"feed_blind"}
    document = network().document
    feeds = tuple(msgspec.structs.replace(each, every_ms=30 * DAY_MS) for each in document.feeds)
    engine.publish_network(build(msgspec.structs.replace(document, feeds=feeds)))
    engine.tick(START + 2 * DAY_MS + HOUR_MS)
    assert open_rules(engine) == set()


def test_a_promise_that_moves_in_one_confirmation_moves_from_where_it_first_was() -> None:
    engine, chain = LocalEngine(network()), Chain()
    engine.send(chain.placed("PO-1", START, due_days=30))
    for turn, days in enumerate((10, 17, 24)):
        fact = chain.confirmed("PO-1", START + turn * HOUR_MS, due_days=days)
        assert isinstance(fact, OrderFact)
        engine.send(msgspec.structs.replace(fact, confirmation="OC-1", schedule=1))
    engine.tick(START + 4 * HOUR_MS)
    found = status(engine)
    assert found.first_confirmed is not None
    assert found.last_confirmed is not None
    assert found.first_confirmed.on == calendar_date(START_DAY + 10)
    assert found.last_confirmed.on == calendar_date(START_DAY + 24)
    assert "promise_moved" in found.rules


def test_the_confirmation_with_the_latest_word_holds() -> None:
    engine, chain = LocalEngine(network()), Chain()
    engine.send(chain.placed("PO-1", START, due_days=40))
    for hours, (name, days) in enumerate((("OC-1", 10), ("OC-2", 20), ("OC-1", 30))):
        fact = chain.confirmed("PO-1", START + hours * HOUR_MS, due_days=days)
        assert isinstance(fact, OrderFact)
        engine.send(msgspec.structs.replace(fact, confirmation=name, schedule=1))
    engine.tick(START + 4 * HOUR_MS)
    found = status(engine)
    assert found.first_confirmed is not None
    assert found.last_confirmed is not None
    assert found.first_confirmed.on == calendar_date(START_DAY + 10)
    assert found.last_confirmed.on == calendar_date(START_DAY + 30)


def test_a_number_that_is_full_refuses_more_lines_visibly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LINES_PER_NUMBER_MAX", 2)
    engine, chain = LocalEngine(network()), Chain()
    for line in ("10", "20", "30"):
        engine.send(chain.packed("PO-1", "S1", START, line=line))
    engine.tick(START + HOUR_MS)
    (letter,) = (decode(value, DeadLetter) for value in engine.latest("dead-letters").values())
    assert (letter.reason, letter.value) == ("number_full", b"LACME/PO-1#30")


def test_a_fact_that_is_refused_for_several_lines_gives_as_many_dead_letters() -> None:
    engine, chain = LocalEngine(network()), Chain()
    for line in ("10", "20"):
        engine.send(chain.placed("PO-1", START, line=line))
        engine.send(chain.packed("PO-1", "S1", START + HOUR_MS, line=line))
        engine.send(
            chain.delivered("PO-1", START + 2 * HOUR_MS, line=line, quantity=100, shipment="S1")
        )
    engine.tick(START + 3 * HOUR_MS)
    engine.tick(START + 20 * DAY_MS)
    engine.send(chain.moved("exception", "S1", START + 20 * DAY_MS, site="OSLO", reason="x"))
    engine.tick(START + 20 * DAY_MS + HOUR_MS)
    letters = [decode(value, DeadLetter) for value in engine.latest("dead-letters").values()]
    assert [each.reason for each in letters] == ["too_late", "too_late"]
    assert len({each.id for each in letters}) == 2


def test_a_closed_line_stays_while_a_backlog_is_read() -> None:
    engine, chain = LocalEngine(network(), fact_partitions=1), Chain()
    engine.send(chain.placed("PO-1", START))
    engine.send(chain.delivered("PO-1", START + HOUR_MS, quantity=100))
    engine.tick(START + 2 * HOUR_MS)
    for hours in range(20):
        engine.send(chain.moved("eta", "X", START + hours * HOUR_MS, eta_at=START + 9 * DAY_MS))
    engine.send(chain.delivered("PO-1", START + 3 * DAY_MS, quantity=1))
    engine.publish_network(network(lead_days=3))
    engine.limit_facts_per_tick(5)
    engine.tick(START + 20 * DAY_MS)
    assert engine.latest("dead-letters") == {}


def test_the_last_tick_is_found_behind_any_number_of_aborted_ones() -> None:
    engine = LocalEngine(network())
    for days in range(1, 6):
        engine.tick(START + days * DAY_MS)
    producer = engine.log.transactional_producer("slipwatch-ticker")
    for _ in range(60):
        producer.begin()
        producer.produce("ticks", 0, None, b"never")
        producer.abort()
    control = Control(engine.log)
    control.open(5.0)
    assert control.tick is not None
    assert control.tick.n == 5
    engine.close()
    assert LocalEngine(log=engine.log).cut(START + 6 * DAY_MS).n == 6


class WallOfManualClock(ManualClock):
    """A clock that claims to be the wall's."""

    is_wall = True


def test_a_clock_that_jumps_stops_the_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(network())
    clock = WallOfManualClock(START)
    worker = Worker(engine.log, WorkerSettings("jump", "jump", runs_ticker=False), clock)
    worker.open()
    ticker = worker.make_ticker()
    ticker._settings = dataclasses.replace(ticker._settings, interval_ms=0)
    ticker.open()
    assert ticker.step()
    skew = 2 * CLOCK_SKEW_MAX_MS
    monkeypatch.setattr(engine.log, "broker_clock_skew_ms", lambda _: -skew)
    clock.set(START + skew)
    ticker._last = None
    monkeypatch.setattr(ticker, "flight", lambda: None)
    assert not ticker.step()
    assert "ahead" in ticker.trouble
