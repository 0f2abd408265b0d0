"""SIGTERM in the middle of a backlog on the embedded broker: a clean end, and soon."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from confluent_kafka import Producer

from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from streams.app.process import STOP_SECONDS
from streams.broker.embedded import EmbeddedBroker
from streams.settings import TopicSettings
from tests.integration.process import Process, get, started, wait_until
from tests.scenario import START, Chain

LINES = 1_500


def taken(worker: Process) -> int:
    """Facts that this worker has taken in."""
    found = re.search(
        r"^slipwatch_facts_total (\S+)", get(worker.address + "/metrics")[1], re.MULTILINE
    )
    return int(float(found[1])) if found else 0


def test_a_worker_ends_in_time_in_the_middle_of_a_backlog_and_the_next_does_the_rest(
    tmp_path: Path,
) -> None:
    chain = Chain()
    for number in range(LINES):
        chain.placed(f"PO-{number}", START)
        chain.confirmed(f"PO-{number}", START)
    with EmbeddedBroker(TopicSettings(engine_partitions=2, fact_partitions=2)) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for fact in chain.facts:
            producer.produce(fact_topic(fact), encode_fact(fact), fact_key(fact))
        assert producer.flush(60) == 0
        environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap,
            "SLIPWATCH_TOPICS__ENGINE_PARTITIONS": "2",
            "SLIPWATCH_TOPICS__FACT_PARTITIONS": "2",
            "SLIPWATCH_ENGINE__TICK_MS": "20",
            "SLIPWATCH_ENGINE__FACTS_PER_TICK_MAX": "50",
            "SLIPWATCH_WEB__PORT": "0",
        }
        with started(["worker", "--name", "one"], environment, tmp_path) as worker:
            wait_until(lambda: taken(worker) > 0, worker.text)
            began = time.monotonic()
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0, worker.text()
            assert time.monotonic() - began < STOP_SECONDS
        with started(["worker", "--name", "one"], environment, tmp_path) as worker:
            wait_until(lambda: get(worker.address + "/ready")[0] == 200, worker.text)
            wait_until(lambda: lag(worker) == 0, worker.text)
            assert 0 < taken(worker) < len(chain.facts)


def lag(worker: Process) -> float | None:
    """Orders that are not taken in yet; None as long as the worker does not know."""
    text = get(worker.address + "/metrics")[1]
    lags = re.compile(r'^slipwatch_input_lag_records\{.*"orders".*\} (\S+)', re.MULTILINE)
    found = lags.findall(text)
    return sum(map(float, found)) if found else None
