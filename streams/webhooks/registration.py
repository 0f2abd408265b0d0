"""Which party is told at which address: the records of `partner-webhooks`, one for each party.

No secret lies there. A party's secrets are made of the installation's webhook key and of what is
written here; `key_mark` tells whether a key is the one they were made of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from schemas import limits
from schemas.units import UtcMillis
from streams.engine.log import (
    Entry,
    Log,
    LogError,
    Partition,
    TransactionalProducer,
    foreign_record,
)
from streams.ranges import read_whole

WEBHOOKS = Partition("partner-webhooks", 0)
FORMAT = 1


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One party's webhook, as JSON under the party's id.

    `registration` is 32 random hexadecimal digits, made when the party is registered and gone when
    it is removed. `revision` rises with each change, and so lifts a suspension. Secrets are
    numbered from 1; until `both_until` the one before `secret` signs too.
    """

    format: int = FORMAT
    party: str
    url: str
    registration: str
    revision: int = 1
    secret: int = 1
    both_until: UtcMillis | None = None
    key_mark: str
    registered_at: dt.datetime
    changed_at: dt.datetime

    def secrets_at(self, now: UtcMillis) -> tuple[int, ...]:
        """The numbers of the secrets that sign at that time, the newest first."""
        is_both = self.both_until is not None and now < self.both_until and self.secret > 1
        return (self.secret, self.secret - 1) if is_both else (self.secret,)


_decoder = msgspec.json.Decoder(Registration)


def read_registration(record: Entry) -> tuple[str, Registration | None]:
    """The party, and its registration or None where it was removed. Raises LogError."""
    key, value = record.key() or b"", record.value()
    try:
        found = None if value is None else _decoder.decode(value)
        if found is not None and found.format > FORMAT:
            raise LogError(
                f"the webhook of {found.party} was registered by a newer release",
                "Run the newer release here too.",
            )
        return key.decode(), found
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise foreign_record(WEBHOOKS, record.offset(), error) from error


def registrations(log: Log) -> dict[str, Registration]:
    """Every party with a webhook. Raises LogError."""
    if not log.partition_counts([WEBHOOKS.topic])[WEBHOOKS.topic]:
        raise LogError(f"there is no topic {WEBHOOKS.topic}", "Run: slipwatch topics create")
    found: dict[str, Registration] = {}
    for record in read_whole(log, WEBHOOKS):
        party, registration = read_registration(record)
        if registration is None:
            found.pop(party, None)
        else:
            found[party] = registration
    return found


class RegisterFull(Exception):
    """As many parties have a webhook as may have one."""


class Register:
    """Reads and changes registrations, while nobody else does."""

    def __init__(self, log: Log, producer: TransactionalProducer) -> None:
        self._producer = producer
        self.found = registrations(log)

    def write(self, registration: Registration) -> None:
        """Registers the party so, from the next moment on. Raises LogError, or RegisterFull."""
        if len(self.found.keys() | {registration.party}) > limits.WEBHOOKS_MAX:
            raise RegisterFull(f"{limits.WEBHOOKS_MAX} parties have a webhook, and no more may")
        self._put(registration.party, msgspec.json.encode(registration))

    def remove(self, party: str) -> None:
        """The party has no webhook any more. Raises LogError."""
        self._put(party, None)

    def _put(self, party: str, value: bytes | None) -> None:
        self._producer.begin()
        self._producer.produce(*WEBHOOKS, party.encode(), value)
        self._producer.commit()


@contextmanager
def register(log: Log, group: str) -> Iterator[Register]:
    """The register, for one who changes it: whoever opened it before can write no more.

    Raises LogError, also when another one opened it meanwhile.
    """
    producer = log.transactional_producer(f"{group}-webhook-register")
    try:
        yield Register(log, producer)
    finally:
        producer.close()
