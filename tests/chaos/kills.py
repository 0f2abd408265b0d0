"""Rounds of kill -9 over three workers under load: the plan, from a seed, and the storm itself.

A campaign is ten rounds on one set of topics, judged as a whole at its end; its seed says
everything that the plan can say. In each round a worker dies, by its fuse at a named moment or from
outside at any, while at least `ALERTS_MIN` alerts are opened or changed; then another takes its
place, under the dead one's name, which shuts out what that left open, or under a new one, which
has to wait for it to time out.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streams.engine.moments import Moment
from tests.chaos.crew import Crew, WorkerProcess
from tests.chaos.load import Load
from tests.chaos.oracle import Tail, Verdict, judge
from tests.chaos.world import storm_world

ALERTS_MIN = 100
CREW = 3
BEATS = 4
"""Beats of a round; more follow, one by one, until its victim is dead and its alerts are enough."""
BEATS_MAX = 24
BEAT_SECONDS = 0.3
ROUND_SECONDS = 180.0
"""Longer than any round takes on a busy machine: a round that takes longer stands still."""

AT_RANDOM = "at random"
PLACES: dict[str, tuple[Moment, ...]] = {
    "inside the transaction": (Moment.INSIDE_TRANSACTION,),
    "between produce and commit": (Moment.BEFORE_COMMIT,),
    "between the transactions of a tick": (Moment.WITHIN_TICK,),
    "between tick and punctuation": (Moment.TICK_SEEN,),
    "during restore": (Moment.RESTORING,),
    "during a rebalance": (Moment.ASSIGNED, Moment.REVOKED),
    "in the ticker": (Moment.TICK_UNCOMMITTED, Moment.TICK_WRITTEN),
}
"""Where workers die once in each campaign; in the other three rounds it is at random."""
ROUNDS = 3 + len(PLACES)
PASSES_MAX = {
    Moment.INSIDE_TRANSACTION: 40, Moment.BEFORE_COMMIT: 20, Moment.WITHIN_TICK: 12,
    Moment.TICK_SEEN: 3, Moment.TICK_UNCOMMITTED: 3, Moment.TICK_WRITTEN: 3,
    Moment.RESTORING: 1, Moment.ASSIGNED: 1, Moment.REVOKED: 1,
}  # fmt: skip
"""How often a victim may come by a moment before it dies there: fewer than it does in a round."""
JOINING = (Moment.RESTORING, Moment.ASSIGNED)
"""Moments at which it is the one who takes the place of a dead worker that dies in its turn."""


@dataclass(frozen=True)
class Round:
    """One round: who dies where, when, and how the place is filled again."""

    place: str
    moment: Moment | None
    passes: int
    victims: tuple[int, ...]
    """Of the crew in the order of its names; more than one only at random."""
    after_s: float
    returns_after_s: float
    keeps_name: bool


@dataclass(frozen=True)
class Campaign:
    """Ten rounds on one set of topics."""

    seed: int
    group_protocol: str
    rounds: tuple[Round, ...]


def draw(seed: int) -> Campaign:
    """The campaign of a seed."""
    chance = random.Random(f"kills/{seed}")
    deck = [*PLACES, AT_RANDOM, AT_RANDOM, AT_RANDOM]
    chance.shuffle(deck)
    protocol = ("consumer", "classic")[seed % 2]
    return Campaign(seed, protocol, tuple(_round(place, seed, chance) for place in deck))


def _round(place: str, seed: int, chance: random.Random) -> Round:
    moments = PLACES.get(place, ())
    # Both moments of a place have their turn with either protocol.
    moment = moments[seed // 2 % len(moments)] if moments else None
    many = 1 if moment is not None else chance.choice([1, 1, 1, 2, 2, 3])
    return Round(
        place=place,
        moment=moment,
        passes=chance.randint(1, PASSES_MAX[moment]) if moment is not None else 0,
        victims=tuple(chance.sample(range(CREW), many)),
        after_s=chance.uniform(0.0, 2.0),
        returns_after_s=chance.choice([0.0, 0.0, chance.uniform(0.0, 4.0)]),
        keeps_name=chance.random() < 0.7,
    )


@dataclass
class Tally:
    """What campaigns have seen."""

    rounds: int = 0
    places: Counter[str] = field(default_factory=Counter)
    moments: Counter[Moment] = field(default_factory=Counter)
    kills: int = 0
    alerts: int = 0
    alerts_least: int = 0
    """In one round."""

    def add(self, told: Round, alerts: int) -> None:
        """A round is over."""
        self.rounds += 1
        self.places[told.place] += 1
        self.alerts += alerts
        self.alerts_least = min(alerts, self.alerts_least or alerts)

    def lines(self) -> list[str]:
        """In words."""
        return [
            f"{self.rounds} rounds, {self.kills} workers killed",
            f"{self.alerts} changes of alerts at stake, at least {self.alerts_least} in a round",
            *(f"{place}: {self.places[place]}" for place in (*PLACES, AT_RANDOM)),
        ]


class Storm:
    """A campaign as it runs."""

    def __init__(
        self,
        campaign: Campaign,
        bootstrap: str,
        name: str,
        folder: Path,
        settings: Mapping[str, str] = {},
    ) -> None:
        self._campaign = campaign
        self._world = storm_world(bootstrap, name)
        self._load = Load(self._world, folder / "clock", campaign.seed)
        chosen = {"SLIPWATCH_ENGINE__GROUP_PROTOCOL": campaign.group_protocol, **settings}
        self._crew = Crew(self._world, folder, self._load.clock_path, chosen)
        self._names = 0
        self._due: list[tuple[float, str]] = []
        """Who is to be started, and when."""
        self._dead: list[WorkerProcess] = []
        """Who died in this round."""
        self.took = ""
        """How long the parts of it took, in words."""

    def run(self, tally: Tally) -> Verdict:
        """All rounds and the oracle's verdict. Raises AssertionError with seed and round."""
        began = time.monotonic()
        with self._crew as crew:
            crew.start(*(self._name() for _ in range(CREW)))
            self._load.warm_up()
            self._settle("the first days")
            alerts = Tail(self._world, "alerts")
            alerts.new()
            ready = time.monotonic()
            for number, told in enumerate(self._campaign.rounds):
                what = f"seed {self._campaign.seed}, round {number}, {told}"
                try:
                    tally.add(told, self._round(told, alerts))
                except AssertionError as error:
                    raise AssertionError(f"{what}: {error}") from error
                tally.kills += len(self._dead)
                tally.moments.update(each.died_at for each in self._dead if each.died_at)
            alerts.close()
            self._settle("everything")
            crew.stop()
        over = time.monotonic()
        verdict = judge(self._world)
        self.took = (
            f"first days {ready - began:.0f} s, rounds {over - ready:.0f} s, "
            f"oracle {time.monotonic() - over:.0f} s"
        )
        return verdict

    def _name(self) -> str:
        self._names += 1
        return f"worker-{self._names}"

    def _settle(self, what: str) -> None:
        self._load.settle(self._crew, f"seed {self._campaign.seed}: {what}", ROUND_SECONDS)

    def _round(self, told: Round, alerts: Tail) -> int:
        """Runs one; how many alerts were opened or changed in it."""
        began = time.monotonic()
        self._dead = []
        beats, beaten_at, struck = 0, 0.0, False
        changed: set[bytes | None] = set()
        while True:
            now = time.monotonic()
            assert now - began < ROUND_SECONDS, f"it does not end: {self._load.standing()}"
            self._replace(told, now)
            is_over = struck and self._is_dead(told) and not self._due
            if not struck and now - began >= told.after_s:
                self._strike(told)
                struck = True
            if beats < BEATS:
                if now - beaten_at >= BEAT_SECONDS:
                    self._load.beat()
                    beats, beaten_at = beats + 1, now
            elif self._load.is_settled():
                changed.update(record.key() for record in alerts.new())
                if is_over and len(changed) >= ALERTS_MIN:
                    return len(changed)
                assert beats < BEATS_MAX, f"{len(changed)} alerts; {self._load.standing()}"
                self._load.beat()
                beats += 1
            time.sleep(0.02)

    def _strike(self, told: Round) -> None:
        """Kills from outside, or lights the fuses."""
        crew = list(self._crew)
        victims = [crew[index] for index in told.victims]
        match told.moment:
            case None | Moment.RESTORING | Moment.ASSIGNED:
                for victim in victims:
                    victim.kill()
            case Moment.REVOKED:
                # With the newer protocol it is not known beforehand who has to give up something.
                others = [each for each in crew if each not in victims]
                is_eager = self._campaign.group_protocol == "classic"
                for other in others[:1] if is_eager else others:
                    other.fuse.arm(told.moment, told.passes)
                victims[0].kill()
            case Moment.TICK_UNCOMMITTED | Moment.TICK_WRITTEN:
                for each in crew:
                    each.fuse.arm(told.moment, told.passes)
            case moment:
                victims[0].fuse.arm(moment, told.passes)

    def _is_dead(self, told: Round) -> bool:
        if told.moment is None:
            return len(self._dead) >= len(told.victims)
        return any(each.died_at is told.moment for each in self._dead)

    def _replace(self, told: Round, now: float) -> None:
        """Takes out the dead, and starts others in their place when it is time."""
        for dead in self._crew.bury():
            name = dead.name if told.keeps_name else self._name()
            fuse = self._crew.fuse(name)
            if told.moment in JOINING and not self._dead:
                assert told.moment is not None
                fuse.arm(told.moment, told.passes)
            self._dead.append(dead)
            self._due.append((now + told.returns_after_s, name))
        if self._is_dead(told):
            for each in self._crew:
                each.fuse.disarm()
        for due in [each for each in self._due if each[0] <= now]:
            self._due.remove(due)
            self._crew.start(due[1])
