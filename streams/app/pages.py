"""What a worker answers over HTTP: is it alive, is it ready, its metrics.

`/health` is for a supervisor that restarts: 503 says that this process can only be restarted.
`/ready` is for whoever waits: 503 says that time does not advance here yet, and why.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import faust
import msgspec
from faust.types.web import Request, Response
from faust.web import View

from schemas.units import iso
from streams.app.delivering import DeliveryDesk
from streams.app.engine_host import EngineGauges, EngineHost
from streams.app.relay_host import RelayHost
from streams.app.webhook_host import WebhookHost
from streams.engine.observation import WorkerStatus
from streams.metrics import CONTENT_TYPE, Metrics

OK, UNAVAILABLE = 200, 503
JSON = "application/json"


class Readiness(enum.StrEnum):
    """Why a worker is, or is not, ready."""

    READY = "ready"
    ENGINE_DOWN = "the engine is not running"
    RESTORING = "state is being restored"
    STARTING = "the engine is starting"
    WAITING = "the engine waits for the broker"
    NO_TICK = "no tick has been seen"
    TICK_STUCK = "the tick in flight does not advance"


class TickWatch:
    """Remembers when the tick moved last, so that a standing one can be told."""

    def __init__(self, stuck_after_seconds: float, now: Callable[[], float]) -> None:
        self._stuck_after_seconds = stuck_after_seconds
        self._now = now
        self._last: tuple[int, int | None] = (0, None)
        self._moved_at = now()

    def judge(self, status: WorkerStatus, *, is_alive: bool) -> Readiness:
        """Whether a worker with this status is ready, and if not, the first reason."""
        if (status.tick, status.in_flight) != self._last:
            self._last = (status.tick, status.in_flight)
            self._moved_at = self._now()
        if not is_alive or status.state == "stopped":
            return Readiness.ENGINE_DOWN
        if status.restoring:
            return Readiness.RESTORING
        if status.state == "waiting":
            return Readiness.WAITING
        if status.state != "running":
            return Readiness.STARTING
        if status.tick == 0 and status.in_flight is None:
            return Readiness.NO_TICK
        if self._now() - self._moved_at > self._stuck_after_seconds:
            return Readiness.TICK_STUCK
        return Readiness.READY


class Pages:
    """The three pages of one worker; `desk` is None where delivery is off."""

    def __init__(
        self,
        host: EngineHost,
        gauges: EngineGauges,
        beside: Sequence[RelayHost | WebhookHost],
        kept: Metrics,
        desk: DeliveryDesk | None,
        watch: TickWatch,
    ) -> None:
        self._host, self._gauges, self._metrics = host, gauges, kept
        self._beside = beside
        self._desk, self._watch = desk, watch

    def add_to(self, app: faust.App) -> None:
        """Serve the pages on the app's web server."""

        @app.page("/health", name="health")
        async def health(view: View, _request: Request) -> Response:
            return self._health(view)

        @app.page("/ready", name="ready")
        async def ready(view: View, _request: Request) -> Response:
            return self._ready(view)

        @app.page("/metrics", name="metrics")
        async def metrics(view: View, _request: Request) -> Response:
            return self._metrics_text(view)

    def _health(self, view: View) -> Response:
        is_alive = self._host.is_alive
        body = {"healthy": is_alive, "engine": self._host.status().state}
        return self._json(view, body, OK if is_alive else UNAVAILABLE)

    def _ready(self, view: View) -> Response:
        status = self._host.status()
        readiness = self._watch.judge(status, is_alive=self._host.is_alive)
        body = {
            "ready": readiness is Readiness.READY,
            "why": readiness.value,
            "worker": status.name,
            "state": status.state,
            "partitions": len(status.partitions),
            "restoring": len(status.restoring),
            "ticker": status.is_ticker,
            "tick": status.tick,
            "tick_at": iso(status.tick_at) if status.tick_at is not None else None,
            "in_flight": status.in_flight,
            "waits_for": status.waits_for,
            "schemas_awaited": status.schemas_awaited,
            "trouble": status.trouble,
            "network": status.network,
            "policy": status.policy,
            "delivering": self._desk.is_restored if self._desk is not None else None,
        }
        return self._json(view, body, OK if readiness is Readiness.READY else UNAVAILABLE)

    def _metrics_text(self, view: View) -> Response:
        self._gauges.update(self._host.status())
        for each in self._beside:
            each.update_gauges()
        if self._desk is not None:
            self._desk.update_gauges()
        return view.bytes(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    @staticmethod
    def _json(view: View, body: object, status: int) -> Response:
        headers = {"Content-Type": JSON}
        return view.bytes(msgspec.json.encode(body), status=status, headers=headers)
