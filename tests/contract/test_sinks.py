"""What every sink promises, and what a webhook does over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from alerts.incidents import advance
from alerts.judgement import judge
from alerts.notices import decide, for_audience
from alerts.policy import DEFAULT
from alerts.sinks import (
    SINKS,
    LogSink,
    MailSink,
    Permanent,
    Recoverable,
    Secret,
    SecretRefused,
    Sink,
)
from alerts.sinks.webhook import WebhookSink
from schemas.records import Notification, decode, encode
from tests.postbox import Postbox, serving
from tests.unit.alerts import scene

SECRET = "whsec_c2xpcHdhdGNoIHNpZ25zIHdoYXQgaXQgc2VuZHM="
TOKEN = "t0ken-in-the-path"


def clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the receiver compares it with its own clock


def notification() -> Notification:
    """A real one: an unconfirmed line, through incident and notice."""
    context = scene.context(scene.line({"requested": "2026-05-04"}), "2026-03-04 08:00")
    judgement = judge(context, ())
    found = {f"{each.subject}|{each.rule}": each for each in judgement.findings}
    key = judgement.findings[0].key
    step = advance(None, key, found, context.now, 7, DEFAULT, scene.NETWORK)
    assert step.alert is not None
    recipient = DEFAULT.recipients["operations"]
    seen = for_audience(step.alert, recipient, scene.NETWORK, DEFAULT, found)
    decided = decide(
        None, seen, step.event, recipient.id, True, DEFAULT, scene.NETWORK, context.now, 7
    )
    assert decided.notification is not None
    return decided.notification


NOTIFICATION = notification()


@dataclass
class Receiver:
    """A receiver on a free port that checks signatures as a customer's would."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    answer: str = "thanks, and something long and secret"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.bodies.append(Webhook(SECRET).verify(body, headers))
        self.ids.append(headers["webhook-id"])
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body + " ", headers)
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, headers=self.headers, text=self.answer)


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[Receiver]:
    application = web.Application()
    application.router.add_post(f"/hooks/{TOKEN}", receiver.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    receiver.url = f"http://127.0.0.1:{port}/hooks/{TOKEN}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def webhook(url: str, timeout_s: float = 5.0) -> WebhookSink:
    return WebhookSink(url, Secret(SECRET), clock, timeout_s)


@asynccontextmanager
async def a_log() -> AsyncIterator[Sink]:
    yield LogSink()


@asynccontextmanager
async def a_webhook() -> AsyncIterator[Sink]:
    async with listening(Receiver()) as receiver:
        yield webhook(receiver.url)


@asynccontextmanager
async def a_mailbox() -> AsyncIterator[Sink]:
    async with serving(Postbox()) as server:
        keeps_secret = replace(server, password=SECRET)
        yield MailSink(keeps_secret, "desk@example.com", ZoneInfo("Europe/Oslo"), clock)


MAKERS: dict[type[object], Callable[[], Any]] = {
    LogSink: a_log,
    MailSink: a_mailbox,
    WebhookSink: a_webhook,
}


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.mark.parametrize("kind", SINKS, ids=lambda kind: kind.__name__)
class TestEverySink:
    def test_it_delivers_the_same_again_and_several_at_a_time(self, kind: type[object]) -> None:
        async def work() -> None:
            async with MAKERS[kind]() as sink:
                await sink.deliver(NOTIFICATION)
                await asyncio.gather(*(sink.deliver(NOTIFICATION) for _ in range(5)))
                await sink.close()

        before = encode(NOTIFICATION)
        run(work())
        assert encode(NOTIFICATION) == before

    def test_it_may_be_closed_unused(self, kind: type[object]) -> None:
        async def work() -> None:
            async with MAKERS[kind]() as sink:
                await sink.close()

        run(work())

    def test_it_keeps_secrets_and_the_text_to_itself(self, kind: type[object]) -> None:
        async def work() -> None:
            async with MAKERS[kind]() as sink:
                await sink.deliver(NOTIFICATION)
                shown.append(repr(sink))
                await sink.close()

        shown: list[str] = []
        with structlog.testing.capture_logs() as logged:
            run(work())
        everything = repr(shown) + repr(logged)
        assert SECRET.removeprefix("whsec_") not in everything
        assert TOKEN not in everything
        assert NOTIFICATION.text not in everything


def test_the_log_says_who_what_and_what_to_do() -> None:
    with structlog.testing.capture_logs() as logged:
        run(LogSink().deliver(NOTIFICATION))
    (line,) = logged
    assert line["event"] == "notification"
    assert line["log_level"] == "info"
    assert line["title"] == "Order ACME/4711: 1 line not confirmed"
    assert (line["id"], line["recipient"]) == (NOTIFICATION.notification_id, "operations")


def test_a_webhook_brings_the_whole_notification_under_a_stable_id() -> None:
    receiver = Receiver(status=204, answer="")

    async def work() -> None:
        async with listening(receiver):
            sink = webhook(receiver.url)
            await sink.deliver(NOTIFICATION)
            await sink.deliver(NOTIFICATION)
            await sink.close()

    run(work())
    assert receiver.ids == [NOTIFICATION.notification_id] * 2
    assert receiver.bodies[0] == json.loads(encode(NOTIFICATION))
    assert decode(json.dumps(receiver.bodies[1]).encode(), Notification) == NOTIFICATION


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_delivered(status: int) -> None:
    assert outcome(Receiver(status=status)) is None


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 422])
def test_what_will_not_get_better_is_permanent(status: int) -> None:
    raised = outcome(Receiver(status=status, headers={"location": "http://127.0.0.1:9/"}))
    assert isinstance(raised, Permanent)
    assert str(raised).endswith(f"answered {status}")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_get_better_is_recoverable(status: int) -> None:
    raised = outcome(Receiver(status=status))
    assert isinstance(raised, Recoverable)
    assert raised.retry_after_s is None
    assert "secret" not in str(raised)
    assert TOKEN not in str(raised)


@pytest.mark.parametrize(
    ("said", "pause_s"),
    [("7", 7.0), ("0", 0.0), ("99999999999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)
def test_a_receiver_may_ask_for_a_pause(said: str, pause_s: float | None) -> None:
    raised = outcome(Receiver(status=429, headers={"retry-after": said}))
    assert isinstance(raised, Recoverable)
    assert raised.retry_after_s == pause_s


def test_no_answer_is_recoverable_and_takes_no_longer_than_it_may() -> None:
    raised = outcome(Receiver(delay_s=2.0), timeout_s=0.2)
    assert isinstance(raised, Recoverable)
    assert "did not answer in 0.2 s" in str(raised)


def test_nobody_there_is_recoverable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def work() -> None:
            sink = webhook(f"http://127.0.0.1:{port}/")
            with pytest.raises(Recoverable, match=f"127.0.0.1:{port}: Client"):
                await sink.deliver(NOTIFICATION)
            await sink.close()

        run(work())


def test_an_address_that_is_none_is_permanent() -> None:
    async def work() -> None:
        sink = webhook("not an address")
        with pytest.raises(Permanent):
            await sink.deliver(NOTIFICATION)
        await sink.close()

    run(work())


def outcome(receiver: Receiver, timeout_s: float = 5.0) -> Exception | None:
    """What delivering to the receiver raises."""
    raised: list[Exception] = []

    async def work() -> None:
        async with listening(receiver):
            sink = webhook(receiver.url, timeout_s)
            try:
                await sink.deliver(NOTIFICATION)
            except (Permanent, Recoverable) as error:
                raised.append(error)
            await sink.close()

    run(work())
    assert receiver.bodies, "the receiver saw a request with a good signature"
    return raised[0] if raised else None


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "whsec_" + "QUJD" * 40]
)
def test_a_bad_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SecretRefused) as refused:
        Secret(text)
    inside = text.removeprefix("whsec_")
    assert not inside or inside not in str(refused.value)


def test_a_secret_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    at = clock()
    signed = Secret.of_file(path).signed("msg_1", at, "{}")
    assert signed == Webhook(SECRET).sign("msg_1", at, "{}")
    assert repr(Secret.of_file(path)) == "Secret(***)"
