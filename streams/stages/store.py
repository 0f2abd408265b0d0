"""State of one stage partition: encoded values by key, an overlay while a transaction is open,
and the deadlines that the values carry.

A value in memory is the same bytes as its changelog record. Every state struct begins
`(version, due, ...)`, so that restoring a key reads two elements and no more. A million deadlines
that are not due cost nothing at a tick: they wait in a heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

import msgspec

from schemas.units import UtcMillis


class StateHead(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The elements that every state struct begins with."""

    v: int
    due: UtcMillis | None


_head = msgspec.msgpack.Decoder(StateHead)


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
        "or rebuild from the facts, as docs/operations.md says; this worker changed nothing."
    )


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


class Savepoint(NamedTuple):
    """An overlay as it was."""

    pending: dict[str, bytes | None]


class Store:
    """Keyed state. Reads see the overlay; `commit` folds it in, `abort` drops it."""

    def __init__(self, version_max: int) -> None:
        self._version_max = version_max
        self._committed: dict[str, bytes] = {}
        self._pending: dict[str, bytes | None] = {}
        self._due: dict[str, UtcMillis] = {}
        self._heap: list[tuple[UtcMillis, str]] = []
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
            self._pending[key] = value

    def delete(self, key: str) -> None:
        """Removes the key."""
        if self.get(key) is not None:
            self._pending[key] = None

    def sorted_keys(self) -> list[str]:
        """All committed keys, sorted; for the rare tick that must look at everything."""
        return sorted(self._committed)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """All committed keys and values, in no promised order; to rebuild indexes after restore."""
        return iter(self._committed.items())

    def due_keys(self, at: UtcMillis) -> list[str]:
        """Committed keys whose deadline is at or before `at`, sorted. Changes nothing visible."""
        found: set[str] = set()
        heap, due = self._heap, self._due
        popped: list[tuple[UtcMillis, str]] = []
        while heap and heap[0][0] <= at:
            entry = heapq.heappop(heap)
            if due.get(entry[1]) == entry[0] and entry[1] not in found:
                found.add(entry[1])
                popped.append(entry)
        for entry in popped:
            heapq.heappush(heap, entry)
        return sorted(found)

    def next_due(self) -> UtcMillis | None:
        """The earliest deadline, or None."""
        heap, due = self._heap, self._due
        while heap and due.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def savepoint(self) -> Savepoint:
        """Marks the overlay, to take back what one key's failed evaluation changed."""
        return Savepoint(dict(self._pending))

    def rollback(self, savepoint: Savepoint) -> None:
        """The overlay as it was at the savepoint."""
        self._pending = dict(savepoint.pending)

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

    def abort(self) -> None:
        """The transaction did not happen."""
        self._pending.clear()
        self._next_total = None

    def restore(self, key: str, value: bytes | None) -> None:
        """One record of the changelog, in its order. Raises StateUnusable."""
        before = self._committed.get(key)
        if before is not None:
            self._total -= _mark(key, before)
        if value is not None:
            self._total += _mark(key, value)
        self._total &= _TOTAL_MASK
        self._fold(key, value)

    def _fold(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._committed.pop(key, None)
            self._due.pop(key, None)
            return
        try:
            head = _head.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise StateDamaged(f"the state of {key!r} cannot be read: {error}") from error
        if head.v > self._version_max:
            raise StateTooNew(
                f"the state of {key!r} has version {head.v}, this release reads up to "
                f"{self._version_max}"
            )
        self._committed[key] = value
        if head.due is None:
            self._due.pop(key, None)
        elif self._due.get(key) != head.due:
            self._due[key] = head.due
            heapq.heappush(self._heap, (head.due, key))
