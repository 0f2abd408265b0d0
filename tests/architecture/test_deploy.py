"""What is shipped for operators names only what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from console.metrics import METRICS as STATUS_METRICS
from streams.metrics import METRICS

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "slipwatch.rules.yaml"


def rules() -> list[dict[str, object]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_metric_and_label_of_a_rule_exists(rule: dict[str, object]) -> None:
    labels = {spec.name: set(spec.labels) for spec in METRICS}
    labels |= {spec.name: set(spec.labels) for spec in STATUS_METRICS}
    expression = str(rule["expr"])
    named = re.findall(r"\bslipwatch_\w+", expression)
    assert named
    assert set(named) <= set(labels)
    for name, condition in re.findall(r"(slipwatch_\w+)\{(\w+)=", expression):
        assert condition in labels[name]


def test_every_rule_says_what_happened_and_what_to_do() -> None:
    for rule in rules():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert {"summary", "action"} == set(annotations)
        assert rule["labels"] in ({"severity": "warning"}, {"severity": "critical"})
