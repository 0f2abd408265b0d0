"""The clients of the log in memory: a member of a group, a reader, a transactional producer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streams.engine.log import Fenced, Headers, Partition
from streams.engine.memory_broker import MemoryBroker
from streams.engine.memory_parts import Member, MemoryRecord, Transaction


def by_partition(records: Iterable[MemoryRecord]) -> dict[Partition, list[MemoryRecord]]:
    """The records of each partition, in the order in which they came."""
    found: dict[Partition, list[MemoryRecord]] = {}
    for record in records:
        found.setdefault(Partition(record.topic(), record.partition()), []).append(record)
    return found


class MemoryConsumer:
    """A member of a group."""

    def __init__(self, log: MemoryBroker, group: str, member: Member) -> None:
        self._log = log
        self._group = group
        self._member = member
        self._positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()

    @property
    def name(self) -> str:
        """The member's name in the group."""
        return self._member.name

    def consume(
        self, records_max: int, timeout_s: float
    ) -> Mapping[Partition, Sequence[MemoryRecord]]:
        """Takes part in a rebalance if there is one, then reads."""
        self._settle()
        records = self._log.fetch(self._positions, records_max, self._paused)
        if not records and timeout_s > 0:
            self._log.wait(timeout_s)
        return by_partition(records)

    def _settle(self) -> None:
        group = self._log.groups[self._group]
        member = self._member
        expelled = member.name not in group.members
        if (group.rebalancing or expelled) and self._positions:
            lost = sorted(self._positions)
            self._positions.clear()
            self._paused.clear()
            member.rebalance.revoked(lost)
        if expelled:
            group.members[member.name] = member
            group.rebalancing = True
            for each in group.members.values():
                each.joined = False
        assigned = self._log.settle(self._group, member)
        if assigned is None and member.generation == group.generation and not group.rebalancing:
            assigned = member.assigned if not self._positions and member.assigned else None
        if assigned:
            begins = member.rebalance.assigned(assigned)
            self._positions = {p: begins[p] for p in assigned}
            self._paused = set(assigned)

    def positions(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """Where reading stands."""
        return {p: self._positions[p] for p in partitions if p in self._positions}

    def seek(self, partition: Partition, offset: int) -> None:
        """Reads on from there."""
        self._positions[partition] = offset

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Reads no more of these."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Reads these again."""
        self._paused.difference_update(partitions)

    def group_metadata(self) -> Any:
        """What fences a member that was left behind."""
        return (self._group, self._member.name, self._member.generation)

    def close(self) -> None:
        """Leaves the group."""
        if self._positions:
            lost = sorted(self._positions)
            self._positions.clear()
            self._member.rebalance.revoked(lost)
        self._log.leave(self._group, self._member)


class MemoryReader:
    """A reader outside any group."""

    def __init__(self, log: MemoryBroker) -> None:
        self._log = log
        self._positions: dict[Partition, int] = {}

    def assign(self, offsets: Mapping[Partition, int]) -> None:
        """Reads these partitions from there."""
        self._positions = dict(offsets)

    def read(
        self, records_max: int, timeout_s: float
    ) -> Mapping[Partition, Sequence[MemoryRecord]]:
        """The next committed records."""
        records = self._log.fetch(self._positions, records_max)
        if not records and timeout_s > 0:
            self._log.wait(timeout_s)
        return by_partition(records)

    def positions(self) -> Mapping[Partition, int]:
        """Where reading stands."""
        return dict(self._positions)

    def close(self) -> None:
        """Reads no more."""
        self._positions = {}


class MemoryProducer:
    """A transactional producer."""

    def __init__(self, log: MemoryBroker) -> None:
        self._log = log
        self._transaction: Transaction | None = None
        self._offsets: tuple[Mapping[Partition, int], Any] | None = None
        self._fenced = False

    def fence(self) -> None:
        """A newer producer of this id has begun."""
        self._fenced = True
        if self._transaction is not None:
            self._log.finish(self._transaction, "aborted")
            self._transaction = None

    def _check(self) -> None:
        if self._fenced:
            raise Fenced("another producer took over this one's transactional id")

    def begin(self) -> None:
        """Begins a transaction."""
        self._check()
        self._transaction = Transaction()
        self._offsets = None

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        """One record of the transaction."""
        self._check()
        self._log.write(Partition(topic, partition), key, value, self._transaction, headers)

    def flush(self) -> None:
        """Everything is in the log at once."""
        self._check()

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        """Takes offsets along, if the member is still of the group's generation."""
        self._check()
        self._log.commit_offsets({}, metadata)
        self._offsets = (offsets, metadata)

    def commit(self) -> None:
        """Ends the transaction; all of it is visible at once."""
        self._check()
        if self._offsets is not None:
            self._log.commit_offsets(*self._offsets)
        assert self._transaction is not None, "begin() comes first"
        self._log.finish(self._transaction, "committed")
        self._transaction = None

    def abort(self) -> None:
        """Ends the transaction; none of it is ever read."""
        if self._transaction is not None:
            self._log.finish(self._transaction, "aborted")
            self._transaction = None

    def close(self) -> None:
        """Aborts what is open."""
        self.abort()
