"""Links by which a partner answers for one line without an account: sealed, and good for a time.

A link holds for whom it is, the line, what it is for, and until when; and what the page shows of
the line, so that the door needs to know nothing. Who has it can read none of that, for it names the
buyer: base64url of a version, a nonce, and the JSON under AES-256-GCM, padded with spaces so that
its length tells nothing either. Whoever has the link may answer: it is a key, and is in no log.

The file of keys holds one or two, one a line, base64 of 32 bytes: the first seals, each opens.
"""

from __future__ import annotations

import base64
import binascii
import enum
import secrets
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import limits
from schemas.units import UtcMillis
from streams.private_files import check_private, write_private

KEY_BYTES = 32
KEYS_MAX = 2
_VERSION = b"\x01"
_NONCE_BYTES = 12
"""Random for each link. NIST SP 800-38D, 8.3, allows 2^32 of them under one key."""
_BODY_BYTES = 512
"""A body is padded to a multiple of these, which all but the longest texts fit into."""


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
    """What a link holds; `expires_at` excluded. The party is shown the order's number and the line
    only where `is_order_shown`, and never who issued them."""

    party: str
    order_ref: str
    line: str
    purpose: Purpose
    expires_at: UtcMillis
    item: str | None = None
    quantity: str | None = None
    unit: str | None = None
    is_order_shown: bool = False

    @property
    def title(self) -> str:
        """The line as the party is shown it."""
        if not self.is_order_shown:
            return "An order line"
        return f"Order {self.order_ref.partition('/')[2]}, line {self.line}"


def asked_quantity(ordered: str | None, cancelled: str | None) -> str | None:
    """The quantity that a link asks for: what is ordered, less what was cancelled of it; None where
    nobody says how much, and where nothing is left."""
    left = Decimal(ordered or 0) - Decimal(cancelled or 0)
    return f"{left.normalize():f}" if left > 0 else None


_decoder = msgspec.json.Decoder(Link)


def seal_link(link: Link, keys: Sequence[bytes]) -> str:
    """The text of the link, sealed with the first key: another one each time."""
    body = msgspec.json.encode(link)
    body = body.ljust(-(-len(body) // _BODY_BYTES) * _BODY_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _base64(_VERSION + nonce + AESGCM(keys[0]).encrypt(nonce, body, _VERSION))


def answer_url(base: str, link: Link, keys: Sequence[bytes]) -> str:
    """The address of the page behind the link, at the door that is reached at `base`."""
    return f"{base.rstrip('/')}/answer/{seal_link(link, keys)}"


def read_link(text: str, keys: Sequence[bytes], now: UtcMillis) -> Link:
    """The link in the text. Raises LinkRefused, or LinkExpired when it was one of ours."""
    if len(text) > limits.LINK_CHARS_MAX:
        raise LinkRefused("this is no link of ours")
    sealed = _bytes_of(text)
    # Every key is tried, so that the time says nothing of which one fits.
    opened = [body for key in keys if (body := _opened(sealed, key)) is not None]
    if not opened:
        raise LinkRefused("this is no link of ours")
    try:
        link = _decoder.decode(opened[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LinkRefused("this is no link of ours") from error
    if now >= link.expires_at:
        raise LinkExpired("this link is no longer good")
    return link


def _opened(sealed: bytes, key: bytes) -> bytes | None:
    """The body, or None where the key did not seal all of it."""
    start = len(_VERSION) + _NONCE_BYTES
    if not sealed.startswith(_VERSION) or len(sealed) <= start:
        return None
    try:
        return AESGCM(key).decrypt(sealed[len(_VERSION) : start], sealed[start:], _VERSION)
    except InvalidTag:
        return None


def load_keys(path: Path) -> tuple[bytes, ...]:
    """The keys in the file, the one that seals first. Raises KeysRefused; OSError without it."""
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
    """Makes a new key, with which links are sealed from now on; those of the one before stay good,
    of earlier ones not. How many keys there are then. Raises KeysRefused."""
    kept = load_keys(path)[:1] if path.exists() else ()
    keys = (secrets.token_bytes(KEY_BYTES), *kept)
    write_private(path, b"".join(base64.b64encode(key) + b"\n" for key in keys))
    return len(keys)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes_of(text: str) -> bytes:
    """The bytes, or none where it is not base64url exactly as we write it."""
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        return b""
    return found if _base64(found) == text else b""
