"""What there is to see at one moment of a demo, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from schemas.records import Alert
from schemas.units import UtcMillis
from streams.demo.board import Board
from streams.demo.options import DemoOptions


@dataclass(frozen=True)
class Scene:
    """One moment. `news` are alerts that opened, reopened or were resolved since the last one.

    `clock_seconds` counts on from moment to moment, `elapsed_seconds` since time began to move.
    `is_past`: the worker is still reading what was said before it was switched on.
    """

    options: DemoOptions
    board: Board
    news: tuple[Alert, ...]
    now: UtcMillis
    clock_seconds: float
    elapsed_seconds: float
    facts: int
    facts_per_second: int
    ticks_per_second: float
    speed: float
    """Simulated seconds a second, of late."""
    view_address: str
    is_past: bool = False
    note: str = ""


class Display(Protocol):
    """Somebody who shows a demo while it runs."""

    def prepare(self, what: str) -> None:
        """Says what is being started."""
        ...

    def show(self, scene: Scene) -> None:
        """Shows a moment; called a few times a second."""
        ...

    def close(self) -> None:
        """Shows nothing more; called once, whatever happened."""
        ...


class Nothing:
    """Shows nothing."""

    def prepare(self, what: str) -> None:
        """Nothing."""

    def show(self, scene: Scene) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
