"""The books of a stock node: a function of its facts, however they arrive and whenever they are
settled."""

from __future__ import annotations

import random

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from alerts.nodes import NodeSummary
from schemas.facts import InventoryFact
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.stages.balances import Opening, day_of, fold_node, in_base_unit, settle
from topology import model

DAY_0 = 20_000
END = (DAY_0 + 30) * DAY_MS


def stock_fact(
    number: int, kind: str, at: UtcMillis, quantity: int, **fields: object
) -> InventoryFact:
    values: dict[str, object] = {"site": "LYON", **fields}
    return InventoryFact(
        f"e{number}", "wms", kind, at, at, "BOLT", quantity=quantity * QUANTITY_ONE, unit="EA",
        **values,  # type: ignore[arg-type]
    )  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[InventoryFact]:
    """Facts of one node over ten days, several often at one moment."""
    facts = []
    for number in range(draw(st.integers(1, 25))):
        at = DAY_0 * DAY_MS + draw(st.integers(0, 40)) * 6 * HOUR_MS
        kind = draw(
            st.sampled_from(
                [
                    *("counted", "received", "issued", "adjusted", "reserved", "unreserved"),
                    *("blocked", "unblocked", "transferred_out", "inbound"),
                ]
            )
        )
        quantity = draw(st.integers(0 if kind == "counted" else 1, 9))
        fields: dict[str, object] = {}
        if kind in ("issued", "reserved", "unreserved", "received") and draw(st.booleans()):
            fields = {"order_ref": "ACME/1", "line": draw(st.sampled_from(["1", "2"]))}
        elif kind == "transferred_out":
            fields = {"to_site": "OSLO", "transfer_ref": "SUP/T0"}
        elif kind == "inbound":
            # Sent once, before anything of it comes in.
            kind, at = "transferred_out", DAY_0 * DAY_MS
            fields = {"site": "OSLO", "to_site": "LYON", "transfer_ref": f"SUP/T{number}"}
            if draw(st.booleans()):
                came_at = at + draw(st.integers(0, 40)) * 6 * HOUR_MS
                came = draw(st.integers(1, quantity))
                facts.append(
                    stock_fact(
                        1000 + number, "transferred_in", came_at, came,
                        transfer_ref=f"SUP/T{number}",
                    )
                )  # fmt: skip
        facts.append(stock_fact(number, kind, at, quantity, **fields))
    return facts


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_books(
    facts: list[InventoryFact], chance: random.Random
) -> None:
    shuffled = [*facts]
    chance.shuffle(shuffled)
    assert fold_node("BOLT", "LYON", None, shuffled, END) == fold_node(
        "BOLT", "LYON", None, facts, END
    )


def balances(node: NodeSummary) -> tuple[object, ...]:
    """What settling must not change; it forgets clashes that are over, and lines that hold
    nothing."""
    held = {each.line_id: each.held for each in node.lines if each.held}
    transfers = {each.number: each.on_its_way for each in node.transfers if each.on_its_way}
    return (
        node.on_hand, node.blocked, node.reserved, held, transfers, node.available, node.count,
        node.unit, node.used, node.known_since, node.last_news, node.sources,
    )  # fmt: skip


def for_line(number: int, kind: str, day: int, quantity: int) -> InventoryFact:
    return stock_fact(number, kind, (DAY_0 + day) * DAY_MS, quantity, order_ref="A/1", line="1")


@example(
    [
        for_line(1, "reserved", 0, 5), for_line(2, "issued", 1, 5),
        for_line(3, "reserved", 3, 5), for_line(4, "unreserved", 4, 3),
    ],
    [2],
)  # fmt: skip
@given(histories(), st.lists(st.integers(0, 12), max_size=3))
def test_settling_days_changes_no_balance(facts: list[InventoryFact], cuts: list[int]) -> None:
    opening: Opening | None = None
    left = facts
    for cut in sorted(cuts):
        day = DAY_0 + cut
        opening = settle("LYON", opening, [f for f in left if day_of(f) < day], day)
        left = [fact for fact in left if day_of(fact) >= day]
    whole = fold_node("BOLT", "LYON", None, facts, END)
    assert balances(fold_node("BOLT", "LYON", opening, left, END)) == balances(whole)


@given(histories())
def test_settled_books_are_brought_to_another_unit_whole(facts: list[InventoryFact]) -> None:
    case = model.Item(id="BOLT", base_unit="EA", units=(("case", 12 * QUANTITY_ONE),))
    in_cases = [msgspec.structs.replace(fact, unit="case") for fact in facts]
    in_pieces = [
        msgspec.structs.replace(fact, quantity=12 * (fact.quantity or 0)) for fact in facts
    ]
    brought = in_base_unit(settle("LYON", None, in_cases, DAY_0 + 11), case)
    assert unnamed(brought) == unnamed(settle("LYON", None, in_pieces, DAY_0 + 11))


def unnamed(opening: Opening) -> Opening:
    """Without the facts that it only names: these keep the quantity that they told."""
    transfers = [
        msgspec.structs.replace(each, departed_fact=None, arrived_fact=None)
        for each in opening.transfers
    ]
    return msgspec.structs.replace(
        opening, unit_fact=None, below=(), transfers=tuple(transfers), last_news=None
    )


@given(histories())
def test_on_hand_is_the_last_count_and_what_moved_after_it(facts: list[InventoryFact]) -> None:
    """By an obvious sum, beside the walk."""
    node = fold_node("BOLT", "LYON", None, facts, END)
    counts = [fact for fact in facts if fact.kind == "counted"]
    if not counts:
        assert node.on_hand is None
        return
    last = max(counts, key=lambda fact: (fact.occurred_at, fact.recorded_at, fact.event_id))
    signs = {"received": 1, "adjusted": 1, "transferred_in": 1, "issued": -1, "transferred_out": -1}
    moved = sum(
        signs.get(fact.kind, 0) * (fact.quantity or 0)
        for fact in facts
        if fact.occurred_at > last.occurred_at and fact.site == "LYON"
    )
    assert node.on_hand == (last.quantity or 0) + moved


@given(histories(), st.integers(0, 45))
def test_what_is_claimed_ahead_of_time_does_not_count_yet(
    facts: list[InventoryFact], moment: int
) -> None:
    until = DAY_0 * DAY_MS + moment * 6 * HOUR_MS
    known = [fact for fact in facts if fact.occurred_at <= until]
    assert fold_node("BOLT", "LYON", None, facts, until) == fold_node(
        "BOLT", "LYON", None, known, until
    )


@given(histories())
def test_a_balance_below_zero_names_the_fact_that_took_it_there(
    facts: list[InventoryFact],
) -> None:
    node = fold_node("BOLT", "LYON", None, facts, END)
    if node.on_hand is not None and node.on_hand < 0:
        assert node.clash_count
        [*_, clash] = [each for each in node.clashes if each.kind == "below_zero"]
        assert clash.first is not None
        assert clash.second.kind in {"issued", "transferred_out", "adjusted"}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(node), type=NodeSummary) == node
