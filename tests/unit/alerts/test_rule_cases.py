"""Every case of tests/rules, and that no rule is without its words, its cases and its runbook.

A case is a line as its ledger sums it up (see `scene.line`), or the facts of a stock node and the
lines that it serves (see `stock_scene`), or lines of one customer (see `price_scene`), the moment,
and what is expected of one rule: outcome and reason, and of the rest what the case names.
`next_fire_at: none` says that time alone changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.findings import RuleVerdict, Threshold
from alerts.judgement import judge, judge_feed
from alerts.lines import FeedState
from alerts.policy import DEFAULT, build, complete
from alerts.rhythm import rhythm_of
from alerts.rules import FEED_BLIND, PRICE_RULES, RULES, STOCK_RULES, Rule
from alerts.rules.feeds import Rhythm
from alerts.status import feed_verdict_records, verdict_records
from alerts.terms import Document
from alerts.texts import UNKNOWN
from schemas.records import Outcome, Verdict
from schemas.units import HOUR_MS, MINUTE_MS
from tests.unit.alerts import price_scene, scene, stock_scene
from topology import model


class CaseLoader(yaml.SafeLoader):
    """YAML in which dates stay the text that they are written as."""


CaseLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "tests" / "rules").glob("*.yaml"))


PRICE_RULE_NAMES = {rule.name for rule in PRICE_RULES}
STOCK_RULE_NAMES = {rule.name for rule in STOCK_RULES}
BALANCE_RULES = {"shortage_projected", "below_safety_stock", "overstock"}
"""Rules that are blind with any source of the node, whatever its last word was about."""


def read(rule: str) -> list[dict[str, Any]]:
    """The cases of a rule."""
    text = (ROOT / "tests" / "rules" / f"{rule}.yaml").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = yaml.load(text, CaseLoader)
    return found


def cases() -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}: {case['name']}")
        for file in FILES
        for case in read(file.stem)
    ]


def verdict_of(rule: str, case: dict[str, Any]) -> tuple[RuleVerdict, Verdict]:
    """The rule's verdict and its record."""
    now = scene.moment(case["now"])
    by = scene.policy(rule, case.get("settings"))
    if rule == FEED_BLIND.name:
        state = scene.feeds(now, case["feeds"])[case["source"]]
        judgement = judge_feed(state, scene.NETWORK, by, now, case.get("complete", True))
        (verdict,) = judgement.verdicts
        (record,) = feed_verdict_records(state, (verdict,), scene.NETWORK, by)
        return verdict, record
    if rule in STOCK_RULE_NAMES:
        return stock_scene.verdict_of(rule, case, by)
    if rule in PRICE_RULE_NAMES:
        return price_scene.verdict_of(rule, case, by)
    states = scene.feeds(now, case.get("feeds"))
    held = tuple(case.get("held", ()))
    context = scene.context(scene.line(case.get("line")), now, states, by, held)
    verdicts = judge(context, ()).verdicts
    (verdict,) = (each for each in verdicts if each.rule == rule)
    (record,) = verdict_records(context, (verdict,))
    return verdict, record


@pytest.mark.parametrize(("rule", "case"), cases())
def test_case(rule: str, case: dict[str, Any]) -> None:
    verdict, record = verdict_of(rule, case)
    finding = verdict.finding
    found: dict[str, Any] = {
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "feed": verdict.feed,
        "text": record.text,
        "threshold": record.threshold,
        "threshold_source": record.threshold_source,
        "next_fire_at": "none",
    }
    if verdict.next_fire_at is not None:
        found["next_fire_at"] = verdict.next_fire_at
    if finding is not None:
        found |= {
            "days": finding.days,
            "severity": finding.severity.value,
            "incident": finding.key,
            "value_minor": finding.value_minor,
        }
    expected = dict(case["expect"])
    if expected.get("next_fire_at", "none") != "none":
        expected["next_fire_at"] = scene.moment(expected["next_fire_at"])
    if "threshold_source" in expected and expected["threshold_source"] is not None:
        found["threshold_source"] = str(found["threshold_source"]).partition(": ")[2]
    assert {name: found.get(name) for name in expected} == expected
    assert "{" not in record.text
    assert UNKNOWN not in record.text.replace("since unknown", "")
    assert record.text[0].isupper() or record.text[0].isdigit() or verdict.feed
    assert record.text.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_cases_words_units_and_a_runbook(rule: Rule[Any]) -> None:
    found = [case["expect"]["outcome"] for case in read(rule.name)]
    assert found.count("fires") >= 2
    assert len(found) - found.count("fires") >= 3
    assert len(rule.doc.split()) >= 10
    for parameter in rule.parameters:
        assert parameter.name.endswith((f"_{parameter.unit}", "_percentile"))
        assert parameter.minimum <= parameter.default <= parameter.maximum
        assert parameter.says.endswith(".")
    runbook = ROOT / rule.runbook
    assert runbook.is_file()
    assert len(runbook.read_text(encoding="utf-8").split()) >= 60


@pytest.mark.parametrize(
    "rule", [each for each in RULES if each.rests_on_absence], ids=lambda rule: rule.name
)
def test_every_rule_on_absence_has_a_case_of_not_seeing(rule: Rule[Any]) -> None:
    reasons = [case["expect"]["reason"] for case in read(rule.name)]
    if rule is FEED_BLIND:
        assert "no_rhythm" in reasons
    elif rule.name in BALANCE_RULES:
        assert {"blind_feed", "held_back"} <= set(reasons)
    else:
        assert {"blind_feed", "awaiting_feed", "held_back", "not_due"} <= set(reasons)


def test_no_file_is_of_no_rule() -> None:
    assert {file.stem for file in FILES} == {rule.name for rule in RULES}


def test_a_source_that_is_not_known_to_be_blind_is_not_restated() -> None:
    """Its ledger hears every word; what is judged here must not change with each of them."""
    heard = [FeedState("kestrel", scene.moment(f"2026-03-02 0{hour}:00")) for hour in (1, 2)]
    verdicts = [
        judge_feed(each, scene.NETWORK, DEFAULT, scene.moment("2026-03-02 03:00"), True)
        for each in heard
    ]
    assert verdicts[0].verdicts == verdicts[1].verdicts
    assert verdicts[0].verdicts[0].outcome is Outcome.SILENT


def test_a_source_without_a_rhythm_of_its_own_is_held_to_the_policys() -> None:
    by = build(complete(Document(feed_every_hours=24, feed_grace_hours=1)))
    now = scene.moment("2026-03-02 08:00")
    known = [FeedState("somebody", now), FeedState("kestrel", now)]
    default, declared = (
        feed_verdict_records(
            each, judge_feed(each, scene.NETWORK, by, now, True).verdicts, scene.NETWORK, by
        )[0]
        for each in known
    )
    assert (default.reason, default.threshold) == ("heard", "25 hours")
    assert default.threshold_source == f"policy {by.version}: undeclared_feeds"
    assert (declared.threshold, declared.threshold_source) == (
        "4 hours",
        "network: feed kestrel, interval and grace",
    )


@pytest.mark.parametrize(
    ("every_ms", "expected"),
    [(90 * MINUTE_MS, "90 minutes"), (MINUTE_MS, "1 minute"), (72 * HOUR_MS, "3 days")],
)
def test_a_rhythm_is_told_exactly(every_ms: int, expected: str) -> None:
    feed = model.Feed(id="press", party="ACME", families=scene.BOTH, every_ms=every_ms)
    network, state = scene.network(feed), FeedState("press", scene.START_AT)
    found = judge_feed(state, network, DEFAULT, scene.START_AT, True).verdicts
    (record,) = feed_verdict_records(state, found, network, DEFAULT)
    assert record.threshold == expected


def test_the_working_days_of_a_daily_run_are_named() -> None:
    feed = model.Feed(
        id="press",
        party="ACME",
        families=scene.BOTH,
        daily_at_minutes=18 * 60 + 5,
        zone="Asia/Shanghai",
        calendar="weekdays",
    )
    rhythm = rhythm_of(FeedState("press", scene.START_AT), scene.network(feed), DEFAULT)
    assert rhythm == Rhythm(
        Threshold(
            0,
            "network: feed press, grace after its run at 18:05 Asia/Shanghai on working days of "
            "weekdays",
        ),
        True,
    )
