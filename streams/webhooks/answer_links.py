"""The link by which a party answers what a record asks of it, made anew for each message.

It is put into the message when that is sent, and lies nowhere: whoever reads Kafka has no link.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.facts import split_line_id
from schemas.limits import LINK_HOURS_MAX
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, millis
from streams.door.links import KeysRefused, Link, Purpose, answer_url, asked_quantity

GOOD_HOURS = 72
"""As long as a link that `slipwatch door link` makes, where nobody says otherwise."""


class AnswerLinks:
    """Makes links to the door that is reached at `base`, with the keys that `load_keys` reads: for
    each link anew, so that the next key counts from when it is there.

    `tell` hears why there are no keys, once for each reason; messages then hold no link.
    """

    def __init__(
        self, base: str, load_keys: Callable[[], Sequence[bytes]], tell: Callable[[str], None]
    ) -> None:
        self._base = base
        self._load_keys = load_keys
        self._tell = tell
        self._trouble = ""

    def url(
        self, party: str, line_id: str, record: Mapping[str, Any], now: UtcMillis
    ) -> str | None:
        """The link for a record as the party is sent it at `now`; None where it asks for nothing,
        or where there are no keys."""
        if "awaits" not in record:
            return None
        try:
            keys = self._load_keys()
        except (KeysRefused, OSError) as error:
            if str(error) != self._trouble:
                self._tell(str(error))
            self._trouble = str(error)
            return None
        self._trouble = ""
        order_ref, line = split_line_id(line_id)
        link = Link(
            party=party,
            order_ref=order_ref,
            line=line,
            purpose=Purpose.ANSWER,
            expires_at=_expires_at(record, now),
            item=record.get("item"),
            quantity=asked_quantity(record.get("ordered"), record.get("cancelled")),
            unit=record.get("unit"),
            is_order_shown="order" in record,
        )
        return answer_url(self._base, link, keys)


def _expires_at(record: Mapping[str, Any], now: UtcMillis) -> UtcMillis:
    """A day after the answer is wanted, and no sooner than a link that a person makes."""
    wanted_by = millis(dt.datetime.fromisoformat(record["awaits_by"]))
    good_until = max(now + GOOD_HOURS * HOUR_MS, wanted_by + DAY_MS)
    return min(good_until, now + LINK_HOURS_MAX * HOUR_MS)
