"""What parties were told by webhook, and how their addresses answer: topic `partner-receipts`.

Under `PARTY@ID` lies what the party has of the line with that id: a digest, or that nobody knows;
no record means that it has nothing. Under `PARTY` lies how its address answers. Both count for the
registration that they name, and for no other of the party.
"""

from __future__ import annotations

import msgspec

from schemas.partner_records import partner_key, split_partner_key
from schemas.units import UtcMillis
from streams.engine.log import Entry, LogError, Partition, foreign_record

RECEIPTS = Partition("partner-receipts", 0)
FORMAT = 1


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What the party has of a line; an empty digest where nobody knows.

    `removal` is the id of the message in doubt where that says that the line is gone: the record
    that it tells may be compacted away before it is tried again. Releases before it had none, and
    pass over it.
    """

    format: int
    registration: str
    digest: bytes
    removal: str = ""


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """How a party's address answers: `state` is delivering, failing or suspended, since `at`.

    It counts for this revision of the registration only: registered anew, it is tried anew.
    """

    format: int
    registration: str
    revision: int
    state: str
    says: str
    at: UtcMillis


DELIVERING, FAILING, SUSPENDED = "delivering", "failing", "suspended"
_told = msgspec.msgpack.Decoder(Told)
_standing = msgspec.msgpack.Decoder(Standing)
_encoder = msgspec.msgpack.Encoder()


def told_record(
    party: str, line: bytes, registration: str, digest: bytes, removal: str = ""
) -> tuple[bytes, bytes]:
    """Key and value of what the party has."""
    told = Told(FORMAT, registration, digest, removal)
    return partner_key(party, line.decode()).encode(), _encoder.encode(told)


def standing_record(party: str, standing: Standing) -> tuple[bytes, bytes]:
    """Key and value of how the address answers."""
    return party.encode(), _encoder.encode(standing)


def read_receipt(record: Entry) -> tuple[str, bytes, Told | Standing | None]:
    """The party, the line's id for it (empty where it is about the address), and what is said; None
    where nothing is any more. Raises LogError."""
    try:
        party, line = split_partner_key((record.key() or b"").decode())
        value = record.value()
        if value is None:
            return party, line.encode(), None
        said: Told | Standing = _told.decode(value) if line else _standing.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise foreign_record(RECEIPTS, record.offset(), error) from error
    if said.format > FORMAT:
        raise LogError(
            f"{RECEIPTS.topic} holds what a newer release wrote", "Run the newer release here too."
        )
    return party, line.encode(), said
