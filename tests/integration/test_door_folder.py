"""A folder of the door, with the broker away, a crash half-way, and what should not be there."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from schemas import limits
from schemas.facts import Fact
from streams.broker.embedded import EmbeddedBroker
from streams.door.folder import Folder, Folders
from streams.engine.clock import WallClock
from streams.metrics import door_metrics
from streams.sending import OpenSender, Refusal
from streams.settings import KafkaSettings, Settings, TopicSettings
from tests.integration.test_door import TOLD, lying_on


class Crash(Exception):
    """The process ends here."""


class Dying(OpenSender):
    """Sends one batch for real, and then the process dies."""

    def send(self, facts: Sequence[Fact]) -> tuple[Refusal, ...]:
        assert not super().send(facts)
        raise Crash


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        yield running


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    made = tmp_path / "drop"
    made.mkdir()
    return made


def settings_of(broker: EmbeddedBroker) -> Settings:
    return Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap, timeout_seconds=2))


def look(drop: Path, sender: OpenSender) -> str:
    """Looks once; the metrics after it."""
    metrics = door_metrics()
    folder = Folder("nord", drop, "partner:NORD")
    Folders((folder,), sender, WallClock().now, metrics).look(threading.Event())
    return metrics.text().decode()


def told(*events: str) -> str:
    return "\n".join(json.dumps(TOLD | {"event_id": event}) for event in events)


def report(path: Path) -> Any:
    return json.loads(path.with_name(path.name + ".report.json").read_bytes())


def test_a_crash_half_way_is_made_up_for_under_the_same_event_ids(
    broker: EmbeddedBroker, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_BATCH_FACTS_MAX", 2)
    (drop / "a.jsonl").write_text(told("e1", "e2", "e3"))
    dying = Dying(settings_of(broker))
    with pytest.raises(Crash):
        look(drop, dying)
    dying.close()
    assert [path.name for path in (drop / "working").glob("[!.]*")] == ["a.jsonl"]
    sender = OpenSender(settings_of(broker))
    look(drop, sender)
    sender.close()
    assert report(drop / "done" / "a.jsonl")["accepted"] == 3
    assert not list((drop / "working").glob("[!.]*"))
    sent = [fact.event_id for fact in lying_on(broker.bootstrap, "orders", 5)]
    assert sent == ["e1", "e2", "e1", "e2", "e3"]


def test_a_file_waits_for_the_broker_and_is_counted(broker: EmbeddedBroker, drop: Path) -> None:
    sender = OpenSender(settings_of(broker))
    try:
        broker.stop()
        (drop / "a.jsonl").write_text(told("e1"))
        os.utime(drop / "a.jsonl", (1_700_000_000, 1_700_000_000))
        metrics = look(drop, sender)
        assert (drop / "working" / "a.jsonl").exists()
        assert 'slipwatch_door_files_total{outcome="failed"} 1.0' in metrics
        (waits,) = [
            float(line.split()[1])
            for line in metrics.splitlines()
            if line.startswith("slipwatch_door_oldest_file_seconds ")
        ]
        assert waits > 1_000_000
    finally:
        sender.close()


def test_what_is_no_complete_plain_file_is_let_lie(broker: EmbeddedBroker, drop: Path) -> None:
    secret = drop.parent / "secret.jsonl"
    secret.write_text(told("e9"))
    (drop / "link.jsonl").symlink_to(secret)
    (drop / ".hidden.jsonl").write_text(told("e1"))
    (drop / "growing.jsonl.part").write_text(told("e2"))
    (drop / "folder.json").mkdir()
    sender = OpenSender(settings_of(broker))
    look(drop, sender)
    sender.close()
    assert not (drop / "done").exists()
    assert not (drop / "refused").exists()
    assert {path.name for path in drop.iterdir()} >= {"link.jsonl", "growing.jsonl.part"}


def test_a_name_that_comes_again_overwrites_nothing_and_a_report_has_its_limit(
    broker: EmbeddedBroker, drop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOOR_PROBLEMS_MAX", 2)
    sender = OpenSender(settings_of(broker))
    for wrong in (2, 3):
        (drop / "a.jsonl").write_text("7\n" * wrong)
        look(drop, sender)
    sender.close()
    first, second = (report(drop / "refused" / name) for name in ("a.jsonl", "a.2.jsonl"))
    assert (first["refused"], len(first["problems"])) == (2, 2)
    assert (second["refused"], len(second["problems"])) == (3, 2)
