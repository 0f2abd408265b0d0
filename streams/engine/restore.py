"""Restoring: fills the tasks' stores from their changelogs, a part at each turn of the loop.

Reads to the high watermark as it was at the assignment, and waits out transactions that were open
then: a fenced owner flushes before it sends offsets, so whatever it may still commit lies below.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from schemas.ticks import WORKER_STAGE, StageProgress
from streams.engine.log import Log, Partition
from streams.engine.task import KeyedTask, OutRecord, progress_record
from streams.stages.store import StateDamaged, StateUnusable


class Restoration:
    """The restoration of the tasks of one assignment."""

    def __init__(self, log: Log, tasks: Sequence[KeyedTask]) -> None:
        self.tasks = list(tasks)
        self.records = 0
        self._began = time.monotonic()
        self._by_changelog: dict[Partition, list[KeyedTask]] = {}
        for task in tasks:
            for partition in task.changelogs():
                self._by_changelog.setdefault(partition, []).append(task)
        partitions = sorted(self._by_changelog)
        self._targets = {p: end.high for p, end in log.end_offsets(partitions).items()}
        self._reader = log.reader()
        self._reader.assign(log.begin_offsets(partitions))

    @property
    def seconds(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def inputs(self) -> list[Partition]:
        """The inputs of the tasks that are not ready yet."""
        return [task.input for task in self.tasks]

    def drop(self, gone: Iterable[Partition]) -> bool:
        """Forgets tasks that were taken away; says whether none is left."""
        lost = set(gone)
        self.tasks = [task for task in self.tasks if task.input not in lost]
        for partition, tasks in self._by_changelog.items():
            self._by_changelog[partition] = [task for task in tasks if task.input not in lost]
        if not self.tasks:
            self.close()
        return not self.tasks

    def step(self) -> bool:
        """Reads on for a moment; says whether all is restored."""
        if self._is_behind():
            self._read()
            if self._is_behind():
                return False
        for task in self.tasks:
            _check(task)
            task.restored()
        self.close()
        return True

    def _is_behind(self) -> bool:
        positions = self._reader.positions()
        return any(positions.get(p, 0) < target for p, target in self._targets.items())

    def _read(self) -> None:
        for record in self._reader.read(50_000, 0.01):
            key = record.key()
            if key is None:
                continue
            self.records += 1
            partition = Partition(record.topic(), record.partition())
            for task in self._by_changelog.get(partition, ()):
                try:
                    task.restore(partition.topic, key, record.value())
                except (StateUnusable, UnicodeDecodeError) as error:
                    kind = type(error) if isinstance(error, StateUnusable) else StateDamaged
                    where = f"{partition.topic}/{partition.number} at offset {record.offset()}"
                    raise kind(f"{where}: {error}") from error

    def close(self) -> None:
        """Lets go of the reader."""
        self._reader.close()


def _check(task: KeyedTask) -> None:
    """Raises StateDamaged when the changelogs do not hold what was written to them."""
    found, said = task.store.content(), task.progress
    if said.state_keys is not None and found != (said.state_keys, said.state_sum):
        raise StateDamaged(
            f"the changelogs of {task.name} ({', '.join(task.stage.changelogs())}) hold "
            f"{found.keys} keys with the sum {found.total:012x}, and its progress says "
            f"{said.state_keys} with {said.state_sum or 0:012x}"
        )


def worker_record(worker: str, tick: int, partitions: int, restoring: int) -> OutRecord:
    """What `progress` says of a worker itself: its partitions, and how many it still restores."""
    return progress_record(
        StageProgress(
            stage=WORKER_STAGE,
            topic=worker,
            partition=0,
            tick=tick,
            offset=0,
            worker=worker,
            counts={"partitions": partitions, "restoring": restoring},
        )
    )
