"""One door under atheris: `python -m tests.fuzz.guided DOOR [options of libFuzzer]`.

`campaign` starts it, in the environment that `make fuzz` makes. It ends with another code than 0 at
the first input that breaks a promise, which libFuzzer writes to a file.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["schemas", "topology", "alerts", "streams", "console"]):
    from tests.fuzz.door import Broken, Door, go_through
    from tests.fuzz.doors import door_named
from tests.fuzz.mutations import PLACE_MAX, spoil

SECONDS_MAX = 2.0
SECONDS_A_BYTE_MAX = 0.001
"""CPU seconds for an input and for each of its bytes: instrumented, on a slow machine."""

TOLD_EVERY = 200


class Target:
    """What libFuzzer calls for every input; it counts what became of them."""

    def __init__(self, door: Door, counts: Path) -> None:
        self._door = door
        self._seeds = door.seeds()
        self._counts = counts
        self._told: Counter[str] = Counter()
        for seed in self._seeds:
            go_through(door, seed)

    def enter(self, data: bytes) -> None:
        """One input; raises what the door lets through, or Broken."""
        began = time.process_time()
        outcome = go_through(self._door, data)
        seconds = time.process_time() - began
        if seconds > SECONDS_MAX + SECONDS_A_BYTE_MAX * len(data):
            raise Broken(f"{self._door.name}: {seconds:.1f} s of CPU for {len(data)} bytes")
        self._told[outcome.verdict] += 1
        if self._told.total() % TOLD_EVERY == 0:
            self._counts.write_text(json.dumps(self._told))

    def mutate(self, data: bytes, size_max: int, seed: int) -> bytes:
        """Half of the mutations know what inputs look like, the others are libFuzzer's own."""
        chance = random.Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, size_max))
        if not data or chance.random() < 0.05:
            data = chance.choice(self._seeds)
        ways = [
            (chance.randrange(100), chance.randrange(PLACE_MAX), chance.randrange(1 << 20))
            for _ in range(chance.choice((1, 1, 2, 3, 5)))
        ]
        return spoil(data, ways, self._seeds)[:size_max]


def main(arguments: list[str]) -> None:
    """Runs until libFuzzer ends the process."""
    name, counts, *options = arguments
    target = Target(door_named(name), Path(counts))
    mutate: Any = target.mutate
    atheris.Setup([sys.argv[0], *options], target.enter, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
