"""Prices across the sites of a customer, through all stages: lines of one list lie in several cells
and partitions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import limits
from schemas.facts import Fact, OrderFact
from schemas.records import Alert, AlertState, Decision, Outcome, Verdict, decode
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.engine.clock import ManualClock
from streams.engine.local import LocalEngine
from streams.engine.observation import WorkerSettings
from streams.engine.worker import Worker
from streams.replay.audit import audit
from tests.scenario import START, START_DAY, network
from tests.unit.alerts import scene
from topology.model import Account, Site, SiteKind
from topology.network import Network, build

RULE = "price_across_sites"
CAUSE = "NORDICS/BOLT@EUR@EA"


def chain(*sites: str) -> Network:
    """The chain of `scenario`; NORDICS buys at these sites. Only OSLO is served by a lane, so that
    each of the others is a cell of its own, or none."""
    document = network().document
    stores = [
        Site(id=site, party="ACME", kind=SiteKind.STORE, zone="Europe/Oslo")
        for site in ("BERGEN", "TRONDHEIM")
    ]
    account = Account(id="NORDICS", account_manager="am-nordics", sites=sites)
    return build(
        msgspec.structs.replace(document, sites=(*document.sites, *stores), accounts=(account,))
    )


CHAIN = chain("OSLO", "BERGEN", "TRONDHEIM")


class Orders:
    """Tells of orders, each fact with an id of its own."""

    def __init__(self) -> None:
        self.count = 0

    def tell(self, kind: str, order: str, at: UtcMillis, **more: object) -> OrderFact:
        self.count += 1
        return OrderFact(
            f"e{self.count:05d}", "acme-erp", kind, at, at, order_ref=f"ACME/{order}", line="10",
            **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def placed(
        self,
        order: str,
        site: str,
        value: int | None,
        *,
        at: UtcMillis = START,
        quantity: int = 100,
    ) -> OrderFact:
        return self.tell(
            "placed", order, at, buyer="ACME", supplier="SUP", item="BOLT",
            ship_from="LYON" if site == "OSLO" else None, ship_to=site,
            quantity=quantity * QUANTITY_ONE, unit="EA", value_minor=value,
            currency=None if value is None else "EUR", requested_on=START_DAY + 10,
        )  # fmt: skip


def run(
    ticks: Sequence[tuple[UtcMillis, Sequence[Fact]]], by: Network = CHAIN, partitions: int = 4
) -> LocalEngine:
    engine = LocalEngine(by, partitions=partitions)
    for at, facts in ticks:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    assert engine.latest("parked") == {}
    return engine


def alert(engine: LocalEngine) -> Alert | None:
    """The alert on prices, open or not."""
    found = [decode(value, Alert) for value in engine.latest("alerts").values()]
    priced = [each for each in found if each.cause_kind == "price"]
    assert len(priced) <= 1
    return priced[0] if priced else None


def dear(engine: LocalEngine) -> dict[str, int | None]:
    """Line → what it costs too much, by the open alert."""
    found = alert(engine)
    if found is None or found.state is not AlertState.OPEN:
        return {}
    return {each.subject: each.value_minor for each in found.consequences}


def verdicts(engine: LocalEngine, line_id: str) -> list[Verdict]:
    """What the rule said of the line, in the order of ticks."""
    told = [decode(each.value, Decision) for each in engine.outputs("decisions") if each.value]
    told.sort(key=lambda each: each.tick)
    return [
        verdict
        for each in told
        if each.subject == line_id
        for verdict in each.verdicts
        if verdict.rule == RULE
    ]


def test_the_dearer_line_is_told_with_the_lowest_the_highest_and_the_money() -> None:
    orders = Orders()
    facts = [
        orders.placed("A", "OSLO", 11_000),
        orders.placed("B", "BERGEN", 10_000),
        orders.placed("C", "TRONDHEIM", 24_000, quantity=200),
    ]
    engine = run([(START + HOUR_MS, facts)])
    found = alert(engine)
    assert found is not None
    assert (found.cause_id, found.accounts, found.rules) == (CAUSE, ("NORDICS",), (RULE,))
    assert (
        found.title
        == "Prices of BOLT for NORDICS: 2 lines of 2 orders dearer than for another site"
    )
    assert found.cause == "Prices of BOLT for NORDICS differ from site to site."
    assert dear(engine) == {"ACME/A#10": 1_000, "ACME/C#10": 4_000}
    assert [(each.value_minor, each.currency) for each in found.value_at_risk] == [(5_000, "EUR")]
    [first] = [each for each in found.consequences if each.subject == "ACME/A#10"]
    assert (first.figures["lowest_line"], first.figures["highest_line"]) == (
        "ACME/B#10", "ACME/C#10",
    )  # fmt: skip
    [verdict] = verdicts(engine, "ACME/B#10")
    assert (verdict.outcome, verdict.reason) == (Outcome.SILENT, "agrees")


def test_a_changed_price_ends_it_and_a_given_up_line_does() -> None:
    orders = Orders()
    first = [orders.placed("A", "OSLO", 11_000), orders.placed("B", "BERGEN", 10_000)]
    changed = orders.tell("changed", "A", START + DAY_MS, value_minor=10_000, currency="EUR")
    engine = run([(START + HOUR_MS, first)])
    assert dear(engine) == {"ACME/A#10": 1_000}
    engine.send(changed)
    engine.tick(START + DAY_MS)
    assert verdicts(engine, "ACME/A#10")[-1].reason == "agrees"
    engine.tick(START + 3 * DAY_MS)
    assert alert_state(engine) is AlertState.RESOLVED

    cancelled = orders.tell("cancelled", "B", START + DAY_MS)
    engine = run([(START + HOUR_MS, first), (START + DAY_MS, [cancelled])])
    assert verdicts(engine, "ACME/A#10")[-1].reason == "one_site"
    assert verdicts(engine, "ACME/B#10")[-1].reason == "no_price"
    engine.tick(START + 3 * DAY_MS)
    assert alert_state(engine) is AlertState.RESOLVED


def test_a_changed_quantity_without_a_value_changes_no_price() -> None:
    orders = Orders()
    first = [orders.placed("A", "OSLO", 10_000), orders.placed("B", "BERGEN", 10_000)]
    more = orders.tell("changed", "A", START + 1, quantity=50 * QUANTITY_ONE, unit="EA")
    engine = run([(START + HOUR_MS, [*first, more])])
    assert (dear(engine), verdicts(engine, "ACME/A#10")[-1].reason) == ({}, "agrees")
    # A value that is told later is for what is ordered then.
    dearer = orders.tell("changed", "A", START + 2, value_minor=6_000, currency="EUR")
    engine.send(dearer)
    engine.tick(START + 2 * HOUR_MS)
    assert dear(engine) == {"ACME/A#10": 1_000}


def test_a_value_for_what_cannot_be_counted_is_no_price() -> None:
    orders = Orders()
    facts = [
        orders.placed("B", "BERGEN", 10_000),
        orders.tell("placed", "A", START, buyer="ACME", item="BOLT", ship_to="OSLO",
                    quantity=QUANTITY_ONE, unit="PALLET", value_minor=12_000, currency="EUR",
                    requested_on=START_DAY + 10),
        orders.tell("changed", "A", START + 1, quantity=50 * QUANTITY_ONE, unit="EA"),
    ]  # fmt: skip
    engine = run([(START + HOUR_MS, facts)])
    assert (dear(engine), verdicts(engine, "ACME/A#10")) == ({}, [])


def alert_state(engine: LocalEngine) -> AlertState | None:
    found = alert(engine)
    return None if found is None else found.state


def test_a_price_is_compared_for_the_look_back_and_no_longer() -> None:
    orders = Orders()
    old = orders.placed("B", "BERGEN", 10_000)
    new = orders.placed("A", "OSLO", 11_000, at=START + 80 * DAY_MS)
    engine = run([(START + HOUR_MS, [old]), (START + 80 * DAY_MS, [new])])
    assert dear(engine) == {"ACME/A#10": 1_000}
    engine.tick(START + 91 * DAY_MS)
    assert verdicts(engine, "ACME/B#10")[-1].reason == "past_look_back"
    assert verdicts(engine, "ACME/A#10")[-1].reason == "one_site"
    engine.tick(START + 93 * DAY_MS)
    assert alert_state(engine) is AlertState.RESOLVED
    engine.tick(START + 171 * DAY_MS)
    assert _kept(engine) == {}


def test_a_price_is_forgotten_in_time_where_the_rule_is_off() -> None:
    orders = Orders()
    engine = run([(START + HOUR_MS, [orders.placed("B", "BERGEN", 10_000)])])
    engine.publish_policy(scene.policy(RULE, {"enabled": False}))
    engine.tick(START + DAY_MS)
    assert verdicts(engine, "ACME/B#10")[-1].reason == "disabled"
    assert len(_kept(engine)) == 2
    engine.tick(START + 90 * DAY_MS)
    assert verdicts(engine, "ACME/B#10")[-1].reason == "past_look_back"
    assert _kept(engine) == {}


def test_a_look_back_that_is_raised_brings_back_the_prices_of_lines_that_are_there() -> None:
    orders = Orders()
    old, new = orders.placed("B", "BERGEN", 10_000), orders.placed("A", "OSLO", 11_000)
    engine = run([(START + HOUR_MS, [old, new])])
    engine.publish_policy(scene.policy(RULE, {"look_back_days": 10}))
    engine.tick(START + 20 * DAY_MS)
    assert _kept(engine) == {}
    engine.publish_policy(scene.policy(RULE, {"look_back_days": 30}))
    engine.tick(START + 21 * DAY_MS)
    assert dear(engine) == {"ACME/A#10": 1_000}
    engine.tick(START + 31 * DAY_MS)
    said = verdicts(engine, "ACME/A#10")
    assert said[-1].reason == "past_look_back"
    # A policy that leaves it as it is brings nothing back, and says nothing anew.
    engine.publish_policy(scene.policy(RULE, {"look_back_days": 30, "tolerance_percent": 1}))
    engine.tick(START + 32 * DAY_MS)
    assert verdicts(engine, "ACME/A#10") == said
    assert _kept(engine) == {}


def test_a_line_that_changes_its_item_moves_to_another_list() -> None:
    orders = Orders()
    facts = [orders.placed("A", "OSLO", 11_000), orders.placed("B", "BERGEN", 10_000)]
    other = orders.tell("changed", "B", START + DAY_MS, item="GEAR")
    engine = run([(START + HOUR_MS, facts), (START + DAY_MS, [other])])
    assert verdicts(engine, "ACME/A#10")[-1].reason == "one_site"
    assert [each.reason for each in verdicts(engine, "ACME/B#10")] == ["agrees", "one_site"]
    kept = [key for key in engine.latest("cells-state") if key.startswith(b"\x02")]
    assert sum(b"GEAR" in key for key in kept) == sum(b"BOLT" in key for key in kept) == 2


def test_a_new_network_says_anew_who_the_customer_is() -> None:
    orders = Orders()
    facts = [orders.placed("A", "OSLO", 11_000), orders.placed("B", "BERGEN", 10_000)]
    engine = run([(START + HOUR_MS, facts)])
    assert dear(engine) == {"ACME/A#10": 1_000}
    engine.publish_network(chain("OSLO"))
    engine.tick(START + DAY_MS)
    engine.tick(START + 3 * DAY_MS)
    assert verdicts(engine, "ACME/A#10")[-1].reason == "one_site"
    assert alert_state(engine) is AlertState.RESOLVED
    engine.publish_network(CHAIN)
    engine.tick(START + 4 * DAY_MS)
    assert dear(engine) == {"ACME/A#10": 1_000}


def test_prices_of_lines_that_left_go_with_their_customer_and_it_is_said() -> None:
    orders = Orders()
    facts = [orders.placed("A", "OSLO", 10_000), orders.placed("B", "BERGEN", 11_000)]
    facts.append(orders.tell("closed", "B", START + 1))
    engine = run([(START + HOUR_MS, facts), (START + 20 * DAY_MS, [])])
    assert dear(engine) == {"ACME/B#10": 1_000}
    engine.publish_network(chain("OSLO"))
    engine.tick(START + 21 * DAY_MS)
    assert verdicts(engine, "ACME/A#10")[-1].reason == "one_site"
    last = verdicts(engine, "ACME/B#10")[-1]
    assert (last.outcome, last.reason) == (Outcome.SILENT, "not_compared")
    assert not [key for key in _kept(engine) if b"ACME/B" in key]
    engine.tick(START + 23 * DAY_MS)
    assert alert_state(engine) is AlertState.RESOLVED


def test_without_prices_or_customers_nothing_is_kept() -> None:
    orders = Orders()
    facts = [orders.placed("A", "OSLO", None), orders.placed("B", "ELSEWHERE", 10_000)]
    engine = run([(START + HOUR_MS, facts)])
    assert _kept(engine) == {}
    assert verdicts(engine, "ACME/A#10") == []


def test_so_many_prices_of_a_list_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PRICES_PER_LIST_MAX", 2)

    # The lowest was placed first: past the limit there is nothing left to compare with.
    orders = Orders()
    facts = [
        orders.placed("B", "BERGEN", 10_000),
        orders.placed("A1", "OSLO", 11_000, at=START + 1),
    ]
    engine = run([(START + HOUR_MS, facts)])
    assert dear(engine) == {"ACME/A1#10": 1_000}
    for n in (2, 3):
        engine.send(orders.placed(f"A{n}", "OSLO", 12_000, at=START + n))
        engine.tick(START + n * HOUR_MS)
    said = [verdicts(engine, f"ACME/{order}#10") for order in ("A1", "A2", "A3", "B")]
    assert [each[-1].reason for each in said] == [
        "not_compared", "one_site", "one_site", "not_compared",
    ]  # fmt: skip
    # They come again with each new network or policy, and nothing is said anew.
    engine.publish_policy(scene.policy(RULE, {"tolerance_percent": 1}))
    engine.tick(START + 4 * HOUR_MS)
    assert said == [verdicts(engine, f"ACME/{order}#10") for order in ("A1", "A2", "A3", "B")]


@given(st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_any_interleaving_split_and_partitioning_end_in_the_same(
    rng: random.Random, partitions: int
) -> None:
    orders = Orders()
    facts: list[Fact] = []
    for n in range(6):
        site = rng.choice(["OSLO", "BERGEN", "TRONDHEIM"])
        facts.append(orders.placed(f"N{n}", site, rng.choice([9_000, 10_000, 10_100, None])))
        if rng.random() < 0.5:
            facts.append(
                orders.tell(
                    "changed",
                    f"N{n}",
                    START + n + 1,
                    value_minor=rng.choice([9_500, 12_000]),
                    currency="EUR",
                )
            )
    shuffled = [*facts, rng.choice(facts)]
    rng.shuffle(shuffled)
    cut = rng.randrange(len(shuffled))
    at = START + HOUR_MS
    whole = run([(at, []), (at + 1, facts)])
    split = run([(at, shuffled[:cut]), (at + 1, shuffled[cut:])], partitions=partitions)
    assert dear(whole) == dear(split)
    assert _kept(whole) == _kept(split)


def _kept(engine: LocalEngine) -> dict[bytes, bytes]:
    return {k: v for k, v in engine.latest("cells-state").items() if k.startswith(b"\x02")}


def test_another_worker_takes_over_and_an_audit_finds_the_same() -> None:
    orders = Orders()
    engine = run([(START + HOUR_MS, [orders.placed("B", "BERGEN", 10_000)])])
    again = WorkerSettings("slipwatch", "again", runs_ticker=False)
    engine.replace_worker(Worker(engine.log, again, ManualClock(START + HOUR_MS)))
    engine.send(orders.placed("A", "OSLO", 11_000))
    engine.tick(START + 2 * HOUR_MS)
    assert dear(engine) == {"ACME/A#10": 1_000}
    assert audit(engine.log).differences == ()
