"""The demo from its start to its end: one loop that feeds, reads, watches and shows."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from schemas.units import UtcMillis
from streams.broker.embedded import EmbeddedBroker
from streams.demo.board import Board
from streams.demo.feeding import Feeder
from streams.demo.following import Follower
from streams.demo.options import CHAIN_BEGAN_AT, HISTORY_MS, TICK_MS, DemoOptions
from streams.demo.processes import SIGNALS, START_SECONDS_MAX, Child, uninterrupted
from streams.demo.publishing import publish_network, publish_policy
from streams.demo.scene import Display, Scene
from streams.demo.words import days
from streams.engine.clock import FileClock
from streams.exits import Exit
from streams.settings import KafkaSettings, Settings, TopicSettings
from streams.simulator.simulation import Simulation, SimulationOptions

CLOCK_FILE = "clock"
STEP_SECONDS = 0.05
LINGER_SECONDS = 0.5
SHOW_SECONDS = 0.25
RATE_SECONDS = 3.0
PAST_TICKS = 3
"""Ticks after which what was told has reached its lines: no number points further."""

SETTLE_SECONDS_MAX = 15.0
"""How long the end may take: until the last tick is done and everything decided is delivered."""


class _Mark(NamedTuple):
    """How far things were at a moment, to tell how fast they go."""

    seconds: float
    facts: int
    ticks: int
    at: UtcMillis


@dataclass(frozen=True)
class Place:
    """Where the parts of a running demo are, for whoever wants to ask them."""

    folder: Path
    bootstrap: str
    view_address: str
    worker_address: str


class Demonstration:
    """Everything that a demo starts. As a context manager it leaves nothing behind, whatever ends
    it; a signal that asks it to end raises KeyboardInterrupt. Enter it on the main thread.

    `start`, then `run`, then perhaps `linger`; each raises DemoFailed when a process has ended.
    """

    def __init__(self, options: DemoOptions, display: Display) -> None:
        self.options = options
        self.board = Board()
        self.simulation = Simulation(SimulationOptions(options.seed, CHAIN_BEGAN_AT))
        self.started_seconds = 0.0
        self.ran_seconds = 0.0
        self.past_facts = 0
        self.past_ticks = 0
        self.past_seconds = 0.0
        self.first_alert_seconds: float | None = None
        self.place: Place | None = None
        self._display = display
        self._begun = time.monotonic()
        self._stack = ExitStack()
        self._children: list[Child] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._is_interrupted = False
        self._rates: deque[_Mark] = deque()
        self._shown = 0.0

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def _interrupt(self, *_: object) -> None:
        self._is_interrupted = True
        raise KeyboardInterrupt

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        try:
            # A second Ctrl-C must not stop the stopping, which takes seconds at most.
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        finally:
            self._stack.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._is_interrupted and not isinstance(error, KeyboardInterrupt):
            # The Kafka client turns what is raised while it works into a SystemError.
            raise KeyboardInterrupt from error

    def start(self) -> None:
        """Starts broker, worker and view, publishes network and policy, tells the past, and waits
        until it is dealt with."""
        stack = self._stack
        self._display.prepare("Starting a broker, a worker and a view on this machine")
        with uninterrupted():
            made = tempfile.TemporaryDirectory(prefix="slipwatch-demo-")
            folder = Path(stack.enter_context(made))
            broker = stack.enter_context(EmbeddedBroker(TopicSettings()))
        clock = FileClock.create(folder / CLOCK_FILE, self.options.began_at)
        stack.callback(clock.close)
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap))
        configuration = _write_configuration(folder, settings)
        self._follower = Follower(settings, self.board)
        stack.callback(self._follower.close)
        stack.callback(self._stop_children)
        named = ("--name", "demo", "--clock-file", str(folder / CLOCK_FILE))
        publish_network(settings, self.simulation.network)
        publish_policy(settings, is_on=False)
        worker = self._child("worker", configuration, Exit.ENGINE, *named)
        self._feeder = Feeder(settings, self.simulation, clock)
        self._feeder.tell_past()
        self.past_facts = self._feeder.sent
        view = self._child("view", configuration, Exit.VIEW)
        worker_address = self._address(worker)
        self._catch_up(settings, worker)
        self.place = Place(folder, broker.bootstrap, self._address(view), worker_address)
        self.started_seconds = time.monotonic() - self._begun

    def run(self) -> None:
        """Lets simulated time pass for the seconds that were asked for, then waits until all that
        was told is judged and everybody who is to hear of it has."""
        self._rates.clear()
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < self.options.seconds:
            self._step(elapsed, self.options.speed)
            self._show(elapsed)
        self.ran_seconds = elapsed
        ends_at = time.monotonic() + SETTLE_SECONDS_MAX
        while not self._is_settled() and time.monotonic() < ends_at:
            self._look()
            self._show(elapsed, "Time stands still; waiting for the last notifications")

    def linger(self) -> None:
        """Goes on at the pace of the clock on the wall, until interrupted."""
        start = time.monotonic()
        while True:
            self._step(time.monotonic() - start, 1.0, LINGER_SECONDS)
            self.board.news_since()

    def _catch_up(self, settings: Settings, worker: Child) -> None:
        """Waits until the worker has taken in the past, and only then switches the rules on.

        A number that points at another number takes a tick a step to reach its lines; rules that
        rest on absence would take what is still on its way for missing.
        """
        start = time.monotonic()
        self._wait_for(worker, self.past_facts, f"Reading the past {days(HISTORY_MS)}")
        publish_policy(settings, is_on=True)
        self._wait_for(worker, self.past_facts, f"Judging the past {days(HISTORY_MS)}")
        self.past_ticks = self.board.done
        self.past_seconds = time.monotonic() - start

    def _wait_for(self, worker: Child, facts: int, note: str) -> None:
        """Returns when so many facts are taken, and a few ticks more are done."""
        ends_at = time.monotonic() + START_SECONDS_MAX
        board, done = self.board, None
        while done is None or board.done < done + PAST_TICKS:
            if done is None and board.taken >= facts:
                done = board.done
            if time.monotonic() > ends_at:
                raise worker.failure("did not take in the past in time")
            self._look()
            self._show(0.0, note, is_past=True)

    def _step(self, elapsed: float, speed: float, wait_seconds: float = STEP_SECONDS) -> None:
        self._feeder.step(elapsed, speed, self.board.done_at)
        self._look(wait_seconds)

    def _look(self, wait_seconds: float = STEP_SECONDS) -> None:
        """Takes in what is new on the topics, and looks after the processes."""
        if self._is_interrupted:
            # It was raised where the Kafka client works, which may swallow it.
            raise KeyboardInterrupt
        self._follower.poll(wait_seconds)
        for child in self._children:
            child.check()
        seconds = time.monotonic() - self._begun
        if self.first_alert_seconds is None and self.board.alerts:
            self.first_alert_seconds = seconds

    def _is_settled(self) -> bool:
        board = self.board
        return board.done_at >= self._feeder.now and board.delivered == len(board.notified)

    def _show(self, elapsed: float, note: str = "", *, is_past: bool = False) -> None:
        seconds = time.monotonic()
        if seconds - self._shown < SHOW_SECONDS:
            return
        self._shown = seconds
        board, now = self.board, self._feeder.now
        self._rates.append(_Mark(seconds, board.taken, board.done, now))
        while len(self._rates) > 2 and seconds - self._rates[0].seconds > RATE_SECONDS:
            self._rates.popleft()
        then = self._rates[0]
        passed = max(seconds - then.seconds, 0.001)
        scene = Scene(
            options=self.options,
            board=board,
            news=tuple(board.news_since()),
            now=now,
            clock_seconds=seconds,
            elapsed_seconds=elapsed,
            facts=board.taken,
            facts_per_second=round((board.taken - then.facts) / passed),
            ticks_per_second=(board.done - then.ticks) / passed,
            speed=(now - then.at) / passed / 1_000,
            view_address=self.place.view_address if self.place else "",
            is_past=is_past,
            note=note,
        )
        self._display.show(scene)

    def _child(self, name: str, configuration: Path, code: Exit, *arguments: str) -> Child:
        log = configuration.parent / f"{name}.log"
        with uninterrupted():
            child = Child(name, ("--config", str(configuration), name, *arguments), log, code)
            self._children.append(child)
        return child

    def _stop_children(self) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            child.wait()

    def _address(self, child: Child) -> str:
        ends_at = time.monotonic() + START_SECONDS_MAX
        while (address := child.address(ends_at)) is None:
            self._follower.poll(STEP_SECONDS)
        return address


def _write_configuration(folder: Path, settings: Settings) -> Path:
    """The configuration of worker and view: free ports, and all files in the demo's folder."""
    path = folder / "slipwatch.toml"
    text = f"""\
[kafka]
bootstrap_servers = {_quoted(settings.kafka.bootstrap_servers)}
[engine]
tick_ms = {TICK_MS}
[web]
port = 0
[view]
port = 0
database = {_quoted(f"sqlite:///{folder}/view.db")}
"""
    path.write_text(text, encoding="utf-8")
    return path


def _quoted(text: str) -> str:
    """The text in TOML: what JSON writes is a basic string there too."""
    return json.dumps(text)
