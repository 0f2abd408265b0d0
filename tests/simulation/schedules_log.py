"""The log in memory behind bad weather: reads that bring little and late, transactions that time
out, commits that land after their sender has died, members that do not know they were expelled.

It keeps the promises of `streams.engine.log`, and no more of them than Kafka does: offsets are
refused to a stale member when they are sent, not when the transaction ends; a closed producer
leaves its transaction open until its timeout; a newer producer of an id fences the older, whose
commit may have been under way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streams.engine.log import (
    EndOffsets,
    Fenced,
    Headers,
    Partition,
    Rebalance,
    TransactionAborted,
)
from streams.engine.memory_clients import MemoryConsumer, MemoryReader, by_partition
from streams.engine.memory_log import MemoryLog
from streams.engine.memory_parts import MemoryRecord, Transaction

TRANSACTION_TIMEOUT_S = 0.4
"""Of the broker's made-up time, which passes while somebody waits."""
LANDS_S = 0.1
"""How long a commit whose sender died may be under way."""

Entry = tuple[Partition, bytes | None, bytes | None]


class Crash(Exception):
    """The process is gone in the middle of what it did."""


class Witness:
    """Who sees every transaction at the moment of its commit."""

    def committing(
        self, producer: str, entries: Sequence[Entry], offsets: Mapping[Partition, int] | None
    ) -> None:
        raise NotImplementedError


class Weather:
    """What all connections to one broker share. `chance` is set anew by each event of a schedule,
    so that leaving out an event changes nothing but what follows from it."""

    def __init__(self, broker: MemoryLog, witness: Witness) -> None:
        self.broker = broker
        self.witness = witness
        self.chance = random.Random(0)
        self.is_calm = True
        self.frozen: dict[Partition, int] = {}
        """Partition to the offset beyond which no member sees it."""
        self.now_s = 0.0
        self.seen: Counter[str] = Counter()
        """What has happened, for the test that all of it does."""
        self.open: list[StormProducer] = []
        self._newest: dict[str, StormProducer] = {}

    def pass_time(self, seconds: float) -> None:
        """Commits under way land; transactions that are open for too long are aborted."""
        self.now_s += seconds
        for producer in list(self.open):
            if producer.lands_s is not None and producer.lands_s <= self.now_s:
                self.seen["a commit lands late"] += 1
                self.land(producer)
            elif producer.ends_s <= self.now_s:
                self.seen["a transaction times out"] += 1
                self.drop(producer)
                producer.is_fenced = True

    def land(self, producer: StormProducer) -> None:
        """The broker ends the transaction as its sender asked."""
        transaction = producer.let_go()
        self.witness.committing(
            producer.name, producer.entries, producer.offsets[0] if producer.offsets else None
        )
        self.broker.finish(transaction, "committed")
        if producer.offsets is not None:
            offsets, (group, _, _) = producer.offsets
            self.broker.groups[group].offsets.update(offsets)

    def drop(self, producer: StormProducer) -> None:
        """The broker aborts the transaction."""
        self.broker.finish(producer.let_go(), "aborted")

    def newest(self, producer: StormProducer) -> None:
        """Fences the producer of the same id."""
        before = self._newest.get(producer.name)
        self._newest[producer.name] = producer
        if before is None:
            return
        before.is_fenced = True
        if before in self.open:
            self.seen["an open transaction is fenced"] += 1
            if before.lands_s is not None and self.chance.random() < 0.5:
                self.land(before)
            else:
                self.drop(before)

    def fetch(
        self, positions: dict[Partition, int], records_max: int, paused: Iterable[Partition] = ()
    ) -> list[MemoryRecord]:
        """Committed records; in bad weather few, of some of the partitions, in any order."""
        if self.is_calm:
            return self.broker.fetch(positions, records_max, paused)
        chance, held = self.chance, set(paused)
        ready = [
            partition
            for partition, at in positions.items()
            if partition not in held and at < self.broker.partition_log(partition).high
        ]
        chance.shuffle(ready)
        records: list[MemoryRecord] = []
        for partition in ready:
            if chance.random() < 0.25 or len(records) >= records_max:
                continue
            share = min(records_max - len(records), chance.choice((1, 3, 100)))
            if partition in self.frozen:
                share = min(share, self.frozen[partition] - positions[partition])
                if share <= 0:
                    continue
            one = {partition: positions[partition]}
            records += self.broker.fetch(one, share)
            positions[partition] = one[partition]
        return records


@dataclass(slots=True)
class Armed:
    """What happens at the `nth` coming of a moment."""

    moment: str
    nth: int
    outcome: str
    action: Callable[[StormProducer | None], None]


@dataclass(slots=True)
class Connection:
    """One process's connection to the log."""

    weather: Weather
    armed: list[Armed] = field(default_factory=list)
    consumer: StormConsumer | None = None
    unaware: int = 0
    """For how many more turns the process does not hear that it was expelled."""

    def moment(self, name: str, producer: StormProducer | None = None) -> None:
        """A named moment has come: what was armed for it happens."""
        for armed in list(self.armed):
            if armed.moment == name:
                armed.nth -= 1
                if armed.nth <= 0:
                    self.armed.remove(armed)
                    self.weather.seen[f"{armed.outcome} at {name}"] += 1
                    armed.action(producer)

    def group_consumer(
        self, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> StormConsumer:
        self.consumer = StormConsumer(self, group, topics, rebalance)
        return self.consumer

    def reader(self) -> StormReader:
        return StormReader(self)

    def transactional_producer(self, transactional_id: str) -> StormProducer:
        return StormProducer(self, transactional_id)

    def end_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, EndOffsets]:
        return self.weather.broker.end_offsets(partitions)

    def begin_offsets(self, partitions: Sequence[Partition]) -> dict[Partition, int]:
        return self.weather.broker.begin_offsets(partitions)

    def partition_counts(self, topics: Sequence[str]) -> dict[str, int]:
        return self.weather.broker.partition_counts(topics)

    def has_members(self, group: str) -> bool:
        return self.weather.broker.has_members(group)

    def broker_clock_skew_ms(self, now: Callable[[], int]) -> int:
        return 0 * now()

    def close(self) -> None:
        pass


class StormConsumer(MemoryConsumer):
    """A member that may for a while not hear what the group decides."""

    def __init__(
        self, connection: Connection, group: str, topics: Sequence[str], rebalance: Rebalance
    ) -> None:
        weather = connection.weather
        super().__init__(weather.broker, group, weather.broker.join(group, topics, rebalance))
        self._connection = connection
        self._weather = weather

    def consume(
        self, records_max: int, timeout_s: float
    ) -> Mapping[Partition, Sequence[MemoryRecord]]:
        if self._connection.unaware > 0:
            self._connection.unaware -= 1
        else:
            self._settle()
        return by_partition(self._weather.fetch(self._positions, records_max, self._paused))

    @property
    def is_settled(self) -> bool:
        """Whether the member has what the group's last assignment gave it, if anything."""
        group, member = self._log.groups[self._group], self._member
        if group.rebalancing or group.members.get(member.name) is not member:
            return False
        return member.generation == group.generation and bool(self._positions) == bool(
            member.assigned
        )

    @property
    def owned(self) -> tuple[Partition, ...]:
        """What the group says is this member's, if it stands and the member has taken it up."""
        return self._member.assigned if self.is_settled else ()


class StormReader(MemoryReader):
    """A reader; time passes while it waits."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection.weather.broker)
        self._connection = connection
        self._weather = connection.weather

    def read(
        self, records_max: int, timeout_s: float
    ) -> Mapping[Partition, Sequence[MemoryRecord]]:
        restores = any(partition.topic.endswith("-state") for partition in self._positions)
        self._connection.moment("restoring" if restores else "tailing")
        records = self._weather.fetch(self._positions, records_max)
        if timeout_s > 0:
            self._weather.pass_time(timeout_s)
        return by_partition(records)


class StormProducer:
    """A transactional producer over a bad line."""

    def __init__(self, connection: Connection, transactional_id: str) -> None:
        self.name = transactional_id
        self._connection = connection
        self._weather = connection.weather
        self._prefix = "ticker " if transactional_id.endswith("-ticker") else ""
        self.is_fenced = False
        self.transaction: Transaction | None = None
        self.entries: list[Entry] = []
        self.offsets: tuple[Mapping[Partition, int], tuple[str, str, int]] | None = None
        self.ends_s = 0.0
        self.lands_s: float | None = None
        self._weather.newest(self)

    def let_go(self) -> Transaction:
        """The transaction is no longer open."""
        transaction, self.transaction = self.transaction, None
        assert transaction is not None
        self._weather.open.remove(self)
        return transaction

    def depart(self) -> None:
        """The request to commit has left; it lands, unless the transaction ends before."""
        self.lands_s = self._weather.now_s + LANDS_S

    def _check(self) -> None:
        if self.is_fenced:
            self._weather.seen[f"{self._prefix or 'worker '}fenced"] += 1
            raise Fenced("another producer took over this one's transactional id")

    def _moment(self, name: str) -> None:
        self._connection.moment(self._prefix + name, self)

    def begin(self) -> None:
        self._moment("begin")
        self._check()
        self.transaction = Transaction()
        self.entries, self.offsets, self.lands_s = [], None, None
        self.ends_s = self._weather.now_s + TRANSACTION_TIMEOUT_S
        self._weather.open.append(self)

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
    ) -> None:
        self._moment("produce")
        self._check()
        where = Partition(topic, partition)
        self.entries.append((where, key, value))
        self._weather.broker.write(where, key, value, self.transaction, headers)

    def flush(self) -> None:
        self._check()

    def send_offsets(self, offsets: Mapping[Partition, int], metadata: Any) -> None:
        self._moment("produced")
        self._check()
        group, name, generation = metadata
        found = self._weather.broker.groups[group]
        if name not in found.members or generation != found.generation:
            self._weather.seen["offsets of a zombie refused"] += 1
            raise TransactionAborted("the group has moved on without this member")
        self.offsets = (dict(offsets), metadata)
        self._moment("offsets sent")

    def commit(self) -> None:
        self._moment("before commit")
        if self.transaction is not None:
            self._weather.land(self)
        else:
            self._check()
        self._moment("after commit")

    def abort(self) -> None:
        self._check()
        if self.transaction is not None:
            self._weather.drop(self)

    def close(self) -> None:
        """What is open stays so until its timeout, as with Kafka's purge."""
