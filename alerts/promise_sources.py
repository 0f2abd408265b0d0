"""Where a new order could be served from: the sites, what each can give and when it would arrive.

Pure functions of the network and of what `stock-status` says as of one tick.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts.free_stock import NodeStock, Step, node_stock
from schemas.facts import Family
from schemas.limits import PROMISE_SOURCES_MAX
from schemas.promise_records import PromiseAsked, PromiseBasis, PromiseRefusal
from schemas.stock_records import StockStatus
from schemas.ticks import Tick
from schemas.units import QUANTITY_MAX, Day, UtcMillis, millis
from topology.graph import sources as sites_that_feed
from topology.model import Quantile
from topology.network import Network
from topology.ways import Way, day_received, quickest_way

CANDIDATES_MAX = 5
DOUBTED_NAMED = 3
"""Of what comes to a node in doubt."""

_TOLD_OF_STOCK = (Family.INVENTORY.value, Family.ORDERS.value, Family.SHIPMENTS.value)


class Source(msgspec.Struct, frozen=True):
    """One site; `place` counts from the nearest. `stock` is None where nobody has counted.
    `unsure` says why nobody can rely on it; `begins_here`: no lane brings the item to it. `hoped`
    is its stock with what comes in doubt, where something does, and `doubted` says what that is."""

    site: str
    place: int
    stock: NodeStock | None
    unsure: str
    begins_here: bool
    hoped: NodeStock | None = None
    doubted: str = ""


class Choice(msgspec.Struct, frozen=True):
    """Up to so much, ready at a source from a moment on, and its way to the site that asks.
    `received_on` is the date there by quantile; `unsure` says why nobody can rely on it."""

    source: Source
    basis: PromiseBasis
    step: Step
    way: Way
    received_on: dict[Quantile, Day]
    unsure: str

    @property
    def on(self) -> Day:
        """The date that 80 of 100 such deliveries keep: by it choices are compared."""
        return self.received_on[Quantile.P80]


class Places(msgspec.Struct, frozen=True):
    """The sources of an item for a site as of a tick; `left_out` more lie further away."""

    network: Network
    item: str
    site: str
    now: UtcMillis
    sources: tuple[Source, ...]
    on_the_way: frozenset[str]
    left_out: int = 0

    def choices(self, source: Source) -> list[Choice]:
        """What nobody needs, the soonest first; then what may be free beside it, by what comes in
        doubt. Where the item begins and nobody counts it, all that is known is how long it takes
        from there."""
        if source.stock is not None:
            sure = self.by(source, PromiseBasis.STOCK, source.stock.free())
            if source.hoped is None:
                return sure
            unsure = source.unsure or source.doubted
            return sure + self.by(source, PromiseBasis.STOCK, source.hoped.free(), unsure)
        if not source.begins_here:
            return []
        today = self.network.local_day(source.site, self.now)
        whatever = Step(self.now, today, QUANTITY_MAX)
        return self.by(source, PromiseBasis.LEAD_TIME, [whatever])

    def by(
        self, source: Source, basis: PromiseBasis, steps: Iterable[Step], unsure: str | None = None
    ) -> list[Choice]:
        """The steps with their way to the site, as unsure as said or else as their source; those
        that never arrive are left out."""
        unsure = source.unsure if unsure is None else unsure
        found: list[Choice] = []
        for step in steps:
            way = quickest_way(
                self.network, self.item, source.site, self.site, step.ready_at, self.on_the_way
            )
            if way is not None:
                received_on = {
                    quantile: day_received(self.network, self.site, at)
                    for quantile, at in way.arrives_at.items()
                }
                found.append(Choice(source, basis, step, way, received_on, unsure))
        return found


def places_for(
    asked: PromiseAsked, network: Network, stock: Mapping[str, StockStatus], unit: str, tick: Tick
) -> Places:
    """The sources of the item, the nearest first. `stock` holds its nodes by site."""
    node = (asked.item, asked.site)
    sites = sites_that_feed(network.graph, network.document, node)
    now = millis(tick.at)
    sources: list[Source] = []
    left_out = 0
    for site in sites:
        status = stock.get(site)
        begins = site != asked.site and _begins(network, asked.item, site)
        if status is None and not begins and (asked.item, site) not in network.stock_nodes:
            continue
        if len(sources) == PROMISE_SOURCES_MAX:
            left_out += 1
            continue
        known = hoped = None
        if status is not None and status.unit == unit:
            known = node_stock(status, network, now)
            if status.projection is not None and status.projection.doubtful:
                hoped = node_stock(status, network, now, hopes=True)
        why = _unsure(status, unit, tick)
        doubted = _doubted(status)
        sources.append(Source(site, len(sources), known, why, begins, hoped, doubted))
    return Places(network, asked.item, asked.site, now, tuple(sources), frozenset(sites), left_out)


def _begins(network: Network, item: str, site: str) -> bool:
    directed = network.graph.directed
    return all(each != item for each, _ in directed.predecessors((item, site)))


def _unsure(status: StockStatus | None, unit: str, tick: Tick) -> str:
    """Why what is known of the node may not be so; empty when all is seen."""
    if status is None:
        return "nobody has told of its stock"
    if status.available is None:
        return "nobody has counted it"
    if status.unit != unit:
        return f"it is counted in {status.unit}, not in {unit}"
    if status.projection is None:
        return "the network does not know it"
    if status.blind_feeds:
        return f"its feed {', '.join(status.blind_feeds)} is silent"
    if any(each.topic in _TOLD_OF_STOCK for each in tick.held):
        return "facts wait behind a sender's open transaction"
    if not tick.complete:
        return "not all facts up to now have been read"
    return ""


def _doubted(status: StockStatus | None) -> str:
    """What comes to the node in doubt; empty where nothing does."""
    projection = None if status is None else status.projection
    if projection is None or not projection.doubtful:
        return ""
    told = [f"{each.subject} ({each.doubt})" for each in projection.flows if each.doubt is not None]
    if not told:
        return "it waits for goods that are late or that nobody can tell of"
    more = f" and {len(told) - DOUBTED_NAMED} more" if len(told) > DOUBTED_NAMED else ""
    return f"it waits for {', '.join(told[:DOUBTED_NAMED])}{more}"


def refusal(
    asked: PromiseAsked, network: Network, stock: Mapping[str, StockStatus]
) -> PromiseRefusal | None:
    """What the question names and nobody knows, with what was perhaps meant; None when all is."""
    item = network.item(asked.item)
    if item is None:
        return _unknown("item", asked.item, sorted(network.items))
    if network.site(asked.site) is None:
        return _unknown("site", asked.site, sorted(network.sites))
    units = sorted({item.base_unit, *[each.unit for each in stock.values() if each.unit]})
    if asked.unit is not None and asked.unit not in units:
        said = f"{asked.item} is not counted in {asked.unit}, but in {' or '.join(units)}."
        return PromiseRefusal(where="unit", detail=said, candidates=tuple(units))
    return None


def _unknown(where: str, given: str, known: Sequence[str]) -> PromiseRefusal:
    if not known:
        detail = f"The network knows no {where} at all: publish one with `slipwatch network`."
        return PromiseRefusal(where=where, detail=detail)
    by_folded: dict[str, str] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), each)
    near = difflib.get_close_matches(given.casefold(), by_folded, CANDIDATES_MAX)
    return PromiseRefusal(
        where=where,
        detail=f"The network knows no {where} {given}.",
        candidates=tuple([by_folded[each] for each in near]),
    )
