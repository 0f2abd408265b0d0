"""What affects what: the supply graph, its cells, reach and paths. The only importer of networkx.

**The supply graph.** Its nodes are stock nodes (item, site); its edges point the way goods go.

- Every declared stock node is a node.
- A lane gives an edge (item, origin) → (item, destination) for every item that it carries: those
  it lists; without a list those that are stocked (declared) at both ends, or, when only one end
  declares stock, those stocked there.
- A bill of material gives an edge (component, site) → (parent, site) at its site, or without one
  at every site that has both items as nodes.

**Cells** are the connected components of this graph after the publisher's cuts are taken out: a
lane with `cell_boundary`, or one that touches a site with `cell_boundary`, joins nothing. A cell's
id is its smallest member, `item@site`, so that it stays the same while others come and go.

Everything here is pure and ordered by id, never by hash.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import networkx as nx

from topology.model import Document, Lane, PartyKind, StockNodeKey

_Graph: TypeAlias = "nx.DiGraph[StockNodeKey]"


@dataclass(frozen=True)
class SupplyGraph:
    """The supply graph of one document; treat it as read-only."""

    directed: _Graph
    carried: dict[str, tuple[str, ...]]
    """Lane id → ids of the items it carries, ascending."""
    cuts: frozenset[str]
    """Ids of the lanes that join no cells."""


@dataclass(frozen=True)
class PathLeadTime:
    """A way through the network and the sums of its lanes' lead times, in milliseconds.

    Sums of quantiles are an approximation on the safe side: the lanes of a path are rarely all
    slow at once, so the true p95 of a path of several lanes lies below this sum.
    """

    lanes: tuple[str, ...]
    p50_ms: int
    p80_ms: int
    p95_ms: int


@dataclass(frozen=True, order=True)
class SoleSource:
    """An item that a site gets from one supplier only and does not make itself."""

    item: str
    site: str
    supplier: str


def supply_graph(document: Document) -> SupplyGraph:
    """The supply graph of the document. Costs a few microseconds per node and edge."""
    stocked: dict[str, set[str]] = {}
    directed: _Graph = nx.DiGraph()
    for node in document.stock_nodes:
        stocked.setdefault(node.site, set()).add(node.item)
        directed.add_node(node.key)
    boundary = {site.id for site in document.sites if site.cell_boundary}
    carried: dict[str, tuple[str, ...]] = {}
    cuts: set[str] = set()
    for lane in document.lanes:
        carried[lane.id] = items = _carried(lane, stocked)
        directed.add_edges_from(((item, lane.origin), (item, lane.destination)) for item in items)
        if lane.cell_boundary or lane.origin in boundary or lane.destination in boundary:
            cuts.add(lane.id)
    sites_of: dict[str, set[str]] = {}
    for item, site in directed:
        sites_of.setdefault(item, set()).add(site)
    for bill in document.bills_of_material:
        places = {bill.site} if bill.site else sites_of.get(bill.parent, set())
        if not bill.site:
            places = places & sites_of.get(bill.component, set())
        directed.add_edges_from(
            ((bill.component, site), (bill.parent, site)) for site in sorted(places)
        )
    return SupplyGraph(directed, carried, frozenset(cuts))


def _carried(lane: Lane, stocked: dict[str, set[str]]) -> tuple[str, ...]:
    if lane.items:
        return tuple(sorted(set(lane.items)))
    origin, destination = stocked.get(lane.origin), stocked.get(lane.destination)
    if origin is None or destination is None:
        return tuple(sorted(origin or destination or ()))
    return tuple(sorted(origin & destination))


def cells(graph: SupplyGraph, document: Document) -> dict[str, tuple[StockNodeKey, ...]]:
    """Cell id → its stock nodes, ascending. Every node of the graph is in exactly one cell."""
    joined: nx.Graph[StockNodeKey] = nx.Graph()
    joined.add_nodes_from(graph.directed)
    for lane in document.lanes:
        if lane.id not in graph.cuts:
            joined.add_edges_from(
                ((item, lane.origin), (item, lane.destination)) for item in graph.carried[lane.id]
            )
    joined.add_edges_from(
        (component, parent)
        for component, parent in graph.directed.edges
        if component[0] != parent[0]
    )
    components = sorted(tuple(sorted(each)) for each in nx.connected_components(joined))
    return {cell_id(component[0]): component for component in components}


def cell_id(node: StockNodeKey) -> str:
    """The id of the cell whose smallest node this is: `item@site`."""
    return f"{node[0]}@{node[1]}"


def downstream(graph: SupplyGraph, nodes: Iterable[StockNodeKey]) -> tuple[StockNodeKey, ...]:
    """All stock nodes that goods from these may end up in, themselves included, ascending."""
    return _reached(graph.directed, nodes)


def upstream(graph: SupplyGraph, nodes: Iterable[StockNodeKey]) -> tuple[StockNodeKey, ...]:
    """All stock nodes that may feed these, themselves included, ascending."""
    return _reached(graph.directed.reverse(copy=False), nodes)


def _reached(directed: _Graph, nodes: Iterable[StockNodeKey]) -> tuple[StockNodeKey, ...]:
    found: set[StockNodeKey] = set()
    for node in nodes:
        if node in directed and node not in found:
            found.add(node)
            found |= nx.descendants(directed, node)
    return tuple(sorted(found))


def sources(graph: SupplyGraph, document: Document, node: StockNodeKey) -> tuple[str, ...]:
    """The sites that an item can come from by lanes to this one, which is the first; the others by
    the sum of the median lead times, then by id."""
    if node not in graph.directed:
        return (node[1],)
    quickest: dict[tuple[str, str], int] = {}
    for lane in document.lanes:
        ends = (lane.origin, lane.destination)
        quickest[ends] = min(lane.lead_time_p50_ms, quickest.get(ends, lane.lead_time_p50_ms))

    def cost(to: StockNodeKey, origin: StockNodeKey, _: object) -> int | None:
        # Bills of material lead to another item, which is no way for goods.
        return quickest.get((origin[1], to[1])) if origin[0] == to[0] else None

    away = nx.single_source_dijkstra_path_length(
        graph.directed.reverse(copy=False), node, weight=cost
    )
    return tuple([site for (_, site), _ in sorted(away.items(), key=lambda each: each[::-1])])


def nodes_at(graph: SupplyGraph, *, item: str = "", site: str = "") -> tuple[StockNodeKey, ...]:
    """The stock nodes of an item, at a site, or both; all without either. Ascending."""
    return tuple(
        sorted(node for node in graph.directed if item in ("", node[0]) and site in ("", node[1]))
    )


def nodes_beyond(graph: SupplyGraph, lane: Lane) -> tuple[StockNodeKey, ...]:
    """The stock nodes at the far end of the lane: where a delay on it is felt first."""
    return tuple((item, lane.destination) for item in graph.carried.get(lane.id, ()))


def path_lead_time(
    graph: SupplyGraph, document: Document, origin: str, destination: str, item: str
) -> PathLeadTime | None:
    """The fastest way (by the sum of p50) for an item between two sites; None when there is none.

    Of equally fast ways the one with the smallest lane ids. Waiting for departures is not counted.
    """
    outgoing: dict[str, list[Lane]] = {}
    for lane in document.lanes:
        if item in graph.carried[lane.id]:
            outgoing.setdefault(lane.origin, []).append(lane)
    by_id = {lane.id: lane for lane in document.lanes}
    frontier: list[tuple[int, tuple[str, ...], str]] = [(0, (), origin)]
    settled: set[str] = set()
    while frontier:
        spent_ms, path, site = heapq.heappop(frontier)
        if site == destination:
            lanes = [by_id[each] for each in path]
            return PathLeadTime(
                lanes=path,
                p50_ms=spent_ms,
                p80_ms=sum(lane.lead_time_p80_ms for lane in lanes),
                p95_ms=sum(lane.lead_time_p95_ms for lane in lanes),
            )
        if site in settled:
            continue
        settled.add(site)
        for lane in outgoing.get(site, ()):
            heapq.heappush(
                frontier, (spent_ms + lane.lead_time_p50_ms, (*path, lane.id), lane.destination)
            )
    return None


def sole_sources(graph: SupplyGraph, document: Document) -> tuple[SoleSource, ...]:
    """Where one supplier alone stands between an item and its site, ascending.

    Looked at are the sites of other parties that a supplier's lanes lead to; an item that the site
    also gets from elsewhere, or makes by a bill of material, has more than one source.
    """
    kind_of = {party.id: party.kind for party in document.parties}
    party_of = {site.id: site.party for site in document.sites}
    sources: dict[StockNodeKey, set[str]] = {}
    for lane in document.lanes:
        for item in graph.carried[lane.id]:
            sources.setdefault((item, lane.destination), set()).add(party_of.get(lane.origin, ""))
    made = {parent for component, parent in graph.directed.edges if component[0] != parent[0]}
    found = []
    for node, parties in sources.items():
        if len(parties) != 1 or node in made:
            continue
        supplier = min(parties)
        if kind_of.get(supplier) is PartyKind.SUPPLIER and party_of.get(node[1]) != supplier:
            found.append(SoleSource(node[0], node[1], supplier))
    return tuple(sorted(found))


def loops(edges: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], ...]:
    """One loop for each knot of the edges, from its smallest member, which also closes it."""
    directed: nx.DiGraph[str] = nx.DiGraph(sorted(edges))
    found: list[tuple[str, ...]] = []
    for knot in nx.strongly_connected_components(directed):
        start = min(knot)
        if len(knot) == 1 and not directed.has_edge(start, start):
            continue
        if directed.has_edge(start, start):
            found.append((start, start))
            continue
        inside = directed.subgraph(knot)
        back = min(
            (nx.shortest_path(inside, after, start) for after in sorted(inside.successors(start))),
            key=lambda path: (len(path), path),
        )
        found.append((start, *back))
    return tuple(sorted(found))
