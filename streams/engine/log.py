"""The port between the engine and the log: what the engine needs of Kafka, and nothing more.

Two implementations keep these promises: `kafka_log` (confluent-kafka) and `memory_log` (in
process, for replay, tests and simulation). A contract suite runs against both. Records have
confluent-kafka's message methods, so that the hot path copies nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from schemas.limits import ERROR_CHARS_MAX

Headers = list[tuple[str, str | bytes | None]]


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Entry(Protocol):
    """One record, read from a partition that is known; `value()` None is a tombstone."""

    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Headers | None: ...


class LogError(Exception):
    """A fault of the log. `what` says what happened, `then` what a person can do about it."""

    def __init__(self, what: str, then: str = "") -> None:
        super().__init__(f"{what}. {then}" if then else what)
        self.what = what
        self.then = then

    def bare(self) -> LogError:
        """The same fault without its traceback and cause, which hold clients that must be gone."""
        return type(self)(self.what, self.then)


def foreign_record(where: Partition, offset: int, error: Exception) -> LogError:
    """What to raise of a record that no part of Slipwatch can have written."""
    return LogError(
        f"{where.topic}/{where.number} holds a record at offset {offset} that is not ours: "
        f"{str(error)[:ERROR_CHARS_MAX]}",
        "Another program may write to it; give this installation a prefix of its own.",
    )


class TransactionAborted(LogError):
    """The transaction did not happen; the producer can go on with the next one."""


class Fenced(LogError):
    """Another owner took over this producer's id; this one may never write again."""


class Expired(Fenced):
    """The log ended this producer's transaction, which took too long. Nobody need have its id."""


class OffsetGone(LogError):
    """Records that must be read are no longer in the log."""


class Unavailable(LogError):
    """The log did not answer in time; it may later."""


class Rebalance(Protocol):
    """Who is told of assignments; called inside `GroupConsumer.consume`, never elsewhere.

    `assigned` answers with the offset to begin each partition at; they begin paused.
    """

    def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]: ...
    def revoked(self, partitions: Sequence[Partition]) -> None: ...


class GroupConsumer(Protocol):
    """A member of the consumer group that shares the partitions; reads committed records only."""

    def consume(self, records_max: int, timeout_s: float) -> Mapping[Partition, Sequence[Entry]]:
        """What was read, by partition, each in the order of its offsets; at most `records_max`
        records and one."""
        ...

    def positions(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        """The next offset of each, past aborted records and markers; only for those begun."""
        ...

    def seek(self, partition: Partition, offset: int) -> None: ...
    def pause(self, partitions: Sequence[Partition]) -> None: ...
    def resume(self, partitions: Sequence[Partition]) -> None: ...
    def group_metadata(self) -> Any: ...
    def close(self) -> None: ...


class Reader(Protocol):
    """Reads given partitions from given offsets, outside any group; committed records only."""

    def assign(self, offsets: Mapping[Partition, int]) -> None: ...
    def read(self, records_max: int, timeout_s: float) -> Mapping[Partition, Sequence[Entry]]:
        """As `GroupConsumer.consume`."""
        ...

    def positions(self) -> Mapping[Partition, int]: ...
    def close(self) -> None: ...


class TransactionalProducer(Protocol):
    """Writes in transactions. `commit` and `send_offsets` raise TransactionAborted or Fenced.

    After TransactionAborted the caller calls `abort` and may begin again.
    """

    def begin(self) -> None: ...
    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None: ...
    def flush(self) -> None:
        """Returns when everything produced is in the log, though not committed."""
        ...

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        """Flushes what was produced, then adds the offsets, so that a fenced member's records
        are either all in the log before the fence or refused."""
        ...

    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class EndOffsets(NamedTuple):
    """Where a partition ends: `stable` for readers of committed records, `high` for all."""

    stable: int
    high: int


class Log(Protocol):
    """A connection to the log; makes the objects above."""

    def group_consumer(
        self, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> GroupConsumer: ...
    def reader(self) -> Reader: ...
    def transactional_producer(self, transactional_id: str) -> TransactionalProducer:
        """A producer that has fenced every earlier one of this id."""
        ...

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        """Raises Unavailable unless every partition answered."""
        ...

    def begin_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]: ...
    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        """How many partitions each topic has; 0 for one that does not exist."""
        ...

    def has_members(self, group: str) -> bool:
        """Whether the consumer group has a member, alive or not yet given up."""
        ...

    def broker_clock_skew_ms(self, now: Callable[[], int]) -> int:
        """The broker's clock less `now`, in milliseconds; 0 where the broker has none."""
        ...

    def close(self) -> None: ...
