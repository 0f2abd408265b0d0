"""The storms other than kill -9: each is a function that does its harm and ends with all at rest.

A storm is handed a scene whose first days are told and which is at rest, and leaves one that is.
`test_storms_*` runs them: in CI one after another on one scene, which is then judged once; in
`make chaos` (SLIPWATCH_STORMS=long) each by itself, several rounds of it, judged every time.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions

from schemas.addresses import fact_key
from schemas.codec import encode_fact
from schemas.records import decode
from schemas.ticks import Tick
from streams.engine.moments import Moment
from tests.chaos.crew import QUICK, Crew
from tests.chaos.load import Load
from tests.chaos.oracle import judge
from tests.chaos.world import storm_world
from tests.scenario import Chain
from tests.worlds import PARTITIONS, KafkaWorld, until

IS_LONG = os.environ.get("SLIPWATCH_STORMS") == "long"
SESSION_SECONDS = int(QUICK["SLIPWATCH_ENGINE__SESSION_TIMEOUT_MS"]) / 1_000
TRANSACTION_SECONDS = int(QUICK["SLIPWATCH_ENGINE__TRANSACTION_TIMEOUT_MS"]) / 1_000
WAIT_SECONDS = 120.0
COPIES = 4 if IS_LONG else 2
"""Each order so many times: a storm by itself lasts fewer beats, and as much is to be at stake."""

Report = Callable[[str, object], None]
"""pytest's `record_property`: what is told here stands at the end of the run."""


@dataclass
class Scene:
    """What a storm is let loose on."""

    world: KafkaWorld
    load: Load
    crew: Crew
    chance: random.Random
    _names: Iterator[int] = field(default_factory=itertools.count)

    def owners(self) -> set[str]:
        """Who wrote the progress of the keyed stages last."""
        control = self.world.control()
        control.poll()
        return {
            each.worker.removeprefix("slipwatch-")
            for key, each in control.progress.items()
            if not key.startswith("worker/")
        }

    def join(self) -> str:
        """A worker that was not there before; its name."""
        name = f"guest-{next(self._names)}"
        self.crew.start(name)
        return name

    def rest(self, what: str) -> None:
        """Waits until everything that was told is done everywhere."""
        self.load.settle(self.crew, what, WAIT_SECONDS)

    def work(self, beats: int = 1, what: str = "the work after it") -> None:
        """Goes on as if nothing had been."""
        for _ in range(beats):
            self.load.beat()
            self.rest(what)

    def last_ticks(self) -> list[Tick]:
        """All ticks so far."""
        return [decode(value, Tick) for _, _, value in self.world.read("ticks") if value]


@contextmanager
def scene(
    bootstrap: str,
    name: str,
    folder: Path,
    report: Report,
    workers: Sequence[str] = ("one", "two"),
    *,
    replication_factor: int = 1,
    settings: Mapping[str, str] = {},
) -> Iterator[Scene]:
    """Workers at rest after the first days. At the end they must stop in order and be judged
    good. SLIPWATCH_STORMS_SEED says which seed; each run chooses one and reports it."""
    seed = int(os.environ.get("SLIPWATCH_STORMS_SEED") or random.randrange(2**16))
    report(name, f"seed {seed}")
    world = storm_world(bootstrap, name, replication_factor)
    load = Load(world, folder / "clock", seed, copies=COPIES)
    with ExitStack() as stack:
        crew = stack.enter_context(Crew(world, folder, load.clock_path, settings))
        crew.start(*workers)
        made = Scene(world, load, crew, random.Random(seed))
        load.warm_up()
        made.rest(f"seed {seed}: the first days")
        try:
            yield made
            crew.stop()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{stacks(crew)}") from error
    verdict = judge(world)
    assert verdict.alerts >= 100, f"too little was at stake: {verdict}"
    report(name, str(verdict))


def stacks(crew: Crew) -> str:
    """Ends those who still run, and says where their threads stood."""
    ended = crew.running()
    for each in ended:
        each.signal(signal.SIGABRT)
        each.wait()
    return "\n".join(f"== {each.name}\n{each.output()[-6_000:]}" for each in ended)


Storm = Callable[[Scene], None]


def zombie(scene: Scene) -> None:
    """A worker stands still past its session inside a transaction, is replaced, and wakes up."""
    victim = scene.chance.choice(scene.crew.running())
    victim.fuse.arm(Moment.BEFORE_COMMIT, scene.chance.randrange(1, 4), signal.SIGSTOP)
    scene.load.beat()
    until(lambda: victim.fuse.burnt is not None, f"{victim.name} stands still", WAIT_SECONDS)
    scene.rest("what another took over")
    assert victim.name not in scene.owners()
    scene.load.beat()
    victim.thaw()
    scene.work(2, "the zombie")
    until(lambda: work_with(scene, victim.name), f"{victim.name} works again", WAIT_SECONDS)


def work_with(scene: Scene, name: str) -> bool:
    """Goes on, and says whether the worker has a part in it."""
    scene.work()
    return name in scene.owners()


def all_frozen(scene: Scene) -> None:
    """Everybody stands still inside a transaction until the broker has given it up, so that nobody
    is there to take over; then all wake up."""
    workers = scene.crew.running()
    for each in workers:
        each.fuse.arm(Moment.INSIDE_TRANSACTION, scene.chance.randrange(1, 6), signal.SIGSTOP)
    scene.load.beat()
    until(lambda: any(each.fuse.burnt for each in workers), "one stands still", WAIT_SECONDS)
    for each in workers:
        each.fuse.disarm()
        each.freeze()
    time.sleep(TRANSACTION_SECONDS + 2.0)
    for each in workers:
        each.thaw()
    scene.work(1, "all that stood still")


def frozen_ticker(scene: Scene) -> None:
    """The ticker's worker stands still with a tick produced and not committed."""
    workers = scene.crew.running()
    for each in workers:
        each.fuse.arm(Moment.TICK_UNCOMMITTED, 2, signal.SIGSTOP)
    until(lambda: any(each.fuse.burnt for each in workers), "the ticker stands still", WAIT_SECONDS)
    for each in workers:
        each.fuse.disarm()
    scene.work(1, "the tick of another ticker")
    for each in workers:
        each.thaw()
    scene.work(2, "the ticker that stood still")


def turnstile(scene: Scene) -> None:
    """Workers join and leave every few seconds, in order and not."""
    guests: list[str] = []
    for turn in range(12 if IS_LONG else 3):
        guests.append(scene.join())
        scene.load.beat()
        time.sleep(scene.chance.uniform(0.5, 3.0))
        if len(guests) > 1 or turn % 2:
            leaving = scene.crew[guests.pop(0)]
            if scene.chance.random() < 0.5:
                assert leaving.stop() == 0, leaving.last_words
            else:
                leaving.kill()
            del scene.crew.members[leaving.name]
    scene.rest("the coming and going")
    for name in guests:
        assert scene.crew[name].stop() == 0
        del scene.crew.members[name]
    scene.work(1, "those who stayed")


def wider_topic(scene: Scene) -> None:
    """A partition is added to a topic of facts, and facts come to it at once."""
    admin = AdminClient({"bootstrap.servers": scene.world.bootstrap})
    topic = f"{scene.world.prefix}orders"
    count = len(admin.list_topics(timeout=30.0).topics[topic].partitions)
    (widened,) = admin.create_partitions([NewPartitions(topic, count + 1)]).values()
    widened.result(30.0)
    until(
        lambda: len(admin.list_topics(timeout=30.0).topics[topic].partitions) > count,
        "the partition is there",
        WAIT_SECONDS,
    )
    chain = Chain()
    sender = Producer({"bootstrap.servers": scene.world.bootstrap, "log_level": 0})
    for number in range(5):
        fact = chain.placed(f"WIDE-{count}-{number}", scene.load.at)
        sender.produce(topic, encode_fact(fact), fact_key(fact), partition=count)
    assert sender.flush(WAIT_SECONDS) == 0
    scene.work(2, "the added partition")
    lines = {(key or b"").decode() for _, key, _ in scene.world.read("order-status")}
    assert {f"ACME/WIDE-{count}-{number}#10" for number in range(5)} <= lines


def forgotten_offsets(scene: Scene) -> None:
    """The group's offsets are gone when the workers come back, as after a long holiday."""
    names = [each.name for each in scene.crew.running()]
    scene.crew.stop()
    scene.crew.members.clear()
    scene.load.beat()
    admin = AdminClient({"bootstrap.servers": scene.world.bootstrap})
    groups = admin.list_consumer_groups(request_timeout=30.0).result().valid
    (group,) = [
        each.group_id
        for each in groups
        if each.group_id.startswith(scene.world.prefix) and "delivery" not in each.group_id
    ]
    (deleted,) = admin.delete_consumer_groups([group], request_timeout=30.0).values()
    deleted.result(30.0)
    scene.crew.start(*names)
    scene.work(1, "the work without offsets")


def abandoned_transaction(scene: Scene) -> None:
    """A sender dies inside a transaction: facts hide behind it until the broker ends it."""
    sender = Producer(
        {
            "bootstrap.servers": scene.world.bootstrap,
            "transactional.id": f"{scene.world.prefix}sender-{scene.load.at}",
            "transaction.timeout.ms": 60_000,
        }
    )
    sender.init_transactions(30.0)
    chain = Chain()
    told = [chain.placed(f"HIDDEN-{scene.load.at}", scene.load.at) for _ in range(1)]
    number = scene.chance.randrange(PARTITIONS)
    sender.begin_transaction()
    for fact in told:
        sender.produce(
            f"{scene.world.prefix}orders", encode_fact(fact), fact_key(fact), partition=number
        )
    sender.flush(30.0)
    scene.work(3, "the facts that are not hidden")
    held = [(each.topic, each.partition) for each in scene.last_ticks()[-1].held]
    assert held == [("orders", number)]
    sender.abort_transaction(30.0)
    scene.work(2, "the facts that were hidden")
    assert scene.last_ticks()[-1].held == ()


def troubles(scene: Scene) -> list[str]:
    """What the workers said of their troubles, in no order between them."""
    said = [each.output() for each in scene.crew]
    return [line for text in said for line in re.findall(r"engine_trouble.*", text)]


STORMS_OF_WORKERS: tuple[Storm, ...] = (
    zombie,
    all_frozen,
    frozen_ticker,
    turnstile,
    wider_topic,
    forgotten_offsets,
    abandoned_transaction,
)
