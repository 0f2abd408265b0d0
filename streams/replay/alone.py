"""Alone in the consumer group: nobody works while this is held, and whoever joins is noticed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from streams.engine.flow import INPUT_TOPICS
from streams.engine.log import Log, LogError, Partition, Rebalance

JOIN_TIMEOUT_S = 60.0
JOIN_POLL_S = 0.1
KEEP_PERIOD_S = 1.0
WORKERS_RUN = "Stop all workers first. One that was killed counts until its session has ended."


class Alone(Rebalance):
    """A member of the group that holds every partition of every input and reads none of them.

    Transactions that carry `metadata()` are refused as soon as anybody else has joined. `keep`
    must be called every few minutes. Raises LogError when somebody is there or joins.
    """

    def __init__(self, log: Log, group: str) -> None:
        self._log = log
        self._group = group
        self._mine: set[Partition] = set()
        self._kept_s = 0.0

    def __enter__(self) -> Self:
        if self._log.has_members(self._group):
            raise LogError(f"a worker is a member of the group {self._group!r}", WORKERS_RUN)
        counts = self._log.partition_counts(INPUT_TOPICS)
        self._all = {Partition(topic, n) for topic, count in counts.items() for n in range(count)}
        self._consumer = self._log.group_consumer(self._group, INPUT_TOPICS, self)
        try:
            self._join()
        except BaseException:
            self._consumer.close()
            raise
        return self

    def _join(self) -> None:
        deadline = time.monotonic() + JOIN_TIMEOUT_S
        while self._mine != self._all:
            if time.monotonic() > deadline:
                raise LogError(f"others are in the group {self._group!r}", WORKERS_RUN)
            self._consumer.consume(1, JOIN_POLL_S)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def keep(self) -> None:
        """Says that this member is alive. Raises LogError when it is not alone any more."""
        if time.monotonic() - self._kept_s < KEEP_PERIOD_S:
            return
        self._consumer.consume(1, 0.0)
        self._kept_s = time.monotonic()
        if self._mine != self._all:
            raise LogError(f"a worker has joined the group {self._group!r}", WORKERS_RUN)

    def metadata(self) -> Any:
        """What makes the broker refuse a transaction once others have joined."""
        return self._consumer.group_metadata()

    def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """They stay paused. They begin at the end all the same: a client asks for records before
        it hears of the pause, and those at the beginning may be gone."""
        self._mine.update(partitions)
        return {where: end.high for where, end in self._log.end_offsets(partitions).items()}

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Somebody else may have them now."""
        self._mine.difference_update(partitions)
