"""What a benchmark is, what it is given, and what it answers with."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.ground import Ground

ROOT = Path(__file__).resolve().parents[1]
BUILD_DIRECTORY = ROOT / ".build" / "bench"


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once in each repetition.

    `beside` names the figure of the same benchmark that it is to be compared with: repetition by
    repetition, so that a machine that is busy for a while slows both.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    beside: str = ""

    @property
    def median(self) -> float:
        """The median of the repetitions."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The smallest of the repetitions."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest of the repetitions."""
        return max(self.values)

    def ratio_to(self, other: Figure) -> float:
        """The median of this figure over the other, repetition by repetition."""
        pairs = zip(self.values, other.values, strict=True)
        return statistics.median(mine / theirs for mine, theirs in pairs)


@dataclass
class Tally:
    """Collects figures over repetitions, in the order in which they are first met."""

    _values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def add(self, name: str, unit: str, value: float, beside: str = "") -> None:
        """One more repetition of a figure."""
        self._values.setdefault((name, unit, beside), []).append(value)

    def figures(self) -> list[Figure]:
        """All figures so far."""
        return [
            Figure(name, unit, tuple(values), beside)
            for (name, unit, beside), values in self._values.items()
        ]


@dataclass
class Run:
    """One call of `python -m bench`. `short` asks for the smallest size that proves it works.

    `grown` keeps, by their number, the open lines that several benchmarks use (`bench.grown`);
    `results` what was measured so far, by benchmark.
    """

    short: bool
    repeat: int
    ground: Ground
    folder: Path
    grown: dict[int, object] = field(default_factory=dict)
    results: dict[str, Sequence[Figure]] = field(default_factory=dict)
    began_s: float = field(default_factory=time.monotonic)

    def size(self, usual: int, short: int) -> int:
        """The one that was asked for."""
        return short if self.short else usual

    def say(self, text: str) -> None:
        """Progress, for whoever waits."""
        sys.stderr.write(f"{time.monotonic() - self.began_s:7.1f} s  {text}\n")
        sys.stderr.flush()


class Measure(Protocol):
    """Measures everything `run.repeat` times. Raises whatever goes wrong; no figure is guessed."""

    def __call__(self, run: Run, /) -> Sequence[Figure]: ...


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: the name by which it is called, what it measures, and how.

    `lacks` says, without starting anything, what is missing here to run it; "" when nothing is.
    """

    name: str
    says: str
    measure: Measure
    lacks: Callable[[], str] = lambda: ""
