"""Doors of what lies on the topics: nobody but us should write there, and somebody may."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from console.cut import TICK_TOPICS, Cut, Message
from console.database import Database
from console.rows import puts, write
from schemas.records import Notification, Receipt, encode
from streams.engine.control import Control
from streams.engine.local import LocalEngine
from streams.engine.log import LogError, Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.recorded import copy_of, read_committed
from streams.owed_log import OwedLog
from streams.published import read_published
from streams.stages.store import StateUnusable
from streams.webhooks.receipts import (
    DELIVERING,
    RECEIPTS,
    Standing,
    read_receipt,
    standing_record,
    told_record,
)
from streams.webhooks.registration import WEBHOOKS, Registration, read_registration
from tests.fuzz.door import ACCEPTED, Broken, Outcome, dead_letter, refused
from tests.scenario import START, network, story

RECORD_PLACE = re.compile(
    r"[a-z]+(-[a-z]+)*/[0-9]+ .*at offset [0-9]+|[a-z-]+/[0-9]+/[0-9]+: |"
    r"^the changelogs of [a-z]+/[0-9]+ "
)
CONTROL_TOPICS = ("ticks", "progress", "networks", "policies", "schemas")
STATE_TOPICS = (
    "lines", "sources-state", "links-state", "cells-state", "incidents-state", "notices-state",
    "parked-state",
)  # fmt: skip
ROW_TOPICS = ("links-rows", "ledgers-rows", "cells-rows", "incidents-rows", "notices-rows")
WEBHOOK_TOPICS = (WEBHOOKS.topic, RECEIPTS.topic)
VIEW_TOPICS = (*TICK_TOPICS, "progress", "ticks", "receipts", "networks")


def _told(data: bytes, topics: tuple[str, ...]) -> tuple[str, bytes, bytes | None]:
    """The topic, key and value that an input stands for: `TOPIC KEY\\n` and the value."""
    head, _, value = data.partition(b"\n")
    name, _, key = head.partition(b" ")
    named = name.decode("utf-8", "replace")
    topic = named if named in topics else topics[sum(name) % len(topics)]
    return topic, key, value or None


def _record(topic: str, key: bytes, value: bytes | None) -> bytes:
    return b"%s %s\n%s" % (topic.encode(), key, value or b"")


@cache
def _recorded() -> tuple[tuple[str, bytes, bytes | None], ...]:
    """Some records of every topic, as the engine itself wrote them."""
    engine = LocalEngine(network(), partitions=1)
    for told, fact in story(3, orders=4, days=3):
        if told < START + 3 * 86_400_000:
            engine.send(fact)
    # Without a registry the engine says of an id that nobody can explain it.
    engine.send_raw("orders", None, b"\0\0\0\0\x07", 0)
    for day in range(1, 5):
        engine.tick(START + day * 86_400_000)
    found: list[tuple[str, bytes, bytes | None]] = []
    for topic in (*CONTROL_TOPICS, *STATE_TOPICS, *ROW_TOPICS, *VIEW_TOPICS):
        outputs = engine.outputs(topic)
        step = max(1, len(outputs) // SEEDS_A_TOPIC)
        found += [(topic, each.key or b"", each.value) for each in outputs[::step]]
    engine.close()
    return tuple(dict.fromkeys(found))


SEEDS_A_TOPIC = 6


def _seeds(topics: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(_record(*each) for each in _recorded() if each[0] in topics)


def control_seeds() -> tuple[bytes, ...]:
    """Ticks, progress, and published versions."""
    return _seeds(CONTROL_TOPICS)


def state_seeds() -> tuple[bytes, ...]:
    """Records of the changelogs and of the topics between stages."""
    return _seeds((*STATE_TOPICS, *ROW_TOPICS))


def view_seeds() -> tuple[bytes, ...]:
    """Records of the topics that the view reads."""
    return _seeds(VIEW_TOPICS)


def enter_control(data: bytes) -> Outcome:
    """One record on a topic that every worker reads for itself; then what was published is read
    for people, and the log copied for an audit."""
    topic, key, value = _told(data, CONTROL_TOPICS)
    log = MemoryLog(1, 1)
    log.append(topic, key or None, value, 0)
    errors: list[str] = []
    control = Control(log)
    try:
        control.open(1.0)
    except LogError as error:
        errors.append(str(error))
    finally:
        control.close()
    try:
        if topic in ("networks", "policies"):
            list(read_published(log, topic))
        else:
            copy_of(log)
    except LogError as error:
        errors.append(str(error))
    return refused(*errors) if errors else ACCEPTED


def enter_state(data: bytes) -> Outcome:
    """One record on a changelog or between stages; then a worker restores and evaluates two ticks.
    It either refuses the record by its place, or parks the keys that it spoils, visibly."""
    topic, key, value = _told(data, (*STATE_TOPICS, *ROW_TOPICS))
    log = MemoryLog(1, 1)
    log.append(topic, key or None, value, 0)
    engine = None
    try:
        engine = LocalEngine(log=log)
        for told, fact in story(3, orders=1, days=1):
            if told < START + 86_400_000:
                engine.send(fact)
        engine.cut(START + 86_400_000)
        engine.cut(START + 9 * 86_400_000)
        parked = [f"parked/0/0: {value!r}"[:1_000] for value in engine.latest("parked").values()]
    except (LogError, StateUnusable) as error:
        return refused(str(error))
    finally:
        if engine is not None:
            engine.close()
    return dead_letter(*parked) if parked else ACCEPTED


class _View:
    """One read model for all inputs; each is taken back."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.database = Database(f"sqlite:///{Path(self._folder.name) / 'view.db'}")


@cache
def _view() -> _View:
    return _View()


def enter_view(data: bytes) -> Outcome:
    """One record of an output topic: into the tables of the view, or among what it cannot read."""
    topic, key, value = _told(data, VIEW_TOPICS)
    message = Message(topic, 0, 7, key.decode("utf-8", "replace"), value)
    errors: list[str] = []
    changes = puts(message)
    for put in changes:
        if put.table.name.endswith("unreadable"):
            errors += [f"{topic}/0/7: {row['error']!r}" for row in put.rows]
    if topic in TICK_TOPICS:
        cut = Cut(None, {})
        list(cut.begin(1))
        list(cut.take([message]))
    with _view().database.engine.connect() as connection:
        write(connection, changes)
        connection.rollback()
    return dead_letter(*errors) if errors else ACCEPTED


def enter_owed(data: bytes) -> Outcome:
    """One record among notifications or receipts, as delivery reads them after a start."""
    topic, key, value = _told(data, ("notifications", "receipts"))
    log = MemoryLog(1, 1)
    log.append(topic, key or None, value, 0)
    owed = OwedLog(log)
    if topic == "receipts":
        _, end = owed.answers(0, 0)
        if end != 1:
            raise Broken(f"receipts were read to {end}")
        return ACCEPTED
    scan = owed.scan(0, 0, records_max=10)
    if not scan.is_at_end or len(scan.found) != 1:
        raise Broken(f"notifications: {scan!r}")
    if scan.found[0].notification is None:
        return dead_letter(f"notifications/0/{scan.found[0].offset}: this is no notification")
    return ACCEPTED


def owed_seeds() -> tuple[bytes, ...]:
    """Notifications, and a receipt for one."""
    told = [each for each in _recorded() if each[0] == "notifications" and each[2] is not None]
    return tuple(_owed_seeds(told))


def _owed_seeds(told: list[tuple[str, bytes, bytes | None]]) -> Iterator[bytes]:
    for each in told[:3]:
        yield _record(*each)
    for _, _, value in told[:1]:
        notification = msgspec.json.decode(value or b"", type=Notification)
        receipt = Receipt(
            notification_id=notification.notification_id,
            recipient=notification.recipient,
            sink="log",
            outcome="delivered",
            attempts=1,
            at=notification.at,
        )
        yield _record("receipts", b"n1/log", encode(receipt))


def enter_webhooks(data: bytes) -> Outcome:
    """One record among the addresses of partners or what they were told, as the sender reads it."""
    topic, key, value = _told(data, WEBHOOK_TOPICS)
    log = MemoryLog(1, 1)
    log.append(topic, key or None, value, 0)
    read = read_registration if topic == WEBHOOKS.topic else read_receipt
    ((_, record),) = read_committed(log, [Partition(topic, 0)])
    try:
        read(record)
    except LogError as error:
        return refused(str(error))
    return ACCEPTED


def webhooks_seeds() -> tuple[bytes, ...]:
    """An address, one that is gone, and both kinds of receipts."""
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    registered = Registration(
        party="NORD", url="https://nord.example/hooks", registration="0" * 32, key_mark="1" * 16,
        registered_at=at, changed_at=at,
    )  # fmt: skip
    receipts = (
        told_record("NORD", b"2" * 32, registered.registration, b"digest"),
        told_record("NORD", b"2" * 32, registered.registration, b"", "msg_" + "3" * 32),
        standing_record("NORD", Standing(1, registered.registration, 1, DELIVERING, "", START)),
    )
    return (
        _record(WEBHOOKS.topic, b"NORD", msgspec.json.encode(registered)),
        _record(WEBHOOKS.topic, b"NORD", None),
        *(_record(RECEIPTS.topic, key, value) for key, value in receipts),
    )
