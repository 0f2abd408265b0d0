"""The records that tell readers of a stock node: its status, and the verdicts on it."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate

from alerts import texts
from alerts.findings import Blind, RuleVerdict
from alerts.node_judgement import NodeJudgement
from alerts.node_view import NodeView
from alerts.nodes import NodeSummary
from alerts.projection import Flow, Projection
from schemas import limits
from schemas.records import Verdict
from schemas.stock_records import (
    FlowDoubt,
    StockBalance,
    StockCount,
    StockFlow,
    StockProjection,
    StockStatus,
)
from schemas.units import UtcMillis, calendar_date, decimal, instant


def stock_record(
    node: NodeSummary, judgement: NodeJudgement, view: NodeView, tick: int, now: UtcMillis
) -> StockStatus:
    """The node as readers of `stock-status` see it."""
    hidden = view.unseen()
    available, on_hand = node.available, node.on_hand
    return StockStatus(
        node_id=node.id,
        item=node.item,
        site=node.site,
        tick=tick,
        at=instant(now),
        standing=judgement.standing,
        why=judgement.why,
        unit=node.unit,
        on_hand=None if on_hand is None else decimal(on_hand),
        available=None if available is None else decimal(available),
        blocked=decimal(node.blocked),
        reserved=decimal(node.set_aside),
        in_transit=decimal(node.in_transit),
        safety_stock=decimal(view.safety.value),
        counted=_count(node),
        projection=_projection(view),
        contradictions=node.clash_count,
        blind_feeds=(hidden.feed,) if isinstance(hidden, Blind) else (),
        rules=tuple(
            [verdict.rule for verdict in judgement.verdicts if verdict.finding is not None]
        ),
        last_fact_at=None if node.last_news is None else instant(node.last_news.at),
    )


def _count(node: NodeSummary) -> StockCount | None:
    count = node.count
    if count is None:
        return None
    return StockCount(
        at=instant(count.fact.at),
        quantity=decimal(count.fact.quantity),
        books=None if count.books is None else decimal(count.books),
        source=count.fact.source,
    )


def _projection(view: NodeView) -> StockProjection | None:
    projection = view.projection
    if projection is None:
        return None
    low, zero, later = projection.below_safety_on, projection.below_zero_on, projection.lowest_later
    counted = _counted(view, projection)
    flows, flow_count = _flows(view, counted)
    doubtful = sorted(
        (max(each.on, projection.today), each.quantity)
        for each in counted
        if each.doubt is not None
    )
    doubtful_on = [on for on, _ in doubtful]
    summed = [0, *accumulate(quantity for _, quantity in doubtful)]
    return StockProjection(
        until_on=calendar_date(projection.horizon_on),
        lowest=decimal(projection.lowest.quantity),
        lowest_on=calendar_date(projection.lowest.on),
        below_safety_on=None if low is None or not view.safety.value else calendar_date(low),
        below_zero_on=None if zero is None else calendar_date(zero),
        lines_hit=len(projection.hits),
        overdue=decimal(projection.overdue),
        undated=decimal(view.undated),
        lines_in_other_units=view.other_units,
        balances=tuple(
            [
                StockBalance(
                    on=calendar_date(each.on),
                    available=decimal(each.quantity),
                    doubtful=decimal(summed[bisect_right(doubtful_on, each.on)]),
                )
                for each in projection.days[: limits.STOCK_BALANCES_LISTED]
            ]
        ),
        lowest_later=None if later is None else decimal(later),
        flows=flows,
        flow_count=flow_count,
        doubtful=decimal(summed[-1]),
    )


def _counted(view: NodeView, projection: Projection) -> list[Flow]:
    """What comes and has not been due for longer than is counted on."""
    counted_from = projection.today - projection.overdue_days
    return [each for each in view.supply if each.on >= counted_from]


def _flows(view: NodeView, counted: Sequence[Flow]) -> tuple[tuple[StockFlow, ...], int]:
    """What the projection counts on, what falls due first before the others, and how much that is
    in all."""
    moves = [(each.on, each.subject, -each.quantity, "") for each in view.demand]
    moves += [(each.on, each.subject, each.quantity, each.doubt or "") for each in counted]
    first = heapq.nsmallest(limits.STOCK_FLOWS_LISTED, moves)
    return (
        tuple(
            [
                StockFlow(
                    on=calendar_date(on),
                    subject=subject,
                    quantity=decimal(quantity),
                    doubt=FlowDoubt(doubt) if doubt else None,
                )
                for on, subject, quantity, doubt in first
            ]
        ),
        len(moves),
    )


def stock_verdict_records(
    node: NodeSummary, verdicts: Iterable[RuleVerdict], policy_version: str
) -> tuple[Verdict, ...]:
    """The verdicts on a node with their sentences, for `decisions`."""
    return tuple([texts.verdict_record(each, policy_version, node.unit) for each in verdicts])
