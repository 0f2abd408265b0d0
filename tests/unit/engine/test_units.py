"""Units of an item through all stages: sums, findings, and a new network that reckons anew."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.facts import Fact
from schemas.partner_records import PartnerReason, PartnerStatus
from schemas.records import Alert, AlertState, OrderStatus, Standing, decode
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE
from streams.engine.local import LocalEngine
from streams.stages.rows import RowKind, decode_batch
from tests.scenario import START, Chain, network
from tests.unit.engine.test_stock import Wms, status
from topology.network import Network, build

CASE = ("case", 12 * QUANTITY_ONE)


def with_units(*units: tuple[str, int]) -> Network:
    document = network().document
    items = tuple([replace(each, units=units) for each in document.items])
    return build(replace(document, items=items))


def told(engine: LocalEngine, facts: Sequence[Fact], at: int) -> None:
    for fact in facts:
        engine.send(fact)
    engine.tick(at)
    assert engine.latest("parked") == {}


def line(engine: LocalEngine) -> OrderStatus:
    (value,) = engine.latest("order-status").values()
    return decode(value, OrderStatus)


def open_rules(engine: LocalEngine) -> set[str]:
    alerts = [decode(value, Alert) for value in engine.latest("alerts").values()]
    return {rule for each in alerts if each.state is AlertState.OPEN for rule in each.rules}


def test_a_line_in_cases_holds_stock_that_is_counted_in_pieces() -> None:
    placed = replace(
        Chain().placed("PO-1", START, due_days=8), quantity=10 * QUANTITY_ONE, unit="case"
    )
    counted = Wms().tell("counted", START, 100)
    engine = LocalEngine(with_units(CASE))
    told(engine, [placed, counted], START + HOUR_MS)
    assert (line(engine).unit, line(engine).quantities.ordered) == ("EA", 120)
    stock = status(engine)
    assert stock.projection is not None
    assert (stock.unit, stock.on_hand, stock.projection.lowest) == ("EA", 100, -20)
    assert stock.projection.lines_in_other_units == 0
    assert "shortage_projected" in open_rules(engine)
    engine.close()


def test_a_new_network_reckons_old_facts_anew() -> None:
    chain, wms = Chain(), Wms()
    placed = replace(chain.placed("PO-1", START, due_days=8), quantity=24 * QUANTITY_ONE)
    more = replace(placed, event_id="more", kind="changed", occurred_at=START + 1,
                   recorded_at=START + 1, quantity=3 * QUANTITY_ONE, unit="case")  # fmt: skip
    packed = chain.packed("PO-1", "SH-1", START + HOUR_MS, quantity=24)
    counted = [wms.tell("counted", START, 100)]
    counted += [replace(wms.tell("received", START + 1, 2), unit="case")]
    engine = LocalEngine(network())
    told(engine, [placed, more, packed, *counted], START + DAY_MS)
    assert (line(engine).unit, line(engine).quantities.ordered) == ("case", 3)
    assert line(engine).quantities.shipped == 0, "not counted"
    assert {"unit_unclear", "contradicting_facts"} <= open_rules(engine)
    assert status(engine).on_hand == 100

    engine.publish_network(with_units(CASE))
    told(engine, [], START + DAY_MS + HOUR_MS)
    said = line(engine)
    assert (said.unit, said.quantities.ordered, said.quantities.shipped) == ("EA", 36, 24)
    assert status(engine).on_hand == 124
    assert not {"unit_unclear", "contradicting_facts"} & open_rules(engine)

    engine.publish_network(with_units(("case", 10 * QUANTITY_ONE)))
    told(engine, [], START + DAY_MS + 2 * HOUR_MS)
    assert line(engine).quantities.ordered == 30
    assert status(engine).on_hand == 120

    engine.publish_network(network())
    told(engine, [], START + DAY_MS + 3 * HOUR_MS)
    assert (line(engine).unit, line(engine).quantities.ordered) == ("case", 3)
    assert "unit_unclear" in open_rules(engine)
    engine.close()


def test_cells_are_told_of_a_line_in_several_units_once() -> None:
    engine, chain = LocalEngine(with_units(CASE)), Chain()
    packed = replace(chain.packed("PO-1", "SH-1", START, quantity=2), unit="case")
    told(engine, [chain.placed("PO-1", START), packed], START + HOUR_MS)

    def lines_told() -> int:
        batches = [decode_batch(each.value or b"") for each in engine.new_outputs("cells-rows")]
        return sum(row.kind == RowKind.LINE for batch in batches for row in batch.rows)

    assert lines_told() == 1
    told(engine, [packed], START + 2 * HOUR_MS)
    engine.publish_network(with_units(CASE, ("box", 5 * QUANTITY_ONE)))
    told(engine, [], START + 3 * HOUR_MS)
    assert lines_told() == 0, "again, and by sizes that are the same"
    engine.publish_network(with_units(("case", 10 * QUANTITY_ONE)))
    told(engine, [], START + 4 * HOUR_MS)
    assert lines_told() == 1
    engine.close()


def test_what_a_whole_shipment_holds_is_no_quantity_of_its_lines() -> None:
    engine, chain = LocalEngine(network()), Chain()
    orders = [f"PO-{n}" for n in range(3)]
    facts = [chain.placed(order, START) for order in orders]
    facts += [chain.confirmed(order, START) for order in orders]
    facts += [chain.packed(order, "SH-1", START + HOUR_MS) for order in orders]
    facts += [chain.moved("departed", "SH-1", START + 2 * HOUR_MS, site="LYON")]
    told(engine, facts, START + DAY_MS)
    pallets = chain.moved(
        "delivered", "SH-1", START + DAY_MS, site="OSLO", quantity=3 * QUANTITY_ONE, unit="PAL"
    )
    told(engine, [pallets], START + DAY_MS + HOUR_MS)
    assert open_rules(engine) == set()
    lines = [decode(value, OrderStatus) for value in engine.latest("order-status").values()]
    assert [(each.unit, each.quantities.delivered) for each in lines] == [("EA", 100)] * 3
    engine.close()


def test_a_delivery_that_cannot_be_counted_is_one_incident() -> None:
    engine, chain = LocalEngine(network(subscribed=("SUP",))), Chain()
    facts = [chain.placed("PO-1", START), chain.confirmed("PO-1", START)]
    facts += [chain.placed("PO-2", START), chain.confirmed("PO-2", START)]
    facts += [chain.packed("PO-1", "SH-1", START + HOUR_MS)]
    facts += [chain.moved("departed", "SH-1", START + 2 * HOUR_MS, site="LYON")]
    at = START + 2 * DAY_MS
    received = [
        replace(chain.delivered("PO-1", at, quantity=10, shipment="SH-1"), unit="case"),
        replace(chain.delivered("PO-2", at, quantity=10), unit="case"),
    ]
    told(engine, [*facts, *received], at + HOUR_MS)
    assert open_rules(engine) == {"unit_unclear"}
    lines = [decode(value, OrderStatus) for value in engine.latest("order-status").values()]
    uncounted = "How much of it was delivered is told in a unit that cannot be counted."
    assert {(each.standing, each.why) for each in lines} == {(Standing.UNKNOWN, uncounted)}
    partners = engine.latest("partner-status").values()
    assert {decode(value, PartnerStatus).reason for value in partners} == {PartnerReason.NOT_KNOWN}
    told(
        engine, [chain.alive(each, START) for each in ("sup-erp", "cargo-edi")], START + 13 * DAY_MS
    )
    assert open_rules(engine) == {"unit_unclear"}

    engine.publish_network(with_units(("case", 9 * QUANTITY_ONE)))
    told(engine, [], START + 13 * DAY_MS + HOUR_MS)
    assert open_rules(engine) == {"delivered_short", "late_to_ship", "overdue_no_news"}
    engine.close()
