"""`slipwatch door link`: a link for the supplier of a line, as the view knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from schemas.limits import LINK_HOURS_MAX
from schemas.units import HOUR_MS
from streams.cli.root import slipwatch
from streams.door.links import load_keys, read_link
from streams.engine.clock import WallClock
from streams.exits import Exit
from tests.unit.cli.test_answers import View


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[View]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWATCH_DOOR__PUBLIC_URL", "https://door.example.com/")
    with View() as running:
        yield running


def link(view: View, *words: str) -> Result:
    return CliRunner().invoke(slipwatch, ["door", "link", *words, "--view-url", view.url])


def test_the_link_is_for_the_supplier_and_holds_what_its_page_shows(view: View) -> None:
    refused = link(view, "4711")
    assert refused.exit_code == Exit.CONFIGURATION
    assert "slipwatch door link-key" in refused.output
    assert CliRunner().invoke(slipwatch, ["door", "link-key"]).exit_code == Exit.OK
    made = link(view, "4711", "--hours", "2", "--json")
    assert made.exit_code == Exit.OK, made.output
    answer = json.loads(made.stdout)
    start = "https://door.example.com/answer/"
    assert answer["url"].startswith(start)
    keys = load_keys(Path(".slipwatch/link-keys"))
    now = WallClock().now()
    found = read_link(answer["url"].removeprefix(start), keys, now)
    (line,) = json.loads(view.answer("/v1/orders/4711")[1])["lines"]
    assert (found.party, found.order_ref, found.line) == (
        line["supplier"], line["order_ref"], line["line"],
    )  # fmt: skip
    assert (found.quantity, found.unit) == (line["quantities"]["ordered"], line["unit"])
    assert found.is_order_shown
    assert found.title == f"Order 4711, line {line['line']}"
    assert 0 <= now + 2 * HOUR_MS - found.expires_at < HOUR_MS
    assert link(view, "4711").stdout.startswith(start)
    assert link(view, "4712").exit_code == Exit.FINDINGS


def test_a_link_is_good_for_so_many_hours_and_no_more(view: View) -> None:
    assert CliRunner().invoke(slipwatch, ["door", "link-key"]).exit_code == Exit.OK
    assert link(view, "4711", "--hours", str(LINK_HOURS_MAX)).exit_code == Exit.OK
    assert link(view, "4711", "--hours", str(LINK_HOURS_MAX + 1)).exit_code == Exit.USAGE
