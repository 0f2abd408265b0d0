"""What is promised of goods that are still to come: from facts through all stages to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from alerts.promise_offer import offer
from schemas.facts import Fact, Heartbeat, InventoryFact
from schemas.promise_records import PromiseAsked, PromiseOffer
from schemas.records import decode
from schemas.stock_records import FlowDoubt, StockStatus
from schemas.ticks import Tick
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis, instant
from streams.engine.local import LocalEngine
from streams.replay.audit import audit
from tests.scenario import START, Chain, network

NETWORK = network()
WORD = "it waits for ACME/PO-1#10"


class Oslo:
    """ACME's order PO-1 of 100 bolts from Lyon (80 of 100 come in two days) for noon of the 10th
    day, confirmed at once; nothing lies anywhere. Everybody speaks at each tick but who is away."""

    def __init__(self) -> None:
        self.chain, self.engine = Chain(), LocalEngine(NETWORK)
        placed = msgspec.structs.replace(
            self.chain.placed("PO-1", START),
            requested_on=None,
            requested_at=START + 10 * DAY_MS + 12 * HOUR_MS,
        )
        confirmed = msgspec.structs.replace(
            self.chain.confirmed("PO-1", START),
            promised_on=None,
            promised_at=START + 10 * DAY_MS + 12 * HOUR_MS,
        )
        counts = [
            InventoryFact(site, "wms", "counted", START, START, "BOLT", site, 0, "EA")
            for site in ("OSLO", "LYON")
        ]
        self.tick(START + HOUR_MS, [placed, confirmed, *counts])

    def tick(self, at: UtcMillis, facts: Sequence[Fact] = (), away: str = "") -> None:
        for source in {"sup-erp", "cargo-edi"} - {away}:
            self.engine.send(Heartbeat(f"h{at}", source, "alive", at, at, at))
        for fact in facts:
            self.engine.send(fact)
        self.engine.tick(at)
        self.at = at
        assert self.engine.latest("parked") == {}

    def doubt(self) -> tuple[str, FlowDoubt | None]:
        """When PO-1 comes, and why nobody can count on it."""
        told = decode(self.engine.latest("stock-status")[b"BOLT@OSLO"], StockStatus)
        assert told.projection is not None
        [flow] = told.projection.flows
        doubtful = 0 if flow.doubt is None else 100
        assert told.projection.doubtful == doubtful
        assert told.projection.balances[-1].doubtful == doubtful
        return str(flow.on), flow.doubt

    def asked(self) -> PromiseOffer:
        """What is answered for 100 more bolts in Oslo."""
        stock = [decode(each, StockStatus) for each in self.engine.latest("stock-status").values()]
        asked = PromiseAsked(item="BOLT", quantity=Decimal(100), site="OSLO")
        found = offer(asked, NETWORK, stock, Tick(n=1, at=instant(self.at), cut={}))
        assert isinstance(found, PromiseOffer)
        return found

    def promised_on(self) -> str:
        """The date that is promised, for sure."""
        found = self.asked()
        assert found.promised is not None
        assert (found.unsure, found.missing) == (None, 0)
        return str(found.promised.p80_on)

    def unsure(self) -> tuple[str, str]:
        """The date that nobody can be sure of, and why; nothing is promised."""
        found = self.asked()
        assert (found.promised, found.taking, found.missing) == (None, None, 100)
        assert found.unsure is not None
        [part] = found.unsure.parts
        assert f"nobody can tell of OSLO: {part.unsure}." in found.text
        return str(found.unsure.p80_on), part.unsure


def test_what_comes_in_time_is_promised() -> None:
    oslo = Oslo()
    assert oslo.doubt() == ("2026-01-15", None)
    assert oslo.promised_on() == "2026-01-15"


def test_what_nobody_can_tell_of_is_not_promised_until_they_speak_again() -> None:
    oslo = Oslo()
    oslo.tick(START + 2 * DAY_MS, away="sup-erp")
    assert oslo.doubt() == ("2026-01-15", FlowDoubt.BLIND)
    assert oslo.unsure() == ("2026-01-15", f"{WORD} (blind)")
    oslo.tick(START + 2 * DAY_MS + HOUR_MS)
    assert oslo.doubt() == ("2026-01-15", None)
    assert oslo.promised_on() == "2026-01-15"


def test_what_did_not_leave_in_time_is_late_from_that_moment_and_comes_later_day_by_day() -> None:
    oslo = Oslo()
    left_by = START + 8 * DAY_MS + 12 * HOUR_MS
    oslo.tick(left_by)
    assert oslo.doubt() == ("2026-01-15", None)
    oslo.tick(left_by + 1)
    assert oslo.doubt() == ("2026-01-15", FlowDoubt.LATE)
    for days, on in ((9, "2026-01-16"), (10, "2026-01-17"), (11, "2026-01-18")):
        oslo.tick(START + days * DAY_MS + 6 * HOUR_MS)
        assert oslo.doubt() == (on, FlowDoubt.LATE)
        assert oslo.unsure() == (on, f"{WORD} (late)")
    # It has been due for longer than is counted on.
    oslo.tick(START + 12 * DAY_MS + 6 * HOUR_MS)
    found = oslo.asked()
    assert (found.promised, found.unsure, found.missing) == (None, None, 100)
    assert audit(oslo.engine.log).differences == ()


def test_what_left_is_promised_by_its_lane_and_not_once_it_is_overdue() -> None:
    oslo = Oslo()
    left_at = START + 9 * DAY_MS
    packed = oslo.chain.packed("PO-1", "S-1", left_at)
    departed = oslo.chain.moved("departed", "S-1", left_at, site="LYON")
    oslo.tick(left_at + HOUR_MS, [packed, departed])
    assert oslo.doubt() == ("2026-01-16", None)
    assert oslo.promised_on() == "2026-01-16"
    oslo.tick(START + 12 * DAY_MS + HOUR_MS)
    assert oslo.doubt() == ("2026-01-16", FlowDoubt.LATE)
    assert oslo.unsure()[1] == f"{WORD} (late)"
    arrived = InventoryFact(
        "w2", "wms", "received", oslo.at, oslo.at, "BOLT", "OSLO", 100 * QUANTITY_ONE, "EA",
        order_ref="ACME/PO-1", line="10",
    )  # fmt: skip
    oslo.tick(START + 12 * DAY_MS + 2 * HOUR_MS, [arrived])
    assert oslo.promised_on() == "2026-01-17"
