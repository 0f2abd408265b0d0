"""Records as Parquet: what is read back is what was written."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import polars as pl
import pytest

from schemas.parquet import parquet
from schemas.records import Alert, AlertState, Notification, OrderStatus, decode
from streams.engine.local import LocalEngine
from tests.scenario import by_tick, network, story


@pytest.fixture(scope="module")
def alerts() -> list[Alert]:
    engine = LocalEngine(network())
    for at, facts in by_tick(story(5))[:20]:
        for fact in facts:
            engine.send(fact)
        engine.tick(at)
    return [decode(each.value or b"", Alert) for each in engine.outputs("alerts")]


def read(data: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(data))


def as_alert(row: dict[str, Any]) -> Alert:
    for each in row["consequences"]:
        each["figures"] = msgspec.json.decode(each["figures"])
    return msgspec.convert(row, Alert)


def test_alerts_come_back_as_they_were(alerts: list[Alert]) -> None:
    assert {each.state for each in alerts} == set(AlertState)
    assert any(each.consequences and each.value_at_risk for each in alerts)
    rows = read(parquet(alerts, Alert)).to_dicts()
    assert [as_alert(row) for row in rows] == alerts


def test_columns_follow_from_the_kind_alone(alerts: list[Alert]) -> None:
    full, none = read(parquet(alerts, Alert)), read(parquet([], Alert))
    assert full.schema == none.schema
    assert none.height == 0
    assert full.columns == list(Alert.__struct_fields__)
    assert full.schema["opened_at"] == pl.Datetime("us", "UTC")
    assert full.schema["value_at_risk"] == pl.List(
        pl.Struct({"v": pl.Int64, "value_minor": pl.Int64, "currency": pl.String})
    )


def test_the_same_records_give_the_same_bytes(alerts: list[Alert]) -> None:
    assert parquet(alerts, Alert) == parquet(list(alerts), Alert)


def test_a_field_without_a_column_type_is_refused() -> None:
    read(parquet([], Notification))
    with pytest.raises(TypeError, match="Decimal"):
        parquet([], OrderStatus)
