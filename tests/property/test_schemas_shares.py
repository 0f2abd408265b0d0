"""Parts of amounts add up, are fair to a minor unit, and do not depend on what came first."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from schemas.shares import Worth, joined, part_of, shares_of

AMOUNTS = st.integers(0, 10**15)
LINES = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


def worths(amounts: list[int], source: str = "books") -> list[Worth]:
    return [
        Worth(f"LA/1#{n:02d}", source, f"i{n}", 0, 0, amount, "EUR", False)
        for n, amount in enumerate(amounts)
    ]


def parts(amounts: list[int], told: list[Worth], amount: int) -> list[int | None]:
    targets = [f"LA/1#{n:02d}" for n in range(len(amounts))]
    shares = shares_of("invoice:S/1", targets, joined(told))
    return [part_of(amount, [shares[target]]) for target in targets]


@given(LINES, AMOUNTS)
def test_parts_add_up_and_are_less_than_a_minor_unit_from_exact(
    lines: list[int], amount: int
) -> None:
    found = parts(lines, worths(lines), amount)
    total = sum(lines)
    if len(lines) > 1 and not total:
        assert set(found) == {None}
        return
    known = [part for part in found if part is not None]
    assert sum(known) == amount
    if len(lines) > 1:
        for own, part in zip(lines, known, strict=True):
            assert abs(part * total - amount * own) < total


@given(LINES)
def test_when_all_is_paid_each_line_has_got_its_own(lines: list[int]) -> None:
    if sum(lines):
        assert parts(lines, worths(lines), sum(lines)) == lines


@given(
    st.lists(st.integers(1, 10**6), min_size=2, max_size=8),
    AMOUNTS,
    st.randoms(use_true_random=False),
)
def test_order_and_duplicates_of_what_was_told_are_no_matter(
    lines: list[int], amount: int, chance: random.Random
) -> None:
    told = [*worths(lines), *worths(lines, "copy")]
    mixed = [*told, *chance.sample(told, len(told) // 2)]
    chance.shuffle(mixed)
    assert joined(mixed) == joined(told)
    step = joined(mixed[: len(mixed) // 2])
    assert joined([*step, *mixed[len(mixed) // 2 :]]) == joined(told)
    # Two sources that tell of one invoice tell of it once.
    assert parts(lines, mixed, amount) == parts(lines, worths(lines), amount)


def test_the_last_value_of_an_order_line_counts_and_currencies_are_never_added() -> None:
    def whole(target: str, at: int, amount: int, currency: str = "EUR") -> Worth:
        return Worth(target, "erp", f"e{at}", at, at, amount, currency, True)

    told = [whole("LA/1#1", 1, 500), whole("LA/1#2", 1, 500), whole("LA/1#1", 2, 100)]
    targets = ["LA/1#1", "LA/1#2"]
    shares = shares_of("order:A/1", targets, joined(told))
    assert [part_of(600, [shares[each]]) for each in targets] == [100, 500]
    mixed = joined([*told, whole("LA/1#2", 3, 5, "USD")])
    assert [part_of(600, [each]) for each in shares_of("order:A/1", targets, mixed).values()] == [
        None, None,
    ]  # fmt: skip
