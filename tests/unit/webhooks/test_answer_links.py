"""A record that asks a party for something comes to its webhook with a link to answer by."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from prometheus_client import CollectorRegistry

from schemas.limits import LINK_HOURS_MAX
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, iso
from streams.app.webhook_host import ANSWER_LINKS_UNUSABLE, make_sender
from streams.config import load
from streams.door.links import KeysRefused, Link, LinkRefused, Purpose, read_link, rotate_keys
from streams.engine.log import Partition
from streams.metrics import Metrics
from streams.webhooks.answer_links import GOOD_HOURS, AnswerLinks
from streams.webhooks.lane import Owed, message_id
from streams.webhooks.messages import body_of
from tests.hooks import Heard, drive, sender_of, signs_up
from tests.receivers import Receiver, Request, receiving
from tests.relays import relay_of, settle
from tests.unit.engine.test_chasing import LINE, Scene

KEYS = (b"k" * 32,)
BASE = "https://door.example.com/"
START_OF_URL = "https://door.example.com/answer/"
NOW: UtcMillis = 1_775_000_000_000


def links(
    load_keys: Callable[[], Sequence[bytes]] = lambda: KEYS, told: list[str] | None = None
) -> AnswerLinks:
    return AnswerLinks(BASE, load_keys, (told if told is not None else []).append)


def record(**more: Any) -> dict[str, Any]:
    return {
        "order": "4711", "line": "10", "item": "VALVE", "unit": "PCE", "ordered": "400",
        "awaits": "confirmation", "awaits_by": iso(NOW + HOUR_MS), "asked": 1, **more,
    }  # fmt: skip


def made(told: Mapping[str, Any], keys: Sequence[bytes] = KEYS) -> Link:
    url = links().url("NORD", "ACME/47#11#10", told, NOW)
    assert url is not None
    return read_link(url.removeprefix(START_OF_URL), keys, NOW)


def test_the_link_is_for_that_party_and_line_and_shows_what_the_record_shows() -> None:
    assert made(record()) == Link(
        "NORD", "ACME/47#11", "10", Purpose.ANSWER, NOW + GOOD_HOURS * HOUR_MS, "VALVE", "400",
        "PCE", is_order_shown=True,
    )  # fmt: skip
    assert made(record(cancelled="150")).quantity == "250"
    hidden = record()
    del hidden["order"], hidden["line"]
    assert not made(hidden).is_order_shown
    with pytest.raises(LinkRefused):
        made(record(), (b"x" * 32,))


@pytest.mark.parametrize(
    ("wanted_in_hours", "good_hours"),
    [
        (-500, GOOD_HOURS), (1, GOOD_HOURS), (GOOD_HOURS - 24, GOOD_HOURS),
        (GOOD_HOURS - 23, GOOD_HOURS + 1), (240, 264), (LINK_HOURS_MAX, LINK_HOURS_MAX),
    ],
)  # fmt: skip
def test_it_is_good_for_a_day_after_the_answer_is_wanted_and_for_three_days_at_least(
    wanted_in_hours: int, good_hours: int
) -> None:
    told = record(awaits_by=iso(NOW + wanted_in_hours * HOUR_MS + 1))
    assert abs(made(told).expires_at - NOW - good_hours * HOUR_MS) <= 1


def body(told: Mapping[str, Any] | None, by: AnswerLinks | None) -> dict[str, Any]:
    value = None if told is None else msgspec.json.encode(told)
    owed = Owed(b"1f", LINE, message_id("r", b"1f", "0:1"), value, 0.0)
    found = msgspec.json.decode(body_of("NORD", owed, NOW - HOUR_MS, NOW, by))
    assert found["timestamp"] == iso(NOW - HOUR_MS)
    return dict(found["data"])


def test_only_a_record_that_asks_has_a_link() -> None:
    assert body(record(), links()).keys() - record().keys() == {"id", "answer_url"}
    asks_nothing = {name: value for name, value in record().items() if not name.startswith("a")}
    assert body(asks_nothing, links()) == asks_nothing | {"id": "1f"}
    assert body(None, links()) == {"id": "1f"}
    assert body(record(), None) == record() | {"id": "1f"}


def test_without_keys_the_record_is_told_all_the_same_and_why_is_said_once() -> None:
    told: list[str] = []
    faults: list[Exception] = [
        KeysRefused("a"), KeysRefused("a"), OSError("b"), KeysRefused("a"), KeysRefused("a"),
    ]  # fmt: skip

    def load_keys() -> Sequence[bytes]:
        if faults:
            raise faults.pop(0)
        return KEYS

    by = links(load_keys, told)
    for _ in range(len(faults)):
        assert body(record(), by) == record() | {"id": "1f"}
    assert told == ["a", "b", "a"]
    assert body(record(), by)["answer_url"].startswith(START_OF_URL)


def test_settings_without_a_door_make_none_and_the_next_key_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept = Metrics(CollectorRegistry())
    assert make_sender(load().settings, lambda: False, kept)._ports.answer_links is None
    monkeypatch.setenv("SLIPWATCH_DOOR__PUBLIC_URL", BASE)
    by = make_sender(load().settings, lambda: False, kept)._ports.answer_links
    assert by is not None
    with structlog.testing.capture_logs() as logged:
        assert by.url("NORD", LINE, record(), NOW) is None
    assert [entry["event"] for entry in logged] == [ANSWER_LINKS_UNUSABLE]
    path = tmp_path / ".slipwatch/link-keys"
    for _ in range(2):
        rotate_keys(path)
        url = by.url("NORD", LINE, record(), NOW)
        assert url is not None
        newest = base64.b64decode(path.read_bytes().split()[0])
        assert read_link(url.removeprefix(START_OF_URL), (newest,), NOW).party == "NORD"


def test_each_attempt_has_a_link_of_its_own_and_the_same_id_and_nobody_else_reads_any(
    tls: tuple[Path, Path], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = Scene()
    relay = relay_of(scene.engine)
    scene.go(30)
    settle(relay)
    heard = Heard()
    statuses = [503, 400, 200]

    def fails_at_first(_: Request) -> tuple[int, dict[str, str]]:
        return statuses[min(len(heard.attempts), 2)], {}

    with receiving(*tls, Receiver(answers=fails_at_first)) as receiver:
        signs_up(scene.engine.log, "SUP", receiver.url())
        drive(sender_of(scene.engine, tls[1], heard, answer_links=links()),
              lambda: len(heard.attempts) == 2)  # fmt: skip
        # A refusal lets the message be for an hour; who takes over tries at once.
        sender = sender_of(scene.engine, tls[1], heard, answer_links=links())
        drive(sender, lambda: len(heard.attempts) == 3)
        # Nothing changed: a link that would be another one by now is no reason to tell.
        drive(sender_of(scene.engine, tls[1], heard, answer_links=links()), lambda: True)
    assert len({each.id for each in receiver.requests}) == 1
    urls = [each.said["data"]["answer_url"] for each in receiver.requests]
    assert len(set(urls)) == len(urls) == 3
    for url in urls:
        link = read_link(url.removeprefix(START_OF_URL), KEYS, sender._ports.now())
        assert (link.party, f"{link.order_ref}#{link.line}") == ("SUP", LINE)
        assert link.expires_at < sender._ports.now() + 4 * DAY_MS
    shown = repr(heard.attempts) + repr(heard.troubles) + caplog.text + "".join(capfd.readouterr())
    assert "/answer/" not in shown
    kept = [
        record.value() or b""
        for topic in ("partner-receipts", "partner-status", "order-status.SUP", "partner-webhooks")
        for record in everything(scene, topic)
    ]
    assert kept
    assert not any(b"/answer/" in each for each in kept)


def everything(scene: Scene, topic: str) -> list[Any]:
    log = scene.engine.log
    count = log.partition_counts([topic])[topic]
    assert count, topic
    return [each for number in range(count) for each in log.committed(Partition(topic, number))]
