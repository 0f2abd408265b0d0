"""Records as the board meets them, with only what a test cares for."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from schemas.facts import split_stock_node_id
from schemas.payment_records import LinePayment
from schemas.records import (
    Alert,
    AlertState,
    Decision,
    DecisionKind,
    Money,
    Notification,
    OrderStatus,
    Outcome,
    Progress,
    Quantities,
    Severity,
    Standing,
    Verdict,
)
from schemas.stock_records import StockStanding, StockStatus
from schemas.ticks import StageProgress, Tick
from schemas.units import UtcMillis, instant
from streams.demo.options import CHAIN_BEGAN_AT, DemoOptions

NOW = CHAIN_BEGAN_AT
OPTIONS = DemoOptions(60.0, 1, 57_600.0)


def an_alert(name: str, **fields: Any) -> Alert:
    """An open alert."""
    given: dict[str, Any] = {
        "alert_id": name,
        "episode": 1,
        "state": AlertState.OPEN,
        "revision": 1,
        "tick": 1,
        "at": instant(NOW),
        "aspect": "lateness",
        "cause_kind": "order",
        "cause_id": name,
        "cause": f"Order {name} has not left Example Pumps in time.",
        "severity": Severity.WARNING,
        "title": f"Order {name}: 2 lines not shipped in time",
        "next_step": "Ask Example Pumps when it leaves, and whether a faster way can be had.",
        "opened_at": instant(NOW),
        "updated_at": instant(NOW),
        "value_at_risk": (Money(value_minor=120_000_00, currency="EUR"),),
        **fields,
    }
    return Alert(**given)


def a_line(
    name: str,
    standing: Standing,
    progress: Progress,
    value_minor: int,
    payment: LinePayment | None = None,
) -> OrderStatus:
    """An order line of that value in EUR."""
    return OrderStatus(
        line_id=name,
        order_ref=name,
        line="1",
        tick=1,
        at=instant(NOW),
        progress=progress,
        standing=standing,
        why="",
        quantities=Quantities(ordered=Decimal(1)),
        value_minor=value_minor,
        currency="EUR",
        payment=payment,
    )


def a_node(name: str, standing: StockStanding) -> StockStatus:
    """A stock node."""
    item, site = split_stock_node_id(name)
    return StockStatus(
        node_id=name, item=item, site=site, tick=1, at=instant(NOW), standing=standing, why=""
    )


def a_notification(name: str, sinks: tuple[str, ...]) -> Notification:
    """A notification to operations."""
    return Notification(
        notification_id=name,
        recipient="operations",
        audience="operations",
        sinks=sinks,
        tick=1,
        at=instant(NOW),
        event="opened",
        alert_id="a",
        episode=1,
        revision=1,
        severity=Severity.MAJOR,
        title="",
        text="",
        next_step="",
        alert=an_alert("a"),
    )


def a_tick(n: int, at: UtcMillis, facts: Sequence[int]) -> Tick:
    """A tick whose cut holds so many facts in the partitions of one topic."""
    return Tick(n=n, at=instant(at), cut={"orders": list(facts)})


def at_notices(partition: int, tick: int) -> StageProgress:
    """What the last stage says of one of its partitions."""
    return StageProgress(
        stage="notices", topic="notices-rows", partition=partition, tick=tick, offset=0
    )


def fires(subject: str, at: UtcMillis, alert_id: str = "a") -> Decision:
    """A rule fires for the subject."""
    verdict = Verdict(
        rule="late_to_ship", outcome=Outcome.FIRES, reason="", text="", alert_id=alert_id
    )
    return Decision(
        subject=subject,
        tick=1,
        at=instant(at),
        kind=DecisionKind.VERDICTS,
        verdicts=(verdict,),
    )
