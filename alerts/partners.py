"""What each party of a line may see of it: the one place that decides.

The table for people is in docs/partners.md. By role: the buyer sees how its line stands; the
supplier the same, by the buyer's number and its own; a carrier its own shipments and nothing of the
order. A party of several roles sees the union, the first of these three holding where they differ.

Whoever took over from another sees only what it told itself: where a line had two suppliers, or a
shipment two carriers, nobody can tell from a date or a quantity alone whose it was. *Told itself*
means by its own door, by a feed that the network declares for it, or under a number that it issued.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, assert_never

from alerts.context import Judgement
from alerts.evidence import Step, blind, telling, tells_for
from alerts.lines import Happened, Leg, LineSummary, Told
from alerts.rules import (
    EXPECTED_AFTER_PROMISE,
    LATE_TO_SHIP,
    OVERDUE_NO_NEWS,
    STUCK_IN_TRANSIT,
    UNCONFIRMED,
)
from schemas.partner_records import (
    PartnerReason,
    PartnerRole,
    PartnerShipment,
    PartnerStanding,
    PartnerStatus,
)
from schemas.records import Progress, Standing
from schemas.units import Quantity, UtcMillis, calendar_date, decimal, instant
from topology.network import Network

AMOUNTS_MAX = 4_096

_amount = lru_cache(AMOUNTS_MAX)(decimal)

_REASON_OF_RULE = (
    (OVERDUE_NO_NEWS.name, PartnerReason.OVERDUE),
    (EXPECTED_AFTER_PROMISE.name, PartnerReason.ARRIVES_LATE),
    (LATE_TO_SHIP.name, PartnerReason.NOT_SHIPPED),
    (STUCK_IN_TRANSIT.name, PartnerReason.NOT_MOVING),
    (UNCONFIRMED.name, PartnerReason.NOT_CONFIRMED),
)
"""What is said in public of a line that is late or at risk: the first of these that fires."""


def partner_status(judgement: Judgement, party: str) -> PartnerStatus:
    """The line as that party, which is one of its parties, may see it."""
    line, network = judgement.view.line, judgement.view.network
    carried = [leg for leg in line.legs if leg.carrier == party]
    roles: list[PartnerRole] = []
    seen: dict[str, Any] = {}
    if carried:
        roles.append(PartnerRole.CARRIER)
        seen |= _as_carrier(judgement, carried, party)
    if line.supplier == party:
        roles.append(PartnerRole.SUPPLIER)
        seen |= _as_supplier(judgement, party)
    if line.buyer == party:
        roles.append(PartnerRole.BUYER)
        seen |= _as_buyer(judgement, party)
    assert roles, f"{party} is no party of {line.line_id} in {network.version}"
    return PartnerStatus(roles=tuple(reversed(roles)), unit=line.unit, **seen)


def _as_buyer(judgement: Judgement, party: str) -> dict[str, Any]:
    line = judgement.view.line
    expected = judgement.expected
    return {
        **_of_line(judgement),
        **_order(line, party),
        **_dates("promised", line.last_confirmed),
        **_shipping(line.legs, line.shipped, line.delivered, line.is_delivered),
        "confirmed": _amount(line.confirmed),
        "expected_at": None if expected is None else instant(expected.at),
    }


def _as_supplier(judgement: Judgement, party: str) -> dict[str, Any]:
    line, network = judgement.view.line, judgement.view.network
    seen = {
        **_of_line(judgement),
        "supplier_order": _number(line.supplier_ref, party),
    }
    if line.buyer is not None:
        seen |= _order(line, line.buyer)
    if line.one_supplier:
        legs, shipped, delivered = line.legs, line.shipped, line.delivered
    else:
        legs = tuple([leg for leg in line.legs if _shipped_by(leg, party, network)])
        shipped = sum([leg.packed or 0 for leg in legs])
        delivered = sum([leg.delivered_quantity or 0 for leg in legs])
    seen |= _shipping(legs, shipped, delivered, line.is_delivered)
    told = line.last_confirmed
    if told is not None and (line.one_supplier or tells_for(told.source, party, network)):
        seen |= _dates("promised", told)
        seen["confirmed"] = _amount(line.confirmed)
    expected = judgement.expected
    if expected is not None and (line.one_supplier or tells_for(expected.source, party, network)):
        seen["expected_at"] = instant(expected.at)
    ask = judgement.ask
    if ask is not None:
        seen |= {"awaits": ask.awaits, "awaits_by": instant(ask.by), "asked": ask.asked}
    return seen


def _of_line(judgement: Judgement) -> dict[str, Any]:
    """What buyer and supplier see alike."""
    line = judgement.view.line
    return {
        "standing": _standing(judgement.standing),
        "reason": _reason(judgement),
        "item": line.item,
        "ordered": _amount(line.ordered),
        "cancelled": _amount(line.cancelled),
        **_dates("requested", line.requested),
    }


def _order(line: LineSummary, issuer: str) -> dict[str, Any]:
    number = _number(line.order_ref, issuer)
    return {} if number is None else {"order": number, "line": line.line}


def _shipping(
    legs: tuple[Leg, ...], shipped: Quantity, delivered: Quantity, is_complete: bool
) -> dict[str, Any]:
    departed = [leg.departed.at for leg in legs if leg.departed is not None]
    received = [leg.delivered.at for leg in legs if leg.delivered is not None]
    return {
        "shipped": _amount(shipped),
        "delivered": _amount(delivered),
        "shipped_at": _moment(min(departed, default=None)),
        "delivered_at": _moment(max(received, default=None)) if is_complete else None,
    }


def _as_carrier(judgement: Judgement, legs: list[Leg], party: str) -> dict[str, Any]:
    line, network = judgement.view.line, judgement.view.network
    seen = [_visible(leg, party, network) for leg in legs]
    shipments = tuple([_shipment(leg, line, party) for leg in seen])
    departed = [leg.departed.at for leg in seen if leg.departed is not None]
    received = [leg.delivered.at for leg in seen if leg.delivered is not None]
    is_complete = len(received) == len(seen)
    return {
        "reason": _carriers_reason(judgement, legs, seen),
        "shipped": _amount(sum([leg.packed or 0 for leg in seen])),
        "delivered": _amount(sum([leg.delivered_quantity or 0 for leg in seen])),
        "shipped_at": _moment(min(departed, default=None)),
        "delivered_at": _moment(max(received, default=None)) if is_complete else None,
        "shipments": shipments,
    }


def _visible(leg: Leg, party: str, network: Network) -> Leg:
    """The leg with what its carrier may see of it and nothing else."""
    if leg.one_carrier:
        return leg

    def own(news: Happened | None) -> Happened | None:
        return news if news is not None and tells_for(news.source, party, network) else None

    packed, delivered, eta = own(leg.packed_news), own(leg.delivered), leg.eta
    return Leg(
        leg.shipment,
        leg.carrier,
        packed=None if packed is None else leg.packed,
        departed=own(leg.departed),
        arrived=own(leg.arrived),
        eta=eta if eta is not None and tells_for(eta.source, party, network) else None,
        exception=own(leg.exception),
        delivered=delivered,
        delivered_quantity=None if delivered is None else leg.delivered_quantity,
        carrier_ref=leg.carrier_ref,
    )


def _shipment(leg: Leg, line: LineSummary, party: str) -> PartnerShipment:
    issuer = leg.shipment.partition("/")[0]
    is_shippers = issuer != party and (
        issuer in {line.supplier, line.buyer} or (leg.one_carrier and line.one_supplier)
    )
    return PartnerShipment(
        number=_number(leg.shipment, issuer) if is_shippers else None,
        consignment=_number(leg.carrier_ref, party) or _number(leg.shipment, party),
        quantity=None if leg.packed is None else _amount(leg.packed),
        departed_at=_happened_at(leg.departed),
        arrived_at=_happened_at(leg.arrived),
        delivered_at=_happened_at(leg.delivered),
        delivered=None if leg.delivered_quantity is None else _amount(leg.delivered_quantity),
        **_dates("expected", leg.eta),
    )


def _carriers_reason(judgement: Judgement, legs: list[Leg], seen: list[Leg]) -> PartnerReason:
    """How far its shipments have come: as far as the one that has come least."""
    view = judgement.view
    open_legs = [leg for leg in seen if leg.delivered is None]
    if not open_legs:
        return PartnerReason.DELIVERED
    # Only of sources that the line hangs on: it is judged anew when one of them turns.
    asked = {each for leg in legs for each in telling(view, Step.DELIVER, leg)}
    if blind(view, sorted(asked.intersection(judgement.feeds))) is not None:
        return PartnerReason.NOT_KNOWN
    if any(leg.exception is not None for leg in open_legs):
        return PartnerReason.HELD_UP
    if any(leg.departed is None and leg.arrived is None for leg in open_legs):
        return PartnerReason.NOT_DEPARTED
    if all(leg.arrived is not None and view.has_reached(leg) for leg in open_legs):
        return PartnerReason.ARRIVED
    return PartnerReason.ON_THE_WAY


def _standing(standing: Standing) -> PartnerStanding:
    match standing:
        case Standing.ON_TIME:
            return PartnerStanding.ON_TIME
        case Standing.AT_RISK:
            return PartnerStanding.AT_RISK
        case Standing.LATE:
            return PartnerStanding.LATE
        case Standing.BLIND | Standing.UNKNOWN:
            return PartnerStanding.NOT_KNOWN
        case Standing.ENDED:
            return PartnerStanding.ENDED
        case _:
            assert_never(standing)


def _reason(judgement: Judgement) -> PartnerReason:
    match judgement.standing:
        case Standing.ENDED:
            return _end(judgement.progress)
        case Standing.ON_TIME:
            is_delivered = judgement.progress is Progress.DELIVERED
            return PartnerReason.DELIVERED if is_delivered else PartnerReason.AS_PROMISED
        case Standing.BLIND:
            return PartnerReason.NOT_KNOWN
        case Standing.UNKNOWN if judgement.view.line.tells_uncounted("delivered"):
            return PartnerReason.NOT_KNOWN
        case Standing.UNKNOWN:
            return PartnerReason.NOT_PROMISED
        case Standing.LATE | Standing.AT_RISK:
            if judgement.view.line.is_delivered:
                return PartnerReason.DELIVERED_LATE
            firing = {finding.rule for finding in judgement.findings}
            known = (reason for rule, reason in _REASON_OF_RULE if rule in firing)
            return next(known, PartnerReason.ARRIVES_LATE)
        case _:
            assert_never(judgement.standing)


def _end(progress: Progress) -> PartnerReason:
    match progress:
        case Progress.REJECTED:
            return PartnerReason.REJECTED
        case Progress.CANCELLED:
            return PartnerReason.CANCELLED
        case _:
            return PartnerReason.CLOSED


def _shipped_by(leg: Leg, party: str, network: Network) -> bool:
    packed = leg.packed_news
    if packed is not None and tells_for(packed.source, party, network):
        return True
    return leg.shipment.partition("/")[0] == party


def _number(reference: str | None, issuer: str) -> str | None:
    """The number without its issuer's name; None where somebody else issued it."""
    owner, _, number = (reference or "").partition("/")
    return number if number and owner == issuer else None


def _dates(name: str, told: Told | None) -> dict[str, Any]:
    if told is None:
        return {}
    if told.on is not None:
        return {f"{name}_on": calendar_date(told.on)}
    return {f"{name}_at": _moment(told.at)}


def _happened_at(news: Happened | None) -> Any:
    return None if news is None else instant(news.at)


def _moment(at: UtcMillis | None) -> Any:
    return None if at is None else instant(at)
