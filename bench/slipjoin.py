"""The slip join: one job that other engines can do too, on the same topics, side by side.

A million facts about 200,000 lines lie on two topics. Each engine keeps what is known of a line,
tells its status whenever it changes, and logs its state; ours also re-keys, allocates to cells,
judges by three rules, writes decisions and opens an alert for each late order. All must end in the
same status for each line as a plain calculation does, or the benchmark fails.

"ledgers alone" is our engine with its first three stages and nothing behind them, which keeps the
facts of each line and logs them: what the other three stages cost is the difference.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bench.apart import run_apart
from bench.benchmark import Benchmark, Figure, Run, Tally
from bench.floor import measure_floor
from bench.ground import BenchFailed, Place, Sendable, lacks_kafka
from bench.ledgers import run_ledgers
from bench.peers_setup import Peer, faust_peer, kafka_streams_peer, lacks_peers, quix_peer
from bench.slips import (
    FACTS_PER_LINE,
    encoded,
    join_facts,
    join_policy,
    join_statuses,
    join_told_at,
    slip_network,
)
from bench.workers import Watch, WorkerProcess, wait_until
from streams.engine.clock import FileClock
from streams.engine.log import Partition
from streams.engine.recorded import read_committed

LINES = 200_000
SHORT_LINES = 4_000
TICK_MS = 100
PEER_TIMEOUT_S = 600
SHORT_PEER_TIMEOUT_S = 60
OURS = "slipwatch"
FLOOR = "bare loop"
LEDGERS = "ledgers alone"


class Took(msgspec.Struct):
    """How long an engine took, as it tells it itself."""

    facts: int
    seconds: float
    cpu_seconds: float


class OurStatus(msgspec.Struct):
    """What our status of a line says of it, as far as the join goes."""

    order_ref: str
    progress: str
    standing: str


@dataclass(frozen=True)
class Entrant:
    """An engine and the share of the lines that it gets: slow ones need not take an hour."""

    peer: Callable[[Run], Peer]
    share: int = 1


ENTRANTS = (Entrant(kafka_streams_peer), Entrant(quix_peer, 5), Entrant(faust_peer, 20))


def measure(run: Run) -> Sequence[Figure]:
    """Rates and CPU of all engines, repetition by repetition."""
    lines = run.size(LINES, SHORT_LINES)
    facts = list(encoded(join_facts(lines)))
    peers = [(entrant.peer(run), entrant.share) for entrant in ENTRANTS]
    tally = Tally()
    for number in range(run.repeat):
        for share in sorted({1, *(share for _, share in peers)}):
            count = lines // share
            with run.ground.place("join") as place:
                say = f"slipjoin {number + 1}/{run.repeat}: {count * FACTS_PER_LINE:,} facts"
                run.say(f"{say} are sent")
                place.load(facts if share == 1 else encoded(join_facts(count)))
                if share == 1:
                    run.say(f"{say} through {FLOOR} and {OURS}")
                    floor = run_apart(measure_floor, place.bootstrap, place.prefix)
                    _add(tally, FLOOR, Took(*floor), "")
                    _add(tally, OURS, _run_ours(run, place, count), FLOOR)
                    _check(OURS, digest(_our_statuses(place)), count)
                for peer, peer_share in peers:
                    if peer_share == share:
                        run.say(f"{say} through {peer.name}")
                        _run_peer(run, place, peer, count, tally)
        run.say(f"slipjoin {number + 1}/{run.repeat}: {len(facts):,} facts through {LEDGERS}")
        _measure_ledgers(run, facts, lines, tally)
    return tally.figures()


def _measure_ledgers(run: Run, facts: Sequence[Sendable], lines: int, tally: Tally) -> None:
    with run.ground.place("ledgers") as place:
        place.load(facts)
        place.publish(slip_network(), join_policy())
        alone = run_apart(
            run_ledgers, place.bootstrap, place.prefix, join_told_at(lines), TICK_MS, len(facts)
        )
        _add(tally, LEDGERS, Took(*alone), OURS)


def _add(tally: Tally, name: str, took: Took, beside: str) -> None:
    cpu, rate = "CPU", "rate"
    tally.add(
        f"{name}: {cpu}", "µs/fact", took.cpu_seconds / took.facts * 1e6,
        beside and f"{beside}: {cpu}",
    )  # fmt: skip
    tally.add(
        f"{name}: {rate}", "facts/s", took.facts / took.seconds, beside and f"{beside}: {rate}"
    )


def _run_ours(run: Run, place: Place, lines: int) -> Took:
    """One worker process as it is deployed, from a backlog."""
    place.publish(slip_network(), join_policy())
    path = run.folder / f"{place.prefix}clock"
    FileClock.create(path, join_told_at(lines)).close()
    facts = lines * FACTS_PER_LINE
    watch = Watch(place)
    try:
        with WorkerProcess(place, run.folder, tick_ms=TICK_MS, clock=path) as worker:
            watch.wait_for_tick(worker)
            began, began_cpu = time.monotonic(), worker.cpu_seconds()
            wait_until(watch, worker, facts)
            return Took(facts, time.monotonic() - began, worker.cpu_seconds() - began_cpu)
    finally:
        watch.close()


def _our_statuses(place: Place) -> Iterator[tuple[str, str]]:
    decode = msgspec.json.Decoder(OurStatus).decode
    for _, value in _read(place, place.prefix, "order-status"):
        told = decode(value)
        if told.progress == "delivered":
            yield told.order_ref, "late" if told.standing == "late" else "delivered"
        else:
            yield told.order_ref, told.standing if told.standing == "at_risk" else told.progress


def _run_peer(run: Run, place: Place, peer: Peer, lines: int, tally: Tally) -> None:
    """One process of a peer; its every pass is checked and counted."""
    outputs = [f"{place.prefix}{peer.key}-{number}" for number in range(len(peer.passes))]
    place.create(outputs)
    command = peer.command(place, lines * FACTS_PER_LINE, run.folder, outputs)
    said = run.folder / f"{outputs[0]}.log"
    with said.open("wb") as log:
        done = subprocess.run(
            command, cwd=peer.directory, env=peer.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log, check=False,
            timeout=run.size(PEER_TIMEOUT_S, SHORT_PEER_TIMEOUT_S),
        )  # fmt: skip
    # Faust writes its prompt before it.
    told = re.findall(rb"\{.*\}", done.stdout)
    if len(told) != len(outputs):
        tail = said.read_text(errors="replace")[-2_000:]
        raise BenchFailed(f"{peer.name} ended with code {done.returncode}:\n{tail}")
    for passed, line, output in zip(peer.passes, told, outputs, strict=True):
        found = ((key.decode(), value.decode()) for key, value in _read(place, "", output))
        _check(passed, digest(found), lines)
        _add(tally, passed, msgspec.convert(json.loads(line), Took), OURS)


def _read(place: Place, prefix: str, topic: str) -> Iterator[tuple[bytes, bytes]]:
    log = place.log(prefix)
    count = log.partition_counts([topic])[topic]
    for _, record in read_committed(log, [Partition(topic, n) for n in range(count)]):
        key, value = record.key(), record.value()
        assert key is not None, f"{topic} is keyed"
        if value is not None:
            yield key, value
    log.close()


def digest(statuses: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> str:
    """A hash of the last status of each order, in the order of their numbers."""
    last = dict(statuses)
    said = "\n".join(f"{order} {last[order]}" for order in sorted(last))
    return hashlib.sha256(said.encode()).hexdigest()


def _check(name: str, found: str, lines: int) -> None:
    statuses: Mapping[str, str] = join_statuses(lines)
    if found != digest(list(statuses.items())):
        raise BenchFailed(f"{name} does not end in the status that it should for each line")


BENCHMARK = Benchmark(
    "slipjoin",
    "one join on the same topics: ours as deployed, Kafka Streams, quixstreams, stock Faust",
    measure,
    lambda: lacks_kafka() or lacks_peers(),
)
