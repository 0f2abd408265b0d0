"""intake: reads facts wherever they lie, refuses what cannot be used, and sends each on.

It keeps no state. A fact that names its line goes straight to that line's ledger; every other
number in it is told to `links`, and a fact about a number goes there. A record that is no fact, or
lacks what its kind needs, becomes a dead letter with its original bytes and the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from schemas.codec import FactDecoder, pack
from schemas.facts import Fact, Family, Heartbeat
from schemas.records import DeadLetter
from schemas.references import LineTarget, Target, references
from schemas.refusals import Refused
from schemas.units import instant
from schemas.validation import check
from streams.stages.keys import source_key
from streams.stages.links import LINE, NUMBER
from streams.stages.rows import Row, RowKind, TickHeader
from streams.stages.stage import Outputs

NAME = "intake"

_encode = msgspec.msgpack.Encoder().encode


class Raw(NamedTuple):
    """One record of a topic of facts, as it was read."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(slots=True)
class IntakeCounts:
    """What became of the records of one chunk."""

    facts: int = 0
    refused: int = 0


def take_in(
    topic: str,
    partition: int,
    raws: Sequence[Raw],
    header: TickHeader,
    decoder: FactDecoder,
    out: Outputs,
) -> IntakeCounts:
    """Decodes, checks and sends on the records of one partition of facts; each ends somewhere."""
    counts = IntakeCounts()
    heard: set[str] = set()
    decoded = decoder.decode(Family(topic), [raw.value or b"" for raw in raws])
    for raw, fact in zip(raws, decoded, strict=True):
        refused = fact if isinstance(fact, Refused) else check(fact)
        if refused is not None:
            counts.refused += 1
            known = None if isinstance(fact, Refused) else fact
            letter = _dead_letter(topic, partition, raw, refused, known, header)
            out.record("dead-letters", letter.id, letter)
        elif not isinstance(fact, Refused):
            counts.facts += 1
            heard.add(fact.source)
            _send(fact, header, out)
    for source in sorted(heard):
        key = source_key(source)
        out.row("ledgers-rows", header.n, key, Row(key, RowKind.HEARD, topic.encode()))
    return counts


def _send(fact: Fact, header: TickHeader, out: Outputs) -> None:
    """The fact to its line or number, and what it teaches to the other numbers it names."""
    body = pack(fact)
    if isinstance(fact, Heartbeat):
        key = source_key(fact.source)
        out.row("ledgers-rows", header.n, key, Row(key, RowKind.FACT, body))
        return
    named = references(fact)
    subject = named.subject
    if isinstance(subject, LineTarget):
        line = subject.line_id
        out.row("ledgers-rows", header.n, line, Row(line, RowKind.FACT, body))
    elif subject is not None:
        number = subject.number
        out.row("links-rows", header.n, number, Row(number, RowKind.FACT, body))
    for link in named.links:
        row = Row(link.number, RowKind.LINK, _target(link.target).encode())
        out.row("links-rows", header.n, link.number, row)


def _target(target: Target) -> str:
    """A target as the links stage keeps it."""
    if isinstance(target, LineTarget):
        return LINE + target.line_id
    return NUMBER + target.number


def _dead_letter(
    topic: str,
    partition: int,
    raw: Raw,
    refused: Refused,
    fact: Fact | None,
    header: TickHeader,
) -> DeadLetter:
    return DeadLetter(
        id=f"{topic}/{partition}/{raw.offset}",
        topic=topic,
        partition=partition,
        offset=raw.offset,
        reason=refused.reason,
        error=refused.error,
        tick=header.n,
        at=instant(header.at),
        source=None if fact is None else fact.source,
        event_id=None if fact is None else fact.event_id,
        key_bytes=raw.key,
        value=raw.value or b"",
    )
