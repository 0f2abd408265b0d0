"""The simulated chain: its network (files beside this module), who orders what, and the ports.

Suppliers in Asia and Europe feed a plant in Europe, which feeds distribution centres on three
continents, which serve customers there; each with its own calendar and receiving hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

from schemas.facts import Family
from schemas.partner_sources import partner_of, partner_source
from schemas.units import HOUR_MS
from topology.load import load
from topology.model import Mode
from topology.network import Network

NETWORK_FILES = files("streams.simulator").joinpath("network")


@dataclass(frozen=True)
class Flow:
    """What one buyer orders from one supplier over one lane; `weight` is how often, relatively."""

    lane: str
    buyer: str
    supplier: str
    items: tuple[str, ...]
    weight: int
    quantity_min: int
    quantity_max: int
    value_minor: int
    """Value of one piece."""
    currency: str
    supplier_feed: str
    buyer_feed: str
    carrier_feed: str
    bank_feed: str
    net_days: int
    """The terms: an invoice falls due so many days after its own."""

    @property
    def is_answered(self) -> bool:
        """The supplier has no system of its own: what it says comes in by the door."""
        return partner_of(self.supplier_feed) is not None

    @property
    def names_own_numbers(self) -> bool:
        """The supplier invoices and announces by its own numbers, not by the buyer's."""
        return self.supplier_feed != "maker-erp" and not self.is_answered


@dataclass(frozen=True)
class Stop:
    """A port on the way: reached after this share of the time on the way, left after the dwell."""

    site: str
    share_percent: int
    dwell_ms: int


STOPS: dict[str, tuple[Stop, ...]] = {
    "shenzhen-brno-sea": (Stop("YANTIAN", 6, 12 * HOUR_MS), Stop("ROTTERDAM", 85, 12 * HOUR_MS)),
    "pune-brno-sea": (Stop("NHAVA-SHEVA", 6, 12 * HOUR_MS), Stop("ROTTERDAM", 85, 12 * HOUR_MS)),
    "brno-memphis-sea": (Stop("ROTTERDAM", 15, 16 * HOUR_MS), Stop("SAVANNAH", 85, 12 * HOUR_MS)),
}
"""Lane → its ports in order; a lane without any goes from door to door.

The lanes from a port onwards in the network take what is left of the way and a little less, so that
a shipment that keeps its lead time is never expected late because of where it is.
"""

BANK_FEED = "maker-bank"
"""The maker buys or sells in every order, so his bank tells of every payment."""

PORTS = ("YANTIAN", "NHAVA-SHEVA", "ROTTERDAM", "SAVANNAH")

_PUMPS = ("PUMP-S", "PUMP-L")
_OUT_OF_VENLO = (*_PUMPS, "SEAL-KIT")
# lane, items, weight, least and most pieces, value of a piece, currency
_FLOWS: tuple[tuple[str, tuple[str, ...], int, int, int, int, str], ...] = (
    ("shenzhen-brno-sea", ("CONTROLLER",), 6, 200, 2_000, 8_450, "EUR"),
    ("shenzhen-brno-air", ("CONTROLLER",), 2, 50, 300, 8_450, "EUR"),
    ("pune-brno-sea", ("MOTOR",), 6, 100, 1_500, 17_900, "EUR"),
    ("gdansk-brno", ("HOUSING",), 8, 100, 1_000, 6_100, "EUR"),
    ("gdansk-venlo", ("SEAL-KIT",), 4, 100, 1_000, 1_350, "EUR"),
    ("brno-venlo", _PUMPS, 8, 20, 200, 48_900, "EUR"),
    ("brno-memphis-sea", _PUMPS, 4, 50, 400, 48_900, "EUR"),
    ("brno-memphis-air", _PUMPS, 2, 10, 60, 48_900, "EUR"),
    ("brno-singapore-air", _PUMPS, 4, 10, 80, 48_900, "EUR"),
    ("venlo-stockholm", _OUT_OF_VENLO, 12, 1, 40, 62_000, "EUR"),
    ("venlo-lyon", _OUT_OF_VENLO, 12, 1, 40, 62_000, "EUR"),
    ("memphis-denver", _PUMPS, 10, 1, 40, 71_500, "USD"),
    ("memphis-phoenix", _PUMPS, 10, 1, 40, 71_500, "USD"),
    ("singapore-kuala-lumpur", _PUMPS, 6, 1, 30, 84_000, "SGD"),
    ("singapore-sydney", _PUMPS, 6, 1, 30, 84_000, "SGD"),
)


_ANSWERED_FLOWS = (
    ("graz-brno", ("GASKET",), 3, 100, 1_000, 240, "EUR"),
    ("ostrava-brno", ("CRATE",), 2, 20, 200, 3_600, "EUR"),
)
"""Of suppliers that answer by the door, for they have no system of their own."""


def load_network() -> Network:
    """The network of the simulated chain, read and checked by the loader that everybody uses."""
    with as_file(NETWORK_FILES) as folder:
        return load(folder)


def flows(network: Network) -> tuple[Flow, ...]:
    """The flows between those who have systems, with the feeds of those who take part."""
    return _flows(network, _FLOWS)


def answered_flows(network: Network) -> tuple[Flow, ...]:
    """The flows of suppliers that answer by the door."""
    return _flows(network, _ANSWERED_FLOWS)


def _flows(
    network: Network, told: tuple[tuple[str, tuple[str, ...], int, int, int, int, str], ...]
) -> tuple[Flow, ...]:
    feed_of = {
        feed.party: feed.id
        for feed in network.document.feeds
        if not {Family.ORDERS, Family.SHIPMENTS}.isdisjoint(feed.families)
    }
    found = []
    for lane_id, items, weight, least, most, value_minor, currency in told:
        lane = network.lanes[lane_id]
        supplier = network.sites[lane.origin].party
        buyer = network.sites[lane.destination].party
        found.append(
            Flow(
                lane_id,
                buyer,
                supplier,
                items,
                weight,
                least,
                most,
                value_minor,
                currency,
                feed_of.get(supplier) or partner_source(supplier),
                feed_of[buyer],
                feed_of[lane.carrier],
                BANK_FEED,
                14 if lane.mode is Mode.SEA else 10,
            )
        )
    return tuple(found)
