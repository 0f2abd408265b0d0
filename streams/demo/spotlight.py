"""Which alerts are shown large: long enough to be read, however many come in.

At the demo's pace several alerts open each second. So a place on the screen is held for some
seconds; whoever is free next shows the worst of those that have opened since.
"""

from __future__ import annotations

from collections import deque

from alerts.findings import severity_rank
from schemas.records import Alert, AlertState

HOLD_SECONDS = 4.0
WAITING_MAX = 12
"""What was not among the worst of so many is left to the list below."""
TICKER_MAX = 60


class Spotlight:
    """The alerts to show large, by place, and all news, the newest first."""

    def __init__(self) -> None:
        self._waiting: deque[Alert] = deque(maxlen=WAITING_MAX)
        self._places: list[tuple[float, Alert]] = []
        self.ticker: deque[Alert] = deque(maxlen=TICKER_MAX)

    def take(self, news: tuple[Alert, ...]) -> None:
        """Takes in what is new."""
        for alert in news:
            self.ticker.appendleft(alert)
            if alert.state is AlertState.OPEN:
                self._waiting.append(alert)

    def choose(self, places: int, seconds: float) -> list[Alert]:
        """The alerts to show large at that moment, at most so many, the newest choice first."""
        del self._places[places:]
        for index, (until, _) in enumerate(self._places):
            if seconds >= until and self._waiting:
                self._places[index] = self._next(seconds)
        while len(self._places) < places and self._waiting:
            # Not all change at once: the first ones are held for longer by and by.
            until, alert = self._next(seconds)
            share = HOLD_SECONDS * len(self._places) / places
            self._places.append((until + share, alert))
        return [alert for _, alert in self._places]

    def _next(self, seconds: float) -> tuple[float, Alert]:
        worst = max(self._waiting, key=_weight)
        self._waiting.remove(worst)
        return seconds + HOLD_SECONDS, worst


def _weight(alert: Alert) -> tuple[int, int, int, str]:
    value = max((each.value_minor for each in alert.value_at_risk), default=0)
    return severity_rank(alert.severity), alert.consequence_count, value, alert.alert_id
