"""The follower: reads the output topics and brings the read model from tick to tick.

Two consumers. One reads `progress`, `ticks` and `receipts` as they come. When all partitions of the
last stage have finished a tick, the other reads the topics of the tick up to the high watermarks
taken *after* that was seen, and one database transaction takes what belongs to the tick together
with the offsets. Up to the high watermark, not the last stable offset: an abandoned transaction
would hide the end of the tick behind it, and then the tick waits, as it must.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from console import tables
from console.broker import Broker, BrokerFault
from console.cut import (
    GATE_TOPIC,
    LIVE_TOPICS,
    TICK_TOPICS,
    Cut,
    Gate,
    Message,
    Partition,
    Position,
)
from console.database import Database
from console.rows import puts, write
from schemas.records import decode
from schemas.ticks import StageProgress, Tick
from schemas.units import UtcMillis, millis

BUILD_COMMIT_RECORDS = 100_000
"""Records a transaction while the model is first built and nobody may read it yet."""

CHECK_EVERY_MS = 1_000
BACKOFF_SECONDS_MIN = 0.5
BACKOFF_SECONDS_MAX = 15.0

VIEW_BUILT = "view_built"
VIEW_RETRIES = "view_retries"

log = structlog.get_logger()


class Stopped(Exception):
    """The follower was asked to stop in the middle of a tick; nothing of it was kept."""


class Follower:
    """Follows one broker into one database until told to stop."""

    def __init__(
        self, client_config: Mapping[str, str], database: Database, *, topic_prefix: str = ""
    ) -> None:
        """`client_config` is librdkafka's: where the broker is, and TLS and SASL."""
        self._client_config = dict(client_config)
        self._database = database
        self._prefix = topic_prefix

    def run(self, stop: threading.Event) -> None:
        """Follows until `stop`; faults of the broker are retried, and shown in the view's state. A
        database server that is away is waited for.

        Raises DatabaseError when another view took the database over.
        """
        self._database.claim()
        backoff = BACKOFF_SECONDS_MIN
        while not stop.is_set():
            try:
                with self.session(stop) as session:
                    while not stop.is_set():
                        session.step(timeout_seconds=0.1)
                        backoff = BACKOFF_SECONDS_MIN
                return
            except Stopped:
                return
            except BrokerFault as fault:
                problem = str(fault)
                self._say(problem)
            except DBAPIError as error:
                if not self._database.passes(error):
                    raise
                problem = f"the view's database does not answer: {error.orig}"
            log.warning(VIEW_RETRIES, problem=problem, in_seconds=round(backoff, 1))
            stop.wait(backoff * random.uniform(0.5, 1.0))  # noqa: S311 (jitter, no secret)
            backoff = min(backoff * 2, BACKOFF_SECONDS_MAX)

    def _say(self, problem: str) -> None:
        """Puts it where readers see it, if the database is there."""
        try:
            with self._database.writing() as connection:
                self._database.save_state(connection, problem=problem)
        except DBAPIError as error:
            if not self._database.passes(error):
                raise

    @contextmanager
    def session(self, stop: threading.Event) -> Iterator[Session]:
        """Connects and takes up where the database is; whoever uses it directly claims first."""
        reader = Broker(self._client_config, self._prefix)
        try:
            yield Session(reader, self._database, stop)
        finally:
            reader.close()


class Session:
    """From a connection to its first fault: the state in memory is that of the database."""

    def __init__(self, broker: Broker, database: Database, stop: threading.Event) -> None:
        self._broker = broker
        self._database = database
        self._stop = stop
        cluster_id, counts = broker.layout()
        tick_parts = [(name, n) for name in TICK_TOPICS for n in range(counts[name])]
        live_parts = [(name, n) for name in LIVE_TOPICS for n in range(counts[name])]
        self._positions = self._resume(cluster_id, [*tick_parts, *live_parts])
        self._starts = {at: self._positions[at].resume_at for at in tick_parts}
        self._live_starts = {at: self._positions[at].resume_at for at in live_parts}
        self._gate = Gate(counts[GATE_TOPIC])
        self._times: dict[int, UtcMillis] = {}
        with database.reading() as connection:
            state = database.state(connection)
            self._recall(connection, state.applied_tick)
        self._as_of = state.as_of_tick
        self._cut = Cut(state.applied_tick, {at: self._positions[at] for at in tick_parts})
        broker.assign(broker.tick, self._starts)
        broker.assign(broker.live, self._live_starts)
        self._is_level = False
        self._check: tuple[UtcMillis, dict[Partition, int]] | None = None
        self._checked_at = -CHECK_EVERY_MS

    def step(self, timeout_seconds: float) -> bool:
        """Takes what is there; true when a tick became visible.

        Waits up to `timeout_seconds` for news. Raises BrokerFault, Stopped, DatabaseError; then
        this session is over, and the database holds the last tick whole.
        """
        messages = self._broker.consume(self._broker.live, timeout_seconds)
        while messages and not self._stop.is_set():
            self._take_live(messages)
            messages = self._broker.consume(self._broker.live, 0)
        now = self._database.clock()
        if self._check is None and now - self._checked_at >= CHECK_EVERY_MS:
            ends = self._broker.high_watermarks(list(self._live_starts))
            self._check = (now, ends)
        reached = self._broker.reached(self._broker.live, self._live_starts)
        is_level = self._check is not None and _is_past(reached, self._check[1])
        self._is_level = self._is_level or is_level
        applied = self._is_level and self._apply_due()
        if is_level and self._check is not None:
            self._checked_at = self._check[0]
            self._check = None
            with self._database.writing() as connection:
                self._database.save_state(connection, checked_at=self._checked_at, problem=None)
        return applied

    def _resume(
        self, cluster_id: str | None, partitions: Sequence[Partition]
    ) -> dict[Partition, Position]:
        first = self._broker.first_offsets(partitions)
        ends = self._broker.high_watermarks(partitions)
        with self._database.reading() as connection:
            stored = self._database.positions(connection)
            state = self._database.state(connection)
        why = _mismatch(stored, first, ends)
        if state.cluster_id and cluster_id and state.cluster_id != cluster_id:
            why = f"it was read from the cluster {state.cluster_id}, this one is {cluster_id}"
        if why:
            self._database.rebuild(why)
            stored = {}
        with self._database.writing() as connection:
            self._database.save_state(connection, cluster_id=cluster_id)
        return {at: stored.get(at, Position(first[at], first[at])) for at in partitions}

    def _recall(self, connection: Connection, applied_tick: int | None) -> None:
        progress = select(tables.progress.c.body)
        for body in connection.execute(progress).scalars():
            self._note(decode(body.encode(), StageProgress))
        later = tables.ticks.c.n > (-1 if applied_tick is None else applied_tick - 1)
        for n, at in connection.execute(select(tables.ticks.c.n, tables.ticks.c.at).where(later)):
            self._times[n] = at

    def _note(self, stands: StageProgress) -> None:
        self._gate.note(stands.stage, stands.partition, stands.tick)

    def _take_live(self, messages: Sequence[Message]) -> None:
        with self._database.writing() as connection:
            write(connection, (put for message in messages for put in puts(message)))
            positions = {
                (message.topic, message.partition): Position(message.offset + 1, message.offset + 1)
                for message in messages
            }
            self._database.save_positions(connection, positions)
            self._database.save_state(connection, problem=None)
            if any(message.topic == "ticks" for message in messages):
                self._database.save_state(connection, tick_read_at=self._database.clock())
        for message in messages:
            with suppress(msgspec.DecodeError):  # Already told: it lies in `unreadable`.
                if message.value and message.topic == "progress":
                    self._note(decode(message.value, StageProgress))
                elif message.value and message.topic == "ticks":
                    tick = decode(message.value, Tick)
                    self._times[tick.n] = millis(tick.at)

    def _apply_due(self) -> bool:
        due = self._gate.finished_tick
        if (
            due is None
            or due not in self._times
            or (self._as_of is not None and due <= self._as_of)
        ):
            return False
        self._apply(max(due, self._cut.tick))
        return True

    def _apply(self, tick: int) -> None:
        """Reads and writes one tick; while the model is first built, in several transactions."""
        ends = self._broker.high_watermarks(list(self._starts))
        is_first = self._as_of is None
        waiting = self._cut.begin(tick)
        is_whole = False
        while not is_whole:
            with self._database.writing() as connection:
                limit = BUILD_COMMIT_RECORDS if is_first else None
                is_whole = self._apply_until(connection, ends, waiting, limit)
                waiting = []
                self._database.save_positions(connection, self._cut.positions())
                self._database.save_state(connection, applied_tick=tick)
                if is_whole:
                    self._database.save_state(
                        connection, as_of_tick=tick, as_of_at=self._times[tick]
                    )
        self._as_of = tick
        self._times = {n: at for n, at in self._times.items() if n >= tick}
        if is_first:
            log.info(VIEW_BUILT, tick=tick)

    def _apply_until(
        self,
        connection: Connection,
        ends: Mapping[Partition, int],
        waiting: Sequence[Message],
        limit: int | None,
    ) -> bool:
        """True when all partitions are read to their ends, false when the limit came first."""
        taken = len(waiting)
        write(connection, (put for message in waiting for put in puts(message)))
        while not _is_past(reached := self._broker.reached(self._broker.tick, self._starts), ends):
            if self._stop.is_set():
                raise Stopped
            messages = self._broker.consume(self._broker.tick, 0.1)
            now = self._cut.take(messages)
            write(connection, (put for message in now for put in puts(message)))
            taken += len(messages)
            if limit is not None and taken >= limit:
                return False
        for at, offset in reached.items():
            self._cut.reached(at, offset)
        return True


def _is_past(reached: Mapping[Partition, int], ends: Mapping[Partition, int]) -> bool:
    return all(reached[at] >= end for at, end in ends.items())


def _mismatch(
    stored: Mapping[Partition, Position],
    first: Mapping[Partition, int],
    ends: Mapping[Partition, int],
) -> str:
    """Why the stored positions cannot be those of these topics; empty if they can."""
    for (topic, number), position in stored.items():
        at = (topic, number)
        if at not in ends:
            return f"the topic {topic} no longer has partition {number}"
        if position.read_to > ends[at]:
            return (
                f"it was read up to offset {position.read_to} of {topic}-{number}, "
                f"which now ends at {ends[at]}: the topic was made anew"
            )
        if position.resume_at < first[at]:
            return (
                f"it was read up to offset {position.resume_at} of {topic}-{number}, "
                f"which now begins at {first[at]}: records were deleted before the view read them"
            )
    return ""
