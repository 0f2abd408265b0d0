"""Refusals by the codec, and bodies that are built to be read as something else."""

from __future__ import annotations

import json

import pytest

from schemas.bulk import decode_bodies
from schemas.codec import PIECE_SIZE, FactDecoder, decode_body, encode_fact, encode_facts
from schemas.facts import Fact, Family, OrderFact, ShipmentFact
from schemas.refusals import Reason, Refused
from schemas.writers import Writer, compile_writer, current_writer, encode_long, schema_text
from tests.unit.schemas.fact_strategies import AT, GOOD, order, shipment

ORDERS = current_writer(Family.ORDERS)
SHIPMENTS = current_writer(Family.SHIPMENTS)
PLACED = encode_fact(GOOD[0])
BODY = PLACED[10:]


def facts_in(writer: Writer, bodies: list[bytes]) -> list[Fact]:
    decoded = decode_bodies(writer, bodies)
    assert decoded is not None
    return decoded.facts


def text(value: str) -> bytes:
    return encode_long(len(value.encode())) + value.encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b'{"kind": "placed"}', Reason.UNKNOWN_FORMAT),
        (b"\xc3", Reason.UNKNOWN_FORMAT),
        (b"\xc3\x02" + PLACED[2:], Reason.UNKNOWN_FORMAT),
        (PLACED[:9], Reason.UNKNOWN_FORMAT),
        (b"\x00\x00\x00\x00", Reason.UNKNOWN_FORMAT),
        (b"\xc3\x01" + b"12345678" + BODY, Reason.UNKNOWN_FINGERPRINT),
        (b"\x00\x00\x00\x00\x09" + BODY, Reason.UNKNOWN_SCHEMA_ID),
        (PLACED[:10], Reason.BAD_BODY),
        (PLACED[:-1], Reason.BAD_BODY),
        (PLACED + b"\x00", Reason.TRAILING_BYTES),
        (PLACED + PLACED, Reason.TRAILING_BYTES),
        (PLACED[:10] + b"\x02\xff" + BODY[2:], Reason.BAD_BODY),
        (PLACED[:10] + encode_long(-2) + BODY[1:], Reason.BAD_BODY),
        (PLACED[:10] + encode_long(1 << 62) + BODY[1:], Reason.BAD_BODY),
    ],
)
@pytest.mark.parametrize("neighbours", [0, 50, PIECE_SIZE])
def test_a_bad_value_is_refused_and_its_neighbours_are_not(
    value: bytes | None, reason: Reason, neighbours: int
) -> None:
    results = FactDecoder().decode(
        Family.ORDERS, [PLACED] * neighbours + [value] + [PLACED] * neighbours
    )
    refused = results.pop(neighbours)
    assert isinstance(refused, Refused)
    assert refused.reason is reason
    assert results == [GOOD[0]] * (2 * neighbours)


def test_one_record_cannot_swallow_part_of_the_next() -> None:
    # The first is cut short and the second begins with what it lacks: together they are sound.
    bodies = [BODY[:-1], BODY[-1:] + BODY]
    assert facts_in(ORDERS, [BODY, BODY]) == [GOOD[0], GOOD[0]]
    assert decode_bodies(ORDERS, bodies) is None
    for body in bodies:
        assert isinstance(decode_body(ORDERS, body), Refused)


def test_two_records_in_one_value_cannot_pass_beside_an_empty_one() -> None:
    assert decode_bodies(ORDERS, [BODY + BODY, b""]) is None
    assert decode_bodies(ORDERS, [b"", BODY + BODY]) is None


def test_an_overlong_number_cannot_hide_a_moved_boundary() -> None:
    # The length of event_id takes two bytes instead of one; the next body lacks its last byte.
    overlong = bytes([BODY[0] | 0x80, 0]) + BODY[1:]
    assert decode_bodies(ORDERS, [overlong, BODY[:-1]]) is None
    assert decode_bodies(ORDERS, [overlong[:-1], BODY]) is None
    # By itself it is the same fact, only longer; fastavro takes it, so it is no reason to refuse.
    assert decode_bodies(ORDERS, [overlong]) is None
    assert decode_body(ORDERS, overlong) == GOOD[0]


def body_with_mark(mark: int) -> bytes:
    """The body of a fact whose order_ref has this byte as the branch of its union."""
    fact = order("closed", line=None)
    head = text("e1") + text("erp") + text("closed") + encode_long(AT) + encode_long(AT + 1)
    body = encode_fact(fact)[10:]
    assert body[len(head)] == 2
    return body[: len(head)] + bytes([mark]) + body[len(head) + 1 :]


@pytest.mark.parametrize("mark", [1, 3, 4, 5, 6, 126, 127])
def test_a_branch_that_does_not_exist_is_not_taken_for_the_second(mark: int) -> None:
    body = body_with_mark(mark)
    assert decode_bodies(ORDERS, [body, BODY]) is None
    # fastavro counts a negative branch from the end, as Python does, and refuses the others.
    reference = decode_body(ORDERS, body)
    assert isinstance(reference, OrderFact if mark == 1 else Refused)


@pytest.mark.parametrize("byte", [2, 3, 127, 255])
def test_a_boolean_that_is_neither_true_nor_false_is_left_to_fastavro(byte: int) -> None:
    fact = shipment("exception", reason="x", resolved=True)
    body = encode_fact(fact)[10:-1] + bytes([byte])
    assert decode_bodies(SHIPMENTS, [body]) is None
    assert decode_bodies(SHIPMENTS, [encode_fact(shipment("eta", eta_at=AT))[10:], body]) is None
    assert isinstance(decode_body(SHIPMENTS, body), ShipmentFact)


def test_an_integer_of_more_than_64_bits_is_left_to_fastavro() -> None:
    head = text("e1") + text("erp") + text("closed")
    rest = encode_long(AT) + bytes(20)
    for number in (b"\xff" * 9 + b"\x7f", b"\xff" * 9 + b"\x01"):
        assert decode_bodies(ORDERS, [head + number + rest] * 2) is None


def test_an_absurd_decimal_is_refused_by_its_size() -> None:
    fact = order("placed", item="x", quantity=1, unit="EA")
    body = encode_fact(fact)[10:]
    at = body.index(b"\x02\x02\x01\x02" + text("EA"))
    huge = body[: at + 1] + encode_long(5_000) + b"\x7f" * 5_000 + body[at + 3 :]
    refused = Refused(
        Reason.VALUE_OUT_OF_RANGE, "quantity is a decimal of 5000 bytes, expected at most 16"
    )
    assert decode_bodies(ORDERS, [huge]) is None
    assert FactDecoder().decode(Family.ORDERS, [PLACED[:10] + huge]) == [refused]


def test_writers_and_registries_are_told_apart_within_one_batch() -> None:
    values = [PLACED, b"\x00\x00\x00\x00\x05" + BODY] * 200
    registry = {5: '{"type": "record", "name": "OrderFact", "fields": []}'}
    results = FactDecoder(registry=registry).decode(Family.ORDERS, values)
    assert results[::2] == [GOOD[0]] * 200
    assert (
        results[1::2]
        == [Refused(Reason.SCHEMA_MISMATCH, "schema with id 5 lacks the field event_id")] * 200
    )


def test_an_id_that_is_registered_later_is_found_then() -> None:
    registry: dict[int, str] = {}
    decoder = FactDecoder(registry=registry)
    value = b"\x00\x00\x00\x00\x05" + BODY
    [before] = decoder.decode(Family.ORDERS, [value])
    assert isinstance(before, Refused)
    registry[5] = schema_text(Family.ORDERS).replace("slipwatch.facts", "com.example")
    assert decoder.decode(Family.ORDERS, [value]) == [GOOD[0]]


def test_a_fact_that_lacks_a_required_field_is_not_written() -> None:
    fact = OrderFact("e1", "erp", None, AT, AT)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kind is None"):
        encode_fact(fact)


def test_a_number_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(ValueError, match="value_minor is 9223372036854775808"):
        encode_facts([order("changed", value_minor=1 << 63)])


def test_a_required_field_that_a_writer_left_null_is_missing() -> None:
    schema = json.loads(schema_text(Family.ORDERS))
    schema["fields"][1]["type"] = ["null", "string"]
    writer = compile_writer(json.dumps(schema), Family.ORDERS, "loose")
    assert not isinstance(writer, Refused)
    source = text("erp")
    at = BODY.index(source)
    told = BODY[:at] + b"\x02" + BODY[at:]
    untold = BODY[:at] + b"\x00" + BODY[at + len(source) :]
    missing = Refused(Reason.MISSING_FIELD, "source is null, expected a value")
    assert facts_in(writer, [told, told]) == [GOOD[0], GOOD[0]]
    assert decode_bodies(writer, [told, untold]) is None
    assert [decode_body(writer, body) for body in (told, untold)] == [GOOD[0], missing]
