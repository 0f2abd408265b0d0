"""The pages that are made from the code say what the code says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from console.metrics import describe as describe_status
from streams.cli.root import command_page
from streams.metrics_page import describe
from streams.settings_page import configuration_page

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("cli.md", command_page),
        ("configuration.md", configuration_page),
        ("metrics.md", lambda: f"{describe()}\n{describe_status()}"),
    ],
)
def test_the_page_is_made_from_the_code(page: str, made: Callable[[], str]) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == made(), "run: make docs"
