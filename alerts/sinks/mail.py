"""E-mail over SMTP: each notification one message, as text and as HTML, to one address.

A message's id follows from the notification's, so that a mailbox that gets it twice can drop one;
all messages of one episode of an alert refer to one thread, a summary of many to none. Times of the
alert are shown in the reader's zone. One address, not several: a server that takes a message for
some of them only would leave no true answer to whether it was delivered.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import aiosmtplib

from alerts.sinks.sink import Permanent, Recoverable
from alerts.summary import SUMMARY
from schemas.records import Notification

TIMEOUT_S = 10.0
"""How long each step of talking to the server may take."""

SUBJECT_CHARACTERS_MAX = 150
"""A longer subject is cut; the whole title stands in the message."""

_PERMANENT_FROM = 500
"""SMTP replies from 500 on will be the same next time (RFC 5321, section 4.2.1)."""


@dataclass(frozen=True)
class MailServer:
    """The server that takes our mail. `tls` is from the first byte, `starttls` after a greeting;
    a server that does not offer it gets nothing. `password` is shown to nobody."""

    host: str
    port: int
    sender: str
    tls: bool = False
    starttls: bool = True
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    context: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def domain(self) -> str:
        """What stands behind the @ of the sender."""
        return self.sender.rpartition("@")[2]


class MailSink:
    """Mails notifications to one address. `now` is the shell's clock; `zone` is the reader's."""

    def __init__(
        self,
        server: MailServer,
        address: str,
        zone: ZoneInfo,
        now: Callable[[], dt.datetime],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._server = server
        self._address = address
        self._zone = zone
        self._now = now
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"MailSink({self._server.host})"

    async def deliver(self, notification: Notification) -> None:
        """Returns when the server has taken the message. A refused log-in may be mended by
        whoever runs this, so it is worth another attempt; a refused address or message is not."""
        server = self._server
        mail = message(notification, server, self._address, self._zone, self._now())
        try:
            await aiosmtplib.send(
                mail,
                sender=server.sender,
                recipients=[self._address],
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                use_tls=server.tls,
                start_tls=server.starttls,
                tls_context=server.context,
                timeout=self._timeout_s,
            )
        except aiosmtplib.SMTPAuthenticationError as error:
            raise Recoverable(f"{server.host} refused the log-in with {error.code}") from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise self._judged(min(each.code for each in error.recipients)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise self._judged(error.code) from error
        except (TimeoutError, aiosmtplib.SMTPTimeoutError) as error:
            raise Recoverable(f"{server.host} did not answer in {self._timeout_s:g} s") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Recoverable(f"{server.host}: {type(error).__name__}") from error

    def _judged(self, code: int) -> Permanent | Recoverable:
        answered = f"{self._server.host} answered {code}"
        return Permanent(answered) if code >= _PERMANENT_FROM else Recoverable(answered)

    async def close(self) -> None:
        """Nothing to let go of: a connection lives as long as one delivery."""


def message(
    notification: Notification,
    server: MailServer,
    address: str,
    zone: ZoneInfo,
    sent_at: dt.datetime,
) -> EmailMessage:
    """The notification as a message: what happened, what is at stake, what to do."""
    alert = notification.alert
    mail = EmailMessage()
    mail["From"] = server.sender
    mail["To"] = address
    mail["Subject"] = _subject(notification)
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = _message_id(notification.notification_id, server.domain)
    if notification.event != SUMMARY:
        mail["References"] = _message_id(f"{alert.alert_id}/{alert.episode}", server.domain)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content("\n".join(_text(notification, zone)))
    mail.add_alternative(_page(notification, zone), subtype="html")
    return mail


def _subject(notification: Notification) -> str:
    """The title on one line; an end of a story says so first."""
    said = " ".join(notification.title.split())
    if notification.event != "opened":
        said = f"{notification.event.replace('_', ' ').capitalize()}: {said}"
    if len(said) > SUBJECT_CHARACTERS_MAX:
        return said[: SUBJECT_CHARACTERS_MAX - 3] + "..."
    return said


def _message_id(name: str, domain: str) -> str:
    """A Message-ID that follows from the name (RFC 5322 asks for one that is unique for ever)."""
    return f"<{hashlib.sha256(name.encode()).hexdigest()[:40]}@{domain}>"


def _about(notification: Notification) -> str:
    """Which alert it is about: of a summary, which tells of many, the worst."""
    name = "Worst alert" if notification.event == SUMMARY else "Alert"
    return f"{name} {notification.alert.alert_id}"


def _figures(notification: Notification, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """How bad it is and when, as a label and what belongs to it; nothing of a summary."""
    alert = notification.alert
    if notification.event == SUMMARY:
        return
    yield "Severity", alert.severity.value
    for label, at in (
        ("Due", alert.due_at),
        ("Expected", alert.projected_at),
        ("Open since", alert.opened_at),
        ("Resolved", alert.resolved_at),
    ):
        if at is not None:
            yield label, at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _text(notification: Notification, zone: ZoneInfo) -> Iterator[str]:
    yield notification.title
    yield ""
    yield notification.text
    yield ""
    for label, said in _figures(notification, zone):
        yield f"{label}: {said}"
    yield ""
    yield _about(notification)


def _page(notification: Notification, zone: ZoneInfo) -> str:
    """The same as plain HTML that any mail program shows: no scripts, no images."""
    tell = html.escape
    said = []
    for line in notification.text.splitlines():
        item = line.removeprefix("- ")
        said.append(f"<p>{tell(line)}</p>" if item == line else f"<li>{tell(item)}</li>")
    rows = [
        f"<tr><th align='left'>{tell(label)}</th><td>{tell(value)}</td></tr>"
        for label, value in _figures(notification, zone)
    ]
    return "\n".join(
        (
            "<!doctype html>",
            f"<html lang='en'><body><h2>{tell(notification.title)}</h2>",
            *said,
            "<table cellpadding='4'>",
            *rows,
            "</table>",
            f"<p>{tell(_about(notification))}</p></body></html>",
            "",
        )
    )
