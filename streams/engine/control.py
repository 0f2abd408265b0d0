"""What every worker knows of the whole: the latest tick, all progress, the published versions.

Read by every worker for itself, outside the group, from the topics of one partition. Because one
tick is in flight at a time, the latest tick is the only one that can be unfinished.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import msgspec

from alerts import policy as policies
from alerts.policy import Policy, PolicyFormatError
from schemas.limits import ERROR_CHARS_MAX
from schemas.records import decode
from schemas.registered import KnownSchemas, RegisteredSchema
from schemas.ticks import REBUILD_STAGE, StageProgress, Tick
from schemas.units import UtcMillis, millis
from streams.engine.log import (
    Entry,
    Log,
    LogError,
    Partition,
    Reader,
    Unavailable,
    foreign_record,
)
from streams.engine.writing import progress_key
from streams.publishing import Assembler, PublicationError
from topology import network as networks
from topology.network import Network, NetworkFormatError

TICKS = Partition("ticks", 0)
PROGRESS = Partition("progress", 0)
NETWORKS = Partition("networks", 0)
POLICIES = Partition("policies", 0)
SCHEMAS = Partition("schemas", 0)
_WHOLE: Final = (PROGRESS, NETWORKS, POLICIES, SCHEMAS)
"""Read from their beginning."""
_LOOK_BACK: Final = 64
"""Offsets before the end of `ticks` to look for the latest tick: each has a marker behind it."""
_WAIT_S: Final = 0.02


def last_tick(log: Log, timeout_s: float = 60.0) -> Tick | None:
    """The last tick in the log, None before the first.

    Looks back as far as it must: aborted ticks and their markers may fill the end of the topic.
    Waits for transactions that are open; raises Unavailable when that takes too long.
    """
    high = log.end_offsets([TICKS])[TICKS].high
    begin = log.begin_offsets([TICKS])[TICKS]
    back = _LOOK_BACK
    while True:
        start = max(begin, high - back)
        last = _last_between(log, start, high, timeout_s)
        if last is not None or start == begin:
            return last
        back *= 8


def _last_between(log: Log, start: int, high: int, timeout_s: float) -> Tick | None:
    reader = log.reader()
    last: Tick | None = None
    waited = 0.0
    try:
        reader.assign({TICKS: start})
        while reader.positions().get(TICKS, 0) < high:
            for record in reader.read(_LOOK_BACK, _WAIT_S).get(TICKS, ()):
                value = record.value()
                if value is not None:
                    last = read_tick(record, value)
            waited += _WAIT_S
            if waited > timeout_s:
                raise Unavailable(
                    f"ticks could not be read to its end in {timeout_s:.0f} s",
                    "A transaction may be open on it; it ends by its own timeout.",
                )
    finally:
        reader.close()
    return last


def read_tick(record: Entry, value: bytes) -> Tick:
    """The tick in a record of `ticks`; raises LogError with the record's place if it is none."""
    try:
        return decode(value, Tick)
    except msgspec.MsgspecError as error:
        raise foreign_record(TICKS, record.offset(), error) from error


def read_schema(record: Entry, value: bytes) -> RegisteredSchema:
    """The answer in a record of `schemas`; raises LogError with its place if it is none."""
    try:
        return decode(value, RegisteredSchema)
    except msgspec.MsgspecError as error:
        raise foreign_record(SCHEMAS, record.offset(), error) from error


class Control:
    """The worker's view of the whole. Only the worker's own thread writes it; others may read."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reader: Reader | None = None
        self._networks: dict[str, Network] = {"": networks.EMPTY}
        self._policies: dict[str, Policy] = {"": policies.DEFAULT}
        self._assemblers = {NETWORKS.topic: Assembler(), POLICIES.topic: Assembler()}
        self.latest_network = ""
        self.latest_policy = ""
        self._is_read = False
        self.tick: Tick | None = None
        self.done_before = 0
        """The tick that was done everywhere when this was opened."""
        self.progress: dict[str, StageProgress] = {}
        self.schemas = KnownSchemas()
        self.changed = threading.Event()

    def open(self, timeout_s: float) -> None:
        """Reads everything that was committed when this is called, waiting out transactions.

        May be called again after `close`; what was known stays known until it is read anew.
        """
        self._assemblers = {NETWORKS.topic: Assembler(), POLICIES.topic: Assembler()}
        self._reader = self._log.reader()
        begins = self._log.begin_offsets([TICKS, *_WHOLE])
        ends = self._log.end_offsets([TICKS])
        begins[TICKS] = max(begins[TICKS], ends[TICKS].high - _LOOK_BACK)
        self._reader.assign(begins)
        self.tick = last_tick(self._log, timeout_s)
        # It was written once the one before was done: progress that is read from now on says so.
        self.done_before = 0 if self.tick is None else self.tick.n - 1
        self.sync(timeout_s)
        self._is_read = True

    def close(self) -> None:
        """Lets go of the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def network(self, version: str) -> Network | None:
        """The network of that version, if it was published."""
        return self._networks.get(version)

    def policy(self, version: str) -> Policy | None:
        """The policy of that version, if it was published."""
        return self._policies.get(version)

    def knows_schemas(self, tick: Tick) -> bool:
        """Whether all that counts of topic `schemas` at the tick was read."""
        assert self._reader is not None, "open() comes first"
        return not tick.schemas or self._reader.positions().get(SCHEMAS, 0) >= tick.schemas

    @property
    def is_shadow(self) -> bool | None:
        """Whether the policy that was published last tells nobody; None until that is known."""
        return self._policies[self.latest_policy].is_shadow if self._is_read else None

    def holds(self, network: str, policy: str) -> bool:
        """Whether both versions are here."""
        return network in self._networks and policy in self._policies

    @property
    def subscribed(self) -> frozenset[str] | None:
        """The parties that are subscribed by the network in force; None before the first tick."""
        tick = self.tick
        network = None if tick is None else self.network(tick.network)
        return None if network is None else network.subscribed

    def progress_of(self, stage: str, partition: Partition) -> StageProgress | None:
        """Where a stage's partition stands."""
        return self.progress.get(progress_key(stage, partition.topic, partition.number))

    @property
    def rebuilding(self) -> StageProgress | None:
        """Where a rebuild stands that was begun and has not ended; None when there is none."""
        return self.progress.get(progress_key(REBUILD_STAGE, "", 0))

    def poll(self, timeout_s: float = 0.0) -> bool:
        """Takes in what is new; says whether anything was."""
        assert self._reader is not None, "open() comes first"
        read = self._reader.read(5_000, timeout_s)
        for partition, records in read.items():
            for record in records:
                self._take(partition, record)
        if read:
            self.changed.set()
        return bool(read)

    def sync(self, timeout_s: float) -> None:
        """Reads up to what is in the log now, and waits for transactions that are open there.

        Raises Unavailable when that takes longer than the timeout: an open transaction ends by
        itself after its own, shorter, timeout.
        """
        assert self._reader is not None, "open() comes first"
        ends = self._log.end_offsets([TICKS, *_WHOLE])
        waited = 0.0
        while True:
            positions = self._reader.positions()
            behind = [p for p, end in ends.items() if positions.get(p, 0) < end.high]
            if not behind:
                return
            self.poll(_WAIT_S)
            waited += _WAIT_S
            if waited > timeout_s:
                raise Unavailable(
                    f"{behind[0].topic} could not be read to its end in {timeout_s:.0f} s",
                    "A transaction may be open on it; it ends by its own timeout.",
                )

    def done(self, stage: str, partitions: Sequence[Partition]) -> int:
        """The tick that all these partitions of a stage have finished; 0 before the first."""
        standing = [self.progress_of(stage, partition) for partition in partitions]
        return min((each.tick if each is not None else 0 for each in standing), default=0)

    def reached(self, stage: str, partitions: Sequence[Partition]) -> UtcMillis | None:
        """The time T that all these partitions of a stage have come to; None before the first."""
        standing = [self.progress_of(stage, partition) for partition in partitions]
        return min((millis(at.at) for at in standing if at is not None and at.at), default=None)

    def pending(self, n: int) -> int:
        """Rows that stages sent to themselves at tick `n`, to be taken at the next."""
        return sum(each.pending for each in list(self.progress.values()) if each.tick == n)

    def _take(self, where: Partition, record: Entry) -> None:
        value = record.value()
        topic = where.topic
        if value is None:
            if topic == PROGRESS.topic:
                self.progress.pop((record.key() or b"").decode(errors="replace"), None)
            return
        try:
            if topic == TICKS.topic:
                tick = read_tick(record, value)
                if self.tick is None or tick.n > self.tick.n:
                    self.tick = tick
            elif topic == PROGRESS.topic:
                key = record.key()
                if key is not None:
                    self.progress[key.decode()] = decode(value, StageProgress)
            elif topic == SCHEMAS.topic:
                self.schemas.take(record.offset(), read_schema(record, value))
            else:
                self._publish(topic, value)
        except (NetworkFormatError, PolicyFormatError) as error:
            place = f"{topic}/{where.number} at offset {record.offset()}"
            raise LogError(f"{place}: {str(error)[:ERROR_CHARS_MAX]}") from error
        except (msgspec.MsgspecError, PublicationError, UnicodeDecodeError) as error:
            raise foreign_record(where, record.offset(), error) from error

    def _publish(self, topic: str, value: bytes) -> None:
        published = self._assemblers[topic].add(value)
        if published is None:
            return
        version, data = published.version, published.data
        if topic == NETWORKS.topic:
            self._networks[version] = networks.decode(data)
            self.latest_network = version
        else:
            self._policies[version] = Policy.from_bytes(data)
            self.latest_policy = version
