"""Policy files, whatever is in them: a policy or errors with their place, never a crash."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts.loading import PolicyResult, read_policy
from alerts.policy import Policy
from alerts.rules import RULES
from tests.unit.alerts import scene

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "policies" / "default.yaml"
TEXT = EXAMPLE.read_bytes()

words = st.sampled_from(
    [rule.name for rule in RULES]
    + [each.name for rule in RULES for each in rule.parameters]
    + ["rules", "overrides", "until", "reason", "site", "recipients", "severity", "enabled"]
    + ["severity_by_days", "retention", "", "~", "-1", "1", "2026-12-31", "true", "major", "[]"]
)
values = st.recursive(
    st.one_of(words, st.integers(), st.booleans(), st.none(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=20,
)


def check(result: PolicyResult) -> None:
    assert (result.policy is None) == bool(result.errors)
    for each in (*result.errors, *result.warnings):
        assert each.file == "p.yaml"
        assert each.line >= 0
        assert each.found
        assert each.expected
        assert "\n" not in str(each)
    if result.policy is not None:
        again = Policy.from_bytes(result.policy.to_bytes())
        assert again == result.policy
        scope = again.scope(scene.NETWORK, scene.START_AT, "ACME", "OSLO", "VOLTA")
        assert set(scope.settings) == {rule.name for rule in RULES}


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(read_policy("p.yaml", data))


@given(st.text(alphabet="{}[]:,-&*!|>'\"#%@`~ \n\tab1?", max_size=60))
def test_anything_that_looks_like_yaml(text: str) -> None:
    check(read_policy("p.yaml", text.encode()))


@given(values)
def test_any_structure(value: object) -> None:
    check(read_policy("p.yaml", yaml.safe_dump(value).encode()))


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 40), st.binary(max_size=6))
def test_a_good_file_with_a_hole_or_a_patch_in_it(at: int, length: int, patch: bytes) -> None:
    check(read_policy("p.yaml", TEXT[:at] + patch + TEXT[at + length :]))
