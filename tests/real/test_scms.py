"""Six years of real deliveries through the engine, against a calculation that knows none of it."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from schemas.facts import OrderFact, ShipmentFact
from schemas.records import AlertState
from streams.replay.inputs import mapped_rows
from streams.replay.joins import Joins
from streams.replay.mapping_file import load_mapping
from streams.replay.rows import MappedRow, dangling_pointers, map_table
from streams.replay.runner import ReplayOptions, ReplayResult, run_replay
from tests.real.again import digest_again
from tests.real.scms_by_hand import DATE_SENTINELS, ScmsFigures, figures

MAPPING = Path(__file__).parents[2] / "examples" / "scms" / "mapping.yaml"


@pytest.fixture(scope="module")
def scms(real_data: Path) -> Path:
    path = real_data / "scms" / "scms_2006_2011.csv"
    if not path.is_file():
        pytest.skip(f"tests on SCMS: there is no {path.name} in the folder of real data")
    return path


@pytest.fixture(scope="module")
def by_hand(scms: Path) -> ScmsFigures:
    return figures(scms)


@pytest.fixture(scope="module")
def mapped(scms: Path) -> list[MappedRow]:
    return list(map_table((mapping := load_mapping(MAPPING)).readings()[0], scms, Joins(mapping)))


@pytest.fixture(scope="module")
def replayed(scms: Path) -> ReplayResult:
    return run_replay(mapped_rows(load_mapping(MAPPING), [scms]), ReplayOptions())


def test_every_row_ends_as_facts_or_in_the_report(
    by_hand: ScmsFigures, replayed: ReplayResult
) -> None:
    summary = replayed.summary
    assert summary.rows == by_hand.rows
    assert summary.rows_with_facts + summary.rejected == summary.rows
    assert summary.rejected == len({(each.file, each.line) for each in replayed.problems})
    assert summary.told + summary.not_told == summary.facts
    assert summary.dead_letters == 0


def test_late_early_and_on_time_are_what_the_dates_say(
    by_hand: ScmsFigures, replayed: ReplayResult
) -> None:
    summary = replayed.summary
    assert (summary.late, summary.early, summary.on_time) == (
        by_hand.late,
        by_hand.early,
        by_hand.on_time,
    )
    assert summary.lines == by_hand.rows
    assert summary.undated == summary.ended == summary.open == 0


def test_every_late_delivery_was_told_and_no_other(
    by_hand: ScmsFigures, replayed: ReplayResult
) -> None:
    assert replayed.summary.subjects_by_rule["delivered_late"] == by_hand.late
    assert replayed.summary.alerts == len(replayed.alerts) > 0
    assert set(replayed.summary.alerts_by_rule) <= {"delivered_late", "overdue_no_news"}
    assert {alert.state for alert in replayed.alerts} == {AlertState.RESOLVED}, "30 days later"


def test_all_date_styles_and_sentinels_are_read(
    by_hand: ScmsFigures, mapped: list[MappedRow]
) -> None:
    dated = sum(by_hand.styles.values())
    assert dated + sum(by_hand.sentinels.values()) == 5 * by_hand.rows
    assert len(by_hand.styles) >= 2, "the file has dates in words and in figures"
    noted = Counter(
        note.found for row in mapped for note in row.notes if note.found in DATE_SENTINELS
    )
    assert noted == by_hand.sentinels_in_use


def test_pointers_at_other_rows_lead_somewhere(
    by_hand: ScmsFigures, mapped: list[MappedRow], scms: Path
) -> None:
    assert sum(len(row.pointers) for row in mapped) == by_hand.pointers
    assert len(list(dangling_pointers(scms, mapped))) == by_hand.dangling


def test_values_are_exact_and_ids_are_the_rows_own(
    by_hand: ScmsFigures, mapped: list[MappedRow]
) -> None:
    facts = [fact for row in mapped for fact in row.facts]
    placed = [fact for fact in facts if isinstance(fact, OrderFact) and fact.kind == "placed"]
    assert sum(fact.value_minor or 0 for fact in placed) == by_hand.value_minor
    assert {fact.currency for fact in placed} == {"USD"}
    assert len({fact.event_id for fact in facts}) == len(facts)
    for row in mapped:
        assert all(fact.event_id.startswith(f"scms:{row.row_id}:") for fact in row.facts)


def test_facts_that_were_recorded_late_are_told_late(
    by_hand: ScmsFigures, mapped: list[MappedRow]
) -> None:
    day_ms = 24 * 60 * 60 * 1000
    delivered = [
        fact
        for row in mapped
        for fact in row.facts
        if isinstance(fact, ShipmentFact) and fact.kind == "delivered"
    ]
    later = sum(fact.recorded_at // day_ms > fact.occurred_at // day_ms for fact in delivered)
    assert later == by_hand.recorded_later


def test_a_replay_told_twice_is_the_same_to_the_byte(scms: Path) -> None:
    rows = 600
    once = run_replay(islice(mapped_rows(load_mapping(MAPPING), [scms]), rows), ReplayOptions())
    assert digest_again(MAPPING, scms, rows=rows) == once.summary.digest
