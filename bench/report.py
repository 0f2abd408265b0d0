"""Results as tables for people, in a terminal and in Markdown, and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.aims import Outcome, outcomes
from bench.benchmark import Benchmark, Figure


def table(benchmark: Benchmark, figures: Sequence[Figure]) -> str:
    """One benchmark: each figure's median, its least and most, and its ratio where it has one."""
    by_name = {figure.name: figure for figure in figures}
    width = max(len(figure.name) for figure in figures)
    rows = [
        (
            f"  {figure.name:{width}} {number(figure.median):>10} {figure.unit:9}"
            f" {_spread(figure):>20}  {_ratio(figure, by_name)}"
        ).rstrip()
        for figure in figures
    ]
    return "\n".join([f"{benchmark.name}: {benchmark.says}", *rows])


def _spread(figure: Figure) -> str:
    return f"{number(figure.least)} to {number(figure.most)}"


def _ratio(figure: Figure, by_name: Mapping[str, Figure]) -> str:
    if not figure.beside:
        return ""
    return f"{figure.ratio_to(by_name[figure.beside]):.2f} x {figure.beside}"


def number(value: float) -> str:
    """Three digits or more, no more than a reader needs."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(
    benchmarks: Sequence[Benchmark], results: Mapping[str, Sequence[Figure]], *, short: bool
) -> str:
    """What was measured, ready to be pasted: the aims, then every figure."""
    machine = _machine()
    cores, memory = machine["cores"], machine["memory_gib"]
    parts = [f"{cores} cores, {memory} GiB, Python {machine['python']}, {machine['system']}."]
    if short:
        parts.append("Sizes were tiny: this says that everything works, not how fast.")
    elif found := outcomes(results):
        parts.append(_aims(found))
    for benchmark in benchmarks:
        figures = results.get(benchmark.name)
        if figures:
            parts.append(_figures(benchmark, figures))
    return "\n\n".join(parts) + "\n"


def _aims(found: Sequence[Outcome]) -> str:
    lines = ["| aim | wanted | measured | |", "|---|---|---|---|"]
    for each in found:
        aim = each.aim
        bound = aim.at_least if aim.at_least is not None else aim.at_most
        assert bound is not None, "an aim has a bound"
        side = "at least" if aim.at_least is not None else "at most"
        verdict = "met" if each.is_met else f"**missed** by {each.missed_by:.2f} x"
        lines.append(
            f"| {aim.says} | {side} {number(bound)} {aim.unit} "
            f"| {number(each.value)} {aim.unit} | {verdict} |"
        )
    return "\n".join(lines)


def _figures(benchmark: Benchmark, figures: Sequence[Figure]) -> str:
    by_name = {figure.name: figure for figure in figures}
    lines = [
        f"**{benchmark.name}**: {benchmark.says}",
        "",
        "| figure | median | spread | ratio |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {figure.name} | {number(figure.median)} {figure.unit} | {_spread(figure)} "
        f"| {_ratio(figure, by_name)} |"
        for figure in figures
    ]
    return "\n".join(lines)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} on {platform.machine()}",
        "python": platform.python_version(),
    }


def document(results: Mapping[str, Sequence[Figure]], *, short: bool) -> dict[str, Any]:
    """Everything that was measured, every repetition of it, and on what kind of machine."""
    return {
        "format": 1,
        "short": short,
        "machine": _machine(),
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
