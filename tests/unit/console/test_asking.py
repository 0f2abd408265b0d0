"""The view says of a line whether its supplier was asked, when, how often, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.database import Database
from console.explanation import Explanation, explain
from schemas.units import HOUR_MS, instant
from tests.scenario import START
from tests.unit.console.filling import Filler
from tests.unit.console.story import Said
from tests.unit.engine.test_chasing import LINE, Scene, policy


class Told:
    """A scene of which a view reads everything, tick by tick."""

    def __init__(self, database: Database, scene: Scene) -> None:
        self._database, self._filler, self.scene = database, Filler(database), scene
        self._ticks = 0
        self._read(0)

    def go(self, *hours: float) -> None:
        for each in hours:
            self.scene.go(each)
            self._read(each)

    def _read(self, hours: float) -> None:
        self._ticks += 1
        at: dt.datetime = instant(START + int(hours * HOUR_MS) + 1)
        said = [
            Said(topic, (each.key or b"").decode(), each.value)
            for topic in ("order-status", "decisions")
            for each in self.scene.engine.new_outputs(topic)
        ]
        self._filler.tick(self._ticks, at, said)

    def explained(self, tick: int | None = None) -> Explanation:
        with self._database.reading() as connection:
            return explain(connection, LINE, tick=tick)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(f"sqlite:///{tmp_path / 'view.db'}")
    yield found
    found.close()


def test_each_time_of_asking_and_what_came_of_it_is_told(database: Database) -> None:
    told = Told(database, Scene())
    told.go(30, 40)
    assert told.explained().asking == (
        "To confirm: The supplier is asked, time 2 of 3, and has not answered. "
        "For a new date: There is nothing to ask the supplier for."
    )
    told.scene.engine.send(told.scene.chain.confirmed("PO-1", START + 41 * HOUR_MS))
    told.go(41)
    after = told.explained()
    assert after.asking.startswith("To confirm: The supplier has told since it was time to ask.")
    past = {
        (each.value, each.at) for each in after.past_verdicts if each.rule == "chasing_confirmation"
    }
    assert {value for value, _ in past} == {None, "1", "2"}
    assert ("1", instant(START + 30 * HOUR_MS + 1)) in past
    assert "time 1 of 3" in told.explained(tick=2).asking


def test_asking_is_no_rule(database: Database) -> None:
    asked = Told(database, Scene()).explained().summary
    assert asked.endswith("Rules: fires 0, silent 22, blind 0.")


def test_a_policy_that_asks_nobody_is_said_to(database: Database) -> None:
    told = Told(database, Scene(policy("")))
    told.go(30)
    assert told.explained().asking == "The policy asks no supplier for anything here."
