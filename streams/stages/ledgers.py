"""ledgers: what is known of one order line, of one stock node, and of one source.

Key: a line id, a stock node (see `stock_ledger`), or a source. The state of a line is the set of
its facts; everything else follows from it by `fold`, so neither order nor duplicates can matter.
Sources are kept by `sources`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts.evidence import earliest
from alerts.lines import LineSummary
from alerts.settlement import is_settled
from schemas import limits
from schemas.codec import unpack
from schemas.facts import (
    Fact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
    stock_node_id,
)
from schemas.ledger import LINE_STATE_VERSION, Aside, LineFacts, decode_line, encode_line
from schemas.units import DAY_MS, UtcMillis
from streams.stages.fold import fold
from streams.stages.keys import PART_MARK, cells_of, is_node, is_source, part, source_key
from streams.stages.legs import canonical
from streams.stages.links import refuse
from streams.stages.ownership import has_partners, next_due, refuse_all, set_aside
from streams.stages.passing import said_by_numbers
from streams.stages.prices import tell_price
from streams.stages.room import Room
from streams.stages.rows import Row, RowKind, partition_of
from streams.stages.sources import SOURCE_STATE_VERSION, keep_source
from streams.stages.stage import Outputs, TickContext
from streams.stages.stock_ledger import keep_node, touch
from streams.stages.store import Store
from streams.stages.units import fold_in_unit

_encode = msgspec.msgpack.Encoder().encode


class Ledgers:
    """The ledgers stage; it keeps nothing outside the store."""

    name = "ledgers"
    input_topic = "ledgers-rows"
    output_topic: str | None = "cells-rows"
    state_version = max(LINE_STATE_VERSION, SOURCE_STATE_VERSION)

    def changelogs(self) -> tuple[str, ...]:
        return ("lines", "sources-state", "stock-state")

    def changelog_of(self, key: str) -> str:
        if is_node(key):
            return "stock-state"
        return "sources-state" if is_source(key) else "lines"

    def restored(self, store: Store) -> None:
        """Nothing is derived."""

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        """A new network may put any line in another cell and give any source another rhythm. A
        feed that it declares is listened for from then on, even if it never speaks."""
        if not tick.renewed:
            return ()
        declared = (source_key(feed) for feed in tick.network.feeds)
        return [
            *store.sorted_keys(),
            *(key for key in declared if partition_of(key, tick.partitions) == tick.partition),
        ]

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """One line, stock node or source."""
        if is_source(key):
            keep_source(key, rows, store, tick, out)
        elif is_node(key):
            if PART_MARK not in key:
                keep_node(key, rows, store, tick, out)
        else:
            _line(key, rows, store, tick, out)


def _line(key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs) -> None:
    held = store.get(key)
    old = LineFacts(LINE_STATE_VERSION, None, 0) if held is None else decode_line(held)
    if old.left_at is not None:
        _tombstone(key, old, rows, store, tick, out)
        return
    told = [row for row in rows if row.kind == RowKind.FACT]
    shares, conflicts = said_by_numbers(old, rows)
    known = old.facts if not old.aside else (*old.facts, *[each.body for each in old.aside])
    if told:
        facts = _merge(key, [unpack(body) for body in known], known, told, tick, out)
    else:
        facts = [(unpack(body), body) for body in known]
    aside: tuple[Aside, ...] = ()
    if old.aside or has_partners(facts):
        facts, aside = set_aside(key, old, facts, tick, out)
    bodies = tuple([body for _, body in facts])
    if not bodies:
        _wait(key, old, aside, store, tick)
        return
    summary, units = fold_in_unit(key, [fact for fact, _ in facts], shares, conflicts, tick.network)
    cells = cells_of(summary, tick.network)
    priced = old.priced
    is_new = (bodies, shares, conflicts, cells, units) != (
        old.facts, old.shares, old.conflicts, old.cells, old.units,
    )  # fmt: skip
    if is_new or tick.renewed:
        priced = tell_price(summary, old.priced, tick, out)
    # An earlier release kept what the supplier before had said of such a line.
    if is_new or (tick.renewed and summary.taken_over is not None):
        _tell_cells(key, summary, cells, old.cells, tick, out)
        counted = frozenset(old.facts)
        if counted and any(_names_ends(fact) for fact, body in facts if body not in counted):
            before = fold(key, [unpack(body) for body in old.facts])
            for node in sorted(_nodes_of(before) - _nodes_of(summary)):
                touch(node, tick, out)
    closed_at, unsettled_at = _ended_at(old, summary, tick)
    due = None
    if closed_at is not None:
        due = closed_at + tick.policy.lateness_horizon_days * DAY_MS
    elif unsettled_at is not None:
        due = unsettled_at + tick.policy.settlement_days * DAY_MS
    if due is not None and due <= tick.at and not rows and tick.header.complete:
        refuse_all(key, aside, True, tick, out)
        _leave(key, old, store, tick, out)
        return
    new = LineFacts(
        LINE_STATE_VERSION,
        earliest(due, next_due(aside, True, tick)),
        old.tick,
        bodies,
        cells,
        closed_at,
        None,
        unsettled_at,
        shares,
        conflicts,
        aside,
        priced,
        units,
    )
    if new != old:
        store.put(key, encode_line(msgspec.structs.replace(new, tick=tick.n)))


def _wait(
    key: str, old: LineFacts, aside: tuple[Aside, ...], store: Store, tick: TickContext
) -> None:
    """Nobody who is believed has told anything of the line: it holds what waits for that."""
    due = next_due(aside, False, tick)
    new = LineFacts(LINE_STATE_VERSION, due, old.tick, aside=aside)
    if not aside:
        store.delete(key)
    elif new != old:
        store.put(key, encode_line(msgspec.structs.replace(new, tick=tick.n)))


def _ended_at(
    old: LineFacts, summary: LineSummary, tick: TickContext
) -> tuple[UtcMillis | None, UtcMillis | None]:
    """The tick times that found nothing more expected at all, and nothing more but money."""
    if not summary.is_ended:
        return None, None
    if is_settled(summary, tick.network):
        return (tick.at if old.closed_at is None else old.closed_at), None
    return None, (tick.at if old.unsettled_at is None else old.unsettled_at)


def _merge(
    key: str,
    known: Sequence[Fact],
    bodies: Sequence[bytes],
    rows: Sequence[Row],
    tick: TickContext,
    out: Outputs,
) -> list[tuple[Fact, bytes]]:
    """The facts of the line with those of the rows, in canonical order, each event once.

    A line that is full keeps what it has; of several facts of one tick those with the lower bytes
    come first, so that within a tick it is no matter which arrived first.
    """
    size_bytes = sum(map(len, bodies))
    room = Room(zip(known, bodies, strict=True))
    by_event: dict[tuple[str, str], tuple[Fact, bytes]] = {
        (fact.source, fact.event_id): (fact, body) for fact, body in zip(known, bodies, strict=True)
    }
    for row in sorted(rows, key=lambda row: row.body):
        fact = unpack(row.body)
        event = (fact.source, fact.event_id)
        before = by_event.get(event)
        if before is not None and _rank(fact, row.body) >= _rank(*before):
            continue
        more_bytes = len(row.body) - (0 if before is None else len(before[1]))
        full = ""
        if before is None and len(by_event) >= limits.FACTS_PER_LINE_MAX:
            full = f"{key} already has {limits.FACTS_PER_LINE_MAX} facts"
        elif size_bytes + more_bytes > limits.FACT_BYTES_PER_LINE_MAX:
            full = f"{key} already has {size_bytes} bytes of facts, and no room for more"
        elif before is None:
            full = room.lack(key, fact.source, row.body)
        if full:
            refuse(key, row.body, "line_full", full, tick, out)
            continue
        if before is None:
            room.take(fact.source, row.body)
        size_bytes += more_bytes
        by_event[event] = (fact, row.body)
    return sorted(by_event.values(), key=lambda pair: canonical(pair[0]))


def _rank(fact: Fact, body: bytes) -> tuple[bool, UtcMillis, bytes]:
    """Of two tellings of one event the lower rank is kept: the one that knows its shipment, or that
    its amount is not for this line alone; then the earlier told, then the lower bytes; never the
    one that came first."""
    unknown = False
    if isinstance(fact, ShipmentFact):
        unknown = fact.shipment_ref is None
    elif isinstance(fact, PaymentFact):
        # A payment that stands for several things keeps no amount; once known, that stays so.
        unknown = fact.value_minor is not None
    return (unknown, fact.recorded_at, body)


def _tell_cells(
    key: str,
    summary: LineSummary,
    cells: Sequence[str],
    before: Sequence[str],
    tick: TickContext,
    out: Outputs,
) -> None:
    body = _encode(summary)
    for place, cell in enumerate(cells):
        kind = RowKind.SUPPLY if place else RowKind.LINE
        out.row("cells-rows", tick.n, cell, Row(part(cell, key), kind, body))
    left = [cell for cell in before if cell not in cells]
    if left:
        _forget(key, left, summary.parties, tick, out)


def _names_ends(fact: Fact) -> bool:
    """Whether the fact may change between which stock nodes a line goes."""
    named = isinstance(fact, OrderFact) and (fact.item or fact.ship_from or fact.ship_to)
    return bool(named)


def _nodes_of(line: LineSummary) -> set[str]:
    """The stock nodes that it ships from and to, as far as they are said."""
    item, sites = line.item, (line.ship_from, line.ship_to)
    return set() if item is None else {stock_node_id(item, site) for site in sites if site}


def _forget(
    key: str, cells: Iterable[str], stay: tuple[str, ...], tick: TickContext, out: Outputs
) -> None:
    """Cells that the line has left let go of it; `stay` are its parties where it is now."""
    body = _encode(stay)
    for cell in cells:
        out.row("cells-rows", tick.n, cell, Row(part(cell, key), RowKind.FORGET, body))


def _leave(key: str, old: LineFacts, store: Store, tick: TickContext, out: Outputs) -> None:
    """The lateness horizon has passed: the facts leave, a small tombstone stays."""
    _forget(key, old.cells, (), tick, out)
    due = tick.at + tick.policy.tombstone_days * DAY_MS
    store.put(
        key,
        encode_line(
            LineFacts(LINE_STATE_VERSION, due, tick.n, closed_at=old.closed_at, left_at=tick.at)
        ),
    )


def _tombstone(
    key: str,
    old: LineFacts,
    rows: Sequence[Row],
    store: Store,
    tick: TickContext,
    out: Outputs,
) -> None:
    for row in rows:
        if row.kind != RowKind.FACT:
            continue
        refuse(
            key,
            row.body,
            "too_late",
            f"{key} was closed and left more than {tick.policy.lateness_horizon_days} days before",
            tick,
            out,
        )
    if old.due is not None and old.due <= tick.at and tick.header.complete:
        store.delete(key)
        # Nothing of the line is known any more: its last status leaves the compacted topic too.
        out.record("order-status", key, None)
