"""What a chain needs follows from the figures by the sums of docs/scaling.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.ground import BenchFailed
from bench.plan import FIGURES, Chain, expected, plan, read_figures, table

MEDIANS = {
    "CPU of a fact": 100.0,
    "CPU of an idle tick": 20.0,
    "CPU of the broker": 50.0,
    "on disk": 2_000.0,
    "memory of a worker": 128.0,
    "memory of a line": 1_024.0,
    "restoring": 20.0,
}


def test_the_sums() -> None:
    need = expected(Chain(2_097_152, 4_000, 2), MEDIANS)
    assert need.worker_cores == pytest.approx(0.4 + 0.04)
    assert need.broker_cores == pytest.approx(0.2)
    assert need.worker_gib == pytest.approx(1.125)
    assert need.restore_s == pytest.approx(20.97, abs=0.01)


def test_cpu_or_memory_decides_how_many_workers() -> None:
    busy = plan(1_000_000, 10_000, MEDIANS)
    assert busy.workers_by_cpu == pytest.approx(2.04)
    assert busy.workers == 4
    large = plan(30_000_000, 100, MEDIANS)
    assert large.workers_by_memory == pytest.approx(28.6 / 7.875, abs=0.01)
    assert large.workers == 5
    assert large.partitions == 20


def test_there_are_brokers_for_every_copy() -> None:
    assert plan(1_000, 10, MEDIANS).brokers == 3
    assert plan(1_000, 100_000, MEDIANS).brokers == 8


def test_a_crash_is_shared_by_those_who_are_left() -> None:
    made = plan(5_000_000, 6_000, MEDIANS)
    assert made.crash_restore_s == pytest.approx(100 / made.workers / (made.workers - 1))


def test_figures_are_read_from_a_run(tmp_path: Path) -> None:
    told: dict[str, list[dict[str, object]]] = {}
    for name, (benchmark, figure) in FIGURES.items():
        told.setdefault(benchmark, []).append({"name": figure, "median": MEDIANS[name]})
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"benchmarks": told}))
    assert read_figures(path) == MEDIANS
    assert "| **brokers** | **3** |" in table(5_000_000, 6_000, MEDIANS)
    del told["memory"]
    path.write_text(json.dumps({"benchmarks": told}))
    with pytest.raises(BenchFailed, match="of memory: run them first"):
        read_figures(path)
