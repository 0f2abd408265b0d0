"""The thread that a ticker runs in, while this worker is the one to tick."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from streams.engine.lives import Backoff
from streams.engine.log import LogError
from streams.engine.ticker import Ticker

PAUSE_S = 0.001
AGAIN_S_MAX = 5.0
"""The longest wait between two tickers: time stands still for all as long as there is none."""


class Ticking:
    """Starts and stops the ticker's thread. Call everything on the worker's own thread.

    A ticker that fails is followed by another for as long as the group leaves the ticks here,
    also one that was fenced: the broker shuts out whoever stands still inside a transaction, and
    nobody else may be there to go on. Whether somebody is, the group says.
    """

    def __init__(self, changed: threading.Event, pause_s: float) -> None:
        """`changed` is set when there is news of progress; `pause_s` bounds the wait for it."""
        self._changed = changed
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: LogError | None = None
        self.ticker: Ticker | None = None

    def start(self, make: Callable[[], Ticker]) -> None:
        """Runs one of these tickers from now on, and no other."""
        self.stop()
        self._stop, self._failure = threading.Event(), None
        self.ticker = make()
        self._thread = threading.Thread(
            target=self._run, args=(self.ticker, make, self._stop), name="ticker", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Returns when the ticker has written its last tick."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.ticker = self._thread = None

    def failure(self) -> LogError | None:
        """What ended a ticker, told once; the next one is on its way."""
        failure, self._failure = self._failure, None
        return failure

    def _run(self, ticker: Ticker, make: Callable[[], Ticker], stop: threading.Event) -> None:
        backoff = Backoff(first_s=0.2, longest_s=AGAIN_S_MAX)
        while True:
            try:
                ticker.open()
                while not stop.is_set():
                    if ticker.step():
                        backoff.reset()
                    else:
                        self._changed.wait(self._pause_s)
                        self._changed.clear()
                        time.sleep(PAUSE_S)
            except LogError as error:
                self._failure = error.bare()
            finally:
                ticker.close()
            if stop.wait(backoff.next_s()):
                return
            self.ticker = ticker = make()
