"""A small chain and the facts told about it, for tests of the engine.

Supplier SUP ships item BOLT from LYON to the buyer ACME's warehouse in OSLO, by the carrier CARGO,
half of the orders over the port of ROTTERDAM; GEAR goes from PUNE to OSLO and is another cell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas.facts import Fact, Family, Heartbeat, OrderFact, ShipmentFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from topology.model import (
    Account,
    Document,
    Feed,
    Item,
    Lane,
    Mode,
    Party,
    PartyKind,
    Site,
    SiteKind,
    StockNode,
)
from topology.network import Network, build

START: UtcMillis = 1_767_571_200_000
"""2026-01-05T00:00:00Z, a Monday."""
START_DAY = START // DAY_MS


def network(
    *,
    joined: bool = True,
    lead_days: int = 2,
    heartbeats: bool = False,
    subscribed: Sequence[str] = (),
) -> Network:
    """The chain. With `joined` False the lane to Oslo is gone, so that BOLT falls in two cells."""
    lanes = [
        Lane(
            id="PUNE-OSLO",
            origin="PUNE",
            destination="OSLO",
            mode=Mode.AIR,
            carrier="CARGO",
            items=("GEAR",),
            lead_time_p50_ms=2 * DAY_MS,
            lead_time_p80_ms=3 * DAY_MS,
            lead_time_p95_ms=4 * DAY_MS,
        )
    ]
    if joined:
        lanes.append(
            Lane(
                id="LYON-OSLO",
                origin="LYON",
                destination="OSLO",
                mode=Mode.ROAD,
                carrier="CARGO",
                items=("BOLT",),
                lead_time_p50_ms=lead_days * DAY_MS // 2,
                lead_time_p80_ms=lead_days * DAY_MS,
                lead_time_p95_ms=2 * lead_days * DAY_MS,
            )
        )
    return build(
        Document(
            parties=(
                Party(id="SUP", kind=PartyKind.SUPPLIER, subscribed="SUP" in subscribed),
                Party(id="ACME", kind=PartyKind.CUSTOMER, subscribed="ACME" in subscribed),
                Party(id="CARGO", kind=PartyKind.CARRIER, subscribed="CARGO" in subscribed),
            ),
            sites=(
                Site(id="LYON", party="SUP", kind=SiteKind.PLANT, zone="Europe/Paris"),
                Site(id="PUNE", party="SUP", kind=SiteKind.PLANT, zone="Asia/Kolkata"),
                Site(id="OSLO", party="ACME", kind=SiteKind.WAREHOUSE, zone="Europe/Oslo"),
                Site(id="ROTTERDAM", party="CARGO", kind=SiteKind.PORT, zone="Europe/Amsterdam"),
            ),
            items=(
                Item(id="BOLT", base_unit="EA", value_minor=100, currency="EUR"),
                Item(id="GEAR", base_unit="EA", value_minor=5_000, currency="USD"),
            ),
            stock_nodes=tuple(
                StockNode(item=item, site=site)
                for item, site in (
                    ("BOLT", "LYON"), ("BOLT", "OSLO"), ("GEAR", "PUNE"), ("GEAR", "OSLO"),
                )
            ),
            lanes=tuple(sorted(lanes, key=lambda lane: lane.id)),
            accounts=(
                Account(id="NORDICS", account_manager="am-nordics", sites=("OSLO",)),
            ),
            feeds=(
                Feed(
                    id="sup-erp", party="SUP", families=(Family.ORDERS, Family.SHIPMENTS),
                    every_ms=DAY_MS, grace_ms=2 * HOUR_MS, heartbeats=heartbeats,
                ),
                Feed(
                    id="cargo-edi", party="CARGO", families=(Family.SHIPMENTS,),
                    every_ms=DAY_MS, grace_ms=2 * HOUR_MS, heartbeats=heartbeats,
                ),
            ),
        )
    )  # fmt: skip


@dataclass(slots=True)
class Chain:
    """Tells facts about lines, each with an id of its own; `facts` are all so far, in order."""

    facts: list[Fact] = field(default_factory=list)
    _count: int = 0

    def _tell(self, make: Callable[[str], Fact]) -> Fact:
        self._count += 1
        fact = make(f"e{self._count:05d}")
        self.facts.append(fact)
        return fact

    def placed(
        self, order: str, at: UtcMillis, *, line: str = "10", item: str = "BOLT",
        due_days: int = 10, quantity: int = 100, told_at: UtcMillis | None = None,
    ) -> Fact:  # fmt: skip
        """ACME orders, for a date `due_days` after the start."""
        return self._tell(
            lambda event: OrderFact(
                event, "acme-erp", "placed", at, told_at or at, order_ref=f"ACME/{order}",
                line=line, buyer="ACME", supplier="SUP", item=item,
                ship_from="LYON" if item == "BOLT" else "PUNE", ship_to="OSLO",
                quantity=quantity * QUANTITY_ONE, unit="EA", requested_on=START_DAY + due_days,
            )
        )  # fmt: skip

    def confirmed(self, order: str, at: UtcMillis, *, line: str = "10", due_days: int = 10) -> Fact:
        """SUP promises a date `due_days` after the start."""
        return self._tell(
            lambda event: OrderFact(
                event, "sup-erp", "confirmed", at, at, order_ref=f"ACME/{order}", line=line,
                promised_on=START_DAY + due_days,
            )
        )  # fmt: skip

    def packed(
        self, order: str, shipment: str, at: UtcMillis, *, line: str = "10", quantity: int = 100
    ) -> Fact:
        """SUP announces a shipment with the line in it."""
        return self._tell(
            lambda event: ShipmentFact(
                event, "sup-erp", "packed", at, at, order_ref=f"ACME/{order}", line=line,
                shipment_ref=f"SUP/{shipment}", carrier="CARGO",
                quantity=quantity * QUANTITY_ONE, unit="EA",
            )
        )  # fmt: skip

    def moved(self, kind: str, shipment: str, at: UtcMillis, **more: object) -> Fact:
        """CARGO tells something of a shipment: departed, arrived, eta, exception, delivered."""
        return self._tell(
            lambda event: ShipmentFact(
                event, "cargo-edi", kind, at, at, shipment_ref=f"SUP/{shipment}",
                **more,  # type: ignore[arg-type]
            )
        )  # fmt: skip

    def delivered(
        self, order: str, at: UtcMillis, *, line: str = "10", told_at: UtcMillis | None = None,
        quantity: int | None = None, shipment: str | None = None,
    ) -> Fact:  # fmt: skip
        """ACME received the line."""
        return self._tell(
            lambda event: ShipmentFact(
                event, "acme-erp", "delivered", at, told_at or at, order_ref=f"ACME/{order}",
                line=line, site="OSLO", shipment_ref=shipment and f"SUP/{shipment}",
                quantity=None if quantity is None else quantity * QUANTITY_ONE,
                unit=None if quantity is None else "EA",
            )
        )  # fmt: skip

    def alive(self, source: str, at: UtcMillis, complete_to: UtcMillis | None = None) -> Fact:
        """A source says that it is alive and complete."""
        return self._tell(
            lambda event: Heartbeat(event, source, "alive", at, at, complete_to=complete_to or at)
        )


def story(seed: int, orders: int = 12, days: int = 14) -> list[tuple[UtcMillis, Fact]]:
    """Facts of some orders, good and bad, with the moment at which each is sent; in that order.

    Feeds are heard every half day, so none is blind. Deterministic for a seed.
    """
    chance = random.Random(seed)
    chain = Chain()
    for number in range(orders):
        order = f"PO-{number:03d}"
        at = START + chance.randrange(3 * DAY_MS)
        item = chance.choice(["BOLT", "BOLT", "GEAR"])
        due = chance.randrange(6, 11)
        chain.placed(order, at, item=item, due_days=due)
        if chance.random() < 0.85:
            at += chance.randrange(HOUR_MS, DAY_MS)
            chain.confirmed(order, at, due_days=due)
        if chance.random() < 0.25:
            at += chance.randrange(HOUR_MS, DAY_MS)
            chain.confirmed(order, at, due_days=due + chance.randrange(1, 4))
        if chance.random() < 0.8:
            shipment = f"S-{number % 5}" if chance.random() < 0.4 else f"S-{number:03d}x"
            at += chance.randrange(HOUR_MS, 3 * DAY_MS)
            chain.packed(order, shipment, at)
            at += chance.randrange(HOUR_MS, DAY_MS)
            chain.moved("departed", shipment, at, site="LYON")
            if chance.random() < 0.4:
                eta = START + due * DAY_MS + chance.randrange(-2 * DAY_MS, 3 * DAY_MS)
                chain.moved("eta", shipment, at + HOUR_MS, eta_at=eta)
            if chance.random() < 0.2:
                chain.moved(
                    "exception", shipment, at + 2 * HOUR_MS, site="ROTTERDAM", reason="congestion"
                )
            if chance.random() < 0.7:
                at += chance.randrange(DAY_MS, 4 * DAY_MS)
                quantity = chance.choice([None, 100, 100, 90])
                chain.delivered(order, at, quantity=quantity, shipment=shipment)
    for half in range(2 * days):
        for source in ("sup-erp", "cargo-edi", "acme-erp"):
            chain.alive(source, START + half * DAY_MS // 2)
    sent = [(fact.recorded_at, fact) for fact in chain.facts]
    sent.sort(key=lambda pair: (pair[0], pair[1].event_id))
    return sent


def by_tick(
    sent: Sequence[tuple[UtcMillis, Fact]], step: int = DAY_MS // 2, ticks: int = 28
) -> list[tuple[UtcMillis, list[Fact]]]:
    """The facts of each tick, one tick every `step` from the start on."""
    batches: list[tuple[UtcMillis, list[Fact]]] = []
    left = list(sent)
    for n in range(1, ticks + 1):
        at = START + n * step
        batches.append((at, [fact for told, fact in left if told <= at]))
        left = [pair for pair in left if pair[0] > at]
    return batches
