"""Shadow mode: everything is decided as ever, nobody is told, and its end is one summary each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from alerts import policy as policies
from alerts.policy import Policy
from alerts.summary import LISTED_MAX, SUMMARY
from alerts.terms import FORMAT, Recipient
from schemas.records import (
    Alert,
    AlertState,
    Decision,
    DecisionKind,
    Notification,
    Severity,
    decode,
)
from schemas.units import DAY_MS, HOUR_MS
from streams.engine.local import LocalEngine
from streams.engine.log import TransactionAborted
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from tests.scenario import START, Chain, by_tick, network, story

ON_AT, OFF_AT, TICKS = 7, 15, 24
PEOPLE = ("operations", "am-nordics")


def policy(*, shadow: bool, people: tuple[str, ...] = PEOPLE) -> Policy:
    document = msgspec.structs.replace(
        policies.DEFAULT.document,
        recipients=tuple(
            Recipient(
                id=each,
                audience="account_manager" if each.startswith("am") else "operations",
                sinks=("hook", "log"),
                minimum_severity=Severity.INFO,
            )
            for each in people
        ),
    )
    if shadow:
        document = msgspec.structs.replace(document, format=FORMAT, shadow=True)
    return policies.build(document)


def run(
    seed: int, on_at: int = ON_AT, off_at: int = OFF_AT, change: Callable[[LocalEngine], None] = id
) -> LocalEngine:  # fmt: skip
    """The story, with shadow mode from one tick to before another; `on_at` 0 is the beginning."""
    engine = LocalEngine(network(), policy(shadow=on_at == 0), partitions=2)
    change(engine)
    for number, (at, facts) in enumerate(by_tick(story(seed, orders=20))[:TICKS]):
        for fact in facts:
            engine.send(fact)
        if number in (on_at, off_at):
            engine.publish_policy(policy(shadow=number == on_at))
        engine.tick(at)
    return engine


def told(engine: LocalEngine) -> list[Notification]:
    return [
        decode(each.value, Notification) for each in engine.outputs("notifications") if each.value
    ]


def off_tick(engine: LocalEngine) -> int:
    return next(each.tick for each in told(engine) if each.event == SUMMARY)


def open_at(engine: LocalEngine, tick: int) -> dict[str, Alert]:
    latest: dict[str, Alert] = {}
    for each in engine.outputs("alerts"):
        alert = decode(each.value or b"", Alert)
        if alert.tick <= tick:
            latest[alert.alert_id] = alert
    return {name: each for name, each in latest.items() if each.state is AlertState.OPEN}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("on_at", [0, ON_AT])
def test_it_decides_as_ever_tells_nobody_and_ends_with_one_summary(seed: int, on_at: int) -> None:
    ever, shadow = run(seed, -1, -1), run(seed, on_at)
    as_ever, was_told = told(ever), told(shadow)
    off = off_tick(shadow)
    withheld = [each for each in was_told if each.shadow]
    assert withheld
    assert {each.sinks for each in withheld} == {()}
    first = min(each.tick for each in withheld)
    assert [
        msgspec.structs.replace(each, shadow=False, sinks=each.withheld_sinks, withheld_sinks=())
        for each in withheld
    ] == [each for each in as_ever if first <= each.tick < off]

    at_off = [each for each in was_told if each.tick == off]
    assert Counter(each.recipient for each in at_off) == Counter(
        {each.recipient for each in withheld}
    )
    assert {(each.event, each.shadow, each.sinks) for each in at_off} == {
        (SUMMARY, False, ("hook", "log"))
    }
    is_open = open_at(shadow, off)
    (full,) = [each for each in at_off if each.recipient == "operations"]
    listed = [line for line in full.text.splitlines() if line.startswith("- ")]
    assert all(any(f"({name})" in line for line in listed) for name in is_open)
    assert len(listed) == len(is_open) <= LISTED_MAX
    assert full.severity == max(
        (each.severity for each in is_open.values()), key=list(Severity).index
    )
    assert full.alert_id in is_open

    later = [each for each in as_ever if each.tick > off]
    assert [each for each in was_told if each.tick > off] == later
    assert [e.value for e in shadow.outputs("alerts")] == [e.value for e in ever.outputs("alerts")]


def test_every_decision_of_the_last_tick_names_the_summary() -> None:
    engine = run(1)
    off = off_tick(engine)
    summaries = {each.recipient: each.notification_id for each in told(engine) if each.tick == off}
    made = [decode(each.value or b"", Decision) for each in engine.outputs("decisions")]
    last = [d for d in made if d.tick == off and d.kind is DecisionKind.NOTICE and d.what == "told"]
    assert len(last) >= len(summaries)
    assert {(d.recipient, d.notification_id) for d in last} == set(summaries.items())
    assert {d.what for d in made if d.tick < off and d.notification_id} == {"told", "withheld"}


def test_a_last_tick_in_many_transactions_some_of_them_aborted_gives_the_same() -> None:
    count = 0

    def sabotage(moment: str) -> None:
        nonlocal count
        count += moment == "before commit"
        if moment == "before commit" and count % 3 == 0:
            raise TransactionAborted("sabotaged")

    def in_parts(engine: LocalEngine) -> None:
        settings = WorkerSettings(
            "slipwatch", "other", runs_ticker=False, keys_per_chunk=1, failpoint=sabotage
        )
        engine.replace_worker(Worker(engine.log, settings, engine._clock))

    whole, parts = run(2), run(2, change=in_parts)
    assert count > 100
    for topic in ("notifications", "decisions"):
        assert sorted(parts.outputs(topic)) == sorted(whole.outputs(topic))


def blind(engine: LocalEngine, hours: int) -> None:
    engine.tick(START + hours * HOUR_MS)


def one_feed(*, shadow: bool, people: tuple[str, ...] = PEOPLE) -> tuple[LocalEngine, Chain]:
    engine, chain = LocalEngine(network(), policy(shadow=shadow, people=people)), Chain()
    for source in ("sup-erp", "cargo-edi"):
        engine.send(chain.alive(source, START))
    blind(engine, 1)
    return engine, chain


def test_who_heard_of_what_ended_meanwhile_is_told_that_nothing_is_open() -> None:
    engine, chain = one_feed(shadow=False)
    blind(engine, 30)
    assert {each.event for each in told(engine)} == {"opened"}
    engine.publish_policy(policy(shadow=True))
    for source in ("sup-erp", "cargo-edi"):
        engine.send(chain.alive(source, START + 31 * HOUR_MS))
    blind(engine, 31)
    assert [each.event for each in told(engine) if each.shadow] == ["resolved", "resolved"]
    engine.publish_policy(policy(shadow=False))
    blind(engine, 32)
    (last,) = [each for each in told(engine) if each.tick == engine.ticks]
    assert last.title == "Nothing is open at the end of shadow mode"


def test_who_heard_nothing_and_has_nothing_open_hears_nothing() -> None:
    engine, chain = one_feed(shadow=True)
    blind(engine, 30)
    for source in ("sup-erp", "cargo-edi"):
        engine.send(chain.alive(source, START + 31 * HOUR_MS))
    blind(engine, 31)
    engine.publish_policy(policy(shadow=False))
    blind(engine, 32)
    blind(engine, 33)
    assert {each.shadow for each in told(engine)} == {True}


def test_it_may_begin_and_end_again_and_who_left_is_told_nothing() -> None:
    engine, _ = one_feed(shadow=True)
    blind(engine, 30)
    engine.publish_policy(policy(shadow=False, people=("am-nordics",)))
    blind(engine, 31)
    engine.publish_policy(policy(shadow=True))
    blind(engine, 32)
    assert {each.shadow for each in told(engine)} == {True}
    engine.publish_policy(policy(shadow=False))
    blind(engine, 33)
    (only,) = [each for each in told(engine) if not each.shadow]
    assert (only.event, only.recipient) == (SUMMARY, "operations")
    blind(engine, 34)
    assert told(engine)[-1] == only


def test_one_line_of_a_summary_stands_for_each_alert_until_there_are_too_many() -> None:
    engine, chain = LocalEngine(network(), policy(shadow=True)), Chain()
    for number in range(LISTED_MAX + 5):
        engine.send(chain.placed(f"PO-{number:02d}", START, due_days=2))
    engine.tick(START + 9 * DAY_MS)
    engine.publish_policy(policy(shadow=False))
    engine.tick(START + 9 * DAY_MS + HOUR_MS)
    is_open = open_at(engine, engine.ticks)
    (only,) = [e for e in told(engine) if e.event == SUMMARY and e.recipient == "operations"]
    assert len(is_open) > LISTED_MAX
    lines = [line for line in only.text.splitlines() if line.startswith("- ")]
    assert len(lines) == LISTED_MAX + 1
    assert lines[-1] == f"- and {len(is_open) - LISTED_MAX} more"
    assert only.title == f"{len(is_open)} alerts are open at the end of shadow mode"
