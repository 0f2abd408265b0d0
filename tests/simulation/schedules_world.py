"""The world around the workers in a schedule: sources, networks, partitions, time."""

from __future__ import annotations

import datetime as dt
import functools
import random

import msgspec

from alerts import policy as policies
from alerts.terms import Chase, Chasing
from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Heartbeat
from streams.engine.clock import ManualClock
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.memory_parts import Transaction
from streams.publishing import Publication, split
from tests.scenario import START, network
from tests.simulation import schedules as events
from tests.simulation.schedules import Event, Schedule
from tests.simulation.schedules_tale import tale
from topology import network as networks

# Suppliers are asked all the time: what was concluded in one tick is kept through the next ones.
_POLICY = policies.build(
    policies.complete(
        msgspec.structs.replace(
            policies.DEFAULT.document,
            chasing=Chasing(
                confirmation=Chase(hours=2, repeat_hours=3),
                promise=Chase(hours=120, repeat_hours=7),
            ),
        )
    )
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@functools.cache
def _networks() -> tuple[tuple[str, bytes], ...]:
    # Partners come and go with the network.
    variants = (
        network(subscribed=("ACME", "SUP")),
        network(joined=False, subscribed=("CARGO", "SUP")),
        network(lead_days=5, heartbeats=True),
    )
    return tuple((each.version, networks.encode(each)) for each in variants)


class World:
    """Everything that is told to the workers. `frozen` is what members see no more of."""

    def __init__(self, schedule: Schedule, log: MemoryLog, frozen: dict[Partition, int]) -> None:
        self.log = log
        self.clock = ManualClock(START)
        self._frozen = frozen
        self._tale = tale(schedule.seed, all_families=schedule.all_families)
        self._sender: Transaction | None = None
        self._beats = 0
        self.publish(0)
        for key, value in split(Publication(_POLICY.version, _POLICY.to_bytes(), _EPOCH)):
            log.append("policies", key, value, 0)

    def tell(self, event: Event) -> None:
        """The part of the world that is not ours does something."""
        match event:
            case events.Tell(facts, scattered, dice):
                self._send(facts, random.Random(dice) if scattered else None)
            case events.Clock(after_ms, alive):
                self.clock.set(max(self.clock.now(), START + after_ms))
                for source in alive:
                    self._beat(source)
            case events.SenderOpens(facts):
                self.sender_ends(commits=False)
                self._sender = Transaction()
                for index in facts:
                    fact = self._tale[index]
                    where = Partition(fact_topic(fact), 0)
                    self.log.write(where, fact_key(fact), encode_fact(fact), self._sender)
            case events.SenderEnds(commits):
                self.sender_ends(commits)
            case events.Garbage(topic):
                self.log.append(topic, b"", b"no fact at all")
            case events.Freeze(topic, partition):
                where = Partition(topic, partition)
                if partition < self.log.partition_counts([topic])[topic]:
                    self._frozen[where] = self.log.partition_log(where).high
            case events.Thaw():
                self._frozen.clear()
            case events.Publish(variant):
                self.publish(variant)
            case events.Widen(topic):
                self.log.create(topic, self.log.partition_counts([topic])[topic] + 1)
            case _:
                raise AssertionError(event)

    def _send(self, facts: tuple[int, ...], chance: random.Random | None) -> None:
        for index in facts:
            fact = self._tale[index]
            topic = fact_topic(fact)
            where = None
            if chance is not None:
                where = chance.randrange(self.log.partition_counts([topic])[topic])
            self.log.append(topic, fact_key(fact), encode_fact(fact), where)

    def _beat(self, source: str) -> None:
        self._beats += 1
        at = self.clock.now()
        beat = Heartbeat(f"beat-{self._beats}", source, "alive", at, at, at)
        self.log.append("heartbeats", fact_key(beat), encode_fact(beat))

    def sender_ends(self, commits: bool) -> None:
        if self._sender is not None:
            self.log.finish(self._sender, "committed" if commits else "aborted")
            self._sender = None

    def publish(self, variant: int) -> None:
        version, data = _networks()[variant]
        for key, value in split(Publication(version, data, _EPOCH)):
            self.log.append("networks", key, value, 0)
