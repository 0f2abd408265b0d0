"""`slipwatch view` on PostgreSQL: one follows, another answers from the same database."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.integration.process import Process, command, get, started, wait_until
from tests.integration.view_bench import mock_broker
from tests.postgres import Postgres
from tests.unit.console.story import first_tick, second_tick


def shows(view: Process, tick: int) -> bool:
    """Whether the view is level, and as of the tick."""
    status, body = get(view.address + "/ready")
    return status == 200 and body["as_of"]["tick"] == tick


def test_one_view_follows_and_another_answers_the_same(postgres: Postgres, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(postgres.password + "\n", encoding="utf-8")
    with mock_broker() as broker, ExitStack() as views:
        broker.append_tick(1, first_tick())
        environment = {
            "SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS": broker.client_config["bootstrap.servers"],
            "SLIPWATCH_VIEW__PORT": "0",
            "SLIPWATCH_VIEW__DATABASE": postgres.database().replace("+pg8000", ""),
            "SLIPWATCH_VIEW__DATABASE_PASSWORD_FILE": str(secret),
        }
        reads = environment | {"SLIPWATCH_VIEW__FOLLOW": "false"}
        early = command(["view"], reads, tmp_path)
        assert early.returncode == 3, early.stderr
        assert "Start a view of this release that follows (view.follow) first" in early.stderr
        following = views.enter_context(started(["view"], environment, tmp_path))
        wait_until(lambda: get(following.address + "/ready")[0] == 200, following.text)
        answering = views.enter_context(started(["view"], reads, tmp_path))
        wait_until(lambda: get(answering.address + "/ready")[0] == 200, answering.text)
        postgres.stop()
        try:
            wait_until(lambda: get(answering.address + "/ready")[0] == 503, answering.text)
            broker.append_tick(2, second_tick())
        finally:
            postgres.start()
        for view in (following, answering):
            wait_until(partial(shows, view, 2), view.text)
        asked = "/v1/orders/4711", "/v1/alerts", "/v1/feeds", "/v1/decisions", "/v1/unlinked"
        for path in asked:
            assert get(following.address + path) == get(answering.address + path)
        shown = command(["config", "show"], environment, tmp_path)
        for view in (following, answering):
            view.signal(signal.SIGTERM)
            assert view.wait() == 0, view.text()
            assert postgres.password not in view.text()
        assert postgres.password not in shown.stdout + shown.stderr
