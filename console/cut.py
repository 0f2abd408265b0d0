"""Which records belong to a tick: the view's only judgement, without any I/O.

Promise: after `begin(n)`, and once every record up to the end offsets taken after all partitions of
`notices` stood at n has been offered, the records handed out are exactly those of ticks up to n,
each once, in the order of their partition; the rest waits for the next tick. A restart from
`positions()` repeats none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from schemas.ledger import decode_line
from schemas.topics import TOPIC_BY_NAME

Partition = tuple[str, int]

TICK_TOPICS: tuple[str, ...] = (
    "order-status",
    "stock-status",
    "lines",
    "feeds",
    "alerts",
    "decisions",
    "notifications",
    "dead-letters",
    "unlinked",
    "parked",
)
"""Topics whose records belong to a tick and are applied with it."""

LIVE_TOPICS: tuple[str, ...] = ("progress", "ticks", "receipts", "networks")
"""Topics that say how time and deliveries stand, and what ticks name; applied as they come."""

GATE_STAGE = "notices"
"""The last stage: what it has finished, all have."""

GATE_TOPIC = "notices-rows"
"""Its input, which has as many partitions as the stage."""

assert all(name in TOPIC_BY_NAME for name in (*TICK_TOPICS, *LIVE_TOPICS, GATE_TOPIC))


class Message(NamedTuple):
    """One record as read; `topic` is its name in `schemas.topics`, `value` None a tombstone.

    `tombstone_tick` is the tick in a tombstone's header.
    """

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes | None
    tombstone_tick: int | None = None


class Position(NamedTuple):
    """Where a partition is read on from, and up to where its records are applied or held."""

    resume_at: int
    read_to: int


class _Stamp(msgspec.Struct):
    """The only field that all records of a tick share; the others are skipped unparsed."""

    tick: int


_stamp = msgspec.json.Decoder(_Stamp)


def tick_of(message: Message) -> int | None:
    """The tick that made the record, None if nothing says; raises msgspec.DecodeError."""
    if not message.value:
        return message.tombstone_tick
    if message.topic == "lines":
        return decode_line(message.value).tick
    try:
        return _stamp.decode(message.value).tick
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


class Cut:
    """Sorts records into those of the tick at hand and those that wait.

    `applied_tick` and `positions` are what the database says; None and empty for a new one.
    Records held are few: one tick is in flight, so they are what was written of the next one.
    """

    def __init__(self, applied_tick: int | None, positions: Mapping[Partition, Position]) -> None:
        self._applied = -1 if applied_tick is None else applied_tick
        self._applied_to = {at: position.read_to for at, position in positions.items()}
        self._read_to = {at: position.resume_at for at, position in positions.items()}
        self._tick = self._applied
        self._last: dict[Partition, int] = {}
        self._held: dict[Partition, list[tuple[int, Message]]] = {}

    @property
    def tick(self) -> int:
        """The tick that records are being applied for; -1 before the first."""
        return self._tick

    def begin(self, tick: int) -> list[Message]:
        """Goes on to a later tick; returns what was held for it."""
        if tick < self._tick:
            raise ValueError(f"tick {tick} comes before tick {self._tick}")
        self._tick = tick
        released: list[Message] = []
        for at, waiting in list(self._held.items()):
            released.extend(message for n, message in waiting if n <= tick)
            still = [(n, message) for n, message in waiting if n > tick]
            if still:
                self._held[at] = still
            else:
                del self._held[at]
        return released

    def take(self, messages: Iterable[Message]) -> list[Message]:
        """Those to apply now, in order. Each partition's records must come in offset order."""
        now: list[Message] = []
        for message in messages:
            at = (message.topic, message.partition)
            tick = self._effective_tick(at, message)
            self._read_to[at] = message.offset + 1
            if tick > self._tick:
                self._held.setdefault(at, []).append((tick, message))
            elif tick > self._applied or message.offset >= self._applied_to.get(at, 0):
                now.append(message)
        return now

    def reached(self, at: Partition, offset: int) -> None:
        """Says that the partition is read up to here; past its last record lie only markers."""
        self._read_to[at] = max(offset, self._read_to.get(at, 0))

    def positions(self) -> dict[Partition, Position]:
        """What to store together with the records handed out."""
        return {
            at: Position(self._held[at][0][1].offset if at in self._held else read_to, read_to)
            for at, read_to in self._read_to.items()
        }

    def _effective_tick(self, at: Partition, message: Message) -> int:
        """What names no tick goes with the record before it on its partition."""
        try:
            stated = tick_of(message)
        except msgspec.DecodeError:
            stated = None
        tick = self._last.get(at, -1) if stated is None else stated
        self._last[at] = tick
        return tick


class Gate:
    """The newest tick that every partition of the last stage has finished."""

    def __init__(self, partitions: int) -> None:
        if partitions < 1:
            raise ValueError(f"{GATE_TOPIC} has {partitions} partitions")
        self._ticks: list[int | None] = [None] * partitions

    def note(self, stage: str, partition: int, tick: int) -> None:
        """One record of `progress`; those of other stages say nothing here."""
        if stage == GATE_STAGE and 0 <= partition < len(self._ticks):
            self._ticks[partition] = tick

    @property
    def finished_tick(self) -> int | None:
        """None until each partition has finished one."""
        ticks = [tick for tick in self._ticks if tick is not None]
        return min(ticks) if len(ticks) == len(self._ticks) else None
