"""Sources that are partners: what comes in by a party's door is told by `partner:PARTY`.

The name says that the facts are checked: of a line that is not the party's own, or of stock at a
site that is not, nothing is believed. A fact carries its source wherever it goes, so that nobody
has to look anything up to know that it must be checked, and none escapes it.
"""

from __future__ import annotations

PARTNER_MARK = "partner:"
PARTNER_BYTES = PARTNER_MARK.encode()
"""A packed fact without these is no partner's."""


def partner_source(party: str) -> str:
    """The source of what the party says through its door."""
    return PARTNER_MARK + party


def partner_of(source: str) -> str | None:
    """The party whose door it came by; None for a source of our own, which is believed."""
    return source[len(PARTNER_MARK) :] if source.startswith(PARTNER_MARK) else None
