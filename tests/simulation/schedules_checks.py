"""What must hold of workers and of the log: after each turn, at quiet points, and at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.records import Decision, decode
from schemas.units import TIME_MAX
from streams.engine.control import Control
from streams.engine.flow import STAGES
from streams.engine.local import LocalEngine
from streams.engine.log import Partition
from streams.engine.memory_log import MemoryLog
from streams.engine.recorded import copy_of
from streams.engine.restore import Restoration
from streams.engine.task import KeyedTask
from streams.engine.tasks import Tasks
from streams.engine.worker import Worker
from streams.engine.writing import progress_key
from streams.replay.audit import AUDITED_TOPICS, audit
from streams.stages.nodes import NodeIndex
from streams.stages.prices import PriceLists
from streams.stages.stage import Stage
from tests.simulation.schedules_log import StormConsumer
from tests.simulation.schedules_witness import CommitWitness, Violation


def check_memory(who: str, worker: Worker, consumer: StormConsumer, witness: CommitWitness) -> None:
    """State in memory is never newer than the last commit; the owner's is never older."""
    owned = set(consumer.owned)
    restoring = {p for each in worker._restorations for p in each.inputs()}
    for partition, task in worker.tasks.keyed.items():
        if task.store.pending() or task.parked._store.pending():
            raise Violation(f"{who} keeps changes of {task.name} that it did not commit")
        stage = task.stage
        said = witness.progress.get(progress_key(stage.name, partition.topic, partition.number))
        mine = task.progress
        if (mine.tick, mine.within is not None, mine.after or "") > (
            (said.tick, said.within is not None, said.after or "") if said else (0, False, "")
        ):
            raise Violation(f"{who} is ahead of the log at {task.name}")
        if partition not in owned or partition in restoring:
            continue
        if said is not None and said != mine:
            raise Violation(f"{who} stands at {mine}, the log at {said}")
        _check_state(who, task, witness)


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


def check_derived(who: str, worker: Worker) -> None:
    """After an abort, what a stage derives from its state is of the last commit too."""
    restoring = {p for each in worker._restorations for p in each.inputs()}
    for partition, task in worker.tasks.keyed.items():
        if partition in restoring:
            continue
        fresh = type(task.stage)()
        fresh.restored(task.store)
        if _derived(fresh) != _derived(task.stage):
            raise Violation(f"{who} derives what it did not commit at {task.name}")


def check_restored(log: MemoryLog, partitions: int, owned: Mapping[Partition, KeyedTask]) -> None:
    """What a new worker would restore equals, to the last index, what the owners hold."""
    control = Control(log)
    control.open(1.0)
    tasks = Tasks(log, control, "restored")
    tasks.partitions = partitions
    made = [each for each in tasks.take(sorted(owned)) if isinstance(each, KeyedTask)]
    if len(made) != len(STAGES) * partitions:
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
        "due": store.due_keys(TIME_MAX),
        "parked": task.parked._store._committed,
        "derived": _derived(task.stage),
    }


def _derived(stage: Stage) -> dict[str, Any]:
    """What the stage keeps beside its store, without empty entries."""
    return {name: _compared(value) for name, value in vars(stage).items()}


def _compared(value: Any) -> Any:
    if isinstance(value, NodeIndex):
        # What was worked out of lines is only there to spare working it out again.
        return value._known, value._lines, value._touched
    if isinstance(value, PriceLists):
        return value._lines, value._touched
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if each}
    return set(value)


Sequences = dict[tuple[str, int, bytes | None], list[bytes | None]]


def check_against_oracle(log: MemoryLog, *, audited: bool) -> None:
    """What readers see of each key, in order, is what the local engine says of the same facts and
    ticks, and nothing was decided or told twice. `audited`: as the product's audit sees it too."""
    memory, ticks = copy_of(log)
    engine = LocalEngine(log=memory)
    for tick in ticks:
        engine.follow(tick)
    for topic in AUDITED_TOPICS:
        found, expected = sequences(log, topic), sequences(memory, topic)
        if topic == "decisions":
            found, expected = _by_tick(found), _by_tick(expected)
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
        for (_, _, key), values in sequences(log, topic).items():
            if len(set(values)) != len(values):
                raise Violation(f"{topic} says the same of {key!r} twice")
    if audited:
        said = audit(log)
        if said.difference_count:
            raise Violation(f"the audit finds {said.differences}")


def _by_tick(found: Sequences) -> Sequences:
    """The values of each key by tick: within one, a line's cell and its price list say different
    rules' verdicts from partitions of their own, and nothing orders these."""
    return {
        key: sorted(values, key=lambda value: (decode(value or b"", Decision).tick, value or b""))
        for key, values in found.items()
    }


def sequences(log: MemoryLog, topic: str) -> Sequences:
    """What readers see: the values of each key of a topic, in order."""
    found: Sequences = {}
    for number in range(log.partition_counts([topic])[topic]):
        for record in log.committed(Partition(topic, number)):
            found.setdefault((topic, number, record.key()), []).append(record.value())
    return found
