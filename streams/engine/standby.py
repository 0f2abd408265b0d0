"""Copies of the state that other workers own, kept up with their changelogs.

A worker with copies takes over a partition by reading the rest of its changelogs, not all of them.
A copy is no more than a restoration that began early: it holds committed records only, in their
order, and what remains to be read is read as any restoration reads. The sum that is part of every
task's progress is compared before a copy is used, as of any state; one that does not agree is
thrown away, and the state is read from the beginning.

It costs memory for all state that this worker does not own, and the time to read each change.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from schemas.units import UtcMillis
from streams.engine.flow import STAGES
from streams.engine.log import Entry, Log, OffsetGone, Partition, Reader
from streams.engine.tasks import Copy, keyed_task
from streams.stages.store import StateUnusable

RECORDS_PER_STEP_MAX = 2_000
"""Records read in one turn of the worker's loop, some 10 ms: it has its own partitions to run."""


class Standby:
    """The copies of one worker; everything is called on the worker's own thread.

    Switched off it holds and reads nothing.
    """

    def __init__(self, log: Log, worker: str, *, is_on: bool) -> None:
        self._log = log
        self._worker = worker
        self._is_on = is_on
        self._inputs: tuple[Partition, ...] = ()
        self._partitions = 0
        self._copies: dict[Partition, Copy] = {}
        self._unusable: set[Partition] = set()
        self._reader: Reader | None = None
        self._behind: dict[Partition, int] = {}

    def open(self, partitions: int) -> None:
        """Begins with no copies; the engine's topics have so many partitions."""
        self._partitions = partitions
        if self._is_on:
            topics = [stage().input_topic for stage in STAGES]
            self._inputs = tuple(Partition(t, n) for t in topics for n in range(partitions))

    def close(self) -> None:
        """Throws the copies away."""
        self._copies.clear()
        self._unusable.clear()
        self._behind.clear()
        self._inputs = ()
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @property
    def count(self) -> int:
        """How many copies there are."""
        return len(self._copies)

    @property
    def behind(self) -> int:
        """How many changelog partitions were not yet read to where they ended when this worker
        began to follow them."""
        return len(self._behind)

    def take(self, inputs: Collection[Partition]) -> dict[Partition, Copy]:
        """The copies of these inputs; they are followed here no more."""
        if not self._is_on:
            return {}
        self._note_positions()
        taken = {each: self._copies.pop(each) for each in inputs if each in self._copies}
        self._unusable.difference_update(inputs)
        self._assign()
        return taken

    def step(self, owned: Collection[Partition]) -> bool:
        """Reads on for a moment in the changelogs of what is not owned; says whether it read."""
        wanted = [each for each in self._inputs if each not in owned]
        missing = [each for each in wanted if each not in self._copies.keys() | self._unusable]
        if missing:
            self._follow(missing)
        if self._reader is None or not self._copies:
            return False
        try:
            read = self._reader.read(RECORDS_PER_STEP_MAX, 0)
        except OffsetGone:
            # Somebody deleted records of a changelog. The worker's own state may be as it should.
            self.close()
            self.open(self._partitions)
            return False
        by_changelog = self._by_changelog()
        for partition, records in read.items():
            for copy in by_changelog.get(partition, ()):
                try:
                    _follow(copy, partition, records)
                except (StateUnusable, UnicodeDecodeError):
                    # Of a newer release, or damaged: who is assigned the partition will say so.
                    self._give_up(copy.task.input)
        if self._behind:
            self._note_level()
        return bool(read)

    def pass_to(self, at: UtcMillis) -> None:
        """The tick at this time has begun. Copies that have caught up note what falls due by it, as
        their owners do; in one that has not, what is due is mostly about to change."""
        if not self._behind:
            for copy in self._copies.values():
                copy.task.pass_to(at)

    def _follow(self, inputs: Sequence[Partition]) -> None:
        self._note_positions()
        tasks = [keyed_task(each, self._partitions, None, 0, self._worker) for each in inputs]
        changelogs = sorted({p for task in tasks for p in task.changelogs()})
        begins = self._log.begin_offsets(changelogs)
        for task in tasks:
            self._copies[task.input] = Copy(task, {p: begins[p] for p in task.changelogs()})
        self._behind.update({p: end.high for p, end in self._log.end_offsets(changelogs).items()})
        self._assign()

    def _give_up(self, given_up: Partition) -> None:
        self._unusable.add(given_up)
        self._copies.pop(given_up, None)

    def _assign(self) -> None:
        """Reads every changelog from where the copy stands that has read least of it."""
        starts: dict[Partition, int] = {}
        for copy in self._copies.values():
            for partition, offset in copy.read_to.items():
                starts[partition] = min(offset, starts.get(partition, offset))
        self._behind = {p: end for p, end in self._behind.items() if p in starts}
        if self._reader is None:
            self._reader = self._log.reader()
        self._reader.assign(starts)

    def _note_positions(self) -> None:
        """Puts down how far each copy was read: past markers too, and never back."""
        if self._reader is None:
            return
        positions = self._reader.positions()
        for copy in self._copies.values():
            for partition, offset in copy.read_to.items():
                copy.read_to[partition] = max(offset, positions.get(partition, offset))

    def _note_level(self) -> None:
        assert self._reader is not None, "there is a reader as long as there are copies"
        positions = self._reader.positions()
        self._behind = {p: end for p, end in self._behind.items() if positions.get(p, 0) < end}

    def _by_changelog(self) -> Mapping[Partition, list[Copy]]:
        found: dict[Partition, list[Copy]] = {}
        for copy in self._copies.values():
            for partition in copy.read_to:
                found.setdefault(partition, []).append(copy)
        return found


def _follow(copy: Copy, partition: Partition, records: Sequence[Entry]) -> None:
    start = copy.read_to[partition]
    for record in records:
        key = record.key()
        if key is not None and record.offset() >= start:
            copy.task.follow(partition.topic, key, record.value())
