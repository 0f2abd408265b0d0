"""What people read of the view's answers. The view here serves the examples of its own API, which
another test holds to what it really answers; tests/integration asks a real one."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alerts.rules import RULES
from console import examples, promise_examples, stock_examples
from console.metrics import write_metrics
from console.standing import Status
from streams.cli.root import slipwatch
from streams.cli.view_client import NEXT_STEPS, NOT_FOUND, NOT_READY
from streams.exits import Exit

Json = dict[str, Any]
ANSWERS: dict[str, Json] = {
    "/v1/orders/4711": examples.ORDER,
    "/v1/stock": stock_examples.STOCK,
    "/v1/stock/BOLT@LYON": stock_examples.STOCK_NODE,
    "/v1/promise": promise_examples.PROMISE,
    "/v1/alerts": examples.ALERTS,
    "/v1/alerts/5f21c09b3e7d": examples.ALERT,
    "/v1/explain": examples.EXPLANATION,
    "/v1/notifications": examples.NOTIFICATIONS,
    "/v1/dead-letters": examples.DEAD_LETTERS,
    "/v1/dead-letters/shipments/2/90113": examples.DEAD_LETTER,
    "/v1/unlinked": examples.UNLINKED,
    "/v1/feeds": examples.FEEDS,
    "/v1/status": examples.STATUS,
}
NOT_UNDERSTOOD: Json = {
    "detail": "Not understood: `limit`.",
    "next_step": "Correct the parameters listed; /docs says what each may be.",
    "parameters": [{"where": "limit", "found": "900", "expected": "at most 500"}],
}
COMMANDS = (
    (["order", "show", "4711"], examples.ORDER, Exit.OK),
    (["stock", "list"], stock_examples.STOCK, Exit.OK),
    (["stock", "show", "BOLT@LYON"], stock_examples.STOCK_NODE, Exit.OK),
    (["promise", "BOLT", "120", "LYON"], promise_examples.PROMISE, Exit.FINDINGS),
    (["alerts", "list"], examples.ALERTS, Exit.OK),
    (["alerts", "show", "5f21c09b3e7d"], examples.ALERT, Exit.OK),
    (["explain", "ACME/4711#10"], examples.EXPLANATION, Exit.OK),
    (["notifications", "list"], examples.NOTIFICATIONS, Exit.OK),
    (["dead-letters", "list"], examples.DEAD_LETTERS, Exit.OK),
    (["dead-letters", "show", "shipments/2/90113"], examples.DEAD_LETTER, Exit.OK),
    (["unlinked", "list"], examples.UNLINKED, Exit.OK),
    (["feeds", "list"], examples.FEEDS, Exit.FINDINGS),
    (["status"], examples.STATUS, Exit.FINDINGS),
)


class View:
    """Serves answers by path; `asked` keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        view = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                view.asked.append((path, urllib.parse.parse_qs(query)))
                status, body = view.answer(urllib.parse.unquote(path))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, path: str) -> tuple[int, bytes]:
        if path == "/v1/orders/broken":
            return 200, b"<html>"
        if path == "/v1/orders/busy":
            return 503, b'{"detail": "Not read yet.", "next_step": "Ask again."}'
        if path == "/v1/orders/wrong":
            return 422, json.dumps(NOT_UNDERSTOOD).encode()
        found = ANSWERS.get(path)
        if found is None:
            refusal = {"detail": f"Nothing at {path}.", "next_step": "Look.", "candidates": ["B/1"]}
            return 404, json.dumps(refusal).encode()
        return 200, json.dumps(found).encode()

    def __enter__(self) -> View:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    with View() as running:
        yield running


def ask(view: View, *words: str) -> Result:
    return CliRunner().invoke(slipwatch, [*words, "--view-url", view.url])


@pytest.mark.parametrize(("words", "answer", "code"), COMMANDS)
def test_json_is_the_answer_itself(view: View, words: list[str], answer: Json, code: Exit) -> None:
    result = ask(view, *words, "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == answer


@pytest.mark.parametrize(("words", "answer", "code"), COMMANDS)
def test_every_answer_can_be_read_by_people(
    view: View, words: list[str], answer: Json, code: Exit
) -> None:
    result = ask(view, *words, "--utc")
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "None" not in result.stdout


def test_an_order_line_shows_standing_promises_and_next_step(view: View) -> None:
    text = ask(view, "order", "show", "4711", "--utc").stdout
    assert "ACME/4711#10  at risk, shipped: Expected on 9 March" in text
    assert "2026-03-06 (falls due 2026-03-06 17:00 UTC; told by nordwerk-erp" in text
    assert "arrive by 2026-03-06 17:00 UTC, told by seaways" in text
    assert "12,500.00 EUR" in text
    assert "As of tick 8204, 2026-03-02 06:00 UTC." in text


def test_times_are_in_the_zone_of_the_reader(view: View, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        text = ask(view, "order", "show", "4711").stdout
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "As of tick 8204, 2026-03-02 15:00 JST." in text


def test_an_alert_shows_cause_consequences_and_who_was_told(view: View) -> None:
    text = ask(view, "alerts", "show", "5f21c09b3e7d", "--utc").stdout
    for expected in (
        "Shipment SEAWAYS/S-88",
        "ACME/4711#10",
        "What it hits: 1",
        "operations",
        "owed",
    ):
        assert expected in text


def test_a_stock_node_shows_its_balance_and_what_is_projected(view: View) -> None:
    told = ask(view, "stock", "show", "BOLT@LYON").output
    for shown in ("short", "125 EA", "150 on 2026-03-01 18:00 UTC", "2026-03-11", "-75"):
        assert shown in told
    ask(view, "stock", "list", "--standing", "short", "--site", "LYON")
    assert view.asked[-1] == (
        "/v1/stock", {"standing": ["short"], "site": ["LYON"], "limit": ["50"]},
    )  # fmt: skip


def test_a_promise_shows_dates_and_who_would_wait(view: View) -> None:
    told = ask(
        view, "promise", "BOLT", "120", "LYON", "--by", "2026-03-04", "--unit", "EA", "--utc"
    ).output
    for shown in ("Not by 2026-03-04", "HAMBURG-LYON", "2026-03-09", "ACME/4711#10", "by nothing"):
        assert shown in told
    wanted = {"item": "BOLT", "quantity": "120", "site": "LYON", "by": "2026-03-04", "unit": "EA"}
    assert view.asked[-1] == ("/v1/promise", {name: [said] for name, said in wanted.items()})


def test_filters_reach_the_view(view: View) -> None:
    ask(view, "alerts", "list", "--state", "all", "--severity", "major", "--limit", "7")
    path, query = view.asked[-1]
    assert path == "/v1/alerts"
    assert query == {"severity": ["major"], "limit": ["7"]}
    ask(view, "dead-letters", "list", "--not-retried")
    assert view.asked[-1][1]["retried"] == ["false"]
    ask(view, "explain", "ACME/4711#10", "--tick", "8100")
    assert view.asked[-1][1] == {"id": ["ACME/4711#10"], "tick": ["8100"]}


def test_an_id_with_signs_that_a_url_gives_a_meaning_arrives_whole(view: View) -> None:
    ask(view, "order", "show", "ACME/47 11#10?x")
    assert view.asked[-1][0] == "/v1/orders/ACME/47%2011%2310%3Fx"


def test_nothing_by_that_id_is_one_answer_with_what_was_perhaps_meant(view: View) -> None:
    result = ask(view, "order", "show", "B")
    assert result.exit_code == Exit.FINDINGS
    assert result.stderr.splitlines() == [
        "slipwatch: Nothing at /v1/orders/B.",
        f"slipwatch: {NEXT_STEPS[NOT_FOUND]}",
        "slipwatch: perhaps B/1",
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [("busy", f"Not read yet. {NEXT_STEPS[NOT_READY]}"), ("broken", "is no view")],
)
def test_a_view_that_cannot_answer_has_its_own_code(view: View, number: str, said: str) -> None:
    result = ask(view, "order", "show", number)
    assert result.exit_code == Exit.VIEW
    assert said in result.stderr


def test_hints_are_for_the_command_line() -> None:
    for said in NEXT_STEPS.values():
        assert "/v1" not in said
        assert "%23" not in said


def test_a_question_that_the_view_refuses_names_the_parameter(view: View) -> None:
    result = ask(view, "order", "show", "wrong")
    assert result.exit_code == Exit.VIEW
    assert "does not understand: limit: at most 500" in result.stderr


def test_a_rule_that_there_is_none_of_is_refused_with_those_that_are(view: View) -> None:
    result = ask(view, "alerts", "list", "--rule", "nosuch")
    assert result.exit_code == Exit.USAGE
    assert all(rule.name in result.stderr for rule in RULES)
    ask(view, "alerts", "list", "--rule", RULES[0].name)
    assert view.asked[-1][1]["rule"] == [RULES[0].name]


def test_status_says_how_many_of_the_blind_feeds_are_in_quarantine(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "in quarantine" not in ask(view, "status").stdout
    (feed,) = examples.STATUS["blind_feeds"]
    blind = [feed, feed | {"source": "lyon-wms", "quarantined": True}]
    told = examples.STATUS | {"blind_feeds": blind}
    monkeypatch.setitem(ANSWERS, "/v1/status", told)
    assert "4, 2 blind, 1 of them in quarantine" in ask(view, "status").stdout
    measured = write_metrics(Status.model_validate(told)).splitlines()
    assert "slipwatch_status_blind_feeds 2.0" in measured
    assert "slipwatch_status_quarantined_feeds 1.0" in measured


def test_what_a_tick_waits_for_is_told_only_once_it_has_waited(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = examples.STATUS | {"held_back_by": examples.STATUS["partitions"]}
    monkeypatch.setitem(ANSWERS, "/v1/status", at_work)
    shown = ask(view, "status").stdout
    assert "held back by" not in shown
    assert "level with the topics 1 s ago" in shown
    waited = at_work | {"newest_tick_read_at": "2026-03-02T05:59:50Z"}
    monkeypatch.setitem(ANSWERS, "/v1/status", waited)
    assert "held back by" in ask(view, "status").stdout
    unread = at_work | {"newest_tick_read_at": None, "view_checked_at": None}
    monkeypatch.setitem(ANSWERS, "/v1/status", unread)
    assert "has not read yet" in ask(view, "status").stdout


def test_a_line_says_whether_its_supplier_is_asked(view: View) -> None:
    shown = " ".join(ask(view, "explain", "ACME/4711#10").stdout.split())
    assert "asking the supplier: To confirm: There is nothing to ask the supplier for. For" in shown


def test_an_alert_is_explained_from_the_alert_down(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {
        "about": "alert",
        "id": "5f21c09b3e7d",
        "order": None,
        "asking": "",
        "facts": [],
        "alerts": [examples.ALERT["alert"]],
        "verdicts": [],
        "past_verdicts": examples.EXPLANATION["verdicts"],
    }
    monkeypatch.setitem(ANSWERS, "/v1/explain", examples.EXPLANATION | about)
    shown = ask(view, "explain", "5f21c09b3e7d").stdout
    assert "asking the supplier" not in shown
    assert shown.index("Ask SEAWAYS") < shown.index("What rules said before")
    assert "ACME/4711#10" in shown[shown.index("What rules said before") :]


def test_nothing_to_list_is_none_and_one_is_one(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "1 alert. As of" in ask(view, "alerts", "list").stdout
    monkeypatch.setitem(ANSWERS, "/v1/alerts", examples.ALERTS | {"alerts": []})
    assert ask(view, "alerts", "list", "--utc").stdout.splitlines() == [
        "none",
        "0 alerts. As of tick 8204, 2026-03-02 06:00 UTC.",
    ]


def test_tables_are_as_wide_as_columns_says(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(len, ask(view, "alerts", "list").stdout.splitlines())) > 100
    monkeypatch.setenv("COLUMNS", "90")
    assert max(map(len, ask(view, "alerts", "list").stdout.splitlines())) <= 90
