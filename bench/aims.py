"""What the figures are held against. An aim that is missed is reported, by how much, not hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.benchmark import Figure


@dataclass(frozen=True)
class Aim:
    """The median of a figure, or its ratio to another one, is to be in these bounds."""

    benchmark: str
    says: str
    figure: str
    beside: str = ""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Outcome:
    """What was measured of an aim."""

    aim: Aim
    value: float

    @property
    def is_met(self) -> bool:
        """Whether it lies in the bounds."""
        least, most = self.aim.at_least, self.aim.at_most
        return (least is None or self.value >= least) and (most is None or self.value <= most)

    @property
    def missed_by(self) -> float:
        """How many times better it would have to be; 1 or less when the aim is met."""
        if self.aim.at_least is not None:
            return self.aim.at_least / self.value
        assert self.aim.at_most is not None, "an aim has a bound"
        return self.value / self.aim.at_most


def _same(says: str, figure: str, beside: str) -> Aim:
    return Aim("scaling", f"CPU a fact, {says}", figure, beside, at_most=1.15, unit="x")


AIMS: tuple[Aim, ...] = (
    Aim("slipjoin", "facts a second as deployed, from a backlog", "slipwatch: rate",
        at_least=100_000, unit="facts/s"),
    Aim("slipjoin", "facts per CPU second, beside Kafka Streams cold",
        "Kafka Streams, cold JVM: CPU", "slipwatch: CPU", at_least=1.5, unit="x"),
    Aim("slipjoin", "facts per CPU second, beside Kafka Streams warm",
        "Kafka Streams, warm JVM: CPU", "slipwatch: CPU", at_least=1 / 1.2, unit="x"),
    Aim("slipjoin", "facts per CPU second, beside quixstreams",
        "quixstreams: CPU", "slipwatch: CPU", at_least=5, unit="x"),
    Aim("slipjoin", "facts per CPU second, beside stock Faust",
        "stock Faust: CPU", "slipwatch: CPU", at_least=25, unit="x"),
    Aim("slipjoin", "facts per CPU second, beside the bare loop",
        "bare loop: CPU", "slipwatch: CPU", at_least=0.4, unit="x"),
    Aim("pipeline", "simulated facts that can be generated", "generator: rate",
        at_least=50_000, unit="facts/s"),
    Aim("pipeline", "facts a second, six stages, all rules, one worker", "six stages: rate",
        at_least=40_000, unit="facts/s"),
    _same("100 k open lines beside 10 k", "100 k lines: CPU", "10 k lines: CPU"),
    _same("1 M open lines beside 10 k", "1 M lines: CPU", "10 k lines: CPU"),
    _same("2 workers beside 1", "2 workers: CPU", "1 worker: CPU"),
    _same("4 workers beside 1", "4 workers: CPU", "1 worker: CPU"),
    _same("1 giant cell beside 500", "1 cell: CPU", "500 cells: CPU"),
    Aim("latency", "tick to alert, p95, at 5,000 facts/s", "5,000/s: tick to alert p95",
        at_most=200, unit="ms"),
    Aim("restore", "1 M open lines from the changelogs", "1 M lines: restoring",
        at_most=15, unit="s"),
    Aim("restore", "ticks stand still at a clean hand-over, with a standby",
        "standby: clean leave: ticks stand still", at_most=2, unit="s"),
    Aim("memory", "memory of an open line", "an open line", at_most=1_024, unit="B"),
    Aim("ticks", "CPU of an idle tick, 1 M deadlines pending beside none",
        "1 M pending: CPU of a tick", "nothing pending: CPU of a tick", at_most=1.15, unit="x"),
    Aim("ticks", "100 k due at once: longest gap between two signs of progress",
        "100 k due: longest gap", at_most=2, unit="s"),
)  # fmt: skip
"""In the order in which they are told. Those of figures that were not measured are left out."""


def outcomes(results: Mapping[str, Sequence[Figure]]) -> list[Outcome]:
    """What was measured of each aim."""
    found = []
    for aim in AIMS:
        figures = {figure.name: figure for figure in results.get(aim.benchmark, ())}
        figure = figures.get(aim.figure)
        if figure is None or (aim.beside and aim.beside not in figures):
            continue
        value = figure.ratio_to(figures[aim.beside]) if aim.beside else figure.median
        found.append(Outcome(aim, value))
    return found
