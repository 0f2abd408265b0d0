"""Half a year of two real stores, against a calculation that knows nothing of the engine."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alerts.loading import load_policy
from schemas.facts import InventoryFact
from schemas.records import decode
from schemas.stock_records import StockStatus
from schemas.units import DAY_MS, HOUR_MS
from streams.engine.local import LocalEngine
from streams.replay.inputs import InputRow, mapped_rows
from streams.replay.mapping_file import load_mapping
from streams.replay.runner import ReplayOptions, ReplayResult, run_replay
from tests.real.again import digest_again
from tests.real.qel_by_hand import QelFigures, figures

pytestmark = pytest.mark.timeout(300)

EXAMPLE = Path(__file__).parents[2] / "examples" / "qel"
STEP_HOURS = 6


@pytest.fixture(scope="module")
def qel(real_data: Path) -> Path:
    path = real_data / "qel" / "qel_inventory.sqlite"
    if not path.is_file():
        pytest.skip(f"tests on QEL: there is no {path.name} in the folder of real data")
    return path


@pytest.fixture(scope="module")
def by_hand(qel: Path) -> QelFigures:
    return figures(qel)


@pytest.fixture(scope="module")
def rows(qel: Path) -> list[InputRow]:
    return list(mapped_rows(load_mapping(EXAMPLE / "mapping.yaml"), [qel]))


@pytest.fixture(scope="module")
def replayed(rows: list[InputRow]) -> ReplayResult:
    loaded = load_policy(EXAMPLE / "policy.yaml")
    assert loaded.policy is not None, loaded.errors
    options = ReplayOptions(policy=loaded.policy, step_ms=STEP_HOURS * HOUR_MS)
    return run_replay(rows, options)


def test_events_are_counted_as_the_log_has_them(
    by_hand: QelFigures, replayed: ReplayResult
) -> None:
    summary, events = replayed.summary, by_hand.events
    assert summary.by_input["cancellations"].rows == events["cancelled"]
    assert summary.facts_by_kind["orders.cancelled"] == events["cancelled"]
    assert summary.by_input["customer-orders"].orders == events["ordered"]
    assert summary.by_input["replenishments"].orders == events["replenished"]
    assert summary.by_input["deliveries"].shipments == events["unloaded"]
    assert summary.facts_by_kind["shipments.delivered"] == events["unloaded"]
    assert summary.facts_by_kind["shipments.arrived"] == events["identified"]
    assert summary.facts_by_kind["shipments.departed"] == events["sent"]
    assert summary.by_input["picked"].shipments == events["picked"]
    assert summary.orders == events["ordered"] + events["replenished"]


def test_every_row_and_every_fact_is_accounted_for(
    by_hand: QelFigures, replayed: ReplayResult
) -> None:
    summary = replayed.summary
    assert (
        summary.rows
        == summary.rows_with_facts
        == sum(each.rows for each in summary.by_input.values())
    )
    assert summary.facts == summary.told == sum(summary.facts_by_kind.values())
    assert summary.by_input["stock"].rows == len(by_hand.moves)
    assert summary.lines == by_hand.ordered_items + by_hand.replenished_items
    assert summary.undated == by_hand.replenished_items, "all came, and nobody had said when"
    assert 0 < summary.dead_letters <= 2 * by_hand.without_order, "they wait for half a year"


def test_stock_runs_out_as_often_as_the_log_says(
    by_hand: QelFigures, replayed: ReplayResult, rows: list[InputRow]
) -> None:
    assert replayed.summary.stock_outs == by_hand.stock_outs(timedelta(hours=STEP_HOURS)) > 0
    stock = [row for row in rows if row.input == "stock"]
    by_day = run_replay(stock, ReplayOptions()).summary
    assert by_day.stock_outs == by_hand.stock_outs(timedelta(days=1)) > 0
    assert by_day.stock_nodes == len(by_hand.balances())


def test_balances_at_the_end_are_exact_and_never_below_zero(
    by_hand: QelFigures, rows: list[InputRow]
) -> None:
    told = [fact for row in rows for fact in row.facts if isinstance(fact, InventoryFact)]
    engine = LocalEngine()
    for fact in told:
        engine.send(fact)
    engine.tick(max(fact.recorded_at for fact in told) + DAY_MS)
    found = {
        (status.item, status.site): status.on_hand
        for output in engine.outputs("stock-status")
        if output.value is not None and (status := decode(output.value, StockStatus))
    }
    engine.close()
    assert found == {key: Decimal(pieces) for key, pieces in by_hand.balances().items()}
    assert min(by_hand.balances().values()) >= 0


def test_a_replay_told_twice_is_the_same_to_the_byte(qel: Path, rows: list[InputRow]) -> None:
    once = run_replay(rows, ReplayOptions())
    assert digest_again(EXAMPLE / "mapping.yaml", qel) == once.summary.digest
