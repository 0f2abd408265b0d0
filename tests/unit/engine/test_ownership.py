"""What comes in by partners' doors: it counts of their own lines, and of no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from alerts.policy import DEFAULT
from schemas import limits
from schemas.codec import unpack
from schemas.facts import Fact, InventoryFact, OrderFact, ShipmentFact
from schemas.ledger import LineFacts, decode_line
from schemas.partner_records import PartnerStatus, partner_key
from schemas.partner_sources import partner_source
from schemas.records import (
    DeadLetter,
    Decision,
    OrderStatus,
    Outcome,
    Progress,
    Standing,
    Unlinked,
    decode,
)
from schemas.stock_records import StockStatus
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis
from streams.engine.local import LocalEngine
from tests.scenario import START, START_DAY, Chain, network
from topology.network import build

AT = START + DAY_MS
LINE = "ACME/PO-1#10"
OWN_DAYS = DEFAULT.ownership_days


def said(event: str, party: str, kind: str, at: UtcMillis = AT, **more: Any) -> OrderFact:
    """A partner tells something of the line."""
    values = {"order_ref": "ACME/PO-1", "line": "10", **more}
    return OrderFact(event, partner_source(party), kind, at, at, **values)


def shipped(event: str, party: str, kind: str, at: UtcMillis = AT, **more: Any) -> ShipmentFact:
    return ShipmentFact(event, partner_source(party), kind, at, at, **more)


def confirmed(event: str, party: str, days: int = 9, at: UtcMillis = AT, **more: Any) -> OrderFact:
    return said(event, party, "confirmed", at, promised_on=START_DAY + days, **more)


def ran(*ticks: Sequence[Fact], later_days: int = 0) -> LocalEngine:
    """The facts, tick by tick an hour apart, and then a tick so many days later."""
    engine = LocalEngine(network(), partitions=2)
    at = AT
    for facts in ticks:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
        at += HOUR_MS
    if later_days:
        engine.tick(at + later_days * DAY_MS)
    return engine


def line(engine: LocalEngine, line_id: str = LINE) -> LineFacts:
    return decode_line(bytes(engine.latest("lines")[line_id.encode()]))


def counted(engine: LocalEngine, line_id: str = LINE) -> set[str]:
    return {unpack(body).event_id for body in line(engine, line_id).facts}


def waiting(engine: LocalEngine, line_id: str = LINE) -> set[str]:
    return {unpack(each.body).event_id for each in line(engine, line_id).aside}


def letters(engine: LocalEngine) -> list[tuple[str | None, str, str]]:
    found = [decode(bytes(out.value or b""), DeadLetter) for out in engine.outputs("dead-letters")]
    return sorted((each.event_id, each.reason, each.error) for each in found)


def status(engine: LocalEngine, line_id: str = LINE) -> OrderStatus:
    return decode(bytes(engine.latest("order-status")[line_id.encode()]), OrderStatus)


def firing(engine: LocalEngine) -> set[str]:
    """The rules that fire on the line now."""
    said = [decode(bytes(out.value or b""), Decision) for out in engine.outputs("decisions")]
    last = {
        verdict.rule: verdict.outcome
        for each in said
        if each.subject == LINE
        for verdict in each.verdicts
    }
    return {rule for rule, outcome in last.items() if outcome is Outcome.FIRES}


def placed(order: str = "PO-1") -> Fact:
    return Chain().placed(order, AT)


@pytest.mark.parametrize("first", ["line", "partner"])
def test_the_supplier_of_a_line_confirms_it_whoever_speaks_first(first: str) -> None:
    answer = confirmed("p1", "SUP")
    order = [[placed()], [answer]] if first == "line" else [[answer], [placed()]]
    engine = ran(*order)
    assert counted(engine) == {"e00001", "p1"}
    assert not waiting(engine)
    assert status(engine).last_confirmed is not None


def test_what_another_says_of_the_line_changes_nothing_and_ends_in_the_dead_letters() -> None:
    alone = ran([placed()])
    engine = ran([placed()], [confirmed("p1", "RIVAL")])
    assert counted(engine) == {"e00001"}
    assert waiting(engine) == {"p1"}
    assert not letters(engine)
    left = engine.latest("order-status")[LINE.encode()]
    assert msgspec.json.decode(left) == msgspec.json.decode(
        alone.latest("order-status")[LINE.encode()]
    )
    engine.tick(AT + HOUR_MS + OWN_DAYS * DAY_MS)
    assert letters(engine) == [
        ("p1", "not_own_line", f"RIVAL tells 'confirmed' of {LINE}, and is not its supplier")
    ]
    assert not waiting(engine)


def test_the_wait_for_word_on_who_owns_a_line_begins_when_the_line_is_known() -> None:
    engine = ran([confirmed("p1", "RIVAL")])
    known_at = AT + (OWN_DAYS + 1) * DAY_MS
    engine.send(msgspec.structs.replace(placed(), recorded_at=known_at))
    engine.tick(known_at)
    engine.tick(known_at + OWN_DAYS * DAY_MS - 1)
    assert (waiting(engine), letters(engine)) == ({"p1"}, [])
    engine.tick(known_at + OWN_DAYS * DAY_MS)
    assert [(event, reason) for event, reason, _ in letters(engine)] == [("p1", "not_own_line")]


def test_a_party_of_the_line_says_only_what_its_role_says() -> None:
    engine = ran(
        [placed()],
        [
            said("p1", "SUP", "changed", quantity=QUANTITY_ONE, unit="EA"),
            said("p2", "SUP", "cancelled"),
            confirmed("p3", "ACME"),
            said("p4", "ACME", "changed", quantity=7 * QUANTITY_ONE, unit="EA"),
        ],
    )
    assert counted(engine) == {"e00001", "p4"}
    assert waiting(engine) == {"p1", "p2", "p3"}


def test_the_buyer_needs_nobody_to_place_its_order() -> None:
    engine = ran([said("p1", "ACME", "placed", item="BOLT", quantity=QUANTITY_ONE, unit="EA",
                       supplier="SUP", ship_from="LYON", ship_to="OSLO"),
                  confirmed("p2", "SUP")])  # fmt: skip
    assert counted(engine) == {"p1", "p2"}
    assert status(engine).supplier == "SUP"


def test_an_order_in_anothers_name_is_not_believed() -> None:
    engine = ran(
        [said("p1", "RIVAL", "placed", item="BOLT", quantity=QUANTITY_ONE, unit="EA",
              buyer="RIVAL", supplier="RIVAL")],
    )  # fmt: skip
    assert not counted(engine)
    assert waiting(engine) == {"p1"}
    assert LINE.encode() not in engine.latest("order-status")
    unlinked = decode(bytes(engine.latest("unlinked")[LINE.encode()]), Unlinked)
    assert (unlinked.waiting, unlinked.sources) == (1, ("partner:RIVAL",))
    engine.tick(AT + HOUR_MS + DEFAULT.link_retention_days * DAY_MS)
    assert [(event, reason) for event, reason, _ in letters(engine)] == [("p1", "unlinked")]
    assert LINE.encode() not in engine.latest("lines")
    assert LINE.encode() not in engine.latest("unlinked")


def test_a_carrier_that_the_supplier_names_may_speak_before_it_is_named() -> None:
    eta = shipped("p1", "CARGO", "eta", order_ref="ACME/PO-1", line="10", eta_on=START_DAY + 12)
    packed = shipped("p2", "SUP", "packed", order_ref="ACME/PO-1", line="10", carrier="CARGO",
                     shipment_ref="SUP/S-1", quantity=QUANTITY_ONE, unit="EA")  # fmt: skip
    assert counted(ran([eta], [packed], [placed()])) == {"e00001", "p1", "p2"}
    assert waiting(ran([eta], [placed()])) == {"p1"}


def test_numbers_learn_from_a_partner_only_once_the_line_is_its_own() -> None:
    """A rival ties a shipment to the line: what the carrier tells of it must not reach the line."""
    chain = Chain()
    moved = chain.moved("eta", "S-9", AT, eta_at=START + 30 * DAY_MS)
    tie = {"order_ref": "ACME/PO-1", "line": "10", "shipment_ref": "SUP/S-9"}
    packed = shipped("p1", "RIVAL", "packed", quantity=QUANTITY_ONE, unit="EA", **tie)
    foreign = ran([placed()], [packed], [moved])
    assert counted(foreign) == {"e00001"}
    own = msgspec.structs.replace(packed, source=partner_source("SUP"))
    assert counted(ran([own], [moved], [placed()])) >= {"p1", "e00001"}
    assert status(ran([own], [moved], [placed()])).expected is not None


def test_a_partner_explains_its_own_numbers_and_no_others() -> None:
    """The supplier ties the payment of a bank to its line; the payment then stood for two lines."""
    engine = ran(
        [placed()],
        [shipped("p1", "SUP", "packed", order_ref="ACME/PO-1", line="10", carrier="CARGO",
                 shipment_ref="OTHER/S-1", quantity=QUANTITY_ONE, unit="EA")],
    )  # fmt: skip
    assert counted(engine) == {"e00001", "p1"}
    assert b"shipment:OTHER/S-1" not in engine.latest("links-state")
    tied = ran(
        [placed()],
        [shipped("p1", "SUP", "packed", order_ref="ACME/PO-1", line="10", carrier="CARGO",
                 shipment_ref="SUP/S-1", quantity=QUANTITY_ONE, unit="EA")],
    )  # fmt: skip
    assert b"shipment:SUP/S-1" in tied.latest("links-state")


def test_a_carriers_number_is_taken_on_a_partners_word_for_its_own_line_alone() -> None:
    """As docs/door.md says: it reads what the carrier tells of the number, and changes nothing."""

    def packed(event: str, party: str, order: str) -> Fact:
        return shipped(event, party, "packed", order_ref=f"ACME/{order}", line="10",
                       carrier_ref="CARGO/777", carrier="CARGO", quantity=QUANTITY_ONE,
                       unit="EA")  # fmt: skip

    orders = [placed(), msgspec.structs.replace(placed("PO-2"), event_id="e2", supplier="RIVAL")]
    own = packed("p1", "SUP", "PO-1")
    tie = packed("p2", "RIVAL", "PO-2")
    left = ShipmentFact("c1", "cargo-edi", "departed", AT, AT, carrier_ref="CARGO/777")
    alone, engine = ran(orders, [own], [left], []), ran(orders, [own, tie], [left], [])
    assert status(engine) == status(alone)
    assert counted(engine) == {"e00001", "p1", "c1"}
    assert counted(engine, "ACME/PO-2#10") == {"e2", "p2", "c1"}
    other = packed("p2", "RIVAL", "PO-1")
    foreign = ran(orders, [other], [left], [])
    assert counted(foreign) == {"e00001"}, "but for its own lines alone"


def test_a_partner_fills_its_share_of_a_line_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PARTNER_FACTS_MAX", 3)
    flood = [confirmed(f"p{n}", "RIVAL", 5 + n) for n in range(4)]
    engine = ran([placed()], flood[:3])
    assert not letters(engine)
    engine = ran([placed()], flood)
    assert [reason for _, reason, _ in letters(engine)] == ["line_full"]
    assert len(waiting(engine)) == 3


def test_a_partner_has_so_many_bytes_of_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [
        shipped(f"p{n}", "CARGO", "departed", shipment_ref="SUP/S-1", reason="x" * 1000)
        for n in range(3)
    ]
    size = sum(len(msgspec.msgpack.encode(fact)) for fact in told)
    monkeypatch.setattr(limits, "PARTNER_FACT_BYTES_MAX", size)
    assert not letters(ran(told))
    monkeypatch.setattr(limits, "PARTNER_FACT_BYTES_MAX", size - 1)
    assert [reason for _, reason, _ in letters(ran(told))] == ["number_full"]


@pytest.mark.parametrize(("party", "reasons"), [("SUP", []), ("ACME", ["not_own_site"])])
def test_stock_is_told_by_who_owns_the_site(party: str, reasons: list[str]) -> None:
    count = InventoryFact("p1", partner_source(party), "counted", AT, AT, "BOLT", "LYON",
                          quantity=5 * QUANTITY_ONE, unit="EA")  # fmt: skip
    engine = ran([count])
    assert [reason for _, reason, _ in letters(engine)] == reasons
    known = engine.latest("stock-status").get(b"BOLT@LYON")
    told = known is not None and decode(bytes(known), StockStatus).on_hand is not None
    assert told is (not reasons)


@pytest.mark.parametrize("told_at", [START - 3_000 * DAY_MS, START + 3_000 * DAY_MS])
def test_a_stale_or_future_claim_of_time_changes_nothing_that_it_should_not(
    told_at: UtcMillis,
) -> None:
    """Whatever a rival claims about the time, the line stands as it stood; and no wait ends."""
    claim = msgspec.structs.replace(
        confirmed("p1", "RIVAL"), occurred_at=told_at, recorded_at=told_at
    )
    alone, engine = ran([placed()], []), ran([placed()], [claim])
    assert status(engine) == status(alone)
    assert waiting(engine) == {"p1"}
    assert not letters(engine)


def test_a_line_that_leaves_refuses_what_waits_at_it() -> None:
    engine = ran([placed()], [said("p1", "ACME", "cancelled")])
    engine.send(confirmed("p2", "RIVAL"))
    horizon = DEFAULT.lateness_horizon_days
    engine.tick(AT + HOUR_MS + (horizon * 24 - 1) * HOUR_MS)
    engine.tick(AT + HOUR_MS + (horizon + 1) * DAY_MS)
    assert [(event, reason) for event, reason, _ in letters(engine)] == [("p2", "not_own_line")]
    assert line(engine).left_at is not None


def test_who_took_over_sees_what_it_said_by_its_own_door() -> None:
    """The second supplier of a line reads only what it told itself: its door counts as that."""
    document = network().document
    parties = tuple(msgspec.structs.replace(each, subscribed=True) for each in document.parties)
    subscribed = build(msgspec.structs.replace(document, parties=parties))
    placed_with_other = msgspec.structs.replace(placed(), supplier="OTHER")
    changed = OrderFact("c1", "acme-erp", "changed", AT + 1, AT + 1, order_ref="ACME/PO-1",
                        line="10", supplier="SUP")  # fmt: skip
    promises = {}
    for source in (partner_source("SUP"), "other-erp"):
        engine = LocalEngine(subscribed, partitions=2)
        promise = msgspec.structs.replace(
            confirmed("p1", "SUP"), source=source, occurred_at=AT + 2, recorded_at=AT + 2
        )
        for fact in (placed_with_other, changed, promise):
            engine.send(fact)
        engine.tick(AT + HOUR_MS)
        record = engine.latest("partner-status")[partner_key("SUP", LINE).encode()]
        promises[source] = decode(bytes(record), PartnerStatus).promised_on
    assert promises["other-erp"] is None
    assert promises[partner_source("SUP")] is not None


def given_to(event: str, supplier: str, at: UtcMillis) -> OrderFact:
    """The buyer's books give the line to a supplier."""
    return OrderFact(event, "acme-erp", "changed", at, at, order_ref="ACME/PO-1", line="10",
                     supplier=supplier)  # fmt: skip


HANDED_AT = AT + HOUR_MS
AFTER = HANDED_AT + HOUR_MS


@pytest.mark.parametrize("kind", ["confirmed", "rejected", "closed"])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_former_supplier_does_not_answer_for_a_line_that_was_given_to_another(
    kind: str, is_late: bool
) -> None:
    """As it does with a link that is older than the change, whichever becomes known first."""
    more = {"promised_on": START_DAY + 9} if kind == "confirmed" else {}
    answer, handed = said("p1", "SUP", kind, AFTER, **more), given_to("c1", "OTHER", HANDED_AT)
    ticks = [[placed()], [answer], [handed]] if is_late else [[placed()], [handed], [answer]]
    alone, engine = ran([placed()], [handed], []), ran(*ticks)
    assert (counted(engine), waiting(engine)) == ({"e00001", "c1"}, {"p1"})
    assert (
        status(engine).progress, status(engine).standing, status(engine).last_confirmed
    ) == (Progress.PLACED, status(alone).standing, None)  # fmt: skip
    engine.tick(AT + DAY_MS + OWN_DAYS * DAY_MS)
    assert letters(engine) == [
        ("p1", "not_own_line", f"SUP tells {kind!r} of {LINE}, and is not its supplier")
        if kind != "closed"
        else (
            "p1",
            "not_own_line",
            f"SUP tells 'closed' of {LINE}, and is not its buyer or supplier",
        )
    ]


@pytest.mark.parametrize("kind", ["confirmed", "rejected", "closed"])
def test_what_a_supplier_answered_is_over_when_the_line_is_given_to_another(kind: str) -> None:
    more = {"promised_on": START_DAY + 9} if kind == "confirmed" else {}
    engine = ran([placed()], [said("p1", "SUP", kind, AT + 1, **more)])
    before = status(engine)
    ends = {"confirmed": Standing.ON_TIME}.get(kind, Standing.ENDED)
    assert (before.progress, before.standing) == (Progress(kind), ends)
    engine.send(given_to("c1", "OTHER", HANDED_AT))
    engine.tick(AFTER)
    after = status(engine)
    assert (after.supplier, after.progress, after.standing) == (
        "OTHER", Progress.PLACED, Standing.UNKNOWN,
    )  # fmt: skip
    assert (after.first_confirmed, after.last_confirmed) == (None, None)
    assert waiting(engine) == set(), "it was its own when it was told"
    engine.send(confirmed("p2", "OTHER", at=AFTER, days=14))
    engine.tick(AFTER + HOUR_MS)
    assert status(engine).progress is Progress.CONFIRMED
    assert firing(engine) == {"promise_later_than_requested"}, "its first, so it did not move"


def test_the_new_supplier_may_answer_before_word_of_the_change_is_dated() -> None:
    """Its answer is older than the change: what it told itself holds when the line becomes its."""
    engine = ran([placed()], [confirmed("p1", "OTHER", at=HANDED_AT - 1)],
                 [given_to("c1", "OTHER", HANDED_AT)])  # fmt: skip
    assert status(engine).progress is Progress.CONFIRMED


def test_what_a_former_supplier_shipped_was_shipped() -> None:
    packed = shipped("p1", "SUP", "packed", AFTER, order_ref="ACME/PO-1", line="10",
                     carrier="CARGO", shipment_ref="SUP/S-1", quantity=QUANTITY_ONE,
                     unit="EA")  # fmt: skip
    engine = ran([placed()], [given_to("c1", "OTHER", HANDED_AT)], [packed])
    assert counted(engine) == {"e00001", "c1", "p1"}


def test_who_is_the_buyer_too_may_close_what_it_gave_to_another() -> None:
    own = msgspec.structs.replace(placed(), supplier="ACME")
    engine = ran([own], [given_to("c1", "OTHER", HANDED_AT)], [said("p1", "ACME", "closed", AFTER)])
    assert status(engine).progress is Progress.CLOSED


def test_a_rejection_is_told_until_somebody_answers_it() -> None:
    """Nothing else speaks of the line any more, and it stays known far past the horizon."""
    engine = ran([placed()], [said("p1", "SUP", "rejected", AT + 1)])
    assert firing(engine) == {"rejected"}
    for days in (3, 40, 300):
        engine.tick(AT + days * DAY_MS)
        assert firing(engine) == {"rejected"}, days
    engine.send(said("p2", "ACME", "cancelled", AT + 300 * DAY_MS))
    engine.tick(AT + 301 * DAY_MS)
    assert not firing(engine)
    engine.tick(AT + (302 + DEFAULT.lateness_horizon_days) * DAY_MS)
    assert line(engine).left_at is not None


def test_a_rejection_that_nobody_answers_leaves_when_settlement_days_are_over() -> None:
    engine = ran([placed()], [said("p1", "SUP", "rejected", AT + 1)])
    engine.tick(AT + HOUR_MS + DEFAULT.settlement_days * DAY_MS - 1)
    assert line(engine).left_at is None
    engine.tick(AT + HOUR_MS + DEFAULT.settlement_days * DAY_MS)
    assert line(engine).left_at is not None


def test_a_supplier_that_confirms_takes_its_rejection_back() -> None:
    engine = ran([placed()], [said("p1", "SUP", "rejected", AT + 1)])
    engine.send(confirmed("p2", "SUP", at=AT + HOUR_MS))
    engine.tick(AT + 2 * HOUR_MS)
    assert not firing(engine)
    assert status(engine).progress is Progress.CONFIRMED


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_a_line_that_was_taken_over_is_told_anew_when_network_policy_or_rules_are(
    is_taken_over: bool,
) -> None:
    """An earlier release left its cell with what the supplier before had said, and no fact since
    would have changed that."""
    handed = given_to("c1", "OTHER" if is_taken_over else "SUP", HANDED_AT)
    engine = ran([placed()], [handed])
    engine.new_outputs("cells-rows")
    engine.publish_network(network(lead_days=3))
    engine.tick(AFTER + HOUR_MS)
    told = [out for out in engine.new_outputs("cells-rows") if LINE.encode() in (out.value or b"")]
    assert bool(told) is is_taken_over
