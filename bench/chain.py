"""The facts of the simulated chain, many times over, encoded and ready to be sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from bench.ground import Sendable
from schemas.addresses import fact_key
from schemas.codec import encode_fact
from schemas.units import DAY_MS, UtcMillis, millis
from streams.simulator.simulation import Simulation, SimulationOptions
from topology.network import Network

STARTED_AT = millis(dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
SEED = 7


class ChainFacts(NamedTuple):
    """Facts in the order in which they are sent, their chain, and when all of them are told."""

    facts: list[Sendable]
    network: Network
    told_at: UtcMillis


def chain_facts(days: int, copies: int) -> ChainFacts:
    """So many days of the simulated chain, each order so many times; the same in every run.

    All families are told, and faults and noise are the usual ones, so every rule has something to
    say. Of each copy 4,700 facts in the first 10 days and 19,300 in the first 30, a quarter of them
    about stock and an eighth about money; 1,400 and 4,400 more (heartbeats, and stock that no order
    moves) are told once.
    """
    simulation = Simulation(SimulationOptions(SEED, STARTED_AT, copies=copies))
    told_at = STARTED_AT + days * DAY_MS
    return ChainFacts(list(_encoded(simulation, told_at)), simulation.network, told_at)


def _encoded(simulation: Simulation, told_at: UtcMillis) -> Iterator[Sendable]:
    for emission in simulation.advance(told_at):
        yield emission.topic, fact_key(emission.fact), encode_fact(emission.fact)
