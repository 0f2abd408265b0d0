"""From the shipment facts of one line to its legs, and what these add up to."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from alerts.lines import Happened, Leg, Told
from schemas.facts import ShipmentFact
from schemas.units import Quantity, UtcMillis

canonical: attrgetter[tuple[UtcMillis, UtcMillis, str, str]] = attrgetter(
    "occurred_at", "recorded_at", "source", "event_id"
)
"""Sort key of the canonical order of facts."""


def legs_of(facts: Sequence[ShipmentFact]) -> tuple[Leg, ...]:
    """The legs of a line, in the order of their names, from its facts in canonical order."""
    return tuple([_leg(name, told) for name, told in _by_shipment(facts).items()])


def _by_shipment(facts: Sequence[ShipmentFact]) -> dict[str, list[ShipmentFact]]:
    """The facts of each leg, legs in the order of their names.

    A carrier's number that some fact names beside a shipment's is another name of that shipment.
    A fact that names only the line belongs to the line's one shipment if there is just one.
    """
    if not facts:
        return {}
    first = facts[0].shipment_ref
    if first and len({fact.shipment_ref for fact in facts}) == 1:
        return {first: list(facts)}
    names = [
        (fact.carrier_ref, fact.shipment_ref)
        for fact in facts
        if fact.carrier_ref is not None and fact.shipment_ref is not None
    ]
    names.sort(reverse=True)
    shipment_of = dict(names)
    legs: dict[str, list[ShipmentFact]] = {}
    for fact in facts:
        name = fact.shipment_ref
        if name is None and fact.carrier_ref is not None:
            name = shipment_of.get(fact.carrier_ref, fact.carrier_ref)
        legs.setdefault(name or "", []).append(fact)
    if "" in legs and len(legs) == 2:
        (name,) = (name for name in legs if name)
        legs = {name: sorted(legs[""] + legs[name], key=canonical)}
    return legs if len(legs) == 1 else {name: legs[name] for name in sorted(legs)}


def _leg(name: str, facts: Sequence[ShipmentFact]) -> Leg:
    carrier: str | None = None
    carrier_ref: str | None = None
    one_carrier = True
    mode: str | None = None
    packed: ShipmentFact | None = None
    departed: ShipmentFact | None = None
    arrived: ShipmentFact | None = None
    eta: ShipmentFact | None = None
    exception: ShipmentFact | None = None
    held_up: ShipmentFact | None = None
    received: list[ShipmentFact] = []
    returned: Quantity = 0
    for fact in facts:
        if fact.carrier and fact.carrier != carrier:
            one_carrier, carrier = carrier is None, fact.carrier
        carrier_ref = fact.carrier_ref or carrier_ref
        mode = fact.mode or mode
        kind = fact.kind
        if kind == "packed":
            packed = fact
        elif kind == "departed":
            departed = departed or fact
        elif kind == "arrived":
            arrived = fact
        elif kind == "exception":
            exception = None if fact.resolved else fact
            held_up = held_up if fact.resolved else fact
        elif kind == "returned":
            returned += (fact.quantity or 0) if names_line(fact) else 0
        elif kind == "delivered":
            received.append(fact)
        if fact.eta_at is not None or fact.eta_on is not None:
            eta = fact
    delivery = _delivery(received) if received else _Delivery()
    return Leg(
        name,
        carrier,
        mode,
        packed.quantity if packed is not None else None,
        _happened(packed),
        _happened(departed),
        _happened(arrived),
        arrived.stop if arrived is not None else None,
        _eta(eta),
        _happened(exception),
        _happened(received[-1]) if received else None,
        delivery.quantity,
        delivery.short,
        delivery.over,
        delivery.damaged,
        returned,
        _happened(facts[-1]),
        _happened(held_up),
        carrier_ref,
        one_carrier,
    )


def _happened(fact: ShipmentFact | None) -> Happened | None:
    if fact is None:
        return None
    return Happened(fact.occurred_at, fact.site, fact.source, fact.recorded_at, fact.reason)


def _eta(fact: ShipmentFact | None) -> Told | None:
    if fact is None:
        return None
    return Told(fact.eta_on, fact.eta_at, fact.source, fact.recorded_at, fact.occurred_at)


def names_line(fact: ShipmentFact) -> bool:
    """Only then its quantities are the line's; else they are those of a shipment of many lines."""
    return fact.line is not None or fact.supplier_line is not None


class _Delivery(NamedTuple):
    """What deliveries of a leg brought of the line; `quantity` None where one does not say."""

    quantity: Quantity | None = None
    short: Quantity = 0
    over: Quantity = 0
    damaged: Quantity = 0


def _delivery(facts: Sequence[ShipmentFact]) -> _Delivery:
    quantity: Quantity | None = 0
    short = over = damaged = 0
    for fact in facts:
        if not names_line(fact):
            quantity = None
            continue
        if fact.quantity is None:
            quantity = None
        elif quantity is not None:
            quantity += fact.quantity
        short += fact.short or 0
        over += fact.over or 0
        damaged += fact.damaged or 0
    return _Delivery(quantity, short, over, damaged)


class Totals(NamedTuple):
    """How much of a line was shipped, is on its way, and was received whole."""

    shipped: Quantity = 0
    in_transit: Quantity = 0
    delivered: Quantity = 0


def totals_of(legs: Sequence[Leg], wanted: Quantity) -> Totals:
    """Sums over legs. A leg of unsaid quantity carries what the others leave of `wanted`."""
    if not legs:
        return Totals()
    said = sum(
        [leg.packed if leg.packed is not None else (leg.delivered_quantity or 0) for leg in legs]
    )
    rest = max(0, wanted - said)
    shipped = in_transit = delivered = 0
    for leg in legs:
        amount = leg.packed
        if amount is None:
            amount = leg.delivered_quantity
            if amount is None:
                amount, rest = rest, 0
            else:
                amount += leg.short + leg.damaged
        shipped += amount
        left = amount
        if leg.delivered is not None:
            whole = leg.delivered_quantity
            if whole is None:
                whole = max(0, amount - leg.short - leg.damaged)
            delivered += whole
            left = amount - whole - leg.short - leg.damaged
        if leg.departed is not None and left > 0:
            in_transit += left
    return Totals(shipped, in_transit, delivered)
