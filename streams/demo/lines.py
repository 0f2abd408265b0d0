"""The demo in plain lines, for pipes, files and terminals that can do no more."""

from __future__ import annotations

from collections.abc import Callable

from alerts.texts import money_text
from schemas.records import Alert, AlertState
from streams.demo.scene import Scene
from streams.demo.words import moment, shown_stakes

STATUS_SECONDS = 5.0


class PlainLines:
    """One line for each alert that opens, reopens or is resolved, and a status now and then."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._status_at = 0.0

    def prepare(self, what: str) -> None:
        """Says what is being started."""
        self._write(f"{what} ...")

    def show(self, scene: Scene) -> None:
        """The news, and every five seconds how things stand."""
        for alert in scene.news:
            self._write(f"{moment(scene.now)}  {_line(alert)}")
        if scene.elapsed_seconds >= self._status_at:
            self._status_at += STATUS_SECONDS
            self._write(_status(scene))

    def close(self) -> None:
        """Nothing is left to do."""
