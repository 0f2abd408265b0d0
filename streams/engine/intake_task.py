"""The intake's task: one partition of facts, which a tick cuts by offset."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import attrgetter

import msgspec

from schemas.codec import FactDecoder, schema_id_of
from schemas.ticks import StageProgress, Tick
from schemas.units import instant
from streams.engine.log import Entry, Partition
from streams.engine.writing import Written, batches, for_readers, progress_record
from streams.stages import intake
from streams.stages.intake import Raw, take_in
from streams.stages.rows import TickHeader
from streams.stages.stage import Outputs


class IntakeTask:
    """Intake on one partition of a topic of facts. Its whole state is how far it has come."""

    def __init__(
        self,
        source: Partition,
        partitions: int,
        progress: StageProgress | None,
        begin_offset: int,
        decoder: FactDecoder,
        worker: str,
    ) -> None:
        self.input = source
        self._partitions = partitions
        self._decoder = decoder
        self._worker = worker
        self._raws: list[Raw] = []
        self._named: dict[int, int] = {}
        self._progress = progress or StageProgress(
            stage=intake.NAME, topic=source.topic, partition=source.number, tick=0,
            offset=begin_offset,
        )  # fmt: skip
        self._next_progress = self._progress
        self._position = self._progress.offset
        self._read_to = self._progress.offset
        self._taken = 0
        self.last_counts = (0, 0)
        """Facts taken in and records refused by the last `run`."""

    @property
    def name(self) -> str:
        """`topic/partition`, the upstream name of the task's rows."""
        return f"{self.input.topic}/{self.input.number}"

    @property
    def progress(self) -> StageProgress:
        """The last committed progress; its offset is where reading must begin after a crash."""
        return self._progress

    @property
    def next_progress(self) -> StageProgress:
        """The progress that the records of the last `run` carry."""
        return self._next_progress

    @property
    def buffered(self) -> int:
        """Records in memory that are not taken in."""
        return len(self._raws)

    @property
    def position(self) -> int:
        """The offset up to which the partition has been read, past markers of transactions."""
        return self._position

    def accept(self, records: Iterable[Entry]) -> None:
        """Records of facts, in order. One that was accepted before is skipped."""
        read_to = self._read_to
        raws = [Raw(record.offset(), record.key(), record.value()) for record in records]
        if raws and raws[0].offset < read_to:
            raws = [raw for raw in raws if raw.offset >= read_to]
        if raws:
            self._raws += raws
            self._note_schemas(raws)
            self._read_to = raws[-1].offset + 1
            self._position = max(self._position, self._read_to)

    def _note_schemas(self, raws: list[Raw]) -> None:
        """Remembers the first offset of each id of a registry that the facts name."""
        # This looks at every fact: more than one comparison would be felt.
        for raw in [raw for raw in raws if (value := raw.value) and value[0] == 0]:
            schema_id = schema_id_of(raw.value)
            if schema_id is not None:
                self._named.setdefault(schema_id, raw.offset)

    def named_schemas(self, tick: Tick) -> list[int]:
        """Ids of a registry that facts before the cut name, but for those known already."""
        end = self.cut(tick)
        if not self._named or end is None or self._progress.tick >= tick.n:
            return []
        return [schema_id for schema_id, offset in self._named.items() if offset < end]

    def schemas_known(self, ids: Iterable[int]) -> None:
        """These can be decoded or refused from now on."""
        for schema_id in ids:
            self._named.pop(schema_id, None)

    def reached(self, position: int) -> None:
        """Reading has come this far, which may be past the last record."""
        self._position = max(self._position, position)

    def cut(self, tick: Tick) -> int | None:
        """Where the tick cuts this partition; None if the tick does not know the partition."""
        offsets = tick.cut.get(self.input.topic, [])
        return offsets[self.input.number] if self.input.number < len(offsets) else None

    def ready(self, tick: Tick, facts_min: int) -> bool:
        """Whether the tick is new to this partition and everything up to its cut was read, or at
        least `facts_min` records before it."""
        end = self.cut(tick)
        if end is None or self._progress.tick >= tick.n:
            return False
        if self._position >= end:
            return True
        return len(self._raws) >= facts_min and self._raws[facts_min - 1].offset < end

    def lacks(self, tick: Tick) -> int:
        """How many offsets are still to be read for the tick."""
        end = self.cut(tick)
        if end is None or self._progress.tick >= tick.n:
            return 0
        return max(0, end - self._position)

    def run(self, tick: Tick, facts_max: int) -> Written:
        """Takes in up to `facts_max` more records before the cut."""
        end = self.cut(tick)
        assert end is not None, "ready() said that the tick knows this partition"
        before = bisect_left(self._raws, end, key=attrgetter("offset"))
        raws = self._raws[: min(before, facts_max)]
        header = TickHeader.of(tick)
        out = Outputs(self._partitions)
        counts = take_in(self.input.topic, self.input.number, raws, header, self._decoder, out)
        self._taken = len(raws)
        self.last_counts = (counts.facts, counts.refused)
        finished = self._position >= end and len(raws) == before
        self._next_progress = msgspec.structs.replace(
            self._progress,
            tick=tick.n if finished else self._progress.tick,
            at=instant(header.at) if finished else self._progress.at,
            offset=end if finished else raws[-1].offset + 1,
            worker=self._worker,
            counts={"facts": counts.facts, "refused": counts.refused},
        )
        records = list(for_readers(out, tick.n))
        records += batches(
            out, self.name, header, "links-rows" if finished else None, self._partitions
        )
        records.append(progress_record(self._next_progress))
        return Written(records, finished, len(raws))

    def committed(self) -> None:
        """The transaction with the last `run`'s records is in the log."""
        del self._raws[: self._taken]
        self._taken = 0
        self._progress = self._next_progress

    def aborted(self) -> None:
        """The transaction did not happen."""
        self._taken = 0
        self._next_progress = self._progress
