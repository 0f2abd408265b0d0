"""What a partner may put into its folder in place of files: links, pipes, names that are long."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from schemas.facts import Fact
from streams.broker.embedded import EmbeddedBroker
from streams.door.folder import Folder, Folders
from streams.engine.clock import WallClock
from streams.metrics import door_metrics
from streams.sending import OpenSender, Refusal
from streams.settings import KafkaSettings, Settings, TopicSettings
from tests.integration.test_door_folder import report, told


class Noting(OpenSender):
    """Sends for real, and remembers who told what."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.sent: list[tuple[str, str]] = []

    def send(self, facts: Sequence[Fact]) -> tuple[Refusal, ...]:
        self.sent += [(fact.source, fact.event_id) for fact in facts]
        return super().send(facts)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        kafka = KafkaSettings(bootstrap_servers=running.bootstrap, timeout_seconds=2)
        yield Settings(kafka=kafka)


@pytest.fixture
def sender(settings: Settings) -> Iterator[Noting]:
    made = Noting(settings)
    yield made
    made.close()


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    made = tmp_path / "acme"
    made.mkdir()
    return made


@pytest.fixture
def rival(tmp_path: Path) -> Path:
    made = tmp_path / "rival"
    made.mkdir()
    return made


class Door:
    """Looks into folders, as often as it is told to."""

    def __init__(self, sender: OpenSender, *paths: Path) -> None:
        self._metrics = door_metrics()
        named = [Folder(path.name, path, f"partner:{path.name.upper()}") for path in paths]
        self._folders = Folders(tuple(named), sender, WallClock().now, self._metrics)

    def look(self) -> None:
        self._folders.look(threading.Event())

    @property
    def waits_seconds(self) -> float:
        text = self._metrics.text().decode()
        found = re.search(r"^slipwatch_door_oldest_file_seconds (\S+)$", text, re.MULTILINE)
        assert found is not None
        return float(found[1])


@pytest.mark.parametrize("name", ["working", "done", "refused"])
def test_a_link_in_place_of_a_directory_of_the_door_leads_nowhere(
    sender: Noting, acme: Path, rival: Path, name: str
) -> None:
    (rival / "told.jsonl").write_text(told("theirs"))
    (acme / "told.jsonl").write_text(told("ours"))
    (acme / name).symlink_to(Path("..") / rival.name)
    Door(sender, acme).look()
    assert sender.sent == []
    assert {path.name for path in rival.iterdir()} == {"told.jsonl"}
    Door(sender, acme, rival).look()
    assert sender.sent == [("partner:RIVAL", "theirs")]
    (acme / name).unlink()
    Door(sender, acme).look()
    assert sender.sent[1:] == [("partner:ACME", "ours")]
    assert report(acme / "done" / "told.jsonl")["accepted"] == 1


def test_a_directory_that_is_swapped_while_the_door_reads_leads_nowhere(
    settings: Settings, acme: Path, rival: Path
) -> None:
    class Swapping(Noting):
        def send(self, facts: Sequence[Fact]) -> tuple[Refusal, ...]:
            if not self.sent:
                (acme / "working").rename(acme / "away")
                (acme / "working").symlink_to(Path("..") / rival.name)
            return super().send(facts)

    (rival / "b.jsonl").write_text(told("theirs"))
    for name in ("a", "b"):
        (acme / f"{name}.jsonl").write_text(told(name))
        os.utime(acme / f"{name}.jsonl", (ord(name), ord(name)))
    sender = Swapping(settings)
    Door(sender, acme).look()
    sender.close()
    assert sender.sent == [("partner:ACME", "a"), ("partner:ACME", "b")]
    assert [path.name for path in rival.iterdir()] == ["b.jsonl"]


@pytest.mark.parametrize("where", [".", "working"])
def test_a_lock_that_is_a_link_empties_nothing(
    sender: Noting, acme: Path, tmp_path: Path, where: str
) -> None:
    precious = tmp_path / "tokens.json"
    precious.write_text("precious")
    (acme / where).mkdir(exist_ok=True)
    (acme / where / ".slipwatch-door.lock").symlink_to(precious)
    (acme / "a.jsonl").write_text(told("a"))
    Door(sender, acme).look()
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("where", [".", "working"])
def test_a_pipe_in_place_of_the_lock_holds_up_nobody(
    sender: Noting, acme: Path, rival: Path, where: str
) -> None:
    (acme / where).mkdir(exist_ok=True)
    os.mkfifo(acme / where / ".slipwatch-door.lock")
    (rival / "b.jsonl").write_text(told("b"))
    door = Door(sender, acme, rival)
    looking = threading.Thread(target=door.look, daemon=True)
    looking.start()
    looking.join(10)
    assert not looking.is_alive()
    assert sender.sent == [("partner:RIVAL", "b")]


@pytest.mark.parametrize("outcome", ["done", "refused"])
def test_a_report_is_written_through_no_link(
    sender: Noting, acme: Path, tmp_path: Path, outcome: str
) -> None:
    precious = tmp_path / "tokens.json"
    precious.write_text("precious")
    (acme / outcome).mkdir()
    (acme / "working").mkdir()
    for link in (
        acme / outcome / ".a.jsonl.report.json.part",
        acme / outcome / "a.jsonl.report.json",
        acme / "working" / ".report.part",
    ):
        link.symlink_to(precious)
    (acme / "a.jsonl").write_text(told("a") if outcome == "done" else "7")
    Door(sender, acme).look()
    assert precious.read_text() == "precious"
    assert report(acme / outcome / "a.2.jsonl")["accepted"] == (outcome == "done")


@pytest.mark.parametrize("ending", [".jsonl", f".{'ü' * 60}", ""])
def test_a_name_that_leaves_no_room_for_its_report_is_shortened(
    sender: Noting, acme: Path, ending: str
) -> None:
    for text in ("a", "b"):
        name = "ü" * ((255 - len(ending.encode())) // 2) + ending
        (acme / name).write_text(told(text))
        Door(sender, acme).look()
    assert not list((acme / "working").glob("[!.]*"))
    outcome = acme / ("done" if ending == ".jsonl" else "refused")
    reports = sorted(outcome.glob("*.report.json"))
    assert len(reports) == 2
    assert all((outcome / path.name.removesuffix(".report.json")).exists() for path in reports)
    assert len(sender.sent) == (2 if ending == ".jsonl" else 0)


def test_where_nothing_can_be_put_aside_nothing_is_sent_and_somebody_is_told(
    sender: Noting, acme: Path, rival: Path
) -> None:
    (acme / "refused").write_text("in the way")
    (acme / "a.jsonl").write_text(told("a"))
    os.utime(acme / "a.jsonl", (1_700_000_000, 1_700_000_000))
    (rival / "b.jsonl").write_text(told("b"))
    door = Door(sender, acme, rival)
    door.look()
    assert sender.sent == [("partner:RIVAL", "b")]
    assert door.waits_seconds > 1_000_000


def test_what_cannot_be_put_aside_is_not_sent_again_at_every_look(
    settings: Settings, acme: Path
) -> None:
    class Clearing(Noting):
        def send(self, facts: Sequence[Fact]) -> tuple[Refusal, ...]:
            shutil.rmtree(acme / "done")
            return super().send(facts)

    (acme / "a.jsonl").write_text(told("a"))
    os.utime(acme / "a.jsonl", (1_700_000_000, 1_700_000_000))
    sender = Clearing(settings)
    door = Door(sender, acme)
    for _ in range(3):
        door.look()
    sender.close()
    assert sender.sent == [("partner:ACME", "a")]
    assert (acme / "working" / "a.jsonl").exists()
    assert door.waits_seconds > 1_000_000
