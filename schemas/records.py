"""Records that Slipwatch writes for others to read: one struct per output topic, sent as JSON.

Promise to readers: fields are only ever added, with a default; none changes its meaning, and an
unknown field is to be ignored. Times are RFC 3339 in UTC, dates are dates at the place where they
fall due, quantities are decimal strings beside their unit, money is integer minor units beside its
currency. `tick` is the number of the tick that made the record; `at` is that tick's time.
"""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import TypeVar

import msgspec

from schemas.payment_records import LinePayment


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all output records; `v` is the version of the record's shape."""

    v: int = 1


class Progress(enum.StrEnum):
    """How far an order line has come, from facts alone."""

    PLACED = "placed"
    CONFIRMED = "confirmed"
    PACKED = "packed"
    SHIPPED = "shipped"
    ARRIVED = "arrived"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class Standing(enum.StrEnum):
    """How the line stands against its promise. A silent feed is blind, never on time or late."""

    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    LATE = "late"
    BLIND = "blind"
    UNKNOWN = "unknown"
    ENDED = "ended"


class Severity(enum.StrEnum):
    """How bad a finding is; the order of the members is the order of severity."""

    INFO = "info"
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Statement(Record, frozen=True, kw_only=True):
    """A date or moment that somebody stated: what, who told it, and when it was told.

    `due_at` is the moment at which it falls due where it falls due.
    """

    on: dt.date | None = None
    at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    source: str
    told_at: dt.datetime


class Quantities(Record, frozen=True, kw_only=True):
    """What is known of a line's quantities, in the line's unit."""

    ordered: Decimal
    confirmed: Decimal = Decimal(0)
    shipped: Decimal = Decimal(0)
    in_transit: Decimal = Decimal(0)
    delivered: Decimal = Decimal(0)
    damaged: Decimal = Decimal(0)
    short: Decimal = Decimal(0)
    over: Decimal = Decimal(0)
    returned: Decimal = Decimal(0)
    cancelled: Decimal = Decimal(0)


class NextStep(Record, frozen=True, kw_only=True):
    """What should happen next on a line, by when, and whose feed should tell it."""

    step: str
    by: dt.datetime | None = None
    feeds: tuple[str, ...] = ()


class Expected(Record, frozen=True, kw_only=True):
    """When the line is expected now, and what that rests on (an ETA, the promise, a lead time)."""

    at: dt.datetime
    basis: str
    source: str | None = None
    told_at: dt.datetime | None = None


class OrderStatus(Record, frozen=True, kw_only=True):
    """Topic `order-status`, key: line id. One order line as of a tick."""

    line_id: str
    order_ref: str
    line: str
    tick: int
    at: dt.datetime
    progress: Progress
    standing: Standing
    why: str
    item: str | None = None
    unit: str | None = None
    buyer: str | None = None
    supplier: str | None = None
    ship_from: str | None = None
    ship_to: str | None = None
    quantities: Quantities
    requested: Statement | None = None
    first_confirmed: Statement | None = None
    last_confirmed: Statement | None = None
    expected: Expected | None = None
    next: NextStep | None = None
    shipments: tuple[str, ...] = ()
    value_minor: int | None = None
    currency: str | None = None
    blind_feeds: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    """Names of the rules that fire for the line now."""
    parties: tuple[str, ...] = ()
    last_fact_at: dt.datetime | None = None
    payment: LinePayment | None = None
    """None where nobody told of any money."""


class Money(Record, frozen=True, kw_only=True):
    """An amount in the minor units of a currency."""

    value_minor: int
    currency: str


class Consequence(Record, frozen=True, kw_only=True):
    """One line (or feed) that an incident hits, and the rule that says so."""

    subject: str
    rule: str
    severity: Severity
    text: str
    figures: dict[str, str | int | None] = {}
    due_at: dt.datetime | None = None
    projected_at: dt.datetime | None = None
    days: int | None = None
    value_minor: int | None = None
    currency: str | None = None
    accounts: tuple[str, ...] = ()


class AlertState(enum.StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"


class Alert(Record, frozen=True, kw_only=True):
    """Topic `alerts`, key: alert id. One incident: a root cause and everything it hits.

    `episode` counts how often it opened; `consequences` holds the worst first, at most
    `limits.CONSEQUENCES_LISTED`, and `consequence_count` all of them.
    """

    alert_id: str
    episode: int
    state: AlertState
    revision: int
    tick: int
    at: dt.datetime
    aspect: str
    cause_kind: str
    cause_id: str
    cause: str
    severity: Severity
    title: str
    next_step: str
    opened_at: dt.datetime
    updated_at: dt.datetime
    resolved_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    projected_at: dt.datetime | None = None
    days: int | None = None
    value_at_risk: tuple[Money, ...] = ()
    accounts: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    consequences: tuple[Consequence, ...] = ()
    consequence_count: int = 0


class Outcome(enum.StrEnum):
    """What a rule says of a line: it fires, has a reason for silence, or cannot see."""

    FIRES = "fires"
    SILENT = "silent"
    BLIND = "blind"


class ChaseKind(enum.StrEnum):
    """What a supplier can be asked for: to confirm, or to ship what it promised or say when."""

    CONFIRMATION = "chasing_confirmation"
    PROMISE = "chasing_promise"


class Verdict(Record, frozen=True, kw_only=True):
    """What one rule says of one line, with its figures. It holds until `next_fire_at`. Where `rule`
    is a `ChaseKind` it says whether the supplier is asked, `value` times of at most `threshold`."""

    rule: str
    outcome: Outcome
    reason: str
    text: str
    value: str | None = None
    threshold: str | None = None
    threshold_source: str | None = None
    next_fire_at: dt.datetime | None = None
    severity: Severity | None = None
    alert_id: str | None = None


class DecisionKind(enum.StrEnum):
    VERDICTS = "verdicts"
    ALERT = "alert"
    NOTICE = "notice"


class Decision(Record, frozen=True, kw_only=True):
    """Topic `decisions`, key: subject. Every judgement that changed, kept for the past.

    kind `verdicts`: subject is a line or feed, `verdicts` those that changed at this tick;
    kind `alert`: subject is an alert id, `what` one of opened, updated, resolved, reopened;
    kind `notice`: subject is an alert id, `recipient` who was (not) told, `what` one of told,
    muted, withheld (in shadow mode they would have been told), and `reason` why.
    """

    subject: str
    tick: int
    at: dt.datetime
    kind: DecisionKind
    what: str = ""
    reason: str = ""
    verdicts: tuple[Verdict, ...] = ()
    alert_id: str | None = None
    episode: int | None = None
    revision: int | None = None
    recipient: str | None = None
    notification_id: str | None = None


class Notification(Record, frozen=True, kw_only=True):
    """Topic `notifications`, key: recipient. Something one recipient is to be told.

    `notification_id` is stable: whoever receives it twice may drop the second. One made in shadow
    mode names no sinks, so that nobody is told; `shadow` says so, and `withheld_sinks` which they
    would have been. `event` is opened, updated, resolved, reopened, or `summary`: all that is open,
    of which `alert` is the worst.
    """

    notification_id: str
    recipient: str
    audience: str
    sinks: tuple[str, ...]
    tick: int
    at: dt.datetime
    event: str
    alert_id: str
    episode: int
    revision: int
    severity: Severity
    title: str
    text: str
    next_step: str
    alert: Alert
    shadow: bool = False
    withheld_sinks: tuple[str, ...] = ()


class Receipt(Record, frozen=True, kw_only=True):
    """Topic `receipts`, key: notification id and sink. What became of a delivery."""

    notification_id: str
    recipient: str
    sink: str
    outcome: str
    attempts: int
    at: dt.datetime
    detail: str = ""


class DeadLetter(Record, frozen=True, kw_only=True):
    """Topic `dead-letters`, key: id. A record that could not be used.

    `id` is `TOPIC/PARTITION/OFFSET` of what intake refused; of a fact that was refused later, the
    line or number that had no room for it, its source and its event id.

    `value` and `key_bytes` are the original bytes. Of a record that is larger than a letter may be,
    `value` is the beginning and `value_bytes` the whole size; the record itself lies where `topic`,
    `partition` and `offset` say. `retried_at` marks one that was sent again.
    """

    id: str
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    tick: int
    at: dt.datetime
    source: str | None = None
    event_id: str | None = None
    key_bytes: bytes | None = None
    value: bytes
    value_bytes: int | None = None
    retried_at: dt.datetime | None = None


class WaitingFacts(Record, frozen=True, kw_only=True):
    """How many facts of one kind, by one source, wait with a number."""

    source: str
    kind: str
    facts: int


class Unlinked(Record, frozen=True, kw_only=True):
    """Topic `unlinked`, key: number. Facts about a number that stands for no line yet."""

    number: str
    waiting: int
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    since: dt.datetime
    tick: int
    counts: tuple[WaitingFacts, ...] = ()
    """By source and kind, ascending; none in records of releases before there were any."""


class Parked(Record, frozen=True, kw_only=True):
    """Topic `parked`, key: stage, partition and key. A key whose evaluation failed."""

    stage: str
    partition: int
    key: str
    tick: int
    at: dt.datetime
    error: str
    rows: int


class FeedStatus(Record, frozen=True, kw_only=True):
    """Topic `feeds`, key: source. What is known of a source and whether it is blind; it is also
    blind while `quarantined`, because too many of its records are refused. `learned_hours` is the
    silence that it has shown to be usual."""

    source: str
    tick: int
    at: dt.datetime
    blind: bool
    declared: bool
    last_told_at: dt.datetime | None = None
    complete_to: dt.datetime | None = None
    expected_by: dt.datetime | None = None
    text: str = ""
    quarantined: bool = False
    learned_hours: int | None = None


R = TypeVar("R", bound=Record)

_READY = tuple(msgspec.json.Decoder(kind) for kind in Record.__subclasses__())
"""Makes msgspec 0.22 look at every kind now, on one thread: it crashes when two threads are the
first to ask for the same type at once (seen in `msgspec._utils.get_class_annotations`)."""

_encoder = msgspec.json.Encoder(decimal_format="string")


def encode(record: Record) -> bytes:
    """The record as JSON; the same record gives the same bytes."""
    return _encoder.encode(record)


def decode(data: bytes, kind: type[R]) -> R:
    """The record of that kind in the JSON; raises msgspec.DecodeError when it is none."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error
