"""Any network: it survives being published, and its cells are those of a slow and plain oracle."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import Family
from schemas.units import HOUR_MS, QUANTITY_ONE
from topology.graph import cell_id, downstream, upstream
from topology.model import (
    Account,
    BillOfMaterial,
    Calendar,
    Document,
    Feed,
    Item,
    Lane,
    Mode,
    Party,
    PartyKind,
    Site,
    SiteKind,
    StockNode,
    StockNodeKey,
)
from topology.network import build, decode, encode

ITEMS = ("a", "b", "c", "d", "e")
SITES = ("P", "Q", "R", "S", "T")

item_ids = st.sampled_from(ITEMS)
site_ids = st.sampled_from(SITES)
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    origin, destination = draw(st.permutations(SITES))[:2]
    p50, p80, p95 = sorted(draw(st.tuples(*[st.integers(0, 900)] * 3)))
    return Lane(
        id=draw(st.uuids()).hex,
        origin=origin,
        destination=destination,
        mode=draw(st.sampled_from(Mode)),
        carrier=draw(names),
        items=tuple(sorted(draw(st.sets(item_ids, max_size=3)))),
        lead_time_p50_ms=p50 * HOUR_MS,
        lead_time_p80_ms=p80 * HOUR_MS,
        lead_time_p95_ms=p95 * HOUR_MS,
        cut_off_minutes=draw(st.none() | st.integers(0, 1439)),
        cell_boundary=draw(st.booleans()) and draw(st.booleans()),
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Networks of five items at five sites, in no particular order."""
    coordinate = st.none() | st.floats(-90, 90, allow_nan=False)
    nodes = draw(st.sets(st.tuples(item_ids, site_ids), max_size=12))
    bills = draw(
        st.sets(st.tuples(item_ids, item_ids, site_ids | st.just("")), max_size=4).map(
            lambda found: {each for each in found if each[0] < each[1]}
        )
    )
    return Document(
        calendars=tuple(
            Calendar(id=f"c{n}", name=draw(names), holidays=tuple(sorted(draw(holidays))))
            for n in range(draw(st.integers(0, 2)))
            for holidays in [st.sets(st.integers(0, 40_000), max_size=5)]
        ),
        parties=(Party(id="p", name=draw(names), kind=draw(st.sampled_from(PartyKind))),),
        sites=tuple(
            Site(
                id=site,
                party="p",
                kind=SiteKind.PLANT,
                zone="UTC",
                latitude=draw(coordinate),
                cell_boundary=draw(st.integers(0, 9)) == 0,
            )
            for site in draw(st.permutations(SITES))
        ),
        items=tuple(Item(id=item, base_unit="kg", name=draw(names)) for item in ITEMS),
        stock_nodes=tuple(
            StockNode(item=item, site=site, safety_stock=draw(st.integers(0, 10**12)))
            for item, site in draw(st.permutations(sorted(nodes)))
        ),
        lanes=tuple(draw(st.lists(lanes(), max_size=8))),
        bills_of_material=tuple(
            BillOfMaterial(parent=parent, component=part, quantity_per=QUANTITY_ONE, site=site)
            for parent, part, site in sorted(bills)
        ),
        accounts=(Account(id="x", account_manager=draw(names), sites=("P",)),),
        feeds=(
            Feed(
                id=draw(st.uuids()).hex,
                party="p",
                families=tuple(draw(st.sets(st.sampled_from(Family)).map(sorted))),
                every_ms=draw(st.none() | st.integers(1, HOUR_MS)),
                heartbeats=draw(st.booleans()),
            ),
        ),
    )


@given(documents())
def test_a_network_survives_being_published(document: Document) -> None:
    network = build(document)
    data = encode(network)
    read = decode(data)
    assert read == network
    assert read.document == network.document
    assert read.cells == network.cells
    assert encode(read) == data


def oracle(document: Document) -> list[list[StockNodeKey]]:
    """The cells by the words of their definition, merging sets until nothing changes."""
    stocked = {node.key for node in document.stock_nodes}
    boundary = {site.id for site in document.sites if site.cell_boundary}
    present = set(stocked)
    joined: list[set[StockNodeKey]] = []
    for lane in document.lanes:
        for item in ITEMS:
            at_origin = (item, lane.origin) in stocked
            at_destination = (item, lane.destination) in stocked
            origin_stocks = any(site == lane.origin for _, site in stocked)
            destination_stocks = any(site == lane.destination for _, site in stocked)
            if lane.items:
                carries = item in lane.items
            elif origin_stocks and destination_stocks:
                carries = at_origin and at_destination
            else:
                carries = at_origin or at_destination
            if carries:
                ends = {(item, lane.origin), (item, lane.destination)}
                present |= ends
                if not lane.cell_boundary and not {lane.origin, lane.destination} & boundary:
                    joined.append(ends)
    before_bills = set(present)
    for bill in document.bills_of_material:
        for site in SITES:
            both = {(bill.parent, site), (bill.component, site)}
            if bill.site == site or (not bill.site and both <= before_bills):
                present |= both
                joined.append(both)
    groups = [{node} for node in present]
    for pair in joined:
        touching = [group for group in groups if group & pair]
        groups = [group for group in groups if not group & pair]
        groups.append(set().union(*touching))
    return sorted(sorted(group) for group in groups)


@given(documents())
def test_cells_are_those_of_the_oracle(document: Document) -> None:
    network = build(document)
    assert sorted(list(nodes) for nodes in network.cells.values()) == oracle(document)
    for cell, nodes in network.cells.items():
        assert cell == cell_id(min(nodes))
        assert {network.cell_of(item, site) for item, site in nodes} == {cell}
    assert network.cell_of("a", "elsewhere") is None


@given(documents())
def test_downstream_and_upstream_are_each_other_s_reverse(document: Document) -> None:
    graph = build(document).graph
    nodes = sorted(graph.directed)
    pairs = {(node, reached) for node in nodes for reached in downstream(graph, [node])}
    assert pairs == {(source, node) for node in nodes for source in upstream(graph, [node])}
