"""The named moments of the engine's loops at which tests of survival let something happen."""

from __future__ import annotations

import enum
from collections.abc import Callable


class Moment(enum.StrEnum):
    """A moment at which a worker may die, freeze or fail, and nothing may be lost or repeated."""

    TICK_SEEN = "tick seen"
    """The worker has read a new tick, and has handed on no punctuation for it."""
    INSIDE_TRANSACTION = "inside transaction"
    """The records of one task are produced; others may follow."""
    BEFORE_COMMIT = "before commit"
    """Everything is produced and the offsets are sent; the transaction is not committed."""
    WITHIN_TICK = "within tick"
    """A transaction is committed that holds one part of a large tick, and not its last."""
    ASSIGNED = "assigned"
    """Partitions were given to the worker, and it has made their tasks."""
    REVOKED = "revoked"
    """Partitions are being taken from the worker, and it still has their tasks."""
    RESTORING = "restoring"
    """A part of the changelogs, or all of them, is read; the tasks have not begun to work."""
    TICK_UNCOMMITTED = "tick uncommitted"
    """The ticker has produced a tick and not committed it."""
    TICK_WRITTEN = "tick written"
    """The ticker has committed a tick, and remembers nothing of it."""


Failpoint = Callable[[Moment], None]
"""Called at each moment, on the thread it belongs to; what it raises happens there."""


def no_failpoint(moment: Moment) -> None:
    """Nothing happens at that moment."""
