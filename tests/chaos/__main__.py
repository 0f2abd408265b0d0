"""Everything that can go wrong, one after the other, and one summary: `python -m tests.chaos`.

`make chaos` is this. Every part runs to its end, whatever became of the one before; the summary
says of each how long it took, what it met (rounds, hits, seeds) and whether it held, and is left in
.build/chaos/summary.txt. `--only kills` runs one part.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build" / "chaos"
LINES_MAX = 60
"""Lines of another command that stand in the summary."""


@dataclass(frozen=True)
class Part:
    """A part: tests with what makes them long, or another command that ends with 0 when it held."""

    name: str
    says: str
    tests: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


PARTS = (
    Part(
        "schedules", "schedules of all that can go wrong with workers, in simulation",
        ("tests/simulation/test_schedules.py",), {"SLIPWATCH_SCHEDULES": "10000"},
    ),
    Part(
        "kills", "rounds of kill -9 over three workers under load",
        ("tests/chaos/test_kills.py",), {"SLIPWATCH_KILLS": "100"},
    ),
    Part(
        "storms", "storms of workers, brokers, networks and clocks, upgrades and refusals",
        (
            "tests/chaos", "--ignore=tests/chaos/test_kills.py",
            "tests/kafka/test_refusals.py", "tests/kafka/test_clocks.py",
        ),
        {"SLIPWATCH_STORMS": "long"},
    ),
    Part(
        "fuzz", "bad input through every door, guided by coverage",
        command=("make", "--silent", "fuzz"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """What became of a part."""

    part: Part
    code: int
    seconds: float
    lines: tuple[str, ...]

    def told(self) -> list[str]:
        """For the summary."""
        outcome = "held" if self.code == 0 else f"FAILED, code {self.code}"
        head = f"{self.part.name}: {outcome}, {self.seconds / 60:.1f} minutes ({self.part.says})"
        return [head, *(f"    {line}" for line in self.lines)]


def run(part: Part) -> Held:
    """Runs it in a process of its own, in sight."""
    report = BUILD / f"{part.name}.xml"
    report.unlink(missing_ok=True)
    command = list(part.command)
    if part.tests:
        # The older family of reports is the one that holds what tests have met.
        told = ["-o", "junit_family=xunit1", f"--junit-xml={report}"]
        command = [sys.executable, "-m", "pytest", *part.tests, *told]
    # A variable that is set already goes first: a shorter run, or another seed.
    environment = {"SLIPWATCH_TEST_KAFKA": "required", **part.variables, **os.environ}
    began = time.monotonic()
    if part.tests:
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        return Held(part, code, time.monotonic() - began, met(report))
    code, lines = _said(command, environment)
    return Held(part, code, time.monotonic() - began, lines)


def _said(command: list[str], environment: Mapping[str, str]) -> tuple[int, tuple[str, ...]]:
    """Runs a command that is no test; its exit code, and what it said, which is its summary."""
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line.rstrip())
    return process.returncode, tuple(lines[-LINES_MAX:])


def met(report: Path) -> tuple[str, ...]:
    """What the tests of a part say that they met, and which of them failed or were skipped."""
    if not report.is_file():
        return ("no report: it ended before its tests did",)
    cases = list(ET.parse(report).iter("testcase"))
    failed = [case.get("name", "") for case in cases if case.find("failure") is not None]
    broken = [case.get("name", "") for case in cases if case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    lines = [f"{len(cases)} tests, {len(failed) + len(broken)} failed, {skipped} skipped"]
    lines += [f"failed: {name}" for name in (*failed, *broken)]
    for case in cases:
        for each in case.iter("property"):
            lines.append(f"{each.get('name')}: {each.get('value')}")
    return tuple(lines)


def main(arguments: list[str]) -> int:
    """0 when every part held."""
    parser = argparse.ArgumentParser(description="Everything that can go wrong, and one summary.")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", action="append", choices=names, help="may be given again")
    only = parser.parse_args(arguments).only or names
    BUILD.mkdir(parents=True, exist_ok=True)
    all_held = [run(part) for part in PARTS if part.name in only]
    summary = "\n".join(line for held in all_held for line in held.told()) + "\n"
    (BUILD / "summary.txt").write_text(summary)
    sys.stdout.write(f"\n{summary}")
    return int(any(held.code for held in all_held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
