"""What judging a stock node takes, and the view of the node that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts.evidence import blind
from alerts.findings import NETWORK_SOURCE, Threshold
from alerts.flows import Goods, Move, reduced
from alerts.lines import FeedState
from alerts.node_view import NEVER_COUNTED, NOT_IN_NETWORK, NodeView
from alerts.nodes import LineBooks, NodeSummary, Transfer
from alerts.policy import Policy
from alerts.projection import Flow, project
from schemas.facts import Family
from schemas.stock_records import FlowDoubt
from schemas.units import Quantity, UtcMillis
from topology.model import Quantile
from topology.network import Network


class NodeContext(msgspec.Struct, frozen=True, eq=False):
    """A stock node and all that judging it may look at; `lines` are those that ship from or to it
    in its cell and have not ended. The rest as of a line."""

    node: NodeSummary
    lines: Sequence[Goods]
    network: Network
    policy: Policy
    now: UtcMillis
    feeds: Mapping[str, FeedState]
    held_families: tuple[str, ...] = ()
    complete: bool = True


def telling_of(node: NodeSummary, network: Network) -> tuple[str, ...]:
    """The sources that should tell of the node's stock, by id: those that the network declares for
    its site; without any, the one that told last."""
    feeds = network.feeds_for(Family.INVENTORY, None, node.site)
    if feeds:
        return tuple([each.id for each in feeds])
    return () if node.last_news is None else (node.last_news.source,)


def lay_over(ctx: NodeContext, horizon: Threshold, overdue_days: int) -> NodeView:
    """The view of a node, by a horizon in days where the network names none."""
    node, lines, network = ctx.node, ctx.lines, ctx.network
    today = network.local_day(node.site, ctx.now)
    known = network.stock_nodes.get((node.item, node.site))
    if known is not None and known.horizon_days:
        horizon = Threshold(known.horizon_days, f"{NETWORK_SOURCE}stock node {node.id}")
    view = NodeView(
        node,
        network,
        ctx.now,
        today,
        ctx.feeds,
        ctx.held_families,
        telling_of(node, network),
        horizon,
        None,
    )
    if node.available is None:
        return msgspec.structs.replace(view, unprojected=NEVER_COUNTED)
    if network.cell_of(node.item, node.site) is None:
        return msgspec.structs.replace(view, unprojected=NOT_IN_NETWORK)
    same_unit = [each for each in lines if each.line.unit == node.unit]
    supply, demand, undated = _flows(view, same_unit, overdue_days)
    arriving = [each for each in same_unit if each.line.ship_to == node.site]
    deadlines = [each.departure.by for goods in arriving for each in goods.coming if each.departure]
    projection = project(
        node.available,
        supply,
        demand,
        today,
        horizon.value,
        view.safety.value if view.is_in_base_unit else 0,
        overdue_days,
    )
    return msgspec.structs.replace(
        view,
        projection=projection,
        undated=undated,
        other_units=len(lines) - len(same_unit),
        supply=tuple(supply),
        demand=tuple(demand),
        bringing=tuple(sorted({source for each in arriving for source in each.telling})),
        doubted_at=min([by + 1 for by in deadlines if by >= ctx.now], default=None),
    )


def _flows(
    view: NodeView, lines: Sequence[Goods], overdue_days: int
) -> tuple[list[Flow], list[Flow], Quantity]:
    """What comes, what is wanted, and how much of either has no date."""
    node, network = view.node, view.network
    supply: list[Flow] = []
    demand: list[Flow] = []
    undated: Quantity = 0
    books = {each.line_id: each for each in node.lines}

    for goods in lines:
        line = goods.line
        told = books.get(line.line_id) or LineBooks(line.line_id)
        if line.ship_from == node.site:
            wanted = reduced(goods.left(told.issued), told.held)
            demand += [
                Flow(network.local_day(node.site, each.at), line.line_id, each.quantity)
                for each in wanted
            ]
            undated += goods.undated
        if line.ship_to == node.site:
            is_blind = blind(view, goods.telling) is not None
            supply += [
                _brought(view, each, line.line_id, is_blind, overdue_days)
                for each in goods.awaited(told.received)
            ]
            undated += goods.undated
    for transfer in node.transfers:
        if not transfer.on_its_way:
            continue
        arrives_at = _arrival(transfer, node, network)
        if arrives_at is None:
            undated += transfer.on_its_way
        else:
            move = Move(arrives_at, transfer.on_its_way)
            supply.append(_brought(view, move, transfer.number, False, overdue_days))
    return supply, demand, undated


def _brought(view: NodeView, move: Move, subject: str, is_blind: bool, overdue_days: int) -> Flow:
    """What a move brings, when, and whether anybody can count on it. What did not leave in time is
    there no sooner than the next departure and the lead time allow, reckoned from today's first
    moment, so that it changes with the day alone; once it has been due for longer than is counted
    on, it stays where it was."""
    network, site = view.network, view.node.site
    on = network.local_day(site, move.at)
    departure = move.departure
    is_late = on < view.today
    if departure is not None and departure.by < view.now:
        is_late = True
        ready_at = max(departure.by + 1, view.starts_at(view.today))
        leaves_at = network.next_departure(departure.lane, ready_at)
        if leaves_at is not None and on >= view.today - overdue_days:
            on = max(on, network.local_day(site, leaves_at + departure.lead_time_ms))
    doubt = FlowDoubt.LATE if is_late else FlowDoubt.BLIND if is_blind else None
    return Flow(on, subject, move.quantity, doubt)


def _arrival(transfer: Transfer, node: NodeSummary, network: Network) -> UtcMillis | None:
    """When a transfer should arrive: its departure and the lead time of the lane that it takes."""
    lane = network.lane_between(transfer.from_site, node.site, node.item)
    if lane is None or transfer.departed_fact is None:
        return None
    return transfer.departed_fact.at + lane.lead_time_ms(Quantile.P80)
