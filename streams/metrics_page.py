"""docs/metrics.md, made of the list of metrics."""

from __future__ import annotations

from collections.abc import Sequence

from streams.metrics import DOOR_METRICS, METRICS, MetricSpec

METRICS_PAGE_HEAD = """\
# Metrics

A worker serves these on `/metrics` of its web server (`web.host`, `web.port`), in Prometheus' text
format; the door and the view serve others, that follow below. This page is made from
`streams/metrics.py` and `console/metrics.py` by `make docs`.

## Of one worker
"""


def describe() -> str:
    """docs/metrics.md: one table row for each metric."""
    head = ("| metric | kind | labels | what it says |", "|---|---|---|---|")
    door = ("", "## Of the door", "")
    return "\n".join(
        (METRICS_PAGE_HEAD, *head, *_rows(METRICS), *door, *head, *_rows(DOOR_METRICS), "")
    )


def _rows(specs: Sequence[MetricSpec]) -> list[str]:
    return [
        f"| `{spec.name}` | {spec.kind.value} "
        f"| {', '.join(f'`{label}`' for label in spec.labels) or 'none'} | {spec.says} |"
        for spec in specs
    ]
