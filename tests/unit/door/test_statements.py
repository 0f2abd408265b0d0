"""Bodies of requests, and the facts that they become."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from schemas import limits
from schemas.facts import Fact, OrderFact
from schemas.units import HOUR_MS
from streams.door.statements import EVENT, EVENTS, JSON, BodyRefused, fact_of, read_statements

NOW = 1_775_000_000_000
"""2026-03-31T23:33:20Z."""
TOLD: dict[str, Any] = {
    "kind": "confirmed",
    "event_id": "e1",
    "occurred_at": "2026-03-31T20:00:00Z",
    "recorded_at": "2026-03-31T20:00:00Z",
    "order_ref": "ACME/4711",
    "line": "10",
    "promised_on": "2026-04-09",
}
SOURCE = "partner:NORD"


def facts(
    content: object, media: str = JSON, headers: dict[str, str] | None = None, now: int = NOW
) -> list[Fact | list[tuple[str | None, str]]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"content-type": media, **(headers or {})}
    return [fact_of(each, SOURCE, now) for each in read_statements(body, given)]


def only(found: list[Fact | list[tuple[str | None, str]]]) -> OrderFact:
    (fact,) = found
    assert isinstance(fact, OrderFact), fact
    return fact


def wrong(found: list[Fact | list[tuple[str | None, str]]]) -> list[tuple[str | None, str]]:
    (complaints,) = found
    assert isinstance(complaints, list)
    return complaints


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in TOLD.items() if name not in names}


def test_a_fact_and_a_list_of_facts_are_told_by_who_the_token_stands_for() -> None:
    fact = only(facts(TOLD, "Application/JSON; charset=utf-8"))
    assert (fact.source, fact.event_id, fact.kind) == (SOURCE, "e1", "confirmed")
    assert facts([TOLD, TOLD]) == [fact, fact]
    assert only(facts(TOLD | {"source": SOURCE})) == fact


@pytest.mark.parametrize("named", ["partner:ACME", "erp", 7, ["partner:NORD"]])
def test_nobody_speaks_for_another(named: object) -> None:
    ((field, error),) = wrong(facts(TOLD | {"source": named}))
    assert field == "source"
    assert "expected 'partner:NORD'" in error


def test_what_has_no_id_gets_one_by_its_content() -> None:
    told = without("event_id", "recorded_at")
    first = only(facts(told))
    again = only(facts(dict(reversed(told.items())), now=NOW + HOUR_MS))
    assert first.event_id.startswith("sha256:")
    assert again.event_id == first.event_id
    assert (first.recorded_at, again.recorded_at) == (NOW, NOW + HOUR_MS)
    other = only(facts(told | {"line": "20"}))
    assert other.event_id != first.event_id


@pytest.mark.parametrize("field", ["occurred_at", "recorded_at"])
def test_what_claims_to_have_happened_in_the_future_is_refused(field: str) -> None:
    ahead = limits.DOOR_AHEAD_SECONDS_MAX
    assert only(facts(TOLD | {field: "2026-03-31T23:38:20Z"}, now=NOW)) is not None
    ((named, error),) = wrong(facts(TOLD | {field: "2026-03-31T23:38:20.001Z"}, now=NOW))
    assert named == field
    assert "expected no time after now, 2026-03-31T23:33:20" in error
    assert ahead == 300


def test_what_happened_long_ago_may_be_told() -> None:
    fact = only(facts(TOLD | {"occurred_at": "1999-01-01T00:00:00Z"}))
    assert fact.occurred_at < NOW


EVENT_OF_IT = {
    "specversion": "1.0", "id": "7", "source": "/erp/north", "type": "slipwatch.confirmed",
    "time": "2026-03-31T20:00:00Z", "subject": "ACME/4711", "ours": 1,
    "data": without("kind", "event_id", "occurred_at"),
}  # fmt: skip


def test_a_cloud_event_is_a_fact_in_each_of_its_modes() -> None:
    fact = only(facts(EVENT_OF_IT, EVENT))
    assert (fact.event_id, fact.source, fact.kind) == ("/erp/north#7", SOURCE, "confirmed")
    assert fact == only(facts([EVENT_OF_IT], EVENTS))
    headers = {
        "ce-specversion": "1.0", "ce-id": "7", "ce-source": "/erp%2Fnorth",
        "ce-type": "slipwatch.confirmed", "ce-time": "2026-03-31T20:00:00Z",
    }  # fmt: skip
    assert fact == only(facts(EVENT_OF_IT["data"], JSON, headers))


def test_two_systems_of_a_party_may_count_alike() -> None:
    south = only(facts(EVENT_OF_IT | {"source": "/erp/south"}, EVENT))
    assert south.event_id != only(facts(EVENT_OF_IT, EVENT)).event_id
    long = only(facts(EVENT_OF_IT | {"id": "x" * 300}, EVENT))
    assert len(long.event_id) < 60


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"), ({"id": ""}, "id"), ({"id": 7}, "id"),
        ({"source": None}, "source"), ({"type": "com.other.confirmed"}, "type"),
        ({"type": "slipwatch.teleported"}, "kind"), ({"data": []}, "data"),
        ({"data": {"kind": "placed"}}, "kind"),
    ],
)  # fmt: skip
def test_a_cloud_event_that_is_none_is_refused_by_its_field(
    change: dict[str, Any], field: str
) -> None:
    assert field in {name for name, _ in wrong(facts(EVENT_OF_IT | change, EVENT))}


def test_each_of_a_batch_is_judged_alone() -> None:
    good, bad, none = facts([TOLD, TOLD | {"promised_on": "soon"}, 7])
    assert isinstance(good, OrderFact)
    assert bad == [("promised_on", "promised_on is 'soon', expected a date such as 2026-03-01")]
    assert none == [(None, "found no JSON object, expected a fact")]


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{}", "text/csv", 415), (b"{}", "", 415), (b"{", JSON, 400), (b"\xff", JSON, 400),
        (b'{"a": 1, "a": 2}', JSON, 400), (b"[" * 100_000, JSON, 400), (b"{}", EVENTS, 400),
        (b"NaN", JSON, 400),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_refused(body: bytes, media: str, status: int) -> None:
    with pytest.raises(BodyRefused) as refused:
        facts(body, media)
    assert refused.value.status == status


def test_a_body_and_a_batch_have_their_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = msgspec.json.encode([TOLD, TOLD])
    monkeypatch.setattr(limits, "DOOR_BODY_BYTES_MAX", len(batch))
    monkeypatch.setattr(limits, "DOOR_BATCH_FACTS_MAX", 2)
    assert len(facts(batch)) == 2
    monkeypatch.setattr(limits, "DOOR_BODY_BYTES_MAX", len(batch) - 1)
    with pytest.raises(BodyRefused, match="larger body"):
        facts(batch)
    monkeypatch.setattr(limits, "DOOR_BODY_BYTES_MAX", len(batch))
    monkeypatch.setattr(limits, "DOOR_BATCH_FACTS_MAX", 1)
    with pytest.raises(BodyRefused, match="expected at most 1"):
        facts(batch)
