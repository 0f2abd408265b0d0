"""A rebuild as people run it on Apache Kafka, with open alerts and undelivered notices at hand."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import partner_topic
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition
from streams.engine.recorded import read_committed
from streams.replay.demand import ROW_TOPICS, STATE_TOPICS
from streams.stages.partners import PARTNER_STATUS
from tests.integration.process import Receiver, command, get, started, wait_until
from tests.integration.test_first_light import (
    FACTS,
    NETWORK,
    POLICY,
    WORKER,
    Place,
    environment_of,
)
from tests.kafka.test_relay import found as found_by
from tests.kafka.test_relay import wanted

WAIT_SECONDS = 30.0
BUYER, SUPPLIER = PARTIES = ("NORDIC-RETAIL", "CASTINGS")
"""Subscribed in the network, and told of a line of their own."""
OF_PARTNERS = tuple(
    fact
    | {"event_id": f"partners-{fact['event_id']}", "order_ref": f"{BUYER}/1"}
    | ({"buyer": BUYER, "supplier": SUPPLIER} if "buyer" in fact else {})
    for fact in FACTS
)


class Chain:
    """Topics of our own with a network, and commands on them."""

    def __init__(self, place: Place, hook: str, directory: Path) -> None:
        self.place, self.directory = place, directory
        self.environment = environment_of(place, hook)
        for name, text in (("told", POLICY), ("shadow", f"shadow: true\n{POLICY}")):
            (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
        lines = "".join(json.dumps(fact) + "\n" for fact in (*FACTS, *OF_PARTNERS))
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

    def read(self, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
        """Everything committed on a topic: (partition, key, value)."""
        settings = {"bootstrap.servers": self.place.bootstrap}
        log = KafkaLog(KafkaLogSettings(settings, self.place.prefix))
        try:
            wheres = [Partition(topic, n) for n in range(log.partition_counts([topic])[topic])]
            return [(w.number, r.key(), r.value()) for w, r in read_committed(log, wheres)]
        finally:
            log.close()

    def is_relayed(self) -> bool:
        """Whether each partner finds what it should, and it is something."""
        return all(found_by(self, party) == wanted(self, party) != [] for party in PARTIES)

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
            wait_until(chain.is_relayed, worker.text)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
        told, refused = receiver.ids(), list(receiver.refused)
        # Whatever tick the end of the worker cut short is completed, so that nothing is open.
        chain.do("rebuild")
        partners = {topic: chain.read(topic) for topic in map(partner_topic, PARTIES)}
        stands = {party: wanted(chain, party) for party in PARTIES}

        chain.lose(*STATE_TOPICS, *ROW_TOPICS, "progress", PARTNER_STATUS)
        if policy == "told":
            code, text = chain.run(*WORKER)
            assert code == 11, text
            assert "slipwatch rebuild" in text
        found = json.loads(chain.do("rebuild", "--json"))
        assert found["state_changed"] == found["state_keys"] > 0
        assert (found["unlike"], found["completed"]) == ([], 0)
        assert found["statements_changed"] == sum(map(len, stands.values()))
        assert {party: wanted(chain, party) for party in PARTIES} == stands

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
            # `found_by` holds that no partner was told the same of a line twice.
            wait_until(chain.is_relayed, worker.text)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
        assert set(Counter(receiver.ids()).values()) == {1}
        assert receiver.ids()[: len(told)] == told
        for topic, before in partners.items():
            assert chain.read(topic)[: len(before)] == before
        assert "Everything is as the facts and ticks demand." in chain.do("audit")
