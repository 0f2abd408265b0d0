"""Whoever is asked is asked at the times of the policy alone, and never for what it has told."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.partner_records import PartnerAwaits
from schemas.units import HOUR_MS
from streams.replay.audit import audit
from tests.scenario import START
from tests.unit.engine.test_chasing import LEAVES_AT, Scene, ask, policy

HOURS_MAX = 300
LEAVES_HOURS = (LEAVES_AT - 1 - START) / HOUR_MS


class Chase(NamedTuple):
    hours: int
    repeat_hours: int
    times_max: int


class Step(NamedTuple):
    hours: int
    is_heard: bool


chases = st.builds(Chase, st.integers(1, 60), st.integers(1, 40), st.integers(1, 5))
steps = st.lists(
    st.builds(Step, st.integers(1, HOURS_MAX), st.booleans()),
    min_size=3,
    max_size=9,
    unique_by=lambda step: step.hours,
).map(sorted)


def scene_of(confirmation: Chase, promise: Chase) -> Scene:
    fields = {
        name: {hours: chase.hours, "repeat_hours": chase.repeat_hours, "times_max": chase.times_max}
        for name, hours, chase in (
            ("confirmation", "after_hours", confirmation),
            ("promise", "before_hours", promise),
        )
    }
    return Scene(policy(json.dumps(fields)))


def due(chase: Chase, begins: float, now: float) -> int:
    """How many of its times have come."""
    times = [begins + number * chase.repeat_hours for number in range(chase.times_max)]
    return sum(each <= now for each in times)


def went(
    scene: Scene, taken: list[Step], confirmed: float | None, shipped: float | None
) -> list[Any]:
    """What the supplier was asked for after each step. It confirms, and ships, at the first step
    from these hours on."""
    seen, chain = [], scene.chain
    left = [
        (at, kind)
        for at, kind in ((confirmed, "confirmed"), (shipped, "shipped"))
        if at is not None
    ]
    for step in taken:
        at = START + step.hours * HOUR_MS
        facts = []
        for told in [each for each in left if each[0] <= step.hours]:
            left.remove(told)
            if told[1] == "confirmed":
                facts.append(chain.confirmed("PO-1", at))
            else:
                facts.append(chain.packed("PO-1", "S-1", at))
                facts.append(chain.moved("departed", "S-1", at, site="LYON"))
        seen.append(ask(scene.at(step.hours, *facts, is_heard=step.is_heard)))
    return seen


hours = st.none() | st.integers(1, HOURS_MAX)


@settings(max_examples=25)
@given(chases, chases, steps, hours, hours)
def test_nobody_is_asked_too_early_too_often_or_for_what_is_told(
    confirmation: Chase,
    promise: Chase,
    taken: list[Step],
    confirmed: int | None,
    shipped: int | None,
) -> None:
    scene = scene_of(confirmation, promise)
    begins = LEAVES_HOURS - promise.hours
    confirmed_at = next((s.hours for s in taken if confirmed and s.hours >= confirmed), None)
    shipped_at = next((s.hours for s in taken if shipped and s.hours >= shipped), None)
    for step, (awaits, _, asked) in zip(taken, went(scene, taken, confirmed, shipped), strict=True):
        now = step.hours + 1 / HOUR_MS
        has_confirmed = confirmed_at is not None and step.hours >= confirmed_at
        has_shipped = shipped_at is not None and step.hours >= shipped_at
        if awaits is PartnerAwaits.CONFIRMATION:
            assert not has_confirmed
            assert not has_shipped
            assert 1 <= asked <= due(confirmation, confirmation.hours, now)
        elif awaits is PartnerAwaits.NEW_DATE:
            assert has_confirmed
            assert not has_shipped
            assert confirmed_at is not None
            assert confirmed_at < begins
            assert 1 <= asked <= due(promise, begins, now)
        if step.is_heard and not has_shipped:
            wanted = None
            if not has_confirmed:
                wanted = due(confirmation, confirmation.hours, now) or None
            elif confirmed_at is not None and confirmed_at < begins:
                wanted = due(promise, begins, now) or None
            assert asked == wanted, "who was heard is asked at each time"
    scene.engine.close()
    assert audit(scene.engine.log).difference_count == 0


@settings(max_examples=8)
@given(chases, steps, st.data())
def test_how_often_somebody_looks_changes_nothing(
    chase: Chase, taken: list[Step], data: st.DataObject
) -> None:
    some = sorted(data.draw(st.sets(st.sampled_from(taken), min_size=1)))
    last = taken[-1]._replace(is_heard=True)
    often = went(scene_of(chase, chase), [*taken[:-1], last], None, None)
    seldom = went(
        scene_of(chase, chase), [*(each for each in some if each < taken[-1]), last], None, None
    )
    assert often[-1] == seldom[-1]
