"""What rules see of a stock node (one item at one site): the summary that its ledger makes of all
facts.

It holds what was told and what that adds up to; nothing in it comes from the network, the policy or
a clock. Ledgers send it to the node's cell. Quantities are in `unit`. Fields are only ever added at
the end, so that the next release reads what this one stored.
"""

from __future__ import annotations

import enum

import msgspec

from alerts.lines import Happened
from schemas.facts import stock_node_id
from schemas.units import Day, Quantity, UtcMillis


class FactName(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Which fact: who told it, under which id, of what kind, when it happened, how much it says."""

    source: str
    event_id: str
    kind: str
    at: UtcMillis
    quantity: Quantity

    @property
    def text(self) -> str:
        """How sentences name it: wms/e17."""
        return f"{self.source}/{self.event_id}"


class ClashKind(enum.StrEnum):
    """How facts about one stock node contradict each other."""

    TWO_COUNTS = "two_counts"
    BELOW_ZERO = "below_zero"
    MIXED_UNITS = "mixed_units"
    UNKNOWN_UNIT = "unknown_unit"
    ARRIVED_MORE = "arrived_more"
    UNBLOCKED_MORE = "unblocked_more"
    UNRESERVED_MORE = "unreserved_more"


class Clash(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Two facts that cannot both be so. `first` is None where it was settled long ago, or where
    nothing at all was told that `second` would need."""

    kind: ClashKind
    first: FactName | None
    second: FactName


class Count(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last count, and what the books said just before it (None: it was the first)."""

    fact: FactName
    books: Quantity | None


class Transfer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A transfer to this node, by its number: how much left, and how much has come in."""

    number: str
    departed: Quantity = 0
    arrived: Quantity = 0
    from_site: str | None = None
    departed_fact: FactName | None = None
    arrived_fact: FactName | None = None

    @property
    def on_its_way(self) -> Quantity:
        """What left and has not come in."""
        return max(0, self.departed - self.arrived)


class LineBooks(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What the node's facts say of one order line.

    `reserved`, and of that `unreserved` and `taken` by issues, count since something was first set
    aside for it and is still; `issued` and `received` as far as the ledger keeps single facts.
    """

    line_id: str
    reserved: Quantity = 0
    unreserved: Quantity = 0
    taken: Quantity = 0
    issued: Quantity = 0
    received: Quantity = 0

    @property
    def held(self) -> Quantity:
        """What is still set aside for it. What is issued for a line is no longer set aside, whether
        or not its source says so by `unreserved` too."""
        return max(0, self.reserved - max(self.unreserved, self.taken))


class NodeSummary(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """All that is known of one stock node, from its facts up to a moment.

    `on_hand` is None until somebody counts. `reserved` is what is set aside for no line; `lines`
    what is said of lines. `used` holds what went out by day (UTC), ascending. `clashes` are the
    first of `clash_count`. `known_since` is when the first fact of it happened.
    """

    item: str
    site: str
    unit: str | None = None
    on_hand: Quantity | None = None
    blocked: Quantity = 0
    reserved: Quantity = 0
    count: Count | None = None
    transfers: tuple[Transfer, ...] = ()
    lines: tuple[LineBooks, ...] = ()
    used: tuple[tuple[Day, Quantity], ...] = ()
    clashes: tuple[Clash, ...] = ()
    clash_count: int = 0
    known_since: UtcMillis | None = None
    last_news: Happened | None = None
    sources: tuple[str, ...] = ()
    fact_count: int = 0

    @property
    def id(self) -> str:
        """ITEM@SITE."""
        return stock_node_id(self.item, self.site)

    @property
    def set_aside(self) -> Quantity:
        """All that is reserved, for lines or not."""
        return self.reserved + sum([each.held for each in self.lines])

    @property
    def in_transit(self) -> Quantity:
        """What other sites have sent and has not come in."""
        return sum([each.on_its_way for each in self.transfers])

    @property
    def available(self) -> Quantity | None:
        """On hand less what is blocked or set aside; None until somebody counts."""
        return None if self.on_hand is None else self.on_hand - self.blocked - self.set_aside
