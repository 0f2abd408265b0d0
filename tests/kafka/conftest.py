"""Everything in this folder runs on Apache Kafka, whether or not it takes the shared broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.cluster import KafkaCluster, KafkaUnavailable, require_kafka

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    """One node for this test alone, to be killed and restarted (four seconds more)."""
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        pytest.skip(f"a broker of one's own, to kill: {unavailable}")
    with KafkaCluster(tmp_path / "cluster") as cluster:
        yield cluster
