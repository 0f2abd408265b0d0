"""How a worker goes on after what passes: it begins a new life, with nothing of the old one.

A broker that is away comes back; a worker that stood still for longer than a transaction may last
was shut out and need only ask again. Neither needs a person. A worker that is shut out again and
again shares its name with another, and that does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from streams.backoff import backoff_seconds
from streams.engine.log import Expired, Fenced, LogError, TransactionAborted, Unavailable
from streams.engine.observation import EXIT_FENCED, EXIT_LOG, EngineFailure

FENCED_MAX = 3
"""Times a worker may be shut out within `FENCED_WITHIN_S` before it gives way, but for those that
it took too long itself. Of two workers of one name the older is shut out first, and so gives way
first."""
FENCED_WITHIN_S = 300.0
WELL_AFTER_S = 60.0
"""A life that lasted so long was a good one: the next wait is a short one again."""


class Backoff:
    """The waits between attempts that fail one after the other, from `first_s` to `longest_s`."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 15.0) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._failures = 0

    def next_s(self) -> float:
        """How long to wait now, in seconds."""
        self._failures += 1
        chance = random.random()  # noqa: S311 - spreads load, hides nothing
        return backoff_seconds(self._failures, self._first_s, self._longest_s, chance)

    def reset(self) -> None:
        """All is well: the next wait is the first again."""
        self._failures = 0


class Lives:
    """Decides after each fault whether the worker goes on, and when."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._backoff = Backoff()
        self._began_s: float | None = None
        self._fenced_s: list[float] = []

    def begun(self) -> None:
        """A life has begun: the log answers, if only to say what topics there are."""
        self._began_s = self._now_s()

    def wait_after(self, fault: LogError) -> float:
        """Seconds to wait before the next life. Raises EngineFailure when there is none.

        Before the first life nothing is waited for: whoever starts a worker learns at once that
        the broker is not there. A broker that is there and not ready, because it is starting or
        still makes the topics that it lists, is waited for.
        """
        passes = isinstance(fault, Unavailable | TransactionAborted | Expired)
        if isinstance(fault, Fenced) and not passes:
            self._shut_out(fault)
        elif not passes or self._began_s is None:
            raise EngineFailure(fault.what, fault.then, EXIT_LOG) from fault
        if self._began_s is not None and self._now_s() - self._began_s > WELL_AFTER_S:
            self._backoff.reset()
        return self._backoff.next_s()

    def _shut_out(self, fault: Fenced) -> None:
        now_s = self._now_s()
        self._fenced_s = [at for at in self._fenced_s if now_s - at < FENCED_WITHIN_S] + [now_s]
        if len(self._fenced_s) >= FENCED_MAX:
            raise EngineFailure(
                fault.what,
                "Another process has this worker's name. Give each worker its own name and start "
                "it again.",
                EXIT_FENCED,
            ) from fault
