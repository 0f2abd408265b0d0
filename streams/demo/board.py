"""What the demo knows of the chain, from records of the output topics alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from schemas.partner_sources import partner_of
from schemas.payment_records import Clearance, LinePayment
from schemas.records import (
    Alert,
    AlertState,
    DeadLetter,
    Decision,
    DecisionKind,
    FeedStatus,
    Notification,
    Progress,
    Receipt,
    Standing,
    Statement,
    decode,
)
from schemas.stock_records import StockStanding
from schemas.ticks import StageProgress, Tick
from schemas.units import UtcMillis, millis
from streams.delivery import DeliveryOutcome

LAST_STAGE = "notices"


OVER = frozenset({Progress.DELIVERED, Progress.REJECTED, Progress.CANCELLED, Progress.CLOSED})
"""Of these lines nothing is still to come."""


class LineStanding(msgspec.Struct, frozen=True, gc=False):
    """The part of an `order-status` record that the board needs."""

    line_id: str
    progress: Progress
    standing: Standing
    value_minor: int | None = None
    currency: str | None = None
    payment: LinePayment | None = None
    last_confirmed: Statement | None = None


class NodeStanding(msgspec.Struct, frozen=True, gc=False):
    """The part of a `stock-status` record that the board needs."""

    node_id: str
    standing: StockStanding


class Owed(msgspec.Struct, frozen=True):
    """What is invoiced and not paid yet, by currency in minor units, and how many lines may not go
    until money comes."""

    values: Mapping[str, int]
    held: int


class Answered(msgspec.Struct, frozen=True):
    """How many lines stand as a partner answered for them by the door, and the newest of these
    answers: its line and who gave it."""

    lines: int
    newest: str | None = None
    party: str | None = None


class Stakes(msgspec.Struct, frozen=True):
    """How many lines stand in some way, and their value by currency, in minor units."""

    lines: int
    values: Mapping[str, int]


@dataclass
class Board:
    """Takes in records one by one, in the order of each partition. Holds what is current, every
    verdict that changed, and counts."""

    alerts: dict[str, Alert] = field(default_factory=dict)
    """Every alert by id, as it stands."""
    news: list[Alert] = field(default_factory=list)
    """Alerts that opened, reopened or were resolved since somebody last took them away."""
    feeds: dict[str, FeedStatus] = field(default_factory=dict)
    lines: dict[str, LineStanding] = field(default_factory=dict)
    nodes: dict[str, NodeStanding] = field(default_factory=dict)
    verdicts: list[Decision] = field(default_factory=list)
    """Records of `decisions` that hold verdicts; those of one subject are in their order."""
    tick: Tick | None = None
    """The newest tick written."""
    done: int = 0
    """The newest tick that every partition has dealt with."""
    done_at: UtcMillis = 0
    """The time of that tick."""
    gap_max_ms: int = 0
    """The longest time, of the ticks' own, between two ticks that follow each other."""
    taken: int = 0
    """Facts before the cut of that tick."""
    notified: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Notification id → the sinks that it goes to."""
    recipients: Counter[str] = field(default_factory=Counter)
    receipted: set[tuple[str, str]] = field(default_factory=set)
    """Notification id and sink of what was delivered."""
    letters: list[DeadLetter] = field(default_factory=list)
    """What could not be used."""
    parked: set[bytes] = field(default_factory=set)
    _ticks: dict[int, Tick] = field(default_factory=dict)
    _stands: dict[bytes, int] = field(default_factory=dict)
    _notices_partitions: int = 0

    def expect_partitions(self, count: int) -> None:
        """How many partitions the last stage has: a tick is done when all say so."""
        self._notices_partitions = count

    def take(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Takes in one record of one of `TOPICS`."""
        if value is None:
            self._forget(topic, key)
            return
        match topic:
            case "alerts":
                self._take_alert(decode(value, Alert))
            case "order-status":
                line = _line_decoder.decode(value)
                self.lines[line.line_id] = line
            case "stock-status":
                node = _node_decoder.decode(value)
                self.nodes[node.node_id] = node
            case "decisions":
                decision = decode(value, Decision)
                if decision.kind is DecisionKind.VERDICTS:
                    self.verdicts.append(decision)
            case "feeds":
                feed = decode(value, FeedStatus)
                self.feeds[feed.source] = feed
            case "notifications":
                notification = decode(value, Notification)
                self.notified[notification.notification_id] = notification.sinks
                self.recipients[notification.recipient] += 1
            case "receipts":
                receipt = decode(value, Receipt)
                if receipt.outcome == DeliveryOutcome.DELIVERED:
                    self.receipted.add((receipt.notification_id, receipt.sink))
            case "ticks":
                self._take_tick(decode(value, Tick))
            case "progress":
                self._take_progress(key or b"", decode(value, StageProgress))
            case "dead-letters":
                self.letters.append(decode(value, DeadLetter))
            case "parked":
                self.parked.add(key or b"")
            case _:
                raise AssertionError(f"{topic} is not read by the board")

    def _forget(self, topic: str, key: bytes | None) -> None:
        name = (key or b"").decode()
        match topic:
            case "alerts":
                self.alerts.pop(name, None)
            case "order-status":
                self.lines.pop(name, None)
            case "stock-status":
                self.nodes.pop(name, None)
            case "feeds":
                self.feeds.pop(name, None)
            case "parked":
                self.parked.discard(key or b"")
            case _:
                pass

    def _take_alert(self, alert: Alert) -> None:
        before = self.alerts.get(alert.alert_id)
        self.alerts[alert.alert_id] = alert
        if before is None or before.state != alert.state or before.episode != alert.episode:
            self.news.append(alert)

    def _take_tick(self, tick: Tick) -> None:
        if self.tick is not None:
            self.gap_max_ms = max(self.gap_max_ms, millis(tick.at) - millis(self.tick.at))
        self.tick = self._ticks[tick.n] = tick
        self._find_done()

    def _take_progress(self, key: bytes, progress: StageProgress) -> None:
        if progress.stage == LAST_STAGE:
            self._stands[key] = progress.tick
            self._find_done()

    def _find_done(self) -> None:
        """Nothing orders ticks and progress: either may be read first."""
        if len(self._stands) < self._notices_partitions:
            return
        done = min(self._stands.values(), default=0)
        tick = self._ticks.get(done)
        if done > self.done and tick is not None:
            self.done, self.done_at = done, millis(tick.at)
            self.taken = sum(sum(offsets) for offsets in tick.cut.values())
            for n in [n for n in self._ticks if n < done]:
                del self._ticks[n]

    def news_since(self) -> list[Alert]:
        """The news since the last call."""
        news, self.news = self.news, []
        return news

    @property
    def open_alerts(self) -> list[Alert]:
        """Those that are open."""
        return [each for each in self.alerts.values() if each.state is AlertState.OPEN]

    @property
    def delivered(self) -> int:
        """Notifications whose every sink has a receipt."""
        return sum(
            all((name, sink) in self.receipted for sink in sinks)
            for name, sinks in self.notified.items()
        )

    def stakes(self) -> dict[Standing, Stakes]:
        """How the lines stand of which something is still to come, and what they are worth."""
        counts: Counter[Standing] = Counter()
        values: dict[Standing, Counter[str]] = {}
        for line in self.lines.values():
            if line.progress in OVER:
                continue
            counts[line.standing] += 1
            if line.value_minor is not None and line.currency is not None:
                worth = values.setdefault(line.standing, Counter())
                worth[line.currency] += line.value_minor
        return {
            standing: Stakes(counts[standing], dict(sorted(values.get(standing, {}).items())))
            for standing in Standing
            if standing is not Standing.ENDED
        }

    def stock(self) -> dict[StockStanding, int]:
        """How many stock nodes stand in each way, the worst first; ways without any are left
        out."""
        counts = Counter(node.standing for node in self.nodes.values())
        return {standing: counts[standing] for standing in StockStanding if counts[standing]}

    def answered(self) -> Answered:
        """The lines whose last promise was an answer by the door."""
        told = [
            (line.last_confirmed.told_at, line.line_id, party)
            for line in self.lines.values()
            if line.last_confirmed is not None
            and (party := partner_of(line.last_confirmed.source)) is not None
        ]
        if not told:
            return Answered(0)
        _, newest, party = max(told)
        return Answered(len(told), newest, party)

    def owed(self) -> Owed:
        """What is still to be paid of all invoices, and how many lines wait for money."""
        values: Counter[str] = Counter()
        held = 0
        for line in self.lines.values():
            payment = line.payment
            if payment is None:
                continue
            held += payment.clearance is Clearance.HELD and line.progress not in OVER
            if payment.invoices and payment.open_minor and payment.currency is not None:
                values[payment.currency] += payment.open_minor
        return Owed(dict(sorted(values.items())), held)


TOPICS = (
    "ticks", "progress", "alerts", "order-status", "stock-status", "decisions", "feeds",
    "notifications", "receipts", "dead-letters", "parked",
)  # fmt: skip
"""What the board reads."""

_line_decoder = msgspec.json.Decoder(LineStanding)
_node_decoder = msgspec.json.Decoder(NodeStanding)
