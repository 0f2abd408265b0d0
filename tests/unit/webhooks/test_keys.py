"""Secrets are made of the key, the registration and a number; the file of the key is private."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from alerts.sinks.webhook import Secret
from schemas.units import instant
from streams.webhooks.keys import KeyRefused, WebhookKey, load_key, make_key
from streams.webhooks.registration import Registration

KEY = WebhookKey(b"k" * 32)


def test_each_registration_and_each_number_has_a_secret_of_its_own() -> None:
    keys = (KEY, WebhookKey(b"l" * 32))
    made = [key.secret(of * 16, number) for key in keys for of in ("a1", "b2") for number in (1, 2)]
    assert len(set(made)) == 8
    assert made == [
        key.secret(of * 16, number) for key in keys for of in ("a1", "b2") for number in (1, 2)
    ]
    # It is one of Standard Webhooks, of 32 bytes, and its mark says nothing of it.
    Secret(made[0])
    assert len(base64.b64decode(made[0].removeprefix("whsec_"))) == 32
    assert KEY.mark("a1" * 16) != keys[1].mark("a1" * 16)
    assert KEY.mark("a1" * 16) not in base64.b64decode(made[0].removeprefix("whsec_")).hex()


def test_both_secrets_sign_until_it_is_over() -> None:
    at = instant(0)
    made = Registration(
        party="A", url="", registration="", key_mark="", registered_at=at, changed_at=at,
        secret=3, both_until=1_000,
    )  # fmt: skip
    assert [made.secrets_at(now) for now in (0, 999, 1_000)] == [(3, 2), (3, 2), (3,)]


def test_a_key_is_made_once_for_us_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "webhook-key"
    with pytest.raises(KeyRefused, match="slipwatch partners webhook key"):
        load_key(path)
    make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    mark = load_key(path).mark("a")
    with pytest.raises(KeyRefused, match="already"):
        make_key(path)
    assert load_key(path).mark("a") == mark
    path.chmod(0o644)
    with pytest.raises(KeyRefused, match="expected 0600"):
        load_key(path)


@pytest.mark.parametrize("content", [b"", b"!!!", base64.b64encode(b"short")])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "webhook-key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="found"):
        load_key(path)
