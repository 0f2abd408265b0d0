"""A mail server for tests: a real one, on a free port of this machine."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from alerts.sinks import MailServer

SENDER = "slipwatch@example.com"


@dataclass
class Postbox:
    """What a mail server does with what it is given."""

    rcpt_answer: str = "250 OK"
    data_answer: str = "250 taken"
    delay_s: float = 0.0
    taken: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str | None, list[str]]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the server's own names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(email.message_from_bytes(content, policy=default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return self.data_answer


@asynccontextmanager
async def serving(postbox: Postbox, **options: Any) -> AsyncIterator[MailServer]:
    loop = asyncio.get_running_loop()
    tls = options.pop("tls", None)
    made = lambda: SMTP(postbox, hostname="mail.test", loop=loop, **options)  # noqa: E731
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls)
    try:
        port = server.sockets[0].getsockname()[1]
        yield MailServer("127.0.0.1", port, SENDER, starttls=False)
    finally:
        server.close()
        await server.wait_closed()
