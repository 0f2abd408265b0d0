"""Delivery by a real worker on Apache Kafka: what was decided is told, once where nothing dies."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.records import Notification, Receipt, decode, encode
from streams.broker.topics import TopicAdmin
from streams.settings import KafkaSettings, TopicSettings
from tests.integration.process import Process, Receiver, command, get, started, wait_until
from tests.unit.streams_app.test_delivery import notification

SECRET = "whsec_" + "c2xpcHdhdGNoLWludGVncmF0aW9uLXRlc3Rz"
PARTITIONS = 2
WAIT_SECONDS = 30.0


class Chain:
    """Topics of our own on the shared broker, and the environment of a worker on them."""

    def __init__(self, bootstrap: str, name: str, directory: Path) -> None:
        self.bootstrap, self.directory = bootstrap, directory
        self.prefix = f"{name}."
        topics = TopicSettings(
            prefix=self.prefix, engine_partitions=PARTITIONS, fact_partitions=PARTITIONS
        )
        kafka = KafkaSettings(bootstrap_servers=bootstrap, timeout_seconds=WAIT_SECONDS)
        assert all(finding.is_usable for finding in TopicAdmin(kafka).create(topics))
        self.environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "SLIPWATCH_TOPICS__PREFIX": self.prefix,
            "SLIPWATCH_TOPICS__ENGINE_PARTITIONS": str(PARTITIONS),
            "SLIPWATCH_TOPICS__FACT_PARTITIONS": str(PARTITIONS),
            "SLIPWATCH_WEB__PORT": "0",
            "SLIPWATCH_SINKS__WEBHOOKS__HOOK__SECRET": SECRET,
            "SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MIN": "0.1",
            "SLIPWATCH_DELIVERY__ATTEMPTS_MAX": "3",
            # A killed worker is missed after this, and not after ten seconds.
            "SLIPWATCH_ENGINE__SESSION_TIMEOUT_MS": "3000",
            "SLIPWATCH_ENGINE__HEARTBEAT_MS": "500",
        }

    def starting(self, hook: str, name: str = "one") -> AbstractContextManager[Process]:
        """A worker that was just started."""
        environment = self.environment | {"SLIPWATCH_SINKS__WEBHOOKS__HOOK__URL": hook}
        return started(["worker", "--name", name], environment, self.directory)

    @contextmanager
    def worker(self, hook: str, name: str = "one") -> Iterator[Process]:
        """A worker that is ready."""
        with self.starting(hook, name) as process:
            wait_until(lambda: get(process.address + "/ready")[0] == 200, process.text)
            yield process

    def producer(self, name: str) -> Producer:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "transactional.id": self.prefix + name}
        )
        producer.init_transactions(WAIT_SECONDS)
        return producer

    def decide(self, producer: Producer, numbers: range, recipient: str = "planners") -> None:
        """Produce notifications in the transaction that is open."""
        for number in numbers:
            told: Notification = notification(number, recipient, ("hook",))
            producer.produce(
                self.prefix + "notifications", encode(told), recipient.encode(), partition=0
            )

    def tell(self, numbers: range) -> None:
        producer = self.producer("decides")
        producer.begin_transaction()
        self.decide(producer, numbers)
        producer.commit_transaction(WAIT_SECONDS)

    def receipts(self) -> list[Receipt]:
        """All receipts, read committed, of partition 0, where all notifications lie."""
        reader = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        where = TopicPartition(self.prefix + "receipts", 0, OFFSET_BEGINNING)
        _, end = reader.get_watermark_offsets(where, timeout=WAIT_SECONDS)
        reader.assign([where])
        found: list[Receipt] = []
        while len(found) < end:
            for message in reader.consume(100, 0.2):
                assert message.error() is None
                found.append(decode(message.value() or b"", Receipt))
        reader.close()
        return found


@pytest.fixture
def chain(bootstrap: str, unique_name: str, tmp_path: Path) -> Chain:
    return Chain(bootstrap, unique_name, tmp_path)


def test_an_aborted_decision_never_leaves(chain: Chain) -> None:
    with Receiver() as receiver, chain.worker(receiver.url):
        producer = chain.producer("aborts")
        for first in range(0, 30, 2):
            producer.begin_transaction()
            chain.decide(producer, range(first, first + 1))
            producer.flush(WAIT_SECONDS)
            producer.abort_transaction(WAIT_SECONDS)
            producer.begin_transaction()
            chain.decide(producer, range(first + 1, first + 2))
            producer.commit_transaction(WAIT_SECONDS)
        wait_until(lambda: len(receiver.requests) >= 15)
        time.sleep(1.0)

    assert receiver.ids() == [f"n{number}" for number in range(1, 30, 2)]


def test_a_worker_that_starts_again_delivers_what_is_owed_and_nothing_twice(chain: Chain) -> None:
    chain.tell(range(5))
    with Receiver() as receiver:
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: len(chain.receipts()) == 5, worker.text)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
        chain.tell(range(5, 8))
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: len(chain.receipts()) == 8, worker.text)
    assert receiver.ids() == [f"n{number}" for number in range(8)]


def test_what_a_killed_worker_owed_is_delivered_by_the_next_in_order(chain: Chain) -> None:
    chain.tell(range(40))
    with Receiver() as receiver:
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: len(receiver.requests) >= 5, worker.text)
            worker.kill()
        with chain.worker(receiver.url) as worker:
            wait_until(lambda: len({r.notification_id for r in chain.receipts()}) == 40)
    ids = receiver.ids()
    firsts = list(dict.fromkeys(ids))
    assert firsts == [f"n{number}" for number in range(40)]
    # At most the one whose receipt was on its way.
    assert len(ids) - len(firsts) <= 1


def test_a_parked_notification_is_seen_and_sent_anew_on_request(chain: Chain) -> None:
    with Receiver() as receiver:
        receiver.answers = [500, 500, 500]
        with chain.worker(receiver.url) as worker:
            chain.tell(range(2))
            wait_until(lambda: len(chain.receipts()) == 2, worker.text)
            outcomes = [(each.notification_id, each.outcome) for each in chain.receipts()]
            assert outcomes == [("n0", "parked"), ("n1", "delivered")]

            asked = command(
                ["notifications", "resend", "n0", "--json"],
                chain.environment | {"SLIPWATCH_SINKS__WEBHOOKS__HOOK__URL": receiver.url},
                chain.directory,
            )
            assert asked.returncode == 0, asked.stderr
            wait_until(lambda: len(chain.receipts()) == 4, worker.text)
    assert [each.outcome for each in chain.receipts()][2:] == ["requested", "delivered"]
    assert receiver.ids() == ["n0", "n0", "n0", "n1", "n0"]


def test_of_two_workers_of_one_name_one_ends_with_its_code_and_the_other_goes_on(
    chain: Chain,
) -> None:
    with (
        Receiver() as receiver,
        chain.worker(receiver.url) as first,
        chain.starting(receiver.url) as second,
    ):
        wait_until(lambda: first.has_ended or second.has_ended, first.text)
        # They shut each other out; which of them gives in is chance.
        gone, stays = (first, second) if first.has_ended else (second, first)
        assert gone.wait() == 10, gone.text()
        assert "Another process has this worker's name" in gone.text()
        wait_until(lambda: get(stays.address + "/ready")[0] == 200, stays.text)


def memory_mb(process: Process) -> float:
    """What the process keeps in memory."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
@pytest.mark.timeout(300)
def test_while_a_webhook_is_down_time_goes_on_and_what_is_owed_waits_on_the_broker(
    chain: Chain,
) -> None:
    recipients, first, more = 8, 400, 3_000
    chain.environment["SLIPWATCH_DELIVERY__ATTEMPTS_MAX"] = "1000"
    chain.environment["SLIPWATCH_DELIVERY__BACKOFF_SECONDS_MAX"] = "0.5"
    chain.environment["SLIPWATCH_DELIVERY__QUEUED_PER_RECIPIENT_MAX"] = "16"
    chain.environment["SLIPWATCH_ENGINE__TICK_MS"] = "200"

    def tell(numbers: range) -> None:
        producer.begin_transaction()
        for number in numbers:
            chain.decide(producer, range(number, number + 1), f"r{number % recipients}")
        producer.commit_transaction(WAIT_SECONDS)

    def ticks(worker: Process) -> int:
        return int(get(worker.address + "/ready")[1]["tick"])

    with Receiver() as receiver:
        receiver.is_down = True
        with chain.worker(receiver.url) as worker:
            producer = chain.producer("decides")
            tell(range(first))
            wait_until(lambda: len(receiver.refused) > 4 * recipients, worker.text)
            memory, tick, refused = memory_mb(worker), ticks(worker), len(receiver.refused)
            tell(range(first, first + more))
            wait_until(lambda: len(receiver.refused) > refused + 20 * recipients, worker.text)
            assert ticks(worker) > tick + 5
            assert memory_mb(worker) < memory + 30
            told = get(worker.address + "/metrics")[1]
            assert f"slipwatch_notifications_owed {16.0 * recipients}" in told
            assert re.search(r"^slipwatch_oldest_undelivered_seconds [1-9]", told, re.MULTILINE)
            receiver.is_down = False
            wait_until(lambda: len(receiver.requests) >= first + more, worker.text, 150.0)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
    ids = receiver.ids()
    assert len(ids) == len(set(ids)) == first + more
    for number in range(recipients):
        mine = [int(each[1:]) for each in ids if int(each[1:]) % recipients == number]
        assert mine == sorted(mine)
