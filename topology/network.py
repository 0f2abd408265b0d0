"""The network: the one value that stages, rules and people ask how the chain hangs together.

Immutable, named by its content, held whole by every worker. Answers are looked up or remembered,
so that asking costs well under two microseconds; remembering is invisible (the same question always
has the same answer) and bounded.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from schemas.facts import Family
from schemas.units import HOUR_MS, Day, UtcMillis
from topology import calendars
from topology.accounts import inherited, line_of
from topology.choices import choose_lane, tells
from topology.graph import SupplyGraph, supply_graph
from topology.graph import cells as cells_of
from topology.indexes import grouped, indexed
from topology.model import (
    FORMAT,
    Account,
    Calendar,
    Document,
    Feed,
    Item,
    Lane,
    Mode,
    Party,
    Quantile,
    Site,
    StockNode,
    StockNodeKey,
    ordered,
)

ANSWERS_REMEMBERED_MAX = 200_000
"""Answers that a network remembers of each question; beyond that it forgets all and starts anew."""

VERSION_LENGTH = 12
"""Hex digits of the content's SHA-256 that name a network."""

K = TypeVar("K", bound=Hashable)
A = TypeVar("A")


class NetworkFormatError(ValueError):
    """The bytes are no network that this release can read; the text says why."""


class _Memory(dict[K, A]):
    """Answers by question, bounded."""

    def learn(self, key: K, answer: A) -> A:
        if len(self) >= ANSWERS_REMEMBERED_MAX:
            self.clear()
        self[key] = answer
        return answer


@dataclass(frozen=True, eq=False)
class Network:
    """One version of the network. Make it with `build` or `decode`; equal when versions are equal.

    Unknown ids are no error here: a fact may name a site that nobody has described. Lookups then
    give None, dates fall due at the end of the day in UTC, cells are left to the caller.
    """

    document: Document
    version: str
    cells: Mapping[str, tuple[StockNodeKey, ...]]
    """Cell id → its stock nodes, ascending."""
    graph: SupplyGraph = field(repr=False)
    _cell_of: dict[StockNodeKey, str] = field(repr=False)
    _due_at: _Memory[tuple[str, Day], UtcMillis] = field(default_factory=_Memory, repr=False)
    _departures: _Memory[tuple[str, UtcMillis, Quantile], UtcMillis | None] = field(
        default_factory=_Memory, repr=False
    )
    _next_departures: _Memory[tuple[str, UtcMillis], UtcMillis | None] = field(
        default_factory=_Memory, repr=False
    )
    _lanes_chosen: _Memory[tuple[str, str, str | None, str | None, str | None], Lane | None] = (
        field(default_factory=_Memory, repr=False)
    )
    _feeds_chosen: _Memory[tuple[Family, str, str], tuple[Feed, ...]] = field(
        default_factory=_Memory, repr=False
    )
    _accounts_chosen: _Memory[tuple[str, str], tuple[Account, ...]] = field(
        default_factory=_Memory, repr=False
    )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other.version == self.version

    def __hash__(self) -> int:
        return hash(self.version)

    # What there is.

    @cached_property
    def parties(self) -> Mapping[str, Party]:
        """Party id → party."""
        return indexed(self.document.parties, lambda each: each.id)

    @cached_property
    def subscribed(self) -> frozenset[str]:
        """The ids of the parties that have a topic of their own."""
        return frozenset([each.id for each in self.document.parties if each.subscribed])

    @cached_property
    def sites(self) -> Mapping[str, Site]:
        """Site id → site."""
        return indexed(self.document.sites, lambda each: each.id)

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """Item id → item."""
        return indexed(self.document.items, lambda each: each.id)

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """Calendar id → calendar."""
        return indexed(self.document.calendars, lambda each: each.id)

    @cached_property
    def stock_nodes(self) -> Mapping[StockNodeKey, StockNode]:
        """(item id, site id) → declared stock node."""
        return indexed(self.document.stock_nodes, lambda each: each.key)

    @cached_property
    def lanes(self) -> Mapping[str, Lane]:
        """Lane id → lane."""
        return indexed(self.document.lanes, lambda each: each.id)

    @cached_property
    def feeds(self) -> Mapping[str, Feed]:
        """Feed id, which is the `source` of its facts → feed."""
        return indexed(self.document.feeds, lambda each: each.id)

    @cached_property
    def accounts(self) -> Mapping[str, Account]:
        """Account id → account, its `account_manager` inherited from above where it has none."""
        return indexed(inherited(self.document.accounts), lambda each: each.id)

    def party(self, party: str | None) -> Party | None:
        """The party of that id."""
        return self.parties.get(party) if party else None

    def site(self, site: str | None) -> Site | None:
        """The site of that id."""
        return self.sites.get(site) if site else None

    def item(self, item: str | None) -> Item | None:
        """The item of that id."""
        return self.items.get(item) if item else None

    def lane(self, lane: str | None) -> Lane | None:
        """The lane of that id."""
        return self.lanes.get(lane) if lane else None

    def account(self, account: str | None) -> Account | None:
        """The account of that id, its account manager inherited."""
        return self.accounts.get(account) if account else None

    def feed(self, source: str | None) -> Feed | None:
        """The feed whose facts carry that `source`."""
        return self.feeds.get(source) if source else None

    def calendar_of(self, site: Site) -> Calendar | None:
        """The receiving calendar of a site; None means that every day is a receiving day."""
        return self.calendars.get(site.calendar)

    # What can affect each other.

    def cell_of(self, item: str | None, site: str | None) -> str | None:
        """The id of the cell of an item at a site; None for what the supply graph does not hold."""
        return self._cell_of.get((item, site))  # type: ignore[arg-type]

    # When things are due.

    def due_at(self, site: str | None, on: Day) -> UtcMillis:
        """The last moment on time for a date promised at the site (see `calendars.due_at`).

        For a site that the network does not know: the last millisecond of that day in UTC.
        """
        key = (site or "", on)
        known = self._due_at.get(key)
        if known is not None:
            return known
        place = self.site(site)
        if place is None:
            return self._due_at.learn(key, calendars.due_at_default(on))
        return self._due_at.learn(key, calendars.due_at(place, self.calendar_of(place), on))

    def local_day(self, site: str | None, at: UtcMillis) -> Day:
        """The calendar date at the site at that moment; in UTC for an unknown site."""
        place = self.site(site)
        return at // (24 * HOUR_MS) if place is None else calendars.local_day(place, at)

    def add_working_time(self, site: str | None, start: UtcMillis, duration_ms: int) -> UtcMillis:
        """`start` plus the duration counted in the site's receiving hours; an unknown site is
        always open."""
        place = self.site(site)
        if place is None:
            return start + max(duration_ms, 0)
        return calendars.add_working_time(place, self.calendar_of(place), start, duration_ms)

    def latest_departure(
        self, lane: Lane, due: UtcMillis, quantile: Quantile = Quantile.P80
    ) -> UtcMillis | None:
        """The last departure that still arrives by `due` (see `calendars.latest_departure`).

        None when the lane's origin is unknown, which a checked network does not have.
        """
        key = (lane.id, due, quantile)
        if key in self._departures:
            return self._departures[key]
        origin = self.sites.get(lane.origin)
        if origin is None:
            return self._departures.learn(key, None)
        departs = self.calendars.get(lane.calendar)
        return self._departures.learn(
            key, calendars.latest_departure(lane, origin, departs, due, quantile)
        )

    def next_departure(self, lane: Lane, ready: UtcMillis) -> UtcMillis | None:
        """The first departure of the lane at or after `ready`; None for an unknown origin."""
        key = (lane.id, ready)
        if key in self._next_departures:
            return self._next_departures[key]
        origin, departs = self.sites.get(lane.origin), self.calendars.get(lane.calendar)
        leaves_at = None
        if origin is not None:
            leaves_at = calendars.next_departure(lane, origin, departs, ready)
        return self._next_departures.learn(key, leaves_at)

    def blind_at(self, feed: Feed, last_heard: UtcMillis) -> UtcMillis | None:
        """When the feed turns blind if nothing more is heard; None if it declares no rhythm."""
        return calendars.blind_at(feed, self.calendars.get(feed.calendar), last_heard)

    # Who and what belongs to what.

    def lanes_between(self, origin: str | None, destination: str | None) -> tuple[Lane, ...]:
        """The lanes from one site to another, by id."""
        return self._lanes_by_ends.get((origin, destination), ())  # type: ignore[arg-type]

    def lane_between(
        self,
        origin: str | None,
        destination: str | None,
        item: str | None = None,
        carrier: str | None = None,
        mode: Mode | str | None = None,
    ) -> Lane | None:
        """The lane that goods would take between two sites (see `choices.choose_lane`)."""
        key = (origin or "", destination or "", item, carrier, mode)
        if key in self._lanes_chosen:
            return self._lanes_chosen[key]
        lanes = self.lanes_between(origin, destination)
        return self._lanes_chosen.learn(key, choose_lane(lanes, item, carrier, mode))

    def feeds_for(
        self, family: Family, party: str | None = None, site: str | None = None
    ) -> tuple[Feed, ...]:
        """The feeds that tell this family of facts for a party, a site, or a party at a site (see
        `choices.tells`), by id."""
        key = (family, party or "", site or "")
        known = self._feeds_chosen.get(key)
        if known is not None:
            return known
        place = self.site(site)
        runs_it = place.party if place else ""
        feeds = self.document.feeds
        return self._feeds_chosen.learn(
            key, tuple(feed for feed in feeds if tells(feed, *key, runs_it))
        )

    def accounts_of(self, party: str | None, site: str | None = None) -> tuple[Account, ...]:
        """The accounts that a party or site belongs to, nearest first.

        Accounts that list the site, each followed by its parents; then those that list the party.
        Account managers are inherited. Empty for what belongs to no account.
        """
        key = (party or "", site or "")
        known = self._accounts_chosen.get(key)
        if known is not None:
            return known
        nearest = [
            *self._accounts_by_site.get(site or "", ()),
            *self._accounts_by_party.get(party or "", ()),
        ]
        found: dict[str, Account] = {}
        for account in nearest:
            for each in line_of(self.accounts, account):
                found.setdefault(each.id, each)
        return self._accounts_chosen.learn(key, tuple(found.values()))

    def customer_of(self, party: str | None, site: str | None) -> Account | None:
        """The customer that buys as that party at that site: its nearest account, or the outermost
        one above that names the site or party too. Others above only group customers."""
        by_site, by_party = self._accounts_by_site, self._accounts_by_party
        naming = [*by_site.get(site or "", ()), *by_party.get(party or "", ())]
        above = line_of(self.accounts, naming[0])[::-1] if naming else ()
        return next((account for account in above if account.id in naming), None)

    def account_manager(self, account: str | None) -> str | None:
        """The recipient who looks after the account, its own or inherited; None without one."""
        found = self.account(account)
        return (found.account_manager or None) if found else None

    def accounts_touched(self, nodes: Iterable[StockNodeKey]) -> tuple[Account, ...]:
        """The accounts whose sites or parties own one of the stock nodes, with their parents."""
        found: dict[str, Account] = {}
        for name in sorted({site for _, site in nodes}):
            place = self.site(name)
            for account in self.accounts_of(place.party if place else None, name):
                found.setdefault(account.id, account)
        return tuple(found[each] for each in sorted(found))

    @cached_property
    def _lanes_by_ends(self) -> dict[tuple[str, str], tuple[Lane, ...]]:
        return grouped(((lane.origin, lane.destination), lane) for lane in self.document.lanes)

    @cached_property
    def _accounts_by_site(self) -> dict[str, tuple[str, ...]]:
        return grouped(
            (site, account.id) for account in self.document.accounts for site in account.sites
        )

    @cached_property
    def _accounts_by_party(self) -> dict[str, tuple[str, ...]]:
        return grouped(
            (party, account.id) for account in self.document.accounts for party in account.parties
        )


def build(document: Document) -> Network:
    """The network of a document, with its cells. Does not check references; `load` does."""
    canonical = ordered(document)
    supply = supply_graph(canonical)
    cells = cells_of(supply, canonical)
    return Network(
        document=canonical,
        version=_version(msgspec.json.encode(canonical)),
        cells=MappingProxyType(cells),
        graph=supply,
        _cell_of={node: cell for cell, nodes in cells.items() for node in nodes},
    )


def _version(data: bytes) -> str:
    return sha256(data).hexdigest()[:VERSION_LENGTH]


def encode(network: Network) -> bytes:
    """The network as JSON; the same network gives the same bytes."""
    return msgspec.json.encode(network.document)


def decode(data: bytes) -> Network:
    """The network in the bytes of `encode`, of this or an earlier release.

    Raises NetworkFormatError for bytes that are no network, of a later format, or with fields of a
    later release: without what they say the answers would be wrong.
    """
    try:
        if _head_decoder.decode(data).format > FORMAT:
            raise NetworkFormatError(
                f"the network is written in a later format than {FORMAT}, "
                "which is the latest that this release reads: upgrade it first"
            )
        network = build(_document_decoder.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NetworkFormatError(f"these bytes are no network: {error}") from error
    if network.version != _version(data):
        raise NetworkFormatError(
            "the network says things that this release does not know: upgrade it first"
        )
    return network


class _Head(msgspec.Struct):
    format: int = 1


_head_decoder = msgspec.json.Decoder(_Head)
_document_decoder = msgspec.json.Decoder(Document)


EMPTY: Final = build(Document())
"""The network that knows nothing: every answer is the one for the unknown."""
