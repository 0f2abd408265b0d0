"""Runs a schedule: real workers and tickers, one thread, the log behind bad weather, and the
checks after each turn, at each quiet point and at the end."""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from alerts import policy as policies
from alerts.context import Judgement
from alerts.judgement import judge_feed
from alerts.lines import FeedState, LineSummary
from schemas.addresses import fact_key, fact_topic
from schemas.codec import encode_fact
from schemas.facts import Fact, Heartbeat
from schemas.units import HOUR_MS
from streams.engine.clock import ManualClock
from streams.engine.control import Control
from streams.engine.local import LocalEngine
from streams.engine.log import LogError, Partition, TransactionAborted
from streams.engine.memory_log import MemoryLog
from streams.engine.memory_parts import Transaction
from streams.engine.observation import WorkerSettings
from streams.engine.recorded import copy_of
from streams.engine.restore import Restoration
from streams.engine.task import KeyedTask, progress_key
from streams.engine.tasks import Tasks
from streams.engine.ticker import Ticker, TickerSettings
from streams.engine.worker import Worker
from streams.publishing import Publication, split
from streams.replay.audit import AUDITED_TOPICS, audit
from streams.stages import cells, ledgers
from streams.stages.fold import fold
from streams.stages.stage import Stage
from tests.scenario import START, network
from tests.simulation import schedules as events
from tests.simulation.schedules import Event, Schedule, tale
from tests.simulation.schedules_log import Armed, Connection, Crash, StormProducer, Weather
from tests.simulation.schedules_witness import CommitWitness, Violation
from topology import network as networks

GROUP = "engine"
QUIET_ROUNDS_MAX = 600
"""Turns of every process, in fine weather, after which a tick will not end by itself."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Context = Callable[[], AbstractContextManager[None]]


class Patches:
    """Replacements of parts of the engine: (owner, name, replacement)."""

    def __init__(self, patches: Sequence[tuple[object, str, object]]) -> None:
        self._patches = [(owner, name, vars(owner)[name], new) for owner, name, new in patches]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The engine is mutated inside."""
        for owner, name, _, new in self._patches:
            setattr(owner, name, new)
        try:
            yield
        finally:
            for owner, name, old, _ in self._patches:
                setattr(owner, name, old)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside `applied`: the engine is as it should be."""
        for owner, name, old, _ in self._patches:
            setattr(owner, name, old)
        try:
            yield
        finally:
            for owner, name, _, new in self._patches:
                setattr(owner, name, new)


def _fold(line_id: str, facts: Sequence[Fact]) -> LineSummary:
    """Fails for one line while two or three facts are known of it."""
    if line_id == "ACME/PO-001#10" and len(facts) in {2, 3}:
        raise ArithmeticError("a fault of ours")
    return fold(line_id, facts)


def _judge_feed(feed: FeedState, *rest: Any) -> Judgement:
    """Fails for one source at every other word from it."""
    if feed.source == "sup-erp" and feed.heard_at // HOUR_MS % 2:
        raise ArithmeticError("a fault of ours")
    return judge_feed(feed, *rest)


POISON = ((ledgers, "fold", _fold), (cells, "judge_feed", _judge_feed))
"""Faults of ours that depend on what is evaluated alone: the oracle has them too."""


@functools.cache
def _networks() -> tuple[tuple[str, bytes], ...]:
    variants = (network(), network(joined=False), network(lead_days=5, heartbeats=True))
    return tuple((each.version, networks.encode(each)) for each in variants)


@dataclass(slots=True, eq=False)
class Process:
    """A worker, and the ticker that lives in its process if it has one."""

    name: str
    worker: Worker
    connection: Connection
    ticker: Ticker | None = None
    ticker_is_open: bool = False
    is_busy: bool = False


class SkewedClock(ManualClock):
    """A machine's clock that is off by so much from the one that all share."""

    def __init__(self, clock: ManualClock, skew_ms: int) -> None:
        super().__init__()
        self._clock = clock
        self._skew_ms = skew_ms

    def now(self) -> int:
        return self._clock.now() + self._skew_ms


class Simulation:
    """One schedule as it runs. In the context of `as_it_should_be` the engine is not mutated."""

    def __init__(self, schedule: Schedule, as_it_should_be: Context = nullcontext) -> None:
        self.schedule = schedule
        self.as_it_should_be = as_it_should_be
        self.log = MemoryLog(schedule.partitions, schedule.fact_partitions)
        self.witness = CommitWitness(schedule.partitions)
        self.weather = Weather(self.log, self.witness)
        self.processes: dict[int, Process] = {}
        self.ghosts: list[str] = []
        self._names = Counter[int]()
        self._clock = ManualClock(START)
        self._tale = tale(schedule.seed)
        self._sender: Transaction | None = None
        self._beats = 0
        self._publish(0)
        for key, value in split(
            Publication(policies.DEFAULT.version, policies.DEFAULT.to_bytes(), _EPOCH)
        ):
            self.log.append("policies", key, value, 0)

    # Processes.

    def _start(self, slot: int, renamed: bool, skew_ms: int) -> None:
        if slot in self.processes:
            return
        self._names[slot] += renamed or not self._names[slot]
        name = f"worker-{slot}-{self._names[slot]}"
        schedule = self.schedule
        ticker = TickerSettings(0, schedule.facts_per_tick_max, 6 * HOUR_MS, name)
        settings = WorkerSettings(
            GROUP,
            name,
            facts_per_chunk=schedule.facts_per_chunk,
            keys_per_chunk=schedule.keys_per_chunk,
            buffered_max=schedule.buffered_max,
            ticker=ticker,
            runs_ticker=False,
        )
        connection = Connection(self.weather)
        worker = Worker(connection, settings, SkewedClock(self._clock, skew_ms))
        process = self.processes[slot] = Process(name, worker, connection)
        with self._acting(slot, process):
            worker.open()

    @contextmanager
    def _acting(self, slot: int, process: Process) -> Iterator[None]:
        """The process does something: a crash ends it at once, a fault of the log ends it as
        `Worker.run` does."""
        process.is_busy = True
        try:
            yield
        except Crash:
            self._die(slot, process)
        except LogError:
            self.processes.pop(slot, None)
            process.worker.close()
        finally:
            process.is_busy = False

    def _die(self, slot: int, process: Process) -> None:
        if self.processes.get(slot) is process:
            del self.processes[slot]
        if process.connection.consumer is not None:
            self.ghosts.append(process.connection.consumer.name)

    def _idle(self, slot: int) -> Process | None:
        process = self.processes.get(slot)
        return process if process is not None and not process.is_busy else None

    def _step(self, slot: int) -> bool:
        """One turn of a worker, and what must hold after it."""
        process = self._idle(slot)
        if process is None:
            return False
        did, aborts = False, process.worker._aborts
        with self._acting(slot, process):
            did = process.worker.step(0)
        if self.processes.get(slot) is process:
            check_memory(process, self.witness)
            if process.worker._aborts > aborts:
                with self.as_it_should_be():
                    check_derived(process)
        return did

    def _expel(self) -> None:
        ghosts, self.ghosts = self.ghosts, []
        for name in ghosts:
            self.log.expel(GROUP, name)

    # Tickers.

    def _elect(self, slot: int) -> None:
        """As a worker does that is assigned the ticks."""
        process = self._idle(slot)
        if process is None or process.ticker is not None:
            return
        with self._acting(slot, process):
            process.worker.control.sync(60.0)
            process.ticker, process.ticker_is_open = process.worker.make_ticker(), False

    def _tick(self, slot: int) -> bool:
        """One turn of a process's ticker; as its thread does, it ends with any fault."""
        process = self._idle(slot)
        if process is None or process.ticker is None:
            return False
        with self._acting(slot, process):
            try:
                if not process.ticker_is_open:
                    process.ticker.open()
                    process.ticker_is_open = True
                return process.ticker.step()
            except LogError:
                process.ticker.close()
                process.ticker = None
        return False

    def _tickers(self) -> list[int]:
        return [slot for slot, each in sorted(self.processes.items()) if each.ticker is not None]

    def _owner(self) -> int | None:
        """The process that the group gave the ticks."""
        for slot, process in sorted(self.processes.items()):
            consumer = process.connection.consumer
            if consumer is not None and Partition("ticks", 0) in consumer.owned:
                return slot
        return None

    # Events.

    def run(self) -> None:
        """The whole schedule; raises Violation, or whatever the engine should not have."""
        self.weather.is_calm = False
        for event in self.schedule.events:
            self.apply(event)
        self.quiet()

    def apply(self, event: Event) -> None:
        """One event happens."""
        self.weather.pass_time(0.01)
        match event:
            case events.Start(slot, renamed, skew_ms):
                self._start(slot, renamed, skew_ms)
            case events.Leave(slot):
                self._leave(slot)
            case events.Die(slot):
                process = self._idle(slot)
                if process is not None:
                    self._die(slot, process)
            case events.Expel():
                self._expel()
            case events.Zombie(slot, turns):
                self._forsake(slot, turns)
            case events.Run(turns, dice):
                self._turns(turns, random.Random(dice))
            case events.Turn(slot, turns, dice):
                self.weather.chance = random.Random(dice)
                for _ in range(turns):
                    self._step(slot)
            case events.Elect(slot):
                self._elect(slot)
            case events.TickerTurn(dice):
                self.weather.chance = random.Random(dice)
                for slot in self._tickers():
                    self._tick(slot)
            case events.Arm():
                self._arm(event)
            case _:
                self._tell(event)

    def _tell(self, event: Event) -> None:
        """The part of the world that is not ours does something."""
        match event:
            case events.Tell(facts, scattered, dice):
                self._send(facts, random.Random(dice) if scattered else None)
            case events.Clock(after_ms, alive):
                self._clock.set(max(self._clock.now(), START + after_ms))
                for source in alive:
                    self._beat(source)
            case events.SenderOpens(facts):
                self._sender_ends(commits=False)
                self._sender = Transaction()
                for index in facts:
                    fact = self._tale[index]
                    where = Partition(fact_topic(fact), 0)
                    self.log.write(where, fact_key(fact), encode_fact(fact), self._sender)
            case events.SenderEnds(commits):
                self._sender_ends(commits)
            case events.Garbage(topic):
                self.log.append(topic, b"", b"no fact at all")
            case events.Freeze(topic, partition):
                where = Partition(topic, partition)
                if partition < self.log.partition_counts([topic])[topic]:
                    self.weather.frozen[where] = self.log.partition_log(where).high
            case events.Thaw():
                self.weather.frozen.clear()
            case events.Publish(variant):
                self._publish(variant)
            case events.Widen(topic):
                self.log.create(topic, self.log.partition_counts([topic])[topic] + 1)
            case events.Quiet():
                self.quiet()
                self.weather.is_calm = False
            case _:
                raise AssertionError(event)

    def _leave(self, slot: int) -> None:
        process = self._idle(slot)
        if process is not None:
            process.worker.close()
            del self.processes[slot]

    def _forsake(self, slot: int, turns: int) -> None:
        process = self.processes.get(slot)
        if process is not None and process.connection.consumer is not None:
            process.connection.unaware = turns
            self.log.expel(GROUP, process.connection.consumer.name)

    def _turns(self, turns: int, chance: random.Random) -> None:
        self.weather.chance = chance
        for _ in range(turns):
            self.weather.pass_time(0.005)
            slots = sorted(self.processes)
            if not slots:
                self._expel()
                self._start(0, renamed=False, skew_ms=0)
                continue
            if self.ghosts and chance.random() < 0.15:
                self._expel()
            tickers = self._tickers()
            owner = self._owner()
            if owner is not None and owner not in tickers and chance.random() < 0.2:
                self._elect(owner)
            elif tickers and chance.random() < 0.12:
                self._tick(chance.choice(tickers))
            else:
                self._step(chance.choice(slots))

    def _arm(self, event: events.Arm) -> None:
        process = self.processes.get(event.slot)
        if process is None:
            return

        def happen(producer: StormProducer | None) -> None:
            match event.outcome:
                case "crash":
                    raise Crash
                case "abort":
                    if event.moment != "after commit":
                        raise TransactionAborted("the broker said so")
                case "depart":
                    assert producer is not None
                    producer.depart()
                    raise Crash
                case "slow":
                    if producer is not None and event.moment.endswith("before commit"):
                        producer.depart()
                    was_busy = process.is_busy
                    for each in event.then:
                        self.apply(each)
                    process.is_busy = was_busy
                case _:
                    raise AssertionError(event)

        process.connection.armed.append(Armed(event.moment, event.nth, event.outcome, happen))

    # The rest of the world.

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
        at = self._clock.now()
        beat = Heartbeat(f"beat-{self._beats}", source, "alive", at, at, at)
        self.log.append("heartbeats", fact_key(beat), encode_fact(beat))

    def _sender_ends(self, commits: bool) -> None:
        if self._sender is not None:
            self.log.finish(self._sender, "committed" if commits else "aborted")
            self._sender = None

    def _publish(self, variant: int) -> None:
        version, data = _networks()[variant]
        for key, value in split(Publication(version, data, _EPOCH)):
            self.log.append("networks", key, value, 0)

    # Quiet points.

    def quiet(self) -> None:
        """Everything heals, and what was told is worked off to its last consequence."""
        self.weather.is_calm = True
        self.weather.frozen.clear()
        self._sender_ends(commits=True)
        self._expel()
        for process in self.processes.values():
            process.connection.armed.clear()
            process.connection.unaware = 0
        ends = self.log.end_offsets(
            [Partition(t, n) for t in events.FACT_TOPICS for n in range(self._count(t))]
        )
        idle = 0
        for _ in range(QUIET_ROUNDS_MAX):
            self.weather.pass_time(0.02)
            if not self.processes:
                self._expel()
                self._start(0, renamed=True, skew_ms=0)
            worked = [self._step(slot) for slot in sorted(self.processes)]
            owner = self._owner()
            if owner is not None and not self._tickers():
                self._elect(owner)
            if self._is_worked_off({p: end.high for p, end in ends.items()}):
                check_restored(self)
                return
            ticked = [self._tick(slot) for slot in self._tickers()]
            idle = 0 if any(worked) or any(ticked) else idle + 1
        waits = [each.worker.status().waits_for for each in self.processes.values()]
        raise Violation(f"tick {len(self.witness.ticks)} does not end: {waits}")

    def _count(self, topic: str) -> int:
        return self.log.partition_counts([topic])[topic]

    def _is_worked_off(self, ends: dict[Partition, int]) -> bool:
        """Whether a complete tick took everything in, nothing is on its way, and all is done."""
        ticks = self.witness.ticks
        if not ticks or self.witness.done() < ticks[-1].n or not ticks[-1].complete:
            return False
        cut = ticks[-1].cut
        if any(p.number >= len(cut.get(p.topic, ())) for p in ends):
            return False
        if any(cut[p.topic][p.number] < end for p, end in ends.items()):
            return False
        if any(each.pending for each in self.witness.progress.values() if each.tick == len(ticks)):
            return False
        workers = [each.worker for each in self.processes.values()]
        return not any(worker.status().restoring for worker in workers) and all(
            process.connection.consumer is not None and process.connection.consumer.is_settled
            for process in self.processes.values()
        )


# What must hold.


def check_memory(process: Process, witness: CommitWitness) -> None:
    """State in memory is never newer than the last commit; the owner's is never older."""
    worker, consumer = process.worker, process.connection.consumer
    if consumer is None:
        return
    owned = set(consumer.owned)
    restoring = {p for each in worker._restorations for p in each.inputs()}
    for partition, task in worker._tasks.keyed.items():
        if task.store.pending() or task.parked._store.pending():
            raise Violation(f"{process.name} keeps changes of {task.name} that it did not commit")
        stage = task.stage
        said = witness.progress.get(progress_key(stage.name, partition.topic, partition.number))
        mine = task.progress
        if (mine.tick, mine.within is not None, mine.after or "") > (
            (said.tick, said.within is not None, said.after or "") if said else (0, False, "")
        ):
            raise Violation(f"{process.name} is ahead of the log at {task.name}")
        if partition not in owned or partition in restoring:
            continue
        if said is not None and said != mine:
            raise Violation(f"{process.name} stands at {mine}, the log at {said}")
        _check_state(process.name, task, witness)


def _check_state(who: str, task: KeyedTask, witness: CommitWitness) -> None:
    number = task.input.number
    logged: dict[str, bytes] = {}
    for topic in task.stage.changelogs():
        logged.update(witness.state.get(Partition(topic, number), {}))
    if task.store._committed != logged:
        differing = sorted(
            key
            for key in task.store._committed.keys() | logged.keys()
            if task.store._committed.get(key) != logged.get(key)
        )
        raise Violation(f"{who} and the changelog differ at {task.name}: {differing}")


def check_derived(process: Process) -> None:
    """After an abort, what a stage derives from its state is of the last commit too."""
    worker = process.worker
    restoring = {p for each in worker._restorations for p in each.inputs()}
    for partition, task in worker._tasks.keyed.items():
        if partition in restoring:
            continue
        fresh = type(task.stage)()
        fresh.restored(task.store)
        if _derived(fresh) != _derived(task.stage):
            raise Violation(f"{process.name} derives what it did not commit at {task.name}")


def check_restored(simulation: Simulation) -> None:
    """What a new worker would restore equals, to the last index, what the owners hold."""
    log = simulation.log
    with simulation.as_it_should_be():
        control = Control(log)
        control.open(1.0)
        tasks = Tasks(log, control, "restored")
        tasks.partitions = simulation.schedule.partitions
        owned = {
            partition: task
            for process in simulation.processes.values()
            for partition, task in process.worker._tasks.keyed.items()
            if process.connection.consumer is not None
            and partition in process.connection.consumer.owned
        }
        made = [each for each in tasks.take(sorted(owned)) if isinstance(each, KeyedTask)]
        if len(made) != 5 * simulation.schedule.partitions:
            raise Violation(f"only {sorted(owned)} have owners")
        restoration = Restoration(log, made)
        while not restoration.step():
            pass
        control.close()
    for task in made:
        live = owned[task.input]
        if inside(live) != inside(task):
            raise Violation(f"{task.name} differs from what its changelogs restore")


def inside(task: KeyedTask) -> dict[str, Any]:
    """Everything a task knows, in a form that compares."""
    store = task.store
    return {
        "progress": task.progress,
        "state": store._committed,
        "due": store._due,
        "next": store.next_due(),
        "parked": task.parked._store._committed,
        "derived": _derived(task.stage),
    }


def _derived(stage: Stage) -> dict[str, Any]:
    """What the stage keeps beside its store, without empty entries."""
    return {
        name: {key: each for key, each in value.items() if each}
        if isinstance(value, dict)
        else set(value)
        for name, value in vars(stage).items()
    }


Sequences = dict[tuple[str, int, bytes | None], list[bytes | None]]


def check_against_oracle(log: MemoryLog, *, audited: bool) -> None:
    """What readers see of each key, in order, is what the local engine says of the same facts and
    ticks, and nothing was decided or told twice. `audited`: as the product's audit sees it too."""
    memory, ticks = copy_of(log)
    engine = LocalEngine(log=memory)
    for tick in ticks:
        engine.follow(tick)
    for topic in AUDITED_TOPICS:
        found, expected = _sequences(log, topic), _sequences(memory, topic)
        if found != expected:
            keys = [key for key in sorted(found.keys() | expected.keys(), key=repr)
                    if found.get(key) != expected.get(key)]  # fmt: skip
            first = keys[0]
            raise Violation(
                f"{topic} differs at {[key[2] for key in keys]}: "
                f"found {found.get(first)}, expected {expected.get(first)}"
            )
    engine.close()
    for topic in ("decisions", "notifications"):
        for (_, _, key), values in _sequences(log, topic).items():
            if len(set(values)) != len(values):
                raise Violation(f"{topic} says the same of {key!r} twice")
    if audited:
        said = audit(log)
        if said.difference_count:
            raise Violation(f"the audit finds {said.differences}")


def _sequences(log: MemoryLog, topic: str) -> Sequences:
    found: Sequences = {}
    for number in range(log.partition_counts([topic])[topic]):
        for record in log.committed(Partition(topic, number)):
            found.setdefault((topic, number, record.key()), []).append(record.value())
    return found


def outcome(
    schedule: Schedule,
    mutation: Patches | None = None,
    *,
    audited: bool = False,
    seen: Counter[str] | None = None,
) -> Exception | None:
    """What is wrong with a run of the schedule, or None; `seen` counts what happened in it."""
    patches = mutation or Patches(())
    poison = Patches(POISON if schedule.poisoned else ())
    try:
        with poison.applied():
            simulation = Simulation(schedule, patches.lifted)
            with patches.applied():
                simulation.run()
            check_against_oracle(simulation.log, audited=audited)
    except Exception as error:  # noqa: BLE001 - whatever the engine raises is a finding
        return error
    if seen is not None:
        seen.update(simulation.weather.seen)
        seen["ticks"] += len(simulation.witness.ticks)
        for topic in ("decisions", "notifications", "parked"):
            seen[topic] += sum(len(v) for v in _sequences(simulation.log, topic).values())
    return None
