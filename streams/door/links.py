"""Links by which a partner answers for one line without an account: signed, and good for a time.

A link holds for whom it is, the line, what it is for, and until when; and what the page shows of
the line, so that the door needs to know nothing. It is `BODY.SIGNATURE`, both base64url: the body
JSON, the signature its HMAC-SHA256. Whoever has the link may answer: it is a key, and is in no log.

The file of keys holds one or two, one a line, base64 of 32 bytes: the first signs, each is taken.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas import limits
from schemas.units import UtcMillis
from streams.private_files import check_private, write_private

KEY_BYTES = 32
KEYS_MAX = 2


class Purpose(enum.StrEnum):
    """What a link is for."""

    ANSWER = "answer"


class LinkRefused(ValueError):
    """It is no link of ours; the text says no more than that."""


class LinkExpired(ValueError):
    """It was a link of ours, and its time is over."""


class KeysRefused(ValueError):
    """The file of keys cannot be used; the text says why, and never holds a key."""


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a link holds; `expires_at` excluded."""

    party: str
    order_ref: str
    line: str
    purpose: Purpose
    expires_at: UtcMillis
    item: str | None = None
    quantity: str | None = None
    unit: str | None = None


_decoder = msgspec.json.Decoder(Link)


def sign_link(link: Link, keys: Sequence[bytes]) -> str:
    """The text of the link, signed with the first key."""
    body = _base64(msgspec.json.encode(link))
    return f"{body}.{_base64(_signature(body, keys[0]))}"


def read_link(text: str, keys: Sequence[bytes], now: UtcMillis) -> Link:
    """The link in the text. Raises LinkRefused, or LinkExpired when it was one of ours."""
    body, _, signature = text.partition(".")
    if len(text) > limits.LINK_CHARS_MAX:
        raise LinkRefused("this is no link of ours")
    given = _bytes_of(signature)
    # Every key is tried, so that the time says nothing of which one fits.
    fits = [hmac.compare_digest(_signature(body, key), given) for key in keys]
    if not any(fits):
        raise LinkRefused("this is no link of ours")
    try:
        link = _decoder.decode(_bytes_of(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LinkRefused("this is no link of ours") from error
    if now >= link.expires_at:
        raise LinkExpired("this link is no longer good")
    return link


def load_keys(path: Path) -> tuple[bytes, ...]:
    """The keys in the file, the one that signs first. Raises KeysRefused; OSError without it."""
    wrong = check_private(path)
    if wrong:
        raise KeysRefused(wrong)
    with path.open("rb") as file:
        return read_keys(file.read(limits.SECRET_FILE_BYTES_MAX), path.name)


def read_keys(data: bytes, name: str) -> tuple[bytes, ...]:
    """The keys in the bytes of a file of that name. Raises KeysRefused."""
    keys = []
    for number, line in enumerate(data.split(), start=1):
        try:
            key = base64.b64decode(line, validate=True)
        except (binascii.Error, ValueError) as error:
            raise KeysRefused(f"{name}:{number}: found no base64, expected a key") from error
        if len(key) != KEY_BYTES:
            raise KeysRefused(f"{name}:{number}: found {len(key)} bytes, expected {KEY_BYTES}")
        keys.append(key)
    if not 1 <= len(keys) <= KEYS_MAX:
        raise KeysRefused(f"{name}: found {len(keys)} keys, expected 1 or {KEYS_MAX}")
    return tuple(keys)


def rotate_keys(path: Path) -> int:
    """Makes a new key, with which links are signed from now on; those of the one before stay good,
    of earlier ones not. How many keys there are then. Raises KeysRefused."""
    kept = load_keys(path)[:1] if path.exists() else ()
    keys = (secrets.token_bytes(KEY_BYTES), *kept)
    write_private(path, b"".join(base64.b64encode(key) + b"\n" for key in keys))
    return len(keys)


def _signature(body: str, key: bytes) -> bytes:
    return hmac.digest(key, body.encode("utf-8", "surrogatepass"), hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    """The bytes, or none where it is no base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        return b""
