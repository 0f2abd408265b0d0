"""Facts for tests: one good fact of every kind, and strategies for any facts of the right types."""

from __future__ import annotations

import msgspec
from hypothesis import strategies as st

from schemas.facts import (
    FACT_TYPES,
    Fact,
    Family,
    Heartbeat,
    InventoryFact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
)
from schemas.units import QUANTITY_MAX, QUANTITY_ONE, TIME_MAX
from schemas.writers import current_writer

AT = 1_772_352_000_000
"""2026-03-01T08:00:00Z."""

ON = 20_520
"""2026-03-08."""


def order(kind: str, **fields: object) -> OrderFact:
    """An order fact about line ACME/4711#10, with these fields besides."""
    base: dict[str, object] = {"order_ref": "ACME/4711", "line": "10"}
    return msgspec.convert(
        ["o", "e1", "erp", kind, AT, AT + 1, *_rest(OrderFact, base | fields)], OrderFact
    )


def shipment(kind: str, **fields: object) -> ShipmentFact:
    """A shipment fact about shipment SUP/ASN-7, with these fields besides."""
    base: dict[str, object] = {"shipment_ref": "SUP/ASN-7"}
    return msgspec.convert(
        ["s", "e1", "wms", kind, AT, AT + 1, *_rest(ShipmentFact, base | fields)], ShipmentFact
    )


def stock(kind: str, **fields: object) -> InventoryFact:
    """A fact about 40 bolts at PLANT-1, with these fields besides."""
    base: dict[str, object] = {
        "item": "BOLT",
        "site": "PLANT-1",
        "quantity": 40 * QUANTITY_ONE,
        "unit": "EA",
    }
    return msgspec.convert(
        ["i", "e1", "wms", kind, AT, AT + 1, *_rest(InventoryFact, base | fields)], InventoryFact
    )


def payment(kind: str, **fields: object) -> PaymentFact:
    """A fact about money, of invoice SUP/INV-7, with these fields besides."""
    base: dict[str, object] = {"invoice_ref": "SUP/INV-7"}
    return msgspec.convert(
        ["p", "e1", "books", kind, AT, AT + 1, *_rest(PaymentFact, base | fields)], PaymentFact
    )


def _rest(struct: type[msgspec.Struct], fields: dict[str, object]) -> list[object]:
    names = struct.__struct_fields__[5:]
    assert set(fields) <= set(names)
    return [fields.get(name) for name in names]


GOOD: tuple[Fact, ...] = (
    order(
        "placed",
        item="BOLT",
        quantity=40 * QUANTITY_ONE,
        unit="EA",
        requested_on=ON,
        value_minor=12_345,
        currency="EUR",
        supplier_ref="SUP/SO-9",
        supplier_line="1",
        ship_from="PLANT-1",
        ship_to="Zürich süd",
    ),
    order("changed", quantity=0, unit="EA", reason="was too much,\n\ttruly  "),
    order("confirmed", promised_on=ON, confirmation="c1", schedule=1, quantity=1, unit="KG"),
    order("rejected", line=None),
    order("cancelled", quantity=QUANTITY_MAX, unit="EA"),
    order("closed", order_ref=None, line=None, supplier_ref="SUP/SO-9"),
    shipment("packed", order_ref="ACME/4711", line="10", quantity=QUANTITY_ONE, unit="EA"),
    shipment("departed", site="PLANT-1", carrier_ref="DHL/1/2", carrier="DHL", mode="road"),
    shipment("arrived", site="PORT", stop=2),
    shipment("eta", eta_at=AT),
    shipment("exception", reason="held in customs", resolved=True),
    shipment("delivered", quantity=0, short=1, over=0, damaged=2, unit="EA"),
    shipment("returned", quantity=1, unit="EA"),
    stock("counted", quantity=0),
    stock("received", order_ref="ACME/4711", line="10"),
    stock("issued", reason="sold"),
    stock("adjusted", quantity=-QUANTITY_MAX),
    stock("reserved", order_ref="ACME/4711", line="10"),
    stock("unreserved"),
    stock("blocked"),
    stock("unblocked"),
    stock("transferred_out", to_site="Zürich süd", transfer_ref="SUP/T/1"),
    stock("transferred_in", site="Zürich süd", from_site="PLANT-1", transfer_ref="SUP/T/1"),
    payment(
        "invoiced",
        order_ref="ACME/4711",
        line="10",
        supplier_ref="SUP/SO-9",
        supplier_line="1",
        quantity=40 * QUANTITY_ONE,
        unit="EA",
        price_minor=125,
        price_per=100 * QUANTITY_ONE,
        value_minor=12_345,
        currency="EUR",
        net_days=30,
        due_site="Zürich süd",
    ),
    payment("credited", value_minor=0, currency="EUR", due_on=ON),
    payment("authorised", payment_ref="BANK/P-1", value_minor=1, currency="JPY", method="card"),
    payment("paid", invoice_ref=None, payment_ref="BANK/P-1", value_minor=10**15, currency="USD"),
    payment("failed", invoice_ref=None, payment_ref="BANK/P-1", reason="no funds"),
    payment("disputed", due_at=AT),
    payment("resolved"),
    payment("held", invoice_ref=None, order_ref="ACME/4711"),
    payment("released", invoice_ref=None, supplier_ref="SUP/SO-9"),
    payment("refunded", value_minor=5, currency="EUR"),
    Heartbeat("e1", "erp", "alive", AT, AT, AT, "orders"),
)

SIGNED_64 = st.integers(-(1 << 63), (1 << 63) - 1)
"""Any long, the edges of its encoding among them."""

_TEXTS = st.text(max_size=12) | st.text("äß€😀", min_size=20, max_size=80) | st.just("x" * 9_000)
_NUMBERS = st.one_of(
    st.integers(0, TIME_MAX),
    SIGNED_64,
    st.integers(1, 62).map(lambda bits: 1 << bits),
    st.integers(1, 62).map(lambda bits: (1 << bits) - 1),
    st.integers(1, 62).map(lambda bits: -(1 << bits)),
)
_QUANTITIES = st.integers(-(10**18), 10**18) | st.integers(-300, 300)


def facts_of(family: Family) -> st.SearchStrategy[Fact]:
    """Facts of the family with any values of the right types, good or not."""
    writer = current_writer(family)
    values: list[st.SearchStrategy[object]] = []
    for field, required, is_decimal in zip(
        writer.fields, writer.required, writer.decimals, strict=True
    ):
        value: st.SearchStrategy[object]
        if is_decimal:
            value = _QUANTITIES
        elif field.avro_type == "string":
            value = _TEXTS
        elif field.avro_type == "long":
            value = _NUMBERS
        else:
            value = st.booleans()
        values.append(value if required else st.none() | value)
    struct = FACT_TYPES[family]
    return st.tuples(*values).map(lambda row: struct(*row))  # type: ignore[arg-type]


families = st.sampled_from(list(Family))
any_fact: st.SearchStrategy[Fact] = families.flatmap(facts_of)
