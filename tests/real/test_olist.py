"""Orders of a marketplace, against a calculation that knows nothing of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts.loading import load_policy
from alerts.policy import Policy
from schemas.facts import Fact, OrderFact, PaymentFact
from streams.replay.inputs import InputRow, mapped_rows
from streams.replay.mapping_file import load_mapping
from streams.replay.runner import ReplayOptions, ReplayResult, run_replay
from tests.real.again import digest_again
from tests.real.olist_by_hand import OlistFigures, figures

pytestmark = pytest.mark.timeout(300)

EXAMPLE = Path(__file__).parents[2] / "examples" / "olist"

UNTIL = 1_485_907_200_000
"""The first of February 2017: the first 300 or so orders."""


@pytest.fixture(scope="module")
def olist(real_data: Path) -> Path:
    folder = real_data / "olist"
    if not folder.is_dir():
        pytest.skip("tests on Olist: there is no such folder in that of real data")
    return folder


@pytest.fixture(scope="module")
def by_hand(olist: Path) -> OlistFigures:
    return figures(olist)


@pytest.fixture(scope="module")
def policy() -> Policy:
    loaded = load_policy(EXAMPLE / "policy.yaml")
    assert loaded.policy is not None, loaded.errors
    return loaded.policy


@pytest.fixture(scope="module")
def rows(olist: Path) -> list[InputRow]:
    return list(mapped_rows(load_mapping(EXAMPLE / "mapping.yaml"), [olist]))


@pytest.fixture(scope="module")
def replayed(rows: list[InputRow], policy: Policy) -> ReplayResult:
    return run_replay(rows, ReplayOptions(policy=policy))


def facts(rows: list[InputRow]) -> list[Fact]:
    return [fact for row in rows for fact in row.facts]


def test_every_row_of_every_file_is_accounted_for(
    by_hand: OlistFigures, replayed: ReplayResult
) -> None:
    summary = replayed.summary
    told = {name: each.rows for name, each in summary.by_input.items()}
    assert told == {
        "customers": by_hand.rows["customers"],
        "sellers": by_hand.rows["sellers"],
        "orders": by_hand.rows["orders"],
        "items": by_hand.rows["order_items"],
        "payments": by_hand.rows["order_payments"],
    }
    assert summary.rows == sum(told.values())
    assert summary.looked_up == by_hand.rows["customers"] + by_hand.rows["sellers"]
    assert summary.rejected == len(replayed.problems) == 0
    assert summary.told == summary.facts == sum(summary.facts_by_kind.values())
    assert summary.facts_by_kind == dict(by_hand.kinds)


def test_late_by_date_and_by_timestamp_are_what_the_files_say(
    by_hand: OlistFigures, replayed: ReplayResult
) -> None:
    summary = replayed.summary
    assert summary.lines == by_hand.rows["order_items"]
    assert summary.orders == len(by_hand.orders_with_items)
    assert {
        "late": summary.late,
        "early": summary.early,
        "on time": summary.on_time,
        "ended": summary.ended,
        "open": summary.open,
    } == dict(by_hand.timing)
    assert summary.undated == 0
    by_timestamp, by_date = (
        summary.late_against["requested"],
        summary.late_against["last_confirmed"],
    )
    assert by_timestamp.lines == by_hand.late_by_timestamp["lines"]
    assert by_timestamp.orders == len(by_hand.orders_late_by_timestamp)
    assert (by_date.lines, by_date.orders) == (
        by_hand.timing["late"],
        len(by_hand.orders_late_by_date),
    )
    assert by_date.orders < by_timestamp.orders, "a date is over later than its midnight"
    assert summary.subjects_by_rule["delivered_late"] == by_hand.timing["late"]


def test_payments_by_type_and_sum_are_what_the_file_says(
    by_hand: OlistFigures, replayed: ReplayResult, rows: list[InputRow]
) -> None:
    assert {
        each.method: [each.facts, each.value_minor] for each in replayed.summary.money
    } == by_hand.payments
    assert {(each.kind, each.currency) for each in replayed.summary.money} == {("paid", "BRL")}
    paid = [fact for fact in facts(rows) if isinstance(fact, PaymentFact) and fact.kind == "paid"]
    assert len({fact.payment_ref for fact in paid}) == by_hand.rows["order_payments"]


def test_amounts_are_exact_and_ids_are_the_rows_own(
    by_hand: OlistFigures, rows: list[InputRow]
) -> None:
    told = facts(rows)
    placed = [fact for fact in told if isinstance(fact, OrderFact) and fact.kind == "placed"]
    assert sum(fact.value_minor or 0 for fact in placed) == by_hand.charged
    assert len({fact.event_id for fact in told}) == len(told)


def test_what_has_no_line_ends_with_the_dead_letters_and_nothing_else_does(
    by_hand: OlistFigures, replayed: ReplayResult
) -> None:
    """Facts of orders without items wait for a line for a year; the last of them still do."""
    assert 0 < replayed.summary.dead_letters <= by_hand.without_items


def test_sellers_hand_over_late_as_often_as_the_files_say(
    by_hand: OlistFigures, olist: Path, policy: Policy
) -> None:
    told = mapped_rows(load_mapping(EXAMPLE / "hand-over.yaml"), [olist])
    summary = run_replay(told, ReplayOptions(policy=policy)).summary
    assert summary.late == by_hand.hand_over["late"]
    assert summary.early + summary.on_time == by_hand.hand_over["in time"]
    assert summary.open == by_hand.hand_over["open"]
    assert summary.dead_letters == summary.rejected == 0


def test_a_replay_told_twice_is_the_same_to_the_byte(olist: Path) -> None:
    mapping = EXAMPLE / "mapping.yaml"
    told = mapped_rows(load_mapping(mapping), [olist])
    once = run_replay(told, ReplayOptions(until=UNTIL))
    assert once.summary.alerts
    assert digest_again(mapping, olist, until=UNTIL) == once.summary.digest
