"""The door on Apache Kafka: what it says is accepted is on the broker, and a whole engine believes
of it what is the partner's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streams.door.tokens import add_token
from tests.integration.process import command, get, started, wait_until
from tests.integration.test_door import TOLD, environment_of, post

pytestmark = pytest.mark.kafka

NETWORK = Path(__file__).resolve().parents[2] / "examples" / "networks" / "three-tier"
PLACED: dict[str, Any] = {
    "kind": "placed",
    "event_id": "e0",
    "occurred_at": "2026-03-31T19:00:00Z",
    "order_ref": "ACME/4711",
    "line": "10",
    "supplier": "NORD",
    "item": "VALVE",
    "quantity": "400",
    "unit": "PCE",
    "requested_on": "2026-04-09",
}


def test_partners_tell_over_http_and_each_is_believed_of_its_own_lines(
    bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    environment = environment_of(bootstrap) | {
        "SLIPWATCH_KAFKA__TIMEOUT_SECONDS": "10",
        "SLIPWATCH_TOPICS__PREFIX": f"{unique_name}.",
        "SLIPWATCH_TOPICS__ENGINE_PARTITIONS": "1",
        "SLIPWATCH_TOPICS__FACT_PARTITIONS": "1",
        "SLIPWATCH_ENGINE__TICK_MS": "100",
        "SLIPWATCH_WEB__PORT": "0",
        "SLIPWATCH_VIEW__PORT": "0",
    }
    policy = tmp_path / "policy.yaml"
    policy.write_text("recipients:\n  - {id: ops, audience: operations, sinks: [log]}\n")
    for words in (
        ["topics", "create"],
        ["network", "publish", str(NETWORK)],
        ["policy", "publish", str(policy)],
    ):
        ran = command(words, environment, tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    path = tmp_path / ".slipwatch/tokens.json"
    token = {
        party: add_token(path, party, f"partner:{party}") for party in ("ACME", "NORD", "CLOG")
    }
    with (
        started(["door", "run"], environment, tmp_path) as door,
        started(["worker", "--name", "one"], environment, tmp_path),
        started(["view"], environment, tmp_path) as view,
    ):
        # The rival speaks first, the supplier before the buyer whose order it is.
        said = TOLD | {"promised_on": "2026-05-05"}
        assert post(door.address, token["CLOG"], said)[1]["accepted"] == 1
        assert post(door.address, token["NORD"], TOLD)[1]["accepted"] == 1
        assert post(door.address, token["ACME"], PLACED)[1]["accepted"] == 1

        def promised() -> object:
            status, answer = get(f"{view.address}/v1/orders/ACME/4711%2310")
            line = answer["lines"][0] if status == 200 else {}
            return line.get("last_confirmed") and json.dumps(line["last_confirmed"])

        wait_until(lambda: promised() is not None, view.text)
        assert "2026-04-09" in str(promised())
        assert get(f"{view.address}/v1/dead-letters")[1]["dead_letters"] == []
