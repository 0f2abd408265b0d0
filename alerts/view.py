"""A line as rules see it: its summary laid over the network, at a moment.

Everything is derived, on demand and once, from the summary, the network and the policy's one
choice of how sure a lead time must be. Nothing here says what is wrong; rules do.

**The date that holds** is the last confirmed one; until there is one, the requested one.

**Parts.** What is wanted of a line is covered part by part: each schedule of the confirmation, in
the order in which they fall due, takes what it needs from what was delivered (earliest first), what
moves, what is packed, and lacks the rest. So a split confirmation is judged schedule by schedule
and a split shipment leg by leg, and one shipment of one schedule is the simple case of the same.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

import msgspec

from alerts.lines import FeedState, Happened, Leg, LineSummary, Told
from schemas.units import Day, Quantity, UtcMillis
from topology.model import Lane, Quantile
from topology.network import Network


class Stage(enum.IntEnum):
    """How far a part of a line has come."""

    WAITING = 0
    MOVING = 1
    DELIVERED = 2


class Part(msgspec.Struct, frozen=True, gc=False):
    """A quantity of the line that falls due at one moment and travels in one leg, if in any.

    `quantity` is None where facts do not say how much.
    """

    promise: Told
    due_at: UtcMillis
    quantity: Quantity | None
    leg: Leg | None
    stage: Stage


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """When a leg is expected at its destination. `told` is the ETA; None where it is the lead time
    of the lane, counted from the last place that the leg is known to have left or reached."""

    at: UtcMillis
    on: Day | None
    told: Told | None
    lane: str = ""


def stage_of(leg: Leg) -> Stage:
    """How far the leg has come. Packed, or announced by an ETA alone, is waiting."""
    if leg.delivered is not None:
        return Stage.DELIVERED
    if leg.departed is not None or leg.arrived is not None:
        return Stage.MOVING
    return Stage.WAITING


def carried(leg: Leg) -> Quantity | None:
    """How much of the line the leg accounts for; None when nobody said."""
    if leg.delivered_quantity is None:
        return leg.packed
    received = leg.delivered_quantity + leg.damaged + leg.short
    return received if leg.packed is None else max(leg.packed, received)


T = TypeVar("T")


class derived(Generic[T]):  # noqa: N801 - used like property
    """A property that is worked out when first asked for, then kept with its object.

    What `functools.cached_property` does, without the lock that it takes up to Python 3.11; several
    are asked for in each judgement.
    """

    def __init__(self, work_out: Callable[[Any], T]) -> None:
        self._work_out = work_out
        self._name = work_out.__name__
        self.__doc__ = work_out.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> derived[T]: ...

    @overload
    def __get__(self, owner: object, kind: type) -> T: ...

    def __get__(self, owner: object | None, kind: type) -> T | derived[T]:
        if owner is None:
            return self
        value = owner.__dict__[self._name] = self._work_out(owner)
        return value


class LineView(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One line at `now`; `feeds` and `held_families` are what is known of what may be missing."""

    line: LineSummary
    network: Network
    now: UtcMillis
    feeds: Mapping[str, FeedState]
    held_families: tuple[str, ...]
    quantile: Quantile = Quantile.P80

    @derived
    def promise(self) -> Told | None:
        """The date that holds: the last confirmed, else the requested one."""
        return self.line.last_confirmed or self.line.requested

    @derived
    def parts(self) -> tuple[Part, ...]:
        """What is wanted, part by part, in the order in which it falls due; none without a date."""
        promise = self.promise
        if promise is None:
            return ()
        line = self.line
        legs = line.legs
        if len(line.schedules) < 2:
            wanted = line.wanted or None
            due_at = self.due_at(promise)
            if not legs:
                return (Part(promise, due_at, wanted, None, Stage.WAITING),)
            if len(legs) == 1:
                leg = legs[0]
                amount = carried(leg)
                if amount is None or wanted is None or amount >= wanted:
                    return (Part(promise, due_at, wanted, leg, stage_of(leg)),)
            demands = [(due_at, promise, wanted)]
        else:
            demands = self._demands(line, promise)
        return tuple(_cover(demands, sorted(legs, key=self._turn)))

    def _demands(
        self, line: LineSummary, promise: Told
    ) -> list[tuple[UtcMillis, Told, Quantity | None]]:
        """(due, promise, quantity) of each schedule; what none of them promises falls due last."""
        left = line.wanted
        demands: list[tuple[UtcMillis, Told, Quantity | None]] = []
        scheduled = [(self.due_at(each.promise), each) for each in line.schedules]
        for due_at, each in sorted(scheduled, key=lambda pair: (pair[0], pair[1].number)):
            quantity = left if each.quantity is None else min(left, each.quantity)
            if quantity:
                demands.append((due_at, each.promise, quantity))
                left -= quantity
        if left or not demands:
            demands.append((self.due_at(promise), promise, left or None))
        return demands

    def _turn(self, leg: Leg) -> tuple[int, UtcMillis, str]:
        """Delivered legs cover first, in the order of delivery; then moving, then waiting ones."""
        stage = stage_of(leg)
        if leg.delivered is not None:
            return (-stage, leg.delivered.at, leg.shipment)
        arrival = self.arrival(leg)
        return (-stage, arrival.at if arrival is not None else 0, leg.shipment)

    @derived
    def waiting(self) -> Part | None:
        """The part that falls due first of those that have not left yet."""
        for part in self.parts:
            if part.stage is Stage.WAITING:
                return part
        return None

    @derived
    def open_parts(self) -> tuple[tuple[Part, Arrival | None], ...]:
        """The parts that are not delivered, each with when its leg is expected, if known."""
        return tuple(
            [
                (part, None if part.leg is None else self.arrival(part.leg))
                for part in self.parts
                if part.stage is not Stage.DELIVERED
            ]
        )

    @derived
    def moving(self) -> tuple[Leg, ...]:
        """The legs that have left and are not delivered."""
        return tuple([leg for leg in self.line.legs if stage_of(leg) is Stage.MOVING])

    @derived
    def has_shipped(self) -> bool:
        """Something of the line has left or arrived."""
        return any(stage_of(leg) is not Stage.WAITING for leg in self.line.legs)

    def due_at(self, told: Told) -> UtcMillis:
        """The last moment on time: the moment told, or the end of receiving on the date told."""
        if told.at is not None:
            return told.at
        return self.network.due_at(self.line.ship_to, told.on or 0)

    def day_of(self, told: Told) -> Day:
        """The date told, or the date at the ship-to of the moment told."""
        if told.on is not None:
            return told.on
        return self.local_day(told.at or 0)

    def local_day(self, at: UtcMillis) -> Day:
        """The date at the ship-to at that moment: the calendar that days late are counted in."""
        return self.network.local_day(self.line.ship_to, at)

    def leaves_by(self, part: Part) -> UtcMillis:
        """When a waiting part must leave to keep its promise: with the last departure of its lane
        that does, or, where no lane is known, when it falls due."""
        lane = self.lane_of(part.leg)
        if lane is None:
            return part.due_at
        return self.network.latest_departure(lane, part.due_at, self.quantile) or part.due_at

    def lane_of(self, leg: Leg | None) -> Lane | None:
        """The lane from where the line ships to where it is wanted, as the leg would take it."""
        line = self.line
        if leg is not None and (leg.carrier or leg.mode):
            lane = self.network.lane_between(
                line.ship_from, line.ship_to, line.item, leg.carrier, leg.mode
            )
            if lane is not None:
                return lane
        return self.network.lane_between(line.ship_from, line.ship_to, line.item)

    def way_of(self, leg: Leg) -> tuple[Happened, Lane] | None:
        """The last place that a moving leg reached or left and from which a lane leads to the
        destination, with that lane; None when no lane is known."""
        line = self.line
        for news in (leg.arrived, leg.departed):
            if news is None:
                continue
            if news.site is None or news.site == line.ship_from:
                lane = self.lane_of(leg)
            else:
                lane = self.network.lane_between(news.site, line.ship_to, line.item)
            if lane is not None:
                return news, lane
        return None

    def has_reached(self, leg: Leg) -> bool:
        """The leg has arrived where the line is wanted."""
        return leg.arrived is not None and leg.arrived.site == self.line.ship_to is not None

    def arrival(self, leg: Leg) -> Arrival | None:
        """When the leg arrived; else when it is expected, by its ETA, else by its lane."""
        if leg.arrived is not None and self.has_reached(leg):
            return Arrival(leg.arrived.at, None, None)
        eta = leg.eta
        if eta is not None:
            return Arrival(self.due_at(eta), eta.on, eta)
        way = self.way_of(leg)
        if way is None:
            return None
        news, lane = way
        return Arrival(news.at + lane.lead_time_ms(self.quantile), None, None, lane.id)

    def is_after(self, arrival: Arrival, part: Part, tolerance_ms: int = 0) -> bool:
        """Whether the leg is expected after the part falls due. An ETA that is a date is not after
        a promise that is a moment of that same date."""
        if arrival.at <= part.due_at + tolerance_ms:
            return False
        promise = part.promise
        return arrival.on is None or promise.at is None or arrival.on > self.local_day(promise.at)

    def days_between(self, earlier: UtcMillis, later: UtcMillis) -> int:
        """Calendar days at the ship-to from one moment to another; 0 within one day."""
        return self.local_day(later) - self.local_day(earlier)


def _cover(
    demands: list[tuple[UtcMillis, Told, Quantity | None]], legs: list[Leg]
) -> Iterator[Part]:
    """Lets the legs, in their order, cover the demands, in theirs.

    Legs of a known quantity come first; those of unknown quantity then stand for all that is left,
    together, so that each of them must arrive.
    """
    known = [(leg, amount) for leg in legs if (amount := carried(leg)) is not None]
    unknown = [leg for leg in legs if carried(leg) is None]
    at = 0
    for due_at, promise, wanted in demands:
        if wanted is None:
            for leg in legs:
                yield Part(promise, due_at, carried(leg), leg, stage_of(leg))
            continue
        need = wanted
        while need and at < len(known):
            leg, amount = known[at]
            taken = min(need, amount)
            if taken:
                yield Part(promise, due_at, taken, leg, stage_of(leg))
            need -= taken
            known[at] = (leg, amount - taken)
            at += amount == taken
        if need and not unknown:
            yield Part(promise, due_at, need, None, Stage.WAITING)
        elif need:
            for leg in unknown:
                yield Part(promise, due_at, need, leg, stage_of(leg))
