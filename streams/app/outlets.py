"""Makes the sinks that the settings name."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

from alerts.sinks import (
    LogSink,
    MailServer,
    MailSink,
    Secret,
    SecretRefused,
    Sink,
    WebhookSink,
)
from streams.config import ConfigurationError
from streams.settings import Settings
from streams.sink_settings import MailSecurity


def make_sinks(settings: Settings, now: Callable[[], dt.datetime]) -> dict[str, Sink]:
    """The sinks by name: `log`, each webhook, each mailbox. `now` is the wall clock.

    Raises ConfigurationError for secrets and certificates that are none.
    """
    sinks: dict[str, Sink] = {"log": LogSink()}
    problems: list[str] = []
    sinks.update(_webhooks(settings, now, problems))
    sinks.update(_mailboxes(settings, now, problems))
    if problems:
        raise ConfigurationError(tuple(problems))
    return sinks


def _webhooks(
    settings: Settings, now: Callable[[], dt.datetime], problems: list[str]
) -> Iterator[tuple[str, Sink]]:
    for name, hook in settings.sinks.webhooks.items():
        if hook.secret is None:
            problems.append(f"sinks.webhooks.{name}.secret: is not given")
            continue
        try:
            secret = Secret(hook.secret.get_secret_value())
        except SecretRefused as error:
            problems.append(f"sinks.webhooks.{name}.secret: {error}")
            continue
        timeout_s = settings.delivery.timeout_seconds
        yield name, WebhookSink(str(hook.url), secret, now, timeout_s)


def _mailboxes(
    settings: Settings, now: Callable[[], dt.datetime], problems: list[str]
) -> Iterator[tuple[str, Sink]]:
    smtp = settings.sinks.smtp
    if not settings.sinks.mailboxes or smtp.host is None or smtp.sender is None:
        return
    context = None
    if smtp.ca_file is not None:
        try:
            context = ssl.create_default_context(cafile=str(smtp.ca_file))
        except ssl.SSLError:
            problems.append(f"sinks.smtp.ca_file: {smtp.ca_file} holds no certificates (PEM)")
            return
    server = MailServer(
        smtp.host,
        smtp.port,
        smtp.sender,
        tls=smtp.security is MailSecurity.TLS,
        starttls=smtp.security is MailSecurity.STARTTLS,
        username=smtp.username,
        password=None if smtp.password is None else smtp.password.get_secret_value(),
        context=context,
    )
    for name, box in settings.sinks.mailboxes.items():
        zone = ZoneInfo(box.time_zone)
        yield name, MailSink(server, box.address, zone, now, settings.delivery.timeout_seconds)
