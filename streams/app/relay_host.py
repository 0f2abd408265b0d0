"""The relay in a thread of its own beside the engine: neither waits for the other.

What passes does not end it, and a broker that refuses a partner's topic ends no alert: the relay
tries again, says so in its metrics and in `slipwatch status`. A fault of ours ends the process.
"""

from __future__ import annotations

import asyncio
import threading

import structlog
from mode import Service

from streams import metrics
from streams.broker.topics import BrokerUnreachable, TopicAdmin, partner_plan
from streams.engine.log import LogError, Unavailable
from streams.engine.relay import RELAY_STATES, Relay, RelayStatus
from streams.logs import SERVICE_LOGGER
from streams.metrics import Metrics
from streams.settings import Settings

RELAY_TROUBLE = "relay_trouble"
RELAY_FAILED = "relay_failed"
WATCH_SECONDS = 0.05

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


class RelayHost(Service):
    """Runs the relay in a thread from start to stop; `failure` says why it ended early."""

    abstract = False
    logger = SERVICE_LOGGER

    def __init__(self, relay: Relay, stop: threading.Event, kept: Metrics) -> None:
        self._relay = relay
        self._stop_relay = stop
        self._metrics = kept
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._ended = threading.Event()
        self.failure: BaseException | None = None
        super().__init__()

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

    async def on_start(self) -> None:
        """Start the thread; the loop below looks after it."""
        self._thread.start()
        self.add_future(self._watch())

    async def on_stop(self) -> None:
        """Let the relay finish its transaction, and wait for it."""
        self._stop_relay.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._ended.wait)

    def _run(self) -> None:
        try:
            self._relay.run(self._stop_relay)
        except BaseException as error:
            # The edge of a thread: whatever it is, the process ends with it.
            self.failure = error
            log.exception(RELAY_FAILED)
        finally:
            self._ended.set()

    async def _watch(self) -> None:
        while not self.should_stop:
            if self._ended.is_set() and self.failure is not None:
                await self.crash(self.failure)
                return
            await asyncio.sleep(WATCH_SECONDS)
