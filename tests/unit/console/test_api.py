from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console import (
    answers,
    examples,
    promise,
    promise_examples,
    standing,
    stock,
    stock_examples,
)
from console.answers import (
    AlertAnswer,
    AlertsAnswer,
    Answer,
    DeadLetterAnswer,
    DeadLettersAnswer,
    FeedsAnswer,
    NotificationsAnswer,
    OrderAnswer,
    TickAnswer,
    UnlinkedAnswer,
)
from console.api import Health, Readiness, create_app
from console.explanation import Explanation
from console.standing import Status
from console.stock import StockAnswer, StockNodeAnswer
from schemas import payment_records, promise_records, records, stock_records, ticks
from schemas.records import AlertState, Severity
from schemas.ticks import WORKER_STAGE, StageProgress
from streams.promising import Promiser
from tests.unit.console.conftest import Client, Place, Served
from tests.unit.console.filling import Filler
from tests.unit.console.story import (
    ALERT_ID,
    FIRST,
    SECOND,
    Said,
    alert,
    at,
    first_tick,
    letter,
    receipt,
    said,
    stands,
    tick_record,
    told,
    unlinked,
)

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "http-api.md"
TOLD = f"{ALERT_ID}:2:operations"


def lines(body: Any) -> list[str]:
    return [line["line_id"] for line in body["lines"]]


@pytest.mark.parametrize(
    ("asked", "matched", "found"),
    [
        ("ACME/4711%2310", ["line"], [FIRST]),
        ("ACME%2F4711%2310", ["line"], [FIRST]),
        ("4711%2310", ["order"], [FIRST]),
        ("ACME/4711", ["order"], [FIRST]),
        ("4711", ["order"], [FIRST]),
        ("SEAWAYS/S-88", ["shipment"], [FIRST, SECOND]),
        ("S-88", ["shipment"], [FIRST, SECOND]),
        ("BL-5", ["carrier"], [FIRST, SECOND]),
        ("NORDWERK/A-1", ["supplier order"], [FIRST, SECOND]),
    ],
)
def test_an_order_is_found_by_any_of_its_numbers(
    client: Client, asked: str, matched: list[str], found: list[str]
) -> None:
    answer = client.get(f"/v1/orders/{asked}")
    assert answer.status == 200
    assert answer.body["matched"] == matched
    assert lines(answer.body) == found
    assert answer.body["as_of"] == {"tick": 2, "at": "2026-03-02T06:02:00Z"}


def test_an_order_line_keeps_its_figures_exact(client: Client) -> None:
    line = client.get("/v1/orders/ACME/4711%2310").body["lines"][0]
    assert line["quantities"]["ordered"] == "400.5"
    assert line["standing"] == "at_risk"
    assert line["requested"]["on"] == "2026-03-06"


def test_lines_come_in_pages(client: Client) -> None:
    first = client.get("/v1/orders/S-88", limit=1).body
    second = client.get("/v1/orders/S-88", limit=1, after=first["next_after"]).body
    assert lines(first) + lines(second) == [FIRST, SECOND]
    assert second["next_after"] is None


def test_an_unknown_number_says_what_to_do(client: Client) -> None:
    refused = client.get("/v1/orders/nothing")
    assert (refused.status, refused.media_type) == (404, "application/problem+json")
    assert "nothing" in refused.body["detail"]
    assert "spelling" in refused.body["next_step"]


@pytest.fixture
def many_alerts(place: Place) -> Any:
    database = place.open()
    filler = Filler(database)
    records_ = [
        alert(
            1, 1, f"ACME/{n}#1", alert_id=f"a-{n}", severity=severity, opened_at=at(n), state=state
        )
        for n, severity, state in [
            (1, Severity.INFO, AlertState.OPEN),
            (2, Severity.CRITICAL, AlertState.OPEN),
            (3, Severity.CRITICAL, AlertState.OPEN),
            (4, Severity.MAJOR, AlertState.RESOLVED),
            (5, Severity.MAJOR, AlertState.OPEN),
            (6, Severity.CRITICAL, AlertState.OPEN),
        ]
    ]
    filler.tick(1, at(1), [said("alerts", each.alert_id, each) for each in records_])
    with Served(create_app(database, Promiser())) as found:
        yield found
    database.close()


def ids(body: Any) -> list[str]:
    return [each["alert_id"] for each in body["alerts"]]


def test_alerts_come_by_severity_and_age_in_pages(many_alerts: Client) -> None:
    wanted = ["a-6", "a-3", "a-2", "a-5", "a-4", "a-1"]
    assert ids(many_alerts.get("/v1/alerts").body) == wanted
    found: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        body = many_alerts.get("/v1/alerts", limit=2, **after).body
        found += ids(body)
        after = {"after": body["next_after"]}
    assert found == wanted
    assert after == {"after": None}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state": "resolved"}, ["a-4"]),
        ({"severity": "critical"}, ["a-6", "a-3", "a-2"]),
        ({"severity": "major", "state": "open"}, ["a-6", "a-3", "a-2", "a-5"]),
        ({"account": "acme-europe", "severity": "critical"}, ["a-6", "a-3", "a-2"]),
        ({"account": "other"}, []),
        ({"rule": "expected-after-promise", "state": "resolved"}, ["a-4"]),
        ({"rule": "other"}, []),
    ],
)
def test_alerts_are_chosen(many_alerts: Client, query: dict[str, str], found: list[str]) -> None:
    assert ids(many_alerts.get("/v1/alerts", **query).body) == found


def test_an_alert_shows_its_past_and_who_was_told(client: Client) -> None:
    body = client.get(f"/v1/alerts/{ALERT_ID}").body
    assert body["alert"]["consequence_count"] == 2
    assert [revision["revision"] for revision in body["revisions"]] == [1, 2]
    assert [step["what"] for step in body["events"]] == ["opened", "updated"]
    assert [(each["recipient"], each["what"]) for each in body["told"]] == [
        ("operations", "told")
    ] * 2
    assert [each["sink"] for each in body["told"][1]["deliveries"]] == ["log", "webhook"]


def test_a_line_is_explained(client: Client) -> None:
    body = client.get("/v1/explain", id=FIRST).body
    assert (body["about"], body["is_past"]) == ("line", False)
    assert body["summary"] == (
        "at risk: The carrier expects it on 9 March. Rules: fires 1, silent 1, blind 0."
    )
    assert body["baselines"]["first_confirmed"]["source"] == "nordwerk-erp"
    assert [(f["kind"], f["source"], f["age_seconds"]) for f in body["facts"]] == [
        ("placed", "acme-erp", 120),
        ("eta", "seaways", 0),
    ]
    assert body["facts"][0]["details"]["quantity"] == "400.5"
    assert body["facts"][0]["details"]["requested_on"] == "2026-03-06"
    assert body["facts"][1]["details"]["eta_at"] == "2026-03-02T06:02:00Z"
    assert [(v["rule"], v["outcome"], v["tick"]) for v in body["verdicts"]] == [
        ("expected-after-promise", "fires", 2),
        ("late-to-ship", "silent", 1),
    ]
    assert [(v["rule"], v["outcome"]) for v in body["past_verdicts"]] == [
        ("expected-after-promise", "silent")
    ]
    assert [each["alert_id"] for each in body["alerts"]] == [ALERT_ID]
    assert [each["notification_id"] for each in body["told"]][-1] == TOLD


def test_a_line_is_explained_as_of_the_past(client: Client) -> None:
    body = client.get("/v1/explain", id=FIRST, tick=1).body
    assert body["is_past"]
    assert body["as_of"]["tick"] == 1
    assert body["order"] is None
    assert [(v["rule"], v["outcome"]) for v in body["verdicts"]] == [
        ("expected-after-promise", "silent"),
        ("late-to-ship", "silent"),
    ]
    assert [fact["kind"] for fact in body["facts"]] == ["placed"]
    assert body["alerts"] == body["told"] == []
    refused = client.get("/v1/explain", id=FIRST, tick=99)
    assert (refused.status, refused.body["detail"]) == (
        404,
        "Tick 99 is not one that the view has read; the last is 2.",
    )


@pytest.mark.parametrize(
    ("asked", "about"),
    [(ALERT_ID, "alert"), (TOLD, "notification"), ("seaways", "feed"), ("4711", "line")],
)
def test_everything_with_an_id_is_explained(client: Client, asked: str, about: str) -> None:
    assert client.get("/v1/explain", id=asked).body["about"] == about


def test_a_number_of_several_lines_names_them(client: Client) -> None:
    refused = client.get("/v1/explain", id="S-88")
    assert refused.status == 409
    assert refused.body["candidates"] == [FIRST, SECOND]


def test_dead_letters_keep_their_bytes(client: Client) -> None:
    listed = client.get("/v1/dead-letters", source="seaways", reason="missing_field").body
    assert [each["id"] for each in listed["dead_letters"]] == ["shipments/0/7"]
    assert listed["dead_letters"][0]["retried_at"] == "2026-03-02T06:02:00Z"
    assert client.get("/v1/dead-letters", retried="false").body["dead_letters"] == []
    body = client.get("/v1/dead-letters/shipments/0/7").body["dead_letter"]
    assert base64.b64decode(body["value_base64"]) == b"\x00\xffvalue"
    assert base64.b64decode(body["key_base64"]) == b"\xffkey"


def test_stock_nodes_come_by_need_and_are_explained(client: Client) -> None:
    listed = client.get("/v1/stock", limit=2).body
    assert [each["node_id"] for each in listed["stock"]] == ["GEAR@LYON", "NUT@LYON"]
    rest = client.get("/v1/stock", after=listed["next_after"]).body
    assert [each["node_id"] for each in rest["stock"]] == ["BOLT@OSLO"]
    assert rest["next_after"] is None
    found = client.get("/v1/stock", site="LYON", standing="blind").body["stock"]
    assert [each["item"] for each in found] == ["NUT"]
    assert client.get("/v1/stock", item="BOLT").body["stock"][0]["on_hand"] == "130"
    node = client.get("/v1/stock/BOLT@OSLO").body["node"]
    assert (node["standing"], node["tick"]) == ("enough", 2)
    assert client.get("/v1/stock/X@Y").status == 404
    explained = client.get("/v1/explain", id="GEAR@LYON").body
    assert (explained["about"], explained["stock"]["standing"]) == ("stock node", "short")
    assert explained["summary"].startswith("short: It lasts no longer.")
    past = client.get("/v1/explain", id="GEAR@LYON", tick=1).body
    assert (past["is_past"], past["stock"]) == (True, None)


def test_feeds_come_blind_first(client: Client) -> None:
    body = client.get("/v1/feeds").body
    assert [(f["source"], f["blind"]) for f in body["feeds"]] == [
        ("seaways", True),
        ("acme-erp", False),
    ]


@pytest.mark.parametrize(
    ("path", "query", "where"),
    [
        ("/v1/alerts", {"limit": 0}, "limit"),
        ("/v1/alerts", {"limit": 1001}, "limit"),
        ("/v1/alerts", {"severity": "huge"}, "severity"),
        ("/v1/alerts", {"sverity": "major"}, "sverity"),
        ("/v1/alerts", {"after": "rubbish"}, "after"),
        ("/v1/alerts", {"after": "WzFd"}, "after"),
        ("/v1/status", {"x": 1}, "x"),
        ("/v1/feeds", {"x": 1}, "x"),
        ("/v1/explain", {}, "id"),
        ("/v1/explain", {"id": "a", "tick": -1}, "tick"),
        ("/v1/notifications", {"undelivered": "maybe"}, "undelivered"),
        ("/v1/orders/4711", {"limit": "ten"}, "limit"),
        ("/ready", {"x": 1}, "x"),
    ],
)
def test_what_is_not_understood_is_named(
    client: Client, path: str, query: dict[str, str | int], where: str
) -> None:
    refused = client.get(path, **query)
    assert (refused.status, refused.media_type) == (422, "application/problem+json")
    assert [wrong["where"] for wrong in refused.body["parameters"]] == [where]
    assert refused.body["next_step"]


def test_a_path_that_is_none_is_a_problem_too(client: Client) -> None:
    refused = client.get("/v1/nonsense")
    assert (refused.status, refused.media_type) == (404, "application/problem+json")


@pytest.fixture
def fresh(place: Place) -> Any:
    """A database, what fills it, and a client, with a clock that the test sets."""
    now = [1_000_000]
    database = place.open(clock=lambda: now[0])
    with Served(create_app(database, Promiser(), ready_within_seconds=5)) as found:
        yield database, Filler(database), found, now
    database.close()


def test_before_the_first_tick_only_status_and_health_answer(fresh: Any) -> None:
    _, filler, client, _ = fresh
    filler.live([tick_record(1), stands("intake", 0, 1), stands("cells", 0, 0)])
    for path in ("/v1/alerts", "/v1/orders/4711", "/v1/feeds", "/v1/explain?id=a", "/ready"):
        refused = client.get(path)
        assert (refused.status, refused.media_type) == (503, "application/problem+json")
    assert client.get("/health").status == 200
    body = client.get("/v1/status").body
    assert body["as_of"] is None
    assert [(at["stage"], at["tick"]) for at in body["held_back_by"]] == [("cells", 0)]


def test_ready_means_level_with_the_topics(fresh: Any) -> None:
    database, filler, client, now = fresh
    filler.tick(1, at(1), first_tick())
    assert client.get("/ready").status == 503
    with database.writing() as connection:
        database.save_state(connection, checked_at=now[0])
    assert client.get("/ready").body["as_of"]["tick"] == 1
    now[0] += 5_001
    with database.writing() as connection:
        database.save_state(connection, problem="The broker cannot be read: it is away.")
    refused = client.get("/ready")
    assert (refused.status, refused.body["detail"]) == (
        503,
        "The broker cannot be read: it is away.",
    )


def test_status_says_what_needs_a_person(fresh: Any) -> None:
    _, filler, client, _ = fresh
    filler.tick(1, at(1), first_tick())
    filler.live(
        [
            *(stands(stage, p, 2) for stage in ("intake", "links") for p in (0, 1)),
            stands("ledgers", 0, 2),
            stands("ledgers", 1, 1),
            stands("cells", 0, 1),
            tick_record(2),
            receipt(f"{ALERT_ID}:1:operations", "log", "delivered", 1),
            receipt(f"{ALERT_ID}:1:operations", "webhook", "failed", 1),
        ]
    )
    body = client.get("/v1/status").body
    assert (body["as_of"]["tick"], body["newest_tick"]["tick"]) == (1, 2)
    assert [(p["stage"], p["partition"]) for p in body["held_back_by"]] == [("ledgers", 1)]
    assert [(s["stage"], s["tick_min"], s["tick_max"]) for s in body["stages"]] == [
        ("intake", 2, 2),
        ("links", 2, 2),
        ("ledgers", 1, 2),
        ("cells", 1, 1),
    ]
    assert body["workers"] == [
        {
            "worker": "worker-1",
            "partitions": 7,
            "tick_min": 1,
            "restoring": 0,
            "copies": 0,
            "schemas_awaited": 0,
            "relays_to": 0,
            "relay_behind": 0,
            "webhooks": 0,
            "webhooks_owed": 0,
            "webhooks_failing": 0,
        }
    ]
    assert body["dead_letters"] == {"count": 1, "oldest_at": "2026-03-02T06:01:00Z"}
    assert (body["unlinked"]["count"], body["facts_waiting"]) == (1, 2)
    assert [each["key"] for each in body["parked"]] == ["K"]
    assert body["order_lines"] == {"late": 1, "on_time": 1}
    assert body["open_alerts"] == {"info": 0, "warning": 0, "major": 1, "critical": 0}
    assert body["undelivered"]["count"] == 1
    owed = body["oldest_undelivered"]["deliveries"]
    assert [(each["sink"], each["outcome"]) for each in owed] == [
        ("log", "delivered"),
        ("webhook", "failed"),
    ]


def test_what_is_owed_leaves_the_list_when_every_sink_has_it(fresh: Any) -> None:
    _, filler, client, _ = fresh
    opened = alert(1, 1, FIRST)
    filler.tick(1, at(1), [*told(1, opened), *told(1, opened, "account-manager")])
    for sink in ("log", "webhook"):
        filler.live([receipt(f"{ALERT_ID}:1:operations", sink, "delivered", 1)])
    owed = client.get("/v1/notifications", undelivered="true").body["notifications"]
    assert [each["recipient"] for each in owed] == ["account-manager"]
    every = client.get("/v1/notifications", limit=1).body
    rest = client.get("/v1/notifications", limit=1, after=every["next_after"]).body
    found = [each["recipient"] for each in every["notifications"] + rest["notifications"]]
    assert found == ["operations", "account-manager"]


def test_lists_of_the_intake_come_in_pages(fresh: Any) -> None:
    _, filler, client, _ = fresh
    numbers = [f"SEAWAYS/{n}" for n in range(5)]
    filler.tick(1, at(1), [unlinked(number, 1) for number in numbers])
    filler.tick(2, at(2), [letter(2, offset) for offset in range(5)])
    for path, name, key, wanted in (
        ("/v1/unlinked", "unlinked", "number", numbers),
        ("/v1/dead-letters", "dead_letters", "id", [f"shipments/0/{n}" for n in range(4, -1, -1)]),
    ):
        found: list[str] = []
        after: dict[str, str] = {}
        for _ in range(3):
            body = client.get(path, limit=2, **after).body
            found += [each[key] for each in body[name]]
            after = {"after": body["next_after"]}
        assert found == wanted


def test_what_waits_is_counted_by_source_and_kind_whatever_the_page(fresh: Any) -> None:
    _, filler, client, _ = fresh
    filler.tick(1, at(1), [unlinked(f"SEAWAYS/{n}", 1) for n in range(3)])
    (total,) = client.get("/v1/unlinked", limit=1).body["totals"]
    assert {name: total[name] for name in ("source", "kind", "facts", "numbers")} == {
        "source": "seaways", "kind": "eta", "facts": 6, "numbers": 3,
    }  # fmt: skip
    gone = [Said("unlinked", f"SEAWAYS/{n}", None, gone_at=2) for n in range(2)]
    filler.tick(2, at(2), gone)
    assert [each["numbers"] for each in client.get("/v1/unlinked").body["totals"]] == [1]


def test_a_reader_sees_one_tick_whatever_is_written_meanwhile(fresh: Any) -> None:
    database, filler, _, _ = fresh
    filler.tick(1, at(1), first_tick())
    with database.reading() as connection:
        before = database.state(connection)
        filler.tick(2, at(2), [Said("unlinked", "SEAWAYS/S-90", None, gone_at=2)])
        assert database.state(connection) == before
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM slipwatch_unlinked").scalar() == 1


ANSWERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "/v1/orders/{number}": (OrderAnswer, examples.ORDER),
    "/v1/explain": (Explanation, examples.EXPLANATION),
    "/v1/stock": (StockAnswer, stock_examples.STOCK),
    "/v1/stock/{node_id}": (StockNodeAnswer, stock_examples.STOCK_NODE),
    "/v1/promise": (promise.PromiseAnswer, promise_examples.PROMISE),
    "/v1/alerts": (AlertsAnswer, examples.ALERTS),
    "/v1/alerts/{alert_id}": (AlertAnswer, examples.ALERT),
    "/v1/notifications": (NotificationsAnswer, examples.NOTIFICATIONS),
    "/v1/dead-letters": (DeadLettersAnswer, examples.DEAD_LETTERS),
    "/v1/dead-letters/{letter_id}": (DeadLetterAnswer, examples.DEAD_LETTER),
    "/v1/unlinked": (UnlinkedAnswer, examples.UNLINKED),
    "/v1/feeds": (FeedsAnswer, examples.FEEDS),
    "/v1/status": (Status, examples.STATUS),
    "/v1/ticks/latest": (TickAnswer, examples.TICKS),
    "/health": (Health, examples.HEALTH),
    "/ready": (Readiness, examples.READINESS),
}


def test_every_endpoint_is_described(client: Client) -> None:
    described = client.get("/openapi.json").body
    assert set(described["paths"]) == set(ANSWERS)
    for path, methods in described["paths"].items():
        assert set(methods) == {"get"}
        asked = methods["get"]
        assert asked["summary"]
        assert asked["description"]
        assert asked["tags"]
        refusals = set(asked["responses"]) - {"200"}
        assert "422" in refusals
        assert path == "/health" or "503" in refusals
        for status in refusals:
            problem = asked["responses"][status]["content"]["application/problem+json"]
            assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert problem["example"]["status"] == int(status)
        shown = asked["responses"]["200"]["content"]["application/json"]
        assert shown["example"]
        model, _ = ANSWERS[path]
        assert shown["schema"] == {"$ref": f"#/components/schemas/{model.__name__}"}
    assert _dangling(described, described["components"]["schemas"]) == []


def test_the_guide_names_every_endpoint_and_parameter(client: Client) -> None:
    guide = GUIDE.read_text()
    rows = dict(re.findall(r"^\| `(/[^`]+)` \|(.*)\|$", guide, flags=re.MULTILINE))
    assert set(rows) == set(ANSWERS)
    for path, methods in client.get("/openapi.json").body["paths"].items():
        for parameter in methods["get"].get("parameters", ()):
            if parameter["in"] == "query":
                assert f"`{parameter['name']}`" in rows[path]


def _dangling(part: Any, known: dict[str, Any]) -> list[str]:
    if isinstance(part, list):
        return [each for value in part for each in _dangling(value, known)]
    if not isinstance(part, dict):
        return []
    found = [each for value in part.values() for each in _dangling(value, known)]
    name = part.get("$ref")
    if isinstance(name, str) and name.removeprefix("#/components/schemas/") not in known:
        found.append(name)
    return found


@pytest.mark.parametrize("path", sorted(ANSWERS))
def test_examples_are_whole_answers(path: str) -> None:
    model, example = ANSWERS[path]
    assert model.model_validate(example).model_dump(mode="json") == example


def test_answers_have_every_field_of_their_records() -> None:
    pairs: list[tuple[type[msgspec.Struct], type[Answer]]] = [
        (records.OrderStatus, answers.OrderLine),
        (records.Alert, answers.Alert),
        (records.FeedStatus, answers.FeedStatus),
        (records.Unlinked, answers.Unlinked),
        (records.WaitingFacts, answers.WaitingFacts),
        (ticks.Tick, answers.Tick),
        (records.Parked, standing.Parked),
        (records.Statement, answers.Statement),
        (records.Quantities, answers.Quantities),
        (records.Expected, answers.Expected),
        (records.NextStep, answers.NextStep),
        (records.Consequence, answers.Consequence),
        (records.Money, answers.Money),
        (payment_records.LinePayment, answers.LinePayment),
        (stock_records.StockStatus, stock.StockNode),
        (stock_records.StockProjection, stock.StockProjection),
        (stock_records.StockFlow, stock.StockFlow),
        (promise_records.PromiseOffer, promise.PromiseOffer),
        (promise_records.PromiseOption, promise.PromiseOption),
        (promise_records.PromisePart, promise.PromisePart),
        (promise_records.PromiseSource, promise.PromiseSource),
        (promise_records.PromiseTaking, promise.PromiseTaking),
        (promise_records.PushedLine, promise.PushedLine),
    ]
    for record, model in pairs:
        assert set(record.__struct_fields__) - {"v"} == set(model.model_fields), record.__name__


def test_a_worker_that_was_killed_while_restoring_is_forgotten_once_time_goes_on(
    fresh: Any,
) -> None:
    _, filler, client, _ = fresh
    told = StageProgress(
        stage=WORKER_STAGE, topic="killed", partition=0, tick=2, offset=0, worker="killed",
        counts={"partitions": 3, "restoring": 2},
    )  # fmt: skip
    filler.tick(1, at(1), first_tick())
    filler.live([said("progress", "worker/killed/0", told), tick_record(2)])
    workers = {each["worker"]: each for each in client.get("/v1/status").body["workers"]}
    assert workers["killed"]["restoring"] == 2
    # Tick 2 is done, so nobody restores what it needed: its partitions have another owner.
    filler.live([stands("notices", p, 3) for p in (0, 1)])
    workers = {each["worker"]: each for each in client.get("/v1/status").body["workers"]}
    assert "killed" not in workers
