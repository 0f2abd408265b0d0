"""By which lanes goods of an item go from one site to another, and when they are there.

Goods leave a site at the next departure of a lane that carries the item (its calendar and cut-off,
in the zone of the origin) and are at the other end a lead time later. Whoever is ready sooner never
arrives later, so the search for the earliest arrival is Dijkstra's over moments (K. Cooke and
E. Halsey, "The shortest route through a network with time-dependent internodal transit times",
Journal of Mathematical Analysis and Applications 14, 1966).
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass

from schemas.units import TIME_MAX, Day, UtcMillis
from topology.model import Lane, Quantile
from topology.network import Network


@dataclass(frozen=True)
class Way:
    """Lanes in order, the first departure, and when goods have arrived if every lane keeps the
    lead time of the quantile. Without lanes the goods are there already.

    All lanes of a way being slow at once is rarer than one of them: of several lanes more than 80
    of 100 arrive by `arrives_at[P80]`.
    """

    lanes: tuple[str, ...]
    leaves_at: UtcMillis | None
    arrives_at: dict[Quantile, UtcMillis]


def quickest_way(
    network: Network,
    item: str,
    origin: str,
    destination: str,
    ready_at: UtcMillis,
    among: Collection[str],
) -> Way | None:
    """The way that arrives first at P80, over sites of `among`; None when there is none.

    Of equally quick ways the one with the fewest lanes, then with the smallest lane ids. Costs some
    microseconds for each lane of the item between the sites.
    """
    if origin == destination:
        return Way((), None, dict.fromkeys(Quantile, ready_at))
    allowed = frozenset(among)
    frontier: list[tuple[UtcMillis, int, tuple[str, ...], str]] = [(ready_at, 0, (), origin)]
    settled: set[str] = set()
    while frontier:
        at, count, path, site = heapq.heappop(frontier)
        if site == destination:
            return _timed(network, path, ready_at)
        if site in settled:
            continue
        settled.add(site)
        for lane in _lanes_from(network, item, site, allowed):
            if lane.destination in settled:
                continue
            there_at = _arrival(network, lane, at, Quantile.P80)
            if there_at is not None:
                heapq.heappush(frontier, (there_at, count + 1, (*path, lane.id), lane.destination))
    return None


def _lanes_from(network: Network, item: str, site: str, among: frozenset[str]) -> list[Lane]:
    graph = network.graph
    node = (item, site)
    if node not in graph.directed:
        return []
    return [
        lane
        for to_item, to_site in graph.directed.successors(node)
        if to_item == item and to_site in among
        for lane in network.lanes_between(site, to_site)
        if item in graph.carried[lane.id]
    ]


def _arrival(
    network: Network, lane: Lane, ready_at: UtcMillis, quantile: Quantile
) -> UtcMillis | None:
    leaves_at = network.next_departure(lane, ready_at)
    if leaves_at is None:
        return None
    # Past the last moment that a fact may claim nothing can be promised.
    there_at = leaves_at + lane.lead_time_ms(quantile)
    return there_at if there_at < TIME_MAX else None


def _timed(network: Network, path: tuple[str, ...], ready_at: UtcMillis) -> Way | None:
    lanes = [network.lanes[each] for each in path]
    arrives_at: dict[Quantile, UtcMillis] = {}
    for quantile in Quantile:
        at = ready_at
        for lane in lanes:
            there_at = _arrival(network, lane, at, quantile)
            if there_at is None:
                return None
            at = there_at
        arrives_at[quantile] = at
    return Way(path, network.next_departure(lanes[0], ready_at), arrives_at)


def day_received(network: Network, site: str, at: UtcMillis) -> Day:
    """The date to promise for goods that arrive then: the first one at the site that falls due no
    sooner (see `Network.due_at`)."""
    on = network.local_day(site, at)
    due_at = network.due_at(site, on)
    if due_at < at:
        due_at = network.due_at(site, on + 1)
    return network.local_day(site, due_at)
