"""The log in process: partitions, transactions, groups and fencing, without Kafka.

For replay, backtests, tests and simulation. It keeps the promises of `streams.engine.log` that the
engine rests on: records of an open transaction are hidden behind the stable end, aborted ones are
never read, markers take offsets, a newer producer of an id fences the older, offsets of a stale
group member are refused, and a rebalance hands a partition over only when its old owner has let go
or was expelled.
"""

from __future__ import annotations

from collections.abc import Sequence

from streams.engine.log import Rebalance
from streams.engine.memory_broker import MemoryBroker
from streams.engine.memory_clients import MemoryConsumer, MemoryProducer, MemoryReader


class MemoryLog(MemoryBroker):
    """A broker and the connection to it in one. Thread-safe."""

    def __init__(self, partitions: int = 4, fact_partitions: int | None = None) -> None:
        super().__init__(partitions, fact_partitions)
        self._producers: dict[str, MemoryProducer] = {}

    def group_consumer(
        self, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> MemoryConsumer:
        """Joins the group; partitions come at a later `consume`."""
        return MemoryConsumer(self, group, self.join(group, topics, rebalance))

    def reader(self) -> MemoryReader:
        """A reader of no partitions yet."""
        return MemoryReader(self)

    def transactional_producer(self, transactional_id: str) -> MemoryProducer:
        """Fences the producer of that id, aborting what it had open."""
        before = self._producers.get(transactional_id)
        if before is not None:
            before.fence()
        producer = self._producers[transactional_id] = MemoryProducer(self)
        return producer
