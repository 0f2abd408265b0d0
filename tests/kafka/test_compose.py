"""Apache Kafka starts with what deploy/compose says of it, and takes the topics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.broker.topics import TopicAdmin
from streams.settings import KafkaSettings, TopicSettings
from tests.kafka.cluster import KafkaCluster, KafkaUnavailable, require_kafka

COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "compose.yaml"
OF_THE_PLACE = re.compile(r"node\.id|process\.roles|.*listener.*|.*voters|log\.dirs")
"""What names hosts, ports and folders; here they are others."""


def test_the_broker_of_compose_starts_and_takes_the_topics(tmp_path: Path) -> None:
    try:
        require_kafka()
    except KafkaUnavailable as unavailable:
        pytest.skip(f"a broker of one's own: {unavailable}")
    services: Any = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in services["kafka"]["environment"].items()
        if name.startswith("KAFKA_")
    }
    settings = {
        name: value for name, value in properties.items() if not OF_THE_PLACE.fullmatch(name)
    }
    assert settings["auto.create.topics.enable"] == "false"
    with KafkaCluster(tmp_path / "cluster", settings=settings) as cluster:
        admin = TopicAdmin(KafkaSettings(bootstrap_servers=cluster.bootstrap))
        topics = TopicSettings(engine_partitions=1, fact_partitions=1, replication_factor=1)
        admin.create(topics)
        log = (tmp_path / "cluster" / "broker-1").glob("*.log")
        assert not [each for each in log if "unknown" in each.read_text(errors="replace").lower()]
