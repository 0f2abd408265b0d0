"""Replays through the local engine: order of telling, ticks, counts, and the same bytes again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.codec import FactDecoder, encode_fact
from schemas.facts import Fact, OrderFact, ShipmentFact
from schemas.json_facts import to_json
from schemas.records import AlertState
from schemas.units import DAY_MS, HOUR_MS, QUANTITY_ONE, day, millis
from streams.replay.evaluation import Note
from streams.replay.inputs import InputRow, json_rows, record_rows
from streams.replay.runner import (
    Phase,
    Progress,
    ReplayLimits,
    ReplayOptions,
    ReplayTooLarge,
    run_replay,
)

START = millis(dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC))
DUE = day(dt.date(2026, 3, 9))


def placed(number: int, at: int = START) -> OrderFact:
    return OrderFact(
        f"p{number}",
        "erp",
        "placed",
        at,
        at,
        order_ref="ACME/77",
        line=str(number),
        buyer="ACME",
        supplier="SUP",
        item="PUMP",
        ship_to="OSLO",
        quantity=5 * QUANTITY_ONE,
        unit="pcs",
        requested_on=DUE,
    )


def confirmed(number: int) -> OrderFact:
    at = START + HOUR_MS
    return OrderFact(
        f"c{number}", "sup", "confirmed", at, at, order_ref="ACME/77", line=str(number),
        promised_on=DUE,
    )  # fmt: skip


def delivered(number: int, days: int, recorded_days: int | None = None) -> ShipmentFact:
    """Delivered that many days after the due date, at noon; recorded later when told so."""
    at = (DUE + days) * DAY_MS + 12 * HOUR_MS
    recorded_at = at if recorded_days is None else (DUE + recorded_days) * DAY_MS + 12 * HOUR_MS
    return ShipmentFact(
        f"d{number}", "carrier", "delivered", at, recorded_at, shipment_ref=f"SUP/{number}",
        order_ref="ACME/77", line=str(number), quantity=5 * QUANTITY_ONE, unit="pcs",
    )  # fmt: skip


def rows(facts: Iterable[Fact]) -> list[InputRow]:
    return [InputRow("f", n, fact.event_id, (fact,)) for n, fact in enumerate(facts, start=1)]


FACTS: tuple[Fact, ...] = (
    delivered(3, 2),
    delivered(1, -1),
    delivered(2, 0),
    *(placed(number) for number in (1, 2, 3, 4)),
    *(confirmed(number) for number in (1, 2, 3, 4)),
)


def test_lines_are_counted_by_how_they_met_their_promise() -> None:
    summary = run_replay(rows(FACTS), ReplayOptions()).summary
    assert (summary.early, summary.on_time, summary.late, summary.open) == (1, 1, 1, 1)
    assert summary.lines == 4
    assert (summary.rows, summary.rejected, summary.facts, summary.told) == (11, 0, 11, 11)
    assert (summary.from_at, summary.to_at) == ("2026-03-03T00:00:00Z", "2026-04-11T00:00:00Z")
    assert summary.ticks == 40
    assert summary.subjects_by_rule["delivered_late"] == 1
    assert summary.subjects_by_rule["overdue_no_news"] == 2, "the late one, until it came, and #4"


def test_alerts_come_in_the_order_of_opening_with_their_last_state() -> None:
    result = run_replay(rows(FACTS), ReplayOptions())
    opened = [alert.opened_at for alert in result.alerts]
    assert opened == sorted(opened)
    assert result.summary.alerts == len(result.alerts)
    states = {alert.state for alert in result.alerts}
    assert states == {AlertState.OPEN, AlertState.RESOLVED}, "#4 stays open, #3 is settled"


def test_the_order_of_rows_changes_no_byte() -> None:
    forward = run_replay(rows(FACTS), ReplayOptions()).summary
    backward = run_replay(rows(reversed(FACTS)), ReplayOptions()).summary
    assert forward.digest == backward.digest
    other = run_replay(rows(FACTS[1:]), ReplayOptions()).summary
    assert other.digest != forward.digest


def test_a_fact_counts_when_it_was_recorded() -> None:
    facts = [placed(1), confirmed(1), delivered(1, -1, recorded_days=3)]
    result = run_replay(rows(facts), ReplayOptions())
    assert result.summary.early == 1, "it came early after all"
    assert result.summary.subjects_by_rule == {"overdue_no_news": 1}, "and nobody knew in time"


def test_until_ends_the_replay_and_counts_what_is_not_told() -> None:
    until = DUE * DAY_MS
    summary = run_replay(rows(FACTS), replace(ReplayOptions(), until=until)).summary
    assert (summary.told, summary.not_told) == (9, 2)
    assert (summary.early, summary.open) == (1, 3)
    assert summary.to_at == "2026-03-10T00:00:00Z"


def test_the_step_is_the_distance_of_ticks() -> None:
    options = ReplayOptions(step_ms=6 * HOUR_MS, settle_days=1)
    summary = run_replay(rows([placed(1)]), options).summary
    assert (summary.ticks, summary.from_at) == (5, "2026-03-02T12:00:00Z")


def test_rejected_rows_are_counted_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    lines = [json.dumps(to_json(fact)) for fact in FACTS]
    lines.insert(2, '{"kind": "placed"}')
    lines.append("no JSON")
    path.write_text("\n".join(lines))
    result = run_replay(json_rows(path), ReplayOptions())
    assert (result.summary.rows, result.summary.rejected) == (13, 2)
    assert result.summary.rows_with_facts == result.summary.told == 11
    assert {problem.line for problem in result.problems} == {3, 13}
    assert result.summary.digest == run_replay(rows(FACTS), ReplayOptions()).summary.digest


def test_records_of_topics_replay_as_files_do() -> None:
    records: list[tuple[str, int, bytes]] = [
        ("orders" if isinstance(fact, OrderFact) else "shipments", 0, encode_fact(fact))
        for fact in FACTS
    ]
    records += [("orders", 1, b"nothing"), ("payments", 0, b"")]
    result = run_replay(record_rows(records, FactDecoder()), ReplayOptions())
    assert (result.summary.rows, result.summary.rejected) == (13, 2)
    assert [problem.line for problem in result.problems] == [12, 13]
    assert result.summary.digest == run_replay(rows(FACTS), ReplayOptions()).summary.digest


def test_progress_is_told_of_both_phases() -> None:
    told: list[Progress] = []
    run_replay(rows(FACTS), ReplayOptions(settle_days=0), told.append)
    assert told[0] == Progress(Phase.READING, 11, 11)
    assert (told[-1].phase, told[-1].done, told[-1].total) == (Phase.TELLING, 11, 11)
    assert [each.at for each in told[1:]] == sorted(each.at or 0 for each in told[1:])


def test_nothing_in_is_nothing_out() -> None:
    summary = run_replay([], ReplayOptions()).summary
    assert (summary.rows, summary.lines, summary.ticks, summary.from_at) == (0, 0, 0, None)


def test_a_claim_of_a_far_future_is_refused_before_it_costs_time() -> None:
    far = placed(1, millis(dt.datetime(2099, 1, 1, tzinfo=dt.UTC)))
    options = ReplayOptions(step_ms=1_000)
    with pytest.raises(ReplayTooLarge, match="take a longer step"):
        run_replay(rows([placed(2), far]), options)
    with pytest.raises(ReplayTooLarge, match="more than 3 facts"):
        run_replay(rows(FACTS), ReplayOptions(), limits=ReplayLimits(facts_max=3))


def test_every_problem_and_every_note_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text('{"kind": "placed"}\n' + json.dumps(to_json(placed(1))))
    noted = replace(rows([placed(2)])[0], notes=(Note("Due", "never", "it was not planned"),))
    result = run_replay([*json_rows(path), noted], ReplayOptions(settle_days=0))
    assert {(each.file, each.line) for each in result.problems} == {("facts.jsonl", 1)}
    assert {each.field for each in result.problems} >= {"event_id", "source", "occurred_at"}
    assert result.summary.rejected == 1
    (note,) = result.notes
    assert (note.file, note.line, note.row_id, note.note.column) == ("f", 1, "p2", "Due")
    assert result.summary.notes == 1
