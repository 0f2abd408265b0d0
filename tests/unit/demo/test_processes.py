from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from streams.demo.processes import Child, DemoFailed, _environment, uninterrupted
from streams.exits import Exit


def wait_for_address(child: Child) -> None:
    """Returns when the process has said where it listens."""
    while child.address(time.monotonic() + 60) is None:
        time.sleep(0.02)


def interrupt(reached: list[bool]) -> None:
    """Ctrl-C in a moment that is held back, with something behind it."""
    with uninterrupted():
        os.kill(os.getpid(), signal.SIGINT)
        reached.append(True)


def test_a_process_that_ends_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child("worker", ("no-such-command",), tmp_path / "worker.log", Exit.ENGINE)
    try:
        with pytest.raises(DemoFailed, match="No such command") as failed:
            wait_for_address(child)
    finally:
        child.wait()
    assert failed.value.code is Exit.ENGINE
    assert str(failed.value).startswith("the worker ended with code 2, so the demo ends.")


def test_settings_in_the_environment_do_not_reach_the_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS", "example.org:1")
    monkeypatch.setenv("ANOTHER", "stays")
    given = _environment()
    assert "example.org:1" not in given.values()
    assert given["ANOTHER"] == "stays"


def test_an_interrupt_waits_until_what_was_started_is_remembered() -> None:
    reached: list[bool] = []
    # Where the tests run in the background of a shell, interrupts are ignored from the beginning.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupt(reached)
        assert reached == [True]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
