"""A process that collects seldom still collects."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from streams.collection import YOUNG_OBJECTS_MAX, collect_seldom

class Node: pass

collect_seldom()
assert gc.isenabled() and gc.get_freeze_count() > 0
gone = []
for _ in range(3 * YOUNG_OBJECTS_MAX):
    node = Node()
    node.self = node
    if not gone:
        gone.append(weakref.ref(node))
assert gone[0]() is None, "a cycle was never collected"
"""


def test_cycles_are_still_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
