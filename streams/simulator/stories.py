"""The facts of one planned order, as its sources tell them, with the noise of their telling."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from schemas.facts import OrderFact, ShipmentFact
from schemas.units import HOUR_MS, MINUTE_MS, QUANTITY_ONE, UtcMillis
from streams.simulator.accounting import injection_of
from streams.simulator.aftermath import tell_aftermath
from streams.simulator.dialogues import converse
from streams.simulator.faults import ExpectedCatch, FaultKind, Noise, NoiseKind
from streams.simulator.feeds import Teller
from streams.simulator.money import tell_money
from streams.simulator.plans import Call, Plan, PlannedLine
from streams.simulator.telling import Story, Voice
from topology.model import Mode

_BY_CARRIER_REF = frozenset({Mode.SEA, Mode.AIR})


class Storyteller:
    """Writes the story of a plan. Everything random comes from the order's own generators."""

    def __init__(self, sources: Mapping[str, Teller], noise: Noise, seed: int) -> None:
        self._sources = sources
        self._noise = noise
        self._seed = seed

    def tell(self, plan: Plan, rng: Random) -> Story:
        """All facts of the order, in no order, with when each is sent."""
        teller = _Teller(plan, rng, self._sources, self._noise)
        teller.place()
        if plan.dialogue is None:
            teller.confirm()
        else:
            converse(plan, plan.dialogue, teller.voice)
        story = teller.story
        if plan.ships:
            teller.ship()
            if plan.fault is not FaultKind.LOST_SHIPMENT:
                teller.travel()
            teller.deliver()
            tell_money(plan, story, self._sources, self._noise, self._seed)
            tell_aftermath(plan, story, self._sources, self._noise, self._seed)
        story.injection = injection_of(plan, story)
        return story


class _Teller:
    def __init__(
        self, plan: Plan, rng: Random, sources: Mapping[str, Teller], noise: Noise
    ) -> None:
        self._plan = plan
        self._rng = rng
        self._noise = noise
        number = f"{plan.number:07d}"
        self._order_ref = plan.order_ref
        self._supplier_ref = plan.supplier_ref
        self._shipment_ref = plan.shipment_ref
        self._carrier_ref = f"{plan.lane.carrier}/{plan.lane.mode.upper()}-{number}"
        self._line_ids = plan.line_ids
        self.story = Story(self._line_ids)
        self.voice = Voice(f"{number}-", self.story, sources, noise, rng)

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
                requested_on=plan.requested_on,
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
        buyer's that is was told with the confirmation. Who has no system names the buyer's.
        """
        plan = self._plan
        for line in plan.lines:
            self._shipment(
                plan.flow.supplier_feed,
                "packed",
                plan.ready_at,
                shipment_ref=self._shipment_ref,
                carrier_ref=self._carrier_ref,
                **self._named(line),
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

    def _named(self, line: PlannedLine) -> dict[str, object]:
        if self._plan.dialogue is not None:
            return self._ordered(line)
        return {"supplier_ref": self._supplier_ref, "supplier_line": line.number}

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
            short, damaged = plan.short(index), plan.damaged(index)
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

    def _order(
        self, feed: str, kind: str, at: UtcMillis, line: PlannedLine, **fields: object
    ) -> UtcMillis | None:
        fact = OrderFact(
            self.voice.event_id(),
            feed,
            kind,
            at,
            at,
            order_ref=self._order_ref,
            line=line.number,
            **fields,  # type: ignore[arg-type]
        )
        return self.voice.send(fact, at)

    def _shipment(self, feed: str, kind: str, at: UtcMillis, **fields: object) -> UtcMillis | None:
        fact = ShipmentFact(self.voice.event_id(), feed, kind, at, at, **fields)  # type: ignore[arg-type]
        return self.voice.send(fact, at)

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
        if self.voice.happens(self._noise.contradiction_permille):
            self.voice.mark(NoiseKind.CONTRADICTION)
            self._shipment(
                self._plan.flow.supplier_feed,
                "eta",
                at - MINUTE_MS,
                shipment_ref=self._shipment_ref,
                eta_at=eta_at - self._rng.randrange(1, 3) * HOUR_MS,
            )
        return sent_at
