"""The stock of cells at Volta's plant in Shanghai, written the short way, for the tests of rules.

A case gives `facts` of the node, one a line: kind, quantity, moment, then `name=value` of other
fields; `wants` and `brings`, the lines that ship from it and to it, by date; the node's
`safety_stock` and `horizon_days`. The warehouse system `shanghai-wms` tells of its stock, with
heartbeats; `oslo-wms` does of that in Oslo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from alerts.findings import RuleVerdict
from alerts.flows import Goods, goods_of
from alerts.lines import FeedState
from alerts.node_context import NodeContext
from alerts.node_judgement import NodeJudgement, judge_node
from alerts.policy import DEFAULT, Policy
from alerts.stock_status import stock_verdict_records
from alerts.view import LineView
from schemas.facts import Family, InventoryFact
from schemas.records import Verdict
from schemas.units import HOUR_MS, UtcMillis
from streams.stages.balances import fold_node
from tests.unit.alerts import scene
from topology import model
from topology.network import Network, build

ITEM, SITE = "CELL", "SHANGHAI"


def network(case: Mapping[str, Any]) -> Network:
    """The chain of `scene` with stock in it."""
    document = scene.NETWORK.document
    feeds = [
        model.Feed(
            id=f"{site.lower()}-wms",
            party=party,
            sites=(site,),
            families=(Family.INVENTORY,),
            every_ms=HOUR_MS,
            grace_ms=HOUR_MS,
            heartbeats=True,
        )
        for site, party in (("SHANGHAI", "VOLTA"), ("OSLO", "ACME"))
    ]
    node = model.StockNode(
        item=ITEM,
        site=SITE,
        safety_stock=scene.amount(case.get("safety_stock", 0)),
        horizon_days=case.get("horizon_days", 0),
    )
    nodes = () if case.get("unknown") else (node,)
    lanes = () if case.get("unknown") else document.lanes
    return build(
        msgspec.structs.replace(
            document, stock_nodes=nodes, lanes=lanes, feeds=(*document.feeds, *feeds)
        )
    )


def fact(text: str, number: int) -> InventoryFact:
    """One fact about the node, as a case writes it."""
    kind, quantity, on, time, *more = text.split()
    named = dict(each.split("=") for each in more)
    at = scene.moment(f"{on} {time}")
    recorded_at = at + int(named.pop("told", number))
    line = named.pop("line", None)
    return InventoryFact(
        event_id=f"e{number}",
        source=named.pop("source", "shanghai-wms"),
        kind=kind,
        occurred_at=at,
        recorded_at=recorded_at,
        item=ITEM,
        site=named.pop("site", SITE),
        quantity=scene.amount(quantity),
        unit=named.pop("unit", "EA"),
        order_ref=None if line is None else "ACME/4711",
        line=line,
        **named,
    )


def goods(case: Mapping[str, Any], now: UtcMillis, chain: Network) -> Iterator[Goods]:
    """The lines that the node serves and those that serve it; neither goes by a lane."""
    for role, ends in (
        ("wants", {"ship_from": SITE, "ship_to": "BERN"}),
        ("brings", {"ship_from": "BERN", "ship_to": SITE}),
    ):
        for number, given in enumerate(case.get(role, ()), start=1):
            fields = dict(given)
            unit = fields.pop("unit", "EA")
            line_id = fields.pop("line_id", f"ACME/{'4711' if role == 'wants' else '99'}#{number}")
            line = scene.line(
                {"promise": fields.pop("by", None), "line_id": line_id, **ends, **fields}
            )
            line = msgspec.structs.replace(line, unit=unit)
            yield goods_of(LineView(line, chain, now, {}, ()))


def feeds(now: UtcMillis, given: Mapping[str, Any] | None) -> dict[str, FeedState]:
    """All sources awake and complete up to `now`, but for what is given of them."""
    awake = {name: FeedState(name, now, now) for name in ("shanghai-wms", "oslo-wms")}
    never = {name for name, fields in (given or {}).items() if fields == "never heard"}
    others = {name: fields for name, fields in (given or {}).items() if name not in never}
    states = {**awake, **scene.feeds(now, others)}
    return {name: state for name, state in states.items() if name not in never}


def judge(case: Mapping[str, Any], by: Policy = DEFAULT) -> NodeJudgement:
    """The node of the case, judged."""
    now = scene.moment(case["now"])
    chain = network(case)
    facts = [fact(text, number) for number, text in enumerate(case.get("facts", ()), start=1)]
    node = fold_node(ITEM, SITE, None, facts, now)
    context = NodeContext(
        node,
        tuple(goods(case, now, chain)),
        chain,
        by,
        now,
        feeds(now, case.get("feeds")),
        tuple(case.get("held", ())),
    )
    return judge_node(context, (), ())


def verdict_of(rule: str, case: Mapping[str, Any], by: Policy) -> tuple[RuleVerdict, Verdict]:
    """The rule's verdict on the node and its record."""
    now = scene.moment(case["now"])
    (verdict,) = (each for each in judge(case, by).verdicts if each.rule == rule)
    facts = [fact(text, number) for number, text in enumerate(case.get("facts", ()), start=1)]
    node = fold_node(ITEM, SITE, None, facts, now)
    (record,) = stock_verdict_records(node, (verdict,), by.version)
    return verdict, record
