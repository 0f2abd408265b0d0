"""Everything in this folder runs on Apache Kafka: on one of short sessions, or on its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.cluster import GroupTimes, KafkaCluster, KafkaUnavailable, require_kafka

FOLDER = Path(__file__).parent
SHORT_SESSIONS = GroupTimes(heartbeat_ms=300, session_ms=3_000)
"""A dead worker is missed after so long; workers' own settings say the same (`crew.QUICK`)."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def storm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One node for all storms that leave the broker alone."""
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        pytest.skip(f"a broker with short sessions: {unavailable}")
    folder = tmp_path_factory.mktemp("storms")
    cluster = KafkaCluster(folder / "cluster", group_times=SHORT_SESSIONS)
    cluster.start()
    yield cluster
    cluster.kill_all()


@pytest.fixture(scope="session")
def storm_bootstrap(storm_cluster: KafkaCluster) -> str:
    """Its address."""
    return storm_cluster.bootstrap
