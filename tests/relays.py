"""A relay on a log in memory, driven by hand, and what its parties read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from schemas.partner_records import PartnerStatus
from schemas.records import decode
from schemas.topics import partner_topic
from streams.engine.local import LocalEngine
from streams.engine.log import Entry, Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.relay import Relay, RelaySettings

KEY = bytes(range(32))
STEPS_MAX = 50


class Heard:
    """Keeps what the relay tells."""

    def __init__(self) -> None:
        self.records = 0
        self.troubles: list[str] = []

    def relayed(self, records: int) -> None:
        self.records += records

    def relay_trouble(self, text: str) -> None:
        self.troubles.append(text)


def relay_of(
    engine: LocalEngine, key: bytes = KEY, is_chosen: Callable[[], bool] = lambda: True
) -> Relay:
    """A relay on the engine's log and network."""
    log = engine.log
    return Relay(
        log,
        RelaySettings("slipwatch", poll_s=0),
        engine.worker.control,
        is_chosen,
        lambda topic: log.create(topic, 1),
        lambda: key,
        Heard(),
    )


def settle(*relays: Relay) -> None:
    """Steps until there is nothing to relay any more."""
    idle = 0
    for _ in range(STEPS_MAX):
        wrote = [each.step(0) for each in relays]
        idle = 0 if any(wrote) else idle + 1
        if idle > 4 and any(each.status().state == "running" for each in relays):
            return
    raise AssertionError([each.status() for each in relays])


def raw(log: MemoryLog, party: str) -> Sequence[Entry]:
    """Every committed record of a party's topic, in order; none where there is no topic."""
    topic = partner_topic(party)
    if not log.partition_counts([topic])[topic]:
        return []
    return log.committed(Partition(topic, 0))


def standing(log: MemoryLog, party: str) -> dict[bytes, bytes]:
    """What stands on a party's topic once it is compacted."""
    found: dict[bytes, bytes] = {}
    for record in raw(log, party):
        key, value = record.key(), record.value()
        assert key is not None
        if value is None:
            found.pop(key)
        else:
            found[key] = value
    return found


def statuses(log: MemoryLog, party: str) -> list[PartnerStatus]:
    """What stands there, decoded."""
    return [decode(value, PartnerStatus) for value in standing(log, party).values()]


def repeats(log: MemoryLog, party: str) -> Iterator[bytes]:
    """Keys whose record says what the record before it said, or takes back what was not there."""
    last: dict[bytes, bytes | None] = {}
    for record in raw(log, party):
        key, value = record.key(), record.value()
        assert key is not None
        if last.get(key) == value:
            yield key
        last[key] = value
