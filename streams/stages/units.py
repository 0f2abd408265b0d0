"""Quantities of one line brought to one unit, so that they can be added up.

The network says which units an item has. A line whose own unit is known is reckoned in the base
unit of its item, exactly; what cannot be brought to it is kept, named, and not counted. Nearly
every line is told in one unit, and pays for no more than a look at that.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from alerts.lines import LineSummary, OddUnit
from schemas.facts import Fact, OrderFact, PaymentFact, ShipmentFact
from schemas.shares import Conflict, Share
from schemas.units import QUANTITY_ONE, Quantity
from streams.stages.fold import fold
from streams.stages.legs import names_line
from topology.model import Item
from topology.network import Network

ODD_UNITS_LISTED = 20


def fold_in_unit(
    line_id: str,
    facts: Sequence[Fact],
    shares: Sequence[Share],
    conflicts: Sequence[Conflict],
    network: Network,
) -> tuple[LineSummary, str]:
    """The summary of a line in one unit, and by which sizes of units it was reckoned: empty where
    nothing had to be. By these one can tell whether another network would reckon otherwise.

    `facts` are those of a line, in canonical order, as `fold` takes them.
    """
    line = fold(line_id, facts, shares, conflicts)
    item = network.item(line.item)
    if _is_in_one_unit(set(map(_unit_of, facts)), item):
        return line, ""
    told = {_unit_told(fact) for fact in facts}
    if _is_in_one_unit(told, item):
        return line, ""
    units = sorted(each for each in told if each is not None)
    unit = line.unit or units[0]
    is_known = item is not None and item.in_base_unit(QUANTITY_ONE, unit) is not None
    if item is not None and is_known:
        unit = item.base_unit
    reckoned, odd = _reckoned(facts, unit, item)
    if item is not None and item.units and not is_known:
        # The whole line is in a unit of its own: it adds up, but to nothing that the item has.
        odd[:0] = [_odd(fact) for fact in facts if _unit_told(fact) == unit][:1]
    sizes = [(each, item and item.in_base_unit(QUANTITY_ONE, each)) for each in units]
    by = f"{unit}: " + " ".join(f"{name}={size}" for name, size in sizes)
    line = fold(line_id, reckoned, shares, conflicts)
    return msgspec.structs.replace(line, unit=unit, odd_units=tuple(odd[:ODD_UNITS_LISTED])), by


def _is_in_one_unit(told: set[str | None], item: Item | None) -> bool:
    """Whether nothing is to be reckoned of what is told in these units."""
    units = told - {None}
    return len(units) < 2 and (
        not units or item is None or not item.units or item.base_unit in units
    )


_unit_of: attrgetter[Any] = attrgetter("unit")


def _unit_told(fact: Fact) -> str | None:
    """The unit in which the fact tells of this line; what a whole shipment holds is of none."""
    if isinstance(fact, ShipmentFact) and not names_line(fact):
        return None
    unit: str | None = _unit_of(fact)
    return unit


def _odd(fact: Fact) -> OddUnit:
    return OddUnit(fact.kind, fact.event_id, fact.source, _unit_of(fact))


def _reckoned(
    facts: Sequence[Fact], unit: str, item: Item | None
) -> tuple[list[Fact], list[OddUnit]]:
    reckoned: list[Fact] = []
    odd: list[OddUnit] = []
    for fact in facts:
        if _unit_told(fact) in {None, unit}:
            reckoned.append(fact)
            continue
        brought = _brought(fact, unit, item)
        if brought is None:
            odd.append(_odd(fact))
        reckoned.append(_uncounted(fact, unit) if brought is None else brought)
    return reckoned, odd


_QUANTITIES: dict[type[Fact], tuple[str, ...]] = {
    OrderFact: ("quantity",),
    ShipmentFact: ("quantity", "short", "over", "damaged"),
    PaymentFact: ("quantity", "price_per"),
}


def _quantities(fact: Fact) -> dict[str, Quantity]:
    """The quantities that the fact tells; a price is for one unit where it does not say."""
    names = _QUANTITIES.get(type(fact), ())
    told = {name: getattr(fact, name) for name in names if getattr(fact, name) is not None}
    if isinstance(fact, PaymentFact) and fact.price_minor is not None:
        told.setdefault("price_per", QUANTITY_ONE)
    return told


def _brought(fact: Fact, unit: str, item: Item | None) -> Fact | None:
    """The fact in the unit, which is the base unit; None where that cannot be said exactly."""
    told = _quantities(fact)
    changed: dict[str, Any] = {"unit": unit}
    for name, quantity in told.items():
        known = item is not None and unit == item.base_unit
        changed[name] = item.in_base_unit(quantity, _unit_of(fact)) if known and item else None
        if changed[name] is None:
            return None
    return msgspec.structs.replace(fact, **changed)


def _uncounted(fact: Fact, unit: str) -> Fact:
    """The fact without its quantities. What says how much is ordered or invoiced says nothing of
    it; where to say nothing would mean all of it, it says none."""
    changed: dict[str, Any] = dict.fromkeys(_quantities(fact))
    match fact:
        case PaymentFact():
            changed |= {"unit": None, "price_minor": None}
        case OrderFact() if fact.kind in {"placed", "changed"}:
            changed["unit"] = None
        case _:
            changed |= {"unit": unit, "quantity": 0}
    return msgspec.structs.replace(fact, **changed)
