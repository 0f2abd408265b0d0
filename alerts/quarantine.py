"""Whether too many of a source's records are refused: its share over the last hours."""

from __future__ import annotations

from typing import TypeAlias

from alerts.lines import Quarantined
from alerts.terms import Quarantine
from schemas.limits import QUARANTINE_HOURS_MAX
from schemas.units import HOUR_MS, UtcMillis

Hours: TypeAlias = tuple[tuple[int, int, int], ...]
"""(hour since 1970, records taken in, records refused), ascending; only hours with records."""


def counted(hours: Hours, good: int, refused: int, at: UtcMillis) -> Hours:
    """The hours with what was read at `at` added, and without those past every window."""
    hour = at // HOUR_MS
    kept = {each[0]: each for each in hours if each[0] > hour - QUARANTINE_HOURS_MAX}
    if good or refused:
        _, before_good, before_refused = kept.get(hour, (hour, 0, 0))
        kept[hour] = (hour, before_good + good, before_refused + refused)
    return tuple(kept[each] for each in sorted(kept))


def quarantined(
    hours: Hours, before: Quarantined | None, policy: Quarantine, at: UtcMillis
) -> Quarantined | None:
    """Whether the source is in quarantine at `at`. The figures are those of its beginning, so that
    what is said of it does not change with each record."""
    within = _within(hours, policy, at)
    refused = sum(each[2] for each in within)
    records = refused + sum(each[1] for each in within)
    is_over = refused * 100 >= policy.share_percent * records and records >= policy.records
    if not policy.share_percent or not is_over:
        return None
    return before or Quarantined(at, refused, records)


def eases_at(hours: Hours, policy: Quarantine, at: UtcMillis) -> UtcMillis | None:
    """When the oldest hour that counts leaves the window, and the share is another."""
    first = next((each[0] for each in _within(hours, policy, at)), None)
    return None if first is None else (first + policy.hours) * HOUR_MS


def _within(hours: Hours, policy: Quarantine, at: UtcMillis) -> list[tuple[int, int, int]]:
    after = at // HOUR_MS - policy.hours
    return [each for each in hours if each[0] > after]
