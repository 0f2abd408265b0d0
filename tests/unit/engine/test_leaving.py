"""A line that is over leaves: its facts, later its tombstone, and with that its last status."""

from __future__ import annotations

from alerts.policy import DEFAULT
from schemas.units import DAY_MS
from streams.engine.local import LocalEngine
from streams.replay.audit import audit
from tests.scenario import START, Chain, network

LINE = b"ACME/PO-1#10"


def test_the_status_of_a_line_leaves_with_its_tombstone_and_a_new_line_may_come() -> None:
    engine = LocalEngine(network())
    chain = Chain()
    chain.placed("PO-1", START)
    chain.confirmed("PO-1", START)
    chain.delivered("PO-1", START + DAY_MS, quantity=100)
    for fact in chain.facts:
        engine.send(fact)
    at = START + 2 * DAY_MS
    engine.tick(at)
    assert LINE in engine.latest("order-status")

    at += (DEFAULT.lateness_horizon_days + 1) * DAY_MS
    engine.tick(at)
    # The facts have left, the tombstone and the last word on the line stay.
    assert LINE in engine.latest("lines")
    assert LINE in engine.latest("order-status")

    at += (DEFAULT.tombstone_days + 1) * DAY_MS
    engine.tick(at)
    assert LINE not in engine.latest("lines")
    assert LINE not in engine.latest("order-status")

    chain.placed("PO-1", at)
    engine.send(chain.facts[-1])
    engine.tick(at + DAY_MS)
    assert LINE in engine.latest("order-status")
    engine.close()
    found = audit(engine.log)
    assert found.difference_count == 0, found.differences
