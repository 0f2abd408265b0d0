from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, insert, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import CreateIndex, CreateTable

from console import tables
from console.cut import Position
from console.database import Database, DatabaseError
from console.rows import replaced_by
from tests.unit.console.filling import Filler
from tests.unit.console.story import at, first_tick


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'view.db'}"


def as_of(database: Database) -> int | None:
    with database.reading() as connection:
        return database.state(connection).as_of_tick


def filled(url: str) -> Database:
    database = Database(url)
    Filler(database).tick(1, at(1), first_tick())
    return database


def test_what_was_written_is_there_again(url: str) -> None:
    database = filled(url)
    database.close()
    again = Database(url)
    assert as_of(again) == 1
    with again.reading() as connection:
        positions = again.positions(connection)
    assert positions["order-status", 0] == Position(2, 2)
    again.close()


def test_tables_of_another_version_are_built_anew(
    url: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    database = filled(url)
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE slipwatch_forgotten (x INTEGER)"))
        connection.execute(text("CREATE TABLE somebody_elses (x INTEGER)"))
        connection.execute(tables.state.update().values(schema_version=99))
    database.close()
    again = Database(url)
    assert as_of(again) is None
    with again.reading() as connection:
        assert again.positions(connection) == {}
        names = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master")).all()}
    assert "somebody_elses" in names
    assert "slipwatch_forgotten" not in names
    # Whether logs go through the standard library depends on what this process ran before.
    said = capsys.readouterr().out + caplog.text
    assert f"version 99, this Slipwatch needs version {tables.SCHEMA_VERSION}" in said
    again.close()


def test_a_transaction_that_fails_leaves_nothing(url: str) -> None:
    database = filled(url)
    no_such_column = pytest.raises(CompileError)
    with no_such_column, database.writing() as connection:
        connection.execute(delete(tables.order_lines))
        database.save_state(connection, as_of_tick=2)
        database.save_state(connection, nonsense=1)
    assert as_of(database) == 1
    with database.reading() as connection:
        assert len(connection.execute(tables.order_lines.select()).all()) == 2
    database.close()


def test_an_older_owner_is_refused(url: str) -> None:
    older, newer = Database(url), Database(url)
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
        ("postgresql+psycopg://x/y", "need their driver installed"),
    ],
)
def test_an_address_that_cannot_be_opened_says_why(wrong: str, says: str) -> None:
    with pytest.raises(DatabaseError, match=says):
        Database(wrong)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "view.db"
    path.write_text("This is a letter, and much longer than any header. " * 20)
    with pytest.raises(DatabaseError, match=r"cannot be used.*view\.database"):
        Database(f"sqlite:///{path}")


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
