"""The read model's database: opened, checked for its version, read as of one tick, written whole.

SQLite by default (WAL: readers see the last commit while the follower writes the next), PostgreSQL
by its address. Only SQL that both understand. One view owns a database: it claims it when it
starts, and an older owner that still writes is refused. Others may read it.
"""

from __future__ import annotations

import ssl
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
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from console import tables
from console.cut import Partition, Position
from schemas.units import UtcMillis

VIEW_REBUILT = "view_rebuilt"
SQLITE_WAIT_SECONDS = 10
POSTGRESQL_STATEMENT_SECONDS = 10
"""After which the server ends a statement."""
POSTGRESQL_SILENT_SECONDS = 12
"""After which a server that says nothing is away: longer than a statement may take, shorter than
`server.STOP_TIMEOUT_SECONDS`, so that a view that waits for it can still be stopped."""
PASSING_STATES = ("08", "40", "53", "57")
"""How SQLSTATE begins for a lost connection, a conflict, too little of something, and an operator
who steps in (PostgreSQL's appendix A)."""
POSTGRESQL_DRIVER = "postgresql+pg8000"
"""Of an address that names none."""

log = structlog.get_logger()


class DatabaseError(Exception):
    """The database cannot be used; the message says why and what to do."""


class Access(NamedTuple):
    """What a database server wants to see: the password, and the authorities to trust; with these
    the connection is encrypted and the server's name checked."""

    password: str | None = None
    ca_file: Path | None = None


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

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], UtcMillis] = wall_clock,
        access: Access | None = None,
        follows: bool = True,
    ) -> None:
        """Opens, and makes or rebuilds the tables where they are absent or of another version. One
        that does not follow only reads, and needs the tables to be there.

        Raises DatabaseError when there is no such database or driver.
        """
        self.clock = clock
        self._owner = ""
        self.engine = _open(url, access or Access())
        try:
            with _silence_told():
                self._prepare(follows=follows)
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
        with (
            _silence_told(),
            self.engine.connect().execution_options(**options) as connection,
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it or, when anything raises, nothing."""
        with _silence_told(), self.engine.begin() as connection:
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

    def passes(self, error: DBAPIError) -> bool:
        """Whether it is a fault of the database that passes: its server is away or busy."""
        if self.engine.dialect.name == "sqlite":
            return False
        if error.connection_invalidated or isinstance(error, InterfaceError | OperationalError):
            return True
        said = error.orig.args[0] if error.orig is not None and error.orig.args else None
        state = str(said.get("C", "")) if isinstance(said, dict) else ""
        return state.startswith(PASSING_STATES)

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def _prepare(self, *, follows: bool) -> None:
        version = self._version()
        if not follows:
            if version != tables.SCHEMA_VERSION:
                self.engine.dispose()
                raise DatabaseError(
                    f"The view's database {self.engine.url!r} has no tables of version "
                    f"{tables.SCHEMA_VERSION}. Start a view of this release that follows "
                    "(view.follow) first."
                )
        elif version is None:
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


@contextmanager
def _silence_told() -> Iterator[None]:
    """Says in SQLAlchemy's words that the server fell silent, which pg8000 1.31 does not: it lets
    the socket's timeout through as it is. The pool drops the connection."""
    try:
        yield
    except TimeoutError as error:
        raise OperationalError(None, None, error) from error


def _open(url: str, access: Access) -> Engine:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # Their texts may quote what is a password.
        raise DatabaseError(
            "What view.database says names no database: expected sqlite:///FILE or "
            "postgresql://USER@HOST:PORT/NAME."
        ) from None
    try:
        match address.get_backend_name():
            case "sqlite":
                return _open_sqlite(address)
            case "postgresql":
                return _open_postgresql(address, access)
            case _:
                return create_engine(address, pool_pre_ping=True)
    except (ArgumentError, ImportError) as error:
        raise DatabaseError(
            f"view.database names no database that can be opened here, {address.drivername!r}: "
            f"{error}. For a file write sqlite:///path/view.db; other databases need their driver "
            "installed."
        ) from error


def _open_postgresql(address: URL, access: Access) -> Engine:
    if address.drivername == "postgresql":
        address = address.set(drivername=POSTGRESQL_DRIVER)
    if access.password is not None:
        address = address.set(password=access.password)
    options: dict[str, object] = {
        "timeout": POSTGRESQL_SILENT_SECONDS,
        "startup_params": {"statement_timeout": f"{POSTGRESQL_STATEMENT_SECONDS * 1000:.0f}"},
    }
    if access.ca_file is not None:
        options["ssl_context"] = ssl.create_default_context(cafile=str(access.ca_file))
    return create_engine(address, pool_pre_ping=True, connect_args=options)


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
