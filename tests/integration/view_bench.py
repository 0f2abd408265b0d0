"""A broker with the view's topics, and ways to look at all that a view holds."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from sqlalchemy import select

from console import tables
from console.cut import GATE_TOPIC, LIVE_TOPICS, TICK_TOPICS
from console.database import Database
from console.rows import replaced_by
from schemas.ticks import TICK_HEADER
from tests.unit.console.story import Said, stands, tick_record

PARTITIONS = 4
ONE_PARTITION = frozenset({"ticks", "progress"})
NOT_CONTENT = frozenset({"slipwatch_state", "slipwatch_offsets"})


class Broker:
    """A broker under test, and the only producer of what lies on it."""

    def __init__(self, address: str, prefix: str = "") -> None:
        self.address = address
        self.prefix = prefix
        self._producer = Producer({"bootstrap.servers": address, "linger.ms": 0})

    @property
    def client_config(self) -> dict[str, str]:
        return {"bootstrap.servers": self.address}

    def append(self, records: Iterable[Said], producer: Producer | None = None) -> None:
        """Writes the records, each to the partition of its key, and waits for them."""
        writer = producer or self._producer
        for record in records:
            headers: dict[str, str | bytes | None] = {}
            if record.gone_at is not None:
                headers[TICK_HEADER] = str(record.gone_at).encode()
            writer.produce(
                self.prefix + record.topic,
                key=record.key,
                value=record.value,
                headers=headers,
                partition=partition_of(record),
            )
        assert writer.flush(10) == 0

    def append_tick(self, n: int, records: Iterable[Said]) -> None:
        """A whole tick, as the engine leaves it."""
        self.append([tick_record(n), *records])
        self.append(finished(n))


def partition_of(record: Said) -> int:
    return 0 if record.topic in ONE_PARTITION else zlib.crc32(record.key.encode()) % PARTITIONS


def finished(n: int, partitions: Iterable[int] = range(PARTITIONS)) -> list[Said]:
    """What `progress` says when these partitions of the last stage have finished a tick."""
    return [stands("notices", partition, n) for partition in partitions]


def topic_names() -> tuple[str, ...]:
    return (*TICK_TOPICS, *LIVE_TOPICS, GATE_TOPIC)


@contextmanager
def mock_broker(topics: Iterable[str] | None = None) -> Iterator[Broker]:
    """librdkafka's cluster in this process; its topics appear by being asked for."""
    handle = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none:1", "log_level": 0})
    found = next(iter(handle.list_topics(timeout=10).brokers.values()))
    for name in topic_names() if topics is None else topics:
        handle.list_topics(name, timeout=10)
    yield Broker(f"{found.host}:{found.port}")


def open_view(path: Path) -> Database:
    database = Database(f"sqlite:///{path}")
    database.claim()
    return database


def content(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that hold what was said, in the order of their keys."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with database.reading() as connection:
        for table in tables.metadata.sorted_tables:
            if table.name not in NOT_CONTENT:
                columns = [table.c[name] for name in replaced_by(table)]
                rows = connection.execute(select(table).order_by(*columns, *table.primary_key))
                found[table.name] = [tuple(row) for row in rows]
    return found


def of_ticks(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """The content that belongs to ticks."""
    live = {table.name for table in (tables.progress, tables.ticks, tables.receipts)}
    return {name: rows for name, rows in content(database).items() if name not in live}


def as_of(database: Database) -> int | None:
    with database.reading() as connection:
        return database.state(connection).as_of_tick
