"""What becomes of money and goods beside the plain way, and what is told of it.

A payment fails and is made anew; an invoice that asks too much is disputed until it is credited;
somebody answers for goods that are held; some of what was delivered goes back. Nothing of it is a
fault by itself. All chance in it is its own, so that it changes nothing of what else is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from schemas.facts import PaymentFact, ShipmentFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.simulator.faults import FaultKind, Noise, Windows
from streams.simulator.feeds import Teller
from streams.simulator.plans import Aftermath, Billing, Plan
from streams.simulator.telling import Story, Voice

FAILED_PERMILLE = 40
"""So many of 1000 orders are paid only at the second attempt."""

RETURNED_PERMILLE = 60
"""So many of 1000 orders of customers go back in part."""

RETURNED_WITHIN_MS = 15 * DAY_MS
"""By then all of it is told, if those who tell are not silent."""

_DISPUTED = frozenset({FaultKind.PRICE_MISMATCH, FaultKind.INVOICED_TOO_MUCH})


def aftermath_of(plan: Plan, windows: Windows, seed: int) -> Aftermath:
    """What comes beside the plain way of an order whose money is planned.

    Only what a customer received goes back: where it then lies nobody tells of stock.
    """
    rng = Random(f"{seed}/aftermath/{plan.number}")
    failing, returning = rng.randrange(1000), rng.randrange(1000)
    early_ms, wait_ms = rng.randrange(2, 20) * HOUR_MS, rng.randrange(6, 12) * HOUR_MS
    quantity = rng.randrange(1, 1 + max(1, plan.lines[0].quantity // 10))
    assert plan.billing is not None
    paid_at = plan.billing.paid_at[-1]
    failed_at = paid_at - early_ms if failing < FAILED_PERMILLE else 0
    feeds = (plan.flow.supplier_feed, plan.flow.carrier_feed)
    is_returned = (
        returning < RETURNED_PERMILLE
        and plan.fault is None
        and plan.flow.supplier_feed == "maker-erp"
        and plan.flow.buyer != plan.flow.supplier
        and not windows.is_silent(feeds, plan.delivered_at, paid_at + RETURNED_WITHIN_MS)
    )
    if not is_returned:
        return Aftermath(failed_at)
    return Aftermath(failed_at, paid_at + wait_ms, quantity)


def tell_aftermath(
    plan: Plan, story: Story, sources: Mapping[str, Teller], noise: Noise, seed: int
) -> None:
    """Adds what comes beside the plain way of the order's money to its story."""
    if not (plan.hold or plan.fault in _DISPUTED or plan.aftermath != Aftermath()):
        return
    rng = Random(f"{seed}/aftermath told/{plan.number}")
    teller = _Teller(plan, Voice(f"{plan.number:07d}-x", story, sources, noise, rng))
    assert plan.billing is not None
    teller.answer_for()
    teller.dispute(plan.billing)
    teller.fail()
    teller.send_back()


class _Teller:
    def __init__(self, plan: Plan, voice: Voice) -> None:
        self._plan = plan
        self._voice = voice

    def answer_for(self) -> None:
        """The bank answers for goods that are held, line by line, and so they are released."""
        plan, hold = self._plan, self._plan.hold
        if hold is None:
            return
        for line in plan.lines:
            self._tell(
                plan.flow.bank_feed,
                "authorised",
                hold.released_at - HOUR_MS // 2,
                order_ref=plan.order_ref,
                line=line.number,
                value_minor=line.value_minor,
                currency=plan.flow.currency,
            )

    def dispute(self, billing: Billing) -> None:
        """The buyer disputes an invoice that asks too much until it is credited."""
        plan = self._plan
        if plan.fault not in _DISPUTED:
            return
        feed, invoice = plan.flow.supplier_feed, plan.invoice_ref
        at = (billing.invoiced_at + billing.credited_at) // 2
        self._tell(feed, "disputed", at, invoice_ref=invoice, reason="asks too much")
        self._tell(feed, "resolved", billing.credited_at + HOUR_MS, invoice_ref=invoice)

    def fail(self) -> None:
        """The first attempt at the last payment does not come about."""
        plan, failed_at = self._plan, self._plan.aftermath.failed_at
        if failed_at:
            self._tell(
                plan.flow.bank_feed,
                "failed",
                failed_at,
                payment_ref=f"{plan.flow.buyer}/PAY-{plan.number:07d}-0",
                invoice_ref=plan.invoice_ref,
                reason="sent back by the bank",
            )

    def send_back(self) -> None:
        """Some of the first line: paid back, then credited, then fetched, each when what comes
        before it has been told, so that at no time more is paid or asked than is right."""
        plan, after = self._plan, self._plan.aftermath
        if not after.refunded_at:
            return
        flow, line = plan.flow, plan.lines[0]
        quantity = {"quantity": after.quantity * QUANTITY_ONE, "unit": "pcs"}
        value = {"value_minor": after.quantity * flow.value_minor, "currency": flow.currency}
        names = {"order_ref": plan.order_ref, "line": line.number}
        # The bank knows the invoice alone, so its lines share what is paid back as what was paid.
        told_at = self._tell(
            flow.bank_feed, "refunded", after.refunded_at, invoice_ref=plan.invoice_ref, **value
        )
        told_at = self._tell(
            flow.supplier_feed, "credited", told_at + HOUR_MS, invoice_ref=plan.invoice_ref,
            **names, **value, **quantity,
        )  # fmt: skip
        at = told_at + DAY_MS
        fact = ShipmentFact(
            self._voice.event_id(),
            flow.carrier_feed,
            "returned",
            at,
            at,
            shipment_ref=plan.shipment_ref,
            carrier=plan.lane.carrier,
            site=plan.lane.destination,
            **names,  # type: ignore[arg-type]
            **quantity,  # type: ignore[arg-type]
        )
        self._voice.send(fact, at)

    def _tell(self, feed: str, kind: str, at: UtcMillis, **fields: object) -> UtcMillis:
        """When it is sent."""
        fact = PaymentFact(self._voice.event_id(), feed, kind, at, at, **fields)  # type: ignore[arg-type]
        sent_at = self._voice.send(fact, at)
        assert sent_at is not None, "facts of money are never dropped"
        return sent_at
