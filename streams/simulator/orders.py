"""The plan of one order: when it is placed, leaves, passes ports, arrives, and what goes wrong.

A plan is a pure function of the seed and the order's number (and the windows, which are a function
of the seed). Without a fault a plan keeps its promise with a day to spare, keeps within the lead
times and calendars of its lane, and everything in it happens in the working hours of its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, Day, UtcMillis
from streams.simulator.aftermath import aftermath_of
from streams.simulator.billing import bill
from streams.simulator.chain import STOPS, Flow
from streams.simulator.faults import (
    MONEY_FAULTS,
    ORDER_FAULTS,
    FaultKind,
    Rates,
    Windows,
)
from streams.simulator.plans import Call, Hold, Plan, PlannedLine
from topology.model import Lane
from topology.network import Network

AWAY_DAYS_MAX = 120
"""No order is longer on its way and unpaid; windows are planned so far ahead."""

HELD_LEAD_MS = 7 * DAY_MS
"""So long before goods must leave a hold is told: the default of the rule."""

HELD_TOLD_MS = 36 * HOUR_MS
"""For so long at least a hold matters before it is released: a night and a run after it."""


@dataclass(frozen=True)
class Pace:
    """When orders are thought of: the first one, `numbers_from`, at the start."""

    started_at: UtcMillis
    every_ms: float
    numbers_from: int = 0


class Planner:
    """Plans orders by their number. Holds nothing that changes but what is planned of windows."""

    def __init__(
        self,
        network: Network,
        flows: tuple[Flow, ...],
        windows: Windows,
        rates: Rates,
        seed: int,
        pace: Pace,
    ) -> None:
        self._network = network
        self._flows = flows
        self._weights = list(accumulate(flow.weight for flow in flows))
        self._windows = windows
        self._rates = rates
        self._seed = seed
        self._pace = pace

    def thought_of_at(self, number: int) -> UtcMillis:
        """When the buyer thinks of the order; it is placed then or later, in working hours."""
        pace = self._pace
        return pace.started_at + int((number - pace.numbers_from) * pace.every_ms)

    def plan(self, number: int, rng: Random) -> Plan:
        """The plan of that order; `rng` is the order's own."""
        sure, work_ms = self.sure(number, rng)
        kind = rng.choice(ORDER_FAULTS)
        plan = sure
        if rng.randrange(1000) < self._rates.order_fault_permille and self.is_clear(sure):
            plan = self._faulty(sure, kind, rng, work_ms)
        plan = self._with_money(plan, work_ms)
        return replace(plan, aftermath=aftermath_of(plan, self._windows, self._seed))

    def sure(self, number: int, rng: Random) -> tuple[Plan, int]:
        """The order if everybody keeps to it, without its money; and for how long it is worked on,
        in milliseconds."""
        flow = rng.choices(self._flows, cum_weights=self._weights)[0]
        lane = self._network.lanes[flow.lane]
        placed_at = self._network.add_working_time(
            lane.destination, self.thought_of_at(number), rng.randrange(240) * MINUTE_MS
        )
        self._windows.plan_to(placed_at + AWAY_DAYS_MAX * DAY_MS)
        confirmed_at = placed_at + rng.randrange(10, 300) * MINUTE_MS
        work_ms = rng.randrange(4, 30) * HOUR_MS
        sure = self._sure(number, flow, lane, rng, placed_at, confirmed_at, work_ms)
        return sure, work_ms

    def _with_money(self, plan: Plan, work_ms: int) -> Plan:
        """The plan with its invoice and payments, and perhaps a fault of its money.

        The chance in it is its own, so that it changes nothing of the goods of other orders.
        """
        rng = Random(f"{self._seed}/money/{plan.number}")
        kind = rng.choice(MONEY_FAULTS)
        is_faulty = rng.randrange(1000) < self._rates.money_fault_permille
        if is_faulty and plan.fault is None and self.is_clear(plan):
            if kind is FaultKind.PAYMENT_HOLD:
                faulty = self._held(plan, rng, work_ms)
            else:
                faulty = replace(plan, fault=kind)
            billed = replace(faulty, billing=bill(self._network, faulty, rng))
            if self._is_told(billed):
                return billed
        return replace(plan, billing=bill(self._network, plan, rng))

    def _held(self, plan: Plan, rng: Random, work_ms: int) -> Plan:
        """The supplier holds the goods for two to three days from his promise on, which allows for
        it; so late before they must leave that it matters, or else nothing happens."""
        held_at = plan.confirmed_at + rng.randrange(10, 90) * MINUTE_MS
        released_at = held_at + rng.randrange(48, 72) * HOUR_MS
        held = self.renewed(plan, rng, plan.confirmed_at, released_at, work_ms)
        leaves_by = self._leaves_by(held)
        matters_at = max(held_at, leaves_by - HELD_LEAD_MS)
        if matters_at > released_at - HELD_TOLD_MS or not self.is_clear(held):
            return plan
        return replace(
            held,
            fault=FaultKind.PAYMENT_HOLD,
            fault_at=held_at,
            hold=Hold(held_at, released_at, matters_at),
        )

    def _leaves_by(self, plan: Plan) -> UtcMillis:
        """The last departure that meets the promise, by the fastest lane: until they are packed
        nobody knows that the goods take a slower one."""
        lanes = self._network.lanes_between(plan.lane.origin, plan.lane.destination)
        fastest = min(lanes, key=lambda lane: lane.lead_time_p50_ms)
        leaves_by = self._network.latest_departure(fastest, plan.due_at)
        assert leaves_by is not None, f"lane {fastest.id} has an origin"
        return leaves_by

    def _is_told(self, plan: Plan) -> bool:
        """The supplier, who tells of the fault of the money, is not silent until it is paid."""
        assert plan.billing is not None
        return plan.fault is not None and not self._windows.is_silent(
            (plan.flow.supplier_feed,), plan.placed_at, plan.billing.paid_at[-1] + 3 * DAY_MS
        )

    def _sure(
        self,
        number: int,
        flow: Flow,
        lane: Lane,
        rng: Random,
        placed_at: UtcMillis,
        confirmed_at: UtcMillis,
        work_ms: int,
    ) -> Plan:
        """An order that everybody keeps to; only a congestion of a port can make it late."""
        network = self._network
        ready_at = network.add_working_time(lane.origin, confirmed_at, work_ms)
        departed_at = network.next_departure(lane, ready_at)
        assert departed_at is not None, f"lane {lane.id} has an origin"
        promised_on, due_at = self._promise(lane, departed_at)
        return self._moved(
            Plan(
                number,
                flow,
                lane,
                tuple(_line(flow, rng, index) for index in range(rng.choice((1, 1, 1, 2, 2, 3)))),
                placed_at,
                ((confirmed_at, promised_on),),
                ready_at,
                departed_at,
                due_at,
                (),
                0,
                0,
            ),
            rng,
        )

    def _promise(self, lane: Lane, departed_at: UtcMillis) -> tuple[Day, UtcMillis]:
        """The day after a slow (95 %) journey would be received, or the first on which the next
        departure would do as well; and when that falls due."""
        network = self._network
        slow_at = departed_at + lane.lead_time_p95_ms
        received_at = network.add_working_time(lane.destination, slow_at, HOUR_MS)
        promised_on = network.local_day(lane.destination, received_at) + 1
        while True:
            due_at = network.due_at(lane.destination, promised_on)
            last_at = network.latest_departure(lane, due_at)
            if last_at is None or last_at > departed_at:
                return promised_on, due_at
            promised_on += 1

    def _moved(self, plan: Plan, rng: Random) -> Plan:
        """The plan with its journey, from its departure."""
        lane = plan.lane
        fast = lane.lead_time_p50_ms * 9 // 10
        lead_ms = rng.randrange(fast, lane.lead_time_p80_ms)
        calls: list[Call] = []
        held_ms = 0
        for stop in STOPS.get(lane.id, ()):
            arrived_at = plan.departed_at + lead_ms * stop.share_percent // 100 + held_ms
            left_at = arrived_at + stop.dwell_ms
            held = self._windows.congested(stop.site, arrived_at)
            if held is not None:
                free_at = held.end_at + rng.randrange(2, 24) * HOUR_MS
                held_ms += max(0, free_at - left_at)
                left_at = max(left_at, free_at)
            calls.append(Call(stop, arrived_at, left_at, held))
        arrived_at = plan.departed_at + lead_ms + held_ms
        unloading_ms = rng.randrange(10, 50) * MINUTE_MS
        delivered_at = self._network.add_working_time(lane.destination, arrived_at, unloading_ms)
        return replace(plan, calls=tuple(calls), arrived_at=arrived_at, delivered_at=delivered_at)

    def is_clear(self, plan: Plan) -> bool:
        """No congestion and no outage touches the order, so that a fault of it stands alone."""
        return (
            plan.placed_at >= self._windows.faults_from
            and all(call.held is None for call in plan.calls)
            and not self._windows.is_silent(
                plan.feeds, plan.placed_at, plan.delivered_at + 15 * DAY_MS
            )
        )

    def _faulty(self, plan: Plan, kind: FaultKind, rng: Random, work_ms: int) -> Plan:
        """The same order with one fault; clear of windows again, or without a fault."""
        match kind:
            case FaultKind.LATE_SUPPLIER:
                faulty = self._late(plan, rng)
            case FaultKind.UNCONFIRMED_ORDER:
                confirmed_at = plan.placed_at + rng.randrange(5 * 24, 7 * 24) * HOUR_MS
                faulty = self.renewed(plan, rng, confirmed_at, confirmed_at, work_ms)
                faulty = replace(faulty, fault=kind, fault_at=plan.placed_at)
            case FaultKind.PROMISE_CREEP:
                faulty = self._creeping(plan, rng, work_ms)
            case FaultKind.LOST_SHIPMENT:
                delivered_at = self._network.add_working_time(
                    plan.lane.destination,
                    plan.due_at + rng.randrange(4 * 24, 7 * 24) * HOUR_MS,
                    HOUR_MS,
                )
                faulty = replace(
                    plan,
                    calls=(),
                    arrived_at=delivered_at - HOUR_MS,
                    delivered_at=delivered_at,
                    fault=kind,
                    fault_at=plan.departed_at,
                )
            case _:
                faulty = replace(plan, fault=kind, fault_at=plan.delivered_at)
        return faulty if self.is_clear(faulty) else plan

    def renewed(
        self,
        plan: Plan,
        rng: Random,
        confirmed_at: UtcMillis,
        work_from: UtcMillis,
        work_ms: int,
    ) -> Plan:
        """The order with a promise made then, and work that begins then."""
        network, lane = self._network, plan.lane
        ready_at = network.add_working_time(lane.origin, work_from, work_ms)
        departed_at = network.next_departure(lane, ready_at)
        assert departed_at is not None, f"lane {lane.id} has an origin"
        promised_on, due_at = self._promise(lane, departed_at)
        return self._moved(
            replace(
                plan,
                promises=((confirmed_at, promised_on),),
                ready_at=ready_at,
                departed_at=departed_at,
                due_at=due_at,
            ),
            rng,
        )

    def _late(self, plan: Plan, rng: Random) -> Plan:
        """The supplier misses the last departure that meets the promise by two to five days."""
        last_at = self._network.latest_departure(plan.lane, plan.due_at)
        assert last_at is not None
        ready_at = last_at + rng.randrange(48, 120) * HOUR_MS
        departed_at = self._network.next_departure(plan.lane, ready_at)
        assert departed_at is not None
        late = self._moved(replace(plan, ready_at=ready_at, departed_at=departed_at), rng)
        has_faster_lane = any(
            other.lead_time_p50_ms < plan.lane.lead_time_p50_ms
            for other in self._network.lanes_between(plan.lane.origin, plan.lane.destination)
        )
        return replace(
            late,
            fault=FaultKind.LATE_SUPPLIER,
            fault_at=last_at,
            has_faster_lane=has_faster_lane,
        )

    def _creeping(self, plan: Plan, rng: Random, work_ms: int) -> Plan:
        """The promise moves three to five times by a day, before the goods leave."""
        steps = rng.randrange(3, 6)
        told: list[UtcMillis] = [plan.confirmed_at]
        for _ in range(steps):
            told.append(told[-1] + rng.randrange(20, 30) * HOUR_MS)
        renewed = self.renewed(plan, rng, plan.confirmed_at, told[-1] + 36 * HOUR_MS, work_ms)
        first_on = renewed.promises[0][1]
        return replace(
            renewed,
            promises=tuple((at, first_on + step) for step, at in enumerate(told)),
            fault=FaultKind.PROMISE_CREEP,
            fault_at=told[1],
        )


def _line(flow: Flow, rng: Random, index: int) -> PlannedLine:
    quantity = rng.randrange(flow.quantity_min, flow.quantity_max + 1)
    return PlannedLine(
        str((index + 1) * 10), rng.choice(flow.items), quantity, quantity * flow.value_minor
    )
