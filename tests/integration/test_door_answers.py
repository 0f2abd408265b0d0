"""A partner answers by a link, with a browser that knows forms and nothing else."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.facts import OrderFact
from schemas.units import HOUR_MS
from streams.broker.embedded import EmbeddedBroker
from streams.door.links import Link, Purpose, load_keys, rotate_keys, seal_link
from streams.door.tokens import add_token
from streams.engine.clock import WallClock
from streams.settings import TopicSettings
from streams.webhooks.answer_links import AnswerLinks
from tests.hooks import drive, sender_of, signs_up
from tests.integration.process import command, started
from tests.integration.test_door import environment_of, lying_on
from tests.receivers import Receiver, certificate, receiving
from tests.relays import relay_of, settle
from tests.scenario import START
from tests.unit.engine.test_chasing import Scene


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
                "400", "PCE", is_order_shown=True)  # fmt: skip
    with started(["door", "run"], environment, tmp_path) as door:
        url = f"{door.address}/answer/{seal_link(good, keys)}"
        for _ in range(3):
            status, page, headers = ask(url)
            assert status == 200
        assert "Order 4711, line 10" in page
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


def test_who_is_asked_by_webhook_answers_by_the_link_in_it_and_is_asked_no_more(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    scene = Scene()
    relay = relay_of(scene.engine)
    tls = certificate(tmp_path)
    environment = environment_of(broker.bootstrap)
    keys_file = tmp_path / ".slipwatch/link-keys"
    add_token(tmp_path / ".slipwatch/tokens.json", "wms", "wms-oslo")
    rotate_keys(keys_file)

    def told(door: str, receiver: Receiver) -> dict[str, Any]:
        """What the supplier's address was told of the line last."""
        settle(relay)
        links = AnswerLinks(door, lambda: load_keys(keys_file), pytest.fail)
        sender = sender_of(scene.engine, tls[1], answer_links=links)
        drive(sender, lambda: (sender.status().state, sender.status().owed) == ("running", 0))
        return dict(receiver.requests[-1].said["data"])

    with started(["door", "run"], environment, tmp_path) as door, receiving(*tls) as receiver:
        signs_up(scene.engine.log, "SUP", receiver.url())
        scene.go(30)
        asked = told(door.address, receiver)
        assert asked["awaits"] == "confirmation"
        status, page, _ = ask(asked["answer_url"])
        assert (status, "Order PO-1, line 10" in page, "ACME" in page) == (200, True, False)
        found = re.search(r'name="form" value="([^"]+)"', page)
        assert found is not None
        form = {"form": found[1], "answer": "confirm", "date1": "2036-12-09"}
        assert ask(asked["answer_url"], form)[0] == 200
        (fact,) = lying_on(broker.bootstrap, "orders", 1)
        assert asked["answer_url"].rpartition("/")[2] not in door.text()
        assert isinstance(fact, OrderFact)
        assert (fact.source, fact.order_ref, fact.line) == ("partner:SUP", "ACME/PO-1", "10")
        scene.go((fact.recorded_at - START) / HOUR_MS + 1, fact)
        answered = told(door.address, receiver)
    assert answered["promised_on"] == "2036-12-09"
    assert not answered.keys() & {"awaits", "answer_url"}
    assert len(receiver.requests) == 2
