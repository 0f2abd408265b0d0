"""Memory in bytes: of an open line, of a node of the network, of a fact that waits for its line.

For lines and facts a worker is started on state that others took in, so that nothing lies in its
memory but what it needs; beside a worker on empty topics. What is shared out are whole processes:
every copy, index and gap between objects counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import msgspec

from bench import restore
from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.cpu import resident_bytes
from bench.ground import Place, Sendable, lacks_kafka
from bench.grown import OPENED_AT, Grown, grown
from bench.slips import encode_slip, shipped, slip_network
from bench.workers import Watch, WorkerProcess, wait_until
from streams.engine.clock import FileClock
from topology import network as networks

LINES = restore.RESTORED_LINES
SHORT_LINES = restore.SHORT_RESTORED_LINES
WAITING = 100_000
SHORT_WAITING = 1_000
ITEMS = 20_000
SHORT_ITEMS = 1_000
TICK_MS = 1_000
SETTLE_S = 2.0


def measure(run: Run) -> Sequence[Figure]:
    """Each once: memory does not depend on what else the machine does."""
    tally = Tally()
    chain = grown(run, run.size(LINES, SHORT_LINES))
    with run.ground.place("memory") as place:
        place.publish(slip_network())
        path = run.folder / f"{place.prefix}clock"
        FileClock.create(path, OPENED_AT).close()
        run.say("memory: a worker without lines")
        with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
            empty = _settled(place, worker)
        tally.add("a worker without lines", "MiB", empty / 2**20)
        full = _full_bytes(run, chain)
        tally.add(f"a worker with {chain.lines:,} open lines", "MiB", full / 2**20)
        tally.add("an open line", "B", (full - empty) / chain.lines)
        count = run.size(WAITING, SHORT_WAITING)
        run.say(f"memory: {count:,} facts wait")
        waiting = _waiting_bytes(run, place, count)
        tally.add("a fact that waits for its line", "B", (waiting - empty) / count)
    items = run.size(ITEMS, SHORT_ITEMS)
    run.say(f"memory: a network of {2 * items:,} nodes")
    tally.add("a node of the network", "B", run_apart(network_bytes, items) / (2 * items))
    return tally.figures()


def _full_bytes(run: Run, chain: Grown) -> float:
    """Memory of a worker that restored all lines: seen when restoring was measured, or seen now."""
    for figure in run.results.get(restore.BENCHMARK.name, ()):
        if figure.name == restore.WORKER_MEMORY:
            return figure.median * 2**20
    run.say(f"memory: a worker with {chain.lines:,} lines")
    with chain.worker(run, TICK_MS) as worker:
        return _settled(chain.place, worker)


def _settled(place: Place, worker: WorkerProcess) -> int:
    """Memory of a worker some ticks after its start."""
    watch = Watch(place)
    watch.wait_for_crew(worker)
    until = time.monotonic() + SETTLE_S
    watch.wait(lambda: time.monotonic() > until, [worker], "ticks go on")
    watch.close()
    return worker.resident_bytes()


def _waiting_bytes(run: Run, place: Place, count: int) -> int:
    """Memory of a worker that was started when so many facts waited for their lines."""
    path = run.folder / f"{place.prefix}clock"
    watch = Watch(place)
    with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
        place.load(waiting_facts(count))
        wait_until(watch, worker, count)
    watch.close()
    with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
        return _settled(place, worker)


def waiting_facts(count: int) -> Iterator[Sendable]:
    """Departures of shipments that nobody has packed an order line into."""
    for number in range(count):
        fact = msgspec.structs.replace(
            shipped("departed", number, OPENED_AT), order_ref=None, line=None,
            shipment_ref=f"SUP-000/ASN-{number:08d}",
        )  # fmt: skip
        yield encode_slip(fact)


def network_bytes(items: int) -> int:
    """What a published network of so many items at two sites adds to this fresh process."""
    data = networks.encode(slip_network(items_count=items))
    before = resident_bytes(os.getpid())
    held = networks.decode(data)
    after = resident_bytes(os.getpid())
    assert len(held.cells) == items, "each item is a cell"
    return after - before


BENCHMARK = Benchmark(
    "memory", "bytes of an open line, of a node, of a fact that waits for its line", measure,
    lacks_kafka,
)  # fmt: skip
