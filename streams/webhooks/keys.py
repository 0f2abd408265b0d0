"""The secrets of webhooks, made of one key: nothing is kept of a party's secret but how it is made.

The file of the key holds base64 of 32 random bytes. A secret is HMAC-SHA256, by that key, of the
registration's id and the secret's number, so it is another one for each party, each registration
and each rotation, and nobody who knows some of them learns another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from pathlib import Path

from alerts.sinks.webhook import Secret
from schemas import limits
from schemas.units import UtcMillis
from streams.private_files import check_private, write_private
from streams.webhooks.registration import Registration

KEY_BYTES = 32
_FOR_SECRETS = "slipwatch webhook, signing"
_FOR_MARKS = "slipwatch webhook key mark"


class KeyRefused(ValueError):
    """The file of the key cannot be used; the text says why, and never holds a key."""


class WebhookKey:
    """The key of the installation, that shows itself to nobody."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "WebhookKey(***)"

    def secret(self, registration: str, number: int) -> str:
        """The party's secret of that number, as Standard Webhooks writes it: `whsec_`, base64."""
        raw = self._of(_FOR_SECRETS, registration, str(number))
        return "whsec_" + base64.b64encode(raw).decode()

    def mark(self, registration: str) -> str:
        """By which to tell later that secrets were made of this key; it says nothing of them."""
        return self._of(_FOR_MARKS, registration).hex()[:16]

    def has_made(self, registration: Registration) -> bool:
        """Whether the secrets of the registration are made of this key."""
        return self.mark(registration.registration) == registration.key_mark

    def signing(self, registration: Registration, now: UtcMillis) -> list[Secret]:
        """The secrets that sign what a party is sent at that time, the newest first."""
        return [
            Secret(self.secret(registration.registration, number))
            for number in registration.secrets_at(now)
        ]

    def _of(self, *parts: str) -> bytes:
        return hmac.digest(self._key, "\0".join(parts).encode(), hashlib.sha256)


def load_key(path: Path) -> WebhookKey:
    """The key in the file. Raises KeyRefused, also when there is none."""
    try:
        wrong = check_private(path)
        data = path.read_bytes()[: limits.SECRET_FILE_BYTES_MAX] if not wrong else b""
    except FileNotFoundError as error:
        raise KeyRefused(f"{path} is not there; make it: slipwatch partners webhook key") from error
    except OSError as error:
        raise KeyRefused(f"{path} cannot be read: {error.strerror}") from error
    if wrong:
        raise KeyRefused(wrong)
    return read_key(data, str(path))


def read_key(data: bytes, name: str) -> WebhookKey:
    """The key in what that file holds. Raises KeyRefused."""
    try:
        key = base64.b64decode(data.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyRefused(f"{name}: found no base64, expected a key") from error
    if len(key) != KEY_BYTES:
        raise KeyRefused(f"{name}: found {len(key)} bytes, expected {KEY_BYTES}")
    return WebhookKey(key)


def make_key(path: Path) -> None:
    """Makes a key where none is. Raises KeyRefused where one is: all secrets would change."""
    if path.exists():
        raise KeyRefused(
            f"{path} is there already; another key would change the secret of every party"
        )
    write_private(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
