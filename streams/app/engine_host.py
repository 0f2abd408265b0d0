"""The engine in a thread, watched: whichever of thread and process ends takes the other along."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog
from mode import Service

from schemas.ticks import StageProgress, Tick
from streams import metrics
from streams.app.thread_host import ThreadHost
from streams.engine.log import EndOffsets, Log, LogError, Partition
from streams.engine.observation import EngineFailure, WorkerStatus
from streams.logs import SERVICE_LOGGER
from streams.metrics import Metrics

ENGINE_STARTED = "engine_started"
ENGINE_STOPPED = "engine_stopped"
ENGINE_FAILED = "engine_failed"
ENGINE_TROUBLE = "engine_trouble"
PARTITIONS_ASSIGNED = "partitions_assigned"
PARTITIONS_REVOKED = "partitions_revoked"
STATE_RESTORED = "state_restored"
TRANSACTION_ABORTED = "transaction_aborted"
LAG_UNKNOWN = "lag_unknown"

STATES = ("starting", "restoring", "running", "waiting", "stopped")
LAG_PERIOD_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)


class Engine(Protocol):
    """What the host asks of the engine; `streams.engine.worker.Worker` is one."""

    def run(self, stop: threading.Event) -> None: ...
    def status(self) -> WorkerStatus: ...


class EngineObserver:
    """Turns what the engine tells into metrics and log lines. Called on the engine's threads."""

    def __init__(self, kept: Metrics) -> None:
        self._metrics = kept
        self.tick_seen: tuple[int, float] = (0, 0.0)
        """The latest tick and when (monotonic seconds) it was seen."""

    def transaction(self, records: int, seconds: float) -> None:
        """A transaction was committed."""
        self._metrics.count(metrics.TRANSACTIONS, outcome="committed")
        self._metrics.count(metrics.RECORDS_WRITTEN, records)
        self._metrics.observe(metrics.TRANSACTION_SECONDS, seconds)

    def aborted(self, reason: str) -> None:
        """A transaction did not happen, and will be made again."""
        self._metrics.count(metrics.TRANSACTIONS, outcome="aborted")
        log.warning(TRANSACTION_ABORTED, reason=reason)

    def facts(self, taken: int, refused: int) -> None:
        """Facts were taken in, some of them refused."""
        self._metrics.count(metrics.FACTS, taken)
        self._metrics.count(metrics.FACTS_REFUSED, refused)

    def ticked(self, tick: Tick) -> None:
        """A tick was seen for the first time."""
        self.tick_seen = (tick.n, time.monotonic())
        self._metrics.count(metrics.TICKS, complete=str(tick.complete).lower())
        self._metrics.set(metrics.HELD_PARTITIONS, len(tick.held))

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """The group gave this worker partitions."""
        log.info(PARTITIONS_ASSIGNED, partitions=_named(partitions))

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """The group took partitions from this worker."""
        log.info(PARTITIONS_REVOKED, partitions=_named(partitions))

    def restored(self, records: int, seconds: float) -> None:
        """Partitions that were assigned together have their state."""
        self._metrics.count(metrics.RESTORED_RECORDS, records)
        self._metrics.observe(metrics.RESTORE_SECONDS, seconds)
        log.info(STATE_RESTORED, records=records, seconds=round(seconds, 3))

    def trouble(self, text: str) -> None:
        """Something went wrong that the engine goes on from."""
        self._metrics.count(metrics.TROUBLES)
        log.warning(ENGINE_TROUBLE, what=text)


class EngineHost(ThreadHost):
    """Runs the engine in a thread from start to stop, and crashes the app when it ends early.

    `failure` says why it ended, for the process's exit code and last line.
    """

    failed_event = ENGINE_FAILED

    def __init__(self, engine: Engine, stop: threading.Event) -> None:
        self._engine = engine
        super().__init__("engine", self._run_engine, stop)

    @property
    def is_alive(self) -> bool:
        """Whether the engine's thread runs."""
        return self._thread.is_alive()

    def status(self) -> WorkerStatus:
        """What the engine is doing now."""
        return self._engine.status()

    def _run_engine(self, stop: threading.Event) -> None:
        log.info(ENGINE_STARTED)
        try:
            self._engine.run(stop)
        except EngineFailure as error:
            # What it says is the process's last line; a traceback would say no more.
            self.failure = error
            return
        if not stop.is_set():
            self.failure = RuntimeError("the engine ended without being told to")
        log.info(ENGINE_STOPPED)


class EngineGauges:
    """Brings the gauges of the engine up to date, whenever somebody asks for metrics."""

    def __init__(self, kept: Metrics, observer: EngineObserver) -> None:
        self._metrics = kept
        self._observer = observer

    def update(self, status: WorkerStatus) -> None:
        """Set what the status says."""
        kept = self._metrics
        kept.replace(
            metrics.ENGINE_STATE, {(state,): float(status.state == state) for state in STATES}
        )
        kept.set(metrics.TICKER, float(status.is_ticker))
        kept.set(metrics.TICK_NUMBER, status.tick)
        kept.set(metrics.TICK_TIME, (status.tick_at or 0) / 1000)
        kept.set(metrics.TICK_IN_FLIGHT_SECONDS, self._in_flight_seconds(status))
        kept.set(metrics.RESTORING, len(status.restoring))
        kept.set(metrics.SCHEMAS_AWAITED, status.schemas_awaited)
        kept.set(metrics.COPIES, status.copies)
        kept.set(metrics.COPIES_BEHIND, status.copies_behind)
        owned: dict[tuple[str, ...], float] = {}
        for partition in status.partitions:
            owned[partition.topic,] = owned.get((partition.topic,), 0.0) + 1.0
        kept.replace(metrics.ASSIGNED, owned)

    def _in_flight_seconds(self, status: WorkerStatus) -> float:
        number, seen_at = self._observer.tick_seen
        return time.monotonic() - seen_at if number and number == status.in_flight else 0.0

    def update_lag(
        self,
        ends: Mapping[Partition, EndOffsets],
        begins: Mapping[Partition, int],
        progress: Mapping[str, StageProgress],
    ) -> None:
        """Set how far each owned partition is behind its end, from what is part of the state."""
        stands = {
            Partition(each.topic, each.partition): each.offset for each in list(progress.values())
        }
        self._metrics.replace(
            metrics.INPUT_LAG,
            {
                (partition.topic, str(partition.number)): float(
                    max(0, end.stable - stands.get(partition, begins.get(partition, 0)))
                )
                for partition, end in ends.items()
            },
        )


class LagKeeper(Service):
    """Asks the broker every few seconds how far the owned partitions have come."""

    abstract = False
    logger = SERVICE_LOGGER

    def __init__(
        self,
        source: Log,
        host: EngineHost,
        gauges: EngineGauges,
        progress: Mapping[str, StageProgress],
    ) -> None:
        self._source, self._host, self._gauges = source, host, gauges
        self._progress = progress
        super().__init__()

    async def on_start(self) -> None:
        """Begin to ask."""
        self.add_future(self._keep())

    async def _keep(self) -> None:
        while not self.should_stop:
            await self.sleep(LAG_PERIOD_SECONDS)
            partitions = self._host.status().partitions
            if not partitions:
                continue
            try:
                ends = await asyncio.to_thread(self._source.end_offsets, partitions)
                begins = await asyncio.to_thread(self._source.begin_offsets, partitions)
            except LogError as error:
                log.debug(LAG_UNKNOWN, why=str(error))
                continue
            self._gauges.update_lag(ends, begins, self._progress)


def _named(partitions: Sequence[Partition]) -> list[str]:
    return [f"{partition.topic}/{partition.number}" for partition in partitions]
