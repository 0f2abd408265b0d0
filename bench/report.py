"""Results as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.benchmark import Benchmark, Figure

BAR_WIDTH = 24


def table(benchmark: Benchmark, figures: Sequence[Figure]) -> str:
    """One benchmark: each figure's median, its least and most, and its ratio where it has one."""
    by_name = {figure.name: figure for figure in figures}
    width = max(len(figure.name) for figure in figures)
    lines = [f"{benchmark.name}: {benchmark.says}"]
    for figure in figures:
        spread = f"{_number(figure.least)} to {_number(figure.most)}"
        ratio = ""
        if figure.beside:
            ratio = f"{figure.ratio_to(by_name[figure.beside]):8.2f} x {figure.beside}"
        lines.append(
            f"  {figure.name:{width}} {_number(figure.median):>10} {figure.unit:9}"
            f" {spread:>20}{ratio}"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def document(results: Mapping[str, Sequence[Figure]], *, short: bool) -> dict[str, Any]:
    """Everything that was measured, every repetition of it, and on what kind of machine."""
    return {
        "format": 1,
        "short": short,
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "benchmarks": {
            name: [
                {
                    "name": figure.name,
                    "unit": figure.unit,
                    "values": list(figure.values),
                    "median": figure.median,
                    "beside": figure.beside,
                }
                for figure in figures
            ]
            for name, figures in results.items()
        },
    }


def write(path: Path, results: Mapping[str, Sequence[Figure]], *, short: bool) -> None:
    """The document as JSON in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(results, short=short), indent=1) + "\n")
