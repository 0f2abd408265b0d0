"""What the simulated chain tells of stock and money goes with the goods that it tells of."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest

from schemas.facts import (
    Fact,
    InventoryFact,
    OrderFact,
    PaymentFact,
    ShipmentFact,
    line_id,
    split_line_id,
)
from schemas.units import DAY_MS, QUANTITY_ONE, Quantity, UtcMillis, millis
from streams.simulator.chain import load_network
from streams.simulator.faults import (
    MONEY_FAULTS,
    NO_FAULTS,
    NO_NOISE,
    USUAL_FAULTS,
    FaultKind,
    Injection,
)
from streams.simulator.simulation import Simulation, SimulationOptions

NETWORK = load_network()
START = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
OPTIONS = SimulationOptions(seed=11, started_at=START, orders_per_day=12, noise=NO_NOISE)
CALM = replace(OPTIONS, rates=NO_FAULTS)
LIKELY = replace(
    USUAL_FAULTS, money_fault_permille=400, count_error_permille=200, shortage_percent_a_day=40
)


def told(options: SimulationOptions, days: int) -> tuple[list[Fact], tuple[Injection, ...]]:
    simulation = Simulation(options, NETWORK)
    facts = [each.fact for each in simulation.advance(START + days * DAY_MS)]
    return facts, simulation.injections()


@pytest.fixture(scope="module")
def calm() -> list[Fact]:
    """Fifty days in which nothing goes wrong."""
    return told(CALM, 50)[0]


@pytest.fixture(scope="module")
def faulty() -> tuple[list[Fact], tuple[Injection, ...]]:
    """Fifty days in which much goes wrong with stock and money."""
    return told(replace(OPTIONS, rates=LIKELY), 50)


def stock(facts: list[Fact]) -> list[InventoryFact]:
    found = [fact for fact in facts if isinstance(fact, InventoryFact)]
    return sorted(found, key=lambda fact: (fact.occurred_at, fact.event_id))


def moved_for_lines(facts: list[Fact], kind: str) -> Counter[tuple[str, str]]:
    """(line, site) → how much of it moved there."""
    moved: Counter[tuple[str, str]] = Counter()
    for fact in stock(facts):
        if fact.kind == kind and fact.order_ref is not None and fact.line is not None:
            moved[line_id(fact.order_ref, fact.line), fact.site or ""] += fact.quantity or 0
    return moved


SIGNS = {
    "received": 1, "transferred_in": 1, "issued": -1, "transferred_out": -1, "adjusted": 1
}  # fmt: skip


def difference_of_counts(facts: list[Fact]) -> dict[tuple[str, UtcMillis], float]:
    """(node, moment) → by which share a count lies from the books, for all but the first ones."""
    books: dict[str, Quantity] = {}
    differences: dict[tuple[str, UtcMillis], float] = {}
    for fact in stock(facts):
        node, quantity = f"{fact.item}@{fact.site}", fact.quantity or 0
        if fact.kind == "counted":
            if node in books:
                apart = abs(quantity - books[node]) / max(books[node], 1)
                differences[node, fact.occurred_at] = apart
            books[node] = quantity
        elif fact.kind in SIGNS:
            books[node] += SIGNS[fact.kind] * quantity
            assert books[node] >= 0, "nothing is issued that does not lie there"
    return differences


def test_what_is_shipped_is_issued_and_what_is_delivered_is_received(calm: list[Fact]) -> None:
    sites = {fact.site for fact in stock(calm)}
    assert sites == {"SHENZHEN", "PUNE", "GDANSK", "BRNO", "DC-VENLO", "DC-MEMPHIS", "DC-SINGAPORE"}
    nodes = {(fact.item, fact.site) for fact in stock(calm)}
    placed = {
        line_id(fact.order_ref or "", fact.line or ""): fact
        for fact in calm
        if isinstance(fact, OrderFact) and fact.kind == "placed"
    }
    issued, received = moved_for_lines(calm, "issued"), moved_for_lines(calm, "received")
    reserved = moved_for_lines(calm, "reserved")
    assert issued.items() <= reserved.items()
    for (line, site), quantity in issued.items():
        assert (placed[line].ship_from, placed[line].quantity) == (site, quantity)
    delivered = [
        fact for fact in calm if isinstance(fact, ShipmentFact) and fact.kind == "delivered"
    ]
    assert len(delivered) > 200
    here = [fact for fact in delivered if fact.site in sites]
    last_at = START + 49 * DAY_MS
    for fact in here:
        line = line_id(fact.order_ref or "", fact.line or "")
        if fact.occurred_at < last_at and (placed[line].item, fact.site) in nodes:
            key = (line, fact.site or "")
            assert received[key] == fact.quantity


def test_what_leaves_for_another_site_comes_in_there(calm: list[Fact]) -> None:
    left, came = Counter[str](), Counter[str]()
    for fact in stock(calm):
        if fact.kind == "transferred_out":
            left[fact.transfer_ref or ""] += fact.quantity or 0
        elif fact.kind == "transferred_in":
            came[fact.transfer_ref or ""] += fact.quantity or 0
            assert came[fact.transfer_ref or ""] == left[fact.transfer_ref or ""]
    assert len(came) > 3


def test_without_faults_counts_agree_with_the_books(calm: list[Fact]) -> None:
    differences = difference_of_counts(calm)
    assert len(differences) > 60
    assert max(differences.values()) < 0.01
    assert any(differences.values()), "a little is always missing"


def test_each_wrong_count_is_a_fault_and_only_they_are(
    faulty: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    facts, injections = faulty
    wrong = {key for key, apart in difference_of_counts(facts).items() if apart > 0.02}
    assert wrong == {
        (each.touched[0], each.at) for each in injections if each.kind is FaultKind.COUNT_ERROR
    }
    assert len(wrong) > 3


def test_a_shortage_is_more_set_aside_than_lies_there_until_it_is_served(
    faulty: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    facts, injections = faulty
    short = [each for each in injections if each.kind is FaultKind.STOCK_SHORTAGE]
    projects = [fact for fact in stock(facts) if fact.reason == "project"]
    reserved = [fact for fact in projects if fact.kind == "reserved"]
    assert {each.touched[0] for each in short} == {f"{f.item}@{f.site}" for f in reserved}
    issued = [fact for fact in projects if fact.kind == "issued"]
    assert {(f.item, f.site, f.quantity) for f in issued} <= {
        (f.item, f.site, f.quantity) for f in reserved
    }
    assert len(reserved) >= len(issued) > 3


def money(facts: list[Fact]) -> dict[str, list[PaymentFact]]:
    """Invoice → what was told of it, in the order in which it happened."""
    found = [fact for fact in facts if isinstance(fact, PaymentFact) and fact.invoice_ref]
    found.sort(key=lambda fact: (fact.invoice_ref or "", fact.occurred_at))
    return {key or "": list(group) for key, group in groupby(found, lambda fact: fact.invoice_ref)}


def total(facts: list[PaymentFact], kind: str) -> int:
    return sum(fact.value_minor or 0 for fact in facts if fact.kind == kind)


def test_without_faults_orders_are_invoiced_as_agreed_and_paid_in_time(calm: list[Fact]) -> None:
    worth, ship_to = Counter[str](), dict[str, str | None]()
    for fact in calm:
        if isinstance(fact, OrderFact) and fact.kind == "placed":
            number = (fact.order_ref or "").rpartition("-")[2]
            worth[number] += fact.value_minor or 0
            ship_to[number] = fact.ship_to
    paid_up = parts = 0
    for invoice, facts in money(calm).items():
        number = invoice.rpartition("-")[2]
        assert total(facts, "invoiced") == worth[number]
        assert total(facts, "credited") in {0, total(facts, "refunded")}
        first = facts[0]
        assert first.kind == "invoiced"
        site = ship_to[number]
        on = NETWORK.local_day(site, first.occurred_at) + (first.net_days or 0)
        due_at = NETWORK.due_at(site, on)
        payments = [fact for fact in facts if fact.kind == "paid"]
        assert all(fact.occurred_at < due_at for fact in payments)
        if total(facts, "paid") == total(facts, "invoiced"):
            paid_up += 1
            parts += len(payments) > 1
    assert paid_up > parts > 50


def test_with_faults_all_that_is_owed_is_paid_in_the_end() -> None:
    facts, injections = told(replace(OPTIONS, rates=LIKELY, orders_per_day=8), 70)
    kinds = {each.kind for each in injections}
    assert set(MONEY_FAULTS) <= kinds
    settled = 0
    early = START + 20 * DAY_MS
    for each in money(facts).values():
        if each[0].occurred_at < early:
            owed = total(each, "invoiced") - total(each, "credited")
            assert total(each, "paid") - total(each, "refunded") == owed
            settled += 1
    assert settled > 30
    credited = [f for f in facts if isinstance(f, PaymentFact) and f.kind == "credited"]
    assert credited


def test_a_dispute_ends_and_what_failed_is_paid_after_all(
    faulty: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    facts = faulty[0]
    last_at = START + 45 * DAY_MS
    disputed = failed = 0
    for each in money(facts).values():
        moments = {fact.kind: fact.occurred_at for fact in each}
        if moments.get("disputed", last_at) < last_at - 12 * DAY_MS:
            disputed += 1
            assert moments["disputed"] < moments["credited"] < moments["resolved"]
        if moments.get("failed", last_at) < last_at - DAY_MS:
            failed += 1
            assert moments["failed"] < moments["paid"]
    assert disputed
    assert failed


def test_what_goes_back_is_paid_back_and_credited_before(calm: list[Fact]) -> None:
    told_at = {
        (fact.kind, fact.invoice_ref): fact.recorded_at
        for fact in calm
        if isinstance(fact, PaymentFact)
    }
    returned = [f for f in calm if isinstance(f, ShipmentFact) and f.kind == "returned"]
    assert returned
    for fact in returned:
        invoice = (fact.shipment_ref or "").replace("ASN", "INV")
        credited_at = told_at["credited", invoice]
        assert told_at["refunded", invoice] < credited_at < fact.occurred_at


def test_what_is_blocked_and_what_is_booked_wrongly_is_taken_back(calm: list[Fact]) -> None:
    blocked, wrong = Counter[str](), Counter[str]()
    for fact in stock([each for each in calm if each.occurred_at < START + 47 * DAY_MS]):
        node = f"{fact.item}@{fact.site}"
        if fact.kind in {"blocked", "unblocked"}:
            blocked[node] += (fact.quantity or 0) * (1 if fact.kind == "blocked" else -1)
            assert blocked[node] >= 0
        elif fact.kind == "adjusted":
            wrong[node] += fact.quantity or 0
            assert wrong[node] <= 0
    assert len(blocked) > 5
    assert len(wrong) > 5
    assert not any(wrong.values())


def test_goods_that_are_held_leave_only_after_they_were_released(
    faulty: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    facts, injections = faulty
    held = [each for each in injections if each.kind is FaultKind.PAYMENT_HOLD]
    assert held
    released = {
        fact.order_ref: fact.occurred_at
        for fact in facts
        if isinstance(fact, PaymentFact) and fact.kind == "released"
    }
    lines = {line for each in held for line in each.touched}
    for fact in stock(facts):
        line = line_id(fact.order_ref or "", fact.line or "")
        if fact.kind == "issued" and line in lines:
            assert fact.occurred_at > released[fact.order_ref]


def test_a_hold_matters_by_the_fastest_lane_before_it_is_released(
    faulty: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    """Until they are packed nobody knows which lane goods take; the rule takes the fastest."""
    facts, injections = faulty
    placed = {
        fact.order_ref: fact
        for fact in facts
        if isinstance(fact, OrderFact) and fact.kind == "placed"
    }
    released = {
        fact.order_ref: fact.occurred_at
        for fact in facts
        if isinstance(fact, PaymentFact) and fact.kind == "released"
    }
    held = [each for each in injections if each.kind is FaultKind.PAYMENT_HOLD]
    for each in held:
        order_ref = split_line_id(each.touched[0])[0]
        fact = placed[order_ref]
        lane = NETWORK.lane_between(fact.ship_from, fact.ship_to, fact.item)
        assert lane is not None
        assert fact.requested_on is not None
        leaves_by = NETWORK.latest_departure(lane, NETWORK.due_at(fact.ship_to, fact.requested_on))
        assert leaves_by is not None
        assert each.expected[0].latest_at >= leaves_by - 7 * DAY_MS
        if order_ref in released:
            assert leaves_by - 7 * DAY_MS < released[order_ref] - DAY_MS


def test_quantities_are_whole_pieces(calm: list[Fact]) -> None:
    assert all((fact.quantity or 0) % QUANTITY_ONE == 0 for fact in stock(calm))
