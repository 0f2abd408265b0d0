"""The ticker: cuts the log into ticks, one in flight.

The worker that the group gives partition 0 of `ticks` runs it, under one transactional id for all
workers, so that a new owner fences the old. Its clock is the only one in the system.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from alerts.rules import RULES_VERSION
from schemas.records import encode
from schemas.ticks import HeldPartition, Tick
from schemas.topics import FACT_TOPICS
from schemas.units import UtcMillis, instant, millis
from streams.engine.clock import Clock
from streams.engine.control import SCHEMAS, TICKS, Control, last_tick
from streams.engine.log import (
    EndOffsets,
    Fenced,
    Log,
    Partition,
    TransactionAborted,
    TransactionalProducer,
)
from streams.engine.moments import Failpoint, Moment, no_failpoint

CLOCK_CHECK_S = 30.0
"""Seconds between two comparisons of the clocks; T can never go back, so a jump must be noticed."""

CLOCK_SKEW_MAX_MS = 60_000
"""How far the ticker's clock may be from the broker's before it stops and says so."""


@dataclass(frozen=True, slots=True)
class TickerSettings:
    """`interval_ms` is real time between ticks; `held_after_ms` tick time that facts may hide
    behind an open transaction before rules that need them are told."""

    interval_ms: int = 1_000
    facts_per_tick_max: int = 400_000
    held_after_ms: int = 10_000
    name: str = ""


@dataclass(slots=True)
class _Hidden:
    stable: int
    since: UtcMillis


class TickPlan:
    """Decides the next tick; pure but for what it remembers of open transactions."""

    def __init__(self, settings: TickerSettings) -> None:
        self._settings = settings
        self.facts_max = settings.facts_per_tick_max
        self._hidden: dict[Partition, _Hidden] = {}

    def next(
        self,
        last: Tick | None,
        now: UtcMillis,
        ends: Mapping[Partition, EndOffsets],
        begins: Mapping[Partition, int],
        network: str,
        policy: str,
        schemas: int | None,
    ) -> Tick:
        """The tick at `now` (never before the last one), which cuts at most the allowed facts.

        `ends` were asked after `now` was read, so all that was told before T is before the cut.
        """
        at = now if last is None else max(now, millis(last.at) + 1)
        starts = {p: self._start(p, last, begins) for p in ends}
        waiting = {p: max(0, end.stable - starts[p]) for p, end in ends.items()}
        total = sum(waiting.values())
        limit = self.facts_max
        cuts = {
            p: starts[p] + (n if total <= limit else -(-n * limit // total))
            for p, n in waiting.items()
        }
        complete = all(cuts[p] >= end.stable for p, end in ends.items())
        return Tick(
            n=1 if last is None else last.n + 1,
            at=instant(at),
            cut=_by_topic(cuts),
            high=_by_topic({p: end.high for p, end in ends.items()}),
            complete=complete,
            held=self._held(ends, last, at),
            network=network,
            policy=policy,
            rules=RULES_VERSION,
            ticker=self._settings.name,
            schemas=schemas,
        )

    def settling(self, last: Tick) -> Tick:
        """A tick right after the last one that takes in no more facts, so that what is still on
        its way between numbers reaches its line before anything is concluded from absence."""
        return msgspec.structs.replace(
            last, n=last.n + 1, at=instant(millis(last.at) + 1), ticker=self._settings.name
        )

    def _start(
        self, partition: Partition, last: Tick | None, begins: Mapping[Partition, int]
    ) -> int:
        offsets = last.cut.get(partition.topic, []) if last is not None else []
        if partition.number < len(offsets):
            return offsets[partition.number]
        return begins.get(partition, 0)

    def _held(
        self, ends: Mapping[Partition, EndOffsets], last: Tick | None, at: UtcMillis
    ) -> tuple[HeldPartition, ...]:
        """Partitions whose stable end has not moved for long although more lies behind it."""
        before = {
            Partition(held.topic, held.partition): millis(held.since)
            for held in (last.held if last is not None else ())
        }
        held: list[HeldPartition] = []
        for partition, end in sorted(ends.items()):
            if end.stable >= end.high:
                self._hidden.pop(partition, None)
                continue
            seen = self._hidden.get(partition)
            if seen is None or seen.stable != end.stable:
                since = before.get(partition, at) if seen is None else at
                seen = self._hidden[partition] = _Hidden(end.stable, since)
            if at - seen.since >= self._settings.held_after_ms:
                held.append(
                    HeldPartition(
                        topic=partition.topic,
                        partition=partition.number,
                        since=instant(seen.since),
                    )
                )
        return tuple(held)


def _by_topic(offsets: Mapping[Partition, int]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for partition in sorted(offsets):
        topics.setdefault(partition.topic, []).append(offsets[partition])
    return topics


class Ticker:
    """Writes ticks while this worker is the ticker. Raises Fenced when another one took over."""

    def __init__(
        self,
        log: Log,
        control: Control,
        clock: Clock,
        settings: TickerSettings,
        transactional_id: str,
        last_stage: tuple[str, Sequence[Partition]],
        failpoint: Failpoint = no_failpoint,
    ) -> None:
        self._log = log
        self._control = control
        self._clock = clock
        self._settings = settings
        self._id = transactional_id
        self._stage, self._partitions = last_stage
        self._failpoint = failpoint
        self._plan = TickPlan(settings)
        self._producer: TransactionalProducer | None = None
        self._last: Tick | None = None
        self._written_s = 0.0
        self._checked_s = 0.0
        self._checked_at = 0
        self.trouble = ""

    def open(self) -> None:
        """Fences the ticker before this one, reads its last tick, and checks the clock against the
        broker's."""
        self._producer = self._log.transactional_producer(self._id)
        self._last = last_tick(self._log)
        self.check_clock()

    def limit(self, facts_max: int) -> None:
        """From the next tick on, a cut takes in at most so many facts."""
        self._plan.facts_max = facts_max

    def close(self) -> None:
        """Writes no more."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def check_clock(self) -> None:
        """No tick while this machine's clock is far from the broker's."""
        self._checked_s, self._checked_at = time.monotonic(), self._clock.now()
        if not self._clock.is_wall:
            return
        skew = self._log.broker_clock_skew_ms(self._clock.now)
        if abs(skew) > CLOCK_SKEW_MAX_MS:
            self.trouble = (
                f"this machine's clock is {abs(skew) / 1000:.0f} s "
                f"{'behind' if skew > 0 else 'ahead of'} the broker's; no ticks until it is set"
            )
        else:
            self.trouble = ""

    def _has_jumped(self) -> bool:
        """The wall clock went on otherwise than the machine's own count of seconds."""
        if not self._clock.is_wall:
            return False
        counted_ms = (time.monotonic() - self._checked_s) * 1000
        return abs(self._clock.now() - self._checked_at - counted_ms) > CLOCK_SKEW_MAX_MS

    def flight(self) -> int | None:
        """The number of the tick in flight, None when the last one is finished everywhere."""
        last = self._newest()
        n = last.n if last is not None else 0
        return n if n > self._control.done(self._stage, self._partitions) else None

    def _newest(self) -> Tick | None:
        """The last tick of all. Progress may be read before the tick that it is of, and the ticker
        before this one may have written until it was fenced: what the worker has read of `ticks`
        is not enough."""
        known, last = self._control.tick, self._last
        if known is None or (last is not None and last.n > known.n):
            return last
        return known

    def settles(self) -> bool:
        """Whether the last tick was complete but left rows on their way to their lines."""
        last = self._newest()
        return last is not None and last.complete and self._control.pending(last.n) > 0

    def step(self) -> bool:
        """Writes the next tick if it is time and none is in flight; says whether it did."""
        if self.flight() is not None:
            return False
        if self.settles():
            self.cut()
            return True
        if time.monotonic() - self._written_s < self._settings.interval_ms / 1000:
            return False
        if self.trouble or self._has_jumped() or time.monotonic() > self._checked_s + CLOCK_CHECK_S:
            self.check_clock()
            if self.trouble:
                self._written_s = time.monotonic()
                return False
        self.cut()
        return True

    def cut(self) -> Tick:
        """Writes the next tick now. The clock is read before the offsets."""
        last = self._newest()
        if last is not None and self.settles():
            return self._write(self._plan.settling(last))
        now = self._clock.now()
        counts = self._log.partition_counts(FACT_TOPICS)
        partitions = [Partition(t, p) for t in FACT_TOPICS for p in range(counts[t])]
        begins = self._log.begin_offsets(partitions) if last is None else {}
        ends = self._log.end_offsets([*partitions, SCHEMAS])
        schemas = ends.pop(SCHEMAS)
        tick = self._plan.next(
            last,
            now,
            ends,
            begins,
            self._control.latest_network,
            self._control.latest_policy,
            schemas.stable,
        )
        return self._write(tick)

    def _write(self, tick: Tick) -> Tick:
        assert self._producer is not None, "open() comes first"
        self._producer.begin()
        try:
            self._producer.produce(TICKS.topic, TICKS.number, None, encode(tick))
            self._failpoint(Moment.TICK_UNCOMMITTED)
            self._producer.commit()
        except TransactionAborted:
            self._producer.abort()
            raise
        except Fenced:
            self._producer = None
            raise
        self._failpoint(Moment.TICK_WRITTEN)
        self._last, self._written_s = tick, time.monotonic()
        return tick
