"""A stock node as rules see it: its summary laid over the network and over its lines, at a moment.

Nothing here says what is wrong; rules do.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alerts.evidence import blind
from alerts.findings import HELD_BACK, NETWORK_SOURCE, Blind, Silence, Threshold
from alerts.lines import FeedState
from alerts.nodes import NodeSummary
from alerts.projection import Flow, Projection
from schemas.facts import Family
from schemas.units import DAY_MS, Day, Quantity, UtcMillis
from topology.calendars import day_start
from topology.network import Network

_FAMILIES = (Family.INVENTORY.value, Family.ORDERS.value, Family.SHIPMENTS.value)

NEVER_COUNTED = "never_counted"
NOT_IN_NETWORK = "not_in_network"


class NodeView(msgspec.Struct, frozen=True, eq=False):
    """One stock node at `now`; `today` is the date at its site.

    `projection` is None where `unprojected` says why. `horizon` and `overdue_days` are what it was
    made with; `undated` is the quantity that no date is known of, `other_units` the number of lines
    in another unit: neither is in it. `supply` and `demand` are what it was made of, in no order.
    `telling` are the sources that should tell of the node, `bringing` those that should tell of
    what comes to it. `doubted_at` is when the next of that turns late within a day.
    """

    node: NodeSummary
    network: Network
    now: UtcMillis
    today: Day
    feeds: Mapping[str, FeedState]
    held_families: tuple[str, ...]
    telling: tuple[str, ...]
    horizon: Threshold
    projection: Projection | None
    unprojected: str = ""
    undated: Quantity = 0
    other_units: int = 0
    supply: tuple[Flow, ...] = ()
    demand: tuple[Flow, ...] = ()
    bringing: tuple[str, ...] = ()
    doubted_at: UtcMillis | None = None

    @property
    def safety(self) -> Threshold:
        """Its safety stock in the item's base unit, and who says so; 0 where nobody does."""
        node = self.node
        known = self.network.stock_nodes.get((node.item, node.site))
        quantity = 0 if known is None else known.safety_stock
        return Threshold(quantity, f"{NETWORK_SOURCE}stock node {node.id}")

    @property
    def is_in_base_unit(self) -> bool:
        """Its facts count in the unit that the network counts the item in."""
        item = self.network.item(self.node.item)
        return item is not None and item.base_unit == self.node.unit

    def value_of(self, quantity: Quantity) -> tuple[int | None, str | None]:
        """What so much of the item is worth, rounded down; (None, None) where nobody says."""
        item = self.network.item(self.node.item)
        return (None, None) if item is None else item.worth(quantity, self.node.unit)

    def starts_at(self, on: Day) -> UtcMillis:
        """The first moment of that day at the site; in UTC for an unknown site."""
        place = self.network.site(self.node.site)
        return on * DAY_MS if place is None else day_start(place.zone, on)

    def unseen(self) -> Blind | Silence | None:
        """Why the balance may be another than was told: a source that should tell is blind, or
        facts hide behind a sender's open transaction. None when all is seen."""
        hidden = blind(self, self.telling)
        if hidden is not None:
            return hidden
        if any(family in self.held_families for family in _FAMILIES):
            return Silence(HELD_BACK)
        return None
