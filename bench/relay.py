"""The relay: `partner-status` in a topic for each party, beside a bare loop that only copies it.

- *backlog*: a relay that begins with nothing on the partners' topics, and reads all twice;
- *as it comes*: a second record for each line is there when the relay is level;
- *restart*: a relay that begins while everything is relayed, in a process of its own. Its memory
  less that of one that began before there was any line, shared out over the lines.

The bare loop reads the same records, committed ones only, and writes them to one topic in
transactions of the same size.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.cpu import resident_bytes
from bench.ground import WAIT_S, BenchFailed, Place, lacks_kafka
from schemas.partner_records import (
    PartnerReason,
    PartnerRole,
    PartnerStanding,
    PartnerStatus,
    partner_key,
)
from schemas.records import encode
from streams.broker.topics import TopicAdmin, partner_plan
from streams.engine.kafka_log import KafkaLog, KafkaLogSettings
from streams.engine.log import Partition
from streams.engine.relay import ID_KEY_BYTES, RECORDS_MAX, Relay, RelaySettings
from streams.settings import KafkaSettings, TopicSettings
from streams.stages.partners import PARTNER_STATUS

LINES = 200_000
SHORT_LINES = 1_000
PARTIES = tuple(f"PARTY-{number:02d}" for number in range(20))
SHORT_PARTIES = PARTIES[:3]
POLL_S = 0.1
COPY = "relay-copy"
LOOP = "bare copy"
PROMISED_ON = dt.date(2026, 2, 4)


class Took(NamedTuple):
    """What so many records took; CPU of the whole process, all threads."""

    records: int
    seconds: float
    cpu_seconds: float


class Started(NamedTuple):
    """A relay that began: until it was level, and the memory of its process then."""

    seconds: float
    resident_bytes: int


class _Everybody:
    """All of these are subscribed, and nobody is told of what the relay does."""

    def __init__(self, parties: Sequence[str]) -> None:
        self.subscribed: frozenset[str] | None = frozenset(parties)

    def relayed(self, records: int) -> None: ...
    def relay_trouble(self, text: str) -> None: ...


def measure(run: Run) -> Sequence[Figure]:
    """Each repetition on topics of its own."""
    tally = Tally()
    lines = run.size(LINES, SHORT_LINES)
    parties = SHORT_PARTIES if run.short else PARTIES
    for number in range(run.repeat):
        run.say(f"relay {number + 1}/{run.repeat}: {lines:,} lines of {len(parties)} parties")
        with run.ground.place("relay") as place:
            _measure(place, parties, lines, tally)
    return tally.figures()


def _measure(place: Place, parties: Sequence[str], lines: int, tally: Tally) -> None:
    where = (place.bootstrap, place.prefix, parties)
    place.create([place.prefix + COPY])
    empty = run_apart(start, *where)
    _tell(place, parties, lines, told=1)
    copy = run_apart(copy_all, place.bootstrap, place.prefix, lines)
    backlog, live = run_apart(relay, *where, lines)
    full = run_apart(start, *where)
    for name, took in ((LOOP, copy), ("backlog", backlog), ("as it comes", live)):
        beside = "" if name == LOOP else LOOP
        for figure, unit, value in (
            ("rate", "records/s", took.records / took.seconds),
            ("CPU", "µs/record", took.cpu_seconds / took.records * 1e6),
        ):
            tally.add(f"{name}: {figure}", unit, value, beside and f"{beside}: {figure}")
    tally.add("restart: until it is level", "s", full.seconds)
    memory = (full.resident_bytes - empty.resident_bytes) / lines
    # Of few lines less than what two processes differ by.
    tally.add("a line of a party: memory", "B", max(0.0, memory))


def _tell(place: Place, parties: Sequence[str], lines: int, *, told: int) -> None:
    """One record of each line, which says something else each time that it is told."""
    for key, value in statuses(parties, lines, told):
        place.producer.produce(place.prefix + PARTNER_STATUS, value, key)
    place.flush()


def statuses(parties: Sequence[str], lines: int, told: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values as the cells write them: lines on their way, as their suppliers see them."""
    for number in range(lines):
        status = PartnerStatus(
            roles=(PartnerRole.SUPPLIER,),
            standing=PartnerStanding.ON_TIME,
            reason=PartnerReason.ON_THE_WAY,
            order=f"PO-{number:07d}",
            line="10",
            supplier_order=f"SO-{number:07d}",
            item=f"ITEM-{number % 5_000:05d}",
            unit="PCE",
            ordered=Decimal(400),
            confirmed=Decimal(400),
            shipped=Decimal(200 + told),
            requested_on=PROMISED_ON,
            promised_on=PROMISED_ON,
        )
        line_id = f"BUYER/PO-{number:07d}#10"
        yield partner_key(parties[number % len(parties)], line_id).encode(), encode(status)


def copy_all(bootstrap: str, prefix: str, records: int) -> Took:
    """Copies what lies on `partner-status` to one topic."""
    log = _log(bootstrap, prefix)
    producer = log.transactional_producer(f"{prefix}bare-copy")
    reader = log.reader()
    count = log.partition_counts([PARTNER_STATUS])[PARTNER_STATUS]
    wheres = [Partition(PARTNER_STATUS, number) for number in range(count)]
    began, began_cpu = time.monotonic(), time.process_time()
    reader.assign(log.begin_offsets(wheres))
    copied = 0
    while copied < records:
        read = reader.read(RECORDS_MAX, POLL_S)
        producer.begin()
        for found in read.values():
            for each in found:
                producer.produce(COPY, 0, each.key(), each.value())
                copied += 1
        producer.commit()
        _check(began, f"{copied} of {records} records were copied")
    took = Took(copied, time.monotonic() - began, time.process_time() - began_cpu)
    reader.close()
    producer.close()
    log.close()
    return took


def relay(bootstrap: str, prefix: str, parties: Sequence[str], lines: int) -> tuple[Took, Took]:
    """A relay that begins with nothing told, and what it takes when all lines are told anew."""
    place = Place(bootstrap, prefix)
    relaying = _relay(bootstrap, prefix, parties)
    backlog = _run(relaying, lines)
    _tell(place, parties, lines, told=2)
    live = _run(relaying, 2 * lines)
    relaying.close()
    return backlog, live


def start(bootstrap: str, prefix: str, parties: Sequence[str]) -> Started:
    """A relay on what lies there, until it is level."""
    began = time.monotonic()
    relaying = _relay(bootstrap, prefix, parties)
    _run(relaying, 0)
    started = Started(time.monotonic() - began, resident_bytes(os.getpid()))
    relaying.close()
    return started


def _run(relaying: Relay, records: int) -> Took:
    """Steps until it is level and has relayed so many since it was made."""
    before = relaying.status().relayed
    began, began_cpu = time.monotonic(), time.process_time()
    while relaying.status().state != "running" or relaying.status().relayed < records:
        relaying.step(POLL_S)
        _check(began, f"{relaying.status().relayed} of {records} records were relayed")
    took = time.monotonic() - began, time.process_time() - began_cpu
    return Took(relaying.status().relayed - before, *took)


def _check(began_s: float, what: str) -> None:
    if time.monotonic() - began_s > WAIT_S:
        raise BenchFailed(f"{what} after {WAIT_S:.0f} s")


def _relay(bootstrap: str, prefix: str, parties: Sequence[str]) -> Relay:
    """The relay as a worker makes it, for these parties."""
    topics = TopicSettings(prefix=prefix, replication_factor=1)
    admin = TopicAdmin(KafkaSettings(bootstrap_servers=bootstrap))
    everybody = _Everybody(parties)
    return Relay(
        _log(bootstrap, prefix),
        RelaySettings(prefix),
        everybody,
        lambda: True,
        lambda topic: _make(admin, topic, topics),
        lambda: bytes(ID_KEY_BYTES),
        everybody,
    )


def _make(admin: TopicAdmin, topic: str, topics: TopicSettings) -> None:
    if not admin.make(partner_plan(topic, topics), 1).is_usable:
        raise BenchFailed(f"{topic} could not be made")


def _log(bootstrap: str, prefix: str) -> KafkaLog:
    return KafkaLog(KafkaLogSettings({"bootstrap.servers": bootstrap}, prefix))


BENCHMARK = Benchmark(
    "relay",
    "records for partners to a topic of each, beside a loop that copies them; memory of a line",
    measure,
    lacks_kafka,
)
