"""The figures as one picture: a bar for each, with its spread, figures of one unit side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from bench.benchmark import Benchmark, Figure
from bench.report import number

WIDTH = 960
NAMES = 330
VALUES = 190
ROW = 20
BAR = 12
HEAD = 44
MARGIN = 16
BARS = WIDTH - NAMES - VALUES - 2 * MARGIN
STYLE = (
    "text{font:13px sans-serif;fill:#1f2937}.title{font-weight:600}.value{fill:#4b5563}"
    ".bar{fill:#4477aa}.beside{fill:#bbbbbb}.spread{stroke:#1f2937;stroke-width:1.5}"
)


def picture(benchmarks: Sequence[Benchmark], results: Mapping[str, Sequence[Figure]]) -> str:
    """An SVG document; bars start at 0 and are as long as their medians, chart by chart.

    Grey is what others are compared with, a thin line reaches from the least to the most.
    """
    parts: list[str] = []
    top = MARGIN
    for benchmark in benchmarks:
        for unit, figures in _by_unit(results.get(benchmark.name, ())):
            parts += _chart(f"{benchmark.name}, {unit}", figures, top)
            top += HEAD + ROW * len(figures)
    height = top + MARGIN
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>What was measured</title><style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _by_unit(figures: Sequence[Figure]) -> Iterator[tuple[str, list[Figure]]]:
    """Units with at least two figures: one bar alone compares nothing."""
    for unit in dict.fromkeys(figure.unit for figure in figures):
        same = [figure for figure in figures if figure.unit == unit]
        if len(same) > 1:
            yield unit, same


def _chart(title: str, figures: Sequence[Figure], top: int) -> Iterator[str]:
    yield f'<text class="title" x="{MARGIN}" y="{top + 28}">{escape(title)}</text>'
    longest = max(figure.most for figure in figures) or 1.0
    by_name = {figure.name: figure for figure in figures}
    compared = {figure.beside for figure in figures}
    for row, figure in enumerate(figures):
        y = top + HEAD + row * ROW
        middle, left = y + BAR / 2, MARGIN + NAMES
        kind = "beside" if figure.name in compared else "bar"
        ends = [left + BARS * value / longest for value in (figure.least, figure.most)]
        ratio = ""
        if figure.beside in by_name:
            ratio = f" · {figure.ratio_to(by_name[figure.beside]):.2f} x"
        yield (
            f'<text x="{left - 8}" y="{y + 10}" text-anchor="end">{escape(figure.name)}</text>'
            f'<rect class="{kind}" x="{left}" y="{y}" height="{BAR}" '
            f'width="{BARS * max(0.0, figure.median) / longest:.1f}"/>'
            f'<line class="spread" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
            f'y1="{middle}" y2="{middle}"/>'
            f'<text class="value" x="{left + BARS + 8}" y="{y + 10}">'
            f"{number(figure.median)}{ratio}</text>"
        )
