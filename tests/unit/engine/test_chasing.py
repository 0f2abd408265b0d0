"""Suppliers are asked before anybody is alarmed, through all stages: when, for what, how long."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from alerts.loading import read_policy
from alerts.policy import Policy
from schemas.facts import Fact, OrderFact
from schemas.partner_records import PartnerAwaits, PartnerStatus, partner_key
from schemas.partner_sources import partner_source
from schemas.records import Decision, Verdict, decode
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, UtcMillis, instant
from streams.door.answers import facts_of_form
from streams.door.links import Link, Purpose
from streams.engine.local import LocalEngine
from streams.replay.audit import audit
from tests.scenario import START, START_DAY, Chain, network

LINE = "ACME/PO-1#10"
BOTH = """
  confirmation: {after_hours: 24, repeat_hours: 12, times_max: 3}
  promise: {before_hours: 48, repeat_hours: 24, times_max: 2}
"""
DUE_AT = START + 11 * DAY_MS - HOUR_MS
"""The end of the tenth day after the start, in Oslo."""
LEAVES_AT = DUE_AT - 2 * DAY_MS
"""The lane takes two days."""


def policy(chasing: str = BOTH, rest: str = "") -> Policy:
    result = read_policy("policy.yaml", f"chasing: {chasing or '{}'}\n{rest}".encode())
    assert result.errors == ()
    assert result.policy is not None
    return result.policy


class Scene:
    """A line that was placed at the start, with the supplier's feed heard whenever time goes on."""

    def __init__(self, by: Policy | None = None, *, subscribed: tuple[str, ...] = ("SUP",),
                 joined: bool = True) -> None:  # fmt: skip
        net = network(subscribed=subscribed, heartbeats=True, joined=joined)
        self.engine = LocalEngine(net, policy=by or policy())
        self.chain = Chain()
        self.go(0, self.chain.placed("PO-1", START))

    def at(self, hours: float, *facts: Fact, is_heard: bool = True) -> PartnerStatus:
        """What the supplier is told once so many hours are over and these facts are told."""
        self.go(hours, *facts, is_heard=is_heard)
        return self.told()

    def go(self, hours: float, *facts: Fact, is_heard: bool = True) -> None:
        """Lets so many hours be over since the start, and these facts be told."""
        now = START + int(hours * HOUR_MS)
        for fact in facts:
            self.engine.send(fact)
        if is_heard:
            self.engine.send(self.chain.alive("sup-erp", now))
        self.engine.tick(now + 1)

    def told(self, party: str = "SUP") -> PartnerStatus:
        return decode(
            self.engine.latest("partner-status")[partner_key(party, LINE).encode()], PartnerStatus
        )

    def verdicts(self, rule: str) -> list[Verdict]:
        """All that was ever said of the line by it, in turn."""
        said = [decode(each.value or b"", Decision) for each in self.engine.outputs("decisions")]
        return [
            verdict
            for each in said
            if each.subject == LINE
            for verdict in each.verdicts
            if verdict.rule == rule
        ]


def ask(told: PartnerStatus) -> tuple[PartnerAwaits | None, UtcMillis | None, int | None]:
    by = told.awaits_by
    return told.awaits, None if by is None else int(by.timestamp() * 1000), told.asked


NOTHING = (None, None, None)
CONFIRM_BY = START + 48 * HOUR_MS


def test_who_does_not_confirm_is_asked_at_the_times_of_the_policy_and_no_more() -> None:
    scene = Scene()
    assert ask(scene.at(23.9)) == NOTHING
    for hours, times in ((24, 1), (35.9, 1), (36, 2), (48, 3), (60, 3), (500, 3)):
        assert ask(scene.at(hours)) == (PartnerAwaits.CONFIRMATION, CONFIRM_BY, times), hours
    assert [each.value for each in scene.verdicts("chasing_confirmation")] == [None, "1", "2", "3"]


def test_the_record_changes_with_each_time_and_at_no_other() -> None:
    scene = Scene()
    written = []
    for hours in range(1, 60):
        scene.engine.new_outputs("partner-status")
        scene.at(hours)
        if scene.engine.new_outputs("partner-status"):
            written.append(hours)
    assert written == [24, 36, 48], "the last together with the word that it is late"


@pytest.mark.parametrize("kind", ["confirmed", "rejected", "shipped", "cancelled", "door"])
def test_an_answer_ends_it(kind: str) -> None:
    scene = Scene()
    scene.at(30)
    at = START + 31 * HOUR_MS
    answers: dict[str, tuple[Fact, ...]] = {
        "confirmed": (scene.chain.confirmed("PO-1", at),),
        "rejected": (order("rejected", at),),
        "cancelled": (order("cancelled", at),),
        "door": (order("confirmed", at, source=partner_source("SUP"), promised_on=20_500),),
        "shipped": (
            scene.chain.packed("PO-1", "S-1", at),
            scene.chain.moved("departed", "S-1", at, site="LYON"),
        ),
    }
    assert ask(scene.at(31, *answers[kind])) == NOTHING
    for hours in (36, 48, 60):
        assert ask(scene.at(hours)) == NOTHING


def order(kind: str, at: int, *, source: str = "sup-erp", **fields: Any) -> OrderFact:
    return OrderFact(
        f"{kind}-{at}", source, kind, at, at, order_ref="ACME/PO-1", line="10", **fields
    )  # fmt: skip


def test_who_confirms_a_part_is_asked_for_the_rest_unless_that_was_the_answer() -> None:
    early, late = Scene(), Scene()
    part: dict[str, Any] = {
        "quantity": 40 * QUANTITY_ONE,
        "unit": "EA",
        "promised_on": START_DAY + 10,
    }
    early.at(2, order("confirmed", START + 2 * HOUR_MS, **part))
    assert early.at(24).awaits is PartnerAwaits.CONFIRMATION
    assert late.at(24).awaits is PartnerAwaits.CONFIRMATION
    assert ask(late.at(25, order("confirmed", START + 25 * HOUR_MS, **part))) == NOTHING


def test_who_promised_is_asked_before_it_must_leave_and_a_new_date_ends_it() -> None:
    scene = Scene()
    scene.at(2, scene.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    begins = (LEAVES_AT - START) / HOUR_MS - 48
    assert ask(scene.at(begins - 1)) == NOTHING
    assert ask(scene.at(begins + 1)) == (PartnerAwaits.NEW_DATE, LEAVES_AT - 1, 1)
    assert ask(scene.at(begins + 24)) == (PartnerAwaits.NEW_DATE, LEAVES_AT - 1, 2)
    moved = scene.chain.confirmed("PO-1", START + int((begins + 25) * HOUR_MS), due_days=20)
    assert ask(scene.at(begins + 25, moved)) == NOTHING
    ten_days = 10 * 24
    assert ask(scene.at(begins + ten_days + 1)) == (
        PartnerAwaits.NEW_DATE, LEAVES_AT - 1 + 10 * DAY_MS, 1,
    )  # fmt: skip


def test_the_same_date_again_is_an_answer() -> None:
    scene = Scene()
    scene.at(2, scene.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    begins = int((LEAVES_AT - START) / HOUR_MS - 48)
    assert scene.at(begins + 1).awaits is PartnerAwaits.NEW_DATE
    again = scene.chain.confirmed("PO-1", START + (begins + 2) * HOUR_MS)
    assert ask(scene.at(begins + 2, again)) == NOTHING


def test_without_a_lane_a_promised_date_falls_due_where_it_falls_due() -> None:
    scene = Scene(joined=False)
    scene.at(2, scene.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    hours = (DUE_AT - START) / HOUR_MS - 48
    assert ask(scene.at(hours - 1)) == NOTHING
    assert ask(scene.at(hours + 1)) == (PartnerAwaits.NEW_DATE, DUE_AT - 1, 1)


def test_who_is_not_subscribed_is_not_asked_and_it_is_said_why() -> None:
    scene = Scene(subscribed=("ACME",))
    scene.go(30)
    assert ask(scene.told("ACME")) == NOTHING
    (said,) = scene.verdicts("chasing_confirmation")
    assert (said.reason, said.text) == (
        "not_subscribed", "The supplier is not subscribed, so it is not asked.",
    )  # fmt: skip


def test_the_buyer_does_not_see_that_the_supplier_is_asked() -> None:
    scene = Scene(subscribed=("ACME", "SUP"))
    scene.at(30)
    assert scene.told().asked == 1
    assert ask(scene.told("ACME")) == NOTHING


def test_without_the_word_in_the_policy_nobody_is_asked_and_nothing_is_said_of_it() -> None:
    scene = Scene(policy(""))
    for hours in (30, 60, 300):
        assert ask(scene.at(hours)) == NOTHING
    assert scene.verdicts("chasing_confirmation") == []


def test_a_policy_that_asks_no_more_takes_it_back_and_says_so() -> None:
    scene = Scene()
    assert scene.at(30).asked == 1
    scene.engine.publish_policy(policy(""))
    assert ask(scene.at(31)) == NOTHING
    assert scene.verdicts("chasing_confirmation")[-1].reason == "disabled"


def test_who_cannot_be_heard_is_not_asked_until_it_can() -> None:
    scene = Scene()
    assert scene.at(30).asked == 1
    assert ask(scene.at(90, is_heard=False)) == NOTHING
    assert scene.verdicts("chasing_confirmation")[-1].outcome == "blind"
    assert scene.at(91).asked == 3


def test_a_feed_that_has_not_told_all_is_waited_for() -> None:
    scene = Scene()
    scene.at(23)
    assert ask(scene.at(24.5, is_heard=False)) == NOTHING
    assert scene.verdicts("chasing_confirmation")[-1].reason == "awaiting_feed"
    assert scene.at(24.6).asked == 1


def test_an_alert_says_that_the_supplier_was_asked_in_vain() -> None:
    scene = Scene()
    scene.at(50)
    said = scene.verdicts("unconfirmed")[-1]
    assert said.text.endswith(
        "The supplier was asked (time 3 of 3, due 2026-01-07 00:00 UTC) and has not answered."
    )
    silent = Scene(policy(""))
    silent.at(50)
    assert "asked" not in silent.verdicts("unconfirmed")[-1].text


def test_an_override_asks_one_supplier_otherwise_and_names_itself() -> None:
    local = """
overrides:
  - supplier: SUP
    until: 2026-01-06
    reason: They answer at once
    chasing:
      confirmation: {after_hours: 6, times_max: 1}
"""
    scene = Scene(policy(rest=local))
    assert scene.at(6).asked == 1
    said = scene.verdicts("chasing_confirmation")[-1]
    assert (said.value, said.threshold) == ("1", "1")
    assert said.threshold_source is not None
    assert said.threshold_source.endswith(
        ": chasing.confirmation, override for supplier SUP until 2026-01-06"
    )
    assert scene.at(49).asked == 3, "its last day is over"


def test_who_takes_over_is_not_asked_for_what_another_promised() -> None:
    scene = Scene(subscribed=("OTHER", "SUP"))
    scene.at(2, scene.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    begins = int((LEAVES_AT - START) / HOUR_MS - 48)
    at = START + (begins - 5) * HOUR_MS
    scene.go(begins - 5, order("changed", at, source="acme-erp", supplier="ACME"))
    scene.at(begins - 4, order("changed", at + HOUR_MS, source="acme-erp", supplier="SUP"))
    assert scene.at(begins - 3.5).promised_on is None, "who gets it back is asked anew"
    scene.at(begins - 3, scene.chain.confirmed("PO-1", at + 2 * HOUR_MS))
    assert scene.at(begins + 1).awaits is PartnerAwaits.NEW_DATE, "it promised itself"
    taken = Scene(subscribed=("ACME",))
    taken.go(2, taken.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    taken.go(begins - 5, order("changed", at, source="acme-erp", supplier="ACME"))
    taken.go(begins + 1)
    assert ask(taken.told("ACME")) == NOTHING
    assert taken.verdicts("chasing_promise")[-1].reason == "nothing_open"
    taken.go(begins + 2, taken.chain.confirmed("PO-1", at + 7 * HOUR_MS))
    assert ask(taken.told("ACME")) == NOTHING, "a feed of the one before told that"
    assert taken.verdicts("chasing_promise")[-1].reason == "anothers_promise"


def test_a_date_by_an_old_link_confirms_what_its_page_showed() -> None:
    """The buyer ordered more since the link was made: that much nobody has promised."""
    scene = Scene()
    link = Link("SUP", "ACME/PO-1", "10", Purpose.ANSWER, START + DAY_MS, "BOLT", "100", "EA")
    form = {"form": "f" * 24, "answer": "confirm", "date1": "2026-01-14"}
    more = order("changed", START + HOUR_MS, source="acme-erp", quantity=150 * QUANTITY_ONE)
    scene.go(1, msgspec.structs.replace(more, unit="EA"))
    answers = [
        fact
        for fact in facts_of_form(link, form, START + 2 * HOUR_MS)
        if isinstance(fact, OrderFact)
    ]
    assert scene.at(2, *answers).confirmed == 100
    assert scene.at(50).asked == 3
    assert scene.verdicts("unconfirmed")[-1].reason == "partly"


def test_who_takes_over_is_asked_to_confirm_from_then_on() -> None:
    scene = Scene(subscribed=("ACME", "SUP"))
    scene.go(2, scene.chain.confirmed("PO-1", START + 2 * HOUR_MS))
    at = START + 100 * HOUR_MS
    scene.go(100, order("changed", at, source="acme-erp", supplier="ACME"))
    assert scene.verdicts("unconfirmed")[-1].reason == "not_due_anew"
    for hours, times in ((123.9, None), (124, 1), (136, 2), (148, 3)):
        scene.go(hours)
        assert scene.told("ACME").asked == times, hours
    assert ask(scene.told("ACME"))[1] == at + 48 * HOUR_MS
    said = scene.verdicts("unconfirmed")[-1]
    assert said.reason == "fires_anew"
    assert said.text == (
        "Given to this supplier 2026-01-09 04:00 UTC; no confirmation within 48 hours. The "
        "supplier was asked (time 3 of 3, due 2026-01-11 04:00 UTC) and has not answered."
    )


def test_doing_the_ticks_again_gives_the_same_bytes() -> None:
    scene = Scene()
    for hours in range(1, 60, 3):
        scene.at(hours, is_heard=hours % 4 != 0)
    scene.engine.close()
    assert audit(scene.engine.log).difference_count == 0
    assert instant(CONFIRM_BY) == dt.datetime(2026, 1, 7, tzinfo=dt.UTC)


def test_a_line_that_moves_to_another_cell_is_asked_on_where_it_was() -> None:
    scene = Scene()
    before = scene.at(36)
    assert before.asked == 2
    scene.engine.publish_network(network(joined=False, subscribed=("SUP",), heartbeats=True))
    moved = scene.at(37)
    assert scene.at(37.5) == moved
    assert ask(moved) == ask(before)
    assert scene.at(48).asked == 3
