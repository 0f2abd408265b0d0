"""What a worker process of a storm runs: `slipwatch worker`, with a fuse and small chunks.

It is the shipped command with its own arguments and environment. Only the engine's settings are
changed, which the product does not offer: where it may die, and how many keys or facts a
transaction may hold, so that a tick takes several. It ends with the test that started it.
"""

from __future__ import annotations

import faulthandler
import functools
import os
import threading
from pathlib import Path

from streams.app import process
from streams.cli import main
from streams.engine.observation import WorkerSettings
from tests.chaos import next_release
from tests.chaos.fuse import FACTS_VARIABLE, FUSE_VARIABLE, KEYS_VARIABLE, Fuse
from tests.chaos.mutations import MUTATION_VARIABLE, MUTATIONS

RELEASE_VARIABLE = "STORM_RELEASE"
"""`next` for a worker of the release after this one (`next_release`)."""
ORPHANED = 70


def _end_with_the_test() -> None:
    """The test holds the other end of standard input, and lets go of it however it ends."""
    while os.read(0, 1):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_test, daemon=True).start()
    # SIGABRT says where its threads stand, for a storm that does not settle.
    faulthandler.enable()
    if os.environ.get(RELEASE_VARIABLE) == "next":
        next_release.become()
    if MUTATION_VARIABLE in os.environ:
        MUTATIONS[os.environ[MUTATION_VARIABLE]]()
    vars(process)["WorkerSettings"] = functools.partial(
        WorkerSettings,
        failpoint=Fuse(Path(os.environ[FUSE_VARIABLE])).burn,
        keys_per_chunk=int(os.environ[KEYS_VARIABLE]),
        facts_per_chunk=int(os.environ[FACTS_VARIABLE]),
    )
    main()
