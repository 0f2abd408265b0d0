"""How often Python's cyclic garbage collector runs in a process that works through many facts.

What the engine makes is freed as soon as nobody refers to it: bytes, rows and structs that form no
cycles. The collector would look at all of them again and again, for a tenth to a third of the CPU
time (docs/benchmarks.md). What does form cycles (exceptions, event loops) is little, and is still
collected.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS_MAX = 50_000
"""New objects until the youngest are looked at; Python's own is 700 or 2,000."""
MIDDLE_EVERY = 20
OLD_EVERY = 100
"""Every so many times the next older ones are looked at too."""


def collect_seldom() -> None:
    """From now on; what was imported so far is never looked at again. For a whole process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, MIDDLE_EVERY, OLD_EVERY)
