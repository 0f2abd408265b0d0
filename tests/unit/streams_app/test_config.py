"""Where settings come from, what wins, and how a wrong one is explained."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from streams.app.credentials import faust_credentials
from streams.app.outlets import make_sinks
from streams.clients import librdkafka_config
from streams.config import MASK, ConfigurationError, load, show
from streams.settings import Settings

SECRET = "a-secret-nobody-prints"


@pytest.fixture(autouse=True)
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SLIPWATCH_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "given.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems_of(file: Path | None) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(file)
    return str(raised.value)


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, '[engine]\ntick_ms = 250\napplication_id = "a"\n[web]\nport = 1234\n')
    monkeypatch.setenv("SLIPWATCH_ENGINE__TICK_MS", "500")

    loaded = load(file)

    assert loaded.settings.engine.tick_ms == 500
    assert loaded.settings.engine.application_id == "a"
    assert loaded.settings.engine.heartbeat_ms == Settings().engine.heartbeat_ms
    shown = {value.name: (value.value, value.origin) for value in show(loaded)}
    assert shown["engine.tick_ms"] == (500, "environment SLIPWATCH_ENGINE__TICK_MS")
    assert shown["web.port"] == (1234, f"file {file}")
    assert shown["log.level"] == ("info", "default")


def test_the_file_is_the_one_named_else_the_one_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().file is None
    (tmp_path / "slipwatch.toml").write_text("[web]\nport = 1\n", encoding="utf-8")
    assert load().settings.web.port == 1
    (tmp_path / "other.toml").write_text("[web]\nport = 2\n", encoding="utf-8")
    monkeypatch.setenv("SLIPWATCH_CONFIG", "other.toml")
    assert load().settings.web.port == 2
    assert load(tmp_path / "slipwatch.toml").settings.web.port == 1
    monkeypatch.setenv("SLIPWATCH_CONFIG", "gone.toml")
    assert problems_of(None) == "gone.toml: there is no such file"


def test_every_problem_is_told_at_once_with_place_found_and_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, '[engine]\ntick_ms = "soon"\n\n[web]\nprot = 1\n')
    monkeypatch.setenv("SLIPWATCH_DELIVERY__ATTEMPTS_MAX", "0")

    lines = problems_of(file).splitlines()

    assert len(lines) == 3
    assert lines[0].startswith(f"file {file}, line 2: engine.tick_ms: ")
    assert lines[0].endswith("found 'soon'")
    assert lines[1] == f"file {file}, line 5: web.prot: there is no such setting, found 1"
    assert lines[2].startswith("environment SLIPWATCH_DELIVERY__ATTEMPTS_MAX: ")
    assert "greater than or equal to 1, found '0'" in lines[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[web\n", "this is not TOML"),
        ("[engine]\nheartbeat_ms = 9000\n", "fewer than three heartbeats"),
        ('[kafka]\nsecurity_protocol = "SASL_SSL"\n', "needs sasl_mechanism, sasl_username"),
        ('[kafka]\nsasl_username = "u"\n', "security_protocol is PLAINTEXT"),
        ('[kafka]\nsecurity_protocol="SSL"\nssl_ca_file="gone.pem"\n', "no file gone.pem"),
        ('[sinks.webhooks.a]\nurl = "http://x"\n', "needs secret or secret_file"),
        ('[sinks.webhooks.a]\nurl = "http://x"\nsecret_file = "gone"\n', "gone cannot be read"),
        ("web = 3\n", "web: "),
        ('[registry]\ntoken_file = "two-lines"\n', "registry.token: holds a blank"),
        ('[registry]\ntoken = "s3cr\u20act"\n', "registry.token: holds a blank"),
        ('[registry]\ntoken = ""\n', "registry.token: holds a blank"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "two-lines").write_text("a\nb\n", encoding="utf-8")
    assert expected in problems_of(written(tmp_path, text))


def test_a_value_of_the_wrong_kind_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLIPWATCH_WEB", "{not json")
    assert "environment" in problems_of(None)


def test_a_variable_that_no_setting_reads_is_a_warning_and_foreign_ones_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLIPWATCH_TICK_MS", "1")
    monkeypatch.setenv("SLIPWATCH_TEST_DATA", "somewhere")
    monkeypatch.setenv("SLIPWATCH_WORKER_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("SLIPWATCH_WORKER_PORT", "tcp://10.0.0.1:80")
    assert load().warnings == ("environment SLIPWATCH_TICK_MS: there is no such setting",)


def test_no_secret_is_shown_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n", encoding="utf-8")
    file = written(
        tmp_path,
        """
        [kafka]
        security_protocol = "SASL_PLAINTEXT"
        sasl_mechanism = "SCRAM-SHA-256"
        sasl_username = "worker"
        sasl_password_file = "password"
        [sinks.webhooks.planners]
        url = "https://example.com/hook"
        """,
    )
    monkeypatch.setenv("SLIPWATCH_SINKS__WEBHOOKS__PLANNERS__SECRET", SECRET)

    loaded = load(file)

    shown = {value.name: value for value in show(loaded)}
    assert shown["kafka.sasl_password"].value == MASK
    assert shown["kafka.sasl_password"].origin == "file password"
    assert shown["sinks.webhooks.planners.secret"].value == MASK
    assert SECRET not in repr(loaded.settings.kafka)
    assert SECRET not in repr(loaded.settings.sinks)
    assert SECRET not in str(list(shown.values()))
    assert librdkafka_config(loaded.settings.kafka)["sasl.password"] == SECRET


def test_a_wrong_secret_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    file = written(tmp_path, f'[kafka]\nsasl_password = "{SECRET}"\nbootstrap_servers = 3\n')
    text = problems_of(file)
    assert "kafka.bootstrap_servers" in text
    assert SECRET not in text
    webhook = f'[sinks.webhooks.a]\nurl = "{SECRET}"\nsecret = ["{SECRET}"]\n'
    assert SECRET not in problems_of(written(tmp_path, webhook))


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://view:{SECRET}@db/view",
        f"postgresql://view:{SECRET}@db:port/view",
        f"postgresql://view:a/{SECRET}#@db/view",
        f"postgresql://view@db/view?x=1&password={SECRET}",
        f"mysql://:{SECRET}@db/view",
    ],
)
def test_a_password_in_the_databases_address_is_refused(tmp_path: Path, address: str) -> None:
    text = problems_of(written(tmp_path, f'[view]\ndatabase = "{address}"\n'))
    assert "line 2: view.database: holds a password; view.database_password" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "address",
    ["postgresql://view@[::1]:5432/view", "postgresql://db:5432/view", "sqlite:///C:/me@home/v.db"],
)
def test_an_address_without_a_password_is_taken(tmp_path: Path, address: str) -> None:
    loaded = load(written(tmp_path, f'[view]\ndatabase = "{address}"\n'))
    assert loaded.settings.view.database == address


def test_a_secret_and_its_file_exclude_one_another(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("x", encoding="utf-8")
    hook = '[sinks.webhooks.a]\nurl = "http://x"\nsecret = "y"\nsecret_file = "s"\n'
    assert "one of them must go" in problems_of(written(tmp_path, hook))


def test_both_clients_are_told_the_same(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        [kafka]
        bootstrap_servers = "broker:9093"
        security_protocol = "SASL_SSL"
        sasl_mechanism = "SCRAM-SHA-512"
        sasl_username = "worker"
        sasl_password = "pw"
        ssl_check_hostname = false
        """,
    )
    kafka = load(file).settings.kafka

    config = librdkafka_config(kafka)
    credentials = faust_credentials(kafka)

    assert config["bootstrap.servers"] == "broker:9093"
    assert config["security.protocol"] == "SASL_SSL"
    assert config["sasl.mechanism"] == "SCRAM-SHA-512"
    assert config["ssl.endpoint.identification.algorithm"] == "none"
    assert credentials is not None
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.mechanism.value == "SCRAM-SHA-512"
    assert credentials.username == "worker"
    assert credentials.password == "pw"
    assert credentials.ssl_context.check_hostname is False
    assert faust_credentials(Settings().kafka) is None


MAIL = """
[sinks.smtp]
host = "mail.example.com"
sender = "slipwatch@example.com"
{smtp}
[sinks.mailboxes.desk]
address = "desk@example.com"
{mailbox}
"""


def test_a_mailbox_is_a_sink_and_its_password_comes_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "smtp-password"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    smtp = f'username = "slipwatch"\npassword_file = "{secret}"'
    loaded = load(written(tmp_path, MAIL.format(smtp=smtp, mailbox='time_zone = "Europe/Oslo"')))

    assert loaded.settings.sinks.smtp.password is not None
    assert loaded.settings.sinks.smtp.password.get_secret_value() == SECRET
    sinks = make_sinks(loaded.settings, lambda: dt.datetime(2026, 3, 4, tzinfo=dt.UTC))
    assert list(sinks) == ["log", "desk"]
    assert SECRET not in repr(sinks) + repr(loaded) + repr(list(show(loaded)))


@pytest.mark.parametrize(
    ("smtp", "mailbox", "expected"),
    [
        ('username = "me"', "", "username and password (or password_file) are only good together"),
        (
            'username = "me"\npassword = "pw"\nsecurity = "none"',
            "",
            "a password would cross the network readable",
        ),
        ('ca_file = "/nowhere/ca.pem"', "", "sinks.smtp.ca_file: there is no file"),
        ("", 'time_zone = "Norway/Oslo"', "time_zone is 'Norway/Oslo', expected a name of the tz"),
        ("", '[sinks.mailboxes.log]\naddress = "a@b"', "a mailbox cannot be called `log`"),
        ("", '[sinks.mailboxes.other]\naddress = "nobody"', "sinks.mailboxes.other.address"),
        (
            "",
            '[sinks.webhooks.desk]\nurl = "http://127.0.0.1/"\nsecret = "whsec_x"',
            "desk is the name of a webhook and of a mailbox",
        ),
    ],
)
def test_mail_settings_that_cannot_work_are_refused(
    tmp_path: Path, smtp: str, mailbox: str, expected: str
) -> None:
    assert expected in problems_of(written(tmp_path, MAIL.format(smtp=smtp, mailbox=mailbox)))


def test_mailboxes_need_a_server(tmp_path: Path) -> None:
    text = '[sinks.mailboxes.desk]\naddress = "desk@example.com"\n'
    assert "mailboxes need smtp.host and smtp.sender" in problems_of(written(tmp_path, text))


def test_a_file_that_holds_no_certificates_is_refused(tmp_path: Path) -> None:
    authorities = tmp_path / "ca.pem"
    authorities.write_text("no certificates", encoding="utf-8")
    loaded = load(written(tmp_path, MAIL.format(smtp=f'ca_file = "{authorities}"', mailbox="")))
    with pytest.raises(ConfigurationError, match="holds no certificates"):
        make_sinks(loaded.settings, lambda: dt.datetime(2026, 3, 4, tzinfo=dt.UTC))
