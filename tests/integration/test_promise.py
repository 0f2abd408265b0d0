"""A promise, from facts told to the engine to the answer over HTTP and at the command line."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from console import tables
from console.api import create_app
from console.cut import LIVE_TOPICS, TICK_TOPICS, Message
from console.database import Database
from console.rows import puts, write
from schemas.facts import InventoryFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, instant
from streams.cli.root import slipwatch
from streams.engine.local import LocalEngine
from streams.exits import Exit
from streams.promising import Promiser
from tests.scenario import START, Chain, network
from tests.unit.console.conftest import Client, Served

ASKED = {"item": "BOLT", "quantity": "100", "site": "OSLO"}


def counted(amount: int) -> InventoryFact:
    return InventoryFact(
        "w1", "lyon-wms", "counted", START, START, "BOLT", "LYON", amount * QUANTITY_ONE, "EA"
    )


def read_into(database: Database, engine: LocalEngine, tick: int, at: int) -> None:
    """What the follower does with all that the engine wrote."""
    database.claim()
    with database.writing() as connection:
        for topic in (*LIVE_TOPICS, *TICK_TOPICS):
            messages = [
                Message(topic, each.partition, n, (each.key or b"").decode(), each.value)
                for n, each in enumerate(engine.outputs(topic))
            ]
            write(connection, (put for message in messages for put in puts(message)))
        database.save_state(connection, applied_tick=tick, as_of_tick=tick, as_of_at=at)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Lyon was counted at 150 bolts; ACME ordered 100 for the 10th day."""
    engine = LocalEngine(network())
    engine.send(counted(150))
    engine.send(Chain().placed("PO-1", START, due_days=10))
    tick = engine.tick(START + HOUR_MS)
    found = Database(f"sqlite:///{tmp_path_factory.mktemp('promise') / 'view.db'}")
    read_into(found, engine, tick.n, START + HOUR_MS)
    engine.close()
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(database: Database) -> Iterator[Client]:
    with Served(create_app(database, Promiser())) as found:
        yield found


def test_an_order_is_promised_from_what_nobody_needs(client: Client) -> None:
    found = client.get("/v1/promise", **ASKED | {"quantity": "50"}).body
    assert found["as_of"]["at"] == "2026-01-05T01:00:00Z"
    (part,) = found["promise"]["promised"]["parts"]
    assert (part["site"], part["lanes"], part["basis"]) == ("LYON", ["LYON-OSLO"], "stock")
    # Any moment will do in Lyon: one, two or four days from 01:00 UTC on Monday the 5th.
    assert [part[name] for name in ("p50_on", "p80_on", "p95_on")] == [
        "2026-01-06", "2026-01-07", "2026-01-09",
    ]  # fmt: skip


def test_who_would_wait_is_named_with_its_dates(client: Client) -> None:
    found = client.get("/v1/promise", **ASKED).body["promise"]
    assert (found["promised"], found["missing"]) == (None, "50")
    (pushed,) = found["taking"]["pushed"]
    assert (pushed["line_id"], pushed["missing"]) == ("ACME/PO-1#10", "50")
    # Wanted in Oslo by the end of the 15th: it has to leave Lyon two days before.
    assert (pushed["needed_on"], pushed["due_on"]) == ("2026-01-13", "2026-01-15")
    assert (pushed["covered_on"], pushed["expected_on"]) == (None, None)


def test_asking_changes_nothing(client: Client, database: Database) -> None:
    def content() -> list[object]:
        with database.reading() as connection:
            return [
                connection.execute(table.select()).all() for table in tables.metadata.sorted_tables
            ]

    before, first = content(), client.get("/v1/promise", **ASKED)
    assert client.get("/v1/promise", **ASKED) == first
    assert content() == before


@pytest.mark.parametrize(
    ("wrong", "status", "says"),
    [
        ({"item": "BOLTS"}, 404, "The network knows no item BOLTS."),
        ({"site": "OSLOO"}, 404, "The network knows no site OSLOO."),
        ({"unit": "KG"}, 422, "BOLT is not counted in KG, but in EA."),
        ({"quantity": "0"}, 422, "Not understood: `quantity`."),
        ({"quantity": "1.1234567"}, 422, "Not understood: `quantity`."),
        ({"quantity": "NaN"}, 422, "Not understood: `quantity`."),
        ({"by": "soon"}, 422, "Not understood: `by`."),
    ],
)
def test_what_nobody_knows_is_refused(
    client: Client, wrong: dict[str, str], status: int, says: str
) -> None:
    refused = client.get("/v1/promise", **ASKED | wrong)
    assert (refused.status, refused.body["detail"]) == (status, says)
    assert refused.body["candidates"] == {404: ["BOLT" if "item" in wrong else "OSLO"]}.get(
        status, []
    )


def test_the_command_says_the_same(client: Client) -> None:
    def ask(*words: str) -> tuple[int, str]:
        view = f"--view-url={client._base}"
        result = CliRunner().invoke(slipwatch, ["promise", *words, view, "--utc"])
        return result.exit_code, result.output

    code, told = ask("BOLT", "50", "OSLO", "--by", "2026-01-08")
    assert code == Exit.OK
    assert "By 2026-01-08 in 80 of 100 cases." in told
    code, told = ask("BOLT", "50", "OSLO", "--by", "2026-01-06")
    assert code == Exit.FINDINGS
    assert "By 2026-01-06 in only 50 of 100 cases." in told
    code, told = ask("BOLT", "100", "OSLO", "--json")
    assert code == Exit.FINDINGS
    assert json.loads(told) == client.get("/v1/promise", **ASKED).body
    code, told = ask("BOLTS", "100", "OSLO")
    assert code == Exit.FINDINGS
    assert "slipwatch: perhaps BOLT" in told


def test_a_view_without_the_network_of_its_tick_says_so(tmp_path: Path) -> None:
    engine = LocalEngine(network())
    tick = engine.tick(START + HOUR_MS)
    database = Database(f"sqlite:///{tmp_path / 'view.db'}")
    read_into(database, engine, tick.n, START + HOUR_MS)
    engine.close()
    with database.writing() as connection:
        connection.execute(delete(tables.networks))
    with Served(create_app(database, Promiser())) as client:
        refused = client.get("/v1/promise", **ASKED)
    assert refused.status == 503
    assert "has not read all of network" in refused.body["detail"]
    database.close()


def test_an_answer_is_as_of_the_tick_that_the_view_shows(tmp_path: Path) -> None:
    engine = LocalEngine(network())
    engine.send(counted(150))
    engine.tick(START + HOUR_MS)
    tick = engine.tick(START + 3 * DAY_MS)
    database = Database(f"sqlite:///{tmp_path / 'view.db'}")
    read_into(database, engine, tick.n, START + 3 * DAY_MS)
    engine.close()
    with Served(create_app(database, Promiser())) as client:
        found = client.get("/v1/promise", **ASKED).body
    database.close()
    part = found["promise"]["promised"]["parts"][0]
    assert dt.datetime.fromisoformat(part["ready_at"]) == instant(START + 3 * DAY_MS)
