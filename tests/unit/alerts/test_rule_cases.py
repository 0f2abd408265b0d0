"""Every case of tests/rules, and that no rule is without its words, its cases and its runbook.

A case is a line as its ledger sums it up (see `scene.line`), the moment, and what is expected of
one rule: outcome and reason, and of the rest what the case names. `next_fire_at: none` says that
time alone changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.findings import RuleVerdict
from alerts.judgement import judge, judge_feed
from alerts.lines import FeedState
from alerts.policy import DEFAULT
from alerts.rules import FEED_BLIND, RULES, Rule
from alerts.status import feed_verdict_records, verdict_records
from alerts.texts import UNKNOWN
from schemas.records import Outcome, Verdict
from tests.unit.alerts import scene


class CaseLoader(yaml.SafeLoader):
    """YAML in which dates stay the text that they are written as."""


CaseLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "tests" / "rules").glob("*.yaml"))


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
