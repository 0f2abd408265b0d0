"""Sends what the simulated sources say, and moves simulated time along behind it.

Time is moved only once the broker has every fact up to it, so that a tick never stands for a moment
of which not all was told, however busy the machine is. It waits for a worker that is behind: the
embedded broker forgets what nobody has read yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from schemas.addresses import fact_key
from schemas.codec import encode_fact
from schemas.units import HOUR_MS, UtcMillis
from streams.broker.topics import BrokerUnreachable, full_name
from streams.clients import librdkafka_config
from streams.engine.clock import FileClock
from streams.sending import PARTITIONER
from streams.settings import Settings
from streams.simulator.simulation import Emission, Simulation

AHEAD_MS_MAX = 8 * HOUR_MS
"""Simulated time may be so far ahead of the last tick that is done. So ticks stay as close to each
other on a busy machine, and the worker stays far from what the broker forgets."""

SENT_AT_ONCE_MAX = 2_000
FLUSH_SECONDS_MAX = 20.0


class Feeder:
    """Sends facts and keeps the clock. `sent` counts the facts that the broker has."""

    def __init__(self, settings: Settings, simulation: Simulation, clock: FileClock) -> None:
        self._simulation = simulation
        self._clock = clock
        self._prefix = settings.topics.prefix
        self._moved_at: float | None = None
        self._refused: KafkaError | None = None
        self.sent = 0
        self._producer = Producer(
            {
                **librdkafka_config(settings.kafka),
                "partitioner": PARTITIONER,
                "compression.type": "lz4",
                "enable.idempotence": True,
                "linger.ms": 0,
                "log_level": 0,
            }
        )

    def tell_past(self) -> None:
        """Sends all that was said before the clock's present time, which does not move."""
        self._send(self._simulation.advance(self._clock.now()))

    def move(self, to: UtcMillis) -> None:
        """Sends all that was said up to a moment, and then makes it the present."""
        self._send(self._simulation.advance(to))
        self._clock.set(to)

    def step(self, seconds: float, speed: float, done_at: UtcMillis) -> None:
        """Sends what is due `seconds` (monotonic) into the run, and moves the clock.

        `done_at` is the time of the last tick that is done.
        """
        before, self._moved_at = self._moved_at, seconds
        if before is None:
            return
        passed_ms = int((seconds - before) * 1_000 * speed)
        to = min(self.now + passed_ms, done_at + AHEAD_MS_MAX)
        if to > self.now:
            self.move(to)

    @property
    def now(self) -> UtcMillis:
        """Simulated time: everything up to it was sent."""
        return self._clock.now()

    def _send(self, emissions: Iterable[Emission]) -> None:
        for count, emission in enumerate(emissions, start=1):
            self._producer.produce(
                full_name(self._prefix, emission.topic),
                encode_fact(emission.fact),
                fact_key(emission.fact),
                on_delivery=self._delivered,
            )
            if count % SENT_AT_ONCE_MAX == 0:
                self._flush()
        self._flush()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.sent += 1
        else:
            self._refused = error

    def _flush(self) -> None:
        left: Any = self._producer.flush(FLUSH_SECONDS_MAX)
        if self._refused is not None or left:
            why = self._refused.str() if self._refused is not None else "no answer"
            raise BrokerUnreachable(f"the embedded broker did not take facts: {why}")
