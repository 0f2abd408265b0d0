"""The projection of a node against a slow and obvious one, day by day."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.projection import Flow, days_of_supply, project

TODAY = 20_000
FLOWS = st.lists(
    st.builds(
        Flow,
        st.integers(TODAY - 5, TODAY + 30),
        st.sampled_from([f"L{number}" for number in range(6)]),
        st.integers(1, 20),
    ),
    max_size=8,
)


@given(
    st.integers(-10, 60), FLOWS, FLOWS, st.integers(1, 20), st.integers(0, 15), st.integers(0, 3)
)
def test_the_projection_is_what_adding_up_each_day_gives(
    available: int,
    supply: list[Flow],
    demand: list[Flow],
    horizon_days: int,
    safety: int,
    overdue_days: int,
) -> None:
    found = project(available, supply, demand, TODAY, horizon_days, safety, overdue_days)
    counted = [each for each in supply if each.on >= TODAY - overdue_days]

    def had(on: int) -> int:
        return available + sum(each.quantity for each in counted if max(each.on, TODAY) <= on)

    def balance(on: int) -> int:
        return had(on) - sum(each.quantity for each in demand if max(each.on, TODAY) <= on)

    days = range(TODAY, TODAY + 40)
    assert found.below_zero_on == next((on for on in days if balance(on) < 0), None)
    assert found.below_safety_on == next((on for on in days if balance(on) < safety), None)
    within = range(TODAY, TODAY + horizon_days + 1)
    assert found.lowest.quantity == min(map(balance, within))
    assert balance(found.lowest.on) == found.lowest.quantity
    assert found.overdue == sum(each.quantity for each in supply if each not in counted)
    listed = {each.on: each.quantity for each in found.days}
    assert found.days[0].on == TODAY
    assert all(balance(on) == quantity for on, quantity in listed.items())
    queue = sorted(demand, key=lambda each: (each.on, each.subject))
    asked = 0
    expected = []
    for each in queue:
        asked += each.quantity
        on = max(each.on, TODAY)
        missing = min(each.quantity, asked - had(on))
        if on in within and missing > 0:
            covered = next((day for day in range(on, TODAY + 40) if had(day) >= asked), None)
            expected.append((each.subject, missing, each.on, covered))
    assert [(h.subject, h.missing, h.needed_on, h.covered_on) for h in found.hits] == expected


@given(st.integers(-5, 1_000), st.integers(0, 500), st.integers(1, 90))
def test_days_of_supply_is_how_often_the_average_day_fits(
    available: int, used: int, in_days: int
) -> None:
    days = days_of_supply(available, used, in_days)
    if not used:
        assert days is None
    else:
        assert days is not None
        assert days * used <= max(0, available) * in_days < (days + 1) * used
