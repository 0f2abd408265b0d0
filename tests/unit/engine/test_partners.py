"""What partners are told, through all stages: when, to whom, and when it is taken back."""

from __future__ import annotations

import pytest

from alerts.policy import DEFAULT
from schemas.facts import Fact, OrderFact, ShipmentFact
from schemas.ledger import decode_line
from schemas.partner_records import (
    PartnerReason,
    PartnerRole,
    PartnerStanding,
    PartnerStatus,
    partner_key,
    split_partner_key,
)
from schemas.records import decode
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE
from streams.engine.local import LocalEngine
from streams.replay.audit import AUDITED_TOPICS, audit
from tests.scenario import START, Chain, network

LINE = "ACME/PO-1#10"
ALL = ("ACME", "CARGO", "SUP")
TOPIC = "partner-status"


def status(engine: LocalEngine, party: str, line: str = LINE) -> PartnerStatus:
    return decode(engine.latest(TOPIC)[partner_key(party, line).encode()], PartnerStatus)


def told(engine: LocalEngine) -> dict[str, bool]:
    """Of what was written since this was last asked: key, and whether it is a record."""
    found = {}
    for output in engine.new_outputs(TOPIC):
        assert output.key is not None
        assert output.key not in found, "one tick writes a key once"
        found[output.key.decode()] = output.value is not None
    return found


def under_way(*, subscribed: tuple[str, ...] = ALL) -> tuple[LocalEngine, Chain]:
    """A line that is confirmed and has departed, two ticks ago."""
    engine, chain = LocalEngine(network(subscribed=subscribed)), Chain()
    chain.placed("PO-1", START)
    chain.confirmed("PO-1", START + HOUR_MS)
    chain.packed("PO-1", "S-1", START + 2 * HOUR_MS)
    chain.moved("departed", "S-1", START + 3 * HOUR_MS, site="LYON")
    for fact in chain.facts:
        engine.send(fact)
    engine.tick(START + 4 * HOUR_MS)
    return engine, chain


def send(engine: LocalEngine, fact: Fact, at: int) -> None:
    engine.send(fact)
    engine.tick(at)


def changed(at: int, **fields: str) -> OrderFact:
    return OrderFact(
        f"changed-{at}", "acme-erp", "changed", at, at, order_ref="ACME/PO-1", line="10", **fields
    )


def test_each_party_is_told_its_part() -> None:
    engine, _ = under_way()
    buyer, supplier, carrier = (status(engine, party) for party in ("ACME", "SUP", "CARGO"))
    assert (buyer.roles, buyer.order, buyer.line) == ((PartnerRole.BUYER,), "PO-1", "10")
    assert (buyer.item, buyer.ordered, buyer.shipped) == ("BOLT", 100, 100)
    assert (buyer.standing, buyer.reason) == (PartnerStanding.ON_TIME, PartnerReason.AS_PROMISED)
    assert buyer.promised_on is not None
    assert (supplier.roles, supplier.order) == ((PartnerRole.SUPPLIER,), "PO-1")
    assert supplier.promised_on == buyer.promised_on
    assert carrier.roles == (PartnerRole.CARRIER,)
    assert (carrier.order, carrier.item, carrier.ordered) == (None, None, None)
    assert carrier.standing is None
    assert carrier.reason is PartnerReason.ON_THE_WAY
    assert [each.quantity for each in carrier.shipments] == [100]


def test_without_subscribed_parties_nothing_is_written() -> None:
    engine, _ = under_way(subscribed=())
    assert engine.outputs("order-status")
    assert engine.outputs(TOPIC) == []


def test_only_those_that_are_subscribed_are_told() -> None:
    engine, _ = under_way(subscribed=("CARGO",))
    assert told(engine) == {partner_key("CARGO", LINE): True}


def test_what_a_party_may_not_see_makes_no_record_for_it() -> None:
    engine, chain = under_way()
    told(engine)
    at = START + 5 * HOUR_MS
    send(engine, changed(at, currency="EUR"), at)
    assert told(engine) == {}, "nothing public changed"
    at += HOUR_MS
    send(engine, chain.confirmed("PO-1", at, due_days=12), at)
    assert told(engine).keys() == {partner_key(party, LINE) for party in ("ACME", "SUP")}


def test_a_network_that_says_the_same_of_a_line_makes_no_record() -> None:
    engine, _ = under_way()
    told(engine)
    engine.publish_network(network(subscribed=ALL, lead_days=3))
    engine.tick(START + 5 * HOUR_MS)
    assert all(told(engine).values())
    engine.publish_network(network(subscribed=ALL, lead_days=3, heartbeats=True))
    engine.tick(START + 5 * HOUR_MS + 1)
    assert told(engine) == {}


def test_who_subscribes_is_told_all_that_stands_and_who_leaves_loses_it() -> None:
    engine, _ = under_way(subscribed=("SUP",))
    told(engine)
    engine.publish_network(network(subscribed=("ACME",)))
    engine.tick(START + 5 * HOUR_MS)
    assert told(engine) == {partner_key("SUP", LINE): False, partner_key("ACME", LINE): True}
    engine.publish_network(network())
    engine.tick(START + 6 * HOUR_MS)
    assert told(engine) == {partner_key("ACME", LINE): False}


def test_who_leaves_as_a_line_changes_its_cell_loses_it() -> None:
    """The cell that has the line now knows nothing of the record; the one that it left does."""
    engine, _ = under_way()
    told(engine)
    (before,) = engine.latest("lines").values()
    engine.publish_network(network(subscribed=("ACME", "SUP")))
    at = START + 5 * HOUR_MS
    send(engine, changed(at, item="GEAR", ship_from="PUNE"), at)
    (after,) = engine.latest("lines").values()
    assert not set(decode_line(before).cells) & set(decode_line(after).cells)
    assert told(engine)[partner_key("CARGO", LINE)] is False
    left = {split_partner_key(key.decode())[0] for key in engine.latest(TOPIC)}
    assert left == {"ACME", "SUP"}


@pytest.mark.parametrize("moves", [False, True], ids=["same cell", "another cell"])
def test_a_supplier_that_is_replaced_loses_the_line(moves: bool) -> None:
    engine, _ = under_way()
    told(engine)
    at = START + 5 * HOUR_MS
    elsewhere = {"item": "GEAR", "ship_from": "PUNE"} if moves else {}
    send(engine, changed(at, supplier="OTHER", **elsewhere), at)
    assert told(engine)[partner_key("SUP", LINE)] is False
    left = {split_partner_key(key.decode())[0] for key in engine.latest(TOPIC)}
    assert left == {"ACME", "CARGO"}


def test_who_takes_over_sees_nothing_of_who_was_before() -> None:
    engine, chain = under_way(subscribed=("SUP",))
    at = START + 5 * HOUR_MS
    engine.send(changed(at, supplier="OTHER"))
    engine.send(changed(at + 1, supplier="SUP"))
    engine.tick(at + HOUR_MS)
    # Told by its own feed, under its own number: that stays its own.
    assert status(engine, "SUP").shipped == 100

    engine = LocalEngine(network(subscribed=("SUP",)))
    chain = Chain()
    chain.placed("PO-1", START)
    chain.confirmed("PO-1", START)
    for fact in chain.facts:
        engine.send(fact)
    engine.send(
        OrderFact(
            "theirs", "other-erp", "confirmed", START + 1, START + 1, order_ref="ACME/PO-1",
            line="10", supplier="OTHER", promised_on=20_500,
            quantity=7 * QUANTITY_ONE, unit="EA",
        )
    )  # fmt: skip
    engine.tick(at)
    seen = status(engine, "SUP")
    assert (seen.promised_on, seen.confirmed, seen.expected_at) == (None, None, None)


def test_a_carrier_that_is_replaced_loses_the_line_and_its_successor_sees_its_own() -> None:
    engine, _ = under_way(subscribed=("CARGO", "ACME"))
    told(engine)
    at = START + 5 * HOUR_MS
    over = ShipmentFact(
        "over", "acme-erp", "arrived", at, at, shipment_ref="SUP/S-1", carrier="ACME",
        site="ROTTERDAM",
    )  # fmt: skip
    send(engine, over, at)
    assert told(engine)[partner_key("CARGO", LINE)] is False
    seen = status(engine, "ACME")
    assert seen.roles == (PartnerRole.BUYER, PartnerRole.CARRIER)
    (shipment,) = seen.shipments
    assert (shipment.departed_at, shipment.arrived_at, shipment.quantity) == (None, None, None)
    assert seen.shipped == 100, "as the buyer it sees its line"


def test_who_cannot_be_heard_is_never_on_time() -> None:
    engine, _ = under_way()
    told(engine)
    engine.tick(START + 3 * DAY_MS)
    for party in ("ACME", "SUP"):
        seen = status(engine, party)
        assert (seen.standing, seen.reason) == (PartnerStanding.NOT_KNOWN, PartnerReason.NOT_KNOWN)
    assert status(engine, "CARGO").reason is PartnerReason.NOT_KNOWN


def test_a_line_that_leaves_is_taken_back_once() -> None:
    engine, chain = under_way()
    send(engine, chain.delivered("PO-1", START + DAY_MS, quantity=100), START + 2 * DAY_MS)
    assert status(engine, "ACME").reason is PartnerReason.DELIVERED
    told(engine)
    at = START + 2 * DAY_MS + (DEFAULT.lateness_horizon_days + 1) * DAY_MS
    engine.tick(at)
    assert told(engine) == {partner_key(party, LINE): False for party in ALL}
    engine.tick(at + (DEFAULT.tombstone_days + 1) * DAY_MS)
    assert told(engine) == {}


def test_the_audit_looks_at_what_partners_are_told() -> None:
    engine, chain = under_way()
    send(engine, chain.delivered("PO-1", START + DAY_MS, quantity=100), START + 2 * DAY_MS)
    engine.close()
    assert TOPIC in AUDITED_TOPICS
    assert audit(engine.log).difference_count == 0
    first = next(iter(engine.latest(TOPIC)))
    engine.log.append(TOPIC, first, b'{"roles":["buyer"],"reason":"overdue"}', 0)
    found = audit(engine.log)
    assert [each.topic for each in found.differences] == [TOPIC]
