"""Cells say a status once, whatever is known of what the last one was made from."""

from __future__ import annotations

import msgspec
import pytest

from alerts import policy as policies
from alerts.terms import Materiality
from streams.engine.local import LocalEngine
from streams.stages.keys import is_source
from tests.scenario import START, by_tick, network, story


def without_grounds(engine: LocalEngine) -> int:
    """The lines of the cells as a release wrote them that kept no grounds; how many there are."""
    count = 0
    for task in engine.worker.tasks.keyed.values():
        if task.stage.name != "cells":
            continue
        for key, value in list(task.store.items()):
            elements = msgspec.msgpack.decode(value)
            if not is_source(key) and elements[3]:
                task.store.restore(key, msgspec.msgpack.encode(elements[:9]))
                count += 1
    return count


@pytest.mark.parametrize("is_upgraded", [False, True])
def test_a_status_that_says_the_same_is_not_said_again(is_upgraded: bool) -> None:
    engine = LocalEngine(network())
    at = START
    for at, facts in by_tick(story(3), ticks=8):
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    assert engine.new_outputs("order-status")
    if is_upgraded:
        assert without_grounds(engine)
    document = msgspec.structs.replace(policies.DEFAULT.document, materiality=Materiality(days=9))
    engine.publish_policy(policies.build(document))
    engine.tick(at + 1)
    assert engine.new_outputs("order-status") == []
    states = engine.new_outputs("cells-state")
    assert states, "every line was looked at again, under another policy"
    engine.close()
