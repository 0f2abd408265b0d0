"""What the engine made of the facts: alerts, and how each line met its promise.

Counted from what the engine wrote: `alerts`, `order-status`, and the ledger of each line. Whether a
delivery was late is the engine's word; early is what came on a day before the promised one.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from alerts.lines import LineSummary, Told
from schemas.codec import unpack
from schemas.facts import split_line_id
from schemas.ledger import decode_line
from schemas.records import Alert, Decision, OrderStatus, Progress, Standing, decode
from schemas.records import Outcome as VerdictOutcome
from schemas.stock_records import StockStanding, StockStatus
from schemas.units import Day, UtcMillis
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


class LateAgainst(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines, of how many orders, were delivered after one of the dates that they had."""

    lines: int
    orders: int


BASELINES = ("requested", "first_confirmed", "last_confirmed")


@dataclass(frozen=True)
class Met:
    """How lines met their promises: how many of each timing, of how many orders, and how many
    were delivered after each of the three baselines."""

    timings: Counter[Timing]
    orders: int
    late_against: dict[str, LateAgainst]


@dataclass
class Outcome:
    """Gathers what the engine writes; ask it at the end."""

    network: Network
    _statuses: dict[bytes, bytes] = field(default_factory=dict)
    _ledgers: dict[bytes, bytes] = field(default_factory=dict)
    _alerts: dict[tuple[str, int], Alert] = field(default_factory=dict)
    _hit: dict[str, set[str]] = field(default_factory=dict)
    _stock: dict[bytes, StockStanding] = field(default_factory=dict)
    _on_hand: dict[bytes, Decimal | None] = field(default_factory=dict)
    dead_letters: int = 0
    stock_outs: int = 0
    """How often what a stock node has on hand fell to zero or below, from one tick to a later."""

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """One record that the engine wrote. A line that has left keeps its last state."""
        if topic == "dead-letters":
            self.dead_letters += 1
        if value is None or key is None:
            return
        if topic == "order-status":
            self._statuses[key] = value
        elif topic == "stock-status":
            self._take_stock(key, decode(value, StockStatus))
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

    def _take_stock(self, key: bytes, status: StockStatus) -> None:
        self._stock[key] = status.standing
        before, now = self._on_hand.get(key), status.on_hand
        if now is not None and now <= 0 and (before is None or before > 0):
            self.stock_outs += 1
        self._on_hand[key] = now

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

    def met(self) -> Met:
        """How the lines met what was promised; about 30 µs a line that is delivered.

        Late against a baseline is what was delivered after its moment, or else after its day was
        over; of a line that came in parts the last counts.
        """
        timings: Counter[Timing] = Counter()
        late: dict[str, list[str]] = {name: [] for name in BASELINES}
        for key, body in self._statuses.items():
            status = decode(body, OrderStatus)
            if status.progress is not Progress.DELIVERED:
                ended = status.standing is Standing.ENDED
                timings[Timing.ENDED if ended else Timing.OPEN] += 1
                continue
            line = self._summary(key)
            delivered = max(
                (leg.delivered.at for leg in line.legs if leg.delivered is not None), default=None
            )
            timings[self._timing(status, line, delivered)] += 1
            for name in BASELINES:
                due = self._due_at(line, getattr(line, name))
                if delivered is not None and due is not None and delivered > due:
                    late[name].append(line.line_id)
        return Met(
            timings=timings,
            orders=_orders(key.decode() for key in self._statuses),
            late_against={
                name: LateAgainst(lines=len(lines), orders=_orders(lines))
                for name, lines in late.items()
            },
        )

    def _due_at(self, line: LineSummary, promise: Told | None) -> UtcMillis | None:
        if promise is None or promise.on is None:
            return None if promise is None else promise.at
        return self.network.due_at(line.ship_to, promise.on)

    def _timing(
        self, status: OrderStatus, line: LineSummary, delivered: UtcMillis | None
    ) -> Timing:
        if status.standing is Standing.LATE:
            return Timing.LATE
        promise = line.last_confirmed or line.requested
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


def _orders(lines: Iterable[str]) -> int:
    """How many orders the lines are of."""
    return len({split_line_id(line)[0] for line in lines})


def by_rule(alerts: Iterable[Alert]) -> dict[str, int]:
    """Rule → how many episodes of alerts rest on it, by name."""
    counts = Counter(rule for alert in alerts for rule in alert.rules)
    return dict(sorted(counts.items()))
