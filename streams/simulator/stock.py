"""What the sites tell of their stock: what orders move, what they make, use, send on and count.

Every movement is told by the source of its site, one minute later and in order, so that a count
and the movements before it are never told the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from random import Random
from typing import TypeAlias

from schemas.facts import InventoryFact
from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, QUANTITY_ONE, Day, UtcMillis
from streams.simulator.faults import (
    FAULT_FREE_DAYS,
    ExpectedCatch,
    FaultKind,
    Injection,
    Noise,
    Rates,
    Windows,
)
from streams.simulator.feeds import Source
from streams.simulator.levels import Level
from streams.simulator.plans import Plan
from topology.calendars import is_working, later_moment
from topology.network import Network

OPENS_MINUTES, CLOSES_MINUTES = 5 * 60, 19 * 60
"""When a site counts, and when it makes and uses what the day asked for; local time."""

SEEN_WITHIN_MS = 2 * DAY_MS
"""A source that a fault of stock needs is not silent for so long after it."""


@dataclass(frozen=True)
class _Move:
    """Goods that an order moves."""

    key: tuple[str, str]
    kind: str
    quantity: int
    order_ref: str
    line: str


@dataclass(frozen=True)
class _Count:
    site: str
    on: Day


@dataclass(frozen=True)
class _Close:
    site: str
    on: Day


@dataclass(frozen=True)
class _Surge:
    """Demand grows somewhere, on a day."""

    on: Day


@dataclass(frozen=True)
class _Transfer:
    """Goods on their way from a site to another one of the same party."""

    number: str
    order: int
    """How many there were before it: at one moment it comes after those."""
    key: tuple[str, str]
    from_site: str
    quantity: int
    arrives_at: UtcMillis
    has_left: bool = False


_Event: TypeAlias = _Move | _Count | _Close | _Surge | _Transfer


@dataclass
class _Balance:
    """What lies at a node. `promised` is set aside for a project, `leaving` is to be sent on by the
    next departure, `coming` is sent for."""

    level: Level
    on_hand: int
    promised: int = 0
    leaving: int = 0
    coming: int = 0

    @property
    def free(self) -> int:
        return self.on_hand - self.promised - self.leaving


@dataclass(frozen=True)
class Told:
    """A fact about stock on its way: `copy` is 1 for a duplicate."""

    send_at: UtcMillis
    fact: InventoryFact
    copy: int = 0


@dataclass
class StockKeeper:
    """The books of all nodes, kept in the order of time. Give it every plan before the time at
    which its order is placed, then `advance`; steps of any size tell the same."""

    network: Network
    levels: Mapping[tuple[str, str], Level]
    sources: Mapping[str, Source]
    windows: Windows
    rates: Rates
    noise: Noise
    seed: int
    started_at: UtcMillis
    injections: list[Injection] = field(default_factory=list)
    _waiting: list[tuple[UtcMillis, int, int, _Event]] = field(default_factory=list)
    _told: list[Told] = field(default_factory=list)
    _count: int = 0
    _transfers: int = 0

    def __post_init__(self) -> None:
        self._rng = Random(f"{self.seed}/stock")
        self._balances = {key: _Balance(level, level.target) for key, level in self.levels.items()}
        first = self.started_at // DAY_MS
        for number, site in enumerate(self._sites):
            self._schedule_count(number, site, first)
            self._schedule_close(number, site, first)
        self._push(self.started_at + FAULT_FREE_DAYS * DAY_MS, 3, 0, _Surge(FAULT_FREE_DAYS))

    @property
    def _sites(self) -> Sequence[str]:
        return sorted({site for _, site in self.levels})

    def expect(self, plan: Plan) -> None:
        """The goods of an order will move at the sites that tell of their stock."""
        lane = plan.lane
        for index, line in enumerate(plan.lines):
            at = plan.number * 100 + index
            origin, destination = (line.item, lane.origin), (line.item, lane.destination)
            number = (plan.order_ref, line.number)
            if origin in self.levels:
                reserved = _Move(origin, "reserved", line.quantity, *number)
                issued = _Move(origin, "issued", line.quantity, *number)
                self._push(plan.confirmed_at, 0, at, reserved)
                self._push(plan.ready_at, 1, at, issued)
            whole = line.quantity - plan.short(index) - plan.damaged(index)
            if destination in self.levels and whole:
                received = _Move(destination, "received", whole, *number)
                self._push(plan.delivered_at, 0, at, received)

    def advance(self, to: UtcMillis) -> list[Told]:
        """What is told of all that happened since the last advance, up to `to`."""
        if not self._count:
            for balance in self._balances.values():
                self._tell(balance, "counted", self.started_at + MINUTE_MS, balance.on_hand)
        while self._waiting and self._waiting[0][0] <= to:
            at, _, number, event = heappop(self._waiting)
            match event:
                case _Move():
                    self._move(event, at)
                case _Count(site, on):
                    self._count_site(site, on, at)
                    self._schedule_count(number, site, on + 1)
                case _Close(site, on):
                    self._close_site(site, on, at)
                    self._schedule_close(number, site, on + 1)
                case _Surge(on):
                    self._surge(at, on)
                case _Transfer():
                    self._carry(event, at)
        told, self._told = self._told, []
        return told

    def _push(self, at: UtcMillis, rank: int, number: int, event: _Event) -> None:
        heappush(self._waiting, (at, rank, number, event))

    def _schedule_count(self, number: int, site: str, on: Day) -> None:
        self._schedule(number, OPENS_MINUTES, _Count(site, on))

    def _schedule_close(self, number: int, site: str, on: Day) -> None:
        self._schedule(number, CLOSES_MINUTES, _Close(site, on))

    def _schedule(self, number: int, minutes: int, event: _Count | _Close) -> None:
        zone = self.network.sites[event.site].zone
        at = later_moment(zone, event.on, minutes)
        self._push(at, 2, number, event)

    def _is_working(self, site: str, on: Day) -> bool:
        return is_working(self.network.calendar_of(self.network.sites[site]), on)

    def _move(self, move: _Move, at: UtcMillis) -> None:
        balance = self._balances[move.key]
        if move.kind == "issued":
            balance.on_hand -= move.quantity
        elif move.kind == "received":
            balance.on_hand += move.quantity
        self._tell(balance, move.kind, at, move.quantity, order_ref=move.order_ref, line=move.line)

    # What a site does by itself.

    def _close_site(self, site: str, on: Day, at: UtcMillis) -> None:
        """At the end of a working day a site makes, sends for or buys what is missing, or uses up
        what is too much; a project takes what is set aside for it once enough lies there."""
        if at <= self.started_at or not self._is_working(site, on):
            return
        for balance in self._balances.values():
            level = balance.level
            if level.site != site:
                continue
            if balance.promised and balance.free >= level.low:
                self._take(balance, at, balance.promised, "project")
                self._tell(balance, "unreserved", at, balance.promised)
                balance.promised = 0
            if level.is_made and balance.free < level.target:
                self._make(balance, at)
            elif level.supplier and balance.free + balance.coming < level.low:
                self._send_for(balance, at, level.supplier)
            elif not (level.is_made or level.supplier) and balance.free < level.low:
                self._bring(balance, at, level.target - balance.free, "bought elsewhere")
            elif balance.free > level.high:
                self._take(balance, at, balance.free - level.target, "local use")

    def _make(self, balance: _Balance, at: UtcMillis) -> None:
        """As much as is missing, and as the parts allow."""
        level = balance.level
        made = level.target - balance.free
        parts = [(self._balances[part, level.site], each) for part, each in level.parts]
        for part, each in parts:
            made = min(made, (part.on_hand - 2 * part.level.floor) // each)
        if made <= 0:
            return
        for part, each in parts:
            self._take(part, at, made * each, "assembly")
        self._bring(balance, at, made, "made")

    def _bring(self, balance: _Balance, at: UtcMillis, quantity: int, reason: str) -> None:
        balance.on_hand += quantity
        self._tell(balance, "received", at, quantity, reason=reason)

    def _take(self, balance: _Balance, at: UtcMillis, quantity: int, reason: str) -> None:
        balance.on_hand -= quantity
        self._tell(balance, "issued", at, quantity, reason=reason)

    def _send_for(self, balance: _Balance, at: UtcMillis, supplier: str) -> None:
        """Another site of the party sends what is missing by the next departure."""
        level = balance.level
        giver = self._balances[level.item, supplier]
        quantity = min(
            level.target - balance.free - balance.coming, giver.free - giver.level.low // 2
        )
        lane = self.network.lane_between(supplier, level.site, level.item)
        if quantity <= 0 or lane is None:
            return
        leaves_at = self.network.next_departure(lane, at + 2 * HOUR_MS)
        assert leaves_at is not None, f"lane {lane.id} has an origin"
        took_ms = self._rng.randrange(lane.lead_time_p50_ms * 9 // 10, lane.lead_time_p80_ms)
        arrives_at = self.network.add_working_time(level.site, leaves_at + took_ms, HOUR_MS)
        balance.coming += quantity
        giver.leaving += quantity
        self._transfers += 1
        number = f"{self.network.sites[supplier].party}/TR-{self._transfers:06d}"
        key = (level.item, level.site)
        transfer = _Transfer(number, self._transfers, key, supplier, quantity, arrives_at)
        self._push(leaves_at, 4, self._transfers, transfer)

    def _carry(self, transfer: _Transfer, at: UtcMillis) -> None:
        """A transfer leaves, or comes in."""
        item, site = transfer.key
        balance = self._balances[transfer.key]
        giver = self._balances[item, transfer.from_site]
        number, quantity = transfer.number, transfer.quantity
        if transfer.has_left:
            balance.on_hand += quantity
            balance.coming -= quantity
            self._tell(
                balance,
                "transferred_in",
                at,
                quantity,
                from_site=transfer.from_site,
                transfer_ref=number,
            )
            return
        giver.on_hand -= quantity
        giver.leaving -= quantity
        self._tell(giver, "transferred_out", at, quantity, to_site=site, transfer_ref=number)
        self._push(transfer.arrives_at, 4, transfer.order, replace(transfer, has_left=True))

    # Counts, and what goes wrong.

    def _count_site(self, site: str, on: Day, at: UtcMillis) -> None:
        """Each node is counted once a week, early on a working day. A little is missing now and
        then, within what anybody accepts; with a fault far more."""
        if at <= self.started_at or not self._is_working(site, on):
            return
        for index, balance in enumerate(self._balances.values()):
            if balance.level.site != site or index % 5 != (on + 3) % 7:
                continue
            missing = self._rng.randrange(balance.on_hand // 300 + 1) if balance.on_hand > 0 else 0
            percent = self._rng.randrange(5, 12)
            is_wrong = self._rng.randrange(1000) < self.rates.count_error_permille
            is_wrong = is_wrong and balance.on_hand > 100 and self._is_seen(balance, at)
            if is_wrong:
                missing = balance.on_hand * percent // 100
            balance.on_hand -= missing
            told_at = self._tell(balance, "counted", at, balance.on_hand)
            if is_wrong:
                says = f"{percent} % of what the books say is not there"
                self._inject(FaultKind.COUNT_ERROR, balance, at, told_at, says)

    def _surge(self, at: UtcMillis, on: Day) -> None:
        """A project wants more of an item than lies there. It is served when more has come."""
        rng = Random(f"{self.seed}/surge/{on}")
        self._push(
            self.started_at + (on + 1) * DAY_MS + rng.randrange(DAY_MS), 3, 0, _Surge(on + 1)
        )
        served = [each for each in self._balances.values() if each.level.supplier]
        balance = rng.choice(served)
        more = max(1, balance.level.target * rng.randrange(100, 150) // 100)
        if rng.randrange(100) >= self.rates.shortage_percent_a_day:
            return
        if balance.promised or not self._is_seen(balance, at):
            return
        balance.promised = balance.on_hand + more
        told_at = self._tell(balance, "reserved", at, balance.promised, reason="project")
        says = "a project wants more than lies there"
        self._inject(FaultKind.STOCK_SHORTAGE, balance, at, told_at, says)

    def _is_seen(self, balance: _Balance, at: UtcMillis) -> bool:
        return at >= self.windows.faults_from and not self.windows.is_silent(
            (balance.level.feed,), at, at + SEEN_WITHIN_MS
        )

    def _inject(
        self, kind: FaultKind, balance: _Balance, at: UtcMillis, told_at: UtcMillis, says: str
    ) -> None:
        node = balance.level.id
        expected = (ExpectedCatch(node, at, told_at),)
        self.injections.append(Injection(f"{kind}:{node}:{at}", kind, at, says, expected, (node,)))

    def _tell(
        self, balance: _Balance, kind: str, at: UtcMillis, quantity: int, **fields: object
    ) -> UtcMillis:
        """Puts a fact on its way; when it is sent."""
        self._count += 1
        level = balance.level
        source = self.sources[level.feed]
        recorded_at = at + MINUTE_MS
        fact = InventoryFact(
            f"stock-{self._count:08d}",
            level.feed,
            kind,
            at,
            recorded_at,
            item=level.item,
            site=level.site,
            quantity=quantity * QUANTITY_ONE,
            unit="pcs",
            **fields,  # type: ignore[arg-type]
        )
        send_at = source.sent_at(recorded_at)
        self._told.append(Told(send_at, fact))
        if self._rng.randrange(1000) < self.noise.duplicate_permille:
            again_at = source.sent_at(recorded_at + self._rng.randrange(MINUTE_MS, 12 * HOUR_MS))
            self._told.append(Told(again_at, fact, 1))
        return send_at
