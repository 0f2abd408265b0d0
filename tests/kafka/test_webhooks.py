"""A party is registered, tried and removed by the command line, on Apache Kafka.

That killed workers lose nothing for it is tried with the relay, in test_relay.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from schemas import limits
from streams.exits import Exit
from tests.hooks import signs_up
from tests.kafka.hook_party import Party
from tests.receivers import receiving
from tests.scenario import network
from tests.worlds import KafkaWorld


def test_a_party_is_registered_tried_and_removed(
    bootstrap: str, unique_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = KafkaWorld(bootstrap, unique_name)
    world.publish(network(subscribed=("ACME", "SUP")))
    party = Party(bootstrap, unique_name, tmp_path)
    with receiving(*party.tls, party.receiver) as receiver:
        url = receiver.url()
        refused = party.command("add", "ACME", url)
        assert (refused.exit_code, "webhook key" in refused.output) == (Exit.CONFIGURATION, True)
        party.said("key")
        assert party.command("key").exit_code == Exit.CONFIGURATION
        for words in (("ACME", url.replace("https", "http")), ("NOBODY", url), ("ACME",)):
            assert party.command("add", *words).exit_code != Exit.OK
        outside = {"SLIPWATCH_PARTNERS__WEBHOOK_PRIVATE_ADDRESSES": "false"}
        refused = party.command("add", "ACME", url, **outside)
        assert (refused.exit_code, "public" in refused.output) == (Exit.FINDINGS, True)

        made, again = party.said("add", "ACME", url), party.said("add", "ACME", url)
        assert (made["changed"], made["is_subscribed"]) == (True, True)
        assert (again["changed"], again["secret"]) == (False, None)
        receiver.answers = lambda _: (200, {})
        assert party.said("test", "ACME")["delivered"] is True
        assert receiver.verified(made["secret"])[0]["type"] == "webhook.test"
        receiver.answers = lambda _: (404, {})
        failed = party.command("test", "ACME")
        assert (failed.exit_code, json.loads(failed.stdout)["status"]) == (Exit.FINDINGS, 404)

        with monkeypatch.context() as full:
            full.setattr(limits, "WEBHOOKS_MAX", 1)
            refused = party.command("add", "SUP", url)
            assert (refused.exit_code, refused.output.count("\n")) == (Exit.FINDINGS, 1)
            assert "1 parties have a webhook" in refused.output
        with closing(world.log()) as log:
            # Somebody else writes to the topic.
            signs_up(log, "SUP", url.replace("https", "http"))
        assert party.said("list")[1]["party"] == "SUP"
        refused = party.command("test", "SUP")
        assert (refused.exit_code, "expected https" in refused.output) == (Exit.FINDINGS, True)
        assert party.said("remove", "SUP")["removed"] is True

        rotated = party.said("rotate", "ACME", "--hours", "0")
        assert (rotated["both_until"], rotated["secret"] != made["secret"]) == (None, True)
        (listed,) = party.said("list")
        assert (listed["party"], listed["url"], listed["secret_number"]) == ("ACME", url, 2)
        other = {"SLIPWATCH_PARTNERS__WEBHOOK_KEY_FILE": str(tmp_path / "other-key")}
        assert party.command("key", **other).exit_code == Exit.OK
        refused = party.command("add", "SUP", url, **other)
        assert (refused.exit_code, "another webhook key" in refused.output) == (
            Exit.CONFIGURATION, True,
        )  # fmt: skip
        assert party.said("remove", "ACME")["removed"] is True
        assert party.said("remove", "ACME")["removed"] is False
        assert party.said("list") == []
        assert party.command("rotate", "ACME").exit_code == Exit.FINDINGS
