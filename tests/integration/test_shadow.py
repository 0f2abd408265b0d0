"""Shadow mode as people run it: with an open alert and an undelivered notification at hand, nobody
is told while it lasts, and its end brings one summary."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from streams.broker.embedded import EmbeddedBroker
from streams.settings import TopicSettings
from tests.integration.process import Receiver, command, get, started, wait_until
from tests.integration.test_first_light import (
    FACTS,
    NETWORK,
    POLICY,
    SECRET,
    WORKER,
    Place,
    environment_of,
)


@pytest.mark.timeout(300)
def test_nobody_is_told_while_it_lasts_and_its_end_is_one_summary(tmp_path: Path) -> None:
    (tmp_path / "told.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "shadow.yaml").write_text(f"shadow: true\n{POLICY}", encoding="utf-8")
    (tmp_path / "facts.jsonl").write_text(
        "".join(json.dumps(fact) + "\n" for fact in FACTS), encoding="utf-8"
    )
    topics = TopicSettings(engine_partitions=2, fact_partitions=2)
    with EmbeddedBroker(topics) as running, Receiver() as receiver:
        receiver.is_down = True
        environment = environment_of(Place(running.bootstrap), receiver.url)

        def do(*words: str) -> str:
            ran = command(list(words), environment, tmp_path)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            return ran.stdout

        do("policy", "publish", "told.yaml")
        do("network", "publish", str(NETWORK))
        with (
            started(WORKER, environment, tmp_path) as worker,
            started(["view"], environment, tmp_path) as view,
        ):
            environment["SLIPWATCH_VIEW_URL"] = view.address
            do("send", "facts.jsonl")
            wait_until(lambda: bool(receiver.refused), worker.text)

            do("policy", "publish", "shadow.yaml")
            wait_until(lambda: "slipwatch_shadow_mode 1.0" in str(get(worker.address + "/metrics")))
            wait_until(
                lambda: "slipwatch_notifications_owed 0.0" in str(get(worker.address + "/metrics"))
            )

            def withheld() -> int:
                return int(json.loads(do("shadow", "report", "--json"))["notifications"])

            wait_until(lambda: withheld() > 0)
            receiver.is_down = False
            assert "planners" in do("shadow", "report")
            listed = json.loads(do("notifications", "list", "--json"))["notifications"]
            assert {each["shadow"] for each in listed} == {False, True}
            outcomes = {sent["outcome"] for each in listed for sent in each["deliveries"]}
            assert "withheld" in outcomes
            assert not receiver.requests
            checked = json.loads(command(["check", "--json"], environment, tmp_path).stdout)
            (policy,) = [each for each in checked if each["what"] == "policy"]
            assert policy["verdict"] == "note"
            assert "nobody is told" in policy["says"]
            made = next(each["notification_id"] for each in listed if each["shadow"])
            refused = command(["notifications", "resend", made], environment, tmp_path)
            assert refused.returncode == 1
            assert "shadow mode" in refused.stderr

            do("policy", "publish", "told.yaml")
            wait_until(lambda: bool(receiver.requests), worker.text)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
    told = [Webhook(SECRET).verify(body, headers) for headers, body in receiver.requests]
    assert [each["event"] for each in told].count("summary") == 1
    assert told[0]["event"] == "summary"
    assert not any(each.get("shadow") for each in told)
