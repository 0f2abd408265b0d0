"""The oracle: nothing is lost, nothing is said twice, whatever the storm did.

`judge` reads what a reader of committed records finds and compares it with what the local engine
computes from the same facts, ticks and versions (`slipwatch audit`). Beside that it looks at the
raw topics, before any compaction: nothing may have been said twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from schemas.ticks import TICK_HEADER
from streams.engine.log import Entry, Partition
from streams.engine.recorded import read_committed
from streams.replay.audit import audit
from streams.replay.stamps import tick_of
from tests.worlds import KafkaWorld

IDENTITIES: dict[str, tuple[str, ...]] = {
    "decisions": ("tick", "kind", "recipient"),
    "notifications": ("notification_id",),
    "alerts": ("tick",),
    "order-status": ("tick",),
    "partner-status": ("tick",),
    "stock-status": ("tick",),
    "feeds": ("tick",),
}
"""What, beside its key, a record has alone: a second one says the same thing twice."""


class Wrong(AssertionError):
    """Something was lost, said twice, or said otherwise than the facts and ticks demand."""


@dataclass(frozen=True)
class Verdict:
    """What was judged, and found good."""

    ticks: int
    records: int
    decisions: int
    alerts: int
    """Records on the raw topic: every change of an alert is one."""
    notifications: int

    def __str__(self) -> str:
        return (
            f"{self.ticks} ticks, {self.records} records as they must be, among them "
            f"{self.decisions} decisions, {self.alerts} changes of alerts and "
            f"{self.notifications} notifications, each once"
        )


class Tail:
    """Reads one topic on from where it stood; committed records only."""

    def __init__(self, world: KafkaWorld, topic: str) -> None:
        self._world = world
        self._topic = topic
        self._log = world.log()
        self._reader = self._log.reader()
        count = self._log.partition_counts([topic])[topic]
        self._partitions = [Partition(topic, number) for number in range(count)]
        self._reader.assign(self._log.begin_offsets(self._partitions))

    def new(self) -> list[Entry]:
        """What was committed since the last call."""
        ends = self._log.end_offsets(self._partitions)
        found: list[Entry] = []
        while True:
            stands = self._reader.positions()
            if all(stands.get(p, 0) >= end.stable for p, end in ends.items()):
                return found
            for records in self._reader.read(10_000, 0.05).values():
                found.extend(records)

    def close(self) -> None:
        """Reads no more."""
        self._reader.close()
        self._log.close()


def identity(topic: str, record: Entry) -> tuple[object, ...]:
    """What nobody may have written before: the key, and what `IDENTITIES` adds to it."""
    value = record.value()
    if value is None:
        headers = dict(record.headers() or ())
        return (record.key(), headers.get(TICK_HEADER))
    said = msgspec.json.decode(value)
    # A line is judged in its cell and in its price list: each decides on rules of its own.
    rules = tuple(each["rule"] for each in said.get("verdicts", ()))
    names = IDENTITIES[topic]
    parts = (tick_of(record) if name == "tick" else said.get(name) for name in names)
    return (record.key(), *parts, rules)


def twice(world: KafkaWorld) -> Iterator[str]:
    """Each thing that was said more than once, in words."""
    log = world.log()
    try:
        for topic in IDENTITIES:
            count = log.partition_counts([topic])[topic]
            partitions = [Partition(topic, number) for number in range(count)]
            written = Counter(
                identity(topic, record) for _, record in read_committed(log, partitions)
            )
            for what, times in written.items():
                if times > 1:
                    yield f"{topic}: {what} {times} times"
    finally:
        log.close()


def judge(world: KafkaWorld) -> Verdict:
    """Compares everything; raises Wrong with the first differences. Run it when workers rest."""
    log = world.log()
    try:
        found = audit(log)
    finally:
        log.close()
    if found.difference_count:
        listed = "\n".join(
            f"{each.topic}: {each.key} should be there {each.expected} times, and is {each.found}"
            for each in found.differences
        )
        raise Wrong(f"{found.difference_count} records differ:\n{listed}")
    ticks = sum(value is not None for _, _, value in world.read("ticks"))
    if found.ticks < ticks - 1:
        raise Wrong(f"{ticks - found.ticks} ticks were left unfinished; one at most is in flight")
    repeated = list(twice(world))
    if repeated:
        raise Wrong(f"{len(repeated)} things were said twice:\n" + "\n".join(repeated[:20]))
    counts = {
        topic: sum(value is not None for _, _, value in world.read(topic))
        for topic in ("decisions", "alerts", "notifications")
    }
    return Verdict(ticks=found.ticks, records=found.records, **counts)
