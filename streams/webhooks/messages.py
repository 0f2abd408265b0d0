"""What a webhook's body says: the public record of a line, or that the party has it no more."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.units import UtcMillis, iso
from streams.webhooks.answer_links import AnswerLinks
from streams.webhooks.lane import Owed

CHANGED = "order-status.changed"
REMOVED = "order-status.removed"
TEST = "webhook.test"


def body_of(
    party: str, owed: Owed, stood_at: UtcMillis, now: UtcMillis, links: AnswerLinks | None
) -> bytes:
    """The body of a message that is sent at `now`, of a line that stood so at `stood_at`.

    `data` is the record as on the party's topic, with its `id`, which is the topic's key, and
    where the record asks for something and there are links, `answer_url`.
    """
    data: dict[str, Any] = {"id": owed.line.decode()}
    if owed.value is not None:
        data |= msgspec.json.decode(owed.value)
        url = None if links is None else links.url(party, owed.line_id, data, now)
        if url is not None:
            data["answer_url"] = url
    return _body(REMOVED if owed.value is None else CHANGED, stood_at, data)


def body_of_test(party: str, now: UtcMillis) -> bytes:
    """The body of a message that only tries the way out."""
    return _body(TEST, now, {"party": party})


def _body(kind: str, at: UtcMillis, data: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": kind, "timestamp": iso(at), "data": data})
