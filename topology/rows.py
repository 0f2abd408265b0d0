"""The fields of each network file: what they hold, what they refer to, what they become.

One pydantic model per file. A row that passes is right in itself; whether it fits the others is
looked at in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict

from schemas.units import HOUR_MS
from topology import model
from topology.fields import (
    Amount,
    ClosingTime,
    Country,
    Currency,
    Dates,
    Days,
    Families,
    Flag,
    Hours,
    HoursGiven,
    Id,
    Ids,
    ItemId,
    ItemIds,
    Latitude,
    Longitude,
    MinorUnits,
    ModeName,
    OpeningTime,
    PartyKindName,
    Reference,
    SiteKindName,
    Text,
    TimeGiven,
    UnitSizes,
    Weekdays,
    ZoneName,
)

Fault: TypeAlias = tuple[str, str, str]
"""Field, what was found, what was expected."""

PartyRef = Annotated[Id, Reference("parties")]
SiteRef = Annotated[Id, Reference("sites")]
ItemRef = Annotated[ItemId, Reference("items")]
CalendarRef = Annotated[Id, Reference("calendars")]
AccountRef = Annotated[Id, Reference("accounts")]
PartyRefs = Annotated[Ids, Reference("parties")]
SiteRefs = Annotated[Ids, Reference("sites")]
ItemRefs = Annotated[ItemIds, Reference("items")]


class Row(BaseModel):
    """A row of a network file that is right in itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def faults(self) -> Iterator[Fault]:
        """What does not go together in the row."""
        yield from ()

    def entity(self) -> model.Entity:
        """What the row describes; its fields have the same names and order unless said."""
        raise NotImplementedError


class CalendarRow(Row):
    """Days on which something works."""

    id: Id
    name: Text = ""
    working_weekdays: Weekdays = (0, 1, 2, 3, 4)
    """Weekdays that are worked; without it Monday to Friday."""
    holidays: Dates = ()
    """Dates that are not worked."""

    def entity(self) -> model.Calendar:
        return model.Calendar(**dict(self))


class PartyRow(Row):
    """A company in the chain."""

    id: Id
    """Facts name the party by it, and it owns numbers: `ID/4711`."""
    name: Text = ""
    kind: PartyKindName
    subscribed: Flag = False
    """True gives it a topic of its own, see [partners](partners.md); without it false."""

    def entity(self) -> model.Party:
        return model.Party(**dict(self))


class SiteRow(Row):
    """A place of a party."""

    id: Id
    party: PartyRef
    """Who runs it."""
    name: Text = ""
    kind: SiteKindName
    zone: ZoneName
    """Its local time, in which dates fall due."""
    calendar: CalendarRef = ""
    """Days on which it receives; without it every day."""
    receiving_opens: OpeningTime = 0
    """Start of receiving; without it 00:00."""
    receiving_closes: ClosingTime = model.DAY_MINUTES
    """End of receiving, when a promised date falls due; without it 24:00."""
    country: Country = ""
    region: Text = ""
    """A name of yours, for policies."""
    latitude: Latitude = None
    longitude: Longitude = None
    cell_boundary: Flag = False
    """True cuts the supply graph at all lanes that touch the site."""

    def faults(self) -> Iterator[Fault]:
        if self.receiving_opens >= self.receiving_closes:
            yield (
                "receiving_closes",
                _clock(self.receiving_closes),
                f"a time after receiving_opens ({_clock(self.receiving_opens)})",
            )
        if (self.latitude is None) != (self.longitude is None):
            missing = "latitude" if self.latitude is None else "longitude"
            yield missing, "nothing", "both coordinates or none"

    def entity(self) -> model.Site:
        values = dict(self)
        return model.Site(
            receiving_opens_minutes=values.pop("receiving_opens"),
            receiving_closes_minutes=values.pop("receiving_closes"),
            **values,
        )


class ItemRow(Row):
    """What is ordered and stocked."""

    id: ItemId
    name: Text = ""
    base_unit: Text
    """The unit that its stock and bills of material are counted in."""
    value_minor: MinorUnits = None
    """Value of one base unit, in minor units of the currency."""
    currency: Currency = ""
    units: UnitSizes = ()
    """Other units that facts tell of it in, and how much of the base unit one of each is."""

    def faults(self) -> Iterator[Fault]:
        if any(unit == self.base_unit for unit, _ in self.units):
            yield "units", repr(self.base_unit), "other units than the base unit"
        if self.value_minor is not None and not self.currency:
            yield "currency", "nothing", "the currency of value_minor"
        if self.currency and self.value_minor is None:
            yield "value_minor", "nothing", "the value that the currency belongs to"

    def entity(self) -> model.Item:
        return model.Item(**dict(self))


class StockNodeRow(Row):
    """One item that is stocked at one site."""

    item: ItemRef
    site: SiteRef
    safety_stock: Amount = 0
    """In the item's base unit; without it 0."""
    horizon_days: Days = 0
    """How many days ahead its balance is projected; without it, or with 0, as the policy says."""

    def entity(self) -> model.StockNode:
        return model.StockNode(**dict(self))


class LaneRow(Row):
    """A way from site to site."""

    id: Id
    origin: SiteRef
    destination: SiteRef
    mode: ModeName
    carrier: PartyRef = ""
    items: ItemRefs = ()
    """What it carries; without it, what is stocked at both ends (or at the only end with stock)."""
    lead_time_p50_hours: Hours
    """Door to door; half of the shipments take no longer."""
    lead_time_p80_hours: Hours
    """80 of 100 shipments take no longer."""
    lead_time_p95_hours: Hours
    """95 of 100 shipments take no longer."""
    cut_off: TimeGiven = None
    """Local time at the origin by which goods leave that day; without it at any time."""
    calendar: CalendarRef = ""
    """Days on which it departs; without it every day."""
    cell_boundary: Flag = False
    """True cuts the supply graph here: its two ends are judged apart."""

    def faults(self) -> Iterator[Fault]:
        if self.origin == self.destination:
            yield "destination", repr(self.destination), "another site than the origin"
        if self.lead_time_p80_hours < self.lead_time_p50_hours:
            yield _descending("lead_time_p80_hours", self.lead_time_p80_hours, "p50")
        if self.lead_time_p95_hours < self.lead_time_p80_hours:
            yield _descending("lead_time_p95_hours", self.lead_time_p95_hours, "p80")

    def entity(self) -> model.Lane:
        values = dict(self)
        return model.Lane(
            lead_time_p50_ms=values.pop("lead_time_p50_hours"),
            lead_time_p80_ms=values.pop("lead_time_p80_hours"),
            lead_time_p95_ms=values.pop("lead_time_p95_hours"),
            cut_off_minutes=values.pop("cut_off"),
            **values,
        )


class BillOfMaterialRow(Row):
    """One component of an item."""

    parent: ItemRef
    """What is made."""
    component: ItemRef
    """What goes into it."""
    quantity_per: Amount
    """Base units of the component in one base unit of the parent."""
    site: SiteRef = ""
    """Where it is made; without it at every site that has both items."""

    def faults(self) -> Iterator[Fault]:
        if not self.quantity_per:
            yield "quantity_per", "0", "more than 0"

    def entity(self) -> model.BillOfMaterial:
        return model.BillOfMaterial(**dict(self))


class AccountRow(Row):
    """A customer as sales sees it."""

    id: Id
    name: Text = ""
    parent: AccountRef = ""
    """The account above it."""
    account_manager: Id = ""
    """The recipient who looks after it; without it the parent's."""
    sites: SiteRefs = ()
    parties: PartyRefs = ()

    def entity(self) -> model.Account:
        return model.Account(**dict(self))


class FeedRow(Row):
    """What a source of facts tells and how often. Give every_hours, or daily_at and zone."""

    id: Id
    """The `source` of its facts."""
    party: PartyRef
    """For whom it tells."""
    families: Families
    """Which facts it tells."""
    sites: SiteRefs = ()
    """The only sites that it tells of; without it all of its party."""
    every_hours: HoursGiven = None
    """It tells something at least this often."""
    daily_at: TimeGiven = None
    """Local time from which its one run a day may come."""
    zone: ZoneName = ""
    """Of daily_at."""
    calendar: CalendarRef = ""
    """Days on which the run comes; without it every day."""
    grace_hours: Hours = 0
    """How much later than that it may be before it is blind; without it 0."""
    heartbeats: Flag = False
    """True if it says how far it is complete, also when nothing happened."""

    def faults(self) -> Iterator[Fault]:
        if not self.families:
            yield "families", "an empty list", "at least one family of facts"
        if self.every_hours == 0:
            yield "every_hours", "0", "more than 0"
        if self.every_hours is not None and self.daily_at is not None:
            yield "daily_at", _clock(self.daily_at), "nothing beside every_hours"
        if self.daily_at is not None and not self.zone:
            yield "zone", "nothing", "the time zone of daily_at"
        for field in ("zone", "calendar"):
            if self.daily_at is None and getattr(self, field):
                yield field, repr(getattr(self, field)), "nothing without daily_at"

    def entity(self) -> model.Feed:
        values = dict(self)
        return model.Feed(
            every_ms=values.pop("every_hours"),
            daily_at_minutes=values.pop("daily_at"),
            grace_ms=values.pop("grace_hours"),
            **values,
        )


@dataclass(frozen=True)
class Table:
    """A network file: its name without ending, its rows, and the fields that tell rows apart."""

    name: str
    row: type[Row]
    key: tuple[str, ...]


TABLES: tuple[Table, ...] = (
    Table("calendars", CalendarRow, ("id",)),
    Table("parties", PartyRow, ("id",)),
    Table("sites", SiteRow, ("id",)),
    Table("items", ItemRow, ("id",)),
    Table("stock_nodes", StockNodeRow, ("item", "site")),
    Table("lanes", LaneRow, ("id",)),
    Table("bills_of_material", BillOfMaterialRow, ("parent", "component", "site")),
    Table("accounts", AccountRow, ("id",)),
    Table("feeds", FeedRow, ("id",)),
)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _descending(field: str, hours_ms: int, below: str) -> Fault:
    hours = f"{hours_ms / HOUR_MS:g} hours"
    return field, hours, f"at least lead_time_{below}_hours"
