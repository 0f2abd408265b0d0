"""The read model's database: opened, checked for its version, read as of one tick, written whole.

SQLite by default (WAL: readers see the last commit while the follower writes the next), PostgreSQL
by its SQLAlchemy address and driver. Only SQL that both understand. One view owns a database: it
claims it when it starts, and an older owner that still writes is refused.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import structlog
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    bindparam,
    create_engine,
    delete,
    event,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from console import tables
from console.cut import Partition, Position
from schemas.units import UtcMillis

VIEW_REBUILT = "view_rebuilt"
SQLITE_WAIT_SECONDS = 10

log = structlog.get_logger()


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do."""


class State(NamedTuple):
    """How far the read model is; `None` where there is nothing yet. See `tables.state`."""

    applied_tick: int | None
    as_of_tick: int | None
    as_of_at: UtcMillis | None
    checked_at: UtcMillis | None
    problem: str | None
    cluster_id: str | None


def wall_clock() -> UtcMillis:
    """Now, for saying how fresh the view is; nothing else in the view looks at a clock."""
    return time.time_ns() // 1_000_000


class Database:
    """The read model. `reading` is one snapshot, `writing` one transaction."""

    def __init__(self, url: str, *, clock: Callable[[], UtcMillis] = wall_clock) -> None:
        """Opens, and makes or rebuilds the tables where they are absent or of another version.

        Raises DatabaseError when there is no such database or driver.
        """
        self.clock = clock
        self._owner = ""
        self.engine = _open(url)
        try:
            self._prepare()
        except SQLAlchemyError as error:
            self.engine.dispose()
            raise DatabaseError(
                f"The view's database {self.engine.url!r} cannot be used: {_cause(error)}. "
                "Check view.database in the configuration, and that its place exists and may be "
                "written to."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot: all that is read through it is as of the same tick."""
        options: dict[str, str] = {}
        if self.engine.dialect.name != "sqlite":
            options["isolation_level"] = "REPEATABLE READ"
        with self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it or, when anything raises, nothing."""
        with self.engine.begin() as connection:
            yield connection

    def claim(self) -> None:
        """Makes this object the only one that may advance the read model."""
        self._owner = uuid.uuid4().hex
        with self.writing() as connection:
            connection.execute(update(tables.state).values(owner=self._owner))

    def rebuild(self, why: str) -> None:
        """Drops all that was read, so that it is read again from the beginning of the topics."""
        log.warning(VIEW_REBUILT, why=why, then="the view reads all topics again from their start")
        with self.writing() as connection:
            owned = MetaData()
            names = inspect(connection).get_table_names()
            ours = [name for name in names if name.startswith(tables.PREFIX)]
            if ours:
                owned.reflect(connection, only=ours)
            owned.drop_all(connection)
            self._create(connection)

    def state(self, connection: Connection) -> State:
        """How far the read model is."""
        columns = [tables.state.c[name] for name in State._fields]
        return State(*connection.execute(select(*columns)).one())

    def positions(self, connection: Connection) -> dict[Partition, Position]:
        """Where each partition is read on from."""
        rows = connection.execute(select(tables.offsets))
        return {(row.topic, row.partition): Position(row.resume_at, row.read_to) for row in rows}

    def save_positions(
        self, connection: Connection, positions: Mapping[Partition, Position]
    ) -> None:
        """Stores them in the transaction of the records that they stand for."""
        rows = [
            {"topic": topic, "partition": number, "resume_at": at.resume_at, "read_to": at.read_to}
            for (topic, number), at in positions.items()
        ]
        if rows:
            old = tables.offsets.c
            gone = (old.topic == bindparam("old_topic")) & (
                old.partition == bindparam("old_number")
            )
            keys = [{"old_topic": topic, "old_number": number} for topic, number in positions]
            connection.execute(delete(tables.offsets).where(gone), keys)
            connection.execute(insert(tables.offsets), rows)

    def save_state(self, connection: Connection, **columns: int | str | None) -> None:
        """Changes columns of `tables.state`; raises DatabaseError if another view took over."""
        changed = connection.execute(
            update(tables.state).where(tables.state.c.owner == self._owner).values(**columns)
        )
        if changed.rowcount != 1:
            raise DatabaseError(
                f"Another view took over the database {self.engine.url!r}. Give each view a "
                "database of its own (view.database), or stop one of them."
            )

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def _prepare(self) -> None:
        version = self._version()
        if version is None:
            with self.writing() as connection:
                self._create(connection)
        elif version != tables.SCHEMA_VERSION:
            self.rebuild(
                f"the database has tables of version {version}, "
                f"this Slipwatch needs version {tables.SCHEMA_VERSION}"
            )

    def _version(self) -> int | None:
        """None where there are no tables; 0 where they do not say."""
        with self.engine.connect() as connection:
            found = inspect(connection)
            if not found.has_table(tables.state.name):
                return None
            if "schema_version" not in {c["name"] for c in found.get_columns(tables.state.name)}:
                return 0
            version = connection.execute(select(tables.state.c.schema_version)).scalar()
            return 0 if version is None else version

    def _create(self, connection: Connection) -> None:
        tables.metadata.create_all(connection)
        connection.execute(
            tables.state.insert().values(
                id=1, schema_version=tables.SCHEMA_VERSION, owner=self._owner
            )
        )


def _open(url: str) -> Engine:
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            return _open_sqlite(address)
        return create_engine(address, pool_pre_ping=True)
    except (ArgumentError, ImportError) as error:
        raise DatabaseError(
            f"{url!r} names no database that can be opened here: {error}. For a file write "
            "sqlite:///path/view.db; other databases need their driver installed."
        ) from error


def _open_sqlite(address: URL) -> Engine:
    if not address.database or address.database == ":memory:":
        raise DatabaseError(
            "A view in memory cannot be shared between its threads. Name a file: "
            "sqlite:///path/view.db"
        )
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": SQLITE_WAIT_SECONDS})

    @event.listens_for(engine, "connect")
    def _connected(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # sqlite3 opens a transaction before the first change only, so that two SELECTs would see
        # two ticks. Taking its hand off and saying BEGIN ourselves is SQLAlchemy's documented way.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _cause(error: SQLAlchemyError) -> str:
    return str(error.__cause__ or error).rstrip(".")
