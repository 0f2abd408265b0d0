"""Worker processes as they are deployed, and a reader that sees how far they have come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from bench.cpu import cpu_seconds, resident_bytes
from bench.ground import PARTITIONS, STOP_S, WAIT_S, BenchFailed, Place
from schemas.ticks import WORKER_STAGE, Tick
from schemas.topics import FACT_TOPICS
from schemas.units import UtcMillis, millis
from streams.app.engine_host import STATE_RESTORED
from streams.engine.control import Control
from streams.engine.flow import LAST_STAGE
from streams.engine.log import Partition


class Restored(msgspec.Struct):
    """Records of changelogs that were read back together, and how long that took."""

    records: int
    seconds: float


class Watch:
    """Sees ticks and progress as they become readable."""

    def __init__(self, place: Place) -> None:
        self._log = place.log()
        self._control = Control(self._log)
        self._control.open(WAIT_S)
        name, topic = LAST_STAGE
        self._stage = name
        self._last = [Partition(topic, number) for number in range(PARTITIONS)]
        self._facts = [Partition(topic, n) for topic in FACT_TOPICS for n in range(PARTITIONS)]

    @property
    def tick(self) -> Tick | None:
        """The latest tick."""
        return self._control.tick

    @property
    def number(self) -> int:
        """The number of the latest tick; 0 before the first."""
        return self._control.tick.n if self._control.tick is not None else 0

    @property
    def tick_at(self) -> UtcMillis:
        """The time of the latest tick."""
        return millis(self._control.tick.at) if self._control.tick is not None else 0

    def poll(self) -> None:
        """Takes in what is new."""
        self._control.poll(0.005)

    def tick_done(self) -> int:
        """The number of the last tick that is finished everywhere."""
        while self._control.poll(0.05):
            pass
        return self._control.done(self._stage, self._last)

    def facts_cut(self) -> int:
        """Facts before the cut of the latest tick."""
        tick = self._control.tick
        return 0 if tick is None else sum(map(sum, tick.cut.values()))

    def has_done(self, facts: int) -> bool:
        """Whether a complete tick that cuts so many facts is finished everywhere."""
        tick = self._control.tick
        if tick is None or not tick.complete:
            return False
        if self.facts_cut() < facts:
            return False
        return self._control.done(self._stage, self._last) >= tick.n

    def entries(self) -> dict[str, int]:
        """Stage → entries of its state over all partitions, as of their last tick."""
        found: dict[str, int] = {}
        for each in self._control.progress.values():
            if "state" in each.counts:
                found[each.stage] = found.get(each.stage, 0) + each.counts["state"]
        return found

    def owners(self) -> dict[str, str]:
        """Partition of a stage → the worker that finished its last tick there."""
        return {
            key: each.worker
            for key, each in self._control.progress.items()
            if each.stage != WORKER_STAGE
        }

    def wait_for_copies(self, *workers: WorkerProcess) -> None:
        """Returns when each has read its copies of the others' state to the end once."""
        wanted = {worker.owner for worker in workers}
        self.wait(lambda: wanted <= self._copying(), workers, "copies are kept of all state")

    def _copying(self) -> set[str]:
        told = self._control.progress.values()
        return {each.worker for each in told if each.counts.get("copies")}

    def wait(self, until: Callable[[], bool], workers: Sequence[WorkerProcess], what: str) -> None:
        """Reads on until it is so; BenchFailed when that takes too long or a worker has ended."""
        deadline = time.monotonic() + WAIT_S
        while not until():
            self.poll()
            for worker in workers:
                worker.check()
            if time.monotonic() > deadline:
                raise BenchFailed(f"{what}: not so after {WAIT_S:.0f} s")

    def wait_for_tick(self, worker: WorkerProcess) -> None:
        """Returns when there is a tick: the worker is up and has the partition of ticks."""
        self.wait(lambda: self.tick is not None, [worker], "there is a tick")

    def wait_for_crew(self, *workers: WorkerProcess) -> None:
        """Returns when ticks pass and these workers, and no other, share the partitions: those of
        one number in one hand, since the group may move them one after the other."""
        wanted = {worker.owner for worker in workers}
        first = self.tick_done()
        self.wait(
            lambda: self.tick_done() > first + 1 and self._is_shared_by(wanted),
            workers,
            f"{len(workers)} workers share the partitions",
        )

    def _is_shared_by(self, wanted: set[str]) -> bool:
        owners = self.owners()
        by_number = {(key.rpartition("/")[2], owner) for key, owner in owners.items()}
        return set(owners.values()) == wanted and len(by_number) == PARTITIONS

    def close(self) -> None:
        """Reads no more."""
        self._control.close()
        self._log.close()


class WorkerProcess:
    """A real `slipwatch worker`; what it says goes to a file, its end to whoever asks.

    `settings` are environment variables without `SLIPWATCH_`.
    """

    def __init__(
        self,
        place: Place,
        folder: Path,
        *,
        tick_ms: int,
        clock: Path | None,
        name: str = "bench",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.owner = f"slipwatch-{name}"
        self._log_path = folder / f"{place.prefix}{name}-{time.monotonic_ns()}.log"
        self._output = self._log_path.open("wb")
        arguments = ["--name", name]
        if clock is not None:
            arguments += ["--clock-file", str(clock)]
        given = {
            "KAFKA__BOOTSTRAP_SERVERS": place.bootstrap,
            "TOPICS__PREFIX": place.prefix,
            "ENGINE__TICK_MS": str(tick_ms),
            "LOG__FORMAT": "json",
            "WEB__PORT": "0",
            **(settings or {}),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "worker", *arguments],
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("SLIPWATCH_")},
                **{f"SLIPWATCH_{key}": value for key, value in given.items()},
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._output.close()

    def stop(self) -> None:
        """Ends it as an operator would; returns when it has."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        self.kill()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_S)

    def cpu_seconds(self) -> float:
        """CPU time of the process so far, all threads."""
        self.check()
        return cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory of the process now."""
        self.check()
        return resident_bytes(self._process.pid)

    def restorations(self) -> list[Restored]:
        """What it has restored so far, as it says itself."""
        lines = self._log_path.read_text(errors="replace").splitlines()
        said = [line for line in lines if f'"{STATE_RESTORED}"' in line]
        return [msgspec.json.decode(line, type=Restored) for line in said]

    def check(self) -> None:
        """Raises BenchFailed when the worker has ended."""
        if self._process.poll() is not None:
            said = self._log_path.read_text(errors="replace")[-2_000:]
            raise BenchFailed(f"the worker ended with code {self._process.returncode}:\n{said}")


def wait_until(watch: Watch, worker: WorkerProcess, facts: int) -> None:
    """Waits until all facts went through all stages; BenchFailed when they do not in time."""
    watch.wait(lambda: watch.has_done(facts), [worker], f"{facts} facts went through all stages")


def appended_s(place: Place, topic: str) -> list[float]:
    """When the log took each committed record of a topic of one partition; seconds since 1970.

    It ends at what was the end when it began: a topic that always grows never says "end".
    """
    consumer = Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": "bench-moments",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    partition = TopicPartition(place.prefix + topic, 0, 0)
    consumer.assign([partition])
    moments: list[float] = []
    deadline = time.monotonic() + WAIT_S
    try:
        _, end = consumer.get_watermark_offsets(partition, timeout=WAIT_S)
        while time.monotonic() < deadline:
            for message in consumer.consume(1_000, 0.5):
                error = message.error()
                offset = message.offset()
                if error is None and offset is not None and offset < end:
                    moments.append(message.timestamp()[1] / 1_000)
                elif error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    return moments
    finally:
        consumer.close()
    raise BenchFailed(f"{topic} could not be read to its end")
