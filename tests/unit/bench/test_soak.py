"""A soak's verdict: what counts as flat, and what does not."""

from __future__ import annotations

import pytest

from bench.soak import GROWTH_MAX, MIB, Sample, is_flat, last_half, soak_policy, table, trend


def sampled(*memory_mib: float, entries: list[int] | None = None) -> list[Sample]:
    counts = entries or [1_000] * len(memory_mib)
    return [
        Sample(
            10.0 * n, int(mib * MIB), 300 * MIB, 0.5 * n, 0.1 * n, 100 * n, n, 0.3 * n,
            {"cells": count // 2, "ledgers": count // 2},
        )
        for n, (mib, count) in enumerate(zip(memory_mib, counts, strict=True), start=1)
    ]  # fmt: skip


def test_a_line_is_fitted_through_all_values() -> None:
    line = trend([(0.0, 10.0), (1.0, 14.0), (2.0, 12.0), (3.0, 16.0)])
    assert line.mean == 13.0
    assert line.rise == pytest.approx(4.8)


def test_growth_while_warming_up_does_not_count() -> None:
    samples = sampled(100, 150, 190, 200, 200, 200, 200, 200)
    assert [each.tick for each in last_half(samples)] == [4, 5, 6, 7, 8]
    assert is_flat(samples)


def test_growth_in_the_last_half_is_not_flat() -> None:
    assert not is_flat(sampled(100, 150, 190, 200, 202, 204, 206, 208))
    assert "**NOT FLAT**" in table(sampled(100, 150, 190, 200, 202, 204, 206, 208))


def test_a_saw_tooth_is_flat() -> None:
    assert is_flat(sampled(100, 150, 200, 203, 200, 203, 200, 203, 200, 203, 200))


def test_memory_that_only_follows_a_growing_load_proves_nothing() -> None:
    samples = sampled(*[200] * 8, entries=[1_000, 1_000, 1_000, 1_000, 1_100, 1_200, 1_300, 1_400])
    assert not is_flat(samples)


def test_the_verdict_says_what_was_allowed() -> None:
    told = table(sampled(*[200] * 8))
    assert f"**flat** (allowed: {GROWTH_MAX:.0%} of memory" in told


def test_everything_that_is_over_leaves_within_days() -> None:
    retention = soak_policy().document.retention
    days = retention.lateness_horizon_days + retention.tombstone_days
    assert days < 10
