"""Doors of the topics of facts: bytes as a sender wrote them, and facts on their way inside."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from functools import cache

from schemas.codec import FactDecoder, FactEncoder, encode_fact, pack, unpack
from schemas.facts import Fact, Family
from schemas.limits import RECORD_BYTES_MAX
from schemas.records import DeadLetter, decode, encode
from schemas.refusals import Refused
from schemas.ticks import Tick
from schemas.units import DAY_MS, HOUR_MS, instant
from schemas.validation import check
from schemas.writers import historic_schemas, schema_text
from streams.engine.local import LocalEngine
from streams.stages.intake import Raw, take_in
from streams.stages.rows import TickHeader
from streams.stages.stage import Outputs
from tests.fuzz.door import ACCEPTED, Broken, Outcome, dead_letter, joined, parts
from tests.scenario import START, network, story
from tests.unit.schemas.fact_strategies import GOOD

PLACE = re.compile(r"^(orders|shipments|payments|heartbeats)/0/[0-9]+: ")
FAMILIES = tuple(Family)
OFFSET = 7
ENGINE_SHARE = 64
"""One in so many accepted facts goes through all stages too."""

_TICK = Tick(n=1, at=instant(START), cut={str(family): [1] for family in Family})
_HEADER = TickHeader.of(_TICK)


@cache
def registry() -> dict[int, str]:
    """Schemas by id, as a registry holds them: ours of all times, and some that are not."""
    texts = [schema_text(family) for family in Family]
    texts += [text for _, _, text in historic_schemas()]
    texts += ["{", '"string"', '{"type": "record", "name": "OrderFact", "fields": []}']
    return dict(enumerate(texts))


def enter_wire(data: bytes) -> Outcome:
    """The first byte chooses the topic, the rest is a record's value. The real intake takes it."""
    family, value = _topic_of(data), data[1:]
    outcome, fact = _take_in(FactDecoder(registry=registry()), family, value)
    if fact is not None and zlib.crc32(data) % ENGINE_SHARE == 0:
        go_through_engine([(family, value)])
    return outcome


def enter_in_bulk(data: bytes) -> Outcome:
    """As `enter_wire`, in the middle of many good records, which are decoded and screened together:
    it gets what it gets by itself, and its neighbours do not notice."""
    family, value = _topic_of(data), data[1:]
    decoder = FactDecoder(registry=registry())
    head = value[:10] if value[:1] == b"\xc3" else value[:5]
    bodies = [FactEncoder(family).encode_body(fact) for fact in _good(family)]
    around = [head + body for body in bodies for _ in range(-(-NEIGHBOURS // len(bodies)))]
    together = decoder.decode_sound(family, [*around, value, *around])
    middle = len(around)
    alone = [
        decoder.decode_sound(family, [each])[0] for each in around[:: len(around) // len(bodies)]
    ]
    if together[middle] != decoder.decode_sound(family, [value])[0]:
        raise Broken(f"in bulk {together[middle]!r}, by itself something else")
    if [fact for fact in together[:middle] if fact not in alone] or (
        together[:middle] != together[middle + 1 :]
    ):
        raise Broken("a record changed what its neighbours say")
    outcome, _ = _take_in(decoder, family, value)
    return outcome


NEIGHBOURS = 210
"""On either side: so many that they are screened in columns (`schemas.screening`)."""


def enter_registry(data: bytes) -> Outcome:
    """A registry that answers with any text: part `schema`, and a record's body, part `body`."""
    named = parts(data)
    family = _topic_of(named[""])
    text = named.get("schema", b"").decode("utf-8", "replace")
    decoder = FactDecoder(registry={1: text})
    body = named.get("body", b"")[:-1]
    outcome, _ = _take_in(decoder, family, b"\x00\x00\x00\x00\x01" + body)
    return outcome


def _topic_of(data: bytes) -> Family:
    return FAMILIES[data[0] % len(FAMILIES)] if data else FAMILIES[0]


def _good(family: Family) -> list[Fact]:
    return [fact for fact in GOOD if _family(fact) is family]


def _family(fact: Fact) -> Family:
    return next(f for f in Family if type(fact).__name__.lower().startswith(str(f)[:5]))


def _take_in(decoder: FactDecoder, family: Family, value: bytes) -> tuple[Outcome, Fact | None]:
    out = Outputs(4)
    counts = take_in(family, 0, [Raw(OFFSET, b"key", value)], _HEADER, decoder, out)
    if counts.facts + counts.refused != 1:
        raise Broken(f"one record became {counts}")
    if counts.refused:
        ((_, _, _, body),) = out.records
        assert body is not None
        letter = decode(body, DeadLetter)
        if len(body) > RECORD_BYTES_MAX:
            raise Broken(f"the dead letter has {len(body)} bytes")
        if not value.startswith(letter.value) or (letter.value != value and len(value) < 100_000):
            raise Broken("the dead letter does not hold the bytes")
        return dead_letter(f"{letter.id}: {letter.error}"), None
    (fact,) = decoder.decode(family, [value])
    assert not isinstance(fact, Refused)
    _check_round_trip(fact)
    return ACCEPTED, fact


def _check_round_trip(fact: Fact) -> None:
    if unpack(pack(fact)) != fact:
        raise Broken(f"a pack of {fact!r} says something else")
    again = FactDecoder().decode(_family(fact), [encode_fact(fact)])[0]
    if again != fact:
        raise Broken(f"written again, {fact!r} reads {again!r}")
    if check(fact) is not None:
        raise Broken("a fact that was taken in is refused")


def go_through_engine(records: list[tuple[Family, bytes]]) -> None:
    """The records through every stage, beside a short story: nothing may be parked, each is in
    a line's ledger, waits at a number, or is a dead letter, and every record fits the broker."""
    engine = LocalEngine(network(), partitions=1)
    try:
        for told, fact in _story():
            if told <= START + DAY_MS:
                engine.send(fact)
        for family, value in records:
            engine.send_raw(family, b"key", value, 0)
        for at in (START + DAY_MS, START + DAY_MS + HOUR_MS, START + 30 * DAY_MS):
            engine.tick(at)
        parked = engine.latest("parked")
        if parked:
            raise Broken(f"parked: {[bytes(value) for value in parked.values()]}")
        for topic in ("lines", "links-state", "cells-rows", "order-status", "alerts", "decisions"):
            for each in engine.outputs(topic):
                if each.value is not None and len(each.value) > RECORD_BYTES_MAX:
                    raise Broken(f"a record of {topic} has {len(each.value)} bytes")
    finally:
        engine.close()


@cache
def _story() -> tuple[tuple[int, Fact], ...]:
    return tuple(story(1, orders=2, days=2))


def wire_seeds() -> tuple[bytes, ...]:
    """Every good fact in both formats, and records of all published schemas."""
    return tuple(_wire_seeds())


def _wire_seeds() -> Iterator[bytes]:
    for fact in GOOD:
        family = _family(fact)
        head = bytes([FAMILIES.index(family)])
        yield head + encode_fact(fact)
        schema_id = next(i for i, text in registry().items() if text == schema_text(family))
        body = FactEncoder(family).encode_body(fact)
        yield head + b"\x00" + schema_id.to_bytes(4, "big") + body
    yield b"\x00" + b"\x00\x00\x00\x00\x63rest"
    yield b"\x00"
    yield from (bytes([at]) + encode(_TICK) for at in range(len(FAMILIES)))


def registry_seeds() -> tuple[bytes, ...]:
    """Every published schema with a record of today's."""
    seeds = []
    for number, family in enumerate(FAMILIES):
        body = FactEncoder(family).encode_body(_good(family)[0])
        schema = json.dumps(json.loads(schema_text(family))).encode()
        seeds.append(bytes([number]) + b"\n" + joined({"schema": schema, "body": body}))
    return tuple(seeds)
