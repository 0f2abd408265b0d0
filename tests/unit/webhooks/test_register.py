"""The register: how many parties it takes, and that only one may change it at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from schemas import limits
from streams.cli.root import slipwatch
from streams.engine.log import LogError
from streams.engine.memory_log import MemoryLog
from streams.exits import Exit
from streams.webhooks.registration import RegisterFull, register, registrations
from tests.hooks import GROUP, signs_up


def test_so_many_parties_have_a_webhook_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WEBHOOKS_MAX", 2)
    log = MemoryLog()
    for party in ("A", "B", "A"):
        signs_up(log, party, "https://a.example")
    with pytest.raises(RegisterFull, match="2 parties"):
        signs_up(log, "C", "https://a.example")
    with register(log, GROUP) as book:
        book.remove("A")
    signs_up(log, "C", "https://a.example")
    assert sorted(registrations(log)) == ["B", "C"]


def test_whoever_opened_the_register_before_can_write_no_more() -> None:
    log = MemoryLog()
    with register(log, GROUP) as first:
        made = signs_up(log, "A", "https://a.example")
        with pytest.raises(LogError):
            first.write(made)


def test_a_secret_signs_beside_the_next_for_so_many_hours_and_no_more(tmp_path: Path) -> None:
    environment = {"SLIPWATCH_PARTNERS__WEBHOOK_KEY_FILE": str(tmp_path / "none")}

    def rotates(hours: int) -> int:
        words = ["partners", "webhook", "rotate", "A", "--hours", str(hours)]
        return CliRunner().invoke(slipwatch, words, env=environment).exit_code

    assert rotates(limits.WEBHOOK_BOTH_HOURS_MAX + 1) == Exit.USAGE
    # It goes on as far as to ask for the key.
    assert rotates(limits.WEBHOOK_BOTH_HOURS_MAX) == Exit.CONFIGURATION
