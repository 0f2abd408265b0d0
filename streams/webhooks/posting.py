"""One POST of a webhook, and what its answer means.

No address is connected to that `streams.webhooks.addresses` refuses; redirects are not followed,
no proxy and no cookie is used, and the body of the answer is not read. Nothing here shows more of
an address than its host: the rest may be a key.
"""

from __future__ import annotations

import asyncio
import enum
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from alerts.sinks.sink import Permanent, Recoverable
from alerts.sinks.webhook import Secret, judge
from schemas.units import UtcMillis, instant
from streams.webhooks.addresses import socket_opener

GONE = 410
BODY_BYTES_MAX = 1_024
"""A longer answer is not read at all."""
CLOSE_S = 0.05
_HEADERS = MappingProxyType(
    {"user-agent": "slipwatch", "content-type": "application/json", "accept-encoding": "identity"}
)


class Outcome(enum.StrEnum):
    """What became of an attempt: taken; not now; refused for good; or nobody there any more."""

    DELIVERED = "delivered"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


class Attempt(NamedTuple):
    """How an attempt ended. `says` is safe to show; `asked_s` is how long the receiver asks to be
    let be; `status` is None without an answer."""

    outcome: Outcome
    status: int | None
    says: str
    seconds: float
    asked_s: float | None = None


class Poster:
    """Sends messages. `now` is the wall clock: receivers compare the time of an attempt with
    theirs. Its methods belong to one event loop. Raises OSError or ssl.SSLError when the
    certificates cannot be read."""

    def __init__(
        self,
        now: Callable[[], UtcMillis],
        timeout_s: float,
        *,
        ca_file: Path | None,
        are_private_allowed: bool,
    ) -> None:
        self._now = now
        self._timeout_s = timeout_s
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._opener = socket_opener(are_private_allowed=are_private_allowed)
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, message_id: str, body: bytes, secrets: Sequence[Secret]
    ) -> Attempt:
        """Sends the body once, signed with each secret."""
        at = instant(self._now())
        signatures = [each.signed(message_id, at, body.decode()) for each in secrets]
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        began_s = time.monotonic()
        host = urlsplit(url).hostname or ""
        try:
            async with self._opened().post(
                url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                status, asked = answer.status, answer.headers.get("retry-after")
                await _read_short(answer)
        except TimeoutError:
            says = f"{host} did not answer in {self._timeout_s:g} s"
            return self._ended(began_s, Outcome.FAILED, None, says)
        except (aiohttp.ClientError, OSError, UnicodeError, ValueError) as error:
            return self._ended(began_s, Outcome.FAILED, None, _told(host, error))
        return self._judged(began_s, host, status, asked)

    def _judged(self, began_s: float, host: str, status: int, asked: str | None) -> Attempt:
        if status == GONE:
            return self._ended(began_s, Outcome.GONE, status, f"{host} answered {status}")
        try:
            judge(host, status, asked)
        except Recoverable as error:
            failed = self._ended(began_s, Outcome.FAILED, status, error.detail)
            return failed._replace(asked_s=error.retry_after_s)
        except Permanent as error:
            return self._ended(began_s, Outcome.REFUSED, status, error.detail)
        return self._ended(began_s, Outcome.DELIVERED, status, f"{host} answered {status}")

    @staticmethod
    def _ended(began_s: float, outcome: Outcome, status: int | None, says: str) -> Attempt:
        return Attempt(outcome, status, says, time.monotonic() - began_s)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No limit: a party has few at once, and a slow one must not take those of others.
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=self._tls, socket_factory=self._opener, use_dns_cache=False
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers=_HEADERS,
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Closes its connections."""
        if self._session is not None:
            # At once: nobody waits for a receiver to say goodbye.
            if self._session.connector is not None:
                await self._session.connector.close(abort_ssl=True)
            await self._session.close()
            # What was cut short in its handshake is closed by the loop, some turns later.
            await asyncio.sleep(CLOSE_S)
            self._session = None


async def _read_short(answer: aiohttp.ClientResponse) -> None:
    """Reads a body of few bytes, so that its connection can be used again; any other is left."""
    if (answer.content_length or BODY_BYTES_MAX + 1) <= BODY_BYTES_MAX:
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            await answer.content.read(BODY_BYTES_MAX)


def _told(host: str, error: Exception) -> str:
    """What to show of it: the address was refused, the certificate, or the kind of the fault."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, PermissionError):
            return f"{host}: {cause}"
        cause = cause.__cause__ or getattr(cause, "os_error", None)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"{host}: its certificate is not one to trust"
    return f"{host}: {type(error).__name__}"
