"""A broker in process: partitions, transactions, groups and fencing, without Kafka.

It keeps everything in memory and compacts nothing.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.topics import TOPICS, Spread
from streams.engine.log import (
    EndOffsets,
    Entry,
    Headers,
    LogError,
    OffsetGone,
    Partition,
    Rebalance,
    TransactionAborted,
)
from streams.engine.memory_parts import (
    Group,
    Member,
    MemoryRecord,
    PartitionLog,
    Transaction,
    is_readable,
)


class MemoryBroker:
    """Topics, transactions and groups. Thread-safe."""

    def __init__(self, partitions: int = 4, fact_partitions: int | None = None) -> None:
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._logs: dict[str, list[PartitionLog]] = {}
        self.groups: dict[str, Group] = {}
        self._member_count = 0
        counts = {
            Spread.FACTS: fact_partitions or partitions,
            Spread.ENGINE: partitions,
            Spread.ONE: 1,
        }
        for topic in TOPICS:
            self.create(topic.name, counts[topic.spread])

    # Topics.

    def create(self, topic: str, partitions: int) -> None:
        """Makes the topic, or adds partitions to it."""
        with self._lock:
            logs = self._logs.setdefault(topic, [])
            logs.extend(PartitionLog() for _ in range(partitions - len(logs)))
            for group in self.groups.values():
                if any(topic in member.topics for member in group.members.values()):
                    self._rebalance(group)

    def partition_log(self, partition: Partition) -> PartitionLog:
        """The partition itself, for tests and for whoever reads everything."""
        try:
            return self._logs[partition.topic][partition.number]
        except (KeyError, IndexError) as error:
            raise LogError(f"{partition.topic}/{partition.number} does not exist") from error

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None
    ) -> Partition:
        """One record outside any transaction, by key or to a partition."""
        if partition is None:
            partition = zlib.crc32(key or b"") % len(self._logs[topic])
        target = Partition(topic, partition)
        self.write(target, key, value, None)
        return target

    def _append(
        self,
        partition: Partition,
        key: bytes | None,
        value: bytes | None,
        transaction: Transaction | None,
        headers: Headers | None = None,
    ) -> None:
        log = self.partition_log(partition)
        offset = log.high
        topic, number = partition
        log.records.append(MemoryRecord(topic, number, offset, key, value, transaction, headers))
        if transaction is not None and partition not in transaction.touched:
            transaction.touched[partition] = offset
            log.open[offset] = transaction

    def write(
        self,
        partition: Partition,
        key: bytes | None,
        value: bytes | None,
        transaction: Transaction | None,
        headers: Headers | None = None,
    ) -> None:
        """One record, in a transaction or outside any."""
        with self._arrived:
            self._append(partition, key, value, transaction, headers)
            self._arrived.notify_all()

    def append_at(self, partition: Partition, record: Entry) -> None:
        """A record of another log, at its own offset; what lies between is a gap."""
        with self._lock:
            self.pad(partition, record.offset())
            self._append(partition, record.key(), record.value(), None)

    def pad(self, partition: Partition, offset: int) -> None:
        """Gaps up to an offset, as compaction and markers leave them."""
        with self._lock:
            log = self.partition_log(partition)
            log.records.extend([None] * (offset - log.high))

    def forget(self, partition: Partition, offset: int) -> None:
        """What lies before the offset is gone, as after its retention."""
        with self._lock:
            self.partition_log(partition).forget(offset)

    def finish(self, transaction: Transaction, state: str) -> None:
        """Writes the markers of a transaction."""
        with self._arrived:
            transaction.state = state
            for partition, first in transaction.touched.items():
                log = self.partition_log(partition)
                log.records.append(None)
                del log.open[first]
            self._arrived.notify_all()

    def committed(self, partition: Partition) -> list[MemoryRecord]:
        """All committed records of a partition up to its stable end, in order."""
        log = self.partition_log(partition)
        return [each for each in log.between(log.begin, log.stable) if is_readable(each)]

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        """Where the partitions end now."""
        with self._lock:
            logs = {p: self.partition_log(p) for p in partitions}
            return {p: EndOffsets(log.stable, log.high) for p, log in logs.items()}

    def begin_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """The first offset that is still there."""
        with self._lock:
            return {p: self.partition_log(p).begin for p in partitions}

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic has."""
        with self._lock:
            return {topic: len(self._logs.get(topic, [])) for topic in topics}

    def broker_clock_skew_ms(self, now: Callable[[], int]) -> int:
        """This broker has no clock of its own."""
        return 0 * now()

    def close(self) -> None:
        """Nothing to let go of."""

    # Groups.

    def join(self, group: str, topics: Sequence[str], rebalance: Rebalance) -> Member:
        """A new member of the group."""
        with self._lock:
            self._member_count += 1
            member = Member(f"member-{self._member_count:04d}", tuple(topics), rebalance)
            found = self.groups.setdefault(group, Group())
            found.members[member.name] = member
            self._rebalance(found)
            return member

    def _rebalance(self, group: Group) -> None:
        group.rebalancing = True
        for member in group.members.values():
            member.joined = False

    def has_members(self, group: str) -> bool:
        """Whether somebody is in the group."""
        with self._lock:
            return group in self.groups and bool(self.groups[group].members)

    def expel(self, group: str, member: str) -> None:
        """The member's session timed out: its partitions go to the others without it knowing."""
        with self._lock:
            found = self.groups[group]
            found.members.pop(member, None)
            self._rebalance(found)

    def leave(self, group: str, member: Member) -> None:
        """The member leaves cleanly."""
        with self._lock:
            found = self.groups[group]
            if found.members.pop(member.name, None) is not None:
                self._rebalance(found)

    def settle(self, group: str, member: Member) -> tuple[Partition, ...] | None:
        """The member's partitions once every member has let go of its own; None until then."""
        with self._lock:
            found = self.groups[group]
            if member.name not in found.members or not found.rebalancing:
                return None
            member.joined = True
            if not all(each.joined for each in found.members.values()):
                return None
            found.rebalancing = False
            found.generation += 1
            names = sorted(found.members)
            for index, name in enumerate(names):
                each = found.members[name]
                each.generation = found.generation
                each.assigned = tuple(
                    partition
                    for topic in each.topics
                    for partition in self._range(topic, index, len(names))
                )
            return member.assigned

    def _range(self, topic: str, index: int, members: int) -> list[Partition]:
        count = len(self._logs.get(topic, []))
        share, extra = divmod(count, members)
        start = index * share + min(index, extra)
        end = start + share + (1 if index < extra else 0)
        return [Partition(topic, number) for number in range(start, end)]

    def commit_offsets(
        self, offsets: Mapping[Partition, int], metadata: tuple[str, str, int]
    ) -> None:
        """Takes the offsets of a member of the present generation; refuses a zombie's."""
        with self._lock:
            group, name, generation = metadata
            found = self.groups[group]
            member = found.members.get(name)
            if member is None or generation != found.generation or found.rebalancing:
                raise TransactionAborted("the group has moved on without this member")
            found.offsets.update(offsets)

    def wait(self, timeout_s: float) -> None:
        """Waits until something is appended, at most so long."""
        with self._arrived:
            self._arrived.wait(timeout_s)

    def fetch(
        self, positions: dict[Partition, int], records_max: int, paused: Iterable[Partition] = ()
    ) -> list[MemoryRecord]:
        """Committed records from the positions on, which move past what cannot be read."""
        with self._lock:
            held = set(paused)
            records: list[MemoryRecord] = []
            for partition, start in positions.items():
                if partition in held or len(records) >= records_max:
                    continue
                log = self.partition_log(partition)
                if start < log.begin:
                    raise OffsetGone(
                        f"{partition.topic}/{partition.number} has no offset {start} any more"
                    )
                end = min(log.stable, start + records_max - len(records))
                records += [each for each in log.between(start, end) if is_readable(each)]
                positions[partition] = max(start, end)
            return records
