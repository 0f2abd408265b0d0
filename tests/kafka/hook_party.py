"""A party with a receiver of webhooks, registered by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from streams.cli.root import slipwatch
from streams.exits import Exit
from tests.receivers import Receiver, Request, certificate


class Party:
    """Its receiver and the settings of whoever sends to it; some of its answers are lost."""

    def __init__(self, bootstrap: str, name: str, tmp_path: Path) -> None:
        self.tls = certificate(tmp_path)
        self.receiver = Receiver(answers=self._answers)
        self.environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "SLIPWATCH_TOPICS__PREFIX": f"{name}.",
            "SLIPWATCH_PARTNERS__WEBHOOK_KEY_FILE": str(tmp_path / "webhook-key"),
            "SLIPWATCH_PARTNERS__WEBHOOK_CA_FILE": str(self.tls[1]),
            "SLIPWATCH_PARTNERS__WEBHOOK_PRIVATE_ADDRESSES": "true",
            "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MIN": "0.05",
            "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MAX": "0.5",
        }
        self._failed: set[str] = set()

    def _answers(self, request: Request) -> tuple[int, dict[str, str]]:
        is_lost = int(request.id[-1], 16) < 4 and request.id not in self._failed
        self._failed.add(request.id)
        return (503 if is_lost else 200), {}

    def command(self, *words: str, **extra: str) -> Result:
        full = ["partners", "webhook", *words, "--json"]
        return CliRunner().invoke(slipwatch, full, env=self.environment | extra)

    def said(self, *words: str) -> Any:
        done = self.command(*words)
        assert done.exit_code == Exit.OK, done.output
        return json.loads(done.stdout)
