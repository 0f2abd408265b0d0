"""The local engine: the same worker on a log in memory, driven by hand, one tick at a time.

For replay, backtests, tests and simulation: no broker, no thread, no clock but the one you set.
What it writes per tick is what the live engine writes for the same facts and ticks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from alerts import policy as policies
from alerts.policy import Policy
from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Fact
from schemas.records import encode
from schemas.ticks import Tick
from schemas.units import UtcMillis
from streams.engine.clock import ManualClock
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerSettings
from streams.engine.ticker import Ticker
from streams.engine.worker import Worker
from streams.publishing import Publication, split
from topology import network as networks
from topology.network import EMPTY, Network

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
IDLE_STEPS_MAX = 50
"""Turns of the loop without any work after which a tick will not end by itself."""


class Output(NamedTuple):
    """One record that the engine wrote."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None


class LocalEngine:
    """An engine of one worker. `send` facts, then `tick`; read what it wrote with `outputs`."""

    def __init__(
        self,
        network: Network = EMPTY,
        policy: Policy | None = None,
        *,
        partitions: int = 4,
        fact_partitions: int | None = None,
        log: MemoryLog | None = None,
    ) -> None:
        """With `log`, what lies there is used as it is: network, policy and counts are its own."""
        self.log = log or MemoryLog(partitions, fact_partitions)
        self._clock = ManualClock()
        if log is None:
            self.publish_network(network)
            self.publish_policy(policy or policies.DEFAULT)
        settings = WorkerSettings("slipwatch", "local", runs_ticker=False)
        self.worker = Worker(self.log, settings, self._clock)
        self.worker.open()
        self.worker.step(0)
        self._ticker: Ticker = self.worker.make_ticker()
        self._ticker.open()
        self.ticks = 0
        """Ticks that were cut."""
        self._read: dict[Partition, int] = {}

    def publish_network(self, network: Network) -> None:
        """From the next tick on, the chain is this one."""
        self._publish("networks", network.version, networks.encode(network))

    def publish_policy(self, policy: Policy) -> None:
        """From the next tick on, this policy holds."""
        self._publish("policies", policy.version, policy.to_bytes())

    def _publish(self, topic: str, version: str, data: bytes) -> None:
        for key, value in split(Publication(version, data, _EPOCH)):
            self.log.append(topic, key, value, 0)

    def send(self, fact: Fact) -> None:
        """One fact, as a source would publish it: to its family's topic, by its key."""
        self.log.append(fact_topic(fact), fact_key(fact), encode_fact(fact))

    def send_raw(self, topic: str, key: bytes | None, value: bytes, partition: int | None) -> None:
        """One record as it is, for instance from another log or one that is no fact."""
        self.log.append(topic, key, value, partition)

    def tick(self, at: UtcMillis) -> Tick:
        """Cuts at `at` and runs every stage; cuts again while the tick was not complete, or left
        rows on their way to their lines."""
        while True:
            tick = self.cut(at)
            if tick.complete and not self._ticker.settles():
                return tick

    def cut(self, at: UtcMillis) -> Tick:
        """One tick, complete or not, through all stages."""
        tick = self.begin(at)
        self.settle()
        return tick

    def begin(self, at: UtcMillis) -> Tick:
        """Writes one tick and leaves it in flight; `settle` or steps of the worker finish it."""
        self._clock.set(max(at, self._clock.now()))
        self.worker.control.poll()
        tick = self._ticker.cut()
        self.ticks = tick.n
        return tick

    def follow(self, tick: Tick) -> None:
        """Takes a tick that was recorded elsewhere, through all stages."""
        self.log.append("ticks", None, encode(tick), 0)
        self.ticks = tick.n
        self.worker.control.poll()
        self.settle()

    @property
    def ticks_done(self) -> int:
        """Ticks that every stage has finished."""
        return self.worker.status().tick

    def limit_facts_per_tick(self, facts_max: int) -> None:
        """From the next tick on, a cut takes in at most so many facts."""
        self._ticker.limit(facts_max)

    def replace_worker(self, worker: Worker) -> None:
        """Another worker on the same log takes over, as after a crash of the first."""
        self.worker.abandon()
        self._ticker.close()
        self.worker = worker
        self.worker.open()
        self.worker.step(0)
        self._ticker = self.worker.make_ticker()
        self._ticker.open()

    def hold(self, partition: Partition) -> None:
        """Reads no more of a partition, as if its leader did not answer."""
        self.worker.hold(partition)

    def release(self, partition: Partition) -> None:
        """Reads it again."""
        self.worker.release(partition)

    def settle(self) -> None:
        """Works until the tick in flight is done everywhere."""
        idle = 0
        while idle < IDLE_STEPS_MAX:
            idle = 0 if self.worker.step(0) else idle + 1
            if self._ticker.flight() is None:
                return
        raise RuntimeError(f"tick does not end: {self.worker.status().waits_for or 'no reason'}")

    def outputs(self, topic: str) -> list[Output]:
        """Everything committed on a topic, by partition, in order."""
        return list(self._outputs(topic, from_start=True))

    def new_outputs(self, topic: str) -> list[Output]:
        """What was committed on a topic since this was last asked."""
        return list(self._outputs(topic, from_start=False))

    def _outputs(self, topic: str, *, from_start: bool) -> Iterator[Output]:
        for number in range(self.log.partition_counts([topic])[topic]):
            partition = Partition(topic, number)
            positions = {partition: 0 if from_start else self._read.get(partition, 0)}
            for record in self.log.fetch(positions, 1 << 40):
                yield Output(topic, number, record.key(), record.value())
            if not from_start:
                self._read[partition] = positions[partition]

    def latest(self, topic: str) -> dict[bytes, bytes]:
        """A compacted topic as of now: the last value of each key."""
        values: dict[bytes, bytes] = {}
        for output in self.outputs(topic):
            assert output.key is not None, f"{topic} is keyed"
            if output.value is None:
                values.pop(output.key, None)
            else:
                values[output.key] = output.value
        return values

    def close(self) -> None:
        """Ends the worker."""
        self._ticker.close()
        self.worker.close()
