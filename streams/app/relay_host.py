"""The relay in a thread of its own beside the engine: neither waits for the other.

What passes does not end it, and a broker that refuses a partner's topic ends no alert: the relay
tries again, says so in its metrics and in `slipwatch status`. A fault of ours ends the process.
"""

from __future__ import annotations

import threading

import structlog

from streams import metrics
from streams.app.thread_host import ThreadHost
from streams.broker.topics import BrokerUnreachable, TopicAdmin, partner_plan
from streams.engine.log import LogError, Unavailable
from streams.engine.relay import RELAY_STATES, Relay, RelayStatus
from streams.metrics import Metrics
from streams.settings import Settings

RELAY_TROUBLE = "relay_trouble"

log = structlog.stdlib.get_logger(__name__)


class PartnerTopics:
    """Makes partners' topics as the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin: TopicAdmin | None = None

    def make(self, topic: str) -> None:
        """Returns when the topic is there. Raises LogError."""
        if self._admin is None:
            self._admin = TopicAdmin(self._settings.kafka)
        topics = self._settings.topics
        try:
            found = self._admin.make(partner_plan(topic, topics), topics.replication_factor)
        except BrokerUnreachable as error:
            raise Unavailable(str(error)) from error
        if not found.is_usable:
            raise LogError(
                f"topic {found.name}: {found.differences[0]}",
                "The worker's user must be allowed to make it; docs/partners.md says more.",
            )


class RelayObserver:
    """Turns what the relay tells into metrics and log lines. Called on the relay's thread."""

    def __init__(self, kept: Metrics) -> None:
        self._metrics = kept

    def relayed(self, records: int) -> None:
        """So many records are on partners' topics."""
        self._metrics.count(metrics.RELAYED, records)

    def relay_trouble(self, text: str) -> None:
        """Something went wrong that the relay begins anew after."""
        self._metrics.count(metrics.RELAY_TROUBLES)
        log.warning(RELAY_TROUBLE, what=text)


class RelayHost(ThreadHost):
    """Runs the relay in a thread from start to stop; `failure` says why it ended early."""

    def __init__(self, relay: Relay, stop: threading.Event, kept: Metrics) -> None:
        self._relay = relay
        self._metrics = kept
        super().__init__("relay", relay.run, stop)

    def status(self) -> RelayStatus:
        """What the relay is doing now."""
        return self._relay.status()

    def update_gauges(self) -> None:
        """Bring the gauges up to date, when somebody asks for metrics."""
        status = self.status()
        self._metrics.set(metrics.RELAY_BEHIND, status.behind)
        self._metrics.set(metrics.RELAY_PARTIES, status.parties)
        self._metrics.set(metrics.RELAY_LINES, status.lines)
        self._metrics.replace(
            metrics.RELAY_STATE,
            {(state,): float(status.state == state) for state in RELAY_STATES},
        )
