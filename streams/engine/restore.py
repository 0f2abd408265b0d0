"""Restoring: fills the tasks' stores from their changelogs, a part at each turn of the loop.

Reads to the high watermark as it was at the assignment, and waits out transactions that were open
then: a fenced owner flushes before it sends offsets, so whatever it may still commit lies below.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from schemas.limits import ERROR_CHARS_MAX
from streams.engine.control import Control
from streams.engine.log import Entry, Log, Partition, Unavailable
from streams.engine.task import KeyedTask
from streams.engine.tasks import Copy, ReadTo
from streams.stages.store import StateDamaged, StateUnusable


class Restoration:
    """The restoration of the tasks of one assignment."""

    def __init__(
        self, log: Log, tasks: Sequence[KeyedTask], copies: Mapping[Partition, Copy] | None = None
    ) -> None:
        """Tasks that were made of copies go on from where these were read."""
        self.tasks = list(tasks)
        self.records = 0
        self._log = log
        self._began = time.monotonic()
        self._left = list(tasks)
        self._unreadable: dict[tuple[Partition, Partition, bytes], StateUnusable] = {}
        """Input, changelog and key of records that are no state, unless a later one of the key is:
        a rebuild writes over what it finds."""
        self._begin({each.task.input: each.read_to for each in (copies or {}).values()})

    def _begin(self, read_to: Mapping[Partition, ReadTo]) -> None:
        changelogs = sorted({p for task in self._left for p in task.changelogs()})
        begins = self._log.begin_offsets(changelogs)
        self._by_changelog: dict[Partition, list[tuple[KeyedTask, int]]] = {}
        for task in self._left:
            known = read_to.get(task.input, begins)
            for partition in task.changelogs():
                start = max(known[partition], begins[partition])
                self._by_changelog.setdefault(partition, []).append((task, start))
        self._targets = {p: end.high for p, end in self._log.end_offsets(changelogs).items()}
        self._reader = self._log.reader()
        self._reader.assign(
            {p: min(start for _, start in tasks) for p, tasks in self._by_changelog.items()}
        )

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
        self._left = [task for task in self._left if task.input not in lost]
        for partition, tasks in self._by_changelog.items():
            self._by_changelog[partition] = [each for each in tasks if each[0].input not in lost]
        if not self.tasks:
            self.close()
        return not self.tasks

    def step(self) -> bool:
        """Reads on for a moment; says whether all is restored."""
        if self._is_behind():
            self._read()
            if self._is_behind():
                return False
        for (where, _, _), error in self._unreadable.items():
            if any(task.input == where for task in self._left):
                raise error
        self._left = [task for task in self._left if not _agrees(task)]
        self.close()
        if self._left:
            self._begin({})
            return False
        return True

    def _is_behind(self) -> bool:
        positions = self._reader.positions()
        return any(positions.get(p, 0) < target for p, target in self._targets.items())

    def _read(self) -> None:
        for partition, records in self._reader.read(50_000, 0.01).items():
            self.records += len(records)
            for task, start in self._by_changelog.get(partition, ()):
                self._fill(task, partition, records, start)

    def _fill(
        self, task: KeyedTask, partition: Partition, records: Sequence[Entry], start: int
    ) -> None:
        """Gives a task records of one of its changelogs, from the offset `start` on."""
        take = task.follow if task.is_in_step else task.restore
        unreadable = self._unreadable
        for record in records:
            key = record.key()
            if key is None or record.offset() < start:
                continue
            if unreadable:
                unreadable.pop((task.input, partition, key), None)
            try:
                take(partition.topic, key, record.value())
            except (StateUnusable, UnicodeDecodeError) as error:
                if record.value() is not None:
                    told = _placed(error, partition, record)
                    unreadable[task.input, partition, key] = told

    def close(self) -> None:
        """Lets go of the reader."""
        self._reader.close()


def restore_on(restoration: Restoration, control: Control, timeout_s: float) -> bool:
    """A step of the restoration; says whether all is restored.

    Raises StateDamaged, unless the state is only newer than the progress that was read: then others
    have gone on with a partition since, and Unavailable says so.
    """
    try:
        return restoration.step()
    except StateDamaged:
        control.sync(timeout_s)
        for task in restoration.tasks:
            now = control.progress_of(task.stage.name, task.input)
            if now is not None and now != task.progress:
                raise Unavailable(
                    f"another worker went on with {task.name} while this one restored it"
                ) from None
        raise


def _placed(error: Exception, partition: Partition, record: Entry) -> StateUnusable:
    """The error with the place of the record."""
    kind = type(error) if isinstance(error, StateUnusable) else StateDamaged
    where = f"{partition.topic}/{partition.number} at offset {record.offset()}"
    return kind(f"{where}: {str(error)[:ERROR_CHARS_MAX]}")


def _agrees(task: KeyedTask) -> bool:
    """Whether the state is what was written; a copy that is not is emptied, to be read anew.

    Raises StateDamaged for state that was read from the beginning.
    """
    found, said = task.store.content(), task.progress
    if said.state_keys is None or found == (said.state_keys, said.state_sum):
        task.restored()
        return True
    if task.is_in_step:
        task.forget()
        return False
    raise StateDamaged(
        f"the changelogs of {task.name} ({', '.join(task.stage.changelogs())}) hold "
        f"{found.keys} keys with the sum {found.total:012x}, and its progress says "
        f"{said.state_keys} with {said.state_sum or 0:012x}"
    )
