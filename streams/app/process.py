"""`slipwatch worker`: the one place that wires engine, delivery, web pages and Faust together.

`run` blocks until SIGTERM, SIGINT or a fault, and answers with the process's exit code. A signal
lets the engine finish its transaction and leave its group, and delivery finish what is on its way;
a process that is not done within `STOP_SECONDS` is ended. That is a clean end where the broker is
away: nobody could commit or leave then, the broker ends what is open, and whoever comes next does
it again.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import faust
import structlog
from prometheus_client import CollectorRegistry

from alerts.sinks import Sink
from streams import metrics
from streams.app.delivery_host import DeliveryHost
from streams.app.engine_host import EngineGauges, EngineHost, EngineObserver, LagKeeper
from streams.app.hosting import Announcer, HostingApp, WebServer, make_app
from streams.app.pages import Pages, TickWatch
from streams.app.relay_host import PartnerTopics, RelayHost, RelayObserver
from streams.app.webhook_host import WebhookHost, make_sender
from streams.broker.presence import broker_answers
from streams.clients import engine_group, kafka_log
from streams.collection import collect_seldom
from streams.engine.clock import Clock
from streams.engine.log import LogError
from streams.engine.observation import EngineFailure, TellingPartners, WorkerSettings
from streams.engine.relay import ID_KEY_BYTES, RELAY_STATE, Relay, RelaySettings
from streams.engine.ticker import TickerSettings
from streams.engine.worker import Worker
from streams.exits import Exit
from streams.metrics import Metrics
from streams.owed_log import NOTIFICATIONS, RECEIPTS
from streams.registry import schema_source
from streams.settings import Settings
from streams.webhooks.receipts import RECEIPTS as TOLD
from streams.webhooks.registration import WEBHOOKS

STOP_SECONDS = 10.0
PROBE_SECONDS = 1.0
"""How long the broker may take to answer a worker that did not get to its end."""
MARGIN_SECONDS = 2.0
"""What a busy machine may need beyond that to end the process."""
TICK_STUCK_SECONDS_MIN = 30.0
SEND_TIMEOUT_SECONDS = 15.0

WORKER_LISTENS = "worker_listens"
WORKER_STOPPING = "worker_stopping"
WORKER_FAILED = "worker_failed"

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    """What the command line adds to the settings; `announce` is told the address once it is open.

    `clock` is the only clock of the process that decides anything.
    """

    name: str
    clock: Clock
    announce: Callable[[str], None]
    is_ticker_allowed: bool = True


def default_name(settings: Settings) -> str:
    """This worker's name when none is given: the same at each start, unlike any other on the host.

    A worker that starts under the name of a dead one takes over its open transaction at once.
    """
    place = settings.web.port or os.getpid()
    return f"{socket.gethostname().split('.')[0]}-{place}"


def check_topics(settings: Settings) -> None:
    """Raise LogError unless the topics of delivery, in equal partition counts, of the relay and of
    webhooks are there.

    Faust does not wait for a missing topic and does not miss it either. The engine checks its own.
    """
    log = kafka_log(settings)
    needed = [NOTIFICATIONS, RECEIPTS, RELAY_STATE.topic, WEBHOOKS.topic, TOLD.topic]
    counts = log.partition_counts(needed)
    log.close()
    missing = [topic for topic, count in counts.items() if count == 0]
    if missing:
        raise LogError(f"topics are missing: {', '.join(missing)}", "Run: slipwatch topics create")
    if counts[NOTIFICATIONS] != counts[RECEIPTS]:
        raise LogError(
            f"{NOTIFICATIONS} has {counts[NOTIFICATIONS]} partitions and {RECEIPTS} "
            f"{counts[RECEIPTS]}; a worker must own the same ones of both",
            "Run: slipwatch topics check",
        )


def run(settings: Settings, sinks: Mapping[str, Sink], options: WorkerOptions) -> int:
    """Run a worker until it is stopped; the exit code of the process."""
    collect_seldom()
    return _WorkerProcess(settings, sinks, options).run()


class _WorkerProcess:
    """All parts of one worker, made but not started."""

    def __init__(
        self, settings: Settings, sinks: Mapping[str, Sink], options: WorkerOptions
    ) -> None:
        self._settings = settings
        self._options = options
        self._stop_engine = threading.Event()
        self._is_stopping = False
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._metrics = Metrics(CollectorRegistry())
        self._observer = EngineObserver(self._metrics)
        self._engine = Worker(
            kafka_log(settings),
            self._worker_settings(),
            options.clock,
            self._observer,
            schema_source(
                settings.registry,
                lambda outcome: self._metrics.count(metrics.SCHEMA_LOOKUPS, outcome=outcome),
            ),
        )
        self._host = EngineHost(self._engine, self._stop_engine)
        self._gauges = EngineGauges(self._metrics, self._observer)
        self._relay = RelayHost(self._make_relay(), self._stop_engine, self._metrics)
        sender = make_sender(settings, self._is_chosen, self._metrics)
        self._webhooks = WebhookHost(sender, self._stop_engine, self._metrics)
        self._app = make_app(settings, self._loop)
        self._delivery = (
            DeliveryHost(
                self._app,
                settings,
                sinks,
                kafka_log(settings),
                options.clock,
                self._metrics,
                lambda: self._engine.control.is_shadow,
            )
            if settings.delivery.enabled
            else None
        )
        self._add_parts()

    def _add_parts(self) -> None:
        settings = self._settings
        progress = self._engine.control.progress
        self._app.before_producer = (
            self._host,
            self._relay,
            self._webhooks,
            LagKeeper(kafka_log(settings), self._host, self._gauges, progress),
            Announcer(cast(WebServer, self._app.web), self._options.announce),
        )
        self._app.after_producer = (self._delivery,) if self._delivery else ()
        stuck_after = max(TICK_STUCK_SECONDS_MIN, 10 * settings.engine.tick_ms / 1000)
        Pages(
            self._host,
            self._gauges,
            (self._relay, self._webhooks),
            self._metrics,
            self._delivery.desk if self._delivery else None,
            TickWatch(stuck_after, time.monotonic),
        ).add_to(self._app)

    def run(self) -> int:
        """Block until stopped; the exit code."""
        worker = _SignalledWorker(self._app, self._stop_in_time, self._loop)
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            has_failed = ended.code != Exit.OK
        return self._exit_code(worker.failure if has_failed else None, has_failed=has_failed)

    def _exit_code(self, failure: BaseException | None, *, has_failed: bool) -> int:
        engine = self._host.failure
        if isinstance(engine, EngineFailure):
            log.error(WORKER_FAILED, what=engine.what, then=engine.then)
            return engine.exit_code
        if engine is not None:
            log.error(WORKER_FAILED, what=f"the engine ended: {engine!r}")
            return Exit.ENGINE
        for what, host in (("the relay", self._relay), ("the sender", self._webhooks)):
            if host.failure is not None:
                log.error(WORKER_FAILED, what=f"{what} ended: {host.failure!r}")
                return Exit.ENGINE
        delivery = self._delivery.failure if self._delivery else None
        if delivery is not None or has_failed:
            what = f"delivery ended: {delivery!r}" if delivery else f"the app ended: {failure}"
            log.error(WORKER_FAILED, what=what)
            return Exit.DELIVERY
        return Exit.OK

    def _stop_in_time(self) -> None:
        """Stop the engine at once, beside everything else, and set a limit to it all."""
        if self._is_stopping:
            return
        self._is_stopping = True
        log.info(WORKER_STOPPING)
        self._stop_engine.set()
        limit = threading.Timer(STOP_SECONDS - PROBE_SECONDS - MARGIN_SECONDS, self._end_process)
        limit.daemon = True
        limit.start()

    def _end_process(self) -> None:
        """Ends it where it stands."""
        if broker_answers(self._settings.kafka, PROBE_SECONDS):
            said, code = f"not stopped within {STOP_SECONDS:g} s; ended", Exit.STOP_TIMEOUT
        else:
            said, code = "stopped while the broker does not answer; nothing is lost", Exit.OK
        sys.stderr.write(f"slipwatch: {said}\n")
        sys.stderr.flush()
        os._exit(code)

    def _make_relay(self) -> Relay:
        return Relay(
            kafka_log(self._settings),
            RelaySettings(engine_group(self._settings)),
            self._engine.control,
            self._is_chosen,
            PartnerTopics(self._settings).make,
            lambda: secrets.token_bytes(ID_KEY_BYTES),
            RelayObserver(self._metrics),
        )

    def _is_chosen(self) -> bool:
        """Whether this is the one worker that tells partners."""
        return self._engine.status().is_ticker

    def _told_partners(self) -> TellingPartners:
        relay, sender = self._relay.status(), self._webhooks.status()
        return TellingPartners(
            relay.parties,
            relay.behind,
            sender.parties,
            sender.owed,
            sender.failing + sender.suspended,
        )

    def _worker_settings(self) -> WorkerSettings:
        engine = self._settings.engine
        return WorkerSettings(
            group=engine_group(self._settings),
            name=f"{engine.application_id}-{self._options.name}",
            runs_ticker=self._options.is_ticker_allowed,
            has_standby=engine.standby,
            partners=self._told_partners,
            ticker=TickerSettings(
                interval_ms=engine.tick_ms,
                facts_per_tick_max=engine.facts_per_tick_max,
                name=self._options.name,
            ),
        )


class _SignalledWorker(faust.Worker):
    """Faust's worker, silent on the terminal, that calls `stopping` as soon as it must end."""

    def __init__(
        self, app: HostingApp, stopping: Callable[[], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._stopping = stopping
        self._start_failure: BaseException | None = None
        super().__init__(app, loop=loop, quiet=True, override_logging=False)
        self.spinner = None

    @property
    def failure(self) -> BaseException | None:
        """Why it ended, if not by a signal."""
        return self._start_failure or self.crash_reason

    async def start(self) -> None:
        """Start everything, and remember why that failed."""
        try:
            await super().start()
        except BaseException as error:
            self._start_failure = error
            raise

    def on_worker_shutdown(self) -> None:
        """Whatever ended it: the rest must end in time too."""
        self._stopping()

    def _on_sigint(self) -> None:
        self._stopping()
        super()._on_sigint()

    def _on_sigterm(self) -> None:
        self._stopping()
        super()._on_sigterm()
