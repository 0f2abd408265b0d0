"""What of a stock node nobody needs, day by day; and who would wait if somebody took more.

What is free is *available to promise*, cumulative with look-ahead (APICS Dictionary, "available-to-
promise": the uncommitted portion of inventory and planned supply, kept to promise customer orders):

    free(d) = max(0, min over all days e ≥ d of balance(e) − safety stock)

over the balances of `alerts.projection` as `stock-status` tells them. So what is free today is
needed by no line on any later day. What is expected on a day counts from the end of receiving on
it; what lies there counts now. What should come and is late, or comes from where nobody can see, is
not among what is free: `node_stock` leaves it out unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from alerts.projection import Flow, Hit, project
from schemas.limits import STOCK_BALANCES_LISTED
from schemas.stock_records import StockBalance, StockProjection, StockStatus
from schemas.units import Day, Quantity, UtcMillis, day, quantity
from topology.network import Network

NEW_ORDER = ""
"""The subject of the order that is asked about; it sorts before every line of its day."""


class Step(NamedTuple):
    """From this moment on so much is there to be sent; `on` is its date at the site."""

    ready_at: UtcMillis
    on: Day
    quantity: Quantity


class Pushed(NamedTuple):
    """A line that would wait for so much of it: since when, and until when (None: ever)."""

    line_id: str
    missing: Quantity
    needed_on: Day
    covered_on: Day | None


class NodeStock(msgspec.Struct, frozen=True):
    """A counted stock node at `now`, as its status tells of it. `safety` is in the node's unit."""

    site: str
    network: Network
    now: UtcMillis
    available: Quantity
    safety: Quantity
    projection: StockProjection
    supply: tuple[Flow, ...]
    demand: tuple[Flow, ...]

    @property
    def today(self) -> Day:
        """The date at its site."""
        return self.network.local_day(self.site, self.now)

    @property
    def unseen_movements(self) -> int:
        """How many movements, further ahead, the status counts and does not list."""
        return self.projection.flow_count - len(self.projection.flows)

    def free(self) -> tuple[Step, ...]:
        """What is free from when on; both ascend. Empty when nothing ever is."""
        today = self.today
        by_day = self._free_by_day(today)
        now_free = max(0, min(self.available - self.safety, by_day[0][1]))
        steps = [Step(self.now, today, now_free)]
        for on, free in by_day:
            if free > steps[-1].quantity:
                steps.append(Step(self._received_at(on), on, free))
        return tuple([each for each in steps if each.quantity > 0])

    def _free_by_day(self, today: Day) -> list[tuple[Day, Quantity]]:
        """(date, free) from today on, ascending in both."""
        told = [(day(each.on), quantity(each.available)) for each in self.projection.balances]
        current = [each for each in told if each[0] <= today][-1:]
        coming = [each for each in told if each[0] > today]
        # Past what is listed the lowest of all is the most that is sure.
        floors = [self.projection.lowest_later]
        if len(told) >= STOCK_BALANCES_LISTED:
            floors.append(self.projection.lowest)
        lowest = min([quantity(each) for each in floors if each is not None], default=None)
        found: list[tuple[Day, Quantity]] = []
        for on, balance in reversed([*current, *coming]):
            lowest = balance if lowest is None else min(lowest, balance)
            found.append((max(on, today), max(0, lowest - self.safety)))
        return found[::-1] or [(today, 0)]

    def _received_at(self, on: Day) -> UtcMillis:
        """When what is expected on that day is there for sure."""
        at = self.network.due_at(self.site, on)
        return at if at >= self.now else self.network.due_at(self.site, on + 1)

    def within_reach(self) -> tuple[Step, ...]:
        """What lies there for whoever goes before the lines that wait for it, ascending in time;
        the safety stock stays. What falls due before that day is served first."""
        today = self.today
        steps = [Step(self.now, today, self.available - self.safety)]
        for on in sorted({max(each.on, today) for each in self.supply}):
            had = sum([each.quantity for each in self.supply if each.on <= on])
            gone = sum([each.quantity for each in self.demand if max(each.on, today) < on])
            steps.append(Step(self._received_at(on), on, self.available + had - gone - self.safety))
        return tuple([each for each in steps if each.quantity > 0])

    def pushed(self, taken: Quantity, on: Day) -> tuple[Pushed, ...]:
        """The lines that wait, or wait longer, if so much is taken on that day, by date."""
        # Taken today, it goes before what is overdue too.
        first = min([each.on for each in self.demand], default=on) if on <= self.today else on
        before = self._hits(self.demand)
        after = self._hits([*self.demand, Flow(min(first, on), NEW_ORDER, taken)])
        found = []
        for line_id, (missing, needed_on, covered_on) in after.items():
            was = before.get(line_id)
            if was is None or missing > was[0] or _later(covered_on, was[2]):
                found.append(Pushed(line_id, missing, needed_on, covered_on))
        return tuple(sorted(found, key=lambda each: (each.needed_on, each.line_id)))

    def _hits(self, demand: Sequence[Flow]) -> dict[str, tuple[Quantity, Day, Day | None]]:
        """Line → what is missing of it, since when, and when the last of it is covered."""
        moves = [*self.supply, *demand]
        today = self.today
        last = max([each.on for each in moves], default=today)
        counted_days = max(0, today - min([each.on for each in self.supply], default=today))
        projection = project(
            self.available, self.supply, demand, today, max(0, last - today), 0, counted_days
        )
        found: dict[str, tuple[Quantity, Day, Day | None]] = {}
        for hit in projection.hits:
            if hit.subject != NEW_ORDER:
                found[hit.subject] = _joined(found.get(hit.subject), hit)
        return found


def _joined(
    found: tuple[Quantity, Day, Day | None] | None, hit: Hit
) -> tuple[Quantity, Day, Day | None]:
    """A line may be wanted in several parts."""
    if found is None:
        return hit.missing, hit.needed_on, hit.covered_on
    missing, needed_on, covered_on = found
    later = hit.covered_on if _later(hit.covered_on, covered_on) else covered_on
    return missing + hit.missing, needed_on, later


def _later(on: Day | None, than: Day | None) -> bool:
    """None is never, which is later than any day."""
    return than is not None and (on is None or on > than)


def _sure(projection: StockProjection) -> StockProjection:
    """The projection without what comes in doubt. Of balances that are not listed it is not known
    how much of them that is: there all of it counts."""
    later = projection.lowest_later
    return msgspec.structs.replace(
        projection,
        balances=tuple(
            [
                StockBalance(on=each.on, available=each.available - each.doubtful)
                for each in projection.balances
            ]
        ),
        lowest=projection.lowest - projection.doubtful,
        lowest_later=None if later is None else later - projection.doubtful,
        flows=tuple([each for each in projection.flows if each.doubt is None]),
        flow_count=projection.flow_count - sum(each.doubt is not None for each in projection.flows),
    )


def node_stock(
    status: StockStatus, network: Network, now: UtcMillis, *, hopes: bool = False
) -> NodeStock | None:
    """The node of a status; None where nobody has counted or nothing is projected. What comes in
    doubt counts only if it `hopes`."""
    projection = status.projection
    if projection is None or status.available is None:
        return None
    if not hopes:
        projection = _sure(projection)
    item = network.item(status.item)
    in_base_unit = item is not None and item.base_unit == status.unit
    flows = [(day(each.on), each.subject, quantity(each.quantity)) for each in projection.flows]
    return NodeStock(
        status.site,
        network,
        now,
        quantity(status.available),
        quantity(status.safety_stock) if in_base_unit else 0,
        projection,
        tuple([Flow(on, subject, amount) for on, subject, amount in flows if amount > 0]),
        tuple([Flow(on, subject, -amount) for on, subject, amount in flows if amount < 0]),
    )
