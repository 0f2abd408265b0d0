"""Who may tell something over HTTP: tokens, kept as hashes in a file that only we can read.

A token is `NAME.SECRET`: the name finds the entry, the secret is 256 random bits of which the file
holds the SHA-256. It stands for one source of facts. The file is JSON, mode 0600:

    {"tokens": [{"name": "acme-1", "source": "partner:ACME", "sha256": "9f86d0..."}]}
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from schemas import limits
from streams.private_files import check_private, write_private

NAME = re.compile(r"[A-Za-z0-9_-]{1,60}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOBODY = hashlib.sha256(b"").hexdigest()


class TokensRefused(ValueError):
    """The file of tokens cannot be used, or not in this way; the text says why and what to do."""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One token as the file keeps it; the secret itself is nowhere."""

    name: str
    source: str
    sha256: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tokens: tuple[Token, ...] = ()


class Tokens:
    """The tokens of a file; it is read again whenever it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def source_of(self, header: str | None) -> str | None:
        """The source that `Authorization: Bearer NAME.SECRET` stands for; None for any other.

        The comparison takes as long for a name that is none. Without a file nobody may. Raises
        TokensRefused or OSError when the file changed to something that cannot be used.
        """
        try:
            self._read_again()
        except FileNotFoundError:
            self._tokens, self._stamp = {}, None
        scheme, _, given = (header or "").partition(" ")
        name, _, secret = given.strip().partition(".")
        token = self._tokens.get(name)
        kept = _NOBODY if token is None else token.sha256
        is_right = hmac.compare_digest(_hashed(secret), kept)
        if token is None or not secret or scheme.lower() != "bearer" or not is_right:
            return None
        return token.source

    def _read_again(self) -> None:
        found = self._path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            self._tokens = {token.name: token for token in load_tokens(self._path)}
            self._stamp = stamp


def load_tokens(path: Path) -> tuple[Token, ...]:
    """The tokens in the file. Raises TokensRefused for what is none, or when others can read it;
    OSError without a file."""
    wrong = check_private(path)
    if wrong:
        raise TokensRefused(wrong)
    with path.open("rb") as file:
        return read_tokens(file.read(limits.TOKEN_FILE_BYTES_MAX + 1), path.name)


def read_tokens(data: bytes, name: str) -> tuple[Token, ...]:
    """The tokens in the bytes of a file of that name. Raises TokensRefused."""
    if len(data) > limits.TOKEN_FILE_BYTES_MAX:
        expected = f"at most {limits.TOKEN_FILE_BYTES_MAX} bytes"
        raise TokensRefused(f"{name}: found a larger file, expected {expected}")
    try:
        tokens = msgspec.json.decode(data, type=_File).tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TokensRefused(f"{name}: found no list of tokens: {error}") from error
    for token in tokens:
        if not NAME.fullmatch(token.name) or not _SHA256.fullmatch(token.sha256):
            raise TokensRefused(
                f"{name}: found {ascii(token.name)[:80]}, expected a name of letters, digits, "
                "- and _, and a SHA-256 in hexadecimal digits"
            )
        if not token.source or len(token.source) > limits.REFERENCE_LENGTH_MAX:
            raise TokensRefused(f"{name}: {token.name}: source is empty or too long")
    names = [token.name for token in tokens]
    if len(set(names)) < len(names):
        raise TokensRefused(f"{name}: found a name twice, expected each once")
    return tokens


def add_token(path: Path, name: str, source: str) -> str:
    """Makes a token for the source and keeps its hash; the token itself, which is shown once.
    Raises TokensRefused when there is one of that name, or the name is none."""
    if not NAME.fullmatch(name):
        raise TokensRefused(f"{name!r} is no name: expected up to 60 letters, digits, - and _")
    tokens = load_tokens(path) if path.exists() else ()
    if any(token.name == name for token in tokens):
        raise TokensRefused(f"there is a token {name!r}: remove it, or choose another name")
    secret = secrets.token_urlsafe(32)
    _write(path, (*tokens, Token(name, source, _hashed(secret))))
    return f"{name}.{secret}"


def remove_token(path: Path, name: str) -> Token:
    """Takes the token out; from the next request on it is nobody's. Raises TokensRefused."""
    tokens = load_tokens(path)
    for token in tokens:
        if token.name == name:
            _write(path, [each for each in tokens if each.name != name])
            return token
    raise TokensRefused(f"there is no token {name!r}")


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _write(path: Path, tokens: Iterable[Token]) -> None:
    data = msgspec.json.format(msgspec.json.encode(_File(tuple(tokens))), indent=2)
    write_private(path, data + b"\n")
