"""A partner answers by a link, with a browser that knows forms and nothing else."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.units import HOUR_MS
from streams.broker.embedded import EmbeddedBroker
from streams.door.links import Link, Purpose, load_keys, seal_link
from streams.door.tokens import add_token
from streams.engine.clock import WallClock
from streams.settings import TopicSettings
from tests.integration.process import command, started
from tests.integration.test_door import environment_of, lying_on


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(TopicSettings(engine_partitions=1, fact_partitions=1)) as running:
        yield running


def ask(url: str, form: dict[str, str] | None = None) -> tuple[int, str, dict[str, str]]:
    """What a browser gets: GET, or POST with a form."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def test_a_link_is_opened_any_number_of_times_and_answered_once(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    environment = environment_of(broker.bootstrap)
    add_token(tmp_path / ".slipwatch/tokens.json", "wms", "wms-oslo")
    made = command(["door", "link-key"], environment, tmp_path)
    assert made.returncode == 0, made.stderr
    keys = load_keys(tmp_path / ".slipwatch/link-keys")
    good = Link("NORD", "ACME/4711", "10", Purpose.ANSWER, WallClock().now() + HOUR_MS, "VALVE",
                "400", "PCE")  # fmt: skip
    with started(["door", "run"], environment, tmp_path) as door:
        url = f"{door.address}/answer/{seal_link(good, keys)}"
        for _ in range(3):
            status, page, headers = ask(url)
            assert status == 200
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        found = re.search(r'name="form" value="([^"]+)"', page)
        assert found is not None
        status, page, _ = ask(url, {"form": found[1], "answer": "confirm", "date1": "soon"})
        assert status == 422
        assert "promised_on is &#x27;soon&#x27;" in page
        form = {"form": found[1], "answer": "confirm", "date1": "2026-12-09", "quantity1": "300"}
        assert ask(url, form)[0] == ask(url, form)[0] == 200
        assert ask(url, form | {"date1": "2026-12-16"})[0] == 200
        facts = lying_on(broker.bootstrap, "orders", 3)
        assert facts[0].event_id == facts[1].event_id != facts[2].event_id
        assert (facts[0].source, facts[0].kind) == ("partner:NORD", "confirmed")
        assert ask(url[:-3] + "AAA")[0] == 404
        assert ask(url.replace("/answer/", "/answer/x"), form)[0] == 404
        late = Link("NORD", "ACME/4711", "10", Purpose.ANSWER, WallClock().now() - 1)
        assert ask(f"{door.address}/answer/{seal_link(late, keys)}", form)[0] == 410
        assert seal_link(good, keys) not in door.text()
