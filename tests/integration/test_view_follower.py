from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from console import tables
from console.broker import TopicsMissing
from console.database import Database, DatabaseError
from console.follow import Follower
from schemas.records import Alert, Severity
from tests.integration.view_bench import (
    Broker,
    as_of,
    content,
    finished,
    mock_broker,
    of_ticks,
    open_view,
)
from tests.unit.console.story import (
    ALERT_ID,
    Said,
    alert,
    first_tick,
    receipt,
    said,
    second_tick,
    tick_record,
)

PATIENCE_SECONDS = 20.0


class Crash(Exception):
    """The view dies here."""


@pytest.fixture
def broker() -> Iterator[Broker]:
    with mock_broker() as found:
        yield found


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Database]:
    database = open_view(tmp_path / "view.db")
    yield database
    database.close()


def follow(
    broker: Broker, database: Database, until: Callable[[], bool], *, steps_after: int = 0
) -> None:
    """Follows until something is so, and a little longer."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    with Follower(broker.client_config, database).session(threading.Event()) as session:
        while not until():
            assert time.monotonic() < ends_at, "the view did not come so far"
            session.step(0.05)
        for _ in range(steps_after):
            session.step(0.05)


def follow_to(broker: Broker, database: Database, tick: int) -> None:
    follow(broker, database, lambda: as_of(database) == tick)


def level(database: Database) -> Callable[[], bool]:
    """True once the view has found itself level with the topics after now."""

    def checked_at() -> int | None:
        with database.reading() as connection:
            return database.state(connection).checked_at

    before = checked_at()
    return lambda: checked_at() != before


def test_a_tick_is_visible_only_when_it_is_whole(broker: Broker, view: Database) -> None:
    broker.append_tick(1, first_tick())
    follow_to(broker, view, 1)
    before = of_ticks(view)
    assert len(before["slipwatch_order_lines"]) == 2
    with view.reading() as connection:
        read_at = connection.execute(select(tables.state.c.tick_read_at)).scalar_one()
    assert 0 <= view.clock() - read_at < PATIENCE_SECONDS * 1_000

    broker.append([tick_record(2), *second_tick(), *finished(2, [0, 1, 3])])
    follow(broker, view, level(view), steps_after=5)
    assert as_of(view) == 1
    assert of_ticks(view) == before

    broker.append(finished(2, [2]))
    follow_to(broker, view, 2)
    after = of_ticks(view)
    assert after != before
    assert after["slipwatch_unlinked"] == []
    assert len(after["slipwatch_alert_revisions"]) == 2


def test_records_of_the_next_tick_wait_although_they_lie_there(
    broker: Broker, view: Database, tmp_path: Path
) -> None:
    broker.append_tick(1, first_tick())
    broker.append([tick_record(2), *second_tick()])
    follow_to(broker, view, 1)
    alone = open_view(tmp_path / "alone.db")
    with mock_broker() as other:
        other.append_tick(1, first_tick())
        follow_to(other, alone, 1)
    # The rows of append-only topics are named by their offsets, which are the same in both.
    assert of_ticks(view) == of_ticks(alone)
    alone.close()

    broker.append(finished(2))
    follow_to(broker, view, 2)
    with view.reading() as connection:
        assert all(at.resume_at == at.read_to for at in view.positions(connection).values())


def test_a_crash_anywhere_in_a_tick_loses_and_repeats_nothing(
    broker: Broker, view: Database, tmp_path: Path
) -> None:
    broker.append_tick(1, first_tick())
    follow_to(broker, view, 1)
    before = of_ticks(view)
    broker.append_tick(2, second_tick())

    statements = 0
    crash_at = 0

    def crash(*_: Any) -> None:
        nonlocal statements
        statements += 1
        if statements == crash_at:
            raise Crash

    crashes = 0
    while as_of(view) == 1:
        crash_at, statements = crash_at + 2, 0
        # The first transaction of a step takes the live topics; one more brings the tick.
        event.listen(view.engine, "after_cursor_execute", crash)
        try:
            follow_to(broker, view, 2)
        except Crash:
            crashes += 1
            assert as_of(view) == 2 or of_ticks(view) == before
        finally:
            event.remove(view.engine, "after_cursor_execute", crash)
    assert crashes > 10

    undisturbed = open_view(tmp_path / "undisturbed.db")
    follow_to(broker, undisturbed, 2)
    assert content(view) == content(undisturbed)
    undisturbed.close()


def test_receipts_show_before_the_next_tick(broker: Broker, view: Database) -> None:
    broker.append_tick(1, first_tick())
    follow_to(broker, view, 1)
    broker.append([receipt(f"{ALERT_ID}:1:operations", "webhook", "delivered", 1)])
    follow(broker, view, lambda: len(content(view)["slipwatch_receipts"]) == 1)
    assert as_of(view) == 1


def test_a_first_build_in_several_transactions_survives_a_crash(
    broker: Broker, view: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.broker.BATCH_RECORDS", 3)
    monkeypatch.setattr("console.follow.BUILD_COMMIT_RECORDS", 5)
    many = [
        said("alerts", f"a-{n}", alert(1, 1, alert_id=f"a-{n}", severity=Severity.INFO))
        for n in range(40)
    ]
    broker.append_tick(1, [*first_tick(), *many])
    broker.append_tick(2, second_tick())
    save_positions = view.save_positions

    def rows() -> int:
        return len(content(view)["slipwatch_alerts"])

    def interrupted(connection: Any, positions: Any) -> None:
        if rows() >= 10:
            raise Crash
        save_positions(connection, positions)

    monkeypatch.setattr(view, "save_positions", interrupted)
    with pytest.raises(Crash):
        follow_to(broker, view, 2)
    monkeypatch.undo()
    assert as_of(view) is None
    assert 10 <= rows() < 41
    follow_to(broker, view, 2)
    whole = open_view(tmp_path / "whole.db")
    follow_to(broker, whole, 2)
    assert content(view) == content(whole)
    whole.close()


def test_records_that_are_none_are_shown_and_stop_nothing(broker: Broker, view: Database) -> None:
    bad = [Said("alerts", "a-1", b"{not json"), Said("progress", "cells|0", b"[]")]
    broker.append_tick(1, [*first_tick(), *bad])
    follow_to(broker, view, 1)
    assert [row[0] for row in content(view)["slipwatch_unreadable"]] == ["alerts", "progress"]


def test_another_cluster_means_another_view(broker: Broker, view: Database) -> None:
    broker.append_tick(1, first_tick())
    broker.append_tick(2, second_tick())
    follow_to(broker, view, 2)
    with mock_broker() as other:
        other.append_tick(1, first_tick())
        with Follower(other.client_config, view).session(threading.Event()) as session:
            assert as_of(view) is None
            while not session.step(0.05):
                pass
    assert as_of(view) == 1
    assert len(content(view)["slipwatch_alert_revisions"]) == 1


def test_topics_made_anew_mean_a_new_view(broker: Broker, view: Database) -> None:
    broker.append_tick(1, first_tick())
    follow_to(broker, view, 1)
    with view.writing() as connection:
        connection.execute(tables.offsets.update().values(resume_at=999, read_to=999))
    with Follower(broker.client_config, view).session(threading.Event()) as session:
        assert as_of(view) is None
        while not session.step(0.05):
            pass
    assert as_of(view) == 1


def test_missing_topics_are_named(view: Database) -> None:
    with mock_broker(topics=["alerts"]) as bare:
        follower = Follower(bare.client_config, view)
        missing = pytest.raises(TopicsMissing, match=r"order-status.*slipwatch topics create")
        with missing, follower.session(threading.Event()):
            pass


def test_a_view_that_lost_its_database_to_another_stops(broker: Broker, view: Database) -> None:
    broker.append_tick(1, first_tick())
    follow_to(broker, view, 1)
    usurper = Database(str(view.engine.url))

    def claimed_by_another() -> bool:
        usurper.claim()
        broker.append_tick(2, second_tick())
        return False

    with pytest.raises(DatabaseError, match="Another view took over"):
        follow(broker, view, claimed_by_another)
    usurper.close()
    assert as_of(view) == 1


def test_the_alert_of_a_tick_is_the_one_last_said(broker: Broker, view: Database) -> None:
    first: Alert = alert(1, 1, "ACME/1#1")
    broker.append_tick(1, [said("alerts", ALERT_ID, first)])
    broker.append_tick(2, [said("alerts", ALERT_ID, alert(2, 2, "ACME/1#1"))])
    broker.append_tick(3, [Said("alerts", ALERT_ID, None, gone_at=3)])
    follow_to(broker, view, 3)
    found = content(view)
    assert found["slipwatch_alerts"] == found["slipwatch_alert_subjects"] == []
    assert [row[1] for row in found["slipwatch_alert_revisions"]] == [1, 2]
