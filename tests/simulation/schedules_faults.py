"""Parts of the engine replaced: mutations, and faults of ours that stop a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alerts.judgement import FeedJudgement, judge_feed
from alerts.lines import FeedState, LineSummary
from schemas.facts import Fact
from schemas.units import HOUR_MS
from streams.stages import cells, units
from streams.stages.fold import fold


class Patches:
    """Replacements of parts of the engine: (owner, name, replacement)."""

    def __init__(self, patches: Sequence[tuple[object, str, object]]) -> None:
        self._patches = [(owner, name, vars(owner)[name], new) for owner, name, new in patches]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The engine is mutated inside."""
        for owner, name, _, new in self._patches:
            setattr(owner, name, new)
        try:
            yield
        finally:
            for owner, name, old, _ in self._patches:
                setattr(owner, name, old)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside `applied`: the engine is as it should be."""
        for owner, name, old, _ in self._patches:
            setattr(owner, name, old)
        try:
            yield
        finally:
            for owner, name, _, new in self._patches:
                setattr(owner, name, new)


def _fold(line_id: str, facts: Sequence[Fact], *told: Any) -> LineSummary:
    """Fails for one line while two or three facts are known of it."""
    if line_id == "ACME/PO-001#10" and len(facts) in {2, 3}:
        raise ArithmeticError("a fault of ours")
    return fold(line_id, facts, *told)


def _judge_feed(feed: FeedState, *rest: Any) -> FeedJudgement:
    """Fails for one source at every other word from it."""
    if feed.source == "sup-erp" and feed.heard_at // HOUR_MS % 2:
        raise ArithmeticError("a fault of ours")
    return judge_feed(feed, *rest)


POISON = ((units, "fold", _fold), (cells, "judge_feed", _judge_feed))
"""Faults of ours that depend on what is evaluated alone: the oracle has them too."""
