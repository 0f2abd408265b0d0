"""The facts of the slip join: lines of five facts each, some of which slip, and their small chain.

Each line is placed and confirmed (topic `orders`), has departed, gets an ETA and is delivered
(topic `shipments`), all keyed by its order. The chain is one lane that carries 500 items, each a
cell of its own. Nothing here depends on chance that is not seeded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from alerts import policy as policies
from alerts.policy import Policy
from alerts.rules import DELIVERED_LATE, EXPECTED_AFTER_PROMISE, RULES, UNCONFIRMED
from alerts.terms import OPERATIONS, Document, Recipient, RuleSettings
from bench.ground import Sendable
from schemas.codec import encode_fact
from schemas.facts import Fact, Family, OrderFact, ShipmentFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from topology import model
from topology.network import Network, build

ITEMS = 500
SUPPLIERS = 300
FACTS_PER_LINE = 5
_SITES = ("PLANT", "STORE")
JOIN_RULES = (UNCONFIRMED, EXPECTED_AFTER_PROMISE, DELIVERED_LATE)
"""The three rules that the slip join needs."""

JOIN_STARTED_AT: UtcMillis = 1_767_571_200_000
"""2026-01-05T00:00:00Z."""
JOIN_PLACED_EVERY_MS = 1_000
_SEED = 7
_ETA_DAYS = (-2, -1, -1, -1, 0, 0, 1, 3)
_DELIVERY_DAYS = (-1, 0, 0, 0, 0, 1)
JOIN_DAYS_MAX = 20 + 3 + 1
"""From placing to delivery, at most."""


def slip_network(*, is_one_cell: bool = False, items_count: int = ITEMS) -> Network:
    """The chain of all slip facts: a cell for each item, or one that all of them go into."""
    items = tuple(f"ITEM-{number:03d}" for number in range(items_count))
    suppliers = tuple(
        model.Party(id=f"SUP-{number:03d}", kind=model.PartyKind.SUPPLIER)
        for number in range(SUPPLIERS)
    )
    return build(
        model.Document(
            parties=(
                model.Party(id="ACME", kind=model.PartyKind.CUSTOMER),
                model.Party(id="CARGO", kind=model.PartyKind.CARRIER),
                *suppliers,
            ),
            sites=(
                model.Site(id="PLANT", party="SUP-000", kind=model.SiteKind.PLANT, zone="UTC"),
                model.Site(id="STORE", party="ACME", kind=model.SiteKind.WAREHOUSE, zone="UTC"),
            ),
            items=tuple(model.Item(id=item, base_unit="EA") for item in (*items, "KIT")),
            stock_nodes=tuple(
                model.StockNode(item=item, site=site) for item in items for site in _SITES
            ),
            lanes=(
                model.Lane(
                    id="PLANT-STORE", origin="PLANT", destination="STORE", mode=model.Mode.ROAD,
                    carrier="CARGO", items=items,
                    lead_time_p50_ms=6 * HOUR_MS, lead_time_p80_ms=12 * HOUR_MS,
                    lead_time_p95_ms=DAY_MS,
                ),
            ),
            bills_of_material=tuple(
                model.BillOfMaterial(
                    parent="KIT", component=item, quantity_per=QUANTITY_ONE, site="STORE"
                )
                for item in (items if is_one_cell else ())
            ),
        )
    )  # fmt: skip


def join_policy() -> Policy:
    """Only the three rules of the join; operations are told in the log."""
    wanted = {rule.name for rule in JOIN_RULES}
    rules = tuple(RuleSettings(rule=rule.name, enabled=rule.name in wanted) for rule in RULES)
    operations = Recipient(id=OPERATIONS, audience=OPERATIONS, sinks=("log",))
    return policies.build(policies.complete(Document(rules=rules, recipients=(operations,))))


def placed(line: int, at: UtcMillis, requested_at: UtcMillis) -> OrderFact:
    """The buyer wants the line by then."""
    return OrderFact(
        event_id=f"p{line:09d}", source="acme-erp", kind="placed", occurred_at=at, recorded_at=at,
        order_ref=order_ref(line), line="1", buyer="ACME", supplier=f"SUP-{line % SUPPLIERS:03d}",
        item=f"ITEM-{line % ITEMS:03d}", ship_from="PLANT", ship_to="STORE",
        quantity=(1 + line % 100) * QUANTITY_ONE, unit="EA", requested_at=requested_at,
    )  # fmt: skip


def confirmed(line: int, at: UtcMillis, promised_at: UtcMillis) -> OrderFact:
    """The supplier promises the line for then."""
    return OrderFact(
        event_id=f"c{line:09d}", source="sup-erp", kind="confirmed", occurred_at=at,
        recorded_at=at, order_ref=order_ref(line), line="1", promised_at=promised_at,
    )  # fmt: skip


def shipped(
    kind: str, line: int, at: UtcMillis, eta_at: UtcMillis | None = None, *, told: int = 0
) -> ShipmentFact:
    """`departed`, `eta` or `delivered`; `told` tells several of one kind apart."""
    site = {"departed": "PLANT", "delivered": "STORE"}.get(kind)
    return ShipmentFact(
        event_id=f"{kind}{line:09d}.{told}", source="cargo-edi", kind=kind, occurred_at=at,
        recorded_at=at, order_ref=order_ref(line), line="1", carrier="CARGO", site=site,
        eta_at=eta_at,
    )  # fmt: skip


def order_ref(line: int) -> str:
    """The order that the line is the only one of."""
    return f"ACME/{line:08d}"


def join_facts(lines: int) -> Iterator[tuple[UtcMillis, Fact]]:
    """All facts of so many lines, in the order in which they happen."""
    chance = random.Random(_SEED)  # noqa: S311 - the same facts in every run are the point
    facts: list[tuple[UtcMillis, Fact]] = []
    for line in range(lines):
        at = JOIN_STARTED_AT + line * JOIN_PLACED_EVERY_MS
        promised_at = at + chance.randint(3, 20) * DAY_MS
        eta_at = promised_at + chance.choice(_ETA_DAYS) * DAY_MS
        delivered_at = eta_at + chance.choice(_DELIVERY_DAYS) * DAY_MS
        departed_at = at + 2 * DAY_MS
        told: tuple[Fact, ...] = (
            placed(line, at, promised_at),
            confirmed(line, at + DAY_MS, promised_at),
            shipped("departed", line, departed_at, promised_at - DAY_MS),
            shipped("eta", line, departed_at + DAY_MS // 2, eta_at),
            shipped("delivered", line, delivered_at),
        )
        facts += [(fact.occurred_at, fact) for fact in told]
    facts.sort(key=lambda pair: pair[0])
    yield from facts


def join_told_at(lines: int) -> UtcMillis:
    """A moment at which all of them have been told."""
    return JOIN_STARTED_AT + lines * JOIN_PLACED_EVERY_MS + JOIN_DAYS_MAX * DAY_MS


def encoded(facts: Iterator[tuple[UtcMillis, Fact]]) -> Iterator[Sendable]:
    """The facts ready to be sent, keyed by order."""
    for _, fact in facts:
        yield encode_slip(fact)


def encode_slip(fact: Fact) -> Sendable:
    """The fact ready to be sent, keyed by order."""
    topic = Family.ORDERS if isinstance(fact, OrderFact) else Family.SHIPMENTS
    return topic.value, _key(fact), encode_fact(fact)


def _key(fact: Fact) -> bytes:
    assert isinstance(fact, OrderFact | ShipmentFact), "no heartbeat takes part in the join"
    return (fact.order_ref or "").encode()


LIVE_STAGGER = 200
"""Lines between the stages of facts that are sent together: a line lives as long as it takes to
send five times as many facts."""
LIVE_PROMISE_MS = 5 * DAY_MS
LIVE_SLIP_EVERY = 10


class LiveSlips:
    """Facts about lines that are placed now, run through all five facts, and leave; without end.

    One line in ten gets an ETA after its promise, which opens an alert, and is delivered in time
    after all, which resolves it. Some hundred lines are open at any time.
    """

    def __init__(self) -> None:
        self._step = 0
        self._waiting: list[tuple[int, int]] = []

    def take(self, count: int, now: UtcMillis) -> Iterator[tuple[int, Sendable]]:
        """The next `count` facts, each with the number of its line; all happen now."""
        while len(self._waiting) < count:
            stages = [(self._step - LIVE_STAGGER * stage, stage) for stage in range(FACTS_PER_LINE)]
            self._waiting += [each for each in stages if each[0] >= 0]
            self._step += 1
        due, self._waiting = self._waiting[:count], self._waiting[count:]
        for line, stage in due:
            yield line, encode_slip(_live_fact(line, stage, now))


def _live_fact(line: int, stage: int, now: UtcMillis) -> Fact:
    due_at = now + LIVE_PROMISE_MS
    match stage:
        case 0:
            return placed(line, now, due_at)
        case 1:
            return confirmed(line, now, due_at)
        case 2:
            return shipped("departed", line, now)
        case 3:
            slips = line % LIVE_SLIP_EVERY == 0
            return shipped("eta", line, now, due_at + (DAY_MS if slips else -DAY_MS))
        case _:
            return shipped("delivered", line, now)


def join_statuses(lines: int) -> dict[str, str]:
    """Order → the status it must end in: every line is delivered, some late."""
    facts = [fact for _, fact in join_facts(lines)]
    promised = {
        fact.order_ref: fact.promised_at
        for fact in facts
        if isinstance(fact, OrderFact) and fact.promised_at is not None
    }
    return {
        fact.order_ref: "late" if fact.occurred_at > promised[fact.order_ref] else "delivered"
        for fact in facts
        if fact.kind == "delivered" and isinstance(fact, ShipmentFact) and fact.order_ref
    }
