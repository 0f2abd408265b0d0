"""The rules as a page that planners read: what each says, with which parameters and severities."""

from __future__ import annotations

from typing import Any

from alerts.rules import RULES, Rule, Unit
from alerts.texts import measure

_HEAD = """# Rules

What Slipwatch looks for. Each rule judges one order line (those on stock: one item at a site; the
last one: one source; the one on prices across sites beside other lines of its customer), at every
change and whenever time alone could change the answer. It fires, or says why it is silent: with
the value, the threshold, where that comes from, and when it would next fire. `slipwatch explain`
shows this for any line.

Thresholds, severities and whether a rule is on are set in the [policy](policy.md), for all or for
an account, a region, a site or a supplier. Rules that *rest on absence* conclude something from
what nobody told. They do so only when the sources that should tell have told everything up to the
deadline; while one is silent beyond its rhythm, or in quarantine, they answer "blind", and wait
while it is behind.

Dates fall due at the end of receiving on that day at the place of delivery. Days late are calendar
days at that place.

This page is made from the rules themselves; a test keeps it true.
"""


def rules_page() -> str:
    """docs/rules.md."""
    return "\n".join([_HEAD, *(_entry(rule) for rule in RULES)])


def _entry(rule: Rule[Any]) -> str:
    runbook = rule.runbook.removeprefix("docs/")
    facts = [
        f"About: {rule.aspect.value}.",
        "Rests on absence." if rule.rests_on_absence else "Rests on what was told.",
        f"Severity: {_severities(rule)}.",
        f"[What to do when it fires]({runbook}).",
    ]
    lines = [f"## {rule.name}", "", rule.doc, "", " ".join(facts), ""]
    if rule.parameters:
        lines += ["| parameter | default | from | to | what it says |", "|---|---|---|---|---|"]
        lines += [
            f"| `{each.name}` | {each.default} | {each.minimum} | {each.maximum} | {each.says} |"
            for each in rule.parameters
        ]
        lines.append("")
    return "\n".join(lines)


def _severities(rule: Rule[Any]) -> str:
    steps = [
        f"{severity.value} from {measure(days, Unit.DAYS)} on"
        for days, severity in rule.severity_by_days
    ]
    return ", ".join([rule.severity.value, *steps])
