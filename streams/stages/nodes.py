"""Stock nodes in their cells: which lines go between them, and what is said of each.

A line of a cell is demand at the node that it ships from and supply at the one that it ships to.
The index follows what was committed, and besides what the open transaction touched; what it names
is held against the store before it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts.findings import Finding, RuleVerdict
from alerts.flows import Goods, goods_of
from alerts.judgement import quantile_of
from alerts.lines import FeedState, LineSummary
from alerts.node_context import NodeContext
from alerts.node_judgement import NodeJudgement, judge_node
from alerts.nodes import NodeSummary
from alerts.stock_status import stock_record, stock_verdict_records
from alerts.view import LineView
from schemas.facts import stock_node_id
from schemas.records import encode
from streams.stages.keys import is_node, is_source, node_key, part, split_part
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext
from streams.stages.statements import (
    changed_verdicts,
    decision_of,
    state_findings,
    tell_status,
)
from topology.model import Quantile
from topology.network import Network


class LineEnds(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The elements of a `LineSummary` up to where the line goes; the others are passed over."""

    line_id: str
    order_ref: str
    line: str
    buyer: str | None = None
    supplier: str | None = None
    item: str | None = None
    ship_from: str | None = None
    ship_to: str | None = None


class _Worked(msgspec.Struct, frozen=True, gc=False):
    """What a line brings and takes, and all that this was worked out from."""

    summary: bytes
    network: str
    quantile: Quantile
    goods: Goods


_decode_ends = msgspec.msgpack.Decoder(LineEnds).decode
_decode_summary = msgspec.msgpack.Decoder(LineSummary).decode
_decode_node = msgspec.msgpack.Decoder(NodeSummary).decode


class NodeIndex:
    """The nodes of one partition of cells and their lines, by key. Works out each line once."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lines: dict[str, set[str]] = {}
        self._touched: dict[str, set[str]] = {}
        """Lines that the open transaction put at a node."""
        self._worked: dict[str, _Worked] = {}

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()
        self._lines.clear()
        self._touched.clear()
        self._worked.clear()

    def settle(self) -> None:
        """The open transaction has ended."""
        self._touched.clear()

    def know(self, key: str, is_there: bool) -> None:
        """A node is there, or no longer is."""
        if is_there:
            self._known.add(key)
        else:
            self._known.discard(key)

    def move(self, key: str, before: Sequence[str], after: Sequence[str]) -> None:
        """A line that went between some nodes of its cell now goes between others."""
        if before == after:
            return
        cell = split_part(key)[0]
        for node in before:
            at = part(cell, node_key(node))
            self._lines[at].discard(key)
            if not self._lines[at]:
                del self._lines[at]
        for node in after:
            self._lines.setdefault(part(cell, node_key(node)), set()).add(key)
        if not after:
            self._worked.pop(key, None)

    def touch(self, key: str, cell: str, line: LineSummary, network: Network) -> tuple[str, ...]:
        """The nodes of the cell between which an open line goes; notes it at them."""
        item = line.item
        if item is None or line.is_ended:
            return ()
        nodes = tuple(
            [
                stock_node_id(item, site)
                for site in (line.ship_from, line.ship_to)
                if site is not None and network.cell_of(item, site) == cell
            ]
        )
        for node in nodes:
            self._touched.setdefault(part(cell, node_key(node)), set()).add(key)
        return nodes

    def reached(self, rows: Mapping[str, Sequence[Row]]) -> set[str]:
        """The nodes that are there and that a line in the rows goes between."""
        found: set[str] = set()
        if not self._known:
            return found
        for key, told in rows.items():
            cell, name = split_part(key)
            if is_source(key) or is_node(name):
                continue
            for row in told:
                if row.kind in (RowKind.LINE, RowKind.SUPPLY):
                    ends = _decode_ends(row.body)
                    for site in (ends.ship_from, ends.ship_to):
                        if site is not None and ends.item is not None:
                            found.add(part(cell, node_key(stock_node_id(ends.item, site))))
        return found & self._known

    def lines_of(self, key: str) -> list[str]:
        """The keys of lines that may go from or to the node, ascending."""
        return sorted(self._lines.get(key, set()) | self._touched.get(key, set()))

    def goods(self, key: str, summary: bytes, tick: TickContext) -> Goods:
        """What the line with this key and summary still takes and brings."""
        worked = self._worked.get(key)
        is_same = worked is not None and worked.summary == summary
        line = worked.goods.line if is_same and worked is not None else _decode_summary(summary)
        scope = tick.policy.scope(tick.network, tick.at, line.buyer, line.ship_to, line.supplier)
        quantile = quantile_of(scope)
        if (
            worked is not None
            and is_same
            and (worked.network, worked.quantile) == (tick.network.version, quantile)
        ):
            return worked.goods
        goods = goods_of(LineView(line, tick.network, tick.at, {}, (), quantile))
        self._worked[key] = _Worked(summary, tick.network.version, quantile, goods)
        return goods


def judge_stock(  # noqa: PLR0913, PLR0917 - what was known of a node, what is now, and where to tell
    body: bytes,
    lines: Sequence[Goods],
    verdicts: tuple[RuleVerdict, ...],
    stated: tuple[Finding, ...],
    status: bytes,
    is_new: bool,
    feeds: Mapping[str, FeedState],
    tick: TickContext,
    out: Outputs,
) -> tuple[NodeJudgement, bytes]:
    """Judges the node and tells what changed; returns the judgement and the digest of the status.
    At a tick that is not complete nothing is said of it."""
    node = _decode_node(body)
    context = NodeContext(
        node,
        lines,
        tick.network,
        tick.policy,
        tick.at,
        feeds,
        tick.header.held,
        tick.header.complete,
    )
    judgement = judge_node(context, verdicts, stated)
    if judgement.view is None:
        return judgement, status
    changed = changed_verdicts(verdicts, judgement.verdicts)
    if changed:
        records = stock_verdict_records(node, changed, tick.policy.version)
        out.record("decisions", node.id, decision_of(node.id, records, tick))
    restated = judgement.findings if is_new else ()
    state_findings(stated, judgement.findings, restated, tick, out)
    value = encode(stock_record(node, judgement, judgement.view, tick.n, tick.at))
    status = tell_status("stock-status", node.id, value, b'"standing":', status, out)
    return judgement, status
