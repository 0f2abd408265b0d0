from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from console import tables
from console.cut import LIVE_TOPICS, TICK_TOPICS, Message
from console.database import Database
from console.rows import bare, puts, write
from tests.unit.console.conftest import Place
from tests.unit.console.story import (
    ALERT_ID,
    FIRST,
    Said,
    Topics,
    alert,
    first_tick,
    said,
    second_tick,
    stands,
    tick_record,
)


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    found = place.open()
    yield found
    found.close()


def apply(database: Database, messages: list[Message]) -> None:
    with database.writing() as connection:
        write(connection, [put for message in messages for put in puts(message)])


def content(database: Database) -> dict[str, list[Any]]:
    with database.reading() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for table in tables.metadata.sorted_tables
        }


def test_applying_twice_or_in_pieces_changes_nothing(tmp_path: Path) -> None:
    topics = Topics()
    messages = topics.append([*first_tick(), *second_tick()])
    found = []
    for name, pieces in (
        ("whole", [messages]),
        ("pieces", [[message] for message in messages]),
        ("twice", [messages, messages]),
        ("overlapping", [messages[:20], messages[10:]]),
    ):
        database = Database(f"sqlite:///{tmp_path / name}.db")
        for piece in pieces:
            apply(database, piece)
        found.append(content(database))
        database.close()
    assert all(each == found[0] for each in found)
    assert len(found[0]["slipwatch_verdicts"]) == 4


def test_every_topic_of_the_view_is_read() -> None:
    names = {*TICK_TOPICS, *LIVE_TOPICS}
    for name in names:
        assert isinstance(puts(Message(name, 0, 0, "key", None)), list)


def test_a_tombstone_leaves_no_row_of_what_is_current(database: Database) -> None:
    topics = Topics()
    apply(database, topics.append([*first_tick(), stands("cells", 0, 1)]))
    current = {
        "order-status": FIRST,
        "lines": FIRST,
        "alerts": ALERT_ID,
        "stock-status": "BOLT@OSLO",
        "feeds": "seaways",
        "unlinked": "SEAWAYS/S-90",
        "parked": "cells|0|K",
        "progress": "cells|cells-rows|0",
    }
    apply(database, topics.append([Said(topic, key, None) for topic, key in current.items()]))
    rows = content(database)
    for name in ("alerts", "alert_accounts", "alert_rules", "alert_subjects", "unlinked", "parked"):
        assert rows[f"slipwatch_{name}"] == []
    assert rows["slipwatch_progress"] == []
    assert [row[0] for row in rows["slipwatch_stock_nodes"]] == ["GEAR@LYON", "NUT@LYON"]
    for name in ("order_lines", "line_facts", "line_numbers"):
        assert rows[f"slipwatch_{name}"]
        assert all(row[0] != FIRST for row in rows[f"slipwatch_{name}"])


def test_consequences_that_an_alert_no_longer_has_are_gone(database: Database) -> None:
    topics = Topics()
    apply(database, topics.append([said("alerts", ALERT_ID, alert(1, 1, "A/1#1", "A/2#1"))]))
    apply(database, topics.append([said("alerts", ALERT_ID, alert(2, 2, "A/2#1"))]))
    rows = content(database)
    assert rows["slipwatch_alert_subjects"] == [(ALERT_ID, "A/2#1")]
    assert len(rows["slipwatch_alert_revisions"]) == 2


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        ("alerts", b"{"),
        ("alerts", b"{}"),
        ("order-status", b"\xff"),
        ("lines", b"not msgpack"),
        ("lines", b"\x97\x01\xc0\x01\x91\xc4\x01x\xc0\xc0\xc0"),
        ("ticks", b'{"n": "one"}'),
        ("networks", b"whose key names no chunk"),
    ],
)
def test_a_record_that_is_none_is_kept_as_such(
    database: Database, topic: str, value: bytes
) -> None:
    apply(database, [Message(topic, 3, 17, "key", value)])
    rows = content(database)
    assert [row[:3] for row in rows["slipwatch_unreadable"]] == [(topic, 3, 17)]
    assert rows["slipwatch_unreadable"][0][3]


def test_a_tick_is_kept_with_its_time(database: Database) -> None:
    apply(database, Topics().append([tick_record(1), tick_record(2)]))
    assert [row[0] for row in content(database)["slipwatch_ticks"]] == [1, 2]


@pytest.mark.parametrize(
    ("number", "without"), [("ACME/4711", "4711"), ("A/B/7", "B/7"), ("4711", "4711"), ("A/", "")]
)
def test_the_number_without_its_owner(number: str, without: str) -> None:
    assert bare(number) == without
