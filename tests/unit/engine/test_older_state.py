"""State that an earlier release wrote is read, and judging it anew says nothing again."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from alerts.findings import RuleVerdict
from streams.engine.local import LocalEngine
from streams.stages import cells
from tests.scenario import by_tick, network, story

SAID = ("order-status", "stock-status", "alerts", "decisions", "notifications")


def whole(verdicts: Iterable[RuleVerdict]) -> tuple[RuleVerdict, ...]:
    """As they were kept before they had numbers."""
    return tuple(msgspec.structs.replace(each, number=0) for each in verdicts)


def said(*, older_ticks: int) -> list[tuple[str, bytes, bytes | None]]:
    """Everything said of a chain; until that tick by a release that kept all verdicts
    whole."""
    engine = LocalEngine(network(), partitions=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "stored", whole)
        patch.setattr(cells, "STATE_VERSION", 1)
        for index, (at, facts) in enumerate(by_tick(story(5, orders=8), ticks=12)):
            if index == older_ticks:
                patch.undo()
            for fact in facts:
                engine.send(fact)
            engine.tick(at)
    return [
        (topic, each.key or b"", each.value) for topic in SAID for each in engine.outputs(topic)
    ]


def test_verdicts_that_were_kept_whole_are_verdicts_still() -> None:
    assert said(older_ticks=6) == said(older_ticks=0)
