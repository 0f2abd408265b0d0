"""The generated pages are what the registries say today."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.docs import PAGES, main
from schemas.kinds import FACT_KINDS
from schemas.topics import TOPICS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    found = (DOCS / f"{name}.md").read_text("utf-8")
    assert found == PAGES[name](), f"run: python -m schemas.docs {name} > docs/{name}.md"


def test_every_kind_and_topic_is_on_its_page() -> None:
    facts, topics = PAGES["facts"](), PAGES["topics"]()
    assert all(f"| `{kind.name}` | {kind.says} |" in facts for kind in FACT_KINDS)
    assert all(f"| `{topic.name}` | {topic.says} |" in topics for topic in TOPICS)


def test_the_command_writes_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts"]) == 0
    assert capsys.readouterr().out == PAGES["facts"]()
    assert main(["nothing"]) == 2
    assert "usage: python -m schemas.docs facts|topics|limits" in capsys.readouterr().err
