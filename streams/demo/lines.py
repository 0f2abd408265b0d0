"""The demo in plain lines, for pipes, files and terminals that can do no more."""

from __future__ import annotations

from collections.abc import Callable

from alerts.findings import severity_rank
from alerts.texts import counted
from schemas.records import Alert, AlertState
from schemas.units import millis
from streams.demo.scene import Scene
from streams.demo.words import (
    STANDING_STYLES,
    STANDING_WORDS,
    answered_words,
    at_stake,
    moment,
    owed_words,
    short_values,
    stock_words,
    what_happened,
)

STATUS_SECONDS = 5.0
PAST_SHOWN = 5


class PlainLines:
    """One line for each alert that opens or reopens, and a status every five seconds.

    Of the alerts of the past only the worst are shown, when time begins to move.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._status_at = 0.0
        self._past: dict[str, Alert] | None = {}

    def prepare(self, what: str) -> None:
        """Says what is being started."""
        self._write(f"{what} ...")

    def show(self, scene: Scene) -> None:
        """The news, and every five seconds how things stand."""
        if scene.is_past:
            if self._past is not None:
                self._past.update((alert.alert_id, alert) for alert in scene.news)
            return
        self._tell_past()
        for alert in scene.news:
            if alert.state is AlertState.OPEN:
                self._write(_line(alert))
        if scene.elapsed_seconds >= self._status_at:
            self._status_at = scene.elapsed_seconds + STATUS_SECONDS
            self._write(_status(scene))

    def close(self) -> None:
        """Nothing is left to do."""

    def _tell_past(self) -> None:
        if self._past is None:
            return
        opened = [alert for alert in self._past.values() if alert.state is AlertState.OPEN]
        self._past = None
        opened.sort(key=lambda alert: (-severity_rank(alert.severity), alert.alert_id))
        self._write(f"{counted(len(opened), 'alert')} open from the past; the worst of them:")
        for alert in opened[:PAST_SHOWN]:
            self._write(_line(alert))


def _line(alert: Alert) -> str:
    stake = at_stake(alert)
    return (
        f"{moment(millis(alert.updated_at))}  {what_happened(alert)}  {alert.severity.value}  "
        f"{alert.title}{f' ({stake})' if stake else ''}. {alert.cause} {alert.next_step}"
    )


def _status(scene: Scene) -> str:
    board = scene.board
    stakes = board.stakes()
    promises = ", ".join(
        f"{stakes[each].lines} {STANDING_WORDS[each]}"
        + (f" ({short_values(stakes[each].values)})" if stakes[each].values else "")
        for each in STANDING_STYLES
    )
    owed = board.owed()
    blind = [feed.source for feed in board.feeds.values() if feed.blind]
    return (
        f"{moment(scene.now)}  -- {counted(len(board.open_alerts), 'alert')} open; "
        f"order lines: {promises}; "
        f"stock: {stock_words(board.stock())}; money: {owed_words(owed.values, owed.held)}; "
        f"answered by the door: {answered_words(board.answered())}; "
        f"feeds: {len(board.feeds)}, blind: {', '.join(sorted(blind)) or 'none'}; "
        f"{scene.facts_per_second} facts/s, {scene.ticks_per_second:.1f} ticks/s"
    )
