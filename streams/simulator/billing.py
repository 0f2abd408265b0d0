"""The money of a planned order: when it is invoiced and paid, and what is wrong with that."""

from __future__ import annotations

from random import Random

from schemas.units import DAY_MS, HOUR_MS
from streams.simulator.faults import FaultKind
from streams.simulator.plans import Billing, Plan
from topology.network import Network

PARTLY_PAID_PERCENT = 40
"""So many of a hundred orders are paid in two parts."""


def bill(network: Network, plan: Plan, rng: Random) -> Billing:
    """The invoice follows the delivery within two days and a half, and is paid two to five days
    before it falls due; later than Slipwatch bears where the plan's fault says so."""
    invoice_hours, pay_hours = rng.randrange(6, 60), rng.randrange(48, 120)
    is_in_parts = rng.randrange(100) < PARTLY_PAID_PERCENT
    late_days, percent, share = rng.randrange(8, 12), rng.randrange(4, 13), rng.randrange(10, 30)
    invoiced_at = plan.delivered_at + invoice_hours * HOUR_MS
    if plan.fault is FaultKind.NOT_INVOICED:
        invoiced_at = plan.delivered_at + (late_days + 3) * DAY_MS
    site = plan.lane.destination
    due_at = network.due_at(site, network.local_day(site, invoiced_at) + plan.flow.net_days)
    paid_at = due_at - pay_hours * HOUR_MS
    if plan.fault is FaultKind.UNPAID:
        paid_at = due_at + late_days * DAY_MS
    span_ms = paid_at - invoiced_at
    first_at = (invoiced_at + span_ms // 2,) if is_in_parts else ()
    is_dear = plan.fault is FaultKind.PRICE_MISMATCH
    is_padded = plan.fault is FaultKind.INVOICED_TOO_MUCH
    return Billing(
        invoiced_at,
        due_at,
        (*first_at, paid_at),
        invoiced_at + span_ms * 3 // 4,
        percent if is_dear else 0,
        max(1, plan.lines[0].quantity * share // 100) if is_padded else 0,
    )
