"""Makes the sinks that the settings name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from alerts.sinks import LogSink, Secret, SecretRefused, Sink, WebhookSink
from streams.config import ConfigurationError
from streams.settings import Settings


def make_sinks(settings: Settings, now: Callable[[], dt.datetime]) -> dict[str, Sink]:
    """The sinks by name: `log`, and each webhook. `now` is the wall clock, which receivers check.

    Raises ConfigurationError for secrets that are none.
    """
    sinks: dict[str, Sink] = {"log": LogSink()}
    problems: list[str] = []
    for name, hook in settings.sinks.webhooks.items():
        if hook.secret is None:
            problems.append(f"sinks.webhooks.{name}.secret: is not given")
            continue
        try:
            secret = Secret(hook.secret.get_secret_value())
        except SecretRefused as error:
            problems.append(f"sinks.webhooks.{name}.secret: {error}")
            continue
        sinks[name] = WebhookSink(str(hook.url), secret, now, settings.delivery.timeout_seconds)
    if problems:
        raise ConfigurationError(tuple(problems))
    return sinks
