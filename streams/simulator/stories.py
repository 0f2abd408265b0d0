"""The facts of one planned order, as its sources tell them, with the noise of their telling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import msgspec

from schemas.facts import OrderFact, ShipmentFact, line_id
from schemas.units import HOUR_MS, MINUTE_MS, QUANTITY_ONE, UtcMillis
from streams.simulator.faults import ExpectedCatch, FaultKind, Injection, Noise, NoiseKind
from streams.simulator.feeds import Source
from streams.simulator.orders import Call, Plan, PlannedLine
from topology.model import Mode

UNCONFIRMED_AFTER_MS = 48 * HOUR_MS
"""From when an unconfirmed order can be told: the default limit of the rule."""

SIGNS_WITHIN_MS = 36 * HOUR_MS
"""By when every source has said that it is complete up to a moment, the nightly one included."""

_DROPPED_KINDS = frozenset({"arrived", "departed", "eta"})
_BY_CARRIER_REF = frozenset({Mode.SEA, Mode.AIR})


@dataclass(frozen=True)
class Sent:
    """One fact on its way: `copy` is 1 for a duplicate."""

    send_at: UtcMillis
    fact: OrderFact | ShipmentFact
    copy: int = 0


@dataclass
class Story:
    """What is told of one order; grows while it is written."""

    lines: tuple[str, ...] = ()
    sent: list[Sent] = field(default_factory=list)
    injection: Injection | None = None
    congested: dict[str, list[ExpectedCatch]] = field(default_factory=dict)
    """Congestion → what should be caught because of it; none for lines that it only touches."""
    noise: dict[str, set[NoiseKind]] = field(default_factory=dict)
    """Line → noise in its facts that may mislead: drops and contradictions, not what is borne."""


class Storyteller:
    """Writes the story of a plan. Everything random comes from the order's own generator."""

    def __init__(self, sources: Mapping[str, Source], noise: Noise) -> None:
        self._sources = sources
        self._noise = noise

    def tell(self, plan: Plan, rng: Random) -> Story:
        """All facts of the order, in no order, with when each is sent."""
        teller = _Teller(plan, rng, self._sources, self._noise)
        teller.place()
        teller.confirm()
        teller.ship()
        if plan.fault is not FaultKind.LOST_SHIPMENT:
            teller.travel()
        teller.deliver()
        teller.account()
        return teller.story


class _Teller:
    def __init__(
        self, plan: Plan, rng: Random, sources: Mapping[str, Source], noise: Noise
    ) -> None:
        self._plan = plan
        self._rng = rng
        self._sources = sources
        self._noise = noise
        self._count = 0
        flow, number = plan.flow, f"{plan.number:07d}"
        self._order_ref = f"{flow.buyer}/PO-{number}"
        self._supplier_ref = f"{flow.supplier}/SO-{number}"
        self._shipment_ref = f"{flow.supplier}/ASN-{number}"
        self._carrier_ref = f"{plan.lane.carrier}/{plan.lane.mode.upper()}-{number}"
        self._line_ids = tuple(line_id(self._order_ref, line.number) for line in plan.lines)
        self.story = Story(self._line_ids)
        self._told_at: dict[str, UtcMillis] = {}
        """Kind of fact → when the last of it was sent."""

    def place(self) -> None:
        """The buyer's order, line by line."""
        plan, flow = self._plan, self._plan.flow
        for line in plan.lines:
            self._order(
                flow.buyer_feed,
                "placed",
                plan.placed_at,
                line,
                buyer=flow.buyer,
                supplier=flow.supplier,
                item=line.item,
                ship_from=plan.lane.origin,
                ship_to=plan.lane.destination,
                quantity=line.quantity * QUANTITY_ONE,
                unit="pcs",
                value_minor=line.value_minor,
                currency=flow.currency,
                requested_on=plan.promises[0][1],
            )

    def confirm(self) -> None:
        """The supplier's promises; each tells the supplier's own number too."""
        plan = self._plan
        for turn, (at, promised_on) in enumerate(plan.promises, start=1):
            for line in plan.lines:
                self._order(
                    plan.flow.supplier_feed,
                    "confirmed",
                    at,
                    line,
                    supplier_ref=self._supplier_ref,
                    supplier_line=line.number,
                    quantity=line.quantity * QUANTITY_ONE,
                    unit="pcs",
                    promised_on=promised_on,
                    confirmation=f"{self._supplier_ref}-{turn}",
                )

    def ship(self) -> None:
        """The advance ship notice, and the departure.

        The notice names the supplier's own order, as his system knows it; which line of the
        buyer's that is was told with the confirmation.
        """
        plan = self._plan
        for line in plan.lines:
            self._shipment(
                plan.flow.supplier_feed,
                "packed",
                plan.ready_at,
                shipment_ref=self._shipment_ref,
                carrier_ref=self._carrier_ref,
                supplier_ref=self._supplier_ref,
                supplier_line=line.number,
                quantity=line.quantity * QUANTITY_ONE,
                unit="pcs",
                to_site=plan.lane.destination,
            )
        self._shipment(
            plan.flow.supplier_feed,
            "departed",
            plan.departed_at,
            shipment_ref=self._shipment_ref,
            carrier_ref=self._carrier_ref,
            carrier=plan.lane.carrier,
            mode=plan.lane.mode.value,
            site=plan.lane.origin,
            to_site=plan.lane.destination,
        )

    def _ordered(self, line: PlannedLine) -> dict[str, object]:
        return {"order_ref": self._order_ref, "line": line.number}

    def travel(self) -> None:
        """What the carrier tells on the way: where it is and when it will arrive."""
        plan = self._plan
        held_ms = 0
        for call in plan.calls:
            held_ms += call.left_at - call.arrived_at - call.stop.dwell_ms
        self._eta(plan.departed_at + 30 * MINUTE_MS, plan.arrived_at - held_ms)
        for index, call in enumerate(plan.calls, start=1):
            waited_ms = call.left_at - call.arrived_at - call.stop.dwell_ms
            held_ms -= waited_ms
            self._carried("arrived", call.arrived_at, site=call.stop.site, stop=index)
            if call.held is not None:
                self._hold(call, plan.arrived_at - held_ms, waited_ms > 0)
            self._carried("departed", call.left_at, site=call.stop.site)
        self._carried(
            "arrived", plan.arrived_at, site=plan.lane.destination, stop=len(plan.calls) + 1
        )

    def _hold(self, call: Call, eta_at: UtcMillis, moves: bool) -> None:
        """The port is congested: an exception, a later arrival, and the end of it."""
        told_at = call.arrived_at + HOUR_MS
        self._carried("exception", told_at, site=call.stop.site, reason="port congestion")
        eta_sent_at = self._eta(told_at + HOUR_MS, eta_at) if moves else None
        self._carried(
            "exception",
            call.left_at,
            site=call.stop.site,
            reason="port congestion",
            resolved=True,
        )
        assert call.held is not None
        caught = self.story.congested.setdefault(call.held.id, [])
        if eta_sent_at is not None and eta_at > self._plan.due_at:
            for line in self._line_ids:
                caught.append(ExpectedCatch(line, told_at, eta_sent_at, self._plan.due_at))

    def deliver(self) -> None:
        """The proof of delivery, line by line; a fault makes the first line short or damaged."""
        plan = self._plan
        for index, line in enumerate(plan.lines):
            part = max(1, line.quantity // 5) if index == 0 else 0
            short = part if plan.fault is FaultKind.SHORT_SHIPMENT else 0
            damaged = part if plan.fault is FaultKind.DAMAGED_DELIVERY else 0
            self._shipment(
                plan.flow.carrier_feed,
                "delivered",
                plan.delivered_at,
                shipment_ref=self._shipment_ref,
                order_ref=self._order_ref,
                line=line.number,
                carrier=plan.lane.carrier,
                site=plan.lane.destination,
                quantity=(line.quantity - short - damaged) * QUANTITY_ONE,
                unit="pcs",
                short=short * QUANTITY_ONE if short else None,
                damaged=damaged * QUANTITY_ONE if damaged else None,
            )

    def account(self) -> None:
        """Writes down the fault of the order: what should be caught, from when, and by when."""
        plan, kind = self._plan, self._plan.fault
        if kind is None:
            return
        lines = self._line_ids
        match kind:
            case FaultKind.LATE_SUPPLIER:
                earliest_at, latest_at = plan.fault_at, plan.fault_at + SIGNS_WITHIN_MS
                if plan.has_faster_lane:
                    latest_at = self._told_at["departed"]
                says = "the goods miss the last departure that meets the promise"
            case FaultKind.UNCONFIRMED_ORDER:
                earliest_at = plan.placed_at + UNCONFIRMED_AFTER_MS
                latest_at = earliest_at + SIGNS_WITHIN_MS
                says = "the supplier confirms five days late or later"
            case FaultKind.PROMISE_CREEP:
                earliest_at, latest_at = plan.fault_at, self._told_at["confirmed"]
                says = f"the promise moves {len(plan.promises) - 1} times by a day"
            case FaultKind.LOST_SHIPMENT:
                earliest_at, latest_at = plan.fault_at, plan.due_at + SIGNS_WITHIN_MS
                says = "after its departure nothing is told of the shipment"
            case FaultKind.SHORT_SHIPMENT:
                earliest_at, latest_at = plan.fault_at, self._told_at["delivered"]
                lines, says = lines[:1], "a fifth of the line is missing"
            case FaultKind.DAMAGED_DELIVERY:
                earliest_at, latest_at = plan.fault_at, self._told_at["delivered"]
                lines, says = lines[:1], "a fifth of the line is damaged"
            case _:
                raise AssertionError(f"{kind} is no fault of an order")
        expected = tuple(ExpectedCatch(line, earliest_at, latest_at, plan.due_at) for line in lines)
        self.story.injection = Injection(
            f"{kind}:{self._order_ref}", kind, plan.fault_at, says, expected, self._line_ids
        )

    def _order(
        self, feed: str, kind: str, at: UtcMillis, line: PlannedLine, **fields: object
    ) -> UtcMillis | None:
        fact = OrderFact(
            self._event_id(),
            feed,
            kind,
            at,
            at,
            order_ref=self._order_ref,
            line=line.number,
            **fields,  # type: ignore[arg-type]
        )
        return self._send(fact, at)

    def _shipment(self, feed: str, kind: str, at: UtcMillis, **fields: object) -> UtcMillis | None:
        fact = ShipmentFact(self._event_id(), feed, kind, at, at, **fields)  # type: ignore[arg-type]
        return self._send(fact, at)

    def _carried(self, kind: str, at: UtcMillis, **fields: object) -> UtcMillis | None:
        """A fact of the carrier, who on sea and in the air knows the shipment by his number."""
        lane = self._plan.lane
        if lane.mode in _BY_CARRIER_REF:
            reference = {"carrier_ref": self._carrier_ref}
        else:
            reference = {"shipment_ref": self._shipment_ref}
        return self._shipment(
            self._plan.flow.carrier_feed, kind, at, carrier=lane.carrier, **reference, **fields
        )

    def _eta(self, at: UtcMillis, eta_at: UtcMillis) -> UtcMillis | None:
        """The carrier's estimate, and when it is sent (None if it is dropped).

        As noise the supplier tells another one, a little before.
        """
        sent_at = self._carried("eta", at, eta_at=eta_at, to_site=self._plan.lane.destination)
        if self._happens(self._noise.contradiction_permille):
            self._mark(NoiseKind.CONTRADICTION)
            self._shipment(
                self._plan.flow.supplier_feed,
                "eta",
                at - MINUTE_MS,
                shipment_ref=self._shipment_ref,
                eta_at=eta_at - self._rng.randrange(1, 3) * HOUR_MS,
            )
        return sent_at

    def _send(self, fact: OrderFact | ShipmentFact, at: UtcMillis) -> UtcMillis | None:
        """Puts the fact on its way; when it is sent, None if it is dropped."""
        source, rng, noise = self._sources[fact.source], self._rng, self._noise
        recorded_at = source.recorded_at(at, rng)
        if self._happens(noise.delay_permille):
            recorded_at += rng.randrange(MINUTE_MS, noise.delay_max_ms)
        send_at = source.sent_at(recorded_at)
        told = msgspec.structs.replace(fact, recorded_at=recorded_at)
        self._told_at[fact.kind] = max(send_at, self._told_at.get(fact.kind, 0))
        if fact.kind in _DROPPED_KINDS and self._happens(noise.drop_permille):
            self._mark(NoiseKind.DROP)
            return None
        self.story.sent.append(Sent(send_at, told))
        if self._happens(noise.duplicate_permille):
            again_at = source.sent_at(recorded_at + rng.randrange(MINUTE_MS, 12 * HOUR_MS))
            self.story.sent.append(Sent(again_at, told, 1))
        return send_at

    def _happens(self, permille: int) -> bool:
        return permille > 0 and self._rng.randrange(1000) < permille

    def _mark(self, kind: NoiseKind) -> None:
        for line in self._line_ids:
            self.story.noise.setdefault(line, set()).add(kind)

    def _event_id(self) -> str:
        self._count += 1
        return f"{self._plan.number:07d}-{self._count}"
