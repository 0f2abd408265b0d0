"""The supply graph: what it joins, what it cuts, what it reaches."""

from __future__ import annotations

import pytest

from schemas.units import HOUR_MS, QUANTITY_ONE
from topology import graph
from topology.model import (
    BillOfMaterial,
    Document,
    Lane,
    Mode,
    Party,
    PartyKind,
    Site,
    SiteKind,
    StockNode,
    StockNodeKey,
)
from topology.network import build


def lane(name: str, *items: str, hours: int = 1, cut: bool = False) -> Lane:
    """A lane named by its ends: `A>B`, or `A>B#2` for another one between them."""
    origin, destination = name.split("#", maxsplit=1)[0].split(">")
    return Lane(
        id=name,
        origin=origin,
        destination=destination,
        mode=Mode.ROAD,
        items=items,
        lead_time_p50_ms=hours * HOUR_MS,
        lead_time_p80_ms=2 * hours * HOUR_MS,
        lead_time_p95_ms=3 * hours * HOUR_MS,
        cell_boundary=cut,
    )


def nodes(*keys: str) -> tuple[StockNode, ...]:
    return tuple(StockNode(item=item, site=site) for item, site in map(node, keys))


def node(key: str) -> StockNodeKey:
    item, site = key.split("@")
    return item, site


def bill(parent: str, component: str, site: str = "") -> BillOfMaterial:
    return BillOfMaterial(parent=parent, component=component, quantity_per=QUANTITY_ONE, site=site)


def cells(document: Document) -> dict[str, list[str]]:
    found = graph.cells(graph.supply_graph(document), document)
    return {cell: [f"{item}@{site}" for item, site in members] for cell, members in found.items()}


def test_stock_that_nothing_joins_is_a_cell_of_its_own() -> None:
    assert cells(Document(stock_nodes=nodes("i@A", "i@B"))) == {"i@A": ["i@A"], "i@B": ["i@B"]}


def test_a_lane_joins_the_items_that_it_lists_also_where_they_are_not_stocked() -> None:
    document = Document(stock_nodes=nodes("i@A", "j@A"), lanes=(lane("A>B", "i", "k"),))
    assert cells(document) == {"i@A": ["i@A", "i@B"], "j@A": ["j@A"], "k@A": ["k@A", "k@B"]}


def test_a_lane_without_a_list_carries_what_is_stocked_at_both_ends() -> None:
    document = Document(stock_nodes=nodes("i@A", "j@A", "j@B", "k@B"), lanes=(lane("A>B"),))
    assert cells(document) == {"i@A": ["i@A"], "j@A": ["j@A", "j@B"], "k@B": ["k@B"]}


@pytest.mark.parametrize("end", ["A", "B"])
def test_a_lane_without_a_list_carries_what_its_only_end_with_stock_holds(end: str) -> None:
    document = Document(stock_nodes=nodes(f"i@{end}"), lanes=(lane("A>B"),))
    assert cells(document) == {"i@A": ["i@A", "i@B"]}


def test_a_lane_between_ends_without_stock_joins_nothing() -> None:
    assert cells(Document(lanes=(lane("A>B"),))) == {}


def test_a_bill_joins_where_both_items_are() -> None:
    document = Document(
        stock_nodes=nodes("p@A", "c@A", "p@B", "c@C"), bills_of_material=(bill("p", "c"),)
    )
    assert cells(document) == {"c@A": ["c@A", "p@A"], "c@C": ["c@C"], "p@B": ["p@B"]}


def test_a_bill_with_a_site_joins_there_alone_stocked_or_not() -> None:
    document = Document(stock_nodes=nodes("p@A", "c@A"), bills_of_material=(bill("p", "c", "B"),))
    assert cells(document) == {"c@A": ["c@A"], "c@B": ["c@B", "p@B"], "p@A": ["p@A"]}


def test_a_cut_lane_joins_nothing_but_still_carries() -> None:
    document = Document(stock_nodes=nodes("i@A", "i@B"), lanes=(lane("A>B", cut=True),))
    assert cells(document) == {"i@A": ["i@A"], "i@B": ["i@B"]}
    supply = graph.supply_graph(document)
    assert graph.downstream(supply, [node("i@A")]) == (node("i@A"), node("i@B"))


def test_a_second_lane_that_is_not_cut_joins_after_all() -> None:
    lanes = (lane("A>B", cut=True), lane("A>B#2"))
    assert len(cells(Document(stock_nodes=nodes("i@A", "i@B"), lanes=lanes))) == 1


def test_a_site_that_is_a_boundary_cuts_all_its_lanes() -> None:
    document = Document(
        sites=(Site(id="B", party="P", kind=SiteKind.PLANT, zone="UTC", cell_boundary=True),),
        stock_nodes=nodes("i@A", "i@B", "i@C", "i@D"),
        lanes=(lane("A>B"), lane("B>C"), lane("C>D")),
    )
    assert cells(document) == {"i@A": ["i@A"], "i@B": ["i@B"], "i@C": ["i@C", "i@D"]}


CHAIN = Document(
    stock_nodes=nodes("c@S", "c@P", "p@P", "p@D", "x@X"),
    lanes=(lane("S>P", "c"), lane("P>D", "p"), lane("D>K")),
    bills_of_material=(bill("p", "c"),),
)


def test_reach_follows_goods_through_lanes_and_bills() -> None:
    supply = graph.supply_graph(CHAIN)
    down = graph.downstream(supply, [node("c@P")])
    assert down == tuple(map(node, ("c@P", "p@D", "p@K", "p@P")))
    up = graph.upstream(supply, [node("p@P")])
    assert up == tuple(map(node, ("c@P", "c@S", "p@P")))
    assert graph.downstream(supply, [node("nothing@P")]) == ()


def test_nodes_of_a_site_an_item_and_beyond_a_lane() -> None:
    supply = graph.supply_graph(CHAIN)
    assert graph.nodes_at(supply, site="P") == (node("c@P"), node("p@P"))
    assert graph.nodes_at(supply, item="p") == tuple(map(node, ("p@D", "p@K", "p@P")))
    assert graph.nodes_at(supply, item="p", site="P") == (node("p@P"),)
    assert graph.nodes_beyond(supply, CHAIN.lanes[2]) == (node("p@K"),)


def test_the_fastest_path_sums_the_quantiles_of_its_lanes() -> None:
    document = Document(
        lanes=(
            lane("A>B", "i", hours=5),
            lane("A>C", "i", hours=1),
            lane("C>B", "i", hours=2),
            lane("C>B#j", "j", hours=1),
            lane("C>B#2", "i", hours=2),
        )
    )
    supply = graph.supply_graph(document)
    found = graph.path_lead_time(supply, document, "A", "B", "i")
    assert found == graph.PathLeadTime(
        ("A>C", "C>B"), p50_ms=3 * HOUR_MS, p80_ms=6 * HOUR_MS, p95_ms=9 * HOUR_MS
    )
    assert graph.path_lead_time(supply, document, "A", "B", "j") is None
    here = graph.path_lead_time(supply, document, "A", "A", "i")
    assert here == graph.PathLeadTime((), p50_ms=0, p80_ms=0, p95_ms=0)


def party(name: str, kind: PartyKind) -> Party:
    return Party(id=name, kind=kind)


def test_a_sole_source_is_one_supplier_of_what_a_site_does_not_make() -> None:
    document = build(
        Document(
            parties=(
                party("s1", PartyKind.SUPPLIER),
                party("s2", PartyKind.SUPPLIER),
                party("m", PartyKind.MANUFACTURER),
                party("k", PartyKind.CUSTOMER),
            ),
            sites=tuple(
                Site(id=name, party=owner, kind=SiteKind.PLANT, zone="UTC")
                for name, owner in (
                    ("S1", "s1"),
                    ("S1b", "s1"),
                    ("S2", "s2"),
                    ("M", "m"),
                    ("K", "k"),
                )
            ),
            lanes=(
                lane("S1>M", "alone", "shared", "made"),
                lane("S1b>M", "alone"),
                lane("S2>M", "shared"),
                lane("M>K", "made"),
                lane("S1>S1b", "alone"),
            ),
            bills_of_material=(bill("made", "shared", "M"),),
        )
    ).document
    found = graph.sole_sources(graph.supply_graph(document), document)
    assert found == (graph.SoleSource("alone", "M", "s1"),)


def test_each_knot_gives_one_loop_named_from_its_smallest_member() -> None:
    edges = [("b", "c"), ("c", "a"), ("a", "b"), ("a", "d"), ("x", "x"), ("q", "r")]
    assert graph.loops(edges) == (("a", "b", "c", "a"), ("x", "x"))
    assert graph.loops([("a", "b"), ("b", "c")]) == ()
