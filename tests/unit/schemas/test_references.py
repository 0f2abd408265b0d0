"""The table in schemas/references.py, row by row."""

from __future__ import annotations

import pytest

from schemas.facts import OrderFact, ShipmentFact
from schemas.references import LineTarget, Link, NumberTarget, References, references
from tests.unit.schemas.fact_strategies import order, shipment

LINE = LineTarget("ACME/4711#10")
ORDER = NumberTarget("order:ACME/4711")
SUPPLIER_ORDER = NumberTarget("supplier:SUP/SO-9")
SUPPLIER_LINE = NumberTarget("supplier:SUP/SO-9#1")
SHIPMENT = NumberTarget("shipment:SUP/ASN-7")
CARRIER = NumberTarget("carrier:DHL/123")
TO_SUPPLIER = {"supplier_ref": "SUP/SO-9", "supplier_line": "1"}
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
    ],
)
def test_subject_and_links(
    fact: OrderFact | ShipmentFact, subject: object, links: list[Link]
) -> None:
    assert references(fact) == References(subject, tuple(links))  # type: ignore[arg-type]
