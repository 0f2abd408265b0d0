"""The demo as people run it: the real command, with everything that it starts."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.exits import Exit

PATIENCE_SECONDS = 90.0


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, with its temporary files in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "streams.cli", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder), "SLIPWATCH_VIEW__PORT": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that name the folder: the demo's worker and view do."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(str(folder) in word for word in words):
            found.append(" ".join(words))
    return found


def wait_for_line(process: subprocess.Popen[str], pattern: str) -> str:
    """The first line of output that fits."""
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(pattern, line):
            return line
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def told(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a process that ends by itself."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a short demo leaves behind: its report, and nothing else."""
    folder = tmp_path_factory.mktemp("demo")
    with started(folder, "--seconds", "12", "--json") as process:
        code, out, err = told(process)
    assert (code, err) == (Exit.OK, "")
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []
    decoded: dict[str, Any] = json.loads(out)
    return decoded


def test_faults_are_caught_in_time(report: dict[str, Any]) -> None:
    faults = report["faults"]
    assert faults["due"] >= 5
    assert faults["caught"] >= 0.8 * faults["due"]
    assert faults["caught"] + faults["late"] + faults["missed"] == faults["due"]
    assert faults["early_hours_median"] > 0


def test_hardly_an_alarm_is_false_without_a_reason_in_the_facts(report: dict[str, Any]) -> None:
    groups = report["faults"]["false_alarms_by_reason"]
    baseless = [each for each in groups if each["reason"] == "no reason in the facts"]
    assert sum(each["alerts"] for each in baseless) <= 2, baseless


def test_facts_become_alerts_and_alerts_notifications_with_receipts(
    report: dict[str, Any],
) -> None:
    flow, alerts, sent = report["flow"], report["alerts"], report["notifications"]
    assert flow["facts"] > flow["past"] > 1_000
    assert flow["ticks"] > 10
    assert alerts["raised"] == alerts["open"] + alerts["resolved"]
    assert alerts["open"] > 0
    assert alerts["resolved"] > 0
    assert sent["decided"] == sent["delivered"] > 0
    assert {"operations", "am-europe"} <= sent["by_recipient"].keys()
    assert report["parked_keys"] == 0
    answers = report["answers"]
    assert answers["lines"] > 10
    assert report["dead_letters"] == answers["refused"]


def test_ctrl_c_ends_everything_that_was_started(tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "300") as process:
        wait_for_line(process, "alerts? open from the past")
        assert len(processes_of(tmp_path)) == 2
        process.send_signal(signal.SIGINT)
        code, _, err = told(process)
    assert code == Exit.INTERRUPTED, err
    assert "Traceback" not in err
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_ctrl_c_while_it_starts_ends_it_too(tmp_path: Path, seconds: float) -> None:
    with started(tmp_path, "--seconds", "300") as process:
        wait_for_line(process, "Starting")
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        code, _, err = told(process)
    assert code == Exit.INTERRUPTED
    assert "Traceback" not in err
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_dies_ends_the_demo_with_its_name(tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "300") as process:
        wait_for_line(process, "alerts? open from the past")
        worker = next(
            int(entry.parent.name)
            for entry in Path("/proc").glob("[0-9]*/cmdline")
            if str(tmp_path).encode() in (line := entry.read_bytes()) and b"\0worker\0" in line
        )
        os.kill(worker, signal.SIGKILL)
        code, _, err = told(process)
    assert code == Exit.ENGINE
    assert "the worker was ended by signal 9" in err
    assert "Traceback" not in err
    assert processes_of(tmp_path) == []


def test_kept_running_it_answers_the_command_line(tmp_path: Path) -> None:
    with started(tmp_path, "--seconds", "1", "--keep") as process:
        address = wait_for_line(process, "SLIPWATCH_VIEW_URL").strip().partition("=")[2]

        def asked(*arguments: str) -> dict[str, Any]:
            done = subprocess.run(
                [sys.executable, "-m", "streams.cli", *arguments, "--json"],
                env={**os.environ, "SLIPWATCH_VIEW_URL": address},
                capture_output=True,
                check=True,
                text=True,
            )
            answer: dict[str, Any] = json.loads(done.stdout)
            return answer

        alerts = asked("alerts", "list")["alerts"]
        stock = asked("stock", "list")["stock"]
        process.send_signal(signal.SIGTERM)
        code, _, _ = told(process)
    assert alerts
    assert {each["site"] for each in stock} >= {"BRNO", "DC-VENLO", "SHENZHEN"}
    assert all(each["on_hand"] is not None for each in stock)
    assert code == Exit.INTERRUPTED
    assert processes_of(tmp_path) == []
