"""Tokens: made once, kept as hashes, in a file for us alone."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import pytest

from schemas import limits
from streams.door.tokens import Tokens, TokensRefused, add_token, load_tokens, remove_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "tokens.json"


def test_a_token_opens_for_its_source_and_its_secret_is_nowhere(path: Path) -> None:
    token = add_token(path, "acme-1", "partner:ACME")
    assert Tokens(path).source_of(f"Bearer {token}") == "partner:ACME"
    name, secret = token.split(".")
    assert name == "acme-1"
    assert len(secret) >= 43
    assert secret not in path.read_text()
    assert hashlib.sha256(secret.encode()).hexdigest() in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Bearer acme-1", "Bearer acme-1.", "Bearer .x",
        "Bearer acme-1.wrong", "Basic {token}", "{token}", "Bearer other.{secret}",
        "Bearer acme-1.{secret}x", "Bearer acme-1.\udcff",
    ],
)  # fmt: skip
def test_nothing_else_opens(path: Path, header: str | None) -> None:
    token = add_token(path, "acme-1", "partner:ACME")
    filled = header and header.format(token=token, secret=token.split(".")[1])
    assert Tokens(path).source_of(filled) is None


def test_two_tokens_of_one_source_hold_while_it_changes_them(path: Path) -> None:
    first = add_token(path, "acme-1", "partner:ACME")
    tokens = Tokens(path)
    assert tokens.source_of(f"Bearer {first}")
    second = add_token(path, "acme-2", "partner:ACME")
    assert tokens.source_of(f"bearer {second}") == "partner:ACME"
    assert tokens.source_of(f"Bearer {first}") == "partner:ACME"
    remove_token(path, "acme-1")
    assert tokens.source_of(f"Bearer {first}") is None
    assert tokens.source_of(f"Bearer {second}") == "partner:ACME"


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    add_token(path, "acme-1", "partner:ACME")
    path.chmod(0o440)
    assert load_tokens(path)
    for mode in (0o604, 0o620, 0o644):
        path.chmod(mode)
        with pytest.raises(TokensRefused, match=rf"mode {mode:04o}, expected 0600.*chmod 600"):
            load_tokens(path)


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 61, "ü"])
def test_a_name_that_is_none_is_refused(path: Path, name: str) -> None:
    with pytest.raises(TokensRefused, match="is no name"):
        add_token(path, name, "partner:ACME")
    assert not path.exists()


def test_a_name_is_given_once_and_what_is_not_there_is_not_removed(path: Path) -> None:
    add_token(path, "acme-1", "partner:ACME")
    with pytest.raises(TokensRefused, match="there is a token 'acme-1'"):
        add_token(path, "acme-1", "partner:NORD")
    with pytest.raises(TokensRefused, match="there is no token 'acme-9'"):
        remove_token(path, "acme-9")
    assert [token.source for token in load_tokens(path)] == ["partner:ACME"]


GOOD = {"name": "a", "source": "wms", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", '{"tokens": 1}', json.dumps({"tokens": [GOOD | {"sha256": "00"}]}),
        json.dumps({"tokens": [GOOD | {"name": "a b"}]}), json.dumps({"tokens": [GOOD, GOOD]}),
        json.dumps({"tokens": [GOOD | {"secret": "x"}]}),
        json.dumps({"tokens": [GOOD | {"source": ""}]}),
        json.dumps({"tokens": [GOOD | {"source": "s" * (limits.REFERENCE_LENGTH_MAX + 1)}]}),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(TokensRefused, match=r"^tokens\.json: "):
        load_tokens(path)


def test_a_file_of_so_many_bytes_is_read_and_one_more_is_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_token(path, "acme-1", "partner:ACME")
    monkeypatch.setattr(limits, "TOKEN_FILE_BYTES_MAX", path.stat().st_size)
    assert load_tokens(path)
    monkeypatch.setattr(limits, "TOKEN_FILE_BYTES_MAX", path.stat().st_size - 1)
    with pytest.raises(TokensRefused, match="expected at most"):
        load_tokens(path)
