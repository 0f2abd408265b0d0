"""The things a network is made of: frozen structs that are also its published form.

Fields are only ever added, with a default that never changes: so a network written by one release
reads, and keeps its version, in the next. Ids are text without `@`, `#` and `/` (an item's id may
hold `#` and `/`). An empty text means "not given". Minutes of a day count from local midnight;
1440 is the end of the day.
"""

from __future__ import annotations

import enum
from typing import TypeAlias

import msgspec

from schemas.facts import Family
from schemas.units import QUANTITY_MAX, QUANTITY_ONE, Day, Quantity

FORMAT = 1
"""Version of the published form. A reader takes any up to its own and refuses a later one."""

DAY_MINUTES = 1440
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)

StockNodeKey: TypeAlias = tuple[str, str]
"""(item id, site id)."""


class PartyKind(enum.StrEnum):
    """What a party does in the chain."""

    SUPPLIER = "supplier"
    MANUFACTURER = "manufacturer"
    DISTRIBUTOR = "distributor"
    CARRIER = "carrier"
    CUSTOMER = "customer"


class SiteKind(enum.StrEnum):
    """What a site is."""

    PLANT = "plant"
    WAREHOUSE = "warehouse"
    PORT = "port"
    HUB = "hub"
    STORE = "store"
    OFFICE = "office"


class Mode(enum.StrEnum):
    """How a lane carries."""

    ROAD = "road"
    RAIL = "rail"
    SEA = "sea"
    AIR = "air"
    BARGE = "barge"
    PARCEL = "parcel"
    MULTIMODAL = "multimodal"


class Quantile(enum.StrEnum):
    """How sure a lead time is: within `p80`, 80 of 100 shipments have arrived."""

    P50 = "p50"
    P80 = "p80"
    P95 = "p95"


class Entity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all entities; `omit_defaults` keeps the version when a release adds a field."""


class Calendar(Entity, frozen=True, kw_only=True):
    """Days on which something works. Weekdays: 0 is Monday. Both lists ascend, without repeats."""

    id: str
    name: str = ""
    working_weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: tuple[Day, ...] = ()


class Party(Entity, frozen=True, kw_only=True):
    """A company in the chain. One that is `subscribed` has a topic of its own: how the lines stand
    that it takes part in, as far as it may see them."""

    id: str
    name: str = ""
    kind: PartyKind
    subscribed: bool = False


class Site(Entity, frozen=True, kw_only=True):
    """A place of a party. Without a calendar every day is a receiving day.

    `cell_boundary`: no lane that touches the site joins the cells at its two ends.
    """

    id: str
    party: str
    name: str = ""
    kind: SiteKind
    zone: str
    calendar: str = ""
    receiving_opens_minutes: int = 0
    receiving_closes_minutes: int = DAY_MINUTES
    country: str = ""
    region: str = ""
    latitude: float | None = None
    longitude: float | None = None
    cell_boundary: bool = False


class Item(Entity, frozen=True, kw_only=True):
    """What is ordered and stocked. `value_minor` is the value of one `base_unit`; `units` are the
    others it is told in, ascending, each with how much of the base unit one of it is."""

    id: str
    name: str = ""
    base_unit: str
    value_minor: int | None = None
    currency: str = ""
    units: tuple[tuple[str, Quantity], ...] = ()

    def in_base_unit(self, quantity: Quantity, unit: str | None) -> Quantity | None:
        """The quantity in the base unit, exactly; None for a unit that it does not have, and where
        the result has more decimals or digits than a quantity holds. Nothing is rounded."""
        if unit == self.base_unit:
            return quantity
        for name, size in self.units:
            if name == unit:
                scaled, rest = divmod(quantity * size, QUANTITY_ONE)
                return None if rest or abs(scaled) > QUANTITY_MAX else scaled
        return None

    def worth(self, quantity: Quantity, unit: str | None) -> tuple[int | None, str | None]:
        """What so much of it is worth, rounded down, and in which currency; (None, None) when
        nobody says, or in another unit."""
        if self.value_minor is None or self.base_unit != unit:
            return None, None
        return self.value_minor * quantity // QUANTITY_ONE, self.currency


class StockNode(Entity, frozen=True, kw_only=True):
    """One item at one site. `safety_stock` is in the item's base unit; `horizon_days` is how far
    its balance is projected, 0 as the policy says."""

    item: str
    site: str
    safety_stock: Quantity = 0
    horizon_days: int = 0

    @property
    def key(self) -> StockNodeKey:
        """(item id, site id)."""
        return self.item, self.site


class Lane(Entity, frozen=True, kw_only=True):
    """Site to site. Without `items` it carries what is stocked at both ends (see `graph`).

    Lead times are door to door, in milliseconds, ascending by quantile. A departure happens at the
    cut-off (minutes of the origin's local day) of a working day of `calendar`; without a cut-off at
    any moment of such a day; without a calendar on any day.
    `cell_boundary`: the lane does not join the cells at its two ends.
    """

    id: str
    origin: str
    destination: str
    mode: Mode
    carrier: str = ""
    items: tuple[str, ...] = ()
    lead_time_p50_ms: int
    lead_time_p80_ms: int
    lead_time_p95_ms: int
    cut_off_minutes: int | None = None
    calendar: str = ""
    cell_boundary: bool = False

    def lead_time_ms(self, quantile: Quantile) -> int:
        """The lead time that the quantile of shipments keeps, in milliseconds."""
        match quantile:
            case Quantile.P50:
                return self.lead_time_p50_ms
            case Quantile.P80:
                return self.lead_time_p80_ms
            case Quantile.P95:
                return self.lead_time_p95_ms


class BillOfMaterial(Entity, frozen=True, kw_only=True):
    """One component of an item: `quantity_per` base units of it go into one of the parent.

    It holds at `site`, or without one at every site that stocks both.
    """

    parent: str
    component: str
    quantity_per: Quantity
    site: str = ""


class Account(Entity, frozen=True, kw_only=True):
    """A customer as sales sees it: sites and parties under one roof, with its account manager.

    `account_manager` is the id of a recipient (a role); without one the parent's is used.
    """

    id: str
    name: str = ""
    parent: str = ""
    account_manager: str = ""
    sites: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()


class Feed(Entity, frozen=True, kw_only=True):
    """What a source of facts tells and how often. `id` is the `source` of its facts.

    Either `every_ms` (it tells something at least this often) or `daily_at_minutes` (a run a day
    at this local time of `zone`, on working days of `calendar`). `grace_ms` is how much later than
    that it may be before it is blind. `heartbeats`: it says how far it is complete, also when
    nothing happened. `sites` limits what it tells to these; none means all of its party.
    """

    id: str
    party: str
    families: tuple[Family, ...]
    sites: tuple[str, ...] = ()
    every_ms: int | None = None
    daily_at_minutes: int | None = None
    zone: str = ""
    calendar: str = ""
    grace_ms: int = 0
    heartbeats: bool = False


class Document(Entity, frozen=True, kw_only=True):
    """All of a network as it is published. Entities ascend by id (nodes, bills: by their ids)."""

    format: int = 1
    """Absent in the published form means 1; `build` writes the form it was given."""
    calendars: tuple[Calendar, ...] = ()
    parties: tuple[Party, ...] = ()
    sites: tuple[Site, ...] = ()
    items: tuple[Item, ...] = ()
    stock_nodes: tuple[StockNode, ...] = ()
    lanes: tuple[Lane, ...] = ()
    bills_of_material: tuple[BillOfMaterial, ...] = ()
    accounts: tuple[Account, ...] = ()
    feeds: tuple[Feed, ...] = ()


def ordered(document: Document) -> Document:
    """The same document with its entities in their canonical order."""
    return msgspec.structs.replace(
        document,
        calendars=tuple(sorted(document.calendars, key=lambda each: each.id)),
        parties=tuple(sorted(document.parties, key=lambda each: each.id)),
        sites=tuple(sorted(document.sites, key=lambda each: each.id)),
        items=tuple(sorted(document.items, key=lambda each: each.id)),
        stock_nodes=tuple(sorted(document.stock_nodes, key=lambda each: each.key)),
        lanes=tuple(sorted(document.lanes, key=lambda each: each.id)),
        bills_of_material=tuple(
            sorted(
                document.bills_of_material,
                key=lambda each: (each.parent, each.component, each.site),
            )
        ),
        accounts=tuple(sorted(document.accounts, key=lambda each: each.id)),
        feeds=tuple(sorted(document.feeds, key=lambda each: each.id)),
    )
