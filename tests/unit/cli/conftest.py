"""What every test of the command line has around it."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they need, whatever terminal or runner the tests run in."""
    monkeypatch.delenv("COLUMNS", raising=False)
