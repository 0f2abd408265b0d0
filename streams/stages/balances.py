"""From the facts of one stock node to its books: the only place that says what they add up to.

Facts are read in canonical order: when they happened; at one moment what moved before what was
counted; then when they were told, by whom, and their id. So the order in which they arrived cannot
matter. A count holds for its moment: it includes what moved up to then, and what moves later
applies on top of it. Nothing is clipped: books may fall below zero, and say which fact did it.

An opening is the books at the start of a day, with all facts before it folded in. `settle` makes
the next one; folding what is left on top of it gives the same balance as folding everything.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alerts.lines import Happened
from alerts.nodes import Clash, ClashKind, Count, FactName, LineBooks, NodeSummary, Transfer
from schemas import limits
from schemas.facts import InventoryFact, line_id
from schemas.units import DAY_MS, Day, Quantity, UtcMillis
from topology.model import Item

USED_DAYS_KEPT = 90
"""How many days back an opening remembers what went out: the longest that a policy may ask of."""


class Opening(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The books at the start of `day` (UTC). `unit_fact` is the fact that set the unit; `below`
    tells of balances that are below zero, and which fact took them there."""

    day: Day
    unit: str | None = None
    unit_fact: FactName | None = None
    on_hand: Quantity | None = None
    blocked: Quantity = 0
    reserved: Quantity = 0
    count: Count | None = None
    below: tuple[Clash, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    lines: tuple[LineBooks, ...] = ()
    used: tuple[tuple[Day, Quantity], ...] = ()
    known_since: UtcMillis | None = None
    last_news: Happened | None = None
    sources: tuple[str, ...] = ()


def day_of(fact: InventoryFact) -> Day:
    """The day (UTC) on which it happened."""
    return fact.occurred_at // DAY_MS


def canonical(fact: InventoryFact) -> tuple[UtcMillis, bool, UtcMillis, str, str]:
    """Sort key of the canonical order."""
    is_count = fact.kind == "counted"
    return (fact.occurred_at, is_count, fact.recorded_at, fact.source, fact.event_id)


def fold_node(
    item: str,
    site: str,
    opening: Opening | None,
    facts: Iterable[InventoryFact],
    until: UtcMillis,
    known: Item | None = None,
) -> NodeSummary:
    """The node by its opening and facts, each event once, in any order. What claims to have
    happened after `until` is passed over. `known` is the item as the network has it: where it has
    several units the books are in its base unit. About 2 µs a fact."""
    books = _Books(site, opening, known)
    for fact in sorted(facts, key=canonical):
        if fact.occurred_at <= until:
            books.take(fact)
    return books.summary(item)


def settle(
    site: str,
    opening: Opening | None,
    facts: Iterable[InventoryFact],
    day: Day,
    known: Item | None = None,
) -> Opening:
    """The opening of `day`: the one before with these facts, which all happened earlier."""
    books = _Books(site, opening, known)
    for fact in sorted(facts, key=canonical):
        books.take(fact)
    return books.opening(day)


class _Books:
    """The books of one node while facts are read in canonical order."""

    def __init__(self, site: str, opening: Opening | None, known: Item | None) -> None:
        start = opening or Opening(0)
        self._item = known if known is not None and known.units else None
        if self._item is not None:
            start = in_base_unit(start, self._item)
        self._site = site
        self._unit, self._unit_fact = start.unit, start.unit_fact
        self._on_hand = start.on_hand
        self._blocked, self._reserved = start.blocked, start.reserved
        self._count = start.count
        self._below = {each.kind: each for each in start.below}
        self._transfers = {each.number: each for each in start.transfers}
        self._lines = {each.line_id: each for each in start.lines}
        self._used = dict(start.used)
        self._known_since, self._last_news = start.known_since, start.last_news
        self._sources = set(start.sources)
        self._clashes = list(start.below)
        self._facts = 0

    def take(self, fact: InventoryFact) -> None:
        """One more fact."""
        self._facts += 1
        self._sources.add(fact.source)
        at = fact.occurred_at
        self._known_since = at if self._known_since is None else min(at, self._known_since)
        self._last_news = Happened(at, fact.site, fact.source, fact.recorded_at, fact.reason)
        name = FactName(fact.source, fact.event_id, fact.kind, at, fact.quantity or 0)
        if fact.unit != self._unit:
            brought = self._brought(fact.unit, name)
            if brought is None:
                return
            name = brought
        if fact.kind == "counted":
            self._take_count(name)
        elif fact.site != self._site:
            self._take_departure(fact, name)
        else:
            self._take_movement(fact, name)

    def _brought(self, unit: str | None, name: FactName) -> FactName | None:
        """The fact in the unit of the books; None, and a contradiction, where that cannot be."""
        if self._unit is None:
            self._unit, self._unit_fact = unit, name
            return name
        if self._item is None or self._unit != self._item.base_unit:
            self._clash(ClashKind.MIXED_UNITS, self._unit_fact, name)
            return None
        quantity = self._item.in_base_unit(name.quantity, unit)
        if quantity is None:
            self._clash(ClashKind.UNKNOWN_UNIT, self._unit_fact, name)
            return None
        return FactName(name.source, name.event_id, name.kind, name.at, quantity)

    def _take_count(self, name: FactName) -> None:
        books = self._on_hand
        before = self._count
        if before is not None and before.fact.at == name.at:
            # The later told one holds; both are compared with the books before either.
            books = before.books
            if before.fact.quantity != name.quantity:
                self._clash(ClashKind.TWO_COUNTS, before.fact, name)
        self._count, self._on_hand = Count(name, books), name.quantity
        self._below.pop(ClashKind.BELOW_ZERO, None)

    def _take_departure(self, fact: InventoryFact, name: FactName) -> None:
        """Another site has sent something here."""
        number = fact.transfer_ref or ""
        known = self._transfers.get(number, Transfer(number))
        self._transfers[number] = msgspec.structs.replace(
            known,
            departed=known.departed + name.quantity,
            from_site=fact.site,
            departed_fact=name,
        )

    def _take_movement(self, fact: InventoryFact, name: FactName) -> None:
        quantity = name.quantity
        line = None
        if fact.order_ref is not None and fact.line is not None:
            line = line_id(fact.order_ref, fact.line)
        match fact.kind:
            case "received" | "adjusted":
                self._move(quantity, name)
                if line is not None and fact.kind == "received":
                    self._note(line, received=quantity)
            case "issued" | "transferred_out":
                self._move(-quantity, name)
                day = day_of(fact)
                self._used[day] = self._used.get(day, 0) + quantity
                if line is not None and fact.kind == "issued":
                    self._note(line, issued=quantity)
            case "transferred_in":
                self._move(quantity, name)
                self._take_arrival(fact, name)
            case "reserved" | "unreserved":
                self._reserve(fact.kind, line, quantity, name)
            case "blocked" | "unblocked":
                self._blocked += quantity if fact.kind == "blocked" else -quantity
                self._watch(ClashKind.UNBLOCKED_MORE, self._blocked, None, name)
            case _:
                raise ValueError(f"{name.text} is {fact.kind}, which is no movement of stock")

    def _move(self, quantity: Quantity, name: FactName) -> None:
        """What lies there grows or shrinks; unknown until somebody counts."""
        if self._on_hand is None:
            return
        self._on_hand += quantity
        counted = None if self._count is None else self._count.fact
        self._watch(ClashKind.BELOW_ZERO, self._on_hand, counted, name)

    def _watch(
        self, kind: ClashKind, balance: Quantity, first: FactName | None, name: FactName
    ) -> None:
        """A balance changed: the fact that takes it below zero contradicts what was told before."""
        if balance >= 0:
            self._below.pop(kind, None)
        elif kind not in self._below:
            self._below[kind] = Clash(kind, first, name)
            self._clashes.append(self._below[kind])

    def _take_arrival(self, fact: InventoryFact, name: FactName) -> None:
        number = fact.transfer_ref or ""
        known = self._transfers.get(number, Transfer(number))
        self._transfers[number] = msgspec.structs.replace(
            known,
            arrived=known.arrived + name.quantity,
            from_site=known.from_site or fact.from_site,
            arrived_fact=name,
        )

    def _reserve(self, kind: str, line: str | None, quantity: Quantity, name: FactName) -> None:
        if line is not None:
            if kind == "reserved":
                self._note(line, reserved=quantity)
            else:
                self._note(line, unreserved=quantity)
        else:
            self._reserved += quantity if kind == "reserved" else -quantity
            self._watch(ClashKind.UNRESERVED_MORE, self._reserved, None, name)

    def _note(
        self,
        line: str,
        reserved: Quantity = 0,
        unreserved: Quantity = 0,
        issued: Quantity = 0,
        received: Quantity = 0,
    ) -> None:
        known = self._lines.get(line) or LineBooks(line)
        told = LineBooks(
            line,
            known.reserved + reserved,
            known.unreserved + unreserved,
            known.taken + issued,
            known.issued + issued,
            known.received + received,
        )
        if not told.held:
            # Nothing is set aside any more: what is reserved from now on begins anew.
            told = LineBooks(line, issued=told.issued, received=told.received)
        self._lines[line] = told

    def _clash(self, kind: ClashKind, first: FactName | None, second: FactName) -> None:
        self._clashes.append(Clash(kind, first, second))

    def summary(self, item: str) -> NodeSummary:
        """The node as these books have it."""
        transfers = tuple([self._transfers[number] for number in sorted(self._transfers)])
        clashes = [
            *self._clashes,
            *(
                Clash(ClashKind.ARRIVED_MORE, each.departed_fact, each.arrived_fact)
                for each in transfers
                if each.arrived > each.departed > 0 and each.arrived_fact is not None
            ),
        ]
        return NodeSummary(
            item,
            self._site,
            self._unit,
            self._on_hand,
            self._blocked,
            self._reserved,
            self._count,
            tuple([each for each in transfers if each.arrived != each.departed]),
            tuple([self._lines[line] for line in sorted(self._lines)]),
            tuple(sorted(self._used.items())),
            tuple(clashes[: limits.CLASHES_PER_STOCK_NODE_MAX]),
            len(clashes),
            self._known_since,
            self._last_news,
            tuple(sorted(self._sources)),
            self._facts,
        )

    def opening(self, day: Day) -> Opening:
        """The books at the start of the day: what is still open of transfers and lines, the latest
        first where there are too many, and how much went out on the days before."""
        most = limits.OPEN_PER_STOCK_NODE_MAX
        underway = [each for each in self._transfers.values() if each.on_its_way]
        underway.sort(key=_departed_last)
        held = sorted(line for line, each in self._lines.items() if each.held)
        return Opening(
            day,
            self._unit,
            self._unit_fact,
            self._on_hand,
            self._blocked,
            self._reserved,
            self._count,
            tuple(self._below.values()),
            tuple(underway[-most:]),
            tuple([_without_moves(self._lines[line]) for line in held[-most:]]),
            tuple(sorted([each for each in self._used.items() if each[0] >= day - USED_DAYS_KEPT])),
            self._known_since,
            self._last_news,
            tuple(sorted(self._sources)[: limits.SOURCES_PER_STOCK_NODE_MAX]),
        )


def in_base_unit(opening: Opening, item: Item) -> Opening:
    """The opening in the item's base unit, exactly; as it is where it cannot be brought to it, for
    a unit that the item no longer has or an amount that does not divide. New books are in it."""
    unit = opening.unit
    if unit is None:
        return msgspec.structs.replace(opening, unit=item.base_unit)
    if unit == item.base_unit:
        return opening
    try:
        return _scaled(opening, item, unit)
    except _Inexact:
        return opening


class _Inexact(Exception):
    """An amount cannot be brought to the base unit."""


def _scaled(opening: Opening, item: Item, unit: str) -> Opening:
    def scaled(quantity: Quantity) -> Quantity:
        brought = item.in_base_unit(quantity, unit)
        if brought is None:
            raise _Inexact
        return brought

    def named(fact: FactName) -> FactName:
        return msgspec.structs.replace(fact, quantity=scaled(fact.quantity))

    def of(value: Quantity | None) -> Quantity | None:
        return None if value is None else scaled(value)

    count = opening.count
    if count is not None:
        count = Count(named(count.fact), of(count.books))
    return msgspec.structs.replace(
        opening,
        unit=item.base_unit,
        on_hand=of(opening.on_hand),
        blocked=scaled(opening.blocked),
        reserved=scaled(opening.reserved),
        count=count,
        transfers=tuple(
            [
                msgspec.structs.replace(
                    each, departed=scaled(each.departed), arrived=scaled(each.arrived)
                )
                for each in opening.transfers
            ]
        ),
        lines=tuple(
            [
                LineBooks(each.line_id, *map(scaled, msgspec.structs.astuple(each)[1:]))
                for each in opening.lines
            ]
        ),
        used=tuple([(day, scaled(quantity)) for day, quantity in opening.used]),
    )


def _without_moves(books: LineBooks) -> LineBooks:
    """What is set aside for the line, without what moved for it: that is told as shipped by now."""
    return msgspec.structs.replace(books, issued=0, received=0)


def _departed_last(transfer: Transfer) -> tuple[UtcMillis, str]:
    departed = transfer.departed_fact
    return (0 if departed is None else departed.at, transfer.number)
