"""Quantities in several units of one item: exact, whatever the order in which they are told."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.facts import Fact, InventoryFact, OrderFact, PaymentFact, ShipmentFact
from schemas.units import QUANTITY_MAX, QUANTITY_ONE
from streams.stages.balances import fold_node, settle
from streams.stages.legs import canonical
from streams.stages.units import fold_in_unit
from topology import model
from topology.network import Network, build

CASE, PALLET, GRAM = 12 * QUANTITY_ONE, 480 * QUANTITY_ONE, QUANTITY_ONE // 1_000
UNITS = (("case", CASE), ("g", GRAM), ("pallet", PALLET))
BOLT = model.Item(id="BOLT", base_unit="EA", units=UNITS)
SIZES = {"EA": QUANTITY_ONE, **dict(UNITS)}
NETWORK = build(model.Document(items=(BOLT,)))
BARE = build(model.Document(items=(model.Item(id="BOLT", base_unit="EA"),)))
quantities = st.integers(1, 10**9).map(lambda each: each * 1_000)
units = st.sampled_from(sorted(SIZES))
AT = 1_772_000_000_000


@given(st.integers(-QUANTITY_MAX, QUANTITY_MAX), st.integers(1, 10**9), st.booleans())
def test_a_conversion_is_exact_or_refused(quantity: int, size: int, is_base: bool) -> None:
    item = model.Item(id="X", base_unit="EA", units=(("case", size),))
    found = item.in_base_unit(quantity, "EA" if is_base else "case")
    exact = Fraction(quantity) if is_base else Fraction(quantity * size, QUANTITY_ONE)
    if exact.denominator == 1 and abs(exact) <= QUANTITY_MAX:
        assert found == exact
    else:
        assert found is None
    assert item.in_base_unit(quantity, "box") is None


def order(number: int, kind: str, quantity: int, unit: str) -> OrderFact:
    at = AT + number
    return OrderFact(
        f"o{number}", "erp", kind, at, at, order_ref="ACME/1", line="1", item="BOLT",
        quantity=quantity, unit=unit,
    )  # fmt: skip


def shipped(number: int, kind: str, quantity: int, unit: str) -> ShipmentFact:
    at = AT + number
    return ShipmentFact(
        f"s{number}", "wms", kind, at, at, shipment_ref=f"SUP/{number // 2}", order_ref="ACME/1",
        line="1", quantity=quantity, unit=unit,
    )  # fmt: skip


def summary(facts: list[Fact], network: Network = NETWORK) -> tuple[object, ...]:
    line, _ = fold_in_unit("ACME/1#1", sorted(facts, key=canonical), (), (), network)
    return line.unit, line.ordered, line.shipped, line.delivered, line.odd_units


@given(quantities, units, st.lists(st.tuples(quantities, units), max_size=4), st.randoms())
def test_what_is_told_of_a_line_in_any_units_adds_up(
    ordered: int, unit: str, packed: list[tuple[int, str]], random: object
) -> None:
    facts: list[Fact] = [order(0, "placed", ordered, unit)]
    for number, (quantity, each) in enumerate(packed):
        facts.append(shipped(2 * number + 2, "packed", quantity, each))
    in_base = [
        replace(fact, quantity=fact.quantity * SIZES[fact.unit] // QUANTITY_ONE, unit="EA")  # type: ignore[union-attr, operator, index]
        for fact in facts
    ]
    if any((fact.quantity or 0) > QUANTITY_MAX for fact in in_base):  # type: ignore[union-attr]
        return
    assert summary(facts) == summary(in_base, BARE)
    assert summary(facts)[0] == "EA"
    assert summary(facts)[4] == ()
    random.shuffle(facts)  # type: ignore[attr-defined]
    assert summary(facts) == summary(in_base, BARE)


def test_one_unit_is_left_as_it_is_and_says_that_nothing_was_reckoned() -> None:
    facts: list[Fact] = [order(0, "placed", 5 * QUANTITY_ONE, "EA"), shipped(2, "packed", 7, "EA")]
    line, by = fold_in_unit("ACME/1#1", facts, (), (), NETWORK)
    assert (line.unit, line.ordered, by) == ("EA", 5 * QUANTITY_ONE, "")


def test_a_unit_that_the_item_does_not_have_is_named_and_not_counted() -> None:
    facts: list[Fact] = [
        order(0, "placed", 24 * QUANTITY_ONE, "EA"),
        order(1, "cancelled", QUANTITY_ONE, "BOX"),
        order(2, "changed", QUANTITY_ONE, "case"),
        shipped(4, "packed", QUANTITY_ONE, "BOX"),
        shipped(5, "delivered", QUANTITY_ONE, "BOX"),
        shipped(6, "packed", QUANTITY_ONE, "case"),
    ]
    line, by = fold_in_unit("ACME/1#1", facts, (), (), NETWORK)
    assert (line.unit, line.ordered, line.cancelled) == ("EA", CASE, 0)
    assert (line.shipped, line.delivered, line.is_delivered) == (CASE, 0, False)
    assert [(each.kind, each.event_id, each.unit) for each in line.odd_units] == [
        ("cancelled", "o1", "BOX"),
        ("packed", "s4", "BOX"),
        ("delivered", "s5", "BOX"),
    ]
    known = replace(BOLT, units=(("BOX", QUANTITY_ONE), *UNITS))
    other, by_other = fold_in_unit("ACME/1#1", facts, (), (), build(model.Document(items=(known,))))
    assert by_other != by, "so the ledger knows that a new network reckons otherwise"
    assert (other.cancelled, other.odd_units) == (QUANTITY_ONE, ())


@given(st.sampled_from(["PAL", "case", "EA"]), st.sampled_from([NETWORK, BARE]))
def test_what_a_whole_shipment_holds_says_nothing_of_a_line(unit: str, network: Network) -> None:
    facts: list[Fact] = [
        order(0, "placed", 24 * QUANTITY_ONE, "EA"),
        shipped(2, "packed", 24 * QUANTITY_ONE, "EA"),
    ]
    whole = replace(
        shipped(3, "delivered", 3 * QUANTITY_ONE, unit), order_ref=None, line=None, short=1
    )
    silent = replace(whole, quantity=None, unit=None, short=None)
    line, by = fold_in_unit("ACME/1#1", [*facts, whole], (), (), network)
    assert (line, by) == fold_in_unit("ACME/1#1", [*facts, silent], (), (), network)
    assert (line.delivered, line.odd_units, by) == (24 * QUANTITY_ONE, (), "")
    odd = replace(facts[0], unit="BOX")
    line, _ = fold_in_unit("ACME/1#1", [odd, *facts[1:], whole], (), (), network)
    odd_ones = {each.event_id for each in line.odd_units}
    assert odd_ones - {"o0"} == {"s2"}


def test_without_known_units_the_order_says_in_which_the_line_is_counted() -> None:
    facts: list[Fact] = [
        order(0, "placed", 2 * QUANTITY_ONE, "case"),
        shipped(2, "packed", 5 * QUANTITY_ONE, "EA"),
    ]
    line, _ = fold_in_unit("ACME/1#1", facts, (), (), BARE)
    assert (line.unit, line.ordered, line.shipped) == ("case", 2 * QUANTITY_ONE, 0)
    assert [each.event_id for each in line.odd_units] == ["s2"]


def test_a_whole_line_in_a_foreign_unit_counts_by_itself_and_is_named() -> None:
    facts: list[Fact] = [order(0, "placed", 7, "BOX"), shipped(2, "packed", 3, "BOX")]
    line, _ = fold_in_unit("ACME/1#1", facts, (), (), NETWORK)
    assert (line.unit, line.ordered, line.shipped) == ("BOX", 7, 3)
    assert [each.event_id for each in line.odd_units] == ["o0"]


def test_the_price_of_an_invoice_is_brought_along() -> None:
    invoice = PaymentFact(
        "i1", "books", "invoiced", AT + 1, AT + 1, invoice_ref="SUP/I1", order_ref="ACME/1",
        line="1", quantity=QUANTITY_ONE, unit="case", price_minor=1_200, value_minor=1_200,
        currency="EUR",
    )  # fmt: skip
    facts: list[Fact] = [order(0, "placed", CASE, "EA"), invoice]
    line, _ = fold_in_unit("ACME/1#1", facts, (), (), NETWORK)
    assert line.money is not None
    (told,) = line.money.invoices
    assert (told.quantity, told.unit, told.price_minor, told.price_per) == (CASE, "EA", 1_200, CASE)


def stock(number: int, kind: str, quantity: int, unit: str) -> InventoryFact:
    at = AT + number * 3_600_000
    return InventoryFact(
        f"i{number}", "wms", kind, at, at, item="BOLT", site="LYON", quantity=quantity, unit=unit
    )


movements = st.lists(
    st.tuples(st.sampled_from(("counted", "received", "issued", "blocked")), quantities, units),
    min_size=1,
    max_size=8,
)


@given(movements, st.integers(0, 8), st.randoms())
def test_books_in_any_units_are_those_in_one_also_when_they_are_settled_between(
    told: list[tuple[str, int, str]], cut: int, random: object
) -> None:
    facts = [stock(number, *each) for number, each in enumerate(told)]
    in_base = [
        replace(
            fact, quantity=(fact.quantity or 0) * SIZES[fact.unit or ""] // QUANTITY_ONE, unit="EA"
        )
        for fact in facts
    ]
    if any((fact.quantity or 0) > QUANTITY_MAX for fact in in_base):
        return
    until = AT + 10**9
    whole = fold_node("BOLT", "LYON", None, in_base, until)
    assert fold_node("BOLT", "LYON", None, facts, until, BOLT) == whole
    opening = settle("LYON", None, facts[:cut], 30_000, BOLT)
    later = facts[cut:]
    random.shuffle(later)  # type: ignore[attr-defined]
    again = fold_node("BOLT", "LYON", opening, later, until, BOLT)
    assert (again.unit, again.on_hand, again.blocked) == ("EA", whole.on_hand, whole.blocked)


def test_an_opening_in_another_unit_is_brought_to_the_base_unit_by_a_new_network() -> None:
    old = settle("LYON", None, [stock(0, "counted", 2 * QUANTITY_ONE, "case")], 30_000)
    assert old.unit == "case"
    node = fold_node("BOLT", "LYON", old, [stock(1, "issued", QUANTITY_ONE, "EA")], AT * 2, BOLT)
    assert (node.unit, node.on_hand, node.clash_count) == ("EA", 23 * QUANTITY_ONE, 0)
    gone = replace(BOLT, units=(("tray", 6 * QUANTITY_ONE),))
    kept = fold_node("BOLT", "LYON", old, [stock(1, "issued", QUANTITY_ONE, "EA")], AT * 2, gone)
    assert (kept.unit, kept.on_hand, kept.clash_count) == ("case", 2 * QUANTITY_ONE, 1)


def test_stock_in_a_unit_that_the_item_does_not_have_is_a_contradiction() -> None:
    facts = [stock(0, "counted", QUANTITY_ONE, "BOX"), stock(1, "counted", QUANTITY_ONE, "case")]
    node = fold_node("BOLT", "LYON", None, facts, AT * 2, BOLT)
    assert (node.unit, node.on_hand) == ("EA", CASE)
    assert [each.kind for each in node.clashes] == ["unknown_unit"]
    too_fine = [stock(0, "counted", 1, "g")]
    node = fold_node("BOLT", "LYON", None, too_fine, AT * 2, BOLT)
    assert (node.on_hand, node.clash_count) == (None, 1)
