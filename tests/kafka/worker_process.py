"""Real `slipwatch worker` processes on the topics of a test, to be stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.worlds import KafkaWorld

STOP_SECONDS = 15.0


class WorkerProcess:
    """One worker process; its output goes to a file beside its clock."""

    def __init__(
        self, world: KafkaWorld, name: str, clock: Path, *, tick_ms: int = 50, **extra: str
    ) -> None:
        self.name = name
        self._log = clock.with_name(f"{name}.log")
        self._output = self._log.open("ab")
        environment = {
            **os.environ,
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": world.bootstrap,
            "SLIPWATCH_TOPICS__PREFIX": world.prefix,
            "SLIPWATCH_ENGINE__TICK_MS": str(tick_ms),
            "SLIPWATCH_WEB__PORT": "0",
            **extra,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker", "--name", name,
             "--clock-file", str(clock)],
            env=environment, stdout=self._output, stderr=self._output,
        )  # fmt: skip

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def text(self) -> str:
        """What it has written, also under its name before."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._output.close()

    def stop(self) -> int:
        """Asks it to end; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_SECONDS)
        self._output.close()
        return code


@contextmanager
def ended(*workers: WorkerProcess) -> Iterator[None]:
    """Kills what still runs when the block ends."""
    try:
        yield
    finally:
        for worker in workers:
            if worker.exit_code is None:
                worker.kill()
