"""How long facts take to become bytes and to come back, beside fastavro on the same machine.

CPU time of a process in µs a fact: of each repetition the least of several tries, which other load
disturbs least.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import fastavro

from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from schemas.codec import FactDecoder, encode_facts, pack, unpack
from schemas.facts import Family, OrderFact, ShipmentFact
from schemas.references import references
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE
from schemas.validation import check
from schemas.writers import current_writer

START_AT = 1_772_352_000_000
FACTS = 20_000
SHORT_FACTS = 500
TRIES = 5
SMALL_BATCHES = (1_000, 200, 20)


@dataclass(frozen=True)
class Measured:
    """CPU time of one kind of work, in µs a fact; `beside` is fastavro's name for the same."""

    work: str
    least_us: float
    beside: str = ""


def make_orders(count: int) -> list[OrderFact]:
    """Facts `placed` with 17 of 25 fields filled, all different."""
    return [
        OrderFact(
            event_id=f"evt-{n:012d}",
            source="erp-eu",
            kind="placed",
            occurred_at=START_AT + n,
            recorded_at=START_AT + n + 1_000,
            order_ref=f"ACME/{100_000 + n // 5}",
            line=str(10 * (n % 5 + 1)),
            buyer="ACME",
            supplier="SUP",
            item=f"ITEM-{n % 500}",
            ship_from="PLANT-1",
            ship_to="DC-EU-1",
            quantity=(5 + n % 40) * QUANTITY_ONE,
            unit="EA",
            value_minor=123_400 + n,
            currency="EUR",
            requested_on=(START_AT + 30 * DAY_MS) // DAY_MS + n % 30,
        )
        for n in range(count)
    ]


def make_shipments(count: int) -> list[ShipmentFact]:
    """Facts `eta` and `packed` in turn, with 9 and 12 of 25 fields filled."""
    facts = []
    for n in range(count):
        packed = n % 2 == 0
        facts.append(
            ShipmentFact(
                event_id=f"evt-{n:012d}",
                source="wms-eu",
                kind="packed" if packed else "eta",
                occurred_at=START_AT + n,
                recorded_at=START_AT + n + 1_000,
                shipment_ref=f"SUP/ASN-{n // 4}",
                order_ref=f"ACME/{100_000 + n // 5}" if packed else None,
                line=str(10 * (n % 5 + 1)) if packed else None,
                carrier="DHL",
                site="PLANT-1",
                quantity=(5 + n % 40) * QUANTITY_ONE if packed else None,
                unit="EA" if packed else None,
                eta_at=None if packed else START_AT + n * HOUR_MS % (90 * DAY_MS),
            )
        )
    return facts


def measure_codec(count: int, repeat: int) -> list[Measured]:
    """Every measurement, on this machine, now; first orders, then shipments."""
    return [
        *_measure_family(Family.ORDERS, make_orders(count), repeat),
        *_measure_family(Family.SHIPMENTS, make_shipments(count), repeat),
    ]


def _measure_family(
    family: Family, facts: Sequence[OrderFact | ShipmentFact], repeat: int
) -> list[Measured]:
    results: list[Measured] = []

    def run(work: str, function: Callable[[], object], of: int, beside: str = "") -> str:
        times = []
        for _ in range(repeat):
            started = time.process_time()
            function()
            times.append((time.process_time() - started) / of * 1e6)
        name = f"{family}: {work}"
        results.append(Measured(name, min(times), beside))
        return name

    decoder = FactDecoder()
    values = encode_facts(facts)
    if decoder.decode(family, values) != facts:
        raise AssertionError(f"{family} does not decode to what was encoded")
    count = len(facts)
    records = _read(family, values)
    bodies = [pack(fact) for fact in facts]
    spoiled = [*values[:-1], values[-1][:-1] + b"\xff\xff"]
    reading = run("fastavro decode", lambda: _read(family, values), count)
    writing = run("fastavro encode", lambda: _write(family, records), count)
    run("encode", lambda: encode_facts(facts), count, writing)
    run("decode", lambda: decoder.decode(family, values), count, reading)
    for size in SMALL_BATCHES:
        some = values[:size]
        run(f"decode {size}", partial(decoder.decode, family, some), len(some), reading)
    run("decode, one is bad", lambda: decoder.decode(family, spoiled), count, reading)
    run("pack", lambda: [pack(fact) for fact in facts], count)
    run("unpack", lambda: [unpack(body) for body in bodies], count)
    run("check", lambda: [check(fact) for fact in facts], count)
    run("references", lambda: [references(fact) for fact in facts], count)
    return results


def _read(family: Family, values: list[bytes]) -> list[Any]:
    schema = current_writer(family).plain_schema
    return [fastavro.schemaless_reader(io.BytesIO(value[10:]), schema, None) for value in values]


def _write(family: Family, records: list[Any]) -> None:
    schema = current_writer(family).plain_schema
    for record in records:
        fastavro.schemaless_writer(io.BytesIO(), schema, record)


def measure(run: Run) -> Sequence[Figure]:
    """Each kind of work, `run.repeat` times, in a process of its own."""
    tally = Tally()
    for number in range(run.repeat):
        run.say(f"codec {number + 1}/{run.repeat}")
        for each in run_apart(measure_codec, run.size(FACTS, SHORT_FACTS), run.size(TRIES, 1)):
            tally.add(each.work, "µs/fact", each.least_us, each.beside)
    return tally.figures()


BENCHMARK = Benchmark("codec", "facts to bytes and back, beside fastavro", measure)
