from __future__ import annotations

import gc
import os
import signal
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, delete, insert, inspect, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError, DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from console import tables
from console.cut import Position
from console.database import Access, Database, DatabaseError
from console.rows import replaced_by
from schemas.records import Unlinked
from tests.postgres import Postgres
from tests.unit.console.conftest import Place
from tests.unit.console.filling import Filler
from tests.unit.console.story import at, first_tick, said, second_tick


def as_of(database: Database) -> int | None:
    with database.reading() as connection:
        return database.state(connection).as_of_tick


def filled(place: Place) -> Database:
    database = place.open()
    Filler(database).tick(1, at(1), first_tick())
    return database


def test_what_was_written_is_there_again(place: Place) -> None:
    database = filled(place)
    database.close()
    again = place.open()
    assert as_of(again) == 1
    with again.reading() as connection:
        positions = again.positions(connection)
    assert positions["order-status", 0] == Position(2, 2)
    again.close()


def test_tables_of_another_version_are_built_anew(
    place: Place, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    database = filled(place)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE slipwatch_forgotten (x INTEGER)"))
        connection.execute(text("CREATE TABLE somebody_elses (x INTEGER)"))
        connection.execute(tables.state.update().values(schema_version=99))
    database.close()
    again = place.open()
    assert as_of(again) is None
    with again.reading() as connection:
        assert again.positions(connection) == {}
        names = set(inspect(connection).get_table_names())
    assert "somebody_elses" in names
    assert "slipwatch_forgotten" not in names
    # Whether logs go through the standard library depends on what this process ran before.
    said = capsys.readouterr().out + caplog.text
    assert f"version 99, this Slipwatch needs version {tables.SCHEMA_VERSION}" in said
    again.close()


def test_a_transaction_that_fails_leaves_nothing(place: Place) -> None:
    database = filled(place)
    no_such_column = pytest.raises(CompileError)
    with no_such_column, database.writing() as connection:
        connection.execute(delete(tables.order_lines))
        database.save_state(connection, as_of_tick=2)
        database.save_state(connection, nonsense=1)
    assert as_of(database) == 1
    with database.reading() as connection:
        assert len(connection.execute(tables.order_lines.select()).all()) == 2
    database.close()


def test_an_older_owner_is_refused(place: Place) -> None:
    older, newer = place.open(), place.open()
    older.claim()
    newer.claim()
    refused = pytest.raises(DatabaseError, match="Another view took over")
    with refused, older.writing() as connection:
        older.save_state(connection, as_of_tick=1)
    with newer.writing() as connection:
        newer.save_state(connection, as_of_tick=2)
    assert as_of(older) == 2
    older.close()
    newer.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("sqlite://", "Name a file"),
        ("nonsense", "names no database"),
        ("nonsense://x", "names no database"),
        ("postgresql+psycopg2://x/y", "need their driver installed"),
        ("postgresql://x:port/y", "names no database"),
    ],
)
def test_an_address_that_cannot_be_opened_says_why(wrong: str, says: str) -> None:
    with pytest.raises(DatabaseError, match=says):
        Database(wrong)


@pytest.mark.parametrize(
    "wrong",
    ["mysql://me:s3cret@db/x", "nonsense://me:a/s3cret@x", "postgresql://me:s3cret@db:port/x"],
)
def test_an_address_that_cannot_be_opened_shows_no_password(wrong: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        Database(wrong)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value, chain=True))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    path.write_text("This is a letter, and much longer than any header. " * 20)
    with pytest.raises(DatabaseError, match=r"cannot be used.*view\.database"):
        Database(f"sqlite:///{path}")


def test_one_view_follows_and_others_read(place: Place) -> None:
    with pytest.raises(DatabaseError, match=r"Start a view .* that follows \(view\.follow\) first"):
        place.open(follows=False)
    following = filled(place)
    readers = [place.open(follows=False) for _ in range(3)]
    with readers[0].reading() as before:
        assert readers[0].state(before).as_of_tick == 1
        Filler(following).tick(2, at(2), second_tick())
        assert readers[0].state(before).as_of_tick == 1, "one snapshot, one tick"
        assert len(before.execute(select(tables.order_lines)).all()) == 2
    assert [as_of(each) for each in readers] == [2, 2, 2]
    for each in (following, *readers):
        each.close()


def test_texts_are_sorted_by_their_bytes_and_nul_is_no_hindrance(place: Place) -> None:
    database = place.open()
    numbers = ["a", "B", "Z/1", "Z-1", "ä", "b\x00c", "~", "Ab", "aB", "2", "10"]
    waiting = [
        said(
            "unlinked",
            each,
            Unlinked(
                number=each, waiting=1, kinds=("placed",), sources=("x",), since=at(1), tick=1
            ),
        )
        for each in numbers
    ]
    Filler(database).tick(1, at(1), waiting)
    number = tables.unlinked.c.number
    with database.reading() as connection:
        found = connection.execute(select(number).order_by(number)).scalars().all()
        asked = connection.execute(select(number).where(number == "b\x00c")).scalars().all()
        past = connection.execute(select(number).where(number > "Z-1").order_by(number))
        assert past.scalars().first() == "Z/1"
    assert list(found) == sorted(tables.storable(each) for each in numbers)
    assert asked == ["b\ufffdc"]
    database.close()


def test_the_password_is_in_no_message(postgres: Postgres) -> None:
    url = postgres.database()
    secret = "not-" + postgres.password
    with pytest.raises(DatabaseError, match=r"cannot be used.*view\.database") as refused:
        Database(url, access=Access(secret))
    assert secret not in "".join(traceback.format_exception(refused.value))


def test_a_server_that_goes_away_and_comes_back_is_waited_for(postgres: Postgres) -> None:
    database = filled(Place(postgres.database(), Access(postgres.password)))
    postgres.stop()
    try:
        with pytest.raises(DBAPIError) as lost, database.reading() as connection:
            database.state(connection)
        assert database.passes(lost.value)
    finally:
        postgres.start()
    assert as_of(database) == 1
    with pytest.raises(DBAPIError) as ours, database.reading() as connection:
        connection.execute(text("SELECT nonsense"))
    assert not database.passes(ours.value), "a fault of ours is none that passes"
    database.close()


@contextmanager
def silent(backend: int) -> Iterator[None]:
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)


def backend_of(connection: Connection) -> int:
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def test_a_server_that_falls_silent_is_one_that_is_away(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.database.POSTGRESQL_SILENT_SECONDS", 0.5)
    database = filled(Place(postgres.database(), Access(postgres.password)))
    with database.reading() as connection:
        backend = backend_of(connection)
    with silent(backend), pytest.raises(DBAPIError, match="timed out") as before:
        as_of(database)
    assert database.passes(before.value)
    with (
        pytest.raises(DBAPIError, match="timed out") as within,
        database.writing() as connection,
        silent(backend_of(connection)),
    ):
        database.state(connection)
    assert database.passes(within.value)
    assert as_of(database) == 1
    database.close()


def test_a_statement_that_takes_too_long_ends_on_the_server(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.database.POSTGRESQL_STATEMENT_SECONDS", 0.2)
    database = filled(Place(postgres.database(), Access(postgres.password)))
    with pytest.raises(DBAPIError, match="statement timeout") as ended, database.reading() as slow:
        slow.execute(text("SELECT pg_sleep(5)"))
    assert database.passes(ended.value)
    database.close()


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_server_that_never_answers_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.database.POSTGRESQL_SILENT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://view@127.0.0.1:{silent.getsockname()[1]}/view"
        with pytest.raises(DatabaseError, match=r"cannot be used: timed out\. Check"):
            Database(address)
    gc.collect()  # pg8000 leaves the socket of a connection that does not come about to this.


def test_every_table_and_change_is_also_postgresql() -> None:
    dialect: Any = postgresql.dialect()
    for table in tables.metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert len(str(index.name)) <= 63
            assert str(CreateIndex(index).compile(dialect=dialect))
        assert str(insert(table).compile(dialect=dialect))
        where = [table.c[name] == bindparam(f"old_{name}") for name in replaced_by(table)]
        assert str(delete(table).where(*where).compile(dialect=dialect))


def test_every_table_says_how_its_rows_are_replaced() -> None:
    own = {tables.state.name, tables.offsets.name}
    for table in tables.metadata.sorted_tables:
        if table.name not in own:
            keys = {column.name for column in table.primary_key}
            assert set(replaced_by(table)) <= keys, table.name
            assert table.name.startswith(tables.PREFIX)
