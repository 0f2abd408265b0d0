"""What facts and rows add up to: by input, by kind, and their money. No judgement is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from schemas.facts import Fact, Family, Heartbeat, InventoryFact, PaymentFact, ShipmentFact
from streams.replay.inputs import InputRow


class InputFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One named input of a mapping. `rows` = `rows_with_facts` + `looked_up` + `rejected`.

    `orders` and `shipments` are how many different ones its facts name.
    """

    rows: int
    rows_with_facts: int
    looked_up: int
    rejected: int
    facts: int
    orders: int
    shipments: int


class MoneyFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What facts of one kind say of money, in one currency and by one method of payment."""

    kind: str
    method: str | None
    currency: str
    facts: int
    value_minor: int


@dataclass
class InputCounts:
    """Counts the rows of one input."""

    rows: int = 0
    rejected: int = 0
    looked_up: int = 0
    facts: int = 0
    _orders: set[str] = field(default_factory=set)
    _shipments: set[str] = field(default_factory=set)

    def take(self, row: InputRow) -> None:
        """One more row."""
        self.rows += 1
        self.rejected += row.is_rejected
        self.looked_up += row.is_looked_up
        self.facts += len(row.facts)
        for fact in row.facts:
            if not isinstance(fact, Heartbeat) and fact.order_ref is not None:
                self._orders.add(fact.order_ref)
            if isinstance(fact, ShipmentFact) and fact.shipment_ref is not None:
                self._shipments.add(fact.shipment_ref)

    def figures(self) -> InputFigures:
        """What was counted."""
        return InputFigures(
            rows=self.rows,
            rows_with_facts=self.rows - self.looked_up - self.rejected,
            looked_up=self.looked_up,
            rejected=self.rejected,
            facts=self.facts,
            orders=len(self._orders),
            shipments=len(self._shipments),
        )


def count_kinds(facts: Iterable[Fact]) -> dict[str, int]:
    """`FAMILY.KIND` → how many facts, by name."""
    counts = Counter(f"{_family(fact)}.{fact.kind}" for fact in facts)
    return dict(sorted(counts.items()))


def sum_money(facts: Iterable[Fact]) -> tuple[MoneyFigures, ...]:
    """The amounts that facts on payments tell, by kind, method and currency, in that order.

    Money of different currencies is never added.
    """
    sums: dict[tuple[str, str, str], list[int]] = {}
    for fact in facts:
        if isinstance(fact, PaymentFact) and fact.value_minor is not None:
            key = fact.kind, fact.method or "", fact.currency or ""
            told = sums.setdefault(key, [0, 0])
            told[0] += 1
            told[1] += fact.value_minor
    return tuple(
        MoneyFigures(kind=kind, method=method or None, currency=currency, facts=n, value_minor=sum_)
        for (kind, method, currency), (n, sum_) in sorted(sums.items())
    )


def _family(fact: Fact) -> Family:
    match fact:
        case PaymentFact():
            return Family.PAYMENTS
        case ShipmentFact():
            return Family.SHIPMENTS
        case InventoryFact():
            return Family.INVENTORY
        case Heartbeat():
            return Family.HEARTBEATS
        case _:
            return Family.ORDERS
