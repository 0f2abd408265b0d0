"""From a tick to alerts that can be read, while facts arrive at a steady rate.

A worker process ticks by the machine's clock. Facts about slipping lines are sent evenly; a reader
of committed records, in this process, notes when the alerts of a tick can be read. The log stamps
each tick when it is appended (the `ticks` topic keeps the broker's time), so both ends are told by
the clock of one machine. Ticks that changed no alert are not counted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.ground import PARTITIONS, BenchFailed, Place, lacks_kafka
from bench.slips import LiveSlips, slip_network
from bench.workers import Watch, WorkerProcess
from schemas.records import decode
from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS

RATES = (500, 5_000)
SECONDS = 30
SHORT_SECONDS = 4
SHORT_RATES = (500,)
WARM_UP_S = 5
SHORT_WARM_UP_S = 1
TICK_MS = 100
SEND_EVERY_S = 0.01
CATCH_UP_S = 20.0
"""How long the last facts may take to come through; what comes later is not counted."""


class AlertTick(msgspec.Struct):
    """What an alert says of the tick that made it."""

    tick: int


@dataclass
class Seen:
    """Of each tick: when it was appended, what it cut, and when its alerts could be read."""

    appended_s: dict[int, float] = field(default_factory=dict)
    cuts: dict[int, Tick] = field(default_factory=dict)
    readable_s: dict[int, float] = field(default_factory=dict)


class AlertReader:
    """Reads `ticks` and `alerts` as they become readable."""

    def __init__(self, place: Place) -> None:
        self._prefix = place.prefix
        self.seen = Seen()
        self._decode = msgspec.json.Decoder(AlertTick).decode
        self._consumer = Consumer(
            {
                "bootstrap.servers": place.bootstrap,
                "group.id": "bench-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 5,
                "fetch.queue.backoff.ms": 1,
                "log_level": 0,
            }
        )
        self._consumer.assign(
            [TopicPartition(f"{self._prefix}ticks", 0)]
            + [TopicPartition(f"{self._prefix}alerts", number) for number in range(PARTITIONS)]
        )

    def poll(self, timeout_s: float) -> None:
        """Notes what has become readable."""
        messages: list[Any] = self._consumer.consume(1_000, timeout_s)
        now = time.time_ns() / 1e9
        for message in messages:
            value = message.value()
            if message.error() is not None or value is None:
                continue
            if message.topic().endswith("ticks"):
                tick = decode(value, Tick)
                self.seen.appended_s[tick.n] = message.timestamp()[1] / 1_000
                self.seen.cuts[tick.n] = tick
            else:
                self.seen.readable_s[self._decode(value).tick] = now

    def close(self) -> None:
        """Reads no more."""
        self._consumer.close()


class SteadySender:
    """Sends slip facts evenly, and remembers when each offset was handed over."""

    def __init__(self, place: Place, rate: int) -> None:
        self._place, self._rate = place, rate
        self._facts = LiveSlips()
        self.sent_s: dict[tuple[str, int], list[float]] = {
            (topic, number): [] for topic in FACT_TOPICS for number in range(PARTITIONS)
        }
        self.sent = 0
        self._began = time.monotonic()

    def step(self) -> None:
        """Sends what is due by now."""
        due = int((time.monotonic() - self._began) * self._rate) - self.sent
        now = time.time_ns()
        for line, (topic, key, value) in self._facts.take(due, now // 1_000_000):
            number = line % PARTITIONS
            self._place.producer.produce(self._place.prefix + topic, value, key, number)
            self.sent_s[topic, number].append(now / 1e9)
            self.sent += 1
        self._place.producer.poll(0)


def send_for(seconds: float, sender: SteadySender, reader: AlertReader) -> None:
    """Sends and reads for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sender.step()
        reader.poll(SEND_EVERY_S)


def measure(run: Run) -> Sequence[Figure]:
    """Percentiles of tick to alert and of fact to alert, for each rate."""
    tally = Tally()
    for number in range(run.repeat):
        for rate in SHORT_RATES if run.short else RATES:
            run.say(f"latency {number + 1}/{run.repeat}: {rate} facts a second")
            with run.ground.place("latency") as place:
                _measure_rate(run, place, rate, tally)
    return tally.figures()


def _measure_rate(run: Run, place: Place, rate: int, tally: Tally) -> None:
    place.publish(slip_network())
    reader, watch = AlertReader(place), Watch(place)
    warm_up = run.size(WARM_UP_S, SHORT_WARM_UP_S)
    try:
        with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=None) as worker:
            while watch.tick is None:
                watch.poll()
                worker.check()
            sender = SteadySender(place, rate)
            send_for(warm_up, sender, reader)
            while not reader.seen.readable_s:
                worker.check()
                send_for(warm_up, sender, reader)
            began, began_cpu, sent = time.time_ns() / 1e9, worker.cpu_seconds(), sender.sent
            send_for(run.size(SECONDS, SHORT_SECONDS), sender, reader)
            ended = time.time_ns() / 1e9
            cpu, sent = worker.cpu_seconds() - began_cpu, sender.sent - sent
            place.flush()
            behind = sender.sent - _cut_by(reader.seen, watch.tick_done())
            until = time.monotonic() + CATCH_UP_S
            while not watch.has_done(sender.sent) and time.monotonic() < until:
                watch.poll()
                reader.poll(SEND_EVERY_S)
                worker.check()
    finally:
        reader.close()
        watch.close()
    _add(tally, rate, reader.seen, sender, (began, ended))
    tally.add(f"{rate}/s: behind at the end", "s", behind / rate)
    tally.add(f"{rate}/s: CPU of the worker", "µs/fact", cpu / sent * 1e6)


def _add(
    tally: Tally, rate: int, seen: Seen, sender: SteadySender, between: tuple[float, float]
) -> None:
    """The figures of the ticks that were appended in that time and changed alerts."""
    begins, ends = between
    ticks = [
        n for n in sorted(seen.readable_s)
        if n in seen.appended_s and begins <= seen.appended_s[n] <= ends
    ]  # fmt: skip
    if not ticks:
        raise BenchFailed(f"at {rate} facts a second no tick changed an alert")
    from_tick = sorted(seen.readable_s[n] - seen.appended_s[n] for n in ticks)
    from_fact = sorted(
        seen.readable_s[n] - sent_s for n in ticks for sent_s in _sent_in(seen, sender, n)
    )
    gaps = sorted(seen.appended_s[n] - seen.appended_s[n - 1] for n in ticks if n > ticks[0])
    for name, values in (("tick to alert", from_tick), ("fact to alert", from_fact)):
        for percent in (50, 95, 99):
            value = values[min(len(values) - 1, len(values) * percent // 100)] * 1_000
            tally.add(f"{rate}/s: {name} p{percent}", "ms", value)
    if gaps:
        tally.add(f"{rate}/s: between ticks p50", "ms", gaps[len(gaps) // 2] * 1_000)


def _cut_by(seen: Seen, n: int) -> int:
    """How many facts lie before the cut of tick `n`."""
    tick = seen.cuts.get(n)
    return 0 if tick is None else sum(sum(offsets) for offsets in tick.cut.values())


def _sent_in(seen: Seen, sender: SteadySender, n: int) -> list[float]:
    """When the facts were sent that tick `n` cuts and the one before did not."""
    tick, before = seen.cuts[n], seen.cuts.get(n - 1)
    moments: list[float] = []
    for topic, offsets in tick.cut.items():
        for number, end in enumerate(offsets):
            start = before.cut[topic][number] if before is not None else 0
            moments += sender.sent_s[topic, number][start:end]
    return moments


BENCHMARK = Benchmark(
    "latency",
    f"tick to readable alerts at {' and '.join(f'{rate:,}' for rate in RATES)} facts a second, "
    f"a tick each {TICK_MS} ms",
    measure,
    lacks_kafka,
)
