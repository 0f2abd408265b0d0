"""Why a finding is so: the root cause that it is filed under.

Many lines late for one reason are one incident, so the cause decides how many alerts people get.
It is the first of these that fits:

1. a source that is silent: that source (`feed`);
2. an exception told of the shipment, with a reason and a site, open or past: that reason at that
   site (`exception`, `REASON@SITE`), so that one congested port is one incident however many
   shipments lie in it, and stays it when the obstacle is gone and the delay is not;
3. goods that left after the last departure that meets the promise: the order (`order`), for then
   the supplier was late, and stays the cause when this shows later as an ETA or a late delivery;
4. goods that have left, or that were delivered short, over or damaged: the shipment (`shipment`);
5. what a rule itself knows to be at the bottom of it: an invoice, a payment, a number;
6. anything else: the order.
"""

from __future__ import annotations

import msgspec

from alerts.findings import Aspect, CauseKind, Fires
from alerts.lines import Leg
from alerts.rules import Rule
from alerts.view import LineView, Stage, stage_of
from schemas.units import UtcMillis


class Cause(msgspec.Struct, frozen=True, gc=False):
    """The kind of cause, its id, and why it is taken to be it (a key of `alerts.texts`)."""

    kind: CauseKind
    id: str
    reason: str


def cause_of(view: LineView, rule: Rule[LineView], answer: Fires) -> Cause:
    """The root cause of what the rule found."""
    order = view.line.order_ref
    leg = answer.leg
    if answer.cause is not None:
        return Cause(*answer.cause, rule.name)
    if leg is None:
        return Cause(CauseKind.ORDER, order, rule.name)
    if rule.aspect is Aspect.TIME:
        held_up = leg.exception or leg.held_up
        if held_up is not None and held_up.reason and held_up.site:
            return Cause(CauseKind.EXCEPTION, f"{held_up.reason}@{held_up.site}", "exception")
        if stage_of(leg) is Stage.WAITING:
            return Cause(CauseKind.ORDER, order, rule.name)
        if answer.due_at is not None and left_late(view, leg, answer.due_at):
            return Cause(CauseKind.ORDER, order, "left_late")
    if leg.shipment:
        return Cause(CauseKind.SHIPMENT, leg.shipment, rule.aspect.value)
    return Cause(CauseKind.ORDER, order, rule.name)


def left_late(view: LineView, leg: Leg, due_at: UtcMillis) -> bool:
    """The leg left its first site after the last departure that arrives by then, as surely as the
    policy asks of `late_to_ship`."""
    departed = leg.departed
    if departed is None or departed.site not in (None, view.line.ship_from):
        return False
    lane = view.lane_of(leg)
    if lane is None:
        return False
    latest = view.network.latest_departure(lane, due_at, view.quantile)
    return latest is not None and departed.at > latest
