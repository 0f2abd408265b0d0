"""What the log in memory is made of: records, partitions, transactions, groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeGuard

from streams.engine.log import Headers, Partition, Rebalance


class MemoryRecord:
    """A record, with the methods of a Kafka message."""

    __slots__ = ("_headers", "_key", "_offset", "_partition", "_topic", "_value", "transaction")

    def __init__(
        self,
        topic: str,
        partition: int,
        offset: int,
        key: bytes | None,
        value: bytes | None,
        transaction: Transaction | None,
        headers: Headers | None = None,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._offset = offset
        self._key = key
        self._value = value
        self.transaction = transaction
        self._headers = headers

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> Headers | None:
        return self._headers


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction: open until its marker is written."""

    state: str = "open"
    touched: dict[Partition, int] = field(default_factory=dict)
    """Partition to the offset of the transaction's first record there."""


def is_readable(entry: MemoryRecord | None) -> TypeGuard[MemoryRecord]:
    """Whether an entry is a record outside any transaction or of a committed one."""
    return entry is not None and (
        entry.transaction is None or entry.transaction.state == "committed"
    )


@dataclass(slots=True)
class PartitionLog:
    """Records from the offset `begin` on; a marker of a transaction takes an offset and holds
    None."""

    records: list[MemoryRecord | None] = field(default_factory=list)
    open: dict[int, Transaction] = field(default_factory=dict)
    begin: int = 0

    @property
    def high(self) -> int:
        """The next offset."""
        return self.begin + len(self.records)

    @property
    def stable(self) -> int:
        """The first offset of the oldest open transaction, or the end."""
        return min(self.open, default=self.high)

    def between(self, start: int, end: int) -> list[MemoryRecord | None]:
        """What lies at the offsets from `start`, which is there still, to before `end`."""
        return self.records[start - self.begin : end - self.begin]

    def forget(self, offset: int) -> None:
        """What lies before the offset is gone."""
        gone = min(offset, self.high) - self.begin
        if gone > 0:
            del self.records[:gone]
            self.begin += gone


@dataclass(slots=True)
class Member:
    name: str
    topics: tuple[str, ...]
    rebalance: Rebalance
    assigned: tuple[Partition, ...] = ()
    generation: int = 0
    joined: bool = False


@dataclass(slots=True)
class Group:
    generation: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    offsets: dict[Partition, int] = field(default_factory=dict)
    rebalancing: bool = False
