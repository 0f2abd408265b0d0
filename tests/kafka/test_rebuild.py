"""A rebuild as people run it on Apache Kafka, with open alerts and undelivered notices at hand."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from streams.replay.demand import ROW_TOPICS, STATE_TOPICS
from tests.integration.process import Receiver, command, get, started, wait_until
from tests.integration.test_first_light import (
    FACTS,
    NETWORK,
    POLICY,
    WORKER,
    Place,
    environment_of,
)

WAIT_SECONDS = 30.0


class Chain:
    """Topics of our own with a network, and commands on them."""

    def __init__(self, place: Place, hook: str, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.environment = environment_of(place, hook)
        for name, text in (("told", POLICY), ("shadow", f"shadow: true\n{POLICY}")):
            (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
        lines = "".join(json.dumps(fact) + "\n" for fact in FACTS)
        (directory / "facts.jsonl").write_text(lines, encoding="utf-8")
        self.do("topics", "create")
        self.do("network", "publish", str(NETWORK))

    def run(self, *words: str) -> tuple[int, str]:
        ran = command(list(words), self.environment, self.directory)
        return ran.returncode, ran.stdout + ran.stderr

    def do(self, *words: str) -> str:
        code, text = self.run(*words)
        assert code == 0, text
        return text

    def lose(self, *topics: str) -> None:
        """The topics are deleted and made again, empty."""
        admin = AdminClient({"bootstrap.servers": self.place.bootstrap})
        names = [self.place.prefix + topic for topic in topics]
        for done in admin.delete_topics(names, operation_timeout=WAIT_SECONDS).values():
            done.result(WAIT_SECONDS)
        wait_until(lambda: not set(names) & set(admin.list_topics(timeout=WAIT_SECONDS).topics))
        self.do("topics", "create")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("policy", ["told", "shadow"])
def test_nobody_is_told_twice_and_what_is_owed_is_delivered(
    policy: str, bootstrap: str, unique_name: str, tmp_path: Path
) -> None:
    place = Place(bootstrap, f"{unique_name}.")
    with Receiver() as receiver:
        chain = Chain(place, receiver.url, tmp_path)
        chain.do("policy", "publish", "told.yaml")
        with started(WORKER, chain.environment, tmp_path) as worker:
            wait_until(lambda: get(worker.address + "/ready")[0] == 200, worker.text)
            chain.do("send", "facts.jsonl")
            wait_until(lambda: bool(receiver.requests), worker.text)
            receiver.is_down = True
            wait_until(lambda: bool(receiver.refused), worker.text)
            if policy == "shadow":
                chain.do("policy", "publish", "shadow.yaml")
                wait_until(
                    lambda: "slipwatch_shadow_mode 1.0" in str(get(f"{worker.address}/metrics"))
                )
            code, text = chain.run("rebuild")
            assert (code, "a worker is a member of the group" in text) == (4, True), text
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
        told, refused = receiver.ids(), list(receiver.refused)

        chain.lose(*STATE_TOPICS, *ROW_TOPICS, "progress")
        code, text = chain.run(*WORKER)
        assert code == 11, text
        assert "slipwatch rebuild" in text
        found = json.loads(chain.do("rebuild", "--json"))
        assert found["state_changed"] == found["state_keys"] > 0
        assert (found["unlike"], found["statements_changed"]) == ([], 0)

        receiver.is_down = False
        with started(WORKER, chain.environment, tmp_path) as worker:
            wait_until(lambda: get(worker.address + "/ready")[0] == 200, worker.text)
            if policy == "told":
                wait_until(lambda: set(refused) <= set(receiver.ids()), worker.text)
            else:
                wait_until(
                    lambda: (
                        "slipwatch_notifications_owed 0.0" in str(get(f"{worker.address}/metrics"))
                    )
                )
                assert receiver.ids() == told, "what was owed is withheld"
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
        assert set(Counter(receiver.ids()).values()) == {1}
        assert receiver.ids()[: len(told)] == told
        assert "Everything is as the facts and ticks demand." in chain.do("audit")
