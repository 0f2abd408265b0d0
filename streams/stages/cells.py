"""cells: where everything that can affect each other meets, and is judged.

Key: a cell and a line or stock node in it, a source, or a price list (see `prices`). All lines and
nodes of a cell lie in one partition, in memory, so that one tick can look at all of them: a node is
judged after its lines.
The cell that a line ships from judges it: what the rules say goes to the incidents as findings, to
`decisions` where it changed, the line's status to `order-status`, and what its subscribed parties
may see of it to `partner-status`. A cell that loses a line withdraws its findings in the same tick
in which the one that gains it restates them, so nobody outside notices the move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from alerts.context import Judgement, LineContext
from alerts.judgement import judge, judge_feed
from alerts.lines import FeedState, LineSummary
from alerts.plain_verdicts import stored
from alerts.status import feed_verdict_records, status_record, verdict_records
from schemas.records import encode
from streams.stages.cell_state import (
    STATE_VERSION,
    CellFeed,
    CellIndex,
    CellLine,
    verdicts_of,
)
from streams.stages.keys import is_node, is_price, is_source, node_of, split_part
from streams.stages.nodes import NodeIndex, judge_stock
from streams.stages.partners import take_back, tell_parties
from streams.stages.prices import PriceLists
from streams.stages.rows import Row, RowKind
from streams.stages.sources import FeedRow
from streams.stages.stage import Outputs, TickContext
from streams.stages.statements import (
    changed_verdicts,
    decision_of,
    state_findings,
    tell_status,
)
from streams.stages.store import Store

_encode = msgspec.msgpack.Encoder().encode

_decode_index = msgspec.msgpack.Decoder(CellIndex).decode
_decode_line = msgspec.msgpack.Decoder(CellLine).decode
_decode_feed = msgspec.msgpack.Decoder(CellFeed).decode
_decode_bytes = msgspec.msgpack.Decoder(bytes).decode
_decode_parties = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_decode_summary = msgspec.msgpack.Decoder(LineSummary).decode
_decode_feed_row = msgspec.msgpack.Decoder(FeedRow).decode


class Cells:
    """The cells stage. It indexes, from its store, which lines and nodes hang on which source, and
    which lines go between which nodes."""

    name = "cells"
    input_topic = "cells-rows"
    output_topic: str | None = "incidents-rows"
    state_version = STATE_VERSION

    def __init__(self) -> None:
        self._feeds: dict[str, FeedState] = {}
        self._dependents: dict[str, set[str]] = {}
        self._waiting: set[str] = set()
        self._nodes = NodeIndex()
        self._prices = PriceLists()

    def changelogs(self) -> tuple[str, ...]:
        return ("cells-state",)

    def changelog_of(self, key: str) -> str:
        return "cells-state"

    def restored(self, store: Store) -> None:
        """Indexes every line by the sources that it hangs on."""
        self._feeds.clear()
        self._dependents.clear()
        self._waiting.clear()
        self._nodes.clear()
        self._prices.clear()
        for key, value in store.items():
            self._index(key, None, value)

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Moves the changed lines in the index."""
        self._nodes.settle()
        self._prices.settle()
        for key, value in changed.items():
            self._index(key, store.committed_value(key), value)

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Forgets what sources said in the transaction that did not happen."""
        self._nodes.settle()
        self._prices.settle()
        for key in changed:
            if is_source(key):
                self._index(key, None, store.get(key))

    def _index(self, key: str, before: bytes | None, after: bytes | None) -> None:
        if is_source(key):
            if after is None:
                self._feeds.pop(key[1:], None)
            else:
                self._feeds[key[1:]] = _decode_feed(after).feed
            return
        if is_price(key):
            self._prices.know(key, after is not None)
            return
        old = _decode_index(before) if before is not None else None
        new = _decode_index(after) if after is not None else None
        old_feeds = old.feeds if old is not None else ()
        new_feeds = new.feeds if new is not None else ()
        if old_feeds != new_feeds:
            for feed in old_feeds:
                self._dependents[feed].discard(key)
            for feed in new_feeds:
                self._dependents.setdefault(feed, set()).add(key)
        if new is not None and new.waits:
            self._waiting.add(key)
        else:
            self._waiting.discard(key)
        if is_node(split_part(key)[1]):
            self._nodes.know(key, new is not None)
        else:
            old_nodes = old.nodes if old is not None else ()
            self._nodes.move(key, old_nodes, new.nodes if new is not None else ())

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        """Lines that hang on a source that changed; all of them when network or policy did.

        A source that turned blind, or sees again, touches all its lines; one that only grew more
        complete those that wait for that. Lines that wait behind a held-back partition are looked
        at whenever the set of held-back topics changed. A line that changed has its nodes judged.
        """
        if tick.renewed:
            return store.sorted_keys()
        keys = self._nodes.reached(rows)
        for key, told in rows.items():
            if not is_source(key):
                continue
            dependents = self._dependents.get(key[1:], set())
            for row in told:
                if row.kind != RowKind.FEED:
                    continue
                change = _decode_feed_row(row.body)
                keys |= dependents if change.turned else dependents & self._waiting
        if tick.held_changed:
            keys |= self._waiting
        return keys

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """One source, one price list, or one line or stock node of a cell."""
        if is_source(key):
            self._feed(key, rows, store, tick, out)
        elif is_price(key):
            self._prices.evaluate(key, rows, store, tick, out)
        elif is_node(split_part(key)[1]):
            self._node(key, rows, store, tick, out)
        else:
            self._line(key, rows, store, tick, out)

    def _feed(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        held = store.get(key)
        old = _decode_feed(held) if held is not None else None
        feed, judges = (old.feed, old.judges) if old is not None else (None, False)
        for row in rows:
            told = _decode_feed_row(row.body)
            feed, judges = told.feed, told.judges
        if feed is None:
            return
        if not judges:
            store.put(key, _encode(CellFeed(STATE_VERSION, None, feed, judges)))
            self._feeds[feed.source] = feed
            return
        before = verdicts_of(old)
        judgement = judge_feed(
            feed, tick.network, tick.policy, tick.at, tick.header.complete, before
        )
        changed = changed_verdicts(before, judgement.verdicts)
        if changed:
            records = feed_verdict_records(feed, changed, tick.network, tick.policy)
            out.record("decisions", feed.source, decision_of(feed.source, records, tick))
        state_findings(old.findings if old is not None else (), judgement.findings, (), tick, out)
        store.put(
            key,
            _encode(
                CellFeed(
                    STATE_VERSION,
                    judgement.next_fire_at,
                    feed,
                    judges,
                    stored(judgement.verdicts),
                    judgement.findings,
                )
            ),
        )
        # Last, so that lines never see what the store does not hold: judging may have failed.
        self._feeds[feed.source] = feed

    def _line(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        cell, line_id = split_part(key)
        held = store.get(key)
        old = _decode_line(held) if held is not None else None
        body = old.summary if old is not None else b""
        judged = old.judged if old is not None else True
        stay: tuple[str, ...] | None = None
        for row in rows:
            if row.kind == RowKind.FORGET:
                stay = _decode_parties(row.body) if row.body else ()
            else:
                body, judged, stay = row.body, row.kind == RowKind.LINE, None
        if stay is not None or not body:
            _withdraw(line_id, old, stay or (), tick, out)
            store.delete(key)
            return
        line = _decode_summary(body)
        if not judged:
            _withdraw(line_id, old, line.parties, tick, out)
            nodes = self._nodes.touch(key, cell, line, tick.network)
            store.put(key, _encode(CellLine(STATE_VERSION, None, body, judged=False, nodes=nodes)))
            return
        before = verdicts_of(old)
        context = LineContext(
            line,
            tick.network,
            tick.policy,
            tick.at,
            self._feeds,
            tick.header.held,
            tick.header.complete,
        )
        judgement = judge(context, before)
        changed = changed_verdicts(before, judgement.verdicts)
        if changed:
            records = verdict_records(context, changed)
            out.record("decisions", line_id, decision_of(line_id, records, tick))
        stated = old.findings if old is not None else ()
        restated = judgement.findings if old is None else ()
        state_findings(stated, judgement.findings, restated, tick, out)
        grounds, status = _grounds(body, judgement, tick), old.status if old is not None else b""
        if old is None or grounds != old.grounds:
            status = _write_status(context, judgement, status, tick, out)
        told = tell_parties(judgement, old.told if old is not None else (), tick, out)
        due = judgement.next_fire_at
        store.put(
            key,
            _encode(
                CellLine(
                    STATE_VERSION,
                    max(due, tick.at + 1) if due is not None else None,
                    body,
                    True,
                    stored(judgement.verdicts),
                    judgement.findings,
                    status,
                    judgement.feeds,
                    judgement.waits,
                    grounds,
                    self._nodes.touch(key, cell, line, tick.network),
                    told,
                )
            ),
        )

    def _node(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        held = store.get(key)
        old = _decode_line(held) if held is not None else None
        node = node_of(split_part(key)[1])
        body = old.summary if old is not None else b""
        verdicts = verdicts_of(old)
        stated = old.findings if old is not None else ()
        gone = False
        for row in rows:
            if row.kind == RowKind.FORGET:
                gone = True
            elif row.kind == RowKind.NODE:
                body, gone = row.body, False
        if gone or not body:
            if old is not None:
                state_findings(stated, (), (), tick, out)
                store.delete(key)
            return
        lines = [
            self._nodes.goods(each, _decode_bytes(entry.summary), tick)
            for each in self._nodes.lines_of(key)
            if (value := store.get(each)) is not None
            and node in (entry := _decode_index(value)).nodes
        ]
        status = old.status if old is not None else b""
        judgement, status = judge_stock(
            body, lines, verdicts, stated, status, old is None, self._feeds, tick, out
        )
        due = judgement.next_fire_at
        store.put(
            key,
            _encode(
                CellLine(
                    STATE_VERSION,
                    max(due, tick.at + 1) if due is not None else None,
                    body,
                    True,
                    stored(judgement.verdicts),
                    judgement.findings,
                    status,
                    judgement.feeds,
                    judgement.waits,
                )
            ),
        )


def _withdraw(
    line_id: str, old: CellLine | None, stay: tuple[str, ...], tick: TickContext, out: Outputs
) -> None:
    """Takes back what was said here of a line that is judged elsewhere now; `stay` as there."""
    if old is not None:
        state_findings(old.findings, (), (), tick, out)
        take_back(line_id, old.told, stay, tick, out)


def _grounds(body: bytes, judgement: Judgement, tick: TickContext) -> bytes:
    """A digest of all that `status_record` looks at, a tenth of the cost of the status itself."""
    stands = (
        tick.network.version,
        tick.policy.version,
        tick.header.rules,
        judgement.progress,
        judgement.standing,
        judgement.findings,
        judgement.blind_feed,
        judgement.next_step,
        judgement.expected,
        judgement.settlement,
    )
    return blake2b(body + _encode(stands), digest_size=8).digest()


def _write_status(
    context: LineContext, judgement: Judgement, before: bytes, tick: TickContext, out: Outputs
) -> bytes:
    """Writes the status if anything but its tick changed; returns the digest of what it says."""
    value = encode(status_record(context, judgement, tick.n, tick.at))
    return tell_status("order-status", context.line.line_id, value, b'"progress":', before, out)
