"""Judging depends on facts and on time only as it says it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts.chases import ChaseReason
from alerts.context import Judgement, LineContext
from alerts.evidence import refusal_of
from alerts.findings import AWAITING_FEED, RuleVerdict
from alerts.judgement import judge
from alerts.lines import FeedState, LineSummary
from alerts.policy import DEFAULT, Policy, build, complete
from alerts.rules import LINE_RULES, REFUSAL_RULES
from alerts.status import status_record, verdict_records
from alerts.terms import Chase, Chasing, Document
from schemas.records import ChaseKind, Outcome, Progress, Standing, encode
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, iso
from tests.unit.alerts import scene

START = scene.moment("2026-03-01 08:00")
END = START + 120 * DAY_MS

moments = st.integers(0, 120 * 24 * 2).map(lambda half_hours: START + half_hours * HOUR_MS // 2)
texts = moments.map(lambda at: iso(at)[:16].replace("T", " "))
dates = moments.map(lambda at: iso(at)[:10])
promises = st.one_of(dates, texts)
amounts = st.sampled_from([0, 1, 30, 50, 70, 100, 110])


def place(site: str) -> st.SearchStrategy[str]:
    return texts.map(lambda text: f"{text} @{site}")


legs = st.fixed_dictionaries(
    {"shipment": st.sampled_from(["KESTREL/77", "KESTREL/78", "VOLTA/5"])},
    optional={
        "carrier": st.sampled_from(["KESTREL", "VOLTA", None]),
        "packed": amounts,
        "packed_at": texts,
        "departed": place("SHANGHAI"),
        "arrived": st.one_of(place("ROTTERDAM"), place("OSLO")),
        "eta": promises,
        "exception": place("ROTTERDAM").map(lambda text: f"{text} !CONGESTION"),
        "delivered": place("OSLO"),
        "delivered_quantity": amounts,
        "short": amounts,
        "over": amounts,
        "damaged": amounts,
    },
)
lines = st.fixed_dictionaries(
    {},
    optional={
        "promise": promises,
        "first_promise": promises,
        "requested": promises,
        "confirmed": amounts,
        "ordered": amounts,
        "cancelled": amounts,
        "placed": st.one_of(st.none(), texts),
        "schedules": st.lists(
            st.fixed_dictionaries({"quantity": amounts, "promise": dates}), min_size=2, max_size=3
        ),
        "rejected": texts,
        "closed": texts,
        "closed_by": st.sampled_from(["acme-erp", "volta-erp"]),
        "taken_over": texts,
        "cancelled_at": texts,
        "supplier": st.sampled_from(["VOLTA", "NOBODY", None]),
        "ship_from": st.sampled_from(["SHANGHAI", "ELSEWHERE", None]),
        "legs": st.lists(legs, max_size=3, unique_by=lambda each: each["shipment"]),
    },
)
summaries = lines.filter(lambda each: "promise" in each or "first_promise" not in each).map(
    scene.line
)
states = st.fixed_dictionaries(
    {},
    optional={
        name: st.one_of(
            st.just("never heard"),
            st.fixed_dictionaries(
                {"heard_at": texts}, optional={"complete_to": texts, "blind_since": texts}
            ),
        )
        for name in ("volta-erp", "kestrel", "oslo-nightly")
    },
).map(lambda given: scene.feeds(END, given))

OVERRIDDEN = scene.policy(
    "unconfirmed", {"override": {"site": "OSLO", "until": "2026-03-20", "limit_hours": 96}}
)
ASKING = build(
    complete(
        Document(
            chasing=Chasing(confirmation=Chase(hours=24), promise=Chase(hours=96, times_max=4))
        )
    )
)
policies = st.sampled_from([DEFAULT, OVERRIDDEN, ASKING])


def context(
    summary: LineSummary, now: UtcMillis, feeds: Mapping[str, FeedState], by: Policy, **more: Any
) -> LineContext:
    return LineContext(summary, scene.NETWORK, by, now, feeds, **more)


def said(judgement: Judgement, by: LineContext) -> tuple[object, ...]:
    """Everything that others see of a judgement."""
    return (
        judgement.verdicts,
        judgement.findings,
        judgement.progress,
        judgement.standing,
        judgement.next_step,
        judgement.feeds,
        judgement.waits,
        judgement.ask,
        encode(status_record(by, judgement, 0, 0)),
        verdict_records(by, judgement.verdicts),
    )


@given(summaries, states, policies, moments, st.floats(0, 1))
def test_a_judgement_holds_until_the_moment_that_it_names(
    summary: LineSummary,
    feeds: Mapping[str, FeedState],
    by: Policy,
    now: UtcMillis,
    share: float,
) -> None:
    first = context(summary, now, feeds, by)
    judgement = judge(first, ())
    until = judgement.next_fire_at if judgement.next_fire_at is not None else END + 400 * DAY_MS
    assert until > now
    later = min(until - 1, now + int((until - now) * share))
    for moment in (later, until - 1):
        again = context(summary, moment, feeds, by)
        assert said(judge(again, judgement.verdicts), again) == said(judgement, first)


@given(summaries, states, policies, moments)
def test_a_silence_is_over_when_it_says_so(
    summary: LineSummary, feeds: Mapping[str, FeedState], by: Policy, now: UtcMillis
) -> None:
    verdicts = judge(context(summary, now, feeds, by), ()).verdicts
    for verdict in verdicts:
        at = verdict.next_fire_at
        if verdict.outcome is not Outcome.SILENT or at is None:
            continue
        then = {each.rule: each for each in judge(context(summary, at, feeds, by), ()).verdicts}
        assert then[verdict.rule] != verdict
        before = judge(context(summary, at - 1, feeds, by), ()).verdicts
        assert next(each for each in before if each.rule == verdict.rule) == verdict


@given(summaries, states, policies, moments)
def test_every_rule_answers_and_every_silence_has_a_reason(
    summary: LineSummary, feeds: Mapping[str, FeedState], policy: Policy, now: UtcMillis
) -> None:
    by = context(summary, now, feeds, policy)
    judgement = judge(by, ())
    chases = list(ChaseKind) if policy is ASKING else []
    assert [each.rule for each in judgement.verdicts] == [*(r.name for r in LINE_RULES), *chases]
    for verdict, record in zip(
        judgement.verdicts, verdict_records(by, judgement.verdicts), strict=True
    ):
        assert verdict.reason
        assert record.text.endswith(".")
        assert (verdict.finding is not None) == (verdict.outcome is Outcome.FIRES)
        if verdict.outcome is Outcome.BLIND:
            assert verdict.feed in judgement.feeds
        if verdict.reason == AWAITING_FEED:
            assert verdict.feed in judgement.feeds
            assert verdict.next_fire_at is not None or judgement.waits
    if refusal_of(summary, by.network) is not None:
        told = {each.name for each in REFUSAL_RULES}
        assert {each.rule for each in judgement.findings} <= told
    elif judgement.progress in (Progress.REJECTED, Progress.CANCELLED, Progress.CLOSED):
        assert judgement.findings == ()
        assert judgement.next_fire_at is None
        assert judgement.ask is None


@given(summaries, states, moments)
def test_verdicts_survive_being_stored(
    summary: LineSummary, feeds: Mapping[str, FeedState], now: UtcMillis
) -> None:
    verdicts = judge(context(summary, now, feeds, DEFAULT), ()).verdicts
    stored = msgspec.msgpack.encode(verdicts)
    restored = msgspec.msgpack.decode(stored, type=tuple[RuleVerdict, ...])
    assert restored == verdicts
    assert [hash(each) for each in restored] == [hash(each) for each in verdicts]


@given(summaries, summaries, states, moments)
def test_an_incomplete_cut_concludes_nothing_from_absence(
    before: LineSummary, after: LineSummary, feeds: Mapping[str, FeedState], now: UtcMillis
) -> None:
    previous = judge(context(before, now, feeds, DEFAULT), ()).verdicts
    known = {each.rule: each for each in previous}
    judgement = judge(context(after, now + DAY_MS, feeds, DEFAULT, complete=False), previous)
    if judgement.progress in (Progress.REJECTED, Progress.CANCELLED, Progress.CLOSED):
        return
    for rule in LINE_RULES:
        if rule.rests_on_absence:
            found = next(each for each in judgement.verdicts if each.rule == rule.name)
            assert found == known[rule.name]
    assert judgement.next_fire_at is not None


@given(summaries, summaries, states, moments)
def test_an_incomplete_cut_asks_no_more_than_before(
    before: LineSummary, after: LineSummary, feeds: Mapping[str, FeedState], now: UtcMillis
) -> None:
    previous = judge(context(before, now, feeds, ASKING), ())
    judgement = judge(
        context(after, now + 9 * DAY_MS, feeds, ASKING, complete=False), previous.verdicts
    )
    asked = {
        each.rule: each.value for each in previous.verdicts if each.reason == ChaseReason.ASKED
    }
    for verdict in judgement.verdicts:
        if verdict.reason == ChaseReason.ASKED:
            assert verdict.value == asked[verdict.rule]
    again = judge(context(before, now, feeds, ASKING, complete=False), previous.verdicts)
    assert again.ask == previous.ask


@given(summaries, states, moments)
def test_with_nothing_known_before_an_incomplete_cut_raises_nothing_from_absence(
    summary: LineSummary, feeds: Mapping[str, FeedState], now: UtcMillis
) -> None:
    judgement = judge(context(summary, now, feeds, DEFAULT, complete=False), ())
    resting = {rule.name for rule in LINE_RULES if rule.rests_on_absence}
    assert not resting & {each.rule for each in judgement.findings}


@given(summaries, moments)
def test_what_waits_for_a_blind_source_is_neither_on_time_nor_concluded_late(
    summary: LineSummary, now: UtcMillis
) -> None:
    heard_at = START - DAY_MS
    blind = {name: FeedState(name, heard_at, heard_at, (), START) for name in scene.NETWORK.feeds}
    judgement = judge(context(summary, now, blind, DEFAULT), ())
    step = judgement.next_step
    assume(step is not None and set(step.feeds) & set(blind))
    # What was delivered late is told for a while only, but stays late.
    assume(not any(leg.delivered for leg in summary.legs))
    resting = {rule.name for rule in LINE_RULES if rule.rests_on_absence}
    assert judgement.standing is not Standing.ON_TIME
    if judgement.standing is not Standing.BLIND:
        told = [each for each in judgement.findings if each.rule not in resting]
        assert told, "only what was told speaks louder than a silent source"


@given(summaries, states, policies, moments)
def test_while_facts_hide_nothing_new_is_concluded_and_nothing_is_taken_back(
    summary: LineSummary, feeds: Mapping[str, FeedState], by: Policy, now: UtcMillis
) -> None:
    held = ("orders", "payments", "shipments")
    resting = {rule.name for rule in LINE_RULES if rule.rests_on_absence}
    hidden = judge(context(summary, now, feeds, by, held_families=held), ())
    assert not resting & {each.rule for each in hidden.findings}
    assert hidden.ask is None
    seen = judge(context(summary, now, feeds, by), ())
    kept = judge(context(summary, now, feeds, by, held_families=held), seen.verdicts)
    assert kept.findings == seen.findings
    assert kept.ask == seen.ask
