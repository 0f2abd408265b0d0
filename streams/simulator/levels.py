"""How much should lie at each stock node of the chain, from what orders take a day on average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.facts import Family, stock_node_id
from schemas.units import QUANTITY_ONE
from streams.simulator.chain import Flow
from topology.network import Network

LINES_AN_ORDER = 5 / 3
"""On average; see `orders`."""

LOW_DAYS, TARGET_DAYS, HIGH_DAYS = 20, 30, 40
"""For how many average days a node is filled up once it falls below `LOW_DAYS`, and above how many
what is too much is used or sold. Far from what rules call short and too much."""


@dataclass(frozen=True)
class Level:
    """One node that a source tells of: how much may lie there, in pieces.

    `parts` are the items and quantities that one piece is assembled from, at this site; `supplier`
    the site of the same party that sends more.
    """

    item: str
    site: str
    feed: str
    low: int
    target: int
    high: int
    floor: int
    is_made: bool
    parts: tuple[tuple[str, int], ...]
    supplier: str | None

    @property
    def id(self) -> str:
        """ITEM@SITE."""
        return stock_node_id(self.item, self.site)


def levels(
    network: Network, flows: Sequence[Flow], orders_per_day: float
) -> dict[tuple[str, str], Level]:
    """The level of each node of whose stock a feed tells, by item and site, ascending."""
    taken = _taken_a_day(network, flows, orders_per_day)
    made = {(network.lanes[flow.lane].origin, item) for flow in flows for item in flow.items}
    brought = {
        (network.lanes[flow.lane].destination, item) for flow in flows for item in flow.items
    }
    found: dict[tuple[str, str], Level] = {}
    for node in network.document.stock_nodes:
        feeds = network.feeds_for(Family.INVENTORY, None, node.site)
        if not feeds:
            continue
        a_day = taken.get(node.key, 0.0)
        floor = node.safety_stock // QUANTITY_ONE
        is_made = (node.site, node.item) in made - brought
        found[node.key] = Level(
            node.item,
            node.site,
            feeds[0].id,
            2 * floor + round(LOW_DAYS * a_day),
            2 * floor + round(TARGET_DAYS * a_day),
            2 * floor + round(HIGH_DAYS * a_day),
            floor,
            is_made,
            _parts(network, node.item, node.site) if is_made else (),
            None if is_made else _supplier(network, node.item, node.site),
        )
    return found


def _taken_a_day(
    network: Network, flows: Sequence[Flow], orders_per_day: float
) -> dict[tuple[str, str], float]:
    """What orders take from each node a day, and what is assembled into that, on average."""
    whole = sum(flow.weight for flow in flows)
    taken: dict[tuple[str, str], float] = {}
    for flow in flows:
        lines = orders_per_day * flow.weight / whole * LINES_AN_ORDER / len(flow.items)
        for item in flow.items:
            key = (item, network.lanes[flow.lane].origin)
            quantity = lines * (flow.quantity_min + flow.quantity_max) / 2
            taken[key] = taken.get(key, 0.0) + quantity
    for (item, site), a_day in list(taken.items()):
        for part, each in _parts(network, item, site):
            taken[part, site] = taken.get((part, site), 0.0) + each * a_day
    return taken


def _parts(network: Network, item: str, site: str) -> tuple[tuple[str, int], ...]:
    return tuple(
        [
            (each.component, each.quantity_per // QUANTITY_ONE)
            for each in network.document.bills_of_material
            if each.parent == item and each.site in ("", site)
        ]
    )


def _supplier(network: Network, item: str, site: str) -> str | None:
    """The site of the same party from which a lane brings the item."""
    party = network.sites[site].party
    for lane in network.document.lanes:
        is_own = network.sites[lane.origin].party == party
        if lane.destination == site and item in lane.items and is_own:
            return lane.origin
    return None
