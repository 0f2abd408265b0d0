"""The thread that a ticker runs in, while this worker is the one to tick."""

from __future__ import annotations

import threading
import time

from streams.engine.log import LogError
from streams.engine.ticker import Ticker

PAUSE_S = 0.001


class Ticking:
    """Starts and stops the ticker's thread. Call everything on the worker's own thread."""

    def __init__(self, changed: threading.Event, pause_s: float) -> None:
        """`changed` is set when there is news of progress; `pause_s` bounds the wait for it."""
        self._changed = changed
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: LogError | None = None
        self.ticker: Ticker | None = None

    def start(self, ticker: Ticker) -> None:
        """Runs this ticker from now on, and no other."""
        self.stop()
        self._stop = threading.Event()
        self.ticker = ticker
        self._thread = threading.Thread(
            target=self._run, args=(ticker, self._stop), name="ticker", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Returns when the ticker has written its last tick."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.ticker = self._thread = None

    def failure(self) -> LogError | None:
        """What ended the ticker, told once; the ticker is then stopped."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self.stop()
        return failure

    def _run(self, ticker: Ticker, stop: threading.Event) -> None:
        try:
            ticker.open()
            while not stop.is_set():
                if not ticker.step():
                    self._changed.wait(self._pause_s)
                    self._changed.clear()
                    time.sleep(PAUSE_S)
        except LogError as error:
            if not stop.is_set():
                self._failure = error
        finally:
            ticker.close()
