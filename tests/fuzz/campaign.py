"""Many inputs through every door, guided by coverage: `python -m tests.fuzz.campaign --inputs N`.

`make fuzz` runs it with a million inputs, `make chaos` too. What was learned stays in
`.build/fuzz/corpus`, so that the next run begins where this one ended. A find is made small and
printed with the command that repeats it; the other doors go on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.door import Door
from tests.fuzz.doors import DOORS
from tests.fuzz.repeat import shrunk

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build" / "fuzz"
INPUT_SECONDS_MAX = 60
RSS_MB_MAX = 1_536
ROUND_INPUTS_MAX = 50_000
"""A process is replaced after so many inputs, so that what piles up in it is not ours."""


def main(arguments: list[str]) -> int:
    """0 when every door kept its promises; 1 when one did not."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzz of every door.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="over all doors together")
    parser.add_argument("--door", action="append", help="only this one; may be given again")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="doors at a time")
    parser.add_argument("--python", default=sys.executable, help="one that has atheris")
    given = parser.parse_args(arguments)
    chosen = [door for door in DOORS if not given.door or door.name in given.door]
    weights = sum(door.weight for door in chosen)
    print(f"{'door':14}{'inputs':>10}{'seconds':>9}  accepted, refused, dead letters")
    with ThreadPoolExecutor(given.jobs) as jobs:
        shares = [given.inputs * door.weight // weights for door in chosen]
        ran = list(jobs.map(_through, chosen, shares, [given.python] * len(chosen)))
    entered = sum(count for count, _ in ran)
    broken = sum(is_broken for _, is_broken in ran)
    print(f"{entered:,} inputs; {broken} of {len(chosen)} doors broke a promise")
    return 1 if broken else 0


def _through(door: Door, inputs: int, python: str) -> tuple[int, bool]:
    """How many inputs went through the door, and whether one broke a promise; says so."""
    began = time.monotonic()
    counts, find = _run(door, inputs, python)
    entered = sum(counts.values())
    shares = ", ".join(f"{counts.get(name, 0):,}" for name in _VERDICTS)
    seconds = time.monotonic() - began
    told = f"{door.name:14}{entered:>10,}{seconds:>9.0f}  {shares}"
    print(told if find is None else f"{told}\n{_told(door, find)}", flush=True)
    return entered, find is not None


_VERDICTS = ("accepted", "refused", "dead letter")


def _run(door: Door, inputs: int, python: str) -> tuple[dict[str, int], Path | None]:
    """What became of the inputs, and the file of one that broke a promise."""
    total: dict[str, int] = {}
    left = inputs
    while left > 0:
        round_inputs = min(left, ROUND_INPUTS_MAX)
        counts, find = _round(door, round_inputs, python)
        for verdict, count in counts.items():
            total[verdict] = total.get(verdict, 0) + count
        if find is not None:
            return total, find
        left -= round_inputs
    return total, None


def _round(door: Door, inputs: int, python: str) -> tuple[dict[str, int], Path | None]:
    corpus, found = BUILD / "corpus" / door.name, BUILD / "found"
    counts = BUILD / f"{door.name}.counts"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(door.seeds()):
        (corpus / f"seed-{number:03d}").write_bytes(seed)
    counts.write_text("{}")
    before = set(found.glob(f"{door.name}_*"))
    with (BUILD / f"{door.name}.log").open("wb") as log:
        ended = subprocess.run(
            [
                python, "-m", "tests.fuzz.guided", door.name, str(counts),
                f"-runs={inputs}", f"-timeout={INPUT_SECONDS_MAX}", f"-rss_limit_mb={RSS_MB_MAX}",
                f"-max_len={door.input_bytes_max}", f"-artifact_prefix={found}/{door.name}_",
                "-print_final_stats=1", str(corpus),
            ],
            cwd=ROOT, stdout=log, stderr=log, check=False,
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )  # fmt: skip
    told: dict[str, int] = json.loads(counts.read_text())
    new = sorted(set(found.glob(f"{door.name}_*")) - before)
    if ended.returncode != 0 and not new:
        raise RuntimeError(f"{door.name} ended with {ended.returncode}: see {log.name}")
    return told, new[0] if new else None


def _told(door: Door, find: Path) -> str:
    small = shrunk(door, find.read_bytes())
    path = find.with_name(find.name + ".small")
    path.write_bytes(small)
    return (
        f"  {door.name} broke a promise; an input of {len(small)} bytes does it:\n"
        f"    .venv/bin/python -m tests.fuzz.repeat {door.name} {path.relative_to(ROOT)}"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
