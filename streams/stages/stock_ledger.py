"""The ledger of a stock node: its facts by day, and an opening that the older ones are settled in.

Key: a stock node; the facts of a day (UTC) lie under a part of that key, so that a change writes
what changed. The books follow from opening and facts by `balances`, so neither the order of facts
nor duplicates can matter.

Once a day has passed the lateness horizon, at a complete tick, its facts are folded into the
opening and leave; what is told of it later is too late, as for a closed line. By time T and not by
the next count, since a count says nothing of what is blocked, set aside or in transit. A node with
very many facts settles its oldest days earlier, at whatever tick: that loses nothing that was told
by then. What claims to happen after T is kept, and counts when T gets there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from schemas import limits
from schemas.codec import unpack
from schemas.facts import InventoryFact, split_stock_node_id
from schemas.units import DAY_MS, Day, UtcMillis, calendar_date
from streams.stages.balances import Opening, day_of, fold_node, settle
from streams.stages.keys import cell_of_node, node_key, node_of, part
from streams.stages.links import refuse
from streams.stages.ownership import owns_sites, refuse_stock
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store
from topology.model import Item

STATE_VERSION = 1

Event = tuple[str, str]
"""Source and event id."""


class StockState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The head of a node's state: `days` are those that hold facts, `cell` the one that was told,
    `told` a digest of what."""

    v: int
    due: UtcMillis | None
    opening: Opening | None = None
    days: tuple[Day, ...] = ()
    cell: str = ""
    told: bytes = b""


class StockDay(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The facts of a node that happened on one day, packed, ascending."""

    v: int
    due: UtcMillis | None
    facts: tuple[bytes, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StockState).decode
_decode_day = msgspec.msgpack.Decoder(StockDay).decode


def keep_node(key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs) -> None:
    """Takes the facts in the rows, settles what is old, and tells the cell what changed."""
    held = store.get(key)
    old = StockState(STATE_VERSION, None) if held is None else _decode(held)
    before = {day: _decode_day(store.get(_day_key(key, day)) or b"").facts for day in old.days}
    facts = {_event(fact): (fact, body) for fact, body in _unpacked(before)}
    _merge(key, facts, rows, old.opening, tick, out)
    item, site = split_stock_node_id(node_of(key))
    known = tick.network.item(item)
    opening = _settled(site, old.opening, facts, known, tick)
    days = _by_day(facts)
    _store_days(key, before, days, store)
    told_of = [fact for fact, _ in facts.values()]
    summary = _encode(fold_node(item, site, opening, told_of, tick.at, known))
    cell = cell_of_node(node_of(key), tick.network)
    told = blake2b(summary, digest_size=8).digest()
    if (cell, told) != (old.cell, old.told):
        _tell_cell(key, summary, cell, old.cell, tick, out)
    due = _due_at(facts, tick)
    new = StockState(STATE_VERSION, due, opening, tuple(days), cell, told)
    if new != old:
        store.put(key, _encode(new))


def _day_key(key: str, day: Day) -> str:
    return part(key, str(day))


def _event(fact: InventoryFact) -> Event:
    return fact.source, fact.event_id


def _unpacked(days: Mapping[Day, Sequence[bytes]]) -> list[tuple[InventoryFact, bytes]]:
    return [(_stock_fact(body), body) for bodies in days.values() for body in bodies]


def _stock_fact(body: bytes) -> InventoryFact:
    fact = unpack(body)
    if not isinstance(fact, InventoryFact):
        raise TypeError(f"a stock node was told {fact.kind}, which is no fact about stock")
    return fact


def _merge(
    key: str,
    facts: dict[Event, tuple[InventoryFact, bytes]],
    rows: Sequence[Row],
    opening: Opening | None,
    tick: TickContext,
    out: Outputs,
) -> None:
    """Adds the facts of the rows, each event once: of two tellings the earlier told one is kept,
    then the one with the lower bytes. Of those that do not fit the lower bytes come first."""
    sizes: dict[Day, int] = {}
    for fact, body in facts.values():
        sizes[day_of(fact)] = sizes.get(day_of(fact), 0) + len(body)
    for row in sorted(rows, key=lambda row: row.body):
        fact = _stock_fact(row.body)
        if not owns_sites(fact, tick.network):
            refuse_stock(node_of(key), fact, row.body, tick, out)
            continue
        before = facts.get(_event(fact))
        if before is not None and (fact.recorded_at, row.body) >= (
            before[0].recorded_at,
            before[1],
        ):
            continue
        day = day_of(fact)
        error = reason = ""
        if opening is not None and day < opening.day:
            reason = "too_late"
            error = f"{node_of(key)} is settled up to {calendar_date(opening.day)}"
        elif sizes.get(day, 0) + len(row.body) > limits.FACT_BYTES_PER_STOCK_DAY_MAX:
            reason = "node_full"
            error = f"{node_of(key)} already has {sizes[day]} bytes of facts on that day"
        if reason:
            refuse(node_of(key), row.body, reason, error, tick, out)
            continue
        if before is not None:
            sizes[day_of(before[0])] -= len(before[1])
        sizes[day] = sizes.get(day, 0) + len(row.body)
        facts[_event(fact)] = (fact, row.body)


def _settled(
    site: str,
    opening: Opening | None,
    facts: dict[Event, tuple[InventoryFact, bytes]],
    known: Item | None,
    tick: TickContext,
) -> Opening | None:
    """The opening after the days that are to be settled; their facts leave `facts`."""
    today = tick.at // DAY_MS
    until = 0
    if tick.header.complete:
        until = today - tick.policy.lateness_horizon_days
    counts: dict[Day, int] = {}
    for fact, _ in facts.values():
        counts[day_of(fact)] = counts.get(day_of(fact), 0) + 1
    left = len(facts)
    for day in sorted(counts):
        if day >= today or (day >= until and left <= limits.FACTS_PER_STOCK_NODE_MAX):
            break
        left -= counts[day]
        until = max(until, day + 1)
    gone = [event for event, (fact, _) in facts.items() if day_of(fact) < until]
    if not gone:
        return opening
    return settle(site, opening, [facts.pop(event)[0] for event in gone], until, known)


def _by_day(
    facts: Mapping[Event, tuple[InventoryFact, bytes]],
) -> dict[Day, tuple[bytes, ...]]:
    """The bodies of each day, days and bodies ascending."""
    days: dict[Day, list[bytes]] = {}
    for fact, body in facts.values():
        days.setdefault(day_of(fact), []).append(body)
    return {day: tuple(sorted(days[day])) for day in sorted(days)}


def _store_days(
    key: str,
    before: Mapping[Day, tuple[bytes, ...]],
    days: Mapping[Day, tuple[bytes, ...]],
    store: Store,
) -> None:
    for day in before:
        if day not in days:
            store.delete(_day_key(key, day))
    for day, bodies in days.items():
        if before.get(day) != bodies:
            store.put(_day_key(key, day), _encode(StockDay(STATE_VERSION, None, bodies)))


def _tell_cell(
    key: str, summary: bytes, cell: str, before: str, tick: TickContext, out: Outputs
) -> None:
    out.row("cells-rows", tick.n, cell, Row(part(cell, key), RowKind.NODE, summary))
    if before not in ("", cell):
        out.row("cells-rows", tick.n, before, Row(part(before, key), RowKind.FORGET, b""))


def touch(node: str, tick: TickContext, out: Outputs) -> None:
    """Has the node's cell look at it again: a line that shipped from or to it no longer does."""
    cell = cell_of_node(node, tick.network)
    key = part(cell, node_key(node))
    out.row("cells-rows", tick.n, cell, Row(key, RowKind.TOUCH, b""))


def _due_at(
    facts: Mapping[Event, tuple[InventoryFact, bytes]], tick: TickContext
) -> UtcMillis | None:
    """When its oldest day is to be settled, or what was claimed ahead of T begins to count."""
    if not facts:
        return None
    oldest = min(day_of(fact) for fact, _ in facts.values())
    settles_at = (oldest + 1 + tick.policy.lateness_horizon_days) * DAY_MS
    ahead = [fact.occurred_at for fact, _ in facts.values() if fact.occurred_at > tick.at]
    return min([settles_at, *ahead])
