"""E-mail to a real SMTP server on this machine."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword

from alerts import summary
from alerts.policy import DEFAULT
from alerts.sinks import MailSink, Permanent, Recoverable
from schemas.records import Notification, Severity
from tests.contract.test_sinks import NOTIFICATION
from tests.postbox import SENDER, Postbox, serving
from tests.unit.alerts import scene

OSLO = ZoneInfo("Europe/Oslo")
SENT_AT = dt.datetime(2026, 3, 4, 8, 1, tzinfo=dt.UTC)
READER = "desk@example.com"
USER, PASSWORD = "slipwatch", "pa55-of-the-mail-server"


def _knows(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    wanted = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=data == wanted, handled=False)


def deliver(
    postbox: Postbox,
    notification: Notification = NOTIFICATION,
    *,
    timeout_s: float = 5.0,
    server_options: dict[str, Any] | None = None,
    **changes: Any,
) -> Exception | None:
    """What delivering it raises."""

    async def work() -> Exception | None:
        async with serving(postbox, **(server_options or {})) as server:
            changed = replace(server, **changes)
            sink = MailSink(changed, READER, OSLO, lambda: SENT_AT, timeout_s)
            assert PASSWORD not in repr(sink) + repr(changed)
            try:
                await sink.deliver(notification)
            except (Permanent, Recoverable) as error:
                return error
            finally:
                await sink.close()
            return None

    return asyncio.run(work())


def test_a_mail_says_what_happened_what_is_at_stake_and_what_to_do() -> None:
    postbox = Postbox()
    assert deliver(postbox) is None
    assert postbox.envelopes == [(SENDER, [READER])]
    (mail,) = postbox.taken
    assert mail["Subject"] == NOTIFICATION.title
    assert (mail["From"], mail["To"]) == (SENDER, READER)
    assert mail["Date"].datetime == SENT_AT
    assert mail["Auto-Submitted"] == "auto-generated"
    text, page = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert page is not None
    for body in (text.get_content(), page.get_content()):
        assert NOTIFICATION.title in body
        assert NOTIFICATION.next_step in body
        assert "10,000.00 EUR" in body
        assert "2026-03-04 09:00 CET" in body
        assert NOTIFICATION.alert.alert_id in body


def test_what_is_sent_twice_has_one_id_and_one_alert_is_one_thread() -> None:
    later = msgspec.structs.replace(NOTIFICATION, notification_id="another", event="resolved")
    postbox = Postbox()
    for notification in (NOTIFICATION, NOTIFICATION, later):
        assert deliver(postbox, notification) is None
    ids = [mail["Message-ID"] for mail in postbox.taken]
    assert ids[0] == ids[1] != ids[2]
    assert len({mail["References"] for mail in postbox.taken}) == 1
    assert postbox.taken[2]["Subject"] == f"Resolved: {NOTIFICATION.title}"


def test_a_summary_lists_what_is_open_and_is_about_no_one_alert() -> None:
    alert = NOTIFICATION.alert
    minor = msgspec.structs.replace(
        alert, alert_id="aaaaaaaaaaaa", severity=Severity.INFO, title="A smaller thing"
    )
    gathered = summary.opened(summary.opened(summary.Summary(), minor), alert)
    sent = summary.notification(gathered, DEFAULT.recipients["operations"], 9, scene.START_AT)
    assert sent is not None
    postbox = Postbox()
    assert deliver(postbox, sent) is None
    (mail,) = postbox.taken
    assert mail["Subject"] == "Summary: 2 alerts are open at the end of shadow mode"
    assert mail["References"] is None
    text, page = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert page is not None
    for body in (text.get_content(), page.get_content()):
        assert body.index(alert.title) < body.index(minor.title)
        assert f"Worst alert {alert.alert_id}" in body
        assert "Open since" not in body


def test_a_name_with_markup_or_a_line_break_stays_a_name() -> None:
    nasty = "<script>alert(1)</script> & Sons\r\nBcc: all@example.com " + "x" * 300
    changed = msgspec.structs.replace(NOTIFICATION, title=nasty, text=f"- {nasty}")
    postbox = Postbox()
    assert deliver(postbox, changed) is None
    (mail,) = postbox.taken
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) <= 150
    page = mail.get_body(("html",))
    assert page is not None
    assert "<script>" not in page.get_content()
    assert "&lt;script&gt;" in page.get_content()


@pytest.mark.parametrize("answer", ["450 try later", "421 closing", "452 full"])
def test_what_may_get_better_is_recoverable(answer: str) -> None:
    for postbox in (Postbox(rcpt_answer=answer), Postbox(data_answer=answer)):
        raised = deliver(postbox)
        assert isinstance(raised, Recoverable)
        assert raised.detail == f"127.0.0.1 answered {answer[:3]}"


@pytest.mark.parametrize("answer", ["550 no such user", "554 no"])
def test_what_will_not_get_better_is_permanent(answer: str) -> None:
    for postbox in (Postbox(rcpt_answer=answer), Postbox(data_answer=answer)):
        raised = deliver(postbox)
        assert isinstance(raised, Permanent)
        assert raised.detail == f"127.0.0.1 answered {answer[:3]}"


def test_no_answer_and_nobody_there_are_recoverable() -> None:
    raised = deliver(Postbox(delay_s=1.0), timeout_s=0.2)
    assert isinstance(raised, Recoverable)
    assert raised.detail == "127.0.0.1 did not answer in 0.2 s"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        raised = deliver(Postbox(), port=taken.getsockname()[1])
    assert isinstance(raised, Recoverable)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    folder = tmp_path_factory.mktemp("mail")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=mail.test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    try:
        subprocess.run([*command, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed; it makes the certificate of the mail server")
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


def _ours(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("is_upgraded", [True, False], ids=["starttls", "tls"])
def test_mail_goes_over_tls_with_a_password(certificate: Path, is_upgraded: bool) -> None:
    options = {
        "authenticator": _knows,
        "auth_required": is_upgraded,
        "auth_require_tls": is_upgraded,
    }
    options["tls_context" if is_upgraded else "tls"] = _ours(certificate)
    ways: dict[str, Any] = {
        "starttls": is_upgraded,
        "tls": not is_upgraded,
        "username": USER,
        "context": ssl.create_default_context(cafile=str(certificate)),
    }
    postbox = Postbox()
    assert deliver(postbox, server_options=dict(options), password=PASSWORD, **ways) is None
    assert len(postbox.taken) == 1

    refused = deliver(postbox, server_options=dict(options), password="wrong", **ways)
    assert isinstance(refused, Recoverable)
    assert refused.detail == "127.0.0.1 refused the log-in with 535"
    unknown = deliver(
        postbox,
        server_options=dict(options),
        password=PASSWORD,
        **{**ways, "context": ssl.create_default_context()},
    )
    assert isinstance(unknown, Recoverable), "a certificate that nobody vouches for gets nothing"
    assert len(postbox.taken) == 1


def test_a_server_that_cannot_secure_the_connection_gets_nothing() -> None:
    postbox = Postbox()
    raised = deliver(postbox, starttls=True)
    assert isinstance(raised, Recoverable)
    assert postbox.taken == []
