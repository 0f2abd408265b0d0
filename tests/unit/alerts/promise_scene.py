"""A small chain of bolts, and stock in it written the short way, for the tests of promises.

Osaka makes bolts: by sea they go to Hamburg (20, 25 or 30 days), by air to Lyon at 12:00 Osaka time
on weekdays (3, 4 or 6 days). From Hamburg to Lyon they leave at 16:00 on weekdays (2, 3 or 5 days),
from Lyon to the shop at any moment (1, 1 or 2 days). Lyon receives on weekdays up to 17:00, the
others always.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from alerts.findings import Threshold
from alerts.lines import FeedState
from alerts.node_judgement import NodeJudgement
from alerts.node_view import NodeView
from alerts.nodes import NodeSummary
from alerts.projection import Flow, project
from alerts.promise_offer import dated, offer
from alerts.stock_status import stock_record
from schemas.promise_records import PromiseAsked, PromiseOffer, PromiseRefusal
from schemas.records import OrderStatus, Progress, Quantities, Standing, Statement
from schemas.stock_records import FlowDoubt, StockStanding, StockStatus
from schemas.ticks import Tick
from schemas.units import DAY_MS, day, instant, millis, quantity
from topology import model
from topology.network import Network, build

ITEM = "BOLT"
NOW = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
"""A Monday: 09:00 in Lyon and Hamburg, 17:00 in Osaka."""

Move = tuple[str, int, str]
"""Date, quantity, and the line or transfer."""


def _site(site: str, zone: str, kind: model.SiteKind, **more: object) -> model.Site:
    return msgspec.structs.replace(model.Site(id=site, party="ACME", kind=kind, zone=zone), **more)


def _lane(lane: str, days: tuple[int, int, int], cut_off: int | None = None) -> model.Lane:
    origin, destination = lane.split("-")
    p50, p80, p95 = (each * DAY_MS for each in days)
    return model.Lane(
        id=lane,
        origin=origin,
        destination=destination,
        mode=model.Mode.ROAD,
        items=(ITEM,),
        lead_time_p50_ms=p50,
        lead_time_p80_ms=p80,
        lead_time_p95_ms=p95,
        cut_off_minutes=None if cut_off is None else cut_off * 60,
        calendar="" if cut_off is None else "weekdays",
    )


def chain(safety_stock: int = 0) -> Network:
    """The chain; `safety_stock` is kept in Lyon."""
    return build(
        model.Document(
            calendars=(model.Calendar(id="weekdays"),),
            parties=(model.Party(id="ACME", kind=model.PartyKind.MANUFACTURER),),
            sites=(
                _site(
                    "LYON",
                    "Europe/Paris",
                    model.SiteKind.WAREHOUSE,
                    calendar="weekdays",
                    receiving_closes_minutes=17 * 60,
                ),
                _site("HAMBURG", "Europe/Berlin", model.SiteKind.WAREHOUSE),
                _site("OSAKA", "Asia/Tokyo", model.SiteKind.PLANT),
                _site("SHOP", "Europe/Paris", model.SiteKind.STORE),
                _site("ELSEWHERE", "Europe/Paris", model.SiteKind.STORE),
            ),
            items=(model.Item(id=ITEM, base_unit="EA"), model.Item(id="NUT", base_unit="EA")),
            stock_nodes=(
                model.StockNode(item=ITEM, site="LYON", safety_stock=quantity(safety_stock)),
                model.StockNode(item=ITEM, site="HAMBURG"),
            ),
            lanes=(
                _lane("OSAKA-HAMBURG", (20, 25, 30)),
                _lane("OSAKA-LYON", (3, 4, 6), cut_off=12),
                _lane("HAMBURG-LYON", (2, 3, 5), cut_off=16),
                _lane("LYON-SHOP", (1, 1, 2)),
            ),
        )
    )


def _flows(moves: Iterable[Move], doubt: FlowDoubt | None = None) -> tuple[Flow, ...]:
    return tuple(
        Flow(day(dt.date.fromisoformat(on)), subject, quantity(amount), doubt)
        for on, amount, subject in moves
    )


def stock(
    site: str,
    available: int | None,
    *,
    brings: Sequence[Move] = (),
    doubtful: Sequence[Move] = (),
    wants: Sequence[Move] = (),
    network: Network | None = None,
    now: dt.datetime = NOW,
    horizon_days: int = 30,
    blind: str = "",
    unit: str = "EA",
) -> StockStatus:
    """The status of a node as its cell would tell it; what is `doubtful` comes late."""
    network = network or chain()
    at = millis(now)
    on_hand = None if available is None else quantity(available)
    node = NodeSummary(ITEM, site, unit, on_hand)
    view = NodeView(
        node,
        network,
        at,
        network.local_day(site, at),
        {blind: FeedState(blind, None, None, blind_since=at)} if blind else {},
        (),
        (blind,) if blind else (),
        Threshold(horizon_days, "policy"),
        None,
    )
    if on_hand is not None:
        supply = (*_flows(brings), *_flows(doubtful, FlowDoubt.LATE))
        demand = _flows(wants)
        safety = view.safety.value if view.is_in_base_unit else 0
        projection = project(on_hand, supply, demand, view.today, horizon_days, safety)
        view = msgspec.structs.replace(view, projection=projection, supply=supply, demand=demand)
    judgement = NodeJudgement((), (), None, standing=StockStanding.ENOUGH)
    return stock_record(node, judgement, view, 7, at)


def line(line_id: str, due_at: dt.datetime, ship_to: str = "SHOP") -> OrderStatus:
    """An open line from Lyon."""
    order_ref, _, position = line_id.partition("#")
    return OrderStatus(
        line_id=line_id,
        order_ref=order_ref,
        line=position,
        tick=7,
        at=NOW,
        progress=Progress.CONFIRMED,
        standing=Standing.ON_TIME,
        why="",
        item=ITEM,
        ship_from="LYON",
        ship_to=ship_to,
        quantities=Quantities(ordered=Decimal(1)),
        last_confirmed=Statement(due_at=due_at, source="erp", told_at=NOW),
    )


def tick(now: dt.datetime = NOW, **more: object) -> Tick:
    """The tick that the view shows."""
    return msgspec.structs.replace(Tick(n=7, at=now, cut={}), **more)


def ask(
    amount: int | str,
    site: str,
    *nodes: StockStatus,
    by: str | None = None,
    unit: str | None = None,
    item: str = ITEM,
    now: dt.datetime = NOW,
    network: Network | None = None,
    lines: Sequence[OrderStatus] = (),
    **of_tick: object,
) -> PromiseOffer | PromiseRefusal:
    """What is answered, with the dates of lines that would wait."""
    network = network or chain()
    asked = PromiseAsked(
        item=item,
        quantity=Decimal(amount),
        site=site,
        by=None if by is None else dt.date.fromisoformat(by),
        unit=unit,
    )
    found = offer(asked, network, nodes, tick(now, **of_tick))
    return found if isinstance(found, PromiseRefusal) else dated(found, network, lines)


def offered(*args: object, **more: object) -> PromiseOffer:
    """What `ask` answers when it answers."""
    found = ask(*args, **more)  # type: ignore[arg-type]
    assert isinstance(found, PromiseOffer), found
    return found


def at(on: str, time: str = "00:00") -> dt.datetime:
    """A moment in UTC."""
    return instant(millis(dt.datetime.fromisoformat(f"{on}T{time}+00:00")))
