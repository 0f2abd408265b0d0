"""Sources learn their rhythm, and one of which too many records are refused is in quarantine."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import policy as policies
from alerts.lines import FeedState, Quarantined
from alerts.loading import load_policy
from alerts.policy import Policy
from alerts.quarantine import counted, quarantined
from alerts.rhythm import DAYS_MIN, SPAN_DAYS_MIN, Silences, listened, usual_hours
from alerts.terms import LearnedFeeds, Quarantine
from schemas.facts import Fact, Family
from schemas.limits import QUARANTINE_HOURS_MAX, RHYTHM_DAYS_MAX
from schemas.partner_sources import partner_source
from schemas.records import Alert, AlertState, Decision, FeedStatus, Outcome, Verdict, decode
from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from streams.engine.local import LocalEngine
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from streams.stages.sources import SourceState
from tests.scenario import START, Chain, network
from topology.model import Feed
from topology.network import build

STARTING = Path(__file__).resolve().parents[3] / "examples" / "policies" / "starting.yaml"
SOURCE = "acme-erp"
"""The network declares no rhythm of it."""


def policy(learned: LearnedFeeds | None = None, quarantine: Quarantine | None = None) -> Policy:
    return policies.build(
        msgspec.structs.replace(
            policies.DEFAULT.document,
            learned_feeds=learned or LearnedFeeds(),
            quarantine=quarantine or policies.DEFAULT.document.quarantine,
        )
    )


LEARNS = policy(LearnedFeeds(factor_percent=150))


def feed(engine: LocalEngine, source: str = SOURCE) -> FeedStatus:
    return decode(engine.latest("feeds")[source.encode()], FeedStatus)


def speaks(engine: LocalEngine, chain: Chain, at: UtcMillis) -> None:
    engine.send(chain.placed(f"PO-{at}", at, due_days=300))
    engine.tick(at)


def spoken(by: Policy, days: int = 10) -> tuple[LocalEngine, Chain]:
    """A source that speaks every six hours by day, and once is out for three days."""
    engine, chain = LocalEngine(network(), by, partitions=2), Chain()
    for day in (*range(4), *range(7, 7 + days)):
        for hour in (6, 12, 18):
            speaks(engine, chain, START + day * DAY_MS + hour * HOUR_MS)
    return engine, chain


LAST = START + 16 * DAY_MS + 18 * HOUR_MS


def test_silence_past_what_was_learned_makes_a_source_blind() -> None:
    engine, chain = spoken(LEARNS)
    assert feed(engine).learned_hours == 12, "its nights, and not the three days"
    engine.tick(LAST + 18 * HOUR_MS - 1)
    assert not feed(engine).blind
    engine.tick(LAST + 18 * HOUR_MS)
    assert feed(engine).blind
    said = [decode(each.value or b"", Decision) for each in engine.outputs("decisions")]
    (verdict,) = [each for d in said if d.subject == SOURCE for each in d.verdicts if each.alert_id]
    assert verdict.threshold == "18 hours"
    assert verdict.threshold_source == (
        f"policy {LEARNS.version}: learned_feeds, from 12 hours learned as usual"
    )
    speaks(engine, chain, LAST + 20 * HOUR_MS)
    assert not feed(engine).blind


def test_with_the_policy_to_begin_with_a_source_that_declares_nothing_turns_blind() -> None:
    read = load_policy(STARTING)
    assert (read.errors, read.warnings) == ((), ())
    assert read.policy is not None
    engine, _ = spoken(read.policy)
    engine.tick(LAST + 24 * HOUR_MS - 1)
    assert not feed(engine).blind
    engine.tick(LAST + 24 * HOUR_MS)
    assert feed(engine).blind, "twice the 12 hours of its nights"


def test_what_is_learned_counts_only_where_the_policy_says_so_and_then_at_once() -> None:
    engine, _ = spoken(policies.DEFAULT)
    engine.tick(LAST + 30 * DAY_MS)
    assert not feed(engine).blind
    engine.publish_policy(LEARNS)
    engine.tick(LAST + 30 * DAY_MS + 1)
    assert feed(engine).blind
    engine.publish_policy(policy(LearnedFeeds(factor_percent=150, at_least_hours=24 * 60)))
    engine.tick(LAST + 30 * DAY_MS + 2)
    assert not feed(engine).blind, "its bound allows more"


def test_a_partner_that_answers_by_the_door_is_not_held_to_what_is_usual() -> None:
    engine, chain = LocalEngine(network(), LEARNS, partitions=2), Chain()
    engine.send(chain.placed("PO-1", START, due_days=300))
    for day in range(20):
        at = START + day * DAY_MS
        confirmed = chain.confirmed("PO-1", at, due_days=300 + day)
        engine.send(msgspec.structs.replace(confirmed, source=partner_source("SUP")))
        engine.tick(at)
    assert feed(engine, partner_source("SUP")).learned_hours == 24
    engine.tick(START + 90 * DAY_MS)
    assert not feed(engine, partner_source("SUP")).blind


def test_too_little_was_heard() -> None:
    engine, _ = spoken(LEARNS, DAYS_MIN - 5)
    engine.tick(LAST + 90 * DAY_MS)
    assert (feed(engine).blind, feed(engine).learned_hours) == (False, None)


@given(st.lists(st.integers(1, 4 * DAY_MS), max_size=120))
def test_what_is_usual_is_between_the_shortest_and_the_second_longest(gaps: list[int]) -> None:
    silences, at = Silences(), START
    for gap in gaps:
        silences = listened(silences, at, at + gap)
        at += gap
    assert len(silences) <= RHYTHM_DAYS_MAX
    assert list(silences) == sorted(silences)
    usual = usual_hours(silences)
    span_days = silences[-1][0] - silences[0][0] if silences else 0
    assert (usual is None) == (len(silences) < DAYS_MIN or span_days < SPAN_DAYS_MIN)
    if usual is not None:
        assert usual <= -(-sorted(gaps)[-2] // HOUR_MS)
        assert usual >= -(-min(gaps) // HOUR_MS)


def bad(chain: Chain, order: str, at: UtcMillis) -> Fact:
    """A fact of the source that lacks what its kind needs."""
    return msgspec.structs.replace(chain.placed(order, at), item=None)


def misled(by: Policy, good: int = 13, refused: int = 37, **settings: int) -> LocalEngine:
    """A source of whose records so many are good and so many bad, told in any order."""
    partitions = settings.pop("partitions", 2)
    engine, chain = LocalEngine(network(), by, partitions=partitions, fact_partitions=3), Chain()
    if settings:
        made = WorkerSettings("slipwatch", "other", runs_ticker=False, **settings)
        engine.replace_worker(Worker(engine.log, made, engine._clock))
    facts = [chain.placed(f"PO-{n}", START) for n in range(good)]
    facts += [bad(chain, f"PO-{good + n}", START) for n in range(refused)]
    random.Random(5).shuffle(facts)
    for fact in [*facts, chain.alive("sup-erp", START)]:
        engine.send(fact)
    engine.tick(START + HOUR_MS)
    return engine


def open_alerts(engine: LocalEngine) -> list[Alert]:
    alerts = [decode(each, Alert) for each in engine.latest("alerts").values()]
    return [each for each in alerts if each.state is AlertState.OPEN]


def verdicts(engine: LocalEngine) -> list[Verdict]:
    """What the rules last said of all lines."""
    said = [decode(each.value or b"", Decision) for each in engine.outputs("decisions")]
    lines = [decision for decision in said if decision.subject.startswith("ACME/")]
    last = {(line.subject, each.rule): each for line in lines for each in line.verdicts}
    return list(last.values())


def test_a_source_with_too_many_bad_records_is_blind_and_the_others_go_on() -> None:
    engine = misled(policies.DEFAULT)
    assert (feed(engine).blind, feed(engine).quarantined) == (True, True)
    assert "in quarantine: 37 of its last 50 records were refused" in feed(engine).text
    assert not feed(engine, "sup-erp").blind
    assert len(engine.latest("order-status")) == 13, "what is good is used"
    (alert,) = open_alerts(engine)
    assert "37 of its last 50 records were refused" in str(alert)
    told = len(engine.outputs("notifications"))
    for hour in range(2, 20):
        engine.send(bad(Chain(), f"PO-9{hour}", START))
        engine.tick(START + hour * HOUR_MS)
    assert len(engine.outputs("notifications")) == told, "once"


def test_a_quarantine_ends_by_itself_when_the_bad_records_are_old() -> None:
    engine = misled(policies.DEFAULT)
    engine.tick(START + 25 * HOUR_MS - 1)
    assert feed(engine).quarantined
    engine.tick(START + 25 * HOUR_MS)
    assert (feed(engine).blind, feed(engine).quarantined) == (False, False)
    assert not [each for each in open_alerts(engine) if "quarantine" in str(each)]


def test_a_quarantine_ends_when_enough_good_records_come_and_when_the_policy_says_so() -> None:
    engine, chain = misled(policies.DEFAULT), Chain()
    for n in range(25):
        engine.send(chain.placed(f"PO-A{n}", START))
    engine.tick(START + 2 * HOUR_MS)
    assert not feed(engine).quarantined
    engine = misled(policies.DEFAULT)
    engine.publish_policy(policy(quarantine=Quarantine(share_percent=75)))
    engine.tick(START + 2 * HOUR_MS)
    assert not feed(engine).quarantined


def test_few_records_and_records_of_nobody_put_nobody_in_quarantine() -> None:
    assert not feed(misled(policies.DEFAULT, good=1, refused=18)).quarantined
    assert not feed(misled(policy(quarantine=Quarantine()))).quarantined
    engine = misled(policies.DEFAULT, good=1, refused=0)
    for n in range(40):
        engine.send_raw("orders", b"x", b"no fact %d" % n, None)
    engine.tick(START + 2 * HOUR_MS)
    assert not any(decode(v, FeedStatus).blind for v in engine.latest("feeds").values())


def test_a_source_of_which_nothing_good_came_was_not_heard() -> None:
    by = msgspec.structs.replace(policies.DEFAULT.document, feed_every_hours=1)
    engine = misled(policies.build(by), good=0, refused=19)
    assert SOURCE.encode() not in engine.latest("feeds")
    engine.tick(START + 12 * HOUR_MS)
    assert SOURCE.encode() not in engine.latest("feeds"), "its silence is nobody's"
    engine.send(bad(Chain(), "PO-99", START))
    engine.tick(START + 13 * HOUR_MS)
    assert "20 of its last 20 records" in feed(engine).text, "yet its records were counted"
    engine = misled(policies.DEFAULT, good=0, refused=19)
    speaks(engine, Chain(), START + 2 * HOUR_MS)
    assert "20 records" in feed(engine).text, "so they are of one that is heard"


def test_one_of_which_nothing_good_came_is_forgotten_unless_the_network_declares_it() -> None:
    engine = misled(policies.DEFAULT, good=0, refused=19)
    assert len(engine.latest("sources-state")) == 3
    engine.tick(START + (1 + QUARANTINE_HOURS_MAX) * HOUR_MS - 1)
    assert len(engine.latest("sources-state")) == 3
    engine.tick(START + (1 + QUARANTINE_HOURS_MAX) * HOUR_MS)
    assert len(engine.latest("sources-state")) == 2, "but the two that are declared"
    engine = misled(policies.DEFAULT, good=0, refused=19)
    declared = Feed(id=SOURCE, party="ACME", families=(Family.ORDERS,), every_ms=DAY_MS)
    document = network().document
    feeds = (declared, *document.feeds)
    engine.publish_network(build(msgspec.structs.replace(document, feeds=feeds)))
    engine.tick(START + 2 * HOUR_MS)
    assert "Heard 2026-01-05 02:00 UTC; blind if" in feed(engine).text, "waited for since then"


def test_chunks_and_partitions_change_nothing() -> None:
    whole = misled(policies.DEFAULT)
    for parts in (
        misled(policies.DEFAULT, facts_per_chunk=3),
        misled(policies.DEFAULT, partitions=1),
    ):
        for topic in ("feeds", "alerts"):
            assert sorted(each.value or b"" for each in parts.outputs(topic)) == sorted(
                each.value or b"" for each in whole.outputs(topic)
            )


@given(
    st.lists(st.tuples(st.integers(0, 5 * HOUR_MS), st.integers(0, 9), st.integers(0, 9))),
    st.integers(1, QUARANTINE_HOURS_MAX),
)
def test_the_share_is_that_of_the_hours_that_count(
    told: list[tuple[int, int, int]], hours: int
) -> None:
    by, at, known = Quarantine(share_percent=40, records=8, hours=hours), START, ()
    all_of_them: list[tuple[int, int, int]] = []
    for wait, good, refused in told:
        at += wait
        known = counted(known, good, refused, at)
        all_of_them.append((at // HOUR_MS, good, refused))
        within = [each for each in all_of_them if each[0] > at // HOUR_MS - hours]
        bad_ones = sum(each[2] for each in within)
        records = bad_ones + sum(each[1] for each in within)
        expected = None
        if records >= 8 and bad_ones * 100 >= 40 * records:
            expected = Quarantined(at, bad_ones, records)
        assert quarantined(known, None, by, at) == expected
        assert len(known) <= QUARANTINE_HOURS_MAX


def test_state_of_the_release_before_is_read() -> None:
    before = msgspec.msgpack.encode([1, 99, ["kestrel", 5, 4, [["orders", 3]], None]])
    read = msgspec.msgpack.decode(before, type=SourceState)
    assert read == SourceState(1, 99, FeedState("kestrel", 5, 4, (("orders", 3),)))


@pytest.mark.parametrize("heartbeats", [True, False])
def test_nothing_is_concluded_from_what_a_source_in_quarantine_does_not_say(
    heartbeats: bool,
) -> None:
    engine, chain = LocalEngine(network(heartbeats=heartbeats), partitions=2), Chain()
    engine.send(chain.placed("PO-1", START, due_days=60))

    def hours(begin: int, end: int, refused: int) -> list[str]:
        for hour in range(begin, end, 2):
            at = START + hour * HOUR_MS
            for source in ("sup-erp", "cargo-edi"):
                engine.send(chain.alive(source, at))
            for n in range(refused):
                lacks = msgspec.structs.replace(chain.confirmed("PO-1", at + n), promised_on=None)
                engine.send(lacks)
            engine.tick(at)
        return [each.cause for each in open_alerts(engine)]

    assert hours(2, 6, 0) == []
    assert hours(6, 120, 20) == ["Too many records of sup-erp are refused."]
    assert feed(engine, "sup-erp").quarantined
    (verdict,) = [each for each in verdicts(engine) if each.rule == "unconfirmed"]
    assert (verdict.outcome, verdict.reason) == (Outcome.BLIND, "quarantined_feed")
    assert verdict.text == (
        "sup-erp, which should tell, is in quarantine since 2026-01-05 06:00 UTC: too many of its "
        "records are refused."
    )
    assert hours(120, 170, 0) == ["SUP has not confirmed order ACME/PO-1."], "it is over"


def test_a_source_that_rests_at_weekends_is_not_blind_on_its_second_one() -> None:
    engine, chain = LocalEngine(network(), policy(LearnedFeeds(factor_percent=200))), Chain()
    for day in range(22):
        if day % 7 < 5:
            for hour in (8, 17):
                speaks(engine, chain, START + day * DAY_MS + hour * HOUR_MS)
        else:
            engine.tick(START + day * DAY_MS + 23 * HOUR_MS)
        assert not feed(engine).blind, day
        # Seven days are not enough: it is told what is usual once it has shown two weekends.
        assert feed(engine).learned_hours == (None if day < 14 else 63), day
    engine.tick(START + 27 * DAY_MS)
    assert feed(engine).blind
