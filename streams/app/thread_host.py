"""What runs in a thread of its own, watched, from the start of the app to its stop: the engine, and
what runs beside it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import structlog
from mode import Service

from streams.logs import SERVICE_LOGGER

BESIDE_FAILED = "beside_failed"
WATCH_SECONDS = 0.05

log = structlog.stdlib.get_logger(__name__)


class ThreadHost(Service):
    """Runs `work` in a thread named `name` until `stop` is set; `failure` says why it ended early,
    and ends the app: whatever passes, the work itself goes on from."""

    abstract = False
    logger = SERVICE_LOGGER
    failed_event = BESIDE_FAILED

    def __init__(
        self, name: str, work: Callable[[threading.Event], None], stop: threading.Event
    ) -> None:
        self._what = name
        self._work = work
        self._stop_work = stop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._ended = threading.Event()
        self.failure: BaseException | None = None
        super().__init__()

    async def on_start(self) -> None:
        """Start the thread; the loop below looks after it."""
        self._thread.start()
        self.add_future(self._watch())

    async def on_stop(self) -> None:
        """Let the work finish what it has begun, and wait for it."""
        self._stop_work.set()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._ended.wait)

    def _run(self) -> None:
        try:
            self._work(self._stop_work)
        except BaseException as error:
            # The edge of a thread: whatever it is, the process ends with it.
            self.failure = error
            log.exception(self.failed_event, what=self._what)
        finally:
            self._ended.set()

    async def _watch(self) -> None:
        while not self.should_stop:
            if self._ended.is_set() and self.failure is not None:
                await self.crash(self.failure)
                return
            await asyncio.sleep(WATCH_SECONDS)
