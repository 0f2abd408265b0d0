"""Real worker processes on a storm's topics: started, killed, frozen, and looked after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from streams.engine.moments import Moment
from tests.chaos.fuse import FACTS_VARIABLE, FUSE_VARIABLE, KEYS_VARIABLE, Fuse
from tests.worlds import KafkaWorld, until

STOP_SECONDS = 45.0
ROOT = Path(__file__).resolve().parents[2]
QUICK = {
    "SLIPWATCH_ENGINE__TICK_MS": "150",
    "SLIPWATCH_ENGINE__SESSION_TIMEOUT_MS": "3000",
    "SLIPWATCH_ENGINE__HEARTBEAT_MS": "300",
    "SLIPWATCH_ENGINE__TRANSACTION_TIMEOUT_MS": "8000",
    "SLIPWATCH_DELIVERY__ENABLED": "false",
    "SLIPWATCH_WEB__PORT": "0",
    KEYS_VARIABLE: "25",
    FACTS_VARIABLE: "250",
}
"""The settings of a worker in a storm, unless a test says otherwise. Delivery has tests of its own
(tests/kafka/test_delivery.py) and would be half of the load."""


def _without_settings() -> dict[str, str]:
    """This process's environment, without what is meant for the tests or another installation."""
    return {k: v for k, v in os.environ.items() if not k.startswith("SLIPWATCH_")}


class WorkerProcess:
    """One process. Its output goes to NAME.log in the crew's folder, its fuse is NAME.fuse."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], clock: Path):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._said_before = self.log_path.stat().st_size if self.log_path.exists() else 0
        fuse_path = folder / f"{name}.fuse"
        self.fuse = Fuse(fuse_path)
        self.died_at: Moment | None = None
        """Where its fuse ended it; None if something else did, or nothing."""
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.victim", "worker", "--name", name,
                 "--clock-file", str(clock)],
                env={**_without_settings(), **environment, FUSE_VARIABLE: str(fuse_path)},
                cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output,
                # Ctrl-C in a terminal is for the test, which then ends its workers itself.
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -9 when it was killed."""
        return self._process.poll()

    def output(self) -> str:
        """What it said."""
        with self.log_path.open("rb") as file:
            file.seek(self._said_before)
            return file.read().decode(errors="replace")

    @property
    def last_words(self) -> str:
        """The end of it."""
        return self.output()[-4_000:]

    @property
    def is_up(self) -> bool:
        """Whether it listens, and so takes signals as a worker and not as a mere process."""
        return "listens on" in self.output()

    def signal(self, number: int) -> None:
        """Sends the signal, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.wait()

    def freeze(self) -> None:
        """It stands still, and knows nothing of it, until `thaw`."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self.signal(signal.SIGCONT)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(STOP_SECONDS)
        self.died_at = self.died_at or self.fuse.burnt
        self.fuse.clear()
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    def stop(self) -> int:
        """Asks it to end, once it has begun; its exit code."""
        self.ask_to_end()
        return self.wait()

    def ask_to_end(self) -> None:
        """SIGTERM, once it has begun."""
        until(lambda: self.is_up or self.exit_code is not None, f"{self.name} is up", STOP_SECONDS)
        self.signal(signal.SIGTERM)


class Crew:
    """The workers of one storm, by name. Kills what still runs when the block ends."""

    def __init__(
        self, world: KafkaWorld, folder: Path, clock: Path, settings: Mapping[str, str] = {}
    ) -> None:
        """`settings` are environment variables that go over `QUICK`."""
        self._folder = folder
        self._clock = clock
        self._environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": world.bootstrap,
            "SLIPWATCH_TOPICS__PREFIX": world.prefix,
            **QUICK,
            **settings,
        }
        self.members: dict[str, WorkerProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self:
            each.kill()

    def __getitem__(self, name: str) -> WorkerProcess:
        return self.members[name]

    def __iter__(self) -> Iterator[WorkerProcess]:
        return iter(self.members.values())

    def start(self, *names: str, settings: Mapping[str, str] = {}) -> None:
        """Starts these; a name may come back when its process has ended."""
        for name in names:
            before = self.members.get(name)
            assert before is None or before.exit_code is not None, f"{name} still runs"
            environment = {**self._environment, **settings}
            self.members[name] = WorkerProcess(name, self._folder, environment, self._clock)

    def fuse(self, name: str) -> Fuse:
        """The fuse of the worker of that name, before it is started too."""
        if name in self.members:
            return self.members[name].fuse
        return Fuse(self._folder / f"{name}.fuse")

    def running(self) -> list[WorkerProcess]:
        """Those that have not ended."""
        return [each for each in self if each.exit_code is None]

    def bury(self) -> list[WorkerProcess]:
        """Takes out those that have ended, and returns them. One that ended other than by
        kill -9 is a failure: the storm asked for nothing else."""
        ended = [each for each in self if each.exit_code is not None]
        for each in ended:
            code = each.wait()
            assert code == -signal.SIGKILL, (
                f"{each.name} ended with {code}:\n{each.output()[-4_000:]}"
            )
            del self.members[each.name]
        return ended

    def stop(self) -> None:
        """Asks all to end; each must, with code 0."""
        for each in self:
            each.ask_to_end()
        for each in self:
            code = each.wait()
            assert code == 0, f"{each.name} ended with {code}:\n{each.last_words}"
