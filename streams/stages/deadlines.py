"""Deadlines: which keys are due at a moment, without looking at those that are not.

A key that is due in a later hour waits under that hour, in no order; when the hour comes, its keys
move to a heap. So a deadline that is far off costs eight bytes, and a moment at which nothing is
due costs one comparison, however many wait.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from schemas.units import HOUR_MS, UtcMillis


class Deadlines:
    """Keys by deadline. A deadline that changes is added again and leaves its first entry behind,
    which is recognised and dropped when its hour comes; `entries` counts both."""

    def __init__(self, deadline_of: Callable[[str], UtcMillis | None]) -> None:
        """`deadline_of` says what the deadline of a key is now."""
        self._deadline_of = deadline_of
        self._later: dict[int, list[str]] = {}
        self._hours: list[int] = []
        self._come = -1
        """The last hour whose keys moved to the heap."""
        self._heap: list[tuple[UtcMillis, str]] = []
        self._due: list[tuple[UtcMillis, str]] = []
        """What was found due and may still be: an aborted transaction finds it again."""
        self.entries = 0

    def add(self, key: str, at: UtcMillis) -> None:
        """The deadline of the key is this from now on."""
        self.entries += 1
        hour = at // HOUR_MS
        if hour <= self._come:
            heapq.heappush(self._heap, (at, key))
        elif hour in self._later:
            self._later[hour].append(key)
        else:
            self._later[hour] = [key]
            heapq.heappush(self._hours, hour)

    def due(self, at: UtcMillis) -> set[str]:
        """The keys whose deadline is at or before `at`; the same when asked again."""
        if self._hours and self._hours[0] <= at // HOUR_MS:
            self._open(at // HOUR_MS)
        while self._heap and self._heap[0][0] <= at:
            self._due.append(heapq.heappop(self._heap))
        if not self._due:
            return set()
        kept = [entry for entry in self._due if self._deadline_of(entry[1]) == entry[0]]
        self.entries -= len(self._due) - len(kept)
        self._due = kept
        return {key for moment, key in kept if moment <= at}

    def _open(self, until: int) -> None:
        while self._hours and self._hours[0] <= until:
            hour = heapq.heappop(self._hours)
            keys = self._later.pop(hour)
            moments = [(self._deadline_of(key), key) for key in dict.fromkeys(keys)]
            come = [(at, key) for at, key in moments if at is not None and at // HOUR_MS == hour]
            self._heap += come
            self.entries -= len(keys) - len(come)
        heapq.heapify(self._heap)
        self._come = until
