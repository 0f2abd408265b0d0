"""What `slipwatch status` says, as metrics in the text format of Prometheus.

A worker's own metrics tell of that worker (`streams/metrics.py`); these tell of the whole, so one
view is enough to alert on. A label is a worker, a stage, a topic or a partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from console.standing import FLOW, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "slipwatch_status_"

Samples = Iterable[tuple[tuple[str, ...], float]]


class StatusMetric(NamedTuple):
    """One gauge; `samples` gives its values with those of its labels."""

    name: str
    says: str
    labels: tuple[str, ...]
    samples: Callable[[Status], Samples]


def _one(name: str, says: str, value: Callable[[Status], float | None]) -> StatusMetric:
    """A gauge without labels; None is left out."""

    def samples(status: Status) -> Iterator[tuple[tuple[str, ...], float]]:
        found = value(status)
        if found is not None:
            yield (), found

    return StatusMetric(PREFIX + name, says, (), samples)


def _time_reached(status: Status) -> float | None:
    return status.as_of.at.timestamp() if status.as_of is not None else None


def _oldest_undelivered(status: Status) -> float:
    oldest = status.undelivered.oldest_at
    if oldest is None or status.as_of is None:
        return 0.0
    return max(0.0, (status.as_of.at - oldest).total_seconds())


def _tick_wait(status: Status) -> float:
    if not status.held_back_by or status.newest_tick_read_at is None:
        return 0.0
    return max(0.0, (status.answered_at - status.newest_tick_read_at).total_seconds())


METRICS: tuple[StatusMetric, ...] = (
    _one("workers", "Workers that own partitions.", lambda s: len(s.workers)),
    StatusMetric(
        PREFIX + "worker_partitions",
        "Partitions that the worker wrote last.",
        ("worker",),
        lambda s: [((each.worker,), each.partitions) for each in s.workers],
    ),
    StatusMetric(
        PREFIX + "worker_restoring_partitions",
        "Partitions whose state the worker is still reading back.",
        ("worker",),
        lambda s: [((each.worker,), each.restoring) for each in s.workers],
    ),
    StatusMetric(
        PREFIX + "worker_copies",
        "Partitions of other workers of whose state the worker keeps a copy.",
        ("worker",),
        lambda s: [((each.worker,), each.copies) for each in s.workers],
    ),
    StatusMetric(
        PREFIX + "worker_relay_behind",
        "Offsets of `partner-status` that the worker had not relayed when it last looked.",
        ("worker",),
        lambda s: [((each.worker,), each.relay_behind) for each in s.workers if each.relays_to],
    ),
    StatusMetric(
        PREFIX + "worker_webhooks_owed",
        "Lines that parties wait to be told by webhook, as the worker that sends them told last.",
        ("worker",),
        lambda s: [((each.worker,), each.webhooks_owed) for each in s.workers if each.webhooks],
    ),
    StatusMetric(
        PREFIX + "worker_webhooks_failing",
        "Parties whose webhook does not take what it is sent, or is suspended.",
        ("worker",),
        lambda s: [((each.worker,), each.webhooks_failing) for each in s.workers if each.webhooks],
    ),
    _one(
        "facts_behind",
        "Records of facts that were there at the newest tick and are not taken in yet.",
        lambda s: s.facts_behind,
    ),
    _one(
        "catching_up",
        "1 while the newest tick is a part of a backlog, else 0.",
        lambda s: float(s.newest_tick is not None and not s.newest_is_complete),
    ),
    _one(
        "time_seconds",
        "How far time has come everywhere: T of the last whole tick, in seconds since 1970.",
        _time_reached,
    ),
    StatusMetric(
        PREFIX + "stage_time_seconds",
        "How far time has come in a stage, in its slowest partition, in seconds since 1970.",
        ("stage",),
        lambda s: [((each.stage,), each.at_min.timestamp()) for each in s.stages if each.at_min],
    ),
    StatusMetric(
        PREFIX + "input_time_seconds",
        "The T up to which a partition of facts is taken in, in seconds since 1970.",
        ("topic", "partition"),
        lambda s: [
            ((each.topic, str(each.partition)), each.at.timestamp())
            for each in s.partitions
            if each.stage == FLOW[0] and each.at is not None
        ],
    ),
    StatusMetric(
        PREFIX + "held_back_by_partitions",
        "Partitions of the stage that the newest tick waits for.",
        ("stage",),
        lambda s: [
            ((stage,), sum(1 for each in s.held_back_by if each.stage == stage)) for stage in FLOW
        ],
    ),
    _one(
        "tick_wait_seconds",
        "How long the newest tick has waited for them; 0 when it is done.",
        _tick_wait,
    ),
    _one(
        "hidden_partitions",
        "Partitions of facts whose newest records hide behind a sender's open transaction.",
        lambda s: len(s.held_sources),
    ),
    _one("feeds", "Feeds that have spoken or are declared.", lambda s: s.feeds),
    _one("blind_feeds", "Feeds that are blind.", lambda s: len(s.blind_feeds)),
    _one(
        "quarantined_feeds",
        "Those of them that are blind because too many of their records are refused.",
        lambda s: sum(each.quarantined for each in s.blind_feeds),
    ),
    _one("dead_letters", "Dead letters that were not sent again.", lambda s: s.dead_letters.count),
    _one("unlinked_numbers", "Numbers that stand for no line yet.", lambda s: s.unlinked.count),
    _one("parked_keys", "Keys whose evaluation failed, at most 100.", lambda s: len(s.parked)),
    _one(
        "undelivered_notifications",
        "Notifications that some sink still owes.",
        lambda s: s.undelivered.count,
    ),
    _one(
        "oldest_undelivered_seconds",
        "Age of the oldest of these, in the time of the chain; 0 without one.",
        _oldest_undelivered,
    ),
    _one(
        "unreadable_records",
        "Records of output topics that the view could not read, at most 100.",
        lambda s: len(s.unreadable),
    ),
    _one(
        "view_problem", "1 while the view cannot read the topics.", lambda s: bool(s.view_problem)
    ),
)


def write_metrics(status: Status) -> str:
    """All of them, in Prometheus' text format."""
    lines: list[str] = []
    for metric in METRICS:
        lines += [f"# HELP {metric.name} {metric.says}", f"# TYPE {metric.name} gauge"]
        for values, value in metric.samples(status):
            labels = ",".join(
                f'{label}="{_escaped(text)}"'
                for label, text in zip(metric.labels, values, strict=True)
            )
            lines.append(f"{metric.name}{f'{{{labels}}}' if labels else ''} {float(value)!r}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def describe() -> str:
    """The part of docs/metrics.md about the view: one table row for each metric."""
    rows = [
        f"| `{each.name}` | gauge | {', '.join(f'`{label}`' for label in each.labels) or 'none'} "
        f"| {each.says} |"
        for each in METRICS
    ]
    return "\n".join(
        (
            "## Of the whole, by the view",
            "",
            "The view serves these on its `/metrics`: what `slipwatch status` says.",
            "",
            "| metric | kind | labels | what it says |",
            "|---|---|---|---|",
            *rows,
            "",
        )
    )
