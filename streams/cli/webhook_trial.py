"""A message that only tries whether a party's address takes it."""

from __future__ import annotations

import secrets

import msgspec

from streams.app.webhook_host import make_poster
from streams.cli.session import Session
from streams.engine.clock import WallClock
from streams.webhooks.keys import WebhookKey
from streams.webhooks.messages import body_of_test
from streams.webhooks.posting import Outcome
from streams.webhooks.registration import Registration


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How an address answered a message that only tried it."""

    party: str
    url: str
    delivered: bool
    status: int | None
    says: str
    seconds: float


async def try_out(session: Session, registration: Registration, key: WebhookKey) -> Tried:
    """Sends a message of the type webhook.test, signed as the workers sign now. Raises OSError when
    the certificates cannot be read."""
    now = WallClock().now()
    poster = make_poster(session.settings)
    message = f"msg_test_{secrets.token_hex(12)}"
    body = body_of_test(registration.party, now)
    try:
        attempt = await poster.post(registration.url, message, body, key.signing(registration, now))
    finally:
        await poster.close()
    return Tried(
        party=registration.party,
        url=registration.url,
        delivered=attempt.outcome is Outcome.DELIVERED,
        status=attempt.status,
        says=attempt.says,
        seconds=round(attempt.seconds, 3),
    )
