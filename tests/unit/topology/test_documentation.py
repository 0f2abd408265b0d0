"""docs/network.md says of every file and field what the loader says."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from topology.calendars import due_at_default
from topology.fields import expected_of, reference_of
from topology.load import LIMITS
from topology.network import EMPTY
from topology.rows import TABLES, Table

PAGE = Path(__file__).parents[3] / "docs" / "network.md"
START = "## Every file and field\n\n"
END = "\n## Limits\n"


def holds(field: FieldInfo) -> str:
    target = reference_of(field)
    expected = expected_of(field)
    if target:
        return f"ids in `{target}`" if expected.startswith("a list") else f"an id in `{target}`"
    text = expected.split(":")[0] if expected.startswith("an ") else expected
    return text.removesuffix(" (in CSV separated by |)")


def reference(table: Table) -> str:
    """The section of a file: required fields in bold."""
    key = " and ".join(f"`{name}`" for name in table.key)
    lines = [
        f"### {table.name}",
        "",
        f"{table.row.__doc__} No two rows have the same {key}.",
        "",
        "| field | holds | |",
        "|---|---|---|",
    ]
    for name, field in table.row.model_fields.items():
        shown = f"**`{name}`**" if field.is_required() else f"`{name}`"
        lines.append(f"| {shown} | {holds(field)} | {field.description or ''} |")
    return "\n".join(lines) + "\n"


def test_the_reference_is_that_of_the_loader() -> None:
    text = PAGE.read_text("utf-8")
    assert text.count(START) == text.count(END) == 1
    found = text[text.index(START) + len(START) : text.index(END)]
    assert found == "\n".join(reference(table) for table in TABLES)


def test_the_limits_are_those_of_the_loader() -> None:
    text = PAGE.read_text("utf-8")
    rows = [line for line in text[text.index(END) :].splitlines() if line.startswith("| `")]
    found = {line.split("`")[1]: line.split("|")[2].strip().replace(",", "") for line in rows}
    assert found == {name: str(value) for name, value in vars(LIMITS).items()}


def test_the_fallback_of_an_unknown_site_is_the_end_of_the_day_in_utc() -> None:
    assert "end of the day in UTC" in PAGE.read_text("utf-8")
    assert EMPTY.due_at("anywhere", 0) == due_at_default(0) == 24 * 60 * 60 * 1000 - 1
