"""What suppliers without a system answer in the simulated chain: as the door makes it of a form."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import replace

import pytest

from schemas.facts import Fact, OrderFact, ShipmentFact, line_id
from schemas.partner_sources import partner_of
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, millis
from streams.simulator.chain import answered_flows, load_network
from streams.simulator.faults import ANSWER_FAULTS, NO_NOISE, FaultKind, Injection, Rates
from streams.simulator.simulation import Simulation, SimulationOptions

NETWORK = load_network()
START = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
WRONG = Rates(0, 0, 0, 0, 0, 0, answer_fault_permille=600)
OPTIONS = SimulationOptions(11, START, orders_per_day=30, rates=WRONG, noise=NO_NOISE)
LAST_AT = START + 32 * DAY_MS


class Told:
    """What was told of one line, by kind, in the order in which it happened."""

    def __init__(self) -> None:
        self.facts: dict[str, list[Fact]] = defaultdict(list)

    def orders(self, kind: str) -> list[OrderFact]:
        return [fact for fact in self.facts.get(kind, ()) if isinstance(fact, OrderFact)]

    def total(self, kind: str) -> int:
        return sum(fact.quantity or 0 for fact in self.orders(kind))

    def answers(self) -> list[list[OrderFact]]:
        """The parts of each answer by the line's own supplier, in turn."""
        found: dict[str, list[OrderFact]] = defaultdict(list)
        for fact in self.orders("confirmed"):
            if fact.confirmation is not None:
                found[fact.confirmation].append(fact)
        return list(found.values())


@pytest.fixture(scope="module")
def chain() -> tuple[list[Fact], tuple[Injection, ...]]:
    """Fifty-five days in which most orders at such suppliers go wrong, and nothing else does."""
    simulation = Simulation(OPTIONS, NETWORK)
    facts = [each.fact for each in simulation.advance(START + 55 * DAY_MS)]
    return sorted(facts, key=lambda fact: fact.occurred_at), simulation.injections()


@pytest.fixture(scope="module")
def lines(chain: tuple[list[Fact], tuple[Injection, ...]]) -> dict[str, Told]:
    """The lines at suppliers that answer by the door, placed so early that they have ended."""
    answering = {flow.supplier for flow in answered_flows(NETWORK)}
    found: dict[str, Told] = {}
    for fact in chain[0]:
        order_ref, line = getattr(fact, "order_ref", None), getattr(fact, "line", None)
        if order_ref is None or line is None:
            continue
        name = line_id(order_ref, line)
        if (
            isinstance(fact, OrderFact)
            and fact.kind == "placed"
            and fact.supplier in answering
            and fact.occurred_at < LAST_AT
        ):
            found[name] = Told()
        if name in found:
            found[name].facts[fact.kind].append(fact)
    return found


def touched(chain: tuple[list[Fact], tuple[Injection, ...]], kind: FaultKind) -> set[str]:
    """The lines of the faults of that kind that should be caught, and have ended."""
    found = {
        catch.subject
        for each in chain[1]
        if each.kind is kind and each.at < LAST_AT - 7 * DAY_MS
        for catch in each.expected
    }
    assert found
    return found


def test_answers_are_what_the_door_makes_of_a_form(lines: dict[str, Told]) -> None:
    assert len(lines) > 60
    for told in lines.values():
        (placed,) = told.orders("placed")
        for fact in told.orders("confirmed"):
            assert fact.recorded_at == fact.occurred_at > placed.occurred_at
            if not fact.event_id.endswith("-claim"):
                assert fact.source == f"partner:{placed.supplier}"
                assert fact.event_id.startswith("answer:simulated-")
                assert fact.supplier_ref is None
    assert any(len(each) > 1 for told in lines.values() for each in told.answers())


def test_what_is_kept_adds_up_and_comes(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    wrong = {line for each in chain[1] for line in each.touched}
    kept = [told for name, told in lines.items() if name not in wrong and "delivered" in told.facts]
    assert len(kept) > 20
    for told in kept:
        (placed,) = told.orders("placed")
        (parts,) = told.answers()
        assert sum(part.quantity or 0 for part in parts) == placed.quantity
        (delivered,) = told.facts["delivered"]
        days = [part.promised_on for part in parts if part.promised_on is not None]
        asked = [*told.orders("changed"), placed][0]
        assert (asked.requested_on or 0) >= max(days), "no later than it was asked for"
        assert delivered.occurred_at <= NETWORK.due_at("BRNO", min(days))
        assert told.orders("closed")
    assert any(told.orders("changed") for told in kept)


def test_who_never_answers_is_given_up(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    for name in touched(chain, FaultKind.NEVER_ANSWERED):
        told = lines[name]
        assert set(told.facts) - {"changed", "confirmed"} == {"placed", "cancelled"}
        assert not told.answers()
        (cancelled,) = told.orders("cancelled")
        assert cancelled.quantity is None


def test_a_short_answer_stays_short_past_the_limit(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    for name in touched(chain, FaultKind.SHORT_ANSWER):
        (placed,) = lines[name].orders("placed")
        first, whole = lines[name].answers()
        assert sum(part.quantity or 0 for part in first) < (placed.quantity or 0)
        assert sum(part.quantity or 0 for part in whole) == placed.quantity
        assert whole[0].occurred_at > placed.occurred_at + 84 * HOUR_MS


def test_a_later_answer_puts_the_promise_off(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    for name in touched(chain, FaultKind.LATER_ANSWER):
        first, later = [each[0] for each in lines[name].answers()]
        assert (later.promised_on or 0) > (first.promised_on or 0)
        assert later.occurred_at > first.occurred_at


def test_more_comes_than_was_answered_where_the_rest_was_given_up(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    for name in touched(chain, FaultKind.ANSWER_NOT_KEPT):
        told = lines[name]
        (delivered,) = told.facts["delivered"]
        assert isinstance(delivered, ShipmentFact)
        ordered, gone = told.total("placed"), told.total("cancelled")
        assert (told.total("confirmed"), delivered.quantity) == (ordered - gone, ordered)


def test_a_foreign_answer_is_about_a_line_that_another_supplier_has(
    chain: tuple[list[Fact], tuple[Injection, ...]], lines: dict[str, Told]
) -> None:
    supplier_of = {name: told.orders("placed")[0].supplier for name, told in lines.items()}
    claims = [fact for fact in chain[0] if fact.event_id.endswith("-claim")]
    assert len(claims) > 3
    for fact in claims:
        assert isinstance(fact, OrderFact)
        name = line_id(fact.order_ref or "", fact.line or "")
        if name in supplier_of:
            assert supplier_of[name] not in {None, partner_of(fact.source)}
            placed_at: UtcMillis = lines[name].orders("placed")[0].occurred_at
            assert fact.occurred_at > placed_at + 12 * HOUR_MS


def test_an_order_that_is_rejected_is_given_up() -> None:
    rates = replace(WRONG, answer_fault_permille=1)
    simulation = Simulation(replace(OPTIONS, rates=rates), NETWORK)
    told: dict[str, dict[str, OrderFact]] = defaultdict(dict)
    for each in simulation.advance(START + 40 * DAY_MS):
        if isinstance(each.fact, OrderFact):
            told[f"{each.fact.order_ref}#{each.fact.line}"][each.fact.kind] = each.fact
    rejected = [
        each
        for each in simulation.injections()
        if each.kind is FaultKind.ORDER_REJECTED and each.at < START + 36 * DAY_MS
    ]
    assert len(rejected) > 2
    for injection in rejected:
        assert injection.touched == tuple(each.subject for each in injection.expected)
        for line in injection.touched:
            assert told[line].keys() <= {"placed", "changed", "rejected", "cancelled"}
            answer, supplier = told[line]["rejected"], told[line]["placed"].supplier
            assert answer.event_id.startswith("answer:simulated-")
            assert (answer.occurred_at, partner_of(answer.source)) == (injection.at, supplier)
            assert told[line]["cancelled"].occurred_at >= injection.at + 24 * HOUR_MS


def test_faults_of_answers_are_only_where_the_door_is_used(
    chain: tuple[list[Fact], tuple[Injection, ...]],
) -> None:
    _, injections = chain
    assert {each.kind for each in injections} == set(ANSWER_FAULTS)
    simulation = Simulation(replace(OPTIONS, rates=Rates(0, 0, 0, 0, 0, 0, 0)), NETWORK)
    simulation.advance(START + 20 * DAY_MS)
    assert simulation.injections() == ()
