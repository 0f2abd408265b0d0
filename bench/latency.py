"""From a tick to alerts that can be read, while facts arrive at a steady rate.

A worker process ticks by the machine's clock. Facts about slipping lines are sent evenly; a reader
of committed records, in this process, notes when the alerts of a tick can be read. The log stamps
each tick when it is appended (the `ticks` topic keeps the broker's time), so both ends are told by
the clock of one machine. Ticks that changed no alert are not counted.

One rate is half of what the pipeline takes in from a backlog. The shortest tick that holds is found
by asking for ticks as often as can be: one is in flight at a time, so the time between them is what
a tick takes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench import pipeline
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.ground import PARTITIONS, WAIT_S, BenchFailed, Place, lacks_kafka
from bench.slips import LiveSlips, slip_network
from bench.workers import Watch, WorkerProcess
from schemas.records import decode
from schemas.ticks import Tick
from schemas.topics import FACT_TOPICS

RATES = (500, 5_000)
SECONDS = 12
SHORT_SECONDS = 3
SHORT_RATES = (500,)
WARM_UP_S = 3
SHORT_WARM_UP_S = 1
TICK_MS = 100
TICK_MS_MIN = 20
"""The shortest that can be asked for."""
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


@dataclass(frozen=True)
class Load:
    """Facts a second, the tick that is asked for, and how the figures are called."""

    name: str
    rate: int
    tick_ms: int = TICK_MS


def measure(run: Run) -> Sequence[Figure]:
    """Percentiles of tick to alert and of fact to alert, for each rate."""
    tally = Tally()
    if run.short:
        loads = [Load(f"{rate:,}/s", rate) for rate in SHORT_RATES]
    else:
        half = int(throughput(run) / 2)
        loads = [Load(f"{rate:,}/s", rate) for rate in RATES]
        loads += [
            Load("half the throughput", half),
            Load(f"{RATES[-1]:,}/s, shortest ticks", RATES[-1], TICK_MS_MIN),
        ]
    for number in range(run.repeat):
        for load in loads:
            run.say(f"latency {number + 1}/{run.repeat}: {load.name}, {load.rate:,} facts a second")
            with run.ground.place("latency") as place:
                _measure_load(run, place, load, tally)
    return tally.figures()


def throughput(run: Run) -> float:
    """Facts a second that the pipeline takes in from a backlog, measured now if it was not yet."""
    figures = run.results.get(pipeline.BENCHMARK.name)
    if figures is None:
        figures = pipeline.measure(dataclasses.replace(run, repeat=1))
    return next(each.median for each in figures if each.name == f"{pipeline.OURS}: rate")


def _measure_load(run: Run, place: Place, load: Load, tally: Tally) -> None:
    place.publish(slip_network())
    reader, watch = AlertReader(place), Watch(place)
    warm_up = run.size(WARM_UP_S, SHORT_WARM_UP_S)
    try:
        with WorkerProcess(place, run.folder, tick_ms=load.tick_ms, clock=None) as worker:
            watch.wait(lambda: watch.tick is not None, [worker], "the first tick")
            sender = SteadySender(place, load.rate)
            send_for(warm_up, sender, reader)
            while not reader.seen.readable_s:
                worker.check()
                send_for(warm_up, sender, reader)
            began, began_cpu, sent = time.time_ns() / 1e9, worker.cpu_seconds(), sender.sent
            broker, disk = run.ground.broker_cpu_seconds(), run.ground.disk_bytes(place.prefix)
            send_for(run.size(SECONDS, SHORT_SECONDS), sender, reader)
            until = time.monotonic() + WAIT_S
            while not _alert_ticks(reader.seen, (began, time.time_ns() / 1e9)):
                # A machine so busy that no tick was done yet: measured longer, not given up.
                worker.check()
                if time.monotonic() > until:
                    raise BenchFailed(f"at {load.rate} facts a second no tick changed an alert")
                send_for(warm_up, sender, reader)
            ended = time.time_ns() / 1e9
            cpu, sent = worker.cpu_seconds() - began_cpu, sender.sent - sent
            broker = run.ground.broker_cpu_seconds() - broker
            disk = run.ground.disk_bytes(place.prefix) - disk
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
    _add(tally, load, reader.seen, sender, (began, ended))
    tally.add(f"{load.name}: behind at the end", "s", behind / load.rate)
    tally.add(f"{load.name}: CPU of the worker", "µs/fact", cpu / sent * 1e6)
    tally.add(f"{load.name}: CPU of the broker", "µs/fact", broker / sent * 1e6)
    tally.add(f"{load.name}: on disk", "B/fact", disk / sent)


def _add(
    tally: Tally, load: Load, seen: Seen, sender: SteadySender, between: tuple[float, float]
) -> None:
    """The figures of the ticks that were appended in that time and changed alerts."""
    begins, ends = between
    ticks = _alert_ticks(seen, between)
    tally.add(f"{load.name}: rate", "facts/s", load.rate)
    from_tick = [seen.readable_s[n] - seen.appended_s[n] for n in ticks]
    from_fact = [seen.readable_s[n] - sent_s for n in ticks for sent_s in _sent_in(seen, sender, n)]
    all_ticks = sorted(seen.appended_s)
    gaps = [
        seen.appended_s[n] - seen.appended_s[n - 1]
        for n in all_ticks
        if n - 1 in seen.appended_s and begins <= seen.appended_s[n] <= ends
    ]
    for name, values in (
        ("tick to alert", from_tick), ("fact to alert", from_fact), ("between ticks", gaps)
    ):  # fmt: skip
        values.sort()
        for percent in (50, 95, 99):
            if values:
                value = values[min(len(values) - 1, len(values) * percent // 100)] * 1_000
                tally.add(f"{load.name}: {name} p{percent}", "ms", value)


def _alert_ticks(seen: Seen, between: tuple[float, float]) -> list[int]:
    """The ticks that were appended in that time and of which alerts were read."""
    begins, ends = between
    appended = seen.appended_s
    return [n for n in sorted(seen.readable_s) if begins <= appended.get(n, 0.0) <= ends]


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
    f"tick to readable alerts at {', '.join(f'{rate:,}' for rate in RATES)} facts a second and at "
    f"half of what is taken in from a backlog, a tick each {TICK_MS} ms",
    measure,
    lacks_kafka,
)
