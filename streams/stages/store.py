"""State of one stage partition: encoded values by key, an overlay while a transaction is open,
and the deadlines that the values carry.

A value in memory is the same bytes as its changelog record. Every state struct begins
`(version, due, ...)`, so that restoring a key reads two elements and no more. A million deadlines
that are not due cost nothing at a tick (`streams.stages.deadlines`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

import msgspec

from schemas.units import UtcMillis
from streams.stages.deadlines import Deadlines


class StateHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The elements that every state struct begins with."""

    v: int
    due: UtcMillis | None


_head = msgspec.msgpack.Decoder(StateHead)

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What is raised when bytes are decoded that are no state."""


class StateUnusable(Exception):
    """The state cannot be worked with; `then` says what a person can do about it."""

    then = ""


class StateTooNew(StateUnusable):
    """The state was written by a newer release; reading it could lose what it holds."""

    then = "Start the newer release; this one changed nothing."


class StateDamaged(StateUnusable):
    """The state is not what was committed: records were deleted, changed or added by others."""

    then = (
        "Somebody deleted, changed or added records of a changelog. Put the topic back as it was, "
        "or rebuild from the facts: `slipwatch rebuild`; this worker changed nothing."
    )


class StateUnfinished(StateUnusable):
    """A rebuild is being written, or was ended before it was done."""

    then = "Wait until `slipwatch rebuild` has ended; if it was ended before, run it again."


class Content(NamedTuple):
    """How much state there is: its keys, and a sum over keys and values in no order.

    The sum is 48 bits of added CRC-32s. It notices a record that is missing, changed or too many;
    it is no protection against somebody who wants it to come out right.
    """

    keys: int
    total: int


_TOTAL_MASK = (1 << 48) - 1


def _mark(key: str, value: bytes) -> int:
    return crc32(value, crc32(key.encode()))


ENTRIES_PER_KEY_MAX = 2
ENTRIES_SPARE = 1_000
"""Deadlines are listed anew when there are more entries than so many a key, and these."""

_ABSENT = b""
"""Stands for a key that the overlay does not have; no state is empty."""


class Store:
    """Keyed state. Reads see the overlay; `commit` folds it in, `abort` drops it."""

    def __init__(self, version_max: int) -> None:
        self._version_max = version_max
        self._committed: dict[str, bytes] = {}
        self._pending: dict[str, bytes | None] = {}
        self._undo: dict[str, bytes | None] | None = None
        self._deadlines = Deadlines(self._deadline_of)
        self._total = 0
        self._next_total: int | None = None

    def __len__(self) -> int:
        return len(self._committed)

    def get(self, key: str) -> bytes | None:
        """The value of the key, as changed in this transaction."""
        if key in self._pending:
            return self._pending[key]
        return self._committed.get(key)

    def committed_value(self, key: str) -> bytes | None:
        """The value of the key as of the last commit."""
        return self._committed.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Changes the key; unchanged bytes are no change."""
        if self.get(key) != value:
            self._change(key, value)

    def delete(self, key: str) -> None:
        """Removes the key."""
        if self.get(key) is not None:
            self._change(key, None)

    def _change(self, key: str, value: bytes | None) -> None:
        if self._undo is not None:
            self._undo.setdefault(key, self._pending.get(key, _ABSENT))
        self._pending[key] = value

    def sorted_keys(self) -> list[str]:
        """All committed keys, sorted; for the rare tick that must look at everything."""
        return sorted(self._committed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All committed keys and values, in no promised order; to rebuild indexes after restore."""
        return iter(self._committed.items())

    def due_keys(self, at: UtcMillis) -> list[str]:
        """Committed keys whose deadline is at or before `at`, sorted. Changes nothing visible."""
        return sorted(self._deadlines.due(at))

    def _note_due(self, key: str, due: UtcMillis) -> None:
        self._deadlines.add(key, due)
        entries_max = ENTRIES_PER_KEY_MAX * len(self._committed) + ENTRIES_SPARE
        if self._deadlines.entries > entries_max:
            self._deadlines = self._listed()

    def _listed(self) -> Deadlines:
        deadlines = Deadlines(self._deadline_of)
        for key, value in self._committed.items():
            due = _head.decode(value).due
            if due is not None:
                deadlines.add(key, due)
        return deadlines

    def _deadline_of(self, key: str) -> UtcMillis | None:
        value = self._committed.get(key)
        return None if value is None else _head.decode(value).due

    def savepoint(self) -> None:
        """From now on, what one key's evaluation changes can be taken back."""
        self._undo = {}

    def rollback(self) -> None:
        """The overlay as it was at the last savepoint."""
        for key, value in (self._undo or {}).items():
            if value == _ABSENT:
                del self._pending[key]
            else:
                self._pending[key] = value
        self._undo = None

    def pending(self) -> Mapping[str, bytes | None]:
        """What this transaction changed, in the order of change: the changelog records."""
        return self._pending

    def content(self) -> Content:
        """How much state there is once this transaction is committed. To be asked when it is
        complete: nothing may be changed between this and `commit` or `abort`."""
        keys, total = len(self._committed), self._total
        for key, value in self._pending.items():
            before = self._committed.get(key)
            if before is not None:
                keys, total = keys - 1, total - _mark(key, before)
            if value is not None:
                keys, total = keys + 1, total + _mark(key, value)
        self._next_total = total & _TOTAL_MASK
        return Content(keys, self._next_total)

    def commit(self) -> None:
        """The transaction is in the log: what it changed is the state now."""
        if self._next_total is None:
            self.content()
        self._total, self._next_total = self._next_total or 0, None
        for key, value in self._pending.items():
            self._fold(key, value)
        self._pending.clear()
        self._undo = None

    def _fold(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._committed.pop(key, None)
        else:
            self._hold(key, value, _head.decode(value).due)

    def _hold(self, key: str, value: bytes, due: UtcMillis | None) -> None:
        is_news = due is not None and due != self._deadline_of(key)
        self._committed[key] = value
        if due is not None and is_news:
            self._note_due(key, due)

    def abort(self) -> None:
        """The transaction did not happen."""
        self._pending.clear()
        self._undo = None
        self._next_total = None

    def restore(self, key: str, value: bytes | None) -> None:
        """One record of the changelog, in its order; no other key is looked at, so that nothing is
        left to do at the end. Raises StateUnusable."""
        due = self.check(key, value)
        before = self._committed.get(key)
        total = self._total if before is None else self._total - _mark(key, before)
        if value is None:
            self._committed.pop(key, None)
        else:
            total += _mark(key, value)
            self._hold(key, value, due)
        self._total = total & _TOTAL_MASK

    def check(self, key: str, value: bytes | None) -> UtcMillis | None:
        """The deadline of the state, if it has one. Raises StateUnusable for what is no state, or
        not one that this release reads."""
        if value is None:
            return None
        try:
            head = _head.decode(value)
        except UNREADABLE as error:
            raise StateDamaged(f"the state of {key!r} cannot be read: {error}") from error
        if head.v > self._version_max:
            raise StateTooNew(
                f"the state of {key!r} has version {head.v}, this release reads up to "
                f"{self._version_max}"
            )
        return head.due
