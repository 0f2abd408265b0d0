"""The witness: sees each transaction as it is committed, and what must hold then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from schemas.records import decode
from schemas.ticks import StageProgress, Tick
from schemas.topics import FACT_TOPICS
from streams.engine.flow import STAGES
from streams.engine.log import Partition
from streams.engine.writing import progress_key
from tests.simulation.schedules_log import Entry, Witness

UPSTREAM = {stage.name: before.name for before, stage in pairwise(STAGES)}
INPUT = {stage.name: stage.input_topic for stage in (made() for made in STAGES)}
LAST = STAGES[-1].name
EXACT = frozenset({"intake", *INPUT})
"""Whose progress is a part of the state; a worker also tells there how it fares."""
CHANGELOGS = frozenset(
    {"parked-state", *(topic for made in STAGES for topic in made().changelogs())}
)


class Violation(AssertionError):
    """Something that must hold does not."""


class CommitWitness(Witness):
    """Remembers ticks, progress and state as committed; raises Violation."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self.ticks: list[Tick] = []
        self.progress: dict[str, StageProgress] = {}
        self.state: dict[Partition, dict[str, bytes]] = {}

    def committing(
        self, producer: str, entries: Sequence[Entry], offsets: Mapping[Partition, int] | None
    ) -> None:
        """Checks one transaction before it is visible."""
        moved: dict[Partition, int] = {}
        news: list[StageProgress] = []
        for where, key, value in entries:
            if where.topic == "ticks":
                assert value is not None
                self._tick(decode(value, Tick))
            elif where.topic == "progress":
                assert value is not None
                progress = decode(value, StageProgress)
                if progress.stage not in EXACT:
                    continue
                news.append(progress)
                moved[Partition(progress.topic, progress.partition)] = progress.offset
            elif where.topic in CHANGELOGS:
                assert key is not None
                held = self.state.setdefault(where, {})
                if value is None:
                    held.pop(key.decode(), None)
                else:
                    held[key.decode()] = value
        for progress in news:
            self._barrier(progress)
        for progress in news:
            self._advance(progress)
        if moved and offsets is None:
            raise Violation(f"{producer} committed without the offsets and the group's word")
        if moved and dict(offsets or {}) != moved:
            raise Violation(f"{producer} sent offsets {offsets} but its progress says {moved}")

    def done(self) -> int:
        """The tick that every partition of the last stage has done."""
        return min(self._done(LAST, number) for number in range(self._partitions))

    def _done(self, stage: str, number: int, topic: str | None = None) -> int:
        found = self.progress.get(progress_key(stage, topic or INPUT[stage], number))
        return found.tick if found is not None else 0

    def _tick(self, tick: Tick) -> None:
        last = self.ticks[-1] if self.ticks else None
        if tick.n != (last.n if last is not None else 0) + 1:
            raise Violation(f"tick {tick.n} follows tick {last.n if last else 0}")
        if last is not None:
            if tick.at <= last.at:
                raise Violation(f"time goes back from {last.at} to {tick.at}")
            if self.done() < last.n:
                raise Violation(f"tick {tick.n} is in flight beside tick {last.n}")
            for topic, before in last.cut.items():
                if any(now < was for now, was in zip(tick.cut[topic], before, strict=False)):
                    raise Violation(f"the cut of {topic} goes back at tick {tick.n}")
        self.ticks.append(tick)

    def _barrier(self, progress: StageProgress) -> None:
        """Nothing is begun before all that it follows from was done."""
        n = progress.within if progress.within is not None else progress.tick
        stage = progress.stage
        if stage == "intake":
            if progress.tick and progress.tick == n and progress.within is None:
                before = self.progress.get(progress_key(stage, progress.topic, progress.partition))
                cut = self.ticks[n - 1].cut[progress.topic][progress.partition]
                if (before is None or before.tick < n) and progress.offset != cut:
                    raise Violation(f"{progress.topic} ends tick {n} beside its cut")
            return
        if stage in UPSTREAM:
            above = UPSTREAM[stage]
            behind = [p for p in range(self._partitions) if self._done(above, p) < n]
        else:
            above, cut_by_topic = "intake", self.ticks[n - 1].cut
            behind = [
                number
                for topic in FACT_TOPICS
                for number in range(len(cut_by_topic.get(topic, ())))
                if self._done("intake", number, topic) < n
            ]
        if behind:
            raise Violation(f"{stage} takes tick {n} before {above} {behind} has ended it")

    def _advance(self, progress: StageProgress) -> None:
        key = progress_key(progress.stage, progress.topic, progress.partition)
        before = self.progress.get(key)
        if before is not None and _order(progress) <= _order(before):
            raise Violation(f"{key} goes back from {_order(before)} to {_order(progress)}")
        if before is not None and progress.offset < before.offset:
            raise Violation(f"{key} goes back from offset {before.offset} to {progress.offset}")
        self.progress[key] = progress


def _order(progress: StageProgress) -> tuple[int, bool, str, int]:
    """Grows with every commit: the tick, then how far within the next, then the offset."""
    within = progress.within is not None
    offset = progress.offset if progress.stage == "intake" else 0
    return (progress.tick, within, progress.after or "", offset)
