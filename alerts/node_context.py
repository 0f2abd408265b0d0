"""What judging a stock node takes, and the view of the node that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from alerts.findings import NETWORK_SOURCE, Threshold
from alerts.flows import Goods, Move, reduced
from alerts.lines import FeedState
from alerts.node_view import NEVER_COUNTED, NOT_IN_NETWORK, NodeView
from alerts.nodes import LineBooks, NodeSummary, Transfer
from alerts.policy import Policy
from alerts.projection import Flow, project
from schemas.facts import Family
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
    supply, demand, undated = _flows(node, same_unit, network)
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
    )


def _flows(
    node: NodeSummary, lines: Sequence[Goods], network: Network
) -> tuple[list[Flow], list[Flow], Quantity]:
    """What comes, what is wanted, and how much of either has no date."""
    supply: list[Flow] = []
    demand: list[Flow] = []
    undated: Quantity = 0
    books = {each.line_id: each for each in node.lines}

    def dated(moves: Sequence[Move], subject: str) -> list[Flow]:
        days = [(network.local_day(node.site, each.at), each.quantity) for each in moves]
        return [Flow(on, subject, quantity) for on, quantity in days]

    for goods in lines:
        line = goods.line
        told = books.get(line.line_id) or LineBooks(line.line_id)
        if line.ship_from == node.site:
            wanted = reduced(goods.left(told.issued), told.held)
            demand += dated(wanted, line.line_id)
            undated += goods.undated
        if line.ship_to == node.site:
            supply += dated(goods.awaited(told.received), line.line_id)
            undated += goods.undated
    for transfer in node.transfers:
        if not transfer.on_its_way:
            continue
        arrives_at = _arrival(transfer, node, network)
        if arrives_at is None:
            undated += transfer.on_its_way
        else:
            supply += dated([Move(arrives_at, transfer.on_its_way)], transfer.number)
    return supply, demand, undated


def _arrival(transfer: Transfer, node: NodeSummary, network: Network) -> UtcMillis | None:
    """When a transfer should arrive: its departure and the lead time of the lane that it takes."""
    lane = network.lane_between(transfer.from_site, node.site, node.item)
    if lane is None or transfer.departed_fact is None:
        return None
    return transfer.departed_fact.at + lane.lead_time_ms(Quantile.P80)
