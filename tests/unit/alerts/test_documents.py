"""The pages on rules and policy say what is so."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from alerts.catalogue import rules_page
from alerts.loading import load_policy, read_policy
from alerts.policy import DEFAULT
from alerts.rules import RULES

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == rules_page(), (
        "write it anew: .venv/bin/python -c "
        "'from alerts.catalogue import rules_page; print(rules_page(), end=\"\")' > docs/rules.md"
    )


def test_the_example_is_the_default_policy_written_out() -> None:
    path = ROOT / "examples" / "policies" / "default.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["rules"]
    unsaid = [
        f"{rule.name}.{key}"
        for rule in RULES
        for key in ("enabled", "severity", *(each.name for each in rule.parameters))
        if key not in written.get(rule.name, ())
    ]
    assert not unsaid
    result = load_policy(path)
    assert result.errors == ()
    assert result.warnings == ()
    assert result.policy == DEFAULT


def test_the_examples_in_the_page_on_policies_are_good() -> None:
    page = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert blocks
    seen: set[str] = set()
    for block in blocks:
        assert read_policy("policy.md", block.encode()).errors == ()
        seen |= set(yaml.safe_load(block))
    example = (ROOT / "examples" / "policies" / "default.yaml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(example)) <= seen, "each part of a policy is shown"
