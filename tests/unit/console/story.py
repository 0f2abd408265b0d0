"""Two ticks of a small chain, as records on the output topics.

Tick 1: line ACME/4711#10 is on time, 4712#10 late, one alert opened and told, one number unlinked.
Tick 2: 4711#10 turns at risk and joins the alert, the number is linked, a feed turns blind.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from console.cut import Message
from schemas.codec import pack
from schemas.facts import Fact, OrderFact, ShipmentFact, split_stock_node_id
from schemas.ledger import LINE_STATE_VERSION, LineFacts, encode_line
from schemas.records import (
    Alert,
    AlertState,
    Consequence,
    DeadLetter,
    Decision,
    DecisionKind,
    FeedStatus,
    Money,
    Notification,
    OrderStatus,
    Outcome,
    Parked,
    Progress,
    Quantities,
    Receipt,
    Record,
    Severity,
    Standing,
    Statement,
    Unlinked,
    Verdict,
    WaitingFacts,
    encode,
)
from schemas.stock_records import StockStanding, StockStatus
from schemas.ticks import StageProgress, Tick
from schemas.units import day, millis, quantity

START = dt.datetime(2026, 3, 2, 6, 0, tzinfo=dt.UTC)
FIRST, SECOND = "ACME/4711#10", "ACME/4712#10"
ALERT_ID = "late:shipment:SEAWAYS/S-88"


class Said(NamedTuple):
    """A record that is to lie on a topic; `value` None is a tombstone, of the tick `gone_at`."""

    topic: str
    key: str
    value: bytes | None
    gone_at: int | None = None


def at(tick: int) -> dt.datetime:
    """The time of a tick."""
    return START + dt.timedelta(minutes=tick)


def said(topic: str, key: str, record: Record) -> Said:
    return Said(topic, key, encode(record))


def status(line_id: str, tick: int, standing: Standing, *, shipment: str | None = None) -> Said:
    promised = Statement(on=dt.date(2026, 3, 6), source="nordwerk-erp", told_at=START)
    order_ref, line = line_id.split("#")
    record = OrderStatus(
        line_id=line_id,
        order_ref=order_ref,
        line=line,
        tick=tick,
        at=at(tick),
        progress=Progress.SHIPPED,
        standing=standing,
        why="The carrier expects it on 9 March.",
        quantities=Quantities(ordered=Decimal("400.5"), shipped=Decimal(400)),
        requested=promised,
        first_confirmed=promised,
        last_confirmed=promised,
        shipments=() if shipment is None else (shipment,),
    )
    return said("order-status", line_id, record)


def placed(line_id: str) -> OrderFact:
    order_ref, line = line_id.split("#")
    return OrderFact(
        event_id=f"placed-{line_id}",
        source="acme-erp",
        kind="placed",
        occurred_at=millis(START),
        recorded_at=millis(START),
        order_ref=order_ref,
        line=line,
        supplier_ref="NORDWERK/A-1",
        item="VALVE-20",
        quantity=quantity("400.5"),
        unit="PCE",
        requested_on=day(dt.date(2026, 3, 6)),
    )


def eta(line_id: str, tick: int) -> ShipmentFact:
    return ShipmentFact(
        event_id=f"eta-{line_id}-{tick}",
        source="seaways",
        kind="eta",
        occurred_at=millis(at(tick)),
        recorded_at=millis(at(tick)),
        shipment_ref="SEAWAYS/S-88",
        carrier_ref="SEAWAYS/BL-5",
        eta_at=millis(at(tick)),
    )


def ledger(line_id: str, tick: int, *facts: Fact) -> Said:
    state = LineFacts(LINE_STATE_VERSION, None, tick, tuple(pack(fact) for fact in facts))
    return Said("lines", line_id, encode_line(state))


def alert(
    tick: int,
    revision: int,
    *lines: str,
    alert_id: str = ALERT_ID,
    severity: Severity = Severity.MAJOR,
    state: AlertState = AlertState.OPEN,
    opened_at: dt.datetime | None = None,
) -> Alert:
    hit = tuple(
        Consequence(subject=line, rule="expected-after-promise", severity=severity, text="Late.")
        for line in lines
    )
    return Alert(
        alert_id=alert_id,
        episode=1,
        state=state,
        revision=revision,
        tick=tick,
        at=at(tick),
        aspect="late",
        cause_kind="shipment",
        cause_id="SEAWAYS/S-88",
        cause="Shipment SEAWAYS/S-88 is late.",
        severity=severity,
        title=f"{len(lines)} lines expected after their promise",
        next_step="Call the carrier.",
        opened_at=opened_at or at(1),
        updated_at=at(tick),
        value_at_risk=(Money(value_minor=125_000, currency="EUR"),),
        accounts=("acme-europe",),
        rules=("expected-after-promise",),
        consequences=hit,
        consequence_count=len(hit),
    )


def verdict(line: str, tick: int, rule: str, outcome: Outcome, alert_id: str | None) -> Said:
    spoken = Verdict(
        rule=rule,
        outcome=outcome,
        reason="expected_later" if outcome is Outcome.FIRES else "in_time",
        text="Expected 3 days after the promise.",
        value="3 days",
        threshold="1 day",
        threshold_source="policy, global",
        alert_id=alert_id,
    )
    decision = Decision(
        subject=line, tick=tick, at=at(tick), kind=DecisionKind.VERDICTS, verdicts=(spoken,)
    )
    return said("decisions", line, decision)


def told(tick: int, of: Alert, recipient: str = "operations") -> tuple[Said, Said, Said]:
    """The step in the alert's life, the notice decided, and the notification."""
    notification_id = f"{of.alert_id}:{of.revision}:{recipient}"
    what = "opened" if of.revision == 1 else "updated"
    life = Decision(
        subject=of.alert_id,
        tick=tick,
        at=at(tick),
        kind=DecisionKind.ALERT,
        what=what,
        alert_id=of.alert_id,
        episode=of.episode,
        revision=of.revision,
    )
    notice = Decision(
        subject=of.alert_id,
        tick=tick,
        at=at(tick),
        kind=DecisionKind.NOTICE,
        what="told",
        reason="It is new.",
        alert_id=of.alert_id,
        episode=of.episode,
        revision=of.revision,
        recipient=recipient,
        notification_id=notification_id,
    )
    notification = Notification(
        notification_id=notification_id,
        recipient=recipient,
        audience="operations",
        sinks=("log", "webhook"),
        tick=tick,
        at=at(tick),
        event=what,
        alert_id=of.alert_id,
        episode=of.episode,
        revision=of.revision,
        severity=of.severity,
        title=of.title,
        text="Lines are late.",
        next_step=of.next_step,
        alert=of,
    )
    return (
        said("decisions", of.alert_id, life),
        said("decisions", of.alert_id, notice),
        said("notifications", recipient, notification),
    )


def receipt(notification_id: str, sink: str, outcome: str, tick: int) -> Said:
    record = Receipt(
        notification_id=notification_id,
        recipient="operations",
        sink=sink,
        outcome=outcome,
        attempts=1,
        at=at(tick),
    )
    return said("receipts", f"{notification_id}|{sink}", record)


def feed(source: str, tick: int, *, blind: bool) -> Said:
    record = FeedStatus(
        source=source, tick=tick, at=at(tick), blind=blind, declared=True, text="It spoke at 6:00."
    )
    return said("feeds", source, record)


def node(node_id: str, tick: int, standing: StockStanding) -> Said:
    item, site = split_stock_node_id(node_id)
    record = StockStatus(
        node_id=node_id,
        item=item,
        site=site,
        tick=tick,
        at=at(tick),
        standing=standing,
        why="It lasts no longer.",
        unit="EA",
        on_hand=Decimal(130),
    )
    return said("stock-status", node_id, record)


def letter(tick: int, offset: int = 7, *, retried: bool = False) -> Said:
    record = DeadLetter(
        id=f"shipments/0/{offset}",
        topic="shipments",
        partition=0,
        offset=offset,
        reason="missing_field",
        error="`eta_at` is missing.",
        tick=tick,
        at=at(tick),
        source="seaways",
        key_bytes=b"\xffkey",
        value=b"\x00\xffvalue",
        retried_at=at(tick) if retried else None,
    )
    return said("dead-letters", record.id, record)


def unlinked(number: str, tick: int) -> Said:
    record = Unlinked(
        number=number,
        waiting=2,
        kinds=("eta",),
        sources=("seaways",),
        since=at(tick),
        tick=tick,
        counts=(WaitingFacts(source="seaways", kind="eta", facts=2),),
    )
    return said("unlinked", number, record)


def parked(tick: int) -> Said:
    record = Parked(
        stage="cells", partition=0, key="K", tick=tick, at=at(tick), error="ValueError", rows=1
    )
    return said("parked", "cells|0|K", record)


def tick_record(n: int) -> Said:
    cut = {"orders": [n], "shipments": [n], "heartbeats": [n]}
    return said("ticks", "", Tick(n=n, at=at(n), cut=cut, ticker="worker-1"))


def stands(stage: str, partition: int, tick: int) -> Said:
    record = StageProgress(
        stage=stage,
        topic=f"{stage}-rows",
        partition=partition,
        tick=tick,
        offset=tick,
        worker="worker-1",
    )
    return said("progress", f"{stage}|{stage}-rows|{partition}", record)


def first_tick() -> list[Said]:
    opened = alert(1, 1, SECOND)
    return [
        status(FIRST, 1, Standing.ON_TIME, shipment="SEAWAYS/S-88"),
        status(SECOND, 1, Standing.LATE),
        ledger(FIRST, 1, placed(FIRST)),
        ledger(SECOND, 1, placed(SECOND), eta(SECOND, 1)),
        verdict(FIRST, 1, "expected-after-promise", Outcome.SILENT, None),
        verdict(FIRST, 1, "late-to-ship", Outcome.SILENT, None),
        verdict(SECOND, 1, "expected-after-promise", Outcome.FIRES, ALERT_ID),
        said("alerts", ALERT_ID, opened),
        *told(1, opened),
        feed("seaways", 1, blind=False),
        feed("acme-erp", 1, blind=False),
        node("BOLT@OSLO", 1, StockStanding.SHORT),
        node("NUT@LYON", 1, StockStanding.BLIND),
        node("GEAR@LYON", 1, StockStanding.SHORT),
        unlinked("SEAWAYS/S-90", 1),
        letter(1),
        parked(1),
    ]


def second_tick() -> list[Said]:
    grown = alert(2, 2, SECOND, FIRST)
    return [
        status(FIRST, 2, Standing.AT_RISK, shipment="SEAWAYS/S-88"),
        ledger(FIRST, 2, placed(FIRST), eta(FIRST, 2)),
        verdict(FIRST, 2, "expected-after-promise", Outcome.FIRES, ALERT_ID),
        said("alerts", ALERT_ID, grown),
        *told(2, grown),
        feed("seaways", 2, blind=True),
        node("BOLT@OSLO", 2, StockStanding.ENOUGH),
        Said("unlinked", "SEAWAYS/S-90", None, gone_at=2),
        Said("parked", "cells|0|K", None, gone_at=2),
        letter(2, retried=True),
    ]


class Topics:
    """Gives records their offsets, all on partition 0 of their topic."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}

    def append(self, records: list[Said]) -> list[Message]:
        found: list[Message] = []
        for record in records:
            offset = self._next.get(record.topic, 0)
            self._next[record.topic] = offset + 1
            found.append(Message(record.topic, 0, offset, record.key, record.value, record.gone_at))
        return found
