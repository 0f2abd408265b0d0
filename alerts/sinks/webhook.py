"""Webhooks, signed as Standard Webhooks says (https://www.standardwebhooks.com), version 1.

The body is the notification as JSON; `webhook-id` is its id, the same for each attempt, by which a
receiver drops what it has; `webhook-timestamp` is the time of the attempt, which receivers check to
refuse old requests; `webhook-signature` covers all three.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import aiohttp
from standardwebhooks import Webhook

from alerts.sinks.sink import Permanent, Recoverable
from schemas.limits import RETRY_AFTER_SECONDS_MAX, WEBHOOK_SECRET_BYTES_MAX
from schemas.records import Notification, encode

TIMEOUT_S = 10.0
"""How long one attempt may take, from the first byte sent to the status received."""

SECRET_BYTES_MIN = 24
"""A secret has 24 to 64 bytes, by the specification of Standard Webhooks."""

_WORTH_RETRYING = frozenset({408, 425, 429})
_USER_AGENT = MappingProxyType({"user-agent": "slipwatch"})


class SecretRefused(ValueError):
    """The secret is not one of Standard Webhooks. The text does not hold it."""


class Secret:
    """A signing secret, `whsec_` and base64 of 24 to 64 bytes, that shows itself to nobody."""

    def __init__(self, text: str) -> None:
        encoded = text.strip().removeprefix("whsec_")
        try:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError as error:
            raise SecretRefused(
                "found a webhook secret that is not base64, expected whsec_ and base64"
            ) from error
        if not SECRET_BYTES_MIN <= len(raw) <= WEBHOOK_SECRET_BYTES_MAX:
            raise SecretRefused(
                f"found a webhook secret of {len(raw)} bytes, "
                f"expected {SECRET_BYTES_MIN} to {WEBHOOK_SECRET_BYTES_MAX}"
            )
        self._raw = raw

    @staticmethod
    def of_file(path: Path) -> Secret:
        """The secret in the file, which holds nothing else."""
        return Secret(path.read_text(encoding="utf-8"))

    def signed(self, message_id: str, at: datetime, body: str) -> str:
        """The value of `webhook-signature`."""
        return Webhook(self._raw).sign(message_id, at, body)

    def __repr__(self) -> str:
        return "Secret(***)"


class WebhookSink:
    """POSTs notifications to one address. `now` is the shell's clock.

    The address may hold a token, so that neither errors nor `repr` show more than its host.
    """

    def __init__(
        self, url: str, secret: Secret, now: Callable[[], datetime], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._url = url
        self._secret = secret
        self._now = now
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"WebhookSink({self._host})"

    @property
    def _host(self) -> str:
        return self._url.partition("://")[2].partition("/")[0].rpartition("@")[2]

    async def deliver(self, notification: Notification) -> None:
        """Returns on any 2xx. Redirects are refused: they would carry the notification to an
        address that nobody configured. The answer's body is neither read nor logged."""
        body = encode(notification)
        at = self._now()
        headers = {
            "content-type": "application/json",
            "webhook-id": notification.notification_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._secret.signed(
                notification.notification_id, at, body.decode()
            ),
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers=_USER_AGENT)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                status, retry_after = answer.status, answer.headers.get("retry-after")
        except aiohttp.InvalidURL as error:
            raise Permanent("the address of the webhook is no URL") from error
        except TimeoutError as error:
            raise Recoverable(f"{self._host} did not answer in {self._timeout.total} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Recoverable(f"{self._host}: {type(error).__name__}") from error
        judge(self._host, status, retry_after)

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            await self._session.close()
            # aiohttp closes the transports of TLS connections one turn of the loop later.
            await asyncio.sleep(0)
            self._session = None


def judge(host: str, status: int, retry_after: str | None) -> None:
    """Returns for a 2xx; raises Recoverable or Permanent for every other answer."""
    if 200 <= status < 300:
        return
    answered = f"{host} answered {status}"
    if status >= 500 or status in _WORTH_RETRYING:
        raise Recoverable(answered, _pause_s(retry_after))
    raise Permanent(answered)


def _pause_s(retry_after: str | None) -> float | None:
    """The seconds that `Retry-After` asks for; a date there is not looked at."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
        return None
    return min(float(retry_after), float(RETRY_AFTER_SECONDS_MAX))
