"""Lists that a reader trusts are complete: families, schema files, topics, modules."""

from __future__ import annotations

import ast
import json

from alerts.rules import RULES
from schemas import partner_records, records, registered, stock_records, ticks
from schemas.facts import FACT_TYPES, Family
from schemas.kinds import FACT_KINDS
from schemas.topics import TOPICS
from tests.architecture.sources import ROOT, Module, modules

# Started by name: the console script, and the makers of pages (`make docs`).
PAGES = (
    "schemas/docs.py",
    "alerts/catalogue.py",
    "streams/settings_page.py",
    "streams/metrics_page.py",
)
ENTRY_POINTS = ("streams/cli/", *PAGES)


def test_every_family_has_a_schema_a_struct_and_a_topic() -> None:
    families = {family.value for family in Family}
    schema_files = {path.stem for path in (ROOT / "schemas" / "avro").glob("*.avsc")}
    assert schema_files == families
    assert {family.value for family in FACT_TYPES} == families
    assert families <= {topic.name for topic in TOPICS}


def test_every_schema_names_the_fields_of_its_struct() -> None:
    for family, struct in FACT_TYPES.items():
        text = (ROOT / "schemas" / "avro" / f"{family.value}.avsc").read_text(encoding="utf-8")
        fields = [field["name"] for field in json.loads(text)["fields"]]
        assert fields == list(struct.__struct_fields__), family


def test_every_kind_of_fact_requires_fields_that_its_family_has() -> None:
    for kind in FACT_KINDS:
        fields = FACT_TYPES[kind.family].__struct_fields__
        required = {name for choice in kind.required for name in choice.split("|")}
        assert required <= set(fields), kind.name


def test_names_on_the_lists_are_unique() -> None:
    topics = [topic.name for topic in TOPICS]
    kinds = [(kind.family, kind.name) for kind in FACT_KINDS]
    assert len(topics) == len(set(topics))
    assert len(kinds) == len(set(kinds))


def test_every_json_topic_names_a_record_that_exists() -> None:
    named = {topic.name: topic.value for topic in TOPICS if topic.value.startswith("JSON, ")}
    assert named
    missing = {
        topic: value
        for topic, value in named.items()
        if " " not in value.removeprefix("JSON, ")
        and not any(
            hasattr(module, value.removeprefix("JSON, "))
            for module in (partner_records, records, registered, stock_records, ticks)
        )
    }
    assert not missing


def test_every_rule_has_the_runbook_that_its_alerts_name() -> None:
    missing = [rule.name for rule in RULES if not (ROOT / rule.runbook).is_file()]
    assert not missing


def test_every_module_is_used_by_another() -> None:
    """No module lives for its tests alone."""
    used: set[str] = set()
    for module in modules():
        used.update(path for path in _imported_paths(module) if path != module.path)
    unused = [
        module.path
        for module in modules()
        if module.path not in used
        and not module.path.endswith(("/__init__.py", "/__main__.py"))
        and not module.path.startswith(ENTRY_POINTS)
    ]
    assert not unused


def _imported_paths(module: Module) -> set[str]:
    """The files that the imports of a module name, absolute or relative to its package."""
    package = module.path.split("/")[:-1]
    paths: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = base + (node.module.split(".") if node.module else [])
            targets = [start, *([*start, alias.name] for alias in node.names)]
        else:
            continue
        paths.update("/".join(target) + ".py" for target in targets)
    return paths
