"""How long facts take to become bytes and to come back, beside fastavro on the same machine.

    python -m bench.codec [--facts 20000] [--repeat 7] [--json]

CPU time of this process in µs a fact: the least of the repetitions, which other load disturbs
least, and their median. `ratio` is fastavro's least time for the same work over ours.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import fastavro

from schemas.codec import FactDecoder, encode_facts, pack, unpack
from schemas.facts import Family, OrderFact, ShipmentFact
from schemas.references import references
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE
from schemas.validation import check
from schemas.writers import current_writer

START_AT = 1_772_352_000_000
SMALL_BATCHES = (1_000, 200, 20)


@dataclass(frozen=True)
class Measured:
    """CPU time of one kind of work, in µs a fact; `ratio` to fastavro where it does the same."""

    work: str
    least_us: float
    median_us: float
    ratio: float | None = None


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


def measure(count: int, repeat: int) -> list[Measured]:
    """Every measurement, on this machine, now; first orders, then shipments."""
    return [
        *_measure_family(Family.ORDERS, make_orders(count), repeat),
        *_measure_family(Family.SHIPMENTS, make_shipments(count), repeat),
    ]


def _measure_family(
    family: Family, facts: Sequence[OrderFact | ShipmentFact], repeat: int
) -> list[Measured]:
    results: list[Measured] = []

    def run(
        work: str, function: Callable[[], object], of: int, reference: float | None = None
    ) -> float:
        times = []
        for _ in range(repeat):
            started = time.process_time()
            function()
            times.append((time.process_time() - started) / of * 1e6)
        least = min(times)
        ratio = None if reference is None else reference / least
        results.append(Measured(f"{family}: {work}", least, statistics.median(times), ratio))
        return least

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


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.codec", description=__doc__)
    parser.add_argument("--facts", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results = measure(options.facts, options.repeat)
    if options.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results], indent=1) + "\n")
        return 0
    sys.stdout.write(f"{'work':32}{'least':>8}{'median':>9}{'ratio':>8}   µs a fact\n")
    for result in results:
        ratio = f"{result.ratio:7.1f}x" if result.ratio is not None else ""
        sys.stdout.write(f"{result.work:32}{result.least_us:8.2f}{result.median_us:9.2f}{ratio}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
