"""The engine's worker: a member of the group that runs tasks on the partitions it is given.

One loop: consume a batch, hand each record to its task, evaluate what is ready, and write outputs,
changed state, progress and input offsets in one Kafka transaction. State in memory is never newer
than the last committed transaction; an abort is a normal case. Kafka shares out the partitions and
fences whoever lost them; nothing here knows of other workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from schemas.ticks import Tick
from schemas.units import millis
from streams.engine.clock import Clock
from streams.engine.control import TICKS, Control
from streams.engine.flow import INPUT_TOPICS, LAST_STAGE, last_partitions
from streams.engine.intake_task import IntakeTask
from streams.engine.layout import check_numbers, engine_partitions
from streams.engine.lives import Lives
from streams.engine.log import (
    GroupConsumer,
    Log,
    LogError,
    Partition,
    Rebalance,
    TransactionAborted,
    TransactionalProducer,
)
from streams.engine.lookups import Lookups, NoRegistry, SchemaSource
from streams.engine.moments import Moment
from streams.engine.observation import (
    EXIT_STATE,
    EngineFailure,
    Unobserved,
    WorkerObserver,
    WorkerSettings,
    WorkerStatus,
)
from streams.engine.restore import Restoration, restore_on
from streams.engine.standby import Standby
from streams.engine.task import KeyedTask
from streams.engine.tasks import Tasks
from streams.engine.telling import Standing, Telling
from streams.engine.ticker import Ticker
from streams.engine.ticking import Ticking
from streams.engine.writing import OutRecord
from streams.stages.rows import TickHeader
from streams.stages.store import StateUnusable


class Worker(Rebalance):
    """Runs until stopped. Make it with a log, then `run` it in a thread, or `step` it by hand."""

    def __init__(
        self,
        log: Log,
        settings: WorkerSettings,
        clock: Clock,
        observer: WorkerObserver | None = None,
        schemas: SchemaSource | None = None,
    ) -> None:
        self._log = log
        self._settings = settings
        self._clock = clock
        self._observer = observer or Unobserved()
        self.control = Control(log)
        self._consumer: GroupConsumer | None = None
        self._producer: TransactionalProducer | None = None
        self._partitions = 0
        self.tasks = Tasks(log, self.control, settings.name)
        self._lookups = Lookups(schemas or NoRegistry(), self.control)
        self._standby = Standby(log, settings.name, is_on=settings.has_standby)
        self._restorations: list[Restoration] = []
        self._paused: set[Partition] = set()
        self._held: set[Partition] = set()
        self._ticking = Ticking(self.control.changed, settings.poll_s)
        self._tick_seen = 0
        self._state = "starting"
        self._transactions = self._aborts = self._facts = self._refused = 0
        self._telling = Telling(settings.name, settings.partners)
        self._trouble: LogError | None = None
        self._lives = Lives()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, then leaves the group cleanly. Raises EngineFailure.

        What passes does not end it, a broker that is away or a pause of this machine: it lets go
        of everything, waits, and begins again with new clients and its state restored.
        """
        try:
            while not stop.is_set():
                try:
                    self.open()
                    self._turn(stop)
                except LogError as error:
                    wait_s = self._lives.wait_after(error)
                    self._state = "waiting"
                    self._tell(error)
                    self._let_go()
                    stop.wait(wait_s)
        except StateUnusable as error:
            raise EngineFailure(str(error), error.then, EXIT_STATE) from error
        finally:
            self.close()

    def _turn(self, stop: threading.Event) -> None:
        while not stop.is_set():
            busy = self.step(self._settings.poll_s)
            if not busy and not stop.is_set():
                self.step(self._settings.idle_poll_s)

    def _tell(self, fault: LogError) -> None:
        """Says what is wrong, once for as long as it lasts."""
        if type(fault) is not type(self._trouble):
            self._observer.trouble(fault.what)
        self._trouble = fault.bare()

    def open(self) -> None:
        """Connects, checks the topics, reads what is known, and joins the group."""
        self._partitions = self.tasks.partitions = engine_partitions(self._log)
        self._lives.begun()
        self._standby.open(self._partitions)
        self.control.open(self._settings.sync_timeout_s)
        self.tasks.check()
        self._producer = self._log.transactional_producer(self._settings.name)
        self._consumer = self._log.group_consumer(self._settings.group, INPUT_TOPICS, self)
        self._state = "running"

    def abandon(self) -> None:
        """Ends without committing what is open, as a crash would; for tests."""
        if self._producer is not None:
            self._producer.abort()
        self.close()

    def close(self) -> None:
        """Leaves the group and lets go of everything; what was committed stays."""
        self._state = "stopped"
        self._let_go()

    def _let_go(self) -> None:
        self._ticking.stop()
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        if self._producer is not None:
            self._producer.close()
            self._producer = None
        for restoration in self._restorations:
            restoration.close()
        self._restorations.clear()
        self._standby.close()
        self.tasks.clear()
        self._paused.clear()
        self._telling.forget()
        self.control.close()

    def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """Makes a task of each partition, where its progress stands; state follows."""
        check_numbers(partitions, self._partitions)
        self.control.sync(self._settings.sync_timeout_s)
        if TICKS in partitions and self._settings.runs_ticker:
            self._ticking.start(self.make_ticker)
        copies = self._standby.take(partitions)
        made = self.tasks.take([p for p in partitions if p != TICKS], copies)
        restoring = [task for task in made if isinstance(task, KeyedTask)]
        if restoring:
            self._restorations.append(Restoration(self._log, restoring, copies))
        self._paused.update(partitions)
        self._settings.failpoint(Moment.ASSIGNED)
        self._observer.assigned(partitions)
        offsets = {task.input: task.progress.offset for task in made}
        return {p: offsets.get(p, 0) for p in partitions}

    def revoked(self, partitions: Sequence[Partition]) -> None:
        """Drops the tasks; their state is in the log."""
        self._settings.failpoint(Moment.REVOKED)
        gone = set(partitions)
        self.tasks.drop(partitions)
        self._paused.difference_update(partitions)
        if TICKS in gone:
            self._ticking.stop()
        for restoration in list(self._restorations):
            if restoration.drop(gone):
                self._restorations.remove(restoration)
        self._observer.revoked(partitions)

    def make_ticker(self) -> Ticker:
        """A ticker on this worker's view of the whole."""
        return Ticker(
            self._log,
            self.control,
            self._clock,
            self._settings.ticker,
            f"{self._settings.group}-ticker",
            (LAST_STAGE[0], last_partitions(self._partitions)),
            self._settings.failpoint,
        )

    def step(self, timeout_s: float) -> bool:
        """One turn of the loop; says whether anything was done."""
        assert self._consumer is not None, "open() comes first"
        read = self._consumer.consume(self._settings.records_max, timeout_s)
        for partition, records in read.items():
            task = self.tasks.intake.get(partition) or self.tasks.keyed.get(partition)
            if task is not None:
                task.accept(records)
        self.control.poll()
        if (failure := self._ticking.failure()) is not None:
            self._tell(failure)
        restored = self._restore()
        did = self._work()
        followed = self._standby.step(self.tasks.keyed)
        self._tell_standing()
        self._hold_back()
        return bool(read) or did or restored or followed

    def _restore(self) -> bool:
        for restoration in list(self._restorations):
            is_done = restore_on(restoration, self.control, self._settings.sync_timeout_s)
            self._settings.failpoint(Moment.RESTORING)
            if is_done:
                self._restorations.remove(restoration)
                done = [task.input for task in restoration.tasks]
                self._resume(done)
                self._observer.restored(restoration.records, restoration.seconds)
            return True
        return False

    def _tell_standing(self) -> None:
        """Tells all what a registry answered, and `status` what this worker has when it changes."""
        assert self._producer is not None, "open() comes first"
        self._lookups.step(self._producer, self._observer)
        tick, restoring = self.control.tick, sum(len(each.tasks) for each in self._restorations)
        ready = 0 if self._standby.behind else self._standby.count
        awaited = len(self._lookups.awaited)
        standing = Standing(self.tasks.partitions_held, restoring, ready, awaited)
        try:
            self._telling.tell(self._producer, tick.n if tick is not None else 0, standing)
        except TransactionAborted as error:
            self._observer.aborted(error.what)

    def _resume(self, partitions: Sequence[Partition]) -> None:
        assert self._consumer is not None, "open() comes first"
        resumed = [p for p in partitions if p in self._paused]
        self._paused.difference_update(resumed)
        self._consumer.resume(resumed)

    def _work(self) -> bool:
        """Evaluates every task that is ready, each one chunk, in one transaction."""
        tick = self.control.tick
        ready = self._ready_intake(tick)
        headers: list[tuple[KeyedTask, TickHeader]] = []
        restoring = {p for restoration in self._restorations for p in restoration.inputs()}
        for stage_topic in INPUT_TOPICS:
            for partition, task in self.tasks.keyed.items():
                if partition.topic != stage_topic or partition in restoring:
                    continue
                header = task.ready()
                if header is not None and self.control.holds(header.network, header.policy):
                    headers.append((task, header))
        if not ready and not headers:
            return False
        self._transact(tick, ready, headers)
        return True

    def _ready_intake(self, tick: Tick | None) -> list[IntakeTask]:
        if tick is None:
            return []
        if tick.n > self._tick_seen:
            self._tick_seen = tick.n
            self._settings.failpoint(Moment.TICK_SEEN)
            self._observer.ticked(tick)
            self._standby.pass_to(millis(tick.at))
        lacking = [task for task in self.tasks.intake.values() if task.lacks(tick)]
        if lacking and self._consumer is not None:
            positions = self._consumer.positions([task.input for task in lacking])
            for task in lacking:
                task.reached(positions.get(task.input, 0))
        # A paused input may be left with half its share: to wait for more is to wait for ever.
        enough = min(self._settings.facts_per_chunk, self._share() // 2 + 1)
        read = [task for task in self.tasks.intake.values() if task.ready(tick, enough)]
        return self._lookups.ready(read, tick)

    def _transact(
        self,
        tick: Tick | None,
        intake: Sequence[IntakeTask],
        keyed: Sequence[tuple[KeyedTask, TickHeader]],
    ) -> None:
        assert self._producer is not None, "open() comes first"
        assert self._consumer is not None, "open() comes first"
        began, producer = time.monotonic(), self._producer
        producer.begin()
        written = 0
        offsets: dict[Partition, int] = {}
        took: list[tuple[KeyedTask, bool, int]] = []
        try:
            for task in intake:
                assert tick is not None, "intake is only ready for a tick"
                chunk = task.run(tick, self._settings.facts_per_chunk)
                written += self._produce(producer, chunk.records)
                offsets[task.input] = task.next_progress.offset
            for stage_task, header in keyed:
                chunk = stage_task.run(header, self.control, self._settings.keys_per_chunk)
                written += self._produce(producer, chunk.records)
                took.append((stage_task, chunk.finished, chunk.keys))
                offsets[stage_task.input] = stage_task.next_progress.offset
            producer.send_offsets(offsets, self._consumer.group_metadata())
            self._settings.failpoint(Moment.BEFORE_COMMIT)
            producer.commit()
        except TransactionAborted as error:
            producer.abort()
            for task in intake:
                task.aborted()
            for stage_task, _ in keyed:
                stage_task.aborted()
            self._aborts += 1
            self._observer.aborted(error.what)
            return
        for task in intake:
            task.committed()
            self._facts += task.last_counts[0]
            self._refused += task.last_counts[1]
            self._observer.facts(*task.last_counts)
        for stage_task, finished, keys in took:
            stage_task.committed(finished, keys)
        self._transactions += 1
        self._trouble = None
        self._observer.transaction(written, time.monotonic() - began)
        if not all(finished for _, finished, _ in took):
            self._settings.failpoint(Moment.WITHIN_TICK)

    def _produce(self, producer: TransactionalProducer, records: Sequence[OutRecord]) -> int:
        for each in records:
            producer.produce(each.topic, each.partition, each.key, each.value, each.headers)
        self._settings.failpoint(Moment.INSIDE_TRANSACTION)
        return len(records)

    def hold(self, partition: Partition) -> None:
        """Reads no more of an input until `release`; a tick that needs it waits."""
        assert self._consumer is not None, "open() comes first"
        self._held.add(partition)
        self._consumer.pause([partition])

    def release(self, partition: Partition) -> None:
        """Reads a held input again."""
        assert self._consumer is not None, "open() comes first"
        self._held.discard(partition)
        self._consumer.resume([partition])

    def _hold_back(self) -> None:
        """Pauses inputs that fill memory faster than ticks empty it, and lets them go again."""
        assert self._consumer is not None, "open() comes first"
        share = self._share()
        for partition, task in self.tasks.intake.items():
            full = task.buffered >= share
            if full and partition not in self._paused:
                self._paused.add(partition)
                self._consumer.pause([partition])
            elif not full and partition in self._paused and task.buffered <= share // 2:
                self._resume([partition])

    def _share(self) -> int:
        """How many facts of one input may wait in memory."""
        return max(1, self._settings.buffered_max // max(1, len(self.tasks.intake)))

    def status(self) -> WorkerStatus:
        """What the worker is doing; safe to call from any thread."""
        restoring = tuple(p for r in list(self._restorations) for p in r.inputs())
        ticker = self._ticking.ticker
        tick = self.control.tick
        last = last_partitions(self._partitions)
        done = self.control.done(LAST_STAGE[0], last)
        fault = self._trouble
        return WorkerStatus(
            state="restoring" if restoring and self._state == "running" else self._state,
            name=self._settings.name,
            partitions=tuple(sorted([*list(self.tasks.intake), *list(self.tasks.keyed)])),
            restoring=restoring,
            copies=self._standby.count,
            copies_behind=self._standby.behind,
            tick=done,
            tick_at=self.control.reached(LAST_STAGE[0], last),
            in_flight=tick.n if tick is not None and tick.n > done else None,
            waits_for=self._lookups.waits_for or self.tasks.waits_for(tick),
            is_ticker=ticker is not None,
            facts=self._facts,
            refused=self._refused,
            transactions=self._transactions,
            aborts=self._aborts,
            schemas_awaited=len(self._lookups.awaited),
            trouble=(ticker.trouble if ticker else "")
            or (fault.what if fault else "")
            or self._lookups.trouble,
            network=tick.network if tick is not None else "",
            policy=tick.policy if tick is not None else "",
        )
