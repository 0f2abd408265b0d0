"""The simulation: the same facts for the same seed, sound ones, and every fault there is."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import FactDecoder, encode_fact
from schemas.facts import Fact, Family, Heartbeat, InventoryFact, OrderFact, ShipmentFact
from schemas.kinds import FACT_KINDS
from schemas.units import DAY_MS, HOUR_MS, UtcMillis, millis
from schemas.validation import check
from streams.simulator.chain import STOPS, flows, load_network
from streams.simulator.faults import NO_FAULTS, NO_NOISE, FaultKind, NoiseKind, refused_fact
from streams.simulator.simulation import Emission, Simulation, SimulationOptions
from topology import calendars

NETWORK = load_network()
START = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
OPTIONS = SimulationOptions(seed=11, started_at=START, orders_per_day=30)
PARTNERS = {"partner:GASKETS", "partner:CRATES"}
CALM = replace(OPTIONS, rates=NO_FAULTS, noise=NO_NOISE)

DIGEST = """
import datetime as dt
from hashlib import sha256
from schemas.units import DAY_MS, millis
from streams.simulator.simulation import Simulation, SimulationOptions
start = millis(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
simulation = Simulation(SimulationOptions(seed=11, started_at=start, orders_per_day=30))
emissions = simulation.advance(start + 20 * DAY_MS)
told = repr((emissions, simulation.injections(), simulation.noisy_lines()))
print(sha256(told.encode()).hexdigest())
"""


def run(options: SimulationOptions, days: int) -> tuple[Simulation, list[Emission]]:
    simulation = Simulation(options, NETWORK)
    return simulation, simulation.advance(options.started_at + days * DAY_MS)


@pytest.fixture(scope="module")
def busy() -> tuple[Simulation, list[Emission]]:
    """Sixty days with faults and noise."""
    return run(replace(OPTIONS, orders_per_day=60), 60)


@pytest.fixture(scope="module")
def calm() -> tuple[Simulation, list[Emission]]:
    """Forty days in which nothing goes wrong."""
    return run(CALM, 40)


def test_the_hash_seed_changes_nothing() -> None:
    def digest(hash_seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    simulation, emissions = run(OPTIONS, 20)
    told = repr((emissions, simulation.injections(), simulation.noisy_lines()))
    assert digest("1") == digest("2") == sha256(told.encode()).hexdigest()


@settings(max_examples=10)
@given(steps=st.lists(st.integers(1, 3 * DAY_MS), min_size=1, max_size=12))
def test_the_size_of_steps_changes_nothing(steps: list[int]) -> None:
    options = replace(OPTIONS, orders_per_day=5)
    end = START + 15 * DAY_MS
    whole, stepped = Simulation(options, NETWORK), Simulation(options, NETWORK)
    emissions: list[Emission] = []
    for step in steps:
        emissions += stepped.advance(min(stepped.now + step, end))
    emissions += stepped.advance(end)
    assert emissions == whole.advance(end)
    assert stepped.injections() == whole.injections()


def test_another_seed_is_another_history() -> None:
    _, emissions = run(OPTIONS, 5)
    _, others = run(replace(OPTIONS, seed=12), 5)
    assert emissions != others


def test_every_fact_is_sound_and_survives_the_wire(
    busy: tuple[Simulation, list[Emission]],
) -> None:
    _, emissions = busy
    decoder = FactDecoder()
    told = {each.topic for each in emissions}
    assert told == set(Family)
    kinds = {(each.topic, each.fact.kind) for each in emissions}
    assert kinds == {(kind.family.value, kind.name) for kind in FACT_KINDS}, "all that can be told"
    for family in map(Family, sorted(told)):
        facts = [each.fact for each in emissions if each.topic == family]
        assert [check(fact) for fact in facts] == [None] * len(facts)
        assert decoder.decode(family, [encode_fact(fact) for fact in facts]) == facts


def test_facts_are_sent_in_order_after_they_were_recorded(
    busy: tuple[Simulation, list[Emission]],
) -> None:
    _, emissions = busy
    sent = [each.send_at for each in emissions]
    assert sent == sorted(sent)
    for each in emissions:
        assert each.fact.occurred_at <= each.fact.recorded_at <= each.send_at


def test_every_fault_and_every_noise_happens(busy: tuple[Simulation, list[Emission]]) -> None:
    simulation, emissions = busy
    injections = simulation.injections()
    assert {each.kind for each in injections} == set(FaultKind)
    assert len({each.id for each in injections}) == len(injections)
    claims = [each for each in emissions if each.fact.event_id.endswith("-claim")]
    for each in injections:
        assert all(catch.earliest_at <= catch.latest_at for catch in each.expected)
        assert {catch.subject for catch in each.expected} <= {
            *each.touched,
            *(feed.id for feed in NETWORK.document.feeds),
            *(refused_fact(told.fact.source, told.fact.event_id) for told in claims),
        }
    marks = {kind for kinds in simulation.noisy_lines().values() for kind in kinds}
    assert marks == {NoiseKind.DROP, NoiseKind.CONTRADICTION}
    copies = Counter((each.fact.source, each.fact.event_id) for each in emissions)
    assert set(copies.values()) == {1, 2}, "duplicates are whole copies"
    delays = [each.fact.recorded_at - each.fact.occurred_at for each in emissions]
    assert max(delays) > HOUR_MS


def test_without_faults_and_noise_nothing_goes_wrong(
    calm: tuple[Simulation, list[Emission]],
) -> None:
    simulation, emissions = calm
    assert simulation.injections() == ()
    assert simulation.noisy_lines() == {}
    events = [(each.fact.source, each.fact.event_id) for each in emissions]
    assert len(set(events)) == len(events)
    promised: dict[tuple[str | None, str | None], UtcMillis] = {}
    ship_to: dict[tuple[str | None, str | None], str | None] = {}
    delivered = 0
    for each in emissions:
        match each.fact:
            case OrderFact(kind="placed") as fact:
                ship_to[fact.order_ref, fact.line] = fact.ship_to
                assert fact.requested_on is not None
                key = (fact.order_ref, fact.line)
                promised[key] = NETWORK.due_at(fact.ship_to, fact.requested_on)
            case ShipmentFact(kind="delivered") as fact:
                assert fact.occurred_at <= promised[fact.order_ref, fact.line]
                delivered += 1
            case _:
                pass
    assert delivered > 500


def test_everything_happens_in_working_hours(busy: tuple[Simulation, list[Emission]]) -> None:
    for each in busy[1]:
        fact = each.fact
        match fact:
            case OrderFact(kind="placed", ship_to=str(site)):
                assert is_open(site, fact.occurred_at)
            case ShipmentFact(kind="delivered", site=str(site)):
                assert is_open(site, fact.occurred_at)
            case ShipmentFact(kind="departed", site=str(site), to_site=str(to_site)):
                lanes = NETWORK.lanes_between(site, to_site)
                departures = [NETWORK.next_departure(lane, fact.occurred_at) for lane in lanes]
                assert fact.occurred_at in departures, "at the cut-off, on a day of departures"
            case _:
                pass


def is_open(site_id: str, at: UtcMillis) -> bool:
    site = NETWORK.sites[site_id]
    on = calendars.local_day(site, at)
    opens, closes = calendars.receiving_hours(site, on)
    return calendars.is_working(NETWORK.calendar_of(site), on) and opens <= at <= closes


def test_a_source_never_claims_more_than_it_has_told(
    busy: tuple[Simulation, list[Emission]],
) -> None:
    complete_to: dict[str, UtcMillis] = defaultdict(int)
    seen: set[tuple[str, str]] = set()
    for each in busy[1]:
        fact = each.fact
        if isinstance(fact, Heartbeat):
            complete_to[fact.source] = max(complete_to[fact.source], fact.complete_to)
        elif (fact.source, fact.event_id) not in seen:
            assert fact.occurred_at > complete_to[fact.source]
            seen.add((fact.source, fact.event_id))


def test_a_silent_source_tells_its_backlog_and_then_that_it_is_alive(
    busy: tuple[Simulation, list[Emission]],
) -> None:
    simulation, emissions = busy
    outages = [each for each in simulation.injections() if each.kind is FaultKind.FEED_OUTAGE]
    assert outages
    for outage in outages:
        (catch,) = outage.expected
        mine = [each for each in emissions if each.fact.source == catch.subject]
        after = [each for each in mine if each.send_at > outage.at]
        if not after:
            continue
        assert after[0].send_at > catch.latest_at, "silent until it is blind"
        back_at = after[0].send_at
        backlog = [each for each in after if each.send_at == back_at]
        alive = [each for each in after if isinstance(each.fact, Heartbeat)]
        assert all(not isinstance(each.fact, Heartbeat) for each in backlog[:-1])
        assert alive[0].send_at <= back_at + HOUR_MS


def test_all_sources_speak_and_all_ports_are_called_at(
    busy: tuple[Simulation, list[Emission]],
) -> None:
    _, emissions = busy
    feeds = {feed.id for feed in NETWORK.document.feeds}
    assert {each.fact.source for each in emissions} == {*feeds, *PARTNERS}
    called = {each.fact.site for each in emissions if isinstance(each.fact, ShipmentFact)}
    assert {stop.site for stops in STOPS.values() for stop in stops} <= called


def test_the_lanes_from_ports_keep_the_lead_time_of_the_whole_way() -> None:
    for flow in flows(NETWORK):
        whole = NETWORK.lanes[flow.lane]
        for stop in STOPS.get(flow.lane, ()):
            rest = NETWORK.lane_between(stop.site, whole.destination, flow.items[0])
            assert rest is not None
            passed_ms = whole.lead_time_p80_ms * stop.share_percent // 100
            assert passed_ms + rest.lead_time_p80_ms <= whole.lead_time_p80_ms


def test_the_network_is_on_three_continents_with_calendars_of_their_own() -> None:
    assert {site.region for site in NETWORK.document.sites} == {"asia", "europe", "america"}
    assert len({site.zone for site in NETWORK.document.sites}) > 8
    assert len(NETWORK.cells) > 1


def is_alone(fact: Fact) -> bool:
    """Whether it is about no order: it is told once, however often each order happens."""
    is_of_stock = isinstance(fact, InventoryFact) and fact.order_ref is None
    return isinstance(fact, Heartbeat) or is_of_stock


def test_copies_are_sound_and_their_orders_are_their_own() -> None:
    _, emissions = run(replace(CALM, orders_per_day=5), 10)
    _, many = run(replace(CALM, orders_per_day=5, copies=4), 10)
    alone = sum(is_alone(each.fact) for each in emissions)
    assert len(many) == 4 * (len(emissions) - alone) + alone
    assert all(check(each.fact) is None for each in many)
    events = [(each.fact.source, each.fact.event_id) for each in many]
    assert len(set(events)) == len(events)
    originals = [each.fact for each in many if "." not in each.fact.event_id]
    for before, fact in zip((each.fact for each in emissions), originals, strict=True):
        if isinstance(before, InventoryFact) and isinstance(fact, InventoryFact):
            times = 4 if is_alone(before) else 1
            assert fact.quantity == times * (before.quantity or 0)
        else:
            assert fact == before
    orders = {each.fact.order_ref for each in many if isinstance(each.fact, OrderFact)}
    placed = {each.fact.order_ref for each in emissions if isinstance(each.fact, OrderFact)}
    assert len(orders) == 4 * len(placed)
