"""What the HTTP API answers: one model an answer, the contract that docs/http-api.md describes.

Fields are only ever added. Times are RFC 3339 in UTC, quantities decimal strings beside their unit,
money integer minor units beside its currency. The models of records have the fields of their
namesakes in `schemas.records`, whose docstrings say what they mean.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from schemas.payment_records import Clearance, PaidFor
from schemas.records import AlertState, Progress, Severity, Standing


class Answer(BaseModel):
    """Base of all answers; made from records by their field names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class AsOf(Answer):
    """The tick that an answer shows: everything up to it, nothing after it."""

    tick: int
    at: dt.datetime


class Statement(Answer):
    on: dt.date | None
    at: dt.datetime | None
    due_at: dt.datetime | None
    source: str
    told_at: dt.datetime


class Quantities(Answer):
    ordered: Decimal
    confirmed: Decimal
    shipped: Decimal
    in_transit: Decimal
    delivered: Decimal
    damaged: Decimal
    short: Decimal
    over: Decimal
    returned: Decimal
    cancelled: Decimal


class NextStep(Answer):
    step: str
    by: dt.datetime | None
    feeds: tuple[str, ...]


class Expected(Answer):
    at: dt.datetime
    basis: str
    source: str | None
    told_at: dt.datetime | None


class LinePayment(Answer):
    """The money of an order line: what is asked and paid for it, and whether its goods may go."""

    paid_for: PaidFor
    clearance: Clearance
    why: str
    currency: str | None
    invoiced_minor: int
    credited_minor: int
    authorised_minor: int
    paid_minor: int
    refunded_minor: int
    asked_minor: int | None
    open_minor: int | None
    due_at: dt.datetime | None
    disputed: bool
    invoices: tuple[str, ...]
    payments: tuple[str, ...]
    blind_feeds: tuple[str, ...]


class OrderLine(Answer):
    """One order line as of the tick; `tick` and `at` say when it last changed."""

    line_id: str
    order_ref: str
    line: str
    tick: int
    at: dt.datetime
    progress: Progress
    standing: Standing
    why: str
    item: str | None
    unit: str | None
    buyer: str | None
    supplier: str | None
    ship_from: str | None
    ship_to: str | None
    quantities: Quantities
    requested: Statement | None
    first_confirmed: Statement | None
    last_confirmed: Statement | None
    expected: Expected | None
    next: NextStep | None
    shipments: tuple[str, ...]
    value_minor: int | None
    currency: str | None
    blind_feeds: tuple[str, ...]
    rules: tuple[str, ...]
    parties: tuple[str, ...]
    last_fact_at: dt.datetime | None
    payment: LinePayment | None = Field(description="None where nobody told of any money.")


class OrderAnswer(Answer):
    """The lines that a number stands for. `matched` says what the number was found to be."""

    as_of: AsOf
    asked: str
    matched: tuple[str, ...]
    lines: tuple[OrderLine, ...]
    next_after: str | None = Field(description="Send as `after` for the next page.")


class Money(Answer):
    value_minor: int
    currency: str


class Consequence(Answer):
    subject: str
    rule: str
    severity: Severity
    text: str
    figures: dict[str, str | int | None]
    due_at: dt.datetime | None
    projected_at: dt.datetime | None
    days: int | None
    value_minor: int | None
    currency: str | None
    accounts: tuple[str, ...]


class Alert(Answer):
    """One incident: a root cause and everything that it hits."""

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
    resolved_at: dt.datetime | None
    due_at: dt.datetime | None
    projected_at: dt.datetime | None
    days: int | None
    value_at_risk: tuple[Money, ...]
    accounts: tuple[str, ...]
    audiences: tuple[str, ...]
    rules: tuple[str, ...]
    consequences: tuple[Consequence, ...]
    consequence_count: int


class AlertsAnswer(Answer):
    """Alerts, the most severe first, then the newest."""

    as_of: AsOf
    alerts: tuple[Alert, ...]
    next_after: str | None


class AlertRevision(Answer):
    """One revision of an alert, in short."""

    tick: int
    at: dt.datetime
    episode: int
    revision: int
    state: AlertState
    severity: Severity
    title: str
    consequence_count: int
    value_at_risk: tuple[Money, ...]


class AlertEvent(Answer):
    """A step in the life of an alert: `what` is opened, updated, resolved or reopened."""

    tick: int
    at: dt.datetime
    what: str
    reason: str
    episode: int | None
    revision: int | None


class Delivery(Answer):
    """How one notification stands with one sink; `outcome` None: no receipt yet."""

    sink: str
    outcome: str | None
    attempts: int
    at: dt.datetime | None
    detail: str


class Told(Answer):
    """Who was told of an alert, or was not and why: `what` is told, muted or withheld."""

    tick: int
    at: dt.datetime
    alert_id: str
    recipient: str | None
    what: str
    reason: str
    episode: int | None
    revision: int | None
    notification_id: str | None
    deliveries: tuple[Delivery, ...]


class AlertAnswer(Answer):
    """One alert with its past, oldest first. `alert` is its last revision as of the tick."""

    as_of: AsOf
    alert: Alert
    revisions: tuple[AlertRevision, ...]
    events: tuple[AlertEvent, ...]
    told: tuple[Told, ...]


class FeedStatus(Answer):
    source: str
    tick: int
    at: dt.datetime
    blind: bool
    declared: bool
    last_told_at: dt.datetime | None
    complete_to: dt.datetime | None
    expected_by: dt.datetime | None
    text: str
    quarantined: bool
    learned_hours: int | None


class NotificationLine(Answer):
    """A notification and how its deliveries stand; of one made in shadow mode there are none."""

    notification_id: str
    recipient: str
    audience: str
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
    shadow: bool
    deliveries: tuple[Delivery, ...]


class DeadLetterLine(Answer):
    """A record that could not be used, without its bytes."""

    id: str
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    tick: int
    at: dt.datetime
    source: str | None
    event_id: str | None
    retried_at: dt.datetime | None


class DeadLetter(DeadLetterLine):
    """A record that could not be used, with its original bytes."""

    key_base64: str | None
    value_base64: str
    value_bytes: int | None = None
    """The whole size, where `value_base64` holds only the beginning."""


class DeadLettersAnswer(Answer):
    as_of: AsOf
    dead_letters: tuple[DeadLetterLine, ...]
    next_after: str | None


class DeadLetterAnswer(Answer):
    as_of: AsOf
    dead_letter: DeadLetter


class WaitingFacts(Answer):
    source: str
    kind: str
    facts: int


class WaitingTotal(WaitingFacts):
    """All facts of one kind, by one source, that wait, with how many numbers, and since when."""

    numbers: int
    oldest_at: dt.datetime


class Unlinked(Answer):
    number: str
    waiting: int
    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    since: dt.datetime
    tick: int
    counts: tuple[WaitingFacts, ...]


class UnlinkedAnswer(Answer):
    """Numbers that stand for no line yet, the longest waiting first; `totals` are of all of them,
    whatever the page, by source and kind."""

    as_of: AsOf
    unlinked: tuple[Unlinked, ...]
    totals: tuple[WaitingTotal, ...]
    next_after: str | None


class FeedsAnswer(Answer):
    """All feeds, the blind ones first."""

    as_of: AsOf
    feeds: tuple[FeedStatus, ...]


class NotificationsAnswer(Answer):
    """Notifications, the newest first."""

    as_of: AsOf
    notifications: tuple[NotificationLine, ...]
    next_after: str | None


class HeldPartition(Answer):
    topic: str
    partition: int
    since: dt.datetime


class Tick(Answer):
    """A cut through the log at time `at`."""

    n: int
    at: dt.datetime
    complete: bool
    held: tuple[HeldPartition, ...]
    network: str
    policy: str
    rules: str
    ticker: str
    cut: dict[str, list[int]]
    high: dict[str, list[int]]
    schemas: int | None = Field(
        description="The offset up to which topic `schemas` counts; None before it existed."
    )


class TickAnswer(Answer):
    """The tick that is visible, and the last one written (the same, or one ahead)."""

    visible: Tick | None
    written: Tick
