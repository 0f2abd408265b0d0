"""The table in schemas/references.py, row by row."""

from __future__ import annotations

import pytest

from schemas.facts import OrderFact, PaymentFact, ShipmentFact
from schemas.references import LineTarget, Link, NumberTarget, References, references
from tests.unit.schemas.fact_strategies import order, payment, shipment

LINE = LineTarget("ACME/4711#10")
ORDER = NumberTarget("order:ACME/4711")
SUPPLIER_ORDER = NumberTarget("supplier:SUP/SO-9")
SUPPLIER_LINE = NumberTarget("supplier:SUP/SO-9#1")
SHIPMENT = NumberTarget("shipment:SUP/ASN-7")
CARRIER = NumberTarget("carrier:DHL/123")
TO_SUPPLIER = {"supplier_ref": "SUP/SO-9", "supplier_line": "1"}
INVOICE = NumberTarget("invoice:SUP/INV-7")
PAYMENT = NumberTarget("payment:BANK/P-1")
MONEY = {"value_minor": 500, "currency": "EUR"}
IN_ORDER = {"order_ref": "ACME/4711", "line": "10"}


@pytest.mark.parametrize(
    ("fact", "subject", "links"),
    [
        (order("confirmed"), LINE, []),
        (order("placed"), LINE, [Link(ORDER.number, LINE)]),
        (
            order("confirmed", **TO_SUPPLIER),
            LINE,
            [Link(SUPPLIER_LINE.number, LINE), Link(SUPPLIER_ORDER.number, LINE)],
        ),
        (order("confirmed", supplier_ref="SUP/SO-9"), LINE, [Link(SUPPLIER_ORDER.number, LINE)]),
        (order("cancelled", line=None), ORDER, []),
        (
            order("cancelled", line=None, supplier_ref="SUP/SO-9"),
            ORDER,
            [Link(SUPPLIER_ORDER.number, ORDER)],
        ),
        (
            order("confirmed", order_ref=None, line=None, **TO_SUPPLIER),
            SUPPLIER_LINE,
            [Link(SUPPLIER_ORDER.number, SUPPLIER_LINE)],
        ),
        (
            order("confirmed", line=None, **TO_SUPPLIER),
            SUPPLIER_LINE,
            [Link(SUPPLIER_ORDER.number, SUPPLIER_LINE)],
        ),
        (order("closed", order_ref=None, line=None, supplier_ref="SUP/SO-9"), SUPPLIER_ORDER, []),
        (shipment("departed"), SHIPMENT, []),
        (shipment("departed", carrier_ref="DHL/123"), SHIPMENT, [Link(CARRIER.number, SHIPMENT)]),
        (shipment("departed", shipment_ref=None, carrier_ref="DHL/123"), CARRIER, []),
        (shipment("packed", **IN_ORDER), LINE, [Link(SHIPMENT.number, LINE)]),
        (
            shipment("packed", carrier_ref="DHL/123", **IN_ORDER),
            LINE,
            [
                Link(SHIPMENT.number, LINE),
                Link(CARRIER.number, LINE),
                Link(CARRIER.number, SHIPMENT),
            ],
        ),
        (
            shipment("packed", **TO_SUPPLIER),
            SUPPLIER_LINE,
            [Link(SUPPLIER_ORDER.number, SUPPLIER_LINE), Link(SHIPMENT.number, SUPPLIER_LINE)],
        ),
        (shipment("delivered", order_ref="ACME/4711"), ORDER, [Link(SHIPMENT.number, ORDER)]),
        (shipment("eta", shipment_ref=None), None, []),
        (order("placed", **MONEY), LINE, [Link(ORDER.number, LINE, 500)]),
        (order("changed", **MONEY), LINE, [Link(ORDER.number, LINE, 500)]),
        (
            order("placed", supplier_ref="SUP/SO-9", **MONEY),
            LINE,
            [Link(ORDER.number, LINE, 500), Link(SUPPLIER_ORDER.number, LINE)],
        ),
        (payment("invoiced", **IN_ORDER, **MONEY), LINE, [Link(INVOICE.number, LINE, 500)]),
        (payment("credited", **IN_ORDER, **MONEY), LINE, [Link(INVOICE.number, LINE, -500)]),
        (
            payment("invoiced", **TO_SUPPLIER, **MONEY),
            SUPPLIER_LINE,
            [
                Link(SUPPLIER_ORDER.number, SUPPLIER_LINE),
                Link(INVOICE.number, SUPPLIER_LINE, 500),
            ],
        ),
        (
            payment("invoiced", **IN_ORDER, **TO_SUPPLIER, **MONEY),
            LINE,
            [
                Link(SUPPLIER_LINE.number, LINE),
                Link(SUPPLIER_ORDER.number, LINE),
                Link(INVOICE.number, LINE, 500),
            ],
        ),
        (payment("credited", **MONEY), INVOICE, []),
        (
            payment("paid", payment_ref="BANK/P-1", **MONEY),
            INVOICE,
            [Link(PAYMENT.number, INVOICE)],
        ),
        (
            payment("paid", payment_ref="BANK/P-1", order_ref="ACME/4711", **MONEY),
            INVOICE,
            [Link(PAYMENT.number, INVOICE)],
        ),
        (
            payment("paid", invoice_ref=None, payment_ref="BANK/P-1", **IN_ORDER, **MONEY),
            LINE,
            [Link(PAYMENT.number, LINE)],
        ),
        (
            payment("held", invoice_ref=None, payment_ref="BANK/P-1", order_ref="ACME/4711"),
            ORDER,
            [Link(PAYMENT.number, ORDER)],
        ),
        (payment("held", invoice_ref=None, supplier_ref="SUP/SO-9"), SUPPLIER_ORDER, []),
        (payment("failed", invoice_ref=None, payment_ref="BANK/P-1"), PAYMENT, []),
        (payment("held", invoice_ref=None, **IN_ORDER), LINE, []),
    ],
)
def test_subject_and_links(
    fact: OrderFact | ShipmentFact | PaymentFact, subject: object, links: list[Link]
) -> None:
    assert references(fact) == References(subject, tuple(links))  # type: ignore[arg-type]
