"""The load of a storm: simulator facts, in beats, and the clock that all workers read.

A beat is some hours of simulated time: everything that is sent in them goes to the broker, and
only then does the clock move on. All of it follows from the seed and the number of beats.
"""

from __future__ import annotations

from pathlib import Path

from schemas.ticks import WORKER_STAGE
from schemas.units import HOUR_MS, MINUTE_MS, UtcMillis, millis
from streams.engine.clock import FileClock
from streams.engine.flow import LAST_STAGE
from streams.engine.log import Partition
from streams.simulator.faults import Rates
from streams.simulator.simulation import Simulation, SimulationOptions
from tests.chaos.crew import Crew
from tests.worlds import PARTITIONS, KafkaWorld, until

BEGIN: UtcMillis = 1_767_571_200_000 + 7 * MINUTE_MS
"""2026-01-05T00:07:00Z. Deadlines lie on full hours: none is passed while the clock stands."""
BEAT_MS = 6 * HOUR_MS
FAULTS = Rates(
    order_fault_permille=900,
    congestion_percent_a_day=5,
    outage_percent_a_day=5,
    money_fault_permille=1000,
    count_error_permille=200,
    shortage_percent_a_day=50,
    answer_fault_permille=500,
)
QUIET_DAYS = 8
"""Before that there is little to alarm anybody: the first days are one large backlog. After that
four to ten beats open or change 100 alerts, in one to four thousand facts of all families."""
SETTLE_SECONDS = 90.0


class Load:
    """Sends facts and moves the clock; `at` is the moment of the last beat."""

    def __init__(
        self,
        world: KafkaWorld,
        clock_path: Path,
        seed: int,
        *,
        orders_per_day: float = 40.0,
        copies: int = 2,
    ) -> None:
        self._world = world
        self._simulation = Simulation(
            SimulationOptions(seed, BEGIN, orders_per_day, FAULTS, copies=copies)
        )
        self._last = [Partition(LAST_STAGE[1], number) for number in range(PARTITIONS)]
        self.at: UtcMillis = BEGIN
        self.facts = 0
        self.clock_path = clock_path
        self._clock = FileClock.create(clock_path, BEGIN)

    def beat(self, beats: int = 1) -> None:
        """Sends the facts of so many beats at once, then moves the clock."""
        self.at += beats * BEAT_MS
        facts = [each.fact for each in self._simulation.advance(self.at)]
        self._world.send(facts)
        self.facts += len(facts)
        self._clock.set(self.at)

    def warm_up(self) -> None:
        """The quiet first days, as one backlog."""
        self.beat(QUIET_DAYS * 24 * HOUR_MS // BEAT_MS)

    def is_settled(self) -> bool:
        """The last stage has done a complete tick at or after the last beat, everywhere, and
        nothing is on its way to a line: ticks that follow have nothing to say."""
        control = self._world.control()
        control.poll()
        tick = control.tick
        return (
            tick is not None
            and millis(tick.at) >= self.at
            and tick.complete
            and control.done(LAST_STAGE[0], self._last) >= tick.n
            and control.pending(tick.n) == 0
        )

    def settle(self, crew: Crew, what: str = "the storm", seconds: float = SETTLE_SECONDS) -> None:
        """Waits until everything that was sent is done everywhere."""

        def is_done() -> bool:
            for each in crew:
                assert each.exit_code is None, (
                    f"{each.name} ended with {each.exit_code} while {what} settled:\n"
                    f"{each.last_words}"
                )
            return self.is_settled()

        try:
            until(is_done, f"{what} settles", seconds)
        except AssertionError as error:
            told = "\n".join(f"== {each.name}\n{each.output()[-1_500:]}" for each in crew)
            raise AssertionError(f"{error}\n{self.standing()}\n{told}") from error

    def standing(self) -> str:
        """Where time stands, and which partitions hold it up."""
        control = self._world.control()
        control.poll()
        tick = control.tick
        if tick is None:
            return "there is no tick"
        behind = [
            f"{key} at {each.tick}" + (f" (within {each.within})" if each.within else "")
            for key, each in sorted(control.progress.items())
            if each.stage != WORKER_STAGE and each.tick < tick.n
        ]
        return (
            f"tick {tick.n} by {tick.ticker}, {millis(tick.at) - self.at} ms past the last beat, "
            f"complete {tick.complete}, pending {control.pending(tick.n)}; "
            f"behind: {', '.join(behind) or 'nobody'}"
        )
