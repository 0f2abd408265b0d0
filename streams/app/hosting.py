"""The Faust app of a worker: its settings, its order of starting, and the address it listens on.

Faust's defaults are for stream processing with tables on disk; here it serves pages and delivers.
The engine starts beside Faust's own parts and does not wait for Faust to join its group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import faust
from aiohttp.web import BaseSite, TCPSite
from faust.app.base import BootStrategy
from faust.web.drivers.aiohttp import Web as WebDriver
from mode import Service
from mode.types import ServiceT

from streams.app.credentials import faust_credentials
from streams.app.transport import ReadCommittedTransport
from streams.clients import engine_group
from streams.logs import SERVICE_LOGGER
from streams.settings import Settings, WebSettings

PRODUCER_TIMEOUT_SECONDS = 15.0
"""Faust's default is twenty minutes, in which a receipt would be neither there nor lost."""


class WebServer(WebDriver):
    """Faust's web server on any address, port 0 among them, which Faust's settings refuse."""

    logger = SERVICE_LOGGER

    def __init__(self, app: faust.App, web: WebSettings) -> None:
        self._web = web
        super().__init__(app)

    @property
    def address(self) -> str | None:
        """Where it listens; None before it does."""
        for listens_at in self._runner.addresses:
            return f"http://{self._web.host}:{listens_at[1]}"
        return None

    def _new_transport_tcp(self) -> BaseSite:
        return TCPSite(self._runner, self._web.host, self._web.port)


class _Boot(BootStrategy):
    """Starts the web pages first, then our parts around Faust's; stopping goes the other way."""

    def server(self) -> Iterable[ServiceT]:
        """The services of a worker in the order of their start."""
        app = cast(HostingApp, self.app)
        ours = self._chain(self.sensors(), self.web_server(), app.before_producer)
        if not app.after_producer:
            # Without delivery there are no agents, and Faust's consumer fails on having no topics.
            return ours
        return self._chain(
            ours,
            self.kafka_producer(),
            app.after_producer,
            self.kafka_consumer(),
            self.agents(),
            self.kafka_conductor(),
            self.tables(),
        )


class HostingApp(faust.App):
    """A Faust app with parts of ours, and without the folders that it would make for its tables."""

    BootStrategy = _Boot
    logger = SERVICE_LOGGER
    before_producer: tuple[ServiceT, ...] = ()
    after_producer: tuple[ServiceT, ...] = ()

    async def on_first_start(self) -> None:
        """Make no folders."""


def make_app(settings: Settings, loop: asyncio.AbstractEventLoop) -> HostingApp:
    """The Faust app without agents: a group of its own, nothing declared, nothing kept on disk."""
    kafka, engine = settings.kafka, settings.engine
    seconds = engine.session_timeout_ms / 1000
    app = HostingApp(
        f"{engine_group(settings)}-delivery",
        loop=loop,
        broker=[f"kafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")],
        broker_credentials=faust_credentials(kafka),
        broker_client_id=kafka.client_id,
        broker_session_timeout=seconds,
        broker_heartbeat_interval=engine.heartbeat_ms / 1000,
        broker_request_timeout=max(90.0, 2 * seconds),
        # The embedded broker changes batches and not their checksums. TCP has checksums too, and
        # librdkafka, which reads everything else here, does not check them either.
        broker_check_crcs=False,
        # Everything before the end is found by delivery's own reading; this is the safe side.
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        producer_request_timeout=PRODUCER_TIMEOUT_SECONDS,
        stream_wait_empty=True,
        topic_allow_declare=False,
        topic_disable_leader=True,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        web_in_thread=False,
        web_tables_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
        web_router_enabled=False,
        web_metrics_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
    )
    app.transport = ReadCommittedTransport(app.conf.broker_consumer, app, loop=loop)
    app.web = WebServer(app, settings.web)
    return app


class Announcer(Service):
    """Says where the web server listens, as soon as it does."""

    abstract = False
    logger = SERVICE_LOGGER

    def __init__(self, server: WebServer, announce: Callable[[str], None]) -> None:
        self._server, self._announce = server, announce
        super().__init__()

    async def on_start(self) -> None:
        """Wait for the server beside the rest of the start."""
        self.add_future(self._wait())

    async def _wait(self) -> None:
        while not self.should_stop:
            if self._server.address is not None:
                self._announce(self._server.address)
                return
            await self.sleep(0.02)
