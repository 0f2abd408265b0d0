"""What the mock cluster cannot show: transactions that abort, and that stay open."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from console.database import Database
from console.follow import Follower
from schemas.records import Standing
from tests.integration.view_bench import (
    ONE_PARTITION,
    PARTITIONS,
    Broker,
    as_of,
    content,
    finished,
    of_ticks,
    open_view,
    topic_names,
)
from tests.unit.console.story import FIRST, first_tick, status, tick_record

PATIENCE_SECONDS = 30.0


@pytest.fixture
def broker(bootstrap: str, unique_name: str) -> Broker:
    prefix = f"{unique_name}."
    admin = AdminClient({"bootstrap.servers": bootstrap})
    wanted = [
        NewTopic(prefix + name, 1 if name in ONE_PARTITION else PARTITIONS, 1)
        for name in topic_names()
    ]
    for done in admin.create_topics(wanted).values():
        done.result(30)
    return Broker(bootstrap, prefix)


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Database]:
    database = open_view(tmp_path / "view.db")
    yield database
    database.close()


@pytest.fixture
def follower(broker: Broker, view: Database) -> Iterator[Follower]:
    """Follows in a thread, as in the product."""
    found = Follower(broker.client_config, view, topic_prefix=broker.prefix)
    stop = threading.Event()
    thread = threading.Thread(target=found.run, args=(stop,), daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def transactional(broker: Broker, name: str) -> Producer:
    producer = Producer(
        {"bootstrap.servers": broker.address, "transactional.id": broker.prefix + name}
    )
    producer.init_transactions(PATIENCE_SECONDS)
    producer.begin_transaction()
    return producer


def wait_for_tick(view: Database, tick: int) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while as_of(view) != tick:
        assert time.monotonic() < ends_at, f"the view stands at {as_of(view)}"
        time.sleep(0.02)


def test_what_a_transaction_took_back_is_never_shown(
    broker: Broker, view: Database, follower: Follower
) -> None:
    engine = transactional(broker, "engine")
    broker.append([status(FIRST, 1, Standing.LATE)], engine)
    engine.abort_transaction(PATIENCE_SECONDS)
    engine.begin_transaction()
    broker.append([tick_record(1), *first_tick(), *finished(1)], engine)
    engine.commit_transaction(PATIENCE_SECONDS)
    wait_for_tick(view, 1)
    standings = {row[0]: row[2] for row in content(view)["slipwatch_order_lines"]}
    assert standings[FIRST] == "on_time"

    engine.begin_transaction()
    broker.append([status(FIRST, 2, Standing.LATE)], engine)
    engine.abort_transaction(PATIENCE_SECONDS)
    before = of_ticks(view)
    broker.append([tick_record(2), *finished(2)])
    wait_for_tick(view, 2)
    assert of_ticks(view) == before


def test_an_open_transaction_in_front_of_a_tick_holds_it_up(
    broker: Broker, view: Database, follower: Follower
) -> None:
    broker.append_tick(1, first_tick())
    wait_for_tick(view, 1)
    before = of_ticks(view)
    abandoned = transactional(broker, "abandoned")
    broker.append([status(FIRST, 2, Standing.LATE)], abandoned)
    # Behind the open transaction, on the same partition, lies what the tick really says.
    broker.append_tick(2, [status(FIRST, 2, Standing.AT_RISK)])
    time.sleep(1.0)
    assert as_of(view) == 1
    assert of_ticks(view) == before
    abandoned.abort_transaction(PATIENCE_SECONDS)
    wait_for_tick(view, 2)
    standings = {row[0]: row[2] for row in content(view)["slipwatch_order_lines"]}
    assert standings[FIRST] == "at_risk"
