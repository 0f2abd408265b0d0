"""The sender of webhooks in a thread of its own beside the engine: neither waits for the other.

What passes does not end it: the sender tries again, says so in its metrics and in `slipwatch
status`. A fault of ours ends the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from streams import metrics
from streams.app.thread_host import ThreadHost
from streams.clients import engine_group, kafka_log
from streams.door.links import load_keys
from streams.engine.clock import WallClock
from streams.metrics import Metrics
from streams.settings import Settings
from streams.webhooks.answer_links import AnswerLinks
from streams.webhooks.keys import load_key
from streams.webhooks.lane import Pauses
from streams.webhooks.posting import Attempt, Outcome, Poster
from streams.webhooks.receipts import DELIVERING, FAILING, SUSPENDED
from streams.webhooks.sender import SENDER_STATES, Ports, Sender, SenderSettings, SenderStatus

WEBHOOK_TROUBLE = "webhook_trouble"
WEBHOOK_FAILED = "webhook_failed"
ANSWER_LINKS_UNUSABLE = "answer_links_unusable"

log = structlog.stdlib.get_logger(__name__)


class SenderObserver:
    """Turns what the sender tells into metrics and log lines. Called on the sender's thread."""

    def __init__(self, kept: Metrics) -> None:
        self._metrics = kept

    def attempted(self, attempt: Attempt) -> None:
        """A message was sent, and this became of it."""
        self._metrics.count(metrics.WEBHOOK_ATTEMPTS, outcome=attempt.outcome.value)
        self._metrics.observe(metrics.WEBHOOK_SECONDS, attempt.seconds)
        if attempt.outcome is not Outcome.DELIVERED:
            log.warning(WEBHOOK_FAILED, outcome=attempt.outcome.value, why=attempt.says)

    def sender_trouble(self, text: str) -> None:
        """Something went wrong that the sender begins anew after."""
        self._metrics.count(metrics.WEBHOOK_TROUBLES)
        log.warning(WEBHOOK_TROUBLE, what=text)


def make_poster(settings: Settings) -> Poster:
    """The way out to parties' webhooks, as the settings say. Raises OSError."""
    partners = settings.partners
    return Poster(
        WallClock().now,
        settings.delivery.timeout_seconds,
        ca_file=partners.webhook_ca_file,
        are_private_allowed=partners.webhook_private_addresses,
    )


def make_answer_links(settings: Settings) -> AnswerLinks | None:
    """Links for records that ask a party for something; None where no door is reached."""
    door = settings.door
    if door.public_url is None:
        return None
    return AnswerLinks(
        str(door.public_url),
        lambda: load_keys(door.link_keys_file),
        lambda error: log.warning(ANSWER_LINKS_UNUSABLE, error=error),
    )


def make_sender(settings: Settings, is_chosen: Callable[[], bool], kept: Metrics) -> Sender:
    """The sender of this worker, as the settings say."""
    delivery = settings.delivery
    pauses = Pauses(delivery.backoff_seconds_min, delivery.backoff_seconds_max)
    return Sender(
        kafka_log(settings),
        SenderSettings(engine_group(settings), pauses),
        Ports(
            is_chosen=is_chosen,
            load_key=lambda: load_key(settings.partners.webhook_key_file),
            make_poster=lambda: make_poster(settings),
            now=WallClock().now,
            answer_links=make_answer_links(settings),
        ),
        SenderObserver(kept),
    )


class WebhookHost(ThreadHost):
    """Runs the sender in a thread from start to stop; `failure` says why it ended early."""

    def __init__(self, sender: Sender, stop: threading.Event, kept: Metrics) -> None:
        self._sender = sender
        self._metrics = kept
        super().__init__("webhooks", sender.run, stop)

    def status(self) -> SenderStatus:
        """How the sender stood within the last second or so."""
        return self._sender.status()

    def update_gauges(self) -> None:
        """Bring the gauges up to date, when somebody asks for metrics."""
        status = self.status()
        delivering = status.parties - status.failing - status.suspended
        self._metrics.set(metrics.WEBHOOK_OWED, status.owed)
        self._metrics.set(metrics.WEBHOOK_OLDEST, status.oldest_s)
        self._metrics.replace(
            metrics.WEBHOOK_PARTIES,
            {
                (DELIVERING,): delivering,
                (FAILING,): status.failing,
                (SUSPENDED,): status.suspended,
            },
        )
        self._metrics.replace(
            metrics.WEBHOOK_STATE,
            {(state,): float(status.state == state) for state in SENDER_STATES},
        )
