"""What the engine made of the facts: alerts, and how each line met its promise.

Counted from what the engine wrote: `alerts`, `order-status`, and the ledger of each line. Whether a
delivery was late is the engine's word; early is what came on a day before the promised one.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from alerts.lines import LineSummary
from schemas.codec import unpack
from schemas.ledger import decode_line
from schemas.records import Alert, Decision, OrderStatus, Progress, Standing, decode
from schemas.records import Outcome as VerdictOutcome
from schemas.stock_records import StockStanding, StockStatus
from schemas.units import Day
from streams.stages.fold import fold
from topology.network import Network


class Timing(enum.StrEnum):
    """How a line met the date that was promised; every line is one of these."""

    LATE = "late"
    EARLY = "early"
    ON_TIME = "on_time"
    UNDATED = "undated"
    """Delivered, and nobody had promised or asked for a date."""
    ENDED = "ended"
    """Rejected, cancelled or closed without being delivered."""
    OPEN = "open"


@dataclass
class Outcome:
    """Gathers what the engine writes; ask it at the end."""

    network: Network
    _statuses: dict[bytes, bytes] = field(default_factory=dict)
    _ledgers: dict[bytes, bytes] = field(default_factory=dict)
    _alerts: dict[tuple[str, int], Alert] = field(default_factory=dict)
    _hit: dict[str, set[str]] = field(default_factory=dict)
    _stock: dict[bytes, StockStanding] = field(default_factory=dict)
    dead_letters: int = 0

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One record that the engine wrote. A line that has left keeps its last state."""
        if topic == "dead-letters":
            self.dead_letters += 1
        if value is None or key is None:
            return
        if topic == "order-status":
            self._statuses[key] = value
        elif topic == "stock-status":
            self._stock[key] = decode(value, StockStatus).standing
        elif topic == "lines" and decode_line(value).facts:
            self._ledgers[key] = value
        elif topic == "decisions":
            decision = decode(value, Decision)
            for verdict in decision.verdicts:
                if verdict.outcome is VerdictOutcome.FIRES:
                    self._hit.setdefault(verdict.rule, set()).add(decision.subject)
        elif topic == "alerts":
            alert = decode(value, Alert)
            self._alerts[alert.alert_id, alert.episode] = alert

    def alerts(self) -> tuple[Alert, ...]:
        """Each episode of each alert as it was last told, in the order of opening."""
        return tuple(
            sorted(
                self._alerts.values(),
                key=lambda alert: (alert.opened_at, alert.alert_id, alert.episode),
            )
        )

    def subjects_by_rule(self) -> dict[str, int]:
        """Rule → for how many lines (or sources) it ever fired, by name."""
        return {rule: len(subjects) for rule, subjects in sorted(self._hit.items())}

    def stock(self) -> Counter[StockStanding]:
        """How many stock nodes stand how."""
        return Counter(self._stock.values())

    def timings(self) -> Counter[Timing]:
        """How many lines met their promise how."""
        return Counter(self._timing(key) for key in self._statuses)

    def _timing(self, key: bytes) -> Timing:
        status = decode(self._statuses[key], OrderStatus)
        if status.progress is not Progress.DELIVERED:
            return Timing.ENDED if status.standing is Standing.ENDED else Timing.OPEN
        if status.standing is Standing.LATE:
            return Timing.LATE
        line = self._summary(key)
        promise = line.last_confirmed or line.requested
        delivered = max(
            (leg.delivered.at for leg in line.legs if leg.delivered is not None), default=None
        )
        if promise is None or delivered is None:
            return Timing.UNDATED
        promised_on: Day = (
            promise.on
            if promise.on is not None
            else self.network.local_day(line.ship_to, promise.at or 0)
        )
        is_early = self.network.local_day(line.ship_to, delivered) < promised_on
        return Timing.EARLY if is_early else Timing.ON_TIME

    def _summary(self, key: bytes) -> LineSummary:
        ledger = decode_line(self._ledgers[key])
        return fold(key.decode(), [unpack(body) for body in ledger.facts])


def by_rule(alerts: Iterable[Alert]) -> dict[str, int]:
    """Rule → how many episodes of alerts rest on it, by name."""
    counts = Counter(rule for alert in alerts for rule in alert.rules)
    return dict(sorted(counts.items()))
