"""Promises worked out by hand: see `promise_scene` for the chain."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from schemas import limits
from schemas.promise_records import PromiseBasis, PromiseOption, PromiseRefusal
from schemas.ticks import HeldPartition
from tests.unit.alerts.promise_scene import NOW, ask, at, chain, line, offered, stock


def dates(option: PromiseOption | None) -> list[str]:
    assert option is not None
    return [str(option.p50_on), str(option.p80_on), str(option.p95_on)]


def parts(option: PromiseOption | None) -> list[tuple[str, int]]:
    assert option is not None
    return [(each.site, int(each.quantity)) for each in option.parts]


def test_what_lies_there_and_nobody_needs_is_promised_for_today() -> None:
    found = offered(60, "LYON", stock("LYON", 100))
    assert dates(found.promised) == ["2026-03-02"] * 3
    assert parts(found.promised) == [("LYON", 60)]
    assert (found.taking, found.unsure, found.missing) == (None, None, 0)
    assert found.text == "60 EA of BOLT at LYON: on 2026-03-02, from LYON."


def test_a_lane_adds_its_lead_time() -> None:
    # Ready on Monday at 08:00 UTC, any moment will do: a day later, or two in 95 of 100 cases.
    found = offered(60, "SHOP", stock("LYON", 100))
    assert dates(found.promised) == ["2026-03-03", "2026-03-03", "2026-03-04"]


def test_a_departure_waits_for_its_cut_off_and_an_arrival_for_a_receiving_day() -> None:
    # Monday 16:00 in Hamburg. Two days: Wednesday 16:00, before Lyon closes; three: Thursday;
    # five: Saturday, so Monday.
    found = offered(50, "LYON", stock("HAMBURG", 50))
    assert dates(found.promised) == ["2026-03-04", "2026-03-05", "2026-03-09"]
    assert found.promised is not None
    (part,) = found.promised.parts
    assert (part.leaves_at, part.lanes) == (at("2026-03-02", "15:00"), ("HAMBURG-LYON",))
    # On Friday after the cut-off the truck of Monday is next: Wednesday, Thursday, Saturday.
    late = at("2026-03-06", "15:30")
    found = offered(50, "LYON", stock("HAMBURG", 50, now=late), now=late)
    assert dates(found.promised) == ["2026-03-11", "2026-03-12", "2026-03-16"]


def test_a_cut_off_is_one_of_the_origins_day() -> None:
    # It is 17:00 in Osaka: the flight at 12:00 on Tuesday there leaves at 03:00 UTC. Three days:
    # Friday 04:00 in Lyon; four: Saturday, so Monday; six: Monday.
    found = offered(10, "LYON", stock("OSAKA", 10))
    assert found.promised is not None
    assert found.promised.parts[0].leaves_at == at("2026-03-03", "03:00")
    assert dates(found.promised) == ["2026-03-06", "2026-03-09", "2026-03-09"]
    assert found.promised.parts[0].lanes == ("OSAKA-LYON",)


def test_goods_go_over_several_lanes_by_those_that_are_quickest() -> None:
    # To Lyon by air in four days (Saturday 03:00 UTC), from there to the shop at once: Sunday.
    found = offered(10, "SHOP", stock("OSAKA", 10))
    assert found.promised is not None
    assert found.promised.parts[0].lanes == ("OSAKA-LYON", "LYON-SHOP")
    assert dates(found.promised) == ["2026-03-07", "2026-03-08", "2026-03-11"]


def test_an_order_is_split_where_no_source_has_enough() -> None:
    found = offered(70, "LYON", stock("LYON", 30), stock("HAMBURG", 50))
    assert parts(found.promised) == [("HAMBURG", 50), ("LYON", 20)]
    assert dates(found.promised) == ["2026-03-04", "2026-03-05", "2026-03-09"]
    assert found.from_one_source is None
    assert "from 50 from HAMBURG, 20 from LYON" in found.text
    # Two parts that each come by then in 80 of 100 cases both do in fewer.
    assert "by 2026-03-05, each part in 80 of 100 cases (50: 2026-03-04" in found.text
    found = offered(70, "LYON", stock("LYON", 30), stock("HAMBURG", 50), by="2026-03-05")
    assert found.text.startswith("By 2026-03-05, each part in 80 of 100 cases. ")


def test_a_split_that_is_sooner_says_when_one_source_alone_could() -> None:
    later = stock("LYON", 30, brings=[("2026-03-20", 60, "T-1")])
    found = offered(70, "LYON", later, stock("HAMBURG", 50))
    assert dates(found.promised)[1] == "2026-03-05"
    assert parts(found.from_one_source) == [("LYON", 70)]
    assert dates(found.from_one_source) == ["2026-03-20"] * 3


def test_what_lines_still_need_is_not_promised_and_what_comes_is() -> None:
    # 100 now, 20 from the 4th, 80 from the 10th on: so 20 are free today and 80 on the 10th.
    node = stock(
        "LYON", 100, wants=[("2026-03-04", 80, "A/1#1")], brings=[("2026-03-10", 60, "T-1")]
    )
    for amount, on in ((20, "2026-03-02"), (21, "2026-03-10"), (80, "2026-03-10")):
        assert dates(offered(amount, "LYON", node).promised)[1] == on
    source = offered(20, "LYON", node).sources[0]
    assert (source.free_now, source.free) == (20, 80)
    # What is expected on the 10th counts at the end of receiving: the shop has it a day later.
    found = offered(80, "SHOP", node)
    assert found.promised is not None
    assert found.promised.parts[0].ready_at == at("2026-03-10", "16:00")
    assert dates(found.promised)[1] == "2026-03-11"


def test_what_is_expected_today_is_not_there_yet() -> None:
    found = offered(50, "LYON", stock("LYON", 20, brings=[("2026-03-02", 60, "T-1")]))
    assert found.promised is not None
    (part,) = found.promised.parts
    assert (part.ready_at, str(part.p80_on)) == (at("2026-03-02", "16:00"), "2026-03-02")
    # After closing it has not come: it may on the next day.
    late = at("2026-03-02", "18:00")
    node = stock("LYON", 20, brings=[("2026-03-02", 60, "T-1")], now=late)
    assert dates(offered(50, "LYON", node, now=late).promised)[1] == "2026-03-03"
    assert offered(50, "LYON", node, now=late).sources[0].free_now == 20


def test_lines_that_would_wait_are_named_with_their_new_date() -> None:
    node = stock(
        "LYON", 100, wants=[("2026-03-04", 80, "A/1#1")], brings=[("2026-03-10", 60, "T-1")]
    )
    lines = [line("A/1#1", at("2026-03-05", "22:59"))]
    found = offered(50, "LYON", node, lines=lines)
    assert dates(found.promised)[1] == "2026-03-10"
    assert found.taking is not None
    assert dates(found.taking.option) == ["2026-03-02"] * 3
    (part,) = found.taking.option.parts
    assert (part.basis, part.quantity) == (PromiseBasis.TAKEN, 50)
    (pushed,) = found.taking.pushed
    # 50 are left of the 80 that it needs; the other 30 come on the 10th, and leave after 17:00.
    assert (pushed.line_id, pushed.missing) == ("A/1#1", 30)
    told = (pushed.needed_on, pushed.covered_on, pushed.due_on, pushed.expected_on)
    assert [str(each) for each in told] == ["2026-03-04", "2026-03-10", "2026-03-05", "2026-03-11"]
    assert "on 2026-03-02 if 1 order line waited" in found.text


def test_a_line_that_nothing_would_cover_falls_short() -> None:
    node = stock(
        "LYON", 100, wants=[("2026-03-04", 80, "A/1#1")], brings=[("2026-03-10", 60, "T-1")]
    )
    found = offered(100, "LYON", node, lines=[line("A/1#1", at("2026-03-05"))])
    assert (found.promised, found.missing) == (None, 20)
    assert found.taking is not None
    (pushed,) = found.taking.pushed
    assert (pushed.missing, pushed.covered_on, pushed.expected_on) == (80, None, None)


def test_stock_is_taken_as_late_as_the_date_allows() -> None:
    # Taken today, it would cost both lines their date; on the 6th the first is served already.
    node = stock(
        "LYON",
        100,
        wants=[("2026-03-04", 60, "A/1#1"), ("2026-03-09", 70, "A/2#1")],
        brings=[("2026-03-06", 30, "T-1"), ("2026-03-20", 100, "T-2")],
    )
    found = offered(50, "LYON", node, by="2026-03-06")
    assert (found.is_met, dates(found.promised)[1]) == (False, "2026-03-20")
    assert found.taking is not None
    assert found.taking.option.kept_at == "p95"
    assert [each.line_id for each in found.taking.pushed] == ["A/2#1"]
    assert dates(found.taking.option)[1] == "2026-03-06"


def test_safety_stock_is_not_promised() -> None:
    network = chain(safety_stock=40)
    node = stock("LYON", 100, network=network)
    assert offered(60, "LYON", node, network=network).promised is not None
    found = offered(61, "LYON", node, network=network)
    assert (found.promised, found.missing, found.taking) == (None, 1, None)


def test_what_lines_past_the_horizon_need_is_not_promised() -> None:
    node = stock("LYON", 100, wants=[("2026-05-04", 80, "A/1#1")], horizon_days=14)
    assert offered(20, "LYON", node).promised is not None
    assert offered(21, "LYON", node).promised is None


def test_past_the_listed_balances_only_the_lowest_is_relied_on() -> None:
    first = dt.date(2026, 3, 3)
    days = [first + dt.timedelta(days=n) for n in range(limits.STOCK_BALANCES_LISTED)]
    wants = [(str(on), 1, f"A/{n}#1") for n, on in enumerate(days)]
    node = stock("LYON", 100, wants=wants, horizon_days=200)
    assert node.projection is not None
    assert len(node.projection.balances) == limits.STOCK_BALANCES_LISTED
    assert offered(40, "LYON", node).promised is not None
    assert offered(41, "LYON", node).promised is None


@pytest.mark.parametrize(
    ("by", "is_met", "kept_at"),
    [
        ("2026-03-03", False, None),
        ("2026-03-04", False, "p50"),
        ("2026-03-05", True, "p80"),
        ("2026-03-06", True, "p80"),
        # Lyon does not receive on Sunday: a promise for it falls due on Monday.
        ("2026-03-08", True, "p95"),
    ],
)
def test_a_date_is_met_with_a_confidence(by: str, is_met: bool, kept_at: str | None) -> None:
    found = offered(50, "LYON", stock("HAMBURG", 50), by=by)
    assert found.promised is not None
    assert (found.is_met, found.promised.kept_at) == (is_met, kept_at)
    assert dates(found.promised)[1] == "2026-03-05"
    assert found.text.startswith(f"By {by} in" if kept_at else f"Not by {by}.")


def test_a_silent_feed_promises_nothing_for_sure() -> None:
    found = offered(60, "LYON", stock("LYON", 100, blind="lyon-wms"))
    assert (found.promised, found.taking) == (None, None)
    assert dates(found.unsure) == ["2026-03-02"] * 3
    assert found.unsure is not None
    assert found.unsure.parts[0].unsure == "its feed lyon-wms is silent"
    assert "Nobody can tell of LYON: its feed lyon-wms is silent" in found.text
    assert "Perhaps on 2026-03-02" in found.text


def test_what_comes_in_doubt_is_nobodys_promise() -> None:
    late = [("2026-03-04", 60, "A/9#1"), ("2026-03-05", 5, "A/8#1")]
    node = stock("LYON", 10, doubtful=late)
    assert dates(offered(10, "LYON", node).promised)[1] == "2026-03-02"
    found = offered(50, "LYON", node)
    assert (found.promised, found.taking, found.missing) == (None, None, 40)
    assert (found.sources[0].free, found.sources[0].unsure) == (10, "")
    assert dates(found.unsure)[1] == "2026-03-04"
    assert found.unsure is not None
    assert found.unsure.parts[0].unsure == "it waits for A/9#1 (late), A/8#1 (late)"
    node = stock("LYON", 10, doubtful=late, brings=[("2026-03-20", 60, "T-1")])
    found = offered(50, "LYON", node)
    assert (dates(found.promised)[1], dates(found.unsure)[1]) == ("2026-03-20", "2026-03-04")
    many = [("2026-03-04", 1, f"A/{n}#1") for n in range(5)]
    found = offered(5, "LYON", stock("LYON", 0, doubtful=many))
    assert found.unsure is not None
    assert found.unsure.parts[0].unsure.endswith("A/2#1 (late) and 2 more")


def test_doubt_past_the_listed_movements_counts_too() -> None:
    wants = [("2026-03-04", 1, f"A/{n:03}#1") for n in range(limits.STOCK_FLOWS_LISTED)]
    late = [("2026-03-05", 60, "B/1#1")]
    node = stock("LYON", limits.STOCK_FLOWS_LISTED, wants=wants, doubtful=late)
    found = offered(50, "LYON", node)
    assert (found.promised, found.missing) == (None, 50)
    assert found.unsure is not None
    assert found.unsure.parts[0].unsure == (
        "it waits for goods that are late or that nobody can tell of"
    )


def test_a_silent_source_that_is_sooner_is_told_beside_one_that_speaks() -> None:
    found = offered(60, "LYON", stock("LYON", 100, blind="lyon-wms"), stock("HAMBURG", 60))
    assert parts(found.promised) == [("HAMBURG", 60)]
    assert parts(found.unsure) == [("LYON", 60)]


def test_where_nobody_ever_counted_only_the_lanes_time_is_known() -> None:
    found = offered(60, "LYON", stock("LYON", None))
    assert found.promised is None
    assert found.unsure is not None
    (part,) = found.unsure.parts
    assert (part.site, part.basis) == ("OSAKA", PromiseBasis.LEAD_TIME)
    assert dates(found.unsure) == ["2026-03-06", "2026-03-09", "2026-03-09"]
    unsure = {each.site: each.unsure for each in found.sources}
    assert unsure["LYON"] == "nobody has counted it"
    assert unsure["OSAKA"] == "nobody has told of its stock"


def test_what_a_tick_does_not_see_makes_nobody_sure() -> None:
    held = HeldPartition(topic="inventory", partition=0, since=NOW)
    for of_tick in ({"held": (held,)}, {"complete": False}):
        found = offered(60, "LYON", stock("LYON", 100), **of_tick)
        assert found.promised is None
        assert found.unsure is not None
    found = offered(
        60,
        "LYON",
        stock("LYON", 100),
        held=(HeldPartition(topic="payments", partition=0, since=NOW),),
    )
    assert found.promised is not None


def test_stock_in_another_unit_is_not_counted_on() -> None:
    found = offered(5, "LYON", stock("LYON", 100, unit="BOX"))
    assert found.promised is None
    assert found.sources[0].unsure == "it is counted in BOX, not in EA"
    assert parts(offered(5, "LYON", stock("LYON", 100, unit="BOX"), unit="BOX").promised) == [
        ("LYON", 5)
    ]


def test_a_site_that_nothing_leads_to_is_told_so() -> None:
    found = offered(5, "ELSEWHERE", stock("LYON", 100))
    assert (found.promised, found.unsure, found.sources) == (None, None, ())
    assert "no site has it and no lane brings it" in found.text


@pytest.mark.parametrize(
    ("item", "site", "unit", "where", "candidates"),
    [
        ("bolt", "LYON", None, "item", ("BOLT",)),
        ("BOLT", "LION", None, "site", ("LYON",)),
        ("BOLT", "LYON", "KG", "unit", ("EA",)),
    ],
)
def test_what_nobody_knows_is_refused_with_what_was_perhaps_meant(
    item: str, site: str, unit: str | None, where: str, candidates: tuple[str, ...]
) -> None:
    refused = ask(5, site, stock("LYON", 100), item=item, unit=unit)
    assert isinstance(refused, PromiseRefusal)
    assert (refused.where, refused.candidates) == (where, candidates)


def test_movements_that_the_status_does_not_list_are_owned_up_to() -> None:
    many = limits.STOCK_FLOWS_LISTED + 5
    wants = [("2026-03-04", 1, f"A/{n:03}#1") for n in range(many)]
    node = stock("LYON", many, wants=wants)
    found = offered(5, "LYON", node)
    assert found.taking is not None
    assert found.taking.unseen_movements == 5
    assert "at least" in found.text


def test_quantities_may_be_decimal() -> None:
    found = offered("0.5", "LYON", stock("LYON", 1))
    assert found.promised is not None
    assert found.promised.parts[0].quantity == Decimal("0.5")


def test_so_many_sources_are_looked_at_the_nearest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.promise_sources.PROMISE_SOURCES_MAX", 2)
    assert limits.PROMISE_SOURCES_MAX > 2
    near = (stock("LYON", 1), stock("HAMBURG", 1))
    assert [each.site for each in offered(1, "LYON", *near).sources] == ["LYON", "HAMBURG"]
    assert offered(1, "LYON", *near).sources_left_out == 1
    found = offered(1, "HAMBURG", *near)
    assert ([each.site for each in found.sources], found.sources_left_out) == (
        ["HAMBURG", "OSAKA"], 0,
    )  # fmt: skip
