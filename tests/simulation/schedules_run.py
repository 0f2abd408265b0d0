"""Runs a schedule: real workers and tickers, one thread, the log behind bad weather, and the
checks after each turn, at each quiet point and at the end."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from schemas.units import HOUR_MS
from streams.engine.clock import ManualClock
from streams.engine.log import LogError, Partition, TransactionAborted
from streams.engine.memory_log import MemoryLog
from streams.engine.observation import WorkerSettings
from streams.engine.task import KeyedTask
from streams.engine.ticker import Ticker, TickerSettings
from streams.engine.worker import Worker
from tests.simulation import schedules as events
from tests.simulation.schedules import Event, Schedule
from tests.simulation.schedules_checks import (
    check_against_oracle,
    check_derived,
    check_memory,
    check_restored,
    sequences,
)
from tests.simulation.schedules_faults import POISON, Patches
from tests.simulation.schedules_log import Armed, Connection, Crash, StormProducer, Weather
from tests.simulation.schedules_witness import CommitWitness, Violation
from tests.simulation.schedules_world import World

GROUP = "engine"
QUIET_ROUNDS_MAX = 600
"""Turns of every process, in fine weather, after which a tick will not end by itself."""

Context = Callable[[], AbstractContextManager[None]]


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
        self.world = World(schedule, self.log, self.weather.frozen)

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
        worker = Worker(connection, settings, SkewedClock(self.world.clock, skew_ms))
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
        consumer = process.connection.consumer
        if self.processes.get(slot) is process and consumer is not None:
            check_memory(process.name, process.worker, consumer, self.witness)
            if process.worker._aborts > aborts:
                with self.as_it_should_be():
                    check_derived(process.name, process.worker)
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
            case events.Quiet():
                self.quiet()
                self.weather.is_calm = False
            case _:
                self.world.tell(event)

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

    # Quiet points.

    def quiet(self) -> None:
        """Everything heals, and what was told is worked off to its last consequence."""
        self.weather.is_calm = True
        self.weather.frozen.clear()
        self.world.sender_ends(commits=True)
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
                with self.as_it_should_be():
                    check_restored(self.log, self.schedule.partitions, self._owned())
                return
            ticked = [self._tick(slot) for slot in self._tickers()]
            idle = 0 if any(worked) or any(ticked) else idle + 1
        waits = [each.worker.status().waits_for for each in self.processes.values()]
        raise Violation(f"tick {len(self.witness.ticks)} does not end: {waits}")

    def _count(self, topic: str) -> int:
        return self.log.partition_counts([topic])[topic]

    def _owned(self) -> dict[Partition, KeyedTask]:
        """The tasks of whoever the group gave them to."""
        return {
            partition: task
            for process in self.processes.values()
            for partition, task in process.worker.tasks.keyed.items()
            if process.connection.consumer is not None
            and partition in process.connection.consumer.owned
        }

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
        for topic in ("decisions", "notifications", "parked", "partner-status"):
            seen[topic] += sum(len(v) for v in sequences(simulation.log, topic).values())
    return None
