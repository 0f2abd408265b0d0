"""Every metric of a worker: name, kind, labels, meaning; nowhere else is one named.

`Metrics` is made once, by the app, on a registry that it is given. Who has something to count gets
the object handed in and calls its methods; nobody reads metrics back to decide anything. Values
hold no payloads and no secrets; a label takes few values (a stage, a topic, a partition, a sink),
never an id of a line, an alert or a recipient.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST

SHORT_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
LONG_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Kind(enum.StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class MetricSpec(msgspec.Struct, frozen=True):
    """One metric; `buckets` (upper bounds, in the metric's unit) is for histograms only."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


FACTS = MetricSpec("slipwatch_facts_total", Kind.COUNTER, "Facts that this worker took in.")
FACTS_REFUSED = MetricSpec(
    "slipwatch_facts_refused_total",
    Kind.COUNTER,
    "Records of the fact topics that could not be used and went to the dead letters.",
)
TICKS = MetricSpec(
    "slipwatch_ticks_total",
    Kind.COUNTER,
    "Ticks seen, by whether the cut was complete: nothing readable lay behind it.",
    ("complete",),
)
TICK_NUMBER = MetricSpec(
    "slipwatch_tick_number", Kind.GAUGE, "Number of the last tick that is done everywhere."
)
TICK_TIME = MetricSpec(
    "slipwatch_tick_time_seconds",
    Kind.GAUGE,
    "How far time has come: T of that tick, in seconds since 1970.",
)
TICK_IN_FLIGHT_SECONDS = MetricSpec(
    "slipwatch_tick_in_flight_seconds",
    Kind.GAUGE,
    "How long the tick in flight has been on its way, as this worker saw it; 0 without one.",
)
INPUT_LAG = MetricSpec(
    "slipwatch_input_lag_records",
    Kind.GAUGE,
    "Offsets of an owned partition that are not yet part of the state.",
    ("topic", "partition"),
)
ASSIGNED = MetricSpec(
    "slipwatch_assigned_partitions",
    Kind.GAUGE,
    "Partitions that this worker owns, by topic.",
    ("topic",),
)
TRANSACTIONS = MetricSpec(
    "slipwatch_transactions_total",
    Kind.COUNTER,
    "Transactions of the engine, by outcome: committed or aborted.",
    ("outcome",),
)
TRANSACTION_SECONDS = MetricSpec(
    "slipwatch_transaction_seconds",
    Kind.HISTOGRAM,
    "From the begin of a transaction to its commit.",
    (),
    SHORT_SECONDS,
)
RECORDS_WRITTEN = MetricSpec(
    "slipwatch_records_written_total",
    Kind.COUNTER,
    "Records written in committed transactions: outputs and changed state.",
)
RESTORE_SECONDS = MetricSpec(
    "slipwatch_restore_seconds",
    Kind.HISTOGRAM,
    "Time to restore the state of partitions that were assigned together.",
    (),
    LONG_SECONDS,
)
RESTORED_RECORDS = MetricSpec(
    "slipwatch_restored_records_total",
    Kind.COUNTER,
    "Changelog records read back to restore state.",
)
RESTORING = MetricSpec(
    "slipwatch_restoring_partitions", Kind.GAUGE, "Owned partitions that are being restored."
)
COPIES = MetricSpec(
    "slipwatch_standby_partitions",
    Kind.GAUGE,
    "Partitions of other workers of whose state this worker keeps a copy.",
)
COPIES_BEHIND = MetricSpec(
    "slipwatch_standby_behind_changelogs",
    Kind.GAUGE,
    "Changelog partitions of these copies that were not yet read to where they ended at first.",
)
HELD_PARTITIONS = MetricSpec(
    "slipwatch_held_partitions",
    Kind.GAUGE,
    "Fact partitions whose newest records hide behind a sender's open transaction.",
)
SCHEMAS_AWAITED = MetricSpec(
    "slipwatch_schemas_awaited",
    Kind.GAUGE,
    "Ids of a schema registry that facts of the tick name and nothing is known of: time waits.",
)
SCHEMA_LOOKUPS = MetricSpec(
    "slipwatch_schema_lookups_total",
    Kind.COUNTER,
    "Questions to the schema registry, by outcome: found, absent or failed.",
    ("outcome",),
)
TROUBLES = MetricSpec(
    "slipwatch_engine_troubles_total",
    Kind.COUNTER,
    "Faults that the engine went on from, such as a ticker that lost the broker.",
)
ENGINE_STATE = MetricSpec(
    "slipwatch_engine_state",
    Kind.GAUGE,
    "1 for the state that the engine is in, 0 for the others.",
    ("state",),
)
TICKER = MetricSpec("slipwatch_ticker", Kind.GAUGE, "1 if this worker is the ticker, else 0.")
NOTIFICATIONS = MetricSpec(
    "slipwatch_notifications_total",
    Kind.COUNTER,
    "Notifications that are settled, by sink and outcome: delivered or parked.",
    ("sink", "outcome"),
)
DELIVERY_FAILURES = MetricSpec(
    "slipwatch_delivery_failures_total",
    Kind.COUNTER,
    "Attempts to deliver that failed, by sink; they are made again, or parked.",
    ("sink",),
)
DELIVERY_SECONDS = MetricSpec(
    "slipwatch_delivery_seconds",
    Kind.HISTOGRAM,
    "Time that one attempt to deliver took, by sink.",
    ("sink",),
    SHORT_SECONDS,
)
UNDELIVERED = MetricSpec(
    "slipwatch_notifications_owed",
    Kind.GAUGE,
    "Notifications held by this worker that have no receipt yet; more may wait in Kafka.",
)
OLDEST_UNDELIVERED = MetricSpec(
    "slipwatch_oldest_undelivered_seconds",
    Kind.GAUGE,
    "How long this worker has known the oldest notification without a receipt; 0 without one.",
)
SHADOW = MetricSpec(
    "slipwatch_shadow_mode", Kind.GAUGE, "1 while the policy says that nobody is told."
)
UNREADABLE_NOTIFICATIONS = MetricSpec(
    "slipwatch_unreadable_notifications_total",
    Kind.COUNTER,
    "Records on `notifications` that are no notification, and were passed over.",
)

RELAYED = MetricSpec(
    "slipwatch_relayed_total",
    Kind.COUNTER,
    "Records that this worker wrote to partners' topics.",
)
RELAY_BEHIND = MetricSpec(
    "slipwatch_relay_behind_records",
    Kind.GAUGE,
    "Offsets of `partner-status` that are not yet on partners' topics; 0 where another relays.",
)
RELAY_PARTIES = MetricSpec(
    "slipwatch_relay_parties",
    Kind.GAUGE,
    "Subscribed parties that this worker relays to; 0 where another relays.",
)
RELAY_LINES = MetricSpec(
    "slipwatch_relay_lines", Kind.GAUGE, "Lines that stand on the topics of these parties."
)
RELAY_STATE = MetricSpec(
    "slipwatch_relay_state",
    Kind.GAUGE,
    "1 for the state that the relay is in, 0 for the others.",
    ("state",),
)
RELAY_TROUBLES = MetricSpec(
    "slipwatch_relay_troubles_total",
    Kind.COUNTER,
    "Faults that the relay began anew after, such as a broker that was away.",
)
WEBHOOK_ATTEMPTS = MetricSpec(
    "slipwatch_webhook_attempts_total",
    Kind.COUNTER,
    "Messages to parties' webhooks, each time one was sent, by outcome: delivered, failed, refused "
    "for good, or gone.",
    ("outcome",),
)
WEBHOOK_SECONDS = MetricSpec(
    "slipwatch_webhook_seconds",
    Kind.HISTOGRAM,
    "Time from sending a message to a party's webhook to the answer.",
    (),
    SHORT_SECONDS,
)
WEBHOOK_OWED = MetricSpec(
    "slipwatch_webhook_owed_lines",
    Kind.GAUGE,
    "Lines of which parties wait to be told by webhook, suspended ones left out; 0 where another "
    "worker sends.",
)
WEBHOOK_OLDEST = MetricSpec(
    "slipwatch_webhook_oldest_owed_seconds",
    Kind.GAUGE,
    "How long this worker has known the oldest of these; 0 without one.",
)
WEBHOOK_PARTIES = MetricSpec(
    "slipwatch_webhook_parties",
    Kind.GAUGE,
    "Parties with a webhook, by how it answers: delivering, failing or suspended.",
    ("state",),
)
WEBHOOK_STATE = MetricSpec(
    "slipwatch_webhook_state",
    Kind.GAUGE,
    "1 for the state that the sender of webhooks is in, 0 for the others.",
    ("state",),
)
WEBHOOK_TROUBLES = MetricSpec(
    "slipwatch_webhook_troubles_total",
    Kind.COUNTER,
    "Faults that the sender of webhooks began anew after, such as a broker that was away.",
)

METRICS: tuple[MetricSpec, ...] = (
    FACTS,
    FACTS_REFUSED,
    TICKS,
    TICK_NUMBER,
    TICK_TIME,
    TICK_IN_FLIGHT_SECONDS,
    INPUT_LAG,
    ASSIGNED,
    TRANSACTIONS,
    TRANSACTION_SECONDS,
    RECORDS_WRITTEN,
    RESTORE_SECONDS,
    RESTORED_RECORDS,
    RESTORING,
    COPIES,
    COPIES_BEHIND,
    HELD_PARTITIONS,
    SCHEMAS_AWAITED,
    SCHEMA_LOOKUPS,
    TROUBLES,
    ENGINE_STATE,
    TICKER,
    NOTIFICATIONS,
    DELIVERY_FAILURES,
    DELIVERY_SECONDS,
    UNDELIVERED,
    OLDEST_UNDELIVERED,
    SHADOW,
    UNREADABLE_NOTIFICATIONS,
    RELAYED,
    RELAY_BEHIND,
    RELAY_PARTIES,
    RELAY_LINES,
    RELAY_STATE,
    RELAY_TROUBLES,
    WEBHOOK_ATTEMPTS,
    WEBHOOK_SECONDS,
    WEBHOOK_OWED,
    WEBHOOK_OLDEST,
    WEBHOOK_PARTIES,
    WEBHOOK_STATE,
    WEBHOOK_TROUBLES,
)

DOOR_FACTS = MetricSpec(
    "slipwatch_door_facts_total",
    Kind.COUNTER,
    "Facts that came to the door, by way (http, folder, link) and outcome: accepted, refused, "
    "or failed because the broker did not take them.",
    ("way", "outcome"),
)
DOOR_REQUESTS = MetricSpec(
    "slipwatch_door_requests_total",
    Kind.COUNTER,
    "Requests to the door that were answered, by status.",
    ("status",),
)
DOOR_SECONDS = MetricSpec(
    "slipwatch_door_request_seconds",
    Kind.HISTOGRAM,
    "Time from the body of a request to its answer, the broker's among it.",
    (),
    SHORT_SECONDS,
)
DOOR_FILES = MetricSpec(
    "slipwatch_door_files_total",
    Kind.COUNTER,
    "Files that were read from folders, by outcome: done, refused (wholly or in part), or failed "
    "because the broker did not take all facts or they could not be put aside; those are read "
    "again.",
    ("outcome",),
)
DOOR_OLDEST_FILE = MetricSpec(
    "slipwatch_door_oldest_file_seconds",
    Kind.GAUGE,
    "Age of the oldest file that could not be taken, or time since a folder cannot be used; 0 "
    "without one.",
)

DOOR_METRICS: tuple[MetricSpec, ...] = (
    DOOR_FACTS,
    DOOR_REQUESTS,
    DOOR_SECONDS,
    DOOR_FILES,
    DOOR_OLDEST_FILE,
)
"""Those of the door, which is a process of its own."""


class Metrics:
    """The metrics of one process on one registry. Every method may be called from any thread."""

    def __init__(self, registry: CollectorRegistry, specs: Sequence[MetricSpec] = METRICS) -> None:
        self._registry = registry
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for spec in specs:
            match spec.kind:
                case Kind.COUNTER:
                    self._counters[spec.name] = Counter(
                        spec.name, spec.says, spec.labels, registry=registry
                    )
                case Kind.GAUGE:
                    self._gauges[spec.name] = Gauge(
                        spec.name, spec.says, spec.labels, registry=registry
                    )
                case Kind.HISTOGRAM:
                    self._histograms[spec.name] = Histogram(
                        spec.name, spec.says, spec.labels, registry=registry, buckets=spec.buckets
                    )

    def text(self) -> bytes:
        """All metrics in Prometheus' text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def count(self, spec: MetricSpec, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter. The labels must be those of its spec."""
        counter = self._counters[spec.name]
        (counter.labels(**labels) if spec.labels else counter).inc(amount)

    def set(self, spec: MetricSpec, value: float, **labels: str) -> None:
        """Set a gauge. The labels must be those of its spec."""
        gauge = self._gauges[spec.name]
        (gauge.labels(**labels) if spec.labels else gauge).set(value)

    def replace(self, spec: MetricSpec, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge with labels to exactly these values: what is not named is gone."""
        gauge = self._gauges[spec.name]
        gauge.clear()
        for labels, value in values.items():
            gauge.labels(*labels).set(value)

    def observe(self, spec: MetricSpec, value: float, **labels: str) -> None:
        """Put a value into a histogram. The labels must be those of its spec."""
        histogram = self._histograms[spec.name]
        (histogram.labels(**labels) if spec.labels else histogram).observe(value)


def door_metrics() -> Metrics:
    """Those of a door, on a registry of their own."""
    return Metrics(CollectorRegistry(), DOOR_METRICS)
