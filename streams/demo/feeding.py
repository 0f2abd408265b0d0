"""Sends what the simulated sources say, and moves simulated time along behind it.

Time is moved only once the broker has every fact up to it, so that a tick never stands for a moment
of which not all was told, however busy the machine is. It stands still while the worker has too
much before it: the embedded broker would forget what nobody has read yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from schemas.codec import encode_fact
from schemas.units import UtcMillis
from streams.broker.topics import BrokerUnreachable, full_name
from streams.clients import librdkafka_config
from streams.demo.options import STEP_SECONDS_MAX
from streams.engine.clock import FileClock
from streams.sending import PARTITIONER, fact_key
from streams.settings import Settings
from streams.simulator.simulation import Emission, Simulation

WAITING_FACTS_MAX = 5_000
"""Facts that the worker may be behind before time stands still: far below what the broker keeps."""

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

    def tell(self, to: UtcMillis) -> None:
        """Sends all that was said up to a moment; the clock stays where it is."""
        self._send(self._simulation.advance(to))

    def move(self, to: UtcMillis) -> None:
        """Sends all that was said up to a moment, and then makes it the present."""
        self.tell(to)
        self._clock.set(to)

    def step(self, seconds: float, speed: float, taken: int) -> None:
        """Sends what is due `seconds` (monotonic) into the run, and moves the clock.

        `taken` is how many facts the worker has dealt with.
        """
        before, self._moved_at = self._moved_at, seconds
        if before is None or self.sent - taken > WAITING_FACTS_MAX:
            return
        passed = min(seconds - before, STEP_SECONDS_MAX)
        self.move(self._clock.now() + int(passed * 1_000 * speed))

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
