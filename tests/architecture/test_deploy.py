"""What is shipped for operators names only what exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.metrics import METRICS as STATUS_METRICS
from streams.metrics import DOOR_METRICS, Kind
from streams.metrics import METRICS as WORKER_METRICS
from tests.architecture.test_commands import misunderstood

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "slipwatch.rules.yaml"
DASHBOARD: Any = json.loads((ROOT / "deploy/grafana/slipwatch.json").read_text(encoding="utf-8"))
RUNBOOKS = ROOT / "docs" / "runbooks" / "system"
METRICS = (*WORKER_METRICS, *DOOR_METRICS)
LABELS = {spec.name: set(spec.labels) for spec in METRICS} | {
    spec.name: set(spec.labels) for spec in STATUS_METRICS
}
"""Metric: its labels. A scrape adds `instance`."""
HISTOGRAMS = {spec.name for spec in METRICS if spec.kind is Kind.HISTOGRAM}


def rules() -> list[dict[str, object]]:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def check_query(expression: str) -> None:
    """Every metric and label of the expression exists."""
    named = re.findall(r"\bslipwatch_\w+", expression)
    assert named, expression
    labels: set[str] = {"instance"}
    for name in named:
        whole = re.sub(r"_(bucket|sum|count)$", "", name)
        if whole in HISTOGRAMS:
            assert whole != name, f"{name} is a histogram"
            labels |= LABELS[whole] | {"le"}
        else:
            assert name in LABELS, name
            labels |= LABELS[name]
    for name, condition in re.findall(r"(slipwatch_\w+)\{(\w+)=", expression):
        assert condition in LABELS[name]
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {each.strip() for each in group.split(",")} <= labels, expression
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_metric_and_label_of_a_rule_exists(rule: dict[str, object]) -> None:
    check_query(str(rule["expr"]))


def test_every_rule_says_what_happened_and_what_to_do() -> None:
    for rule in rules():
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert {"summary", "action", "runbook"} == set(annotations)
        assert rule["labels"] in ({"severity": "warning"}, {"severity": "critical"})
        for words in re.findall(r"`slipwatch ([^`]+)`", annotations["action"]):
            assert misunderstood(words.split()) is None


def test_every_alert_on_the_system_has_its_runbook_and_no_other_is_there() -> None:
    named = {str(rule["alert"]): rule["annotations"]["runbook"] for rule in rules()}  # type: ignore[index]
    assert named == {path.stem: path.relative_to(ROOT).as_posix() for path in RUNBOOKS.glob("*.md")}


@pytest.mark.parametrize("path", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_a_runbook_says_what_to_do_with_what_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["What to do", "When it ends"]
    assert re.search(r"^1\. ", text, re.MULTILINE)
    for name in re.findall(r"\bslipwatch_\w+", text):
        assert name in LABELS
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (path.parent / target).is_file(), target


def queries() -> Iterator[tuple[str, str, str]]:
    """Of every panel of the dashboard: its title, its queries, and their legends."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize(("title", "expression", "legend"), list(queries()))
def test_every_query_of_the_dashboard_asks_for_what_exists(
    title: str, expression: str, legend: str
) -> None:
    check_query(expression)
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression))))
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= grouped, title


def test_the_panels_of_the_dashboard_say_what_they_show_and_lie_beside_each_other() -> None:
    (source,) = DASHBOARD["templating"]["list"]
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == f"${{{source['name']}}}"
        place = panel["gridPos"]
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & cells
        assert place["x"] + place["w"] <= 24
        cells |= mine
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_page_on_deployment_lists_every_file() -> None:
    listed = re.findall(
        r"`(deploy/[^`]+)`", (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    )
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "deploy").rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert set(listed) == there
