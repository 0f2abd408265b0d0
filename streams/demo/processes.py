"""The processes of a demo: the shipped worker and the shipped view, started, watched and stopped.

Each has a process group of its own, so that Ctrl-C in the terminal reaches only the demo, which
then stops them in order. What they log goes to files in the demo's temporary folder.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from streams.exits import Exit

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 12.0
"""A little more than a worker takes at most to end by itself."""

LOG_LINES_SHOWN = 12


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a demo; each as Ctrl-C does, by KeyboardInterrupt."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds signals back for a moment in which something is started that must be remembered.

    Call it on the main thread. Raises KeyboardInterrupt at the end, if one came.
    """
    came: list[int] = []
    before = [(number, signal.signal(number, lambda *_: came.append(0))) for number in SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


class DemoFailed(Exception):
    """The demo cannot go on; the message says why, `code` is the exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """One process of ours, started at once. `name` is the command, `worker` or `view`."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path, code: Exit) -> None:
        self.name = name
        self._code = code
        self._log = log
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        with log.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-m", "streams.cli", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
                start_new_session=True,
                text=True,
            )
        assert self._process.stdout is not None
        self._reading = threading.Thread(
            target=_read, args=(self._process.stdout, self._lines), name=f"{name}-output"
        )
        self._reading.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def address(self, ends_at: float) -> str | None:
        """Where it listens, once it has said so; None until then.

        Raises DemoFailed when it has ended, or has not said so by `ends_at` (monotonic seconds).
        """
        self.check()
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            if time.monotonic() > ends_at:
                raise self.failure("did not start in time") from None
            return None
        return line.rsplit(" ", 1)[-1].strip()

    def check(self) -> None:
        """Raises DemoFailed when it has ended."""
        code = self._process.poll()
        if code is not None:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            raise self.failure(how)

    def terminate(self) -> None:
        """Asks it to stop, which it does in the background."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        """Returns when it is gone; it is killed when it takes too long."""
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def failure(self, how: str) -> DemoFailed:
        """What to raise when the process did that: with its name and the end of its log."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        last = "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])
        said = f"Its log ends with:\n{last}" if last else "Its log is empty."
        return DemoFailed(f"the {self.name} {how}, so the demo ends. {said}", self._code)


def _environment() -> dict[str, str]:
    """Ours without the settings in it: the demo's processes know the demo's configuration only."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SLIPWATCH_")}


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
