"""Six years of real deliveries on Apache Kafka: the running worker says what `replay` says."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.units import DAY_MS
from streams.engine.clock import ManualClock
from streams.replay.inputs import mapped_rows
from streams.replay.mapping_file import load_mapping
from streams.replay.outcome import Outcome
from streams.replay.runner import OUTPUT_TOPICS, ReplayOptions, run_replay
from tests.worlds import KafkaWorld, running, until
from topology.network import EMPTY

MAPPING = Path(__file__).parents[2] / "examples" / "scms" / "mapping.yaml"
STEP_MS = 28 * DAY_MS


@pytest.mark.timeout(240)
def test_the_worker_gives_the_alerts_that_replay_gives(
    bootstrap: str, unique_name: str, real_data: Path
) -> None:
    path = real_data / "scms" / "scms_2006_2011.csv"
    if not path.is_file():
        pytest.skip(f"tests on SCMS: there is no {path.name} in the folder of real data")
    mapping = load_mapping(MAPPING)
    replayed = run_replay(mapped_rows(mapping, [path]), ReplayOptions(step_ms=STEP_MS))
    facts = sorted(
        (fact for row in mapped_rows(mapping, [path]) for fact in row.facts),
        key=lambda fact: (fact.recorded_at, fact.occurred_at, fact.source, fact.event_id),
    )

    world = KafkaWorld(bootstrap, unique_name)
    clock = ManualClock()
    worker = world.worker("scms", clock, runs_ticker=False)
    with running(worker):
        until(lambda: len(worker.status().partitions) > 30, "the worker has its partitions")
        ticker = worker.make_ticker()
        ticker.open()
        at = facts[0].recorded_at // STEP_MS * STEP_MS
        sent = 0
        for _ in range(replayed.summary.ticks):
            at += STEP_MS
            due = sent
            while due < len(facts) and facts[due].recorded_at < at:
                due += 1
            world.send(facts[sent:due])
            sent = due
            clock.set(at)
            assert ticker.cut().complete
            until(lambda: ticker.flight() is None, f"the tick at {at} is done")
        ticker.close()
    assert sent == len(facts)

    told = Outcome(EMPTY)
    for topic in ("lines", *OUTPUT_TOPICS):
        for _, key, value in world.read(topic):
            told.take(topic, key, value)
    assert told.alerts() == replayed.alerts
    assert told.subjects_by_rule() == replayed.summary.subjects_by_rule
    assert len(replayed.alerts) > 300
