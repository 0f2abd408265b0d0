"""What is told of the money of one planned order: by its supplier, and by the maker's bank."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from schemas.facts import PaymentFact
from schemas.units import QUANTITY_ONE, UtcMillis
from streams.simulator.faults import Noise
from streams.simulator.feeds import Teller
from streams.simulator.plans import Billing, Plan, PlannedLine
from streams.simulator.telling import Story, Voice


class _Asked(NamedTuple):
    """What the invoice asks for one line, and what of it is credited later."""

    line: PlannedLine
    quantity: int
    price_minor: int
    credit_quantity: int
    credit_minor: int

    @property
    def value_minor(self) -> int:
        return self.quantity * self.price_minor


def tell_money(
    plan: Plan, story: Story, sources: Mapping[str, Teller], noise: Noise, seed: int
) -> None:
    """Adds the facts of the order's money to its story: held and released where the supplier does
    not trust the buyer, invoiced, credited where less was received, paid."""
    rng = Random(f"{seed}/money told/{plan.number}")
    teller = _Teller(plan, Voice(f"{plan.number:07d}-m", story, sources, noise, rng))
    teller.hold()
    assert plan.billing is not None
    teller.invoice(plan.billing)


class _Teller:
    def __init__(self, plan: Plan, voice: Voice) -> None:
        self._plan = plan
        self._voice = voice
        self._invoice_ref = plan.invoice_ref

    def hold(self) -> None:
        """The goods are held, and released; the supplier's credit control speaks of the order."""
        plan, hold = self._plan, self._plan.hold
        if hold is None:
            return
        feed, order_ref = plan.flow.supplier_feed, plan.order_ref
        self._tell(feed, "held", hold.held_at, order_ref=order_ref, reason="credit limit")
        self._tell(feed, "released", hold.released_at, order_ref=order_ref)

    def invoice(self, billing: Billing) -> None:
        """One invoice for all lines, and what becomes of it."""
        plan, flow = self._plan, self._plan.flow
        asked = [self._asked(index, line, billing) for index, line in enumerate(plan.lines)]
        for each in asked:
            self._tell(
                flow.supplier_feed,
                "invoiced",
                billing.invoiced_at,
                **self._names(each.line),
                quantity=each.quantity * QUANTITY_ONE,
                unit="pcs",
                price_minor=each.price_minor,
                value_minor=each.value_minor,
                currency=flow.currency,
                net_days=flow.net_days,
            )
        for each in asked:
            if each.credit_minor:
                self._credit(each, billing.credited_at)
        self._pay(asked, billing.paid_at)

    def _asked(self, index: int, line: PlannedLine, billing: Billing) -> _Asked:
        agreed_minor = self._plan.flow.value_minor
        price_minor, extra = agreed_minor, 0
        if index == 0:
            price_minor += agreed_minor * billing.price_percent // 100
            extra = billing.extra
        missing = self._plan.short(index) + self._plan.damaged(index)
        credit_minor = (
            line.quantity * (price_minor - agreed_minor)
            + extra * price_minor
            + missing * agreed_minor
        )
        return _Asked(line, line.quantity + extra, price_minor, extra + missing, credit_minor)

    def _names(self, line: PlannedLine) -> dict[str, object]:
        """How the supplier names the line: the maker, and who answers by the door, by the buyer's
        number, others by their own."""
        plan = self._plan
        if plan.flow.names_own_numbers:
            numbers = {"supplier_ref": plan.supplier_ref, "supplier_line": line.number}
        else:
            numbers = {"order_ref": plan.order_ref, "line": line.number}
        return {"invoice_ref": self._invoice_ref, **numbers}

    def _credit(self, asked: _Asked, at: UtcMillis) -> None:
        quantity = asked.credit_quantity
        self._tell(
            self._plan.flow.supplier_feed,
            "credited",
            at,
            **self._names(asked.line),
            quantity=quantity * QUANTITY_ONE if quantity else None,
            unit="pcs" if quantity else None,
            value_minor=asked.credit_minor,
            currency=self._plan.flow.currency,
        )

    def _pay(self, asked: list[_Asked], moments: tuple[UtcMillis, ...]) -> None:
        """All that is owed, the first half of what was asked before the rest."""
        plan, flow = self._plan, self._plan.flow
        total = sum(each.value_minor for each in asked)
        owed = total - sum(each.credit_minor for each in asked)
        for turn, at in enumerate(moments, start=1):
            amount = owed if turn == len(moments) else min(owed, total // 2)
            owed -= amount
            if amount:
                self._tell(
                    flow.bank_feed,
                    "paid",
                    at,
                    payment_ref=f"{flow.buyer}/PAY-{plan.number:07d}-{turn}",
                    invoice_ref=self._invoice_ref,
                    value_minor=amount,
                    currency=flow.currency,
                    method="transfer",
                )

    def _tell(self, feed: str, kind: str, at: UtcMillis, **fields: object) -> None:
        fact = PaymentFact(self._voice.event_id(), feed, kind, at, at, **fields)  # type: ignore[arg-type]
        self._voice.send(fact, at)
