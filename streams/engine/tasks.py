"""Which tasks a worker runs: made when partitions are assigned, dropped when they are revoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.codec import FactDecoder
from schemas.ticks import StageProgress, Tick
from schemas.topics import FACT_TOPICS
from schemas.units import UtcMillis
from streams.engine.control import Control
from streams.engine.flow import LAST_STAGE, STAGES
from streams.engine.intake_task import IntakeTask
from streams.engine.log import Log, OffsetGone, Partition
from streams.engine.task import KeyedTask
from streams.stages import intake
from streams.stages.links import Links
from streams.stages.stage import Stage
from streams.stages.store import StateDamaged, StateUnfinished

ReadTo = dict[Partition, int]
"""The next offset of each changelog partition that a copy is to read."""


class Copy:
    """The state of one task, and how far its changelogs were read."""

    __slots__ = ("read_to", "task")

    def __init__(self, task: KeyedTask, read_to: ReadTo) -> None:
        self.task = task
        self.read_to = read_to


class Tasks:
    """The tasks of one worker, by input. Only the worker's own thread changes them."""

    def __init__(self, log: Log, control: Control, worker: str) -> None:
        self._log = log
        self._control = control
        self._worker = worker
        self._decoder = FactDecoder(registry=control.schemas)
        self.partitions = 0
        """Partitions of the engine's topics; set before the first assignment."""
        self.intake: dict[Partition, IntakeTask] = {}
        self.keyed: dict[Partition, KeyedTask] = {}

    def check(self) -> None:
        """Raises StateUnfinished when a rebuild was begun that has not ended, and StateDamaged when
        there are ticks of whose end `progress` knows nothing: all would be decided once more."""
        if (left := self._control.rebuilding) is not None:
            raise StateUnfinished(
                f"a rebuild of the state as of tick {left.tick} was begun and has not ended"
            )
        stage, topic = LAST_STAGE
        done = self._control.done(stage, [Partition(topic, n) for n in range(self.partitions)])
        if done < self._control.done_before:
            raise StateDamaged(
                f"progress says that tick {done} is done everywhere, and ticks that "
                f"{self._control.done_before} is"
            )

    def is_due(self, at: UtcMillis) -> bool:
        """Whether a deadline in the state of any task has come by `at`."""
        return any(task.store.due_keys(at) for task in self.keyed.values())

    def take(
        self, partitions: Sequence[Partition], copies: Mapping[Partition, Copy] | None = None
    ) -> list[IntakeTask | KeyedTask]:
        """A task for each partition, where its progress stands; made of its copy if there is one.
        Raises OffsetGone."""
        begins = self._log.begin_offsets(partitions)
        return [self._make(each, begins[each], (copies or {}).get(each)) for each in partitions]

    def drop(self, partitions: Sequence[Partition]) -> None:
        """Forgets the tasks; their state is in the log."""
        for partition in partitions:
            self.intake.pop(partition, None)
            self.keyed.pop(partition, None)

    def clear(self) -> None:
        """Forgets all of them."""
        self.intake.clear()
        self.keyed.clear()

    @property
    def partitions_held(self) -> int:
        """How many partitions this worker runs."""
        return len(self.intake) + len(self.keyed)

    def waits_for(self, tick: Tick | None) -> str:
        """What holds the tick up here, in words; empty when nothing does."""
        if tick is None:
            return ""
        for task in list(self.intake.values()):
            lacks = task.lacks(tick)
            if lacks:
                return f"{task.name} is {lacks} records short of the cut of tick {tick.n}"
        return ""

    def _make(self, partition: Partition, begin: int, copy: Copy | None) -> IntakeTask | KeyedTask:
        if partition.topic in FACT_TOPICS:
            progress = self._control.progress_of(intake.NAME, partition)
            _check_offset(partition, progress.offset if progress else begin, begin)
            taken = IntakeTask(
                partition, self.partitions, progress, begin, self._decoder, self._worker
            )
            self.intake[partition] = taken
            return taken
        stage = _stage_of(partition)
        progress = self._control.progress_of(stage.name, partition)
        _check_offset(partition, progress.offset if progress else begin, begin)
        if copy is None:
            task = keyed_task(partition, self.partitions, progress, begin, self._worker)
        else:
            task = copy.task
            task.stand_at(progress, begin)
        self.keyed[partition] = task
        return task


def keyed_task(
    partition: Partition,
    partitions: int,
    progress: StageProgress | None,
    begin_offset: int,
    worker: str,
) -> KeyedTask:
    """The task of the stage whose input this is; the engine's topics have `partitions` each."""
    stage = _stage_of(partition)
    # The first stage hears of each partition of facts, whose number the tick says.
    upstreams = None if stage.name == Links.name else partitions
    return KeyedTask(stage, partition.number, partitions, upstreams, progress, begin_offset, worker)


def _stage_of(partition: Partition) -> Stage:
    return next(made for each in STAGES if (made := each()).input_topic == partition.topic)


def _check_offset(partition: Partition, offset: int, begin: int) -> None:
    if offset < begin:
        then = (
            "Facts were deleted before they were read. Lengthen the topic's retention; to accept "
            "the loss, begin anew from what is left, as docs/operations.md says."
            if partition.topic in FACT_TOPICS
            else "What one stage hands to the next is kept for days, and no worker ran for longer. "
            "The facts are there: run `slipwatch rebuild`."
        )
        raise OffsetGone(
            f"{partition.topic}/{partition.number} begins at offset {begin}, but this "
            f"installation has only taken it in up to {offset}",
            then,
        )
