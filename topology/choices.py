"""Which lane goods take and which feeds tell of something, where several could."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.facts import Family
from topology.model import Feed, Lane, Mode


def choose_lane(
    lanes: Iterable[Lane],
    item: str | None = None,
    carrier: str | None = None,
    mode: Mode | str | None = None,
) -> Lane | None:
    """The lane, of those between two sites, that goods would take; None when none fits.

    What is given must fit: the item is carried, the mode is the lane's, the carrier is the lane's
    or the lane names none. Of several: one that names the carrier before one that names none, one
    that lists the item before one that lists none, then the fastest (p50), then the smallest id.
    """
    return min(
        (
            lane
            for lane in lanes
            if (not item or not lane.items or item in lane.items)
            and (not carrier or lane.carrier in ("", carrier))
            and (not mode or lane.mode == mode)
        ),
        key=lambda lane: (
            bool(carrier) and not lane.carrier,
            bool(item) and not lane.items,
            lane.lead_time_p50_ms,
            lane.id,
        ),
        default=None,
    )


def tells(feed: Feed, family: Family, party: str, site: str, site_party: str) -> bool:
    """Whether a feed tells this family for a party, a site, or a party at a site.

    A feed tells for its party, at all sites or only those it lists. Asked for a site alone, those
    that list it tell of it, and of the feeds of `site_party`, who runs it, those without a list.
    An empty text means "not asked for"; nothing asked, nothing told.
    """
    if family not in feed.families or not (party or site):
        return False
    if party and feed.party != party:
        return False
    if not site or site in feed.sites:
        return True
    return not feed.sites and feed.party == (party or site_party)
