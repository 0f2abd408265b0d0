"""Schedules: what happens to a few workers, drawn from a seed, and how a failing one gets smaller.

A schedule is a list of events. Each carries its own dice, so leaving one out changes nothing but
what follows from it; facts are named by their place in the seed's tale.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from tests.scenario import START
from tests.simulation.schedules_tale import tale

GOODS_TOPICS = ("orders", "shipments", "heartbeats")
FACT_TOPICS = (*GOODS_TOPICS, "inventory", "payments")

WORKER_MOMENTS = (
    "begin", "produce", "produced", "offsets sent", "before commit", "after commit",
)  # fmt: skip
TICKER_MOMENTS = ("ticker begin", "ticker produce", "ticker before commit", "ticker after commit")
READER_MOMENTS = ("restoring", "tailing")


@dataclass(frozen=True, slots=True)
class Start:
    """A process takes the slot, if it is empty; under a new name, or that of the last one there."""

    slot: int
    renamed: bool = False
    skew_ms: int = 0


@dataclass(frozen=True, slots=True)
class Leave:
    """The process ends cleanly."""

    slot: int


@dataclass(frozen=True, slots=True)
class Die:
    """The process is gone without a word; its seat in the group is kept until `Expel`."""

    slot: int


@dataclass(frozen=True, slots=True)
class Expel:
    """The sessions of the dead time out."""


@dataclass(frozen=True, slots=True)
class Zombie:
    """The group gives up on a living process, which does not notice for some turns."""

    slot: int
    turns: int


@dataclass(frozen=True, slots=True)
class Run:
    """So many turns of random processes."""

    turns: int
    dice: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Some turns of one process, if it is not the one in whose middle this happens."""

    slot: int
    turns: int
    dice: int


@dataclass(frozen=True, slots=True)
class Elect:
    """The process becomes the ticker, beside any that does not know it was replaced."""

    slot: int


@dataclass(frozen=True, slots=True)
class TickerTurn:
    """Every ticker alive gets a turn."""

    dice: int


@dataclass(frozen=True, slots=True)
class Arm:
    """At the `nth` coming of a moment in a process something happens.

    `outcome`: "crash"; "abort" of the transaction; "depart", a crash while the commit is under
    way; "slow", nothing but that `then` happens in the middle, with the commit under way.
    """

    slot: int
    moment: str
    nth: int
    outcome: str
    then: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Tell:
    """Facts arrive, each at a random partition of its topic if scattered, else by key."""

    facts: tuple[int, ...]
    scattered: bool
    dice: int


@dataclass(frozen=True, slots=True)
class Clock:
    """Time moves on to so long after the start; sources that are alive say so."""

    after_ms: UtcMillis
    alive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SenderOpens:
    """A source's transaction with these facts stays open."""

    facts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SenderEnds:
    """It ends."""

    commits: bool


@dataclass(frozen=True, slots=True)
class Garbage:
    """A record that is no fact."""

    topic: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Members see no more of a partition."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Thaw:
    """They see all partitions again."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Another network."""

    variant: int


@dataclass(frozen=True, slots=True)
class Widen:
    """A topic of facts gets one more partition."""

    topic: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """The weather turns fine until everything has been worked off."""


Event = (
    Start | Leave | Die | Expel | Zombie | Run | Turn | Elect | TickerTurn | Arm | Tell | Clock
    | SenderOpens | SenderEnds | Garbage | Freeze | Thaw | Publish | Widen | Quiet
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that happens, and how the workers are set up."""

    seed: int
    partitions: int
    fact_partitions: int
    facts_per_chunk: int
    keys_per_chunk: int
    buffered_max: int
    facts_per_tick_max: int
    poisoned: bool
    """Whether evaluating one line, and one source, fails now and then."""
    all_families: bool
    """Whether stock and money are told of too."""
    events: tuple[Event, ...]


SLOTS = 3
_SPAN_MS = 16 * DAY_MS


def draw(seed: int, *, all_families: bool = True) -> Schedule:
    """The schedule of a seed; without `all_families` as it was before stock and money were told, so
    that what a seed once found stays found."""
    chance = random.Random(f"schedule {seed}")
    return Schedule(
        seed=seed,
        partitions=chance.choice((1, 2, 2, 3)),
        fact_partitions=chance.choice((1, 2)),
        facts_per_chunk=chance.choice((2, 5, 1_000)),
        keys_per_chunk=chance.choice((1, 3, 1_000, 1_000)),
        buffered_max=chance.choice((12, 400_000)),
        facts_per_tick_max=chance.choice((4, 400_000, 400_000)),
        poisoned=chance.random() < 0.3,
        all_families=all_families,
        events=tuple(_events(seed, chance, all_families)),
    )


def _events(seed: int, chance: random.Random, all_families: bool) -> list[Event]:
    events: list[Event] = [Start(0), Start(1, skew_ms=chance.choice((0, HOUR_MS, -HOUR_MS)))]
    told = tale(seed, all_families=all_families)
    topics = FACT_TOPICS if all_families else GOODS_TOPICS
    waiting = list(range(len(told)))
    again: list[int] = []
    rounds = chance.randrange(4, 7)
    for number in range(1, rounds + 1):
        after_ms = number * _SPAN_MS // rounds - chance.randrange(DAY_MS)
        due = [each for each in waiting if told[each].recorded_at <= START + after_ms]
        late = {each for each in due if chance.random() < 0.15}
        waiting = [each for each in waiting if each not in due or each in late]
        facts = [each for each in due if each not in late] + again
        again = [each for each in facts if chance.random() < 0.15]
        chance.shuffle(facts)
        half = chance.randrange(len(facts) + 1)
        silent = chance.choice((None, None, None, "sup-erp", "cargo-edi"))
        alive = tuple(s for s in ("sup-erp", "cargo-edi", "acme-erp") if s != silent)
        if chance.random() < 0.15 and facts:
            events.append(SenderOpens((facts.pop(),)))
            half = min(half, len(facts))
        events.append(Tell(tuple(facts[:half]), chance.random() < 0.3, chance.getrandbits(32)))
        events.append(Clock(after_ms, alive))
        for _ in range(chance.randrange(1, 4)):
            events.extend(_trouble(chance, topics))
            events.append(Run(chance.randrange(5, 30), chance.getrandbits(32)))
        events.append(Tell(tuple(facts[half:]), chance.random() < 0.3, chance.getrandbits(32)))
        events.append(Run(chance.randrange(10, 40), chance.getrandbits(32)))
        if chance.random() < 0.12:
            events.append(Quiet())
    events.append(Tell(tuple(waiting), scattered=False, dice=0))
    return events


def _trouble(chance: random.Random, topics: Sequence[str]) -> list[Event]:
    slot = chance.randrange(SLOTS)
    topic = chance.choice(topics)
    rare: tuple[Callable[[], list[Event]], ...] = (
        lambda: [Die(slot), Start(slot, renamed=chance.random() < 0.5)],
        lambda: [Zombie(slot, chance.randrange(1, 12))],
        lambda: [Leave(slot)],
        lambda: [Start(slot, skew_ms=chance.choice((0, HOUR_MS)))],
        lambda: [Start(slot)],
        lambda: [Freeze(topic, chance.randrange(2))],
        lambda: [Freeze(chance.choice(("links-rows", "cells-rows", "notices-rows")), 0)],
        lambda: [Thaw()],
        lambda: [Publish(chance.randrange(3))],
        lambda: [Widen(topic)],
        lambda: [SenderEnds(chance.random() < 0.6)],
        lambda: [Garbage(topic)],
        lambda: [Elect(slot), TickerTurn(chance.getrandbits(32))],
        lambda: [*(Die(each) for each in range(SLOTS)), Expel(), Start(slot)],
        lambda: [_armed(chance, READER_MOMENTS, ("crash",))],
        lambda: [_armed(chance, TICKER_MOMENTS, ("crash", "abort", "depart", "slow"))],
    )
    if chance.random() < 0.5:
        return [_armed(chance, WORKER_MOMENTS, ("crash", "abort", "abort", "depart", "slow"))]
    return chance.choice(rare)()


def _armed(chance: random.Random, moments: Sequence[str], outcomes: Sequence[str]) -> Arm:
    slot, moment = chance.randrange(2), chance.choice(moments)
    outcome = chance.choice(outcomes)
    if outcome == "depart":
        moment = "ticker before commit" if moment.startswith("ticker") else "before commit"
    nth = chance.randrange(1, 40) if moment == "produce" else chance.randrange(1, 6)
    then: tuple[Event, ...] = ()
    if outcome == "slow":
        then = tuple(_meanwhile(chance, slot, moment))
    return Arm(slot, moment, nth, outcome, then)


def _meanwhile(chance: random.Random, slot: int, moment: str) -> list[Event]:
    """What the others do while one is in the middle."""
    others = [each for each in range(SLOTS) if each != slot]
    events: list[Event] = []
    if moment.startswith("ticker") or chance.random() < 0.3:
        events.append(Elect(chance.choice(others)))
        events.append(TickerTurn(chance.getrandbits(32)))
    if chance.random() < 0.7:
        events.append(Zombie(slot, chance.randrange(4)))
        events.append(Start(2))
    events.extend(Turn(other, chance.randrange(1, 8), chance.getrandbits(32)) for other in others)
    events.append(Run(chance.randrange(12), chance.getrandbits(32)))
    return events


# Shrinking.


def shrink(
    schedule: Schedule, fails: Callable[[Schedule], bool], attempts_max: int = 400
) -> Schedule:
    """A smaller schedule that still fails: leaves out halves, quarters, ... and single events,
    then shortens what is left, while `fails` says that it does."""
    left = attempts_max

    def tried(events: Sequence[Event]) -> Schedule | None:
        nonlocal left
        left -= 1
        smaller = replace(schedule, events=tuple(events))
        return smaller if left >= 0 and fails(smaller) else None

    size = max(1, len(schedule.events) // 2)
    while left > 0:
        start, found = 0, False
        while start < len(schedule.events) and left > 0:
            events = schedule.events[:start] + schedule.events[start + size :]
            smaller = tried(events)
            if smaller is None:
                start += size
            else:
                schedule, found = smaller, True
        if size == 1 and not found:
            break
        size = max(1, size // 2)
    for place, event in enumerate(schedule.events):
        for less in _lesser(event):
            smaller = tried((*schedule.events[:place], less, *schedule.events[place + 1 :]))
            if smaller is not None:
                schedule = smaller
                break
    return schedule


def _lesser(event: Event) -> list[Event]:
    """The event with less in it, the least first."""
    match event:
        case Run(turns, dice):
            return [Run(fewer, dice) for fewer in (1, 2, 4, 8, 16) if fewer < turns]
        case Tell(facts, scattered, dice) if len(facts) > 1:
            halves = (facts[: len(facts) // 2], facts[len(facts) // 2 :])
            return [Tell(half, scattered, dice) for half in halves]
        case Arm(then=then) if then:
            return [
                replace(event, then=then[:place] + then[place + 1 :]) for place in range(len(then))
            ]
        case _:
            return []


def told(schedule: Schedule) -> str:
    """The schedule as text that Python reads back."""
    events = "".join(f"    {event!r},\n" for event in schedule.events)
    head = repr(replace(schedule, events=()))[: -len("events=())")]
    return f"{head}events=(\n{events}))"
