"""What a stock node will have available, day by day, by what is known to come and to go.

One tier: what the node has, what is on its way to it, what is wanted from it. Whether those who
supply it can do so is not asked; an outlook over all tiers of a cell will take this function's
place.

What should have arrived and has not is counted on for `overdue_days` after it was due, and then not
until somebody gives a new date; what should have left and has not is wanted today. Demands are
served in the order in which they fall due, of one day by subject: a demand is hit by what is
missing when its turn comes, so that of several only those at the end of the queue are.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas.stock_records import FlowDoubt
from schemas.units import Day, Quantity


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A quantity that is expected, or wanted, on a day at the node; `subject` says by what, `doubt`
    why nobody can count on its coming."""

    on: Day
    subject: str
    quantity: Quantity
    doubt: FlowDoubt | None = None


class Balance(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is available from this day on, until the next one listed."""

    on: Day
    quantity: Quantity


class Hit(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A demand that cannot be served in full: how much is missing, when it was wanted, and from
    which day on what is known to come covers it (None: nothing does)."""

    subject: str
    missing: Quantity
    needed_on: Day
    covered_on: Day | None


class Projection(msgspec.Struct, frozen=True, gc=False):
    """The balance of a node from `today` on. `days` begin today and end with the horizon, one for
    each day on which it changes. `below_safety_on` and `below_zero_on` are the first such days,
    also beyond the horizon. `hits` are the demands within it. `overdue` is not counted on.
    `lowest_later` is the lowest balance past the horizon, None when nothing moves there.
    `overdue_days` are those by which it was made."""

    today: Day
    horizon_on: Day
    days: tuple[Balance, ...]
    lowest: Balance
    below_safety_on: Day | None
    below_zero_on: Day | None
    hits: tuple[Hit, ...]
    overdue: Quantity
    lowest_later: Quantity | None = None
    overdue_days: int = 0

    @property
    def is_short(self) -> bool:
        """It falls below zero within the horizon."""
        return self.below_zero_on is not None and self.below_zero_on <= self.horizon_on

    @property
    def is_low(self) -> bool:
        """It falls below its safety stock within the horizon."""
        return self.below_safety_on is not None and self.below_safety_on <= self.horizon_on


def project(
    available: Quantity,
    supply: Sequence[Flow],
    demand: Sequence[Flow],
    today: Day,
    horizon_days: int,
    safety_stock: Quantity = 0,
    overdue_days: int = 0,
) -> Projection:
    """The projection of a node that has `available` now. Pure; a microsecond or two a flow."""
    coming = sorted(
        (max(each.on, today), each.quantity) for each in supply if each.on >= today - overdue_days
    )
    overdue = sum([each.quantity for each in supply if each.on < today - overdue_days])
    wanted = sorted(demand, key=lambda each: (each.on, each.subject))
    changes: dict[Day, Quantity] = {today: 0}
    for on, quantity in coming:
        changes[on] = changes.get(on, 0) + quantity
    for each in wanted:
        on = max(each.on, today)
        changes[on] = changes.get(on, 0) - each.quantity
    days: list[Balance] = []
    balance = available
    for on in sorted(changes):
        balance += changes[on]
        days.append(Balance(on, balance))
    horizon_on = today + horizon_days
    within = tuple([each for each in days if each.on <= horizon_on])
    return Projection(
        today,
        horizon_on,
        within,
        min(within, key=lambda each: (each.quantity, each.on)),
        next((each.on for each in days if each.quantity < safety_stock), None),
        next((each.on for each in days if each.quantity < 0), None),
        _hits(available, coming, wanted, today, horizon_on),
        overdue,
        min([each.quantity for each in days if each.on > horizon_on], default=None),
        overdue_days,
    )


def _hits(
    available: Quantity,
    coming: Sequence[tuple[Day, Quantity]],
    wanted: Sequence[Flow],
    today: Day,
    horizon_on: Day,
) -> tuple[Hit, ...]:
    """The demands up to the horizon that are not served in full on their day, first come first
    served."""
    hits: list[Hit] = []
    served = covered = 0
    had, will_have = available, available
    asked: Quantity = 0
    for each in wanted:
        on = max(each.on, today)
        if on > horizon_on:
            break
        asked += each.quantity
        while served < len(coming) and coming[served][0] <= on:
            had += coming[served][1]
            served += 1
        missing = min(each.quantity, asked - had)
        if missing <= 0:
            continue
        while covered < len(coming) and will_have < asked:
            will_have += coming[covered][1]
            covered += 1
        covered_on = coming[covered - 1][0] if will_have >= asked else None
        hits.append(Hit(each.subject, missing, each.on, covered_on))
    return tuple(hits)


def days_of_supply(available: Quantity, used: Quantity, in_days: int) -> int | None:
    """How many whole days `available` lasts at the rate of `used` in so many days; None where
    nothing was used."""
    if used <= 0:
        return None
    return max(0, available) * in_days // used
