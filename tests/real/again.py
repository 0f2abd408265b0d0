"""A replay once more, in a process of its own with another hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

from schemas.units import UtcMillis
from streams.replay.inputs import mapped_rows
from streams.replay.mapping_file import load_mapping
from streams.replay.runner import ReplayOptions, run_replay

ROOT = Path(__file__).parents[2]
HASH_SEED = "4711"


def digest_again(
    mapping: Path, data: Path, *, rows: int | None = None, until: UtcMillis | None = None
) -> str:
    """The digest of the replay: of all, of so many rows, or up to that moment."""
    limits = ["" if limit is None else str(limit) for limit in (rows, until)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.real.again", str(mapping), str(data), *limits],
        env={**os.environ, "PYTHONHASHSEED": HASH_SEED},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _print_digest(mapping: str, data: str, rows: str, until: str) -> None:
    told = mapped_rows(load_mapping(Path(mapping)), [Path(data)])
    options = ReplayOptions(until=int(until) if until else None)
    print(run_replay(islice(told, int(rows) if rows else None), options).summary.digest)  # noqa: T201


if __name__ == "__main__":
    _print_digest(*sys.argv[1:])
