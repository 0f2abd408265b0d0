"""intake: reads facts wherever they lie, refuses what cannot be used, and sends each on.

It keeps no state. A fact that names its line goes straight to that line's ledger; every other
number in it is told to `links`, and a fact about a number goes there. What a partner tells teaches
no number anything before its line is known to be its own (`ownership`). A record that is no fact,
or lacks what its kind needs, becomes a dead letter with its original bytes and the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas import limits
from schemas.codec import FactDecoder, Unsound, pack
from schemas.facts import Fact, Family, Heartbeat, InventoryFact, stock_node_id
from schemas.partner_sources import partner_of
from schemas.records import DeadLetter
from schemas.references import LineTarget, find_only_line, references
from schemas.units import instant
from schemas.value_checks import check_text
from streams.stages.keys import node_key, source_key
from streams.stages.passing import taught
from streams.stages.rows import Row, RowKind, TickHeader, partition_of
from streams.stages.sources import Counted
from streams.stages.stage import Outputs

NAME = "intake"

_encode = msgspec.msgpack.Encoder().encode


class Raw(msgspec.Struct, frozen=True, gc=False):
    """One record of a topic of facts, as it was read."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class IntakeCounts:
    """What became of the records of one chunk."""

    facts: int
    refused: int


def take_in(
    topic: str,
    partition: int,
    raws: Sequence[Raw],
    header: TickHeader,
    decoder: FactDecoder,
    out: Outputs,
) -> IntakeCounts:
    """Decodes, checks and sends on the records of one partition of facts; each ends somewhere."""
    decoded = decoder.decode_sound(Family(topic), [raw.value for raw in raws])
    facts = [fact for fact in decoded if not isinstance(fact, Unsound)]
    if len(facts) < len(decoded):
        for raw, fact in zip(raws, decoded, strict=True):
            if isinstance(fact, Unsound):
                letter = _dead_letter(topic, partition, raw, fact, header)
                out.record("dead-letters", letter.id, letter)
    _send(facts, header, out)
    if raws:
        _count(Counted(topic, partition, raws[0].offset, 0, 0), decoded, header, out)
    return IntakeCounts(len(facts), len(decoded) - len(facts))


def _count(
    start: Counted, decoded: Sequence[Fact | Unsound], header: TickHeader, out: Outputs
) -> None:
    """Tells each source how many of its records there were, and how many of them were refused. A
    record that is no fact at all, or whose source is refused itself, counts for nobody."""
    good = Counter(fact.source for fact in decoded if not isinstance(fact, Unsound))
    bad = (each.fact for each in decoded if isinstance(each, Unsound))
    refused = Counter(
        fact.source for fact in bad if fact is not None and not check_text("source", fact.source)
    )
    for source in sorted(good.keys() | refused.keys()):
        key = source_key(source)
        counts = msgspec.structs.replace(start, good=good[source], refused=refused[source])
        out.row("ledgers-rows", header.n, key, Row(key, RowKind.COUNTED, _encode(counts)))


def _send(facts: Sequence[Fact], header: TickHeader, out: Outputs) -> None:
    """Each fact to its line or number, and what it teaches to the other numbers it names."""
    tick, partitions = header.n, out.partitions
    to_ledgers = out.rows_by_partition("ledgers-rows", tick)
    to_links = out.rows_by_partition("links-rows", tick)
    for fact in facts:
        body = pack(fact)
        line = find_only_line(fact)
        if line is not None:
            to_ledgers[partition_of(line, partitions)].append(Row(line, RowKind.FACT, body))
            continue
        if isinstance(fact, InventoryFact):
            for key in _nodes_of(fact):
                to_ledgers[partition_of(key, partitions)].append(Row(key, RowKind.FACT, body))
            continue
        if isinstance(fact, Heartbeat):
            key = source_key(fact.source)
            to_ledgers[partition_of(key, partitions)].append(Row(key, RowKind.FACT, body))
            continue
        named = references(fact)
        subject = named.subject
        if isinstance(subject, LineTarget):
            line = subject.line_id
            to_ledgers[partition_of(line, partitions)].append(Row(line, RowKind.FACT, body))
        elif subject is not None:
            number = subject.number
            to_links[partition_of(number, partitions)].append(Row(number, RowKind.FACT, body))
        if partner_of(fact.source) is not None:
            continue  # It teaches once its line is known to be its own.
        for link in named.links:
            to_links[partition_of(link.number, partitions)].append(taught(fact, link))


def _nodes_of(fact: InventoryFact) -> list[str]:
    """The keys of the stock nodes that the fact concerns: where it happened, and of a transfer that
    left also where it goes."""
    sites = [fact.site] if fact.kind != "transferred_out" else [fact.site, fact.to_site]
    return [node_key(stock_node_id(fact.item or "", site or "")) for site in sites]


def _dead_letter(
    topic: str,
    partition: int,
    raw: Raw,
    unsound: Unsound,
    header: TickHeader,
) -> DeadLetter:
    refused, fact = unsound
    value = raw.value or b""
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
        key_bytes=raw.key and raw.key[: limits.LETTER_KEY_BYTES_MAX],
        value=value[: limits.LETTER_VALUE_BYTES_MAX],
        value_bytes=len(value) if len(value) > limits.LETTER_VALUE_BYTES_MAX else None,
    )
