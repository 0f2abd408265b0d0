"""Brings records into a database as the follower does, without a broker."""

from __future__ import annotations

import datetime as dt

from console.cut import LIVE_TOPICS, Cut
from console.database import Database
from console.rows import puts, write
from schemas.units import millis
from tests.unit.console.story import Said, Topics, tick_record


class Filler:
    """Appends ticks to topics of its own and applies them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._topics = Topics()
        self._cut = Cut(None, {})
        database.claim()

    def live(self, records: list[Said]) -> None:
        """Records that belong to no tick."""
        with self._database.writing() as connection:
            write(connection, (put for m in self._topics.append(records) for put in puts(m)))

    def tick(self, n: int, at: dt.datetime, records: list[Said]) -> None:
        """One whole tick."""
        assert not {record.topic for record in records} & set(LIVE_TOPICS)
        self.live([tick_record(n)])
        due = [*self._cut.begin(n), *self._cut.take(self._topics.append(records))]
        with self._database.writing() as connection:
            write(connection, (put for message in due for put in puts(message)))
            self._database.save_positions(connection, self._cut.positions())
            self._database.save_state(connection, applied_tick=n, as_of_tick=n, as_of_at=millis(at))
