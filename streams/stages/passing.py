"""What a fact teaches a number, and what a number tells its targets beside the facts themselves:
how a fact reads once it has passed the number, the shares by which amounts are shared, conflicts.

All of it is a function of what the number stands for and what was told of it, never of what came
first: a number tells each target the difference between what it would say now and what it would
have said before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from schemas.codec import pack, unpack
from schemas.facts import Fact, OrderFact, PaymentFact, ShipmentFact, split_line_id
from schemas.ledger import LineFacts
from schemas.references import LineTarget, Link, Target, is_payment, is_supplier_line
from schemas.shares import Conflict, Share, Worth, shares_of
from streams.stages.rows import Row, RowKind

LINE = "L"
NUMBER = "N"
"""The marks of targets: `L` + line id, or `N` + number."""


def as_passed(number: str, target: str, alone: bool, body: bytes) -> bytes:
    """The fact as it reads once the number has passed it to the target.

    One that reaches a shipment over another number is about that shipment. One that was told of a
    payment is about what the payment stands for; where that is several things (not `alone`), how
    much of its amount is for which is open, so it keeps none, and that is never guessed.
    """
    if target.startswith(NUMBER + "shipment:"):
        fact = unpack(body)
        if isinstance(fact, ShipmentFact) and fact.shipment_ref is None:
            reference = target.partition(":")[2]
            return pack(msgspec.structs.replace(fact, shipment_ref=reference))
    elif is_payment(number):
        fact = unpack(body)
        if isinstance(fact, PaymentFact):
            amount = fact.value_minor if alone else None
            named = msgspec.structs.replace(fact, value_minor=amount, **_named(target))
            return pack(named)
    return body


def _named(target: str) -> dict[str, str]:
    """The fields of a fact that name the target."""
    if target[0] == LINE:
        order_ref, line = split_line_id(target[1:])
        return {"order_ref": order_ref, "line": line}
    scope, _, reference = target[1:].partition(":")
    if scope == "invoice":
        return {"invoice_ref": reference}
    if scope == "order":
        return {"order_ref": reference}
    supplier_ref, is_line, line = reference.rpartition("#")
    if is_line:
        return {"supplier_ref": supplier_ref, "supplier_line": line}
    return {"supplier_ref": reference}


def taught(fact: Fact, link: Link) -> Row:
    """What the number is told: that it stands for the target, and what that is worth in it."""
    target = _target(link.target)
    if link.worth_minor is None:
        return Row(link.number, RowKind.LINK, target.encode())
    worth = Worth(
        target,
        fact.source,
        fact.event_id,
        fact.occurred_at,
        fact.recorded_at,
        link.worth_minor,
        getattr(fact, "currency", None) or "",
        isinstance(fact, OrderFact),
    )
    return Row(link.number, RowKind.WORTH, _encode(worth))


def _target(target: Target) -> str:
    """A target as the links stage keeps it."""
    if isinstance(target, LineTarget):
        return LINE + target.line_id
    return NUMBER + target.number


def shares_told(
    number: str,
    targets: Sequence[str],
    facts: Iterable[bytes],
    worths: Sequence[Worth],
    received: Sequence[Share],
) -> dict[str, tuple[Share, ...]]:
    """The shares that the number tells each target: its own, once an amount was told of it that is
    to be shared, and those that other numbers told it, which its lines have through it."""
    own: Mapping[str, Share] = {}
    if number.startswith(_SHARED) and targets and any(map(_has_amount, map(unpack, facts))):
        own = shares_of(number, targets, worths)
    return {
        target: (*([own[target]] if target in own else []), *received)
        for target in targets
        if own or received
    }


_SHARED = ("invoice:", "order:", "supplier:")
"""Numbers of which amounts may be told that are to be shared. What is told of a payment is passed
on as told of what it stands for, and a shipment costs nothing here."""


def _has_amount(fact: Fact) -> bool:
    return isinstance(fact, PaymentFact) and fact.value_minor is not None


def conflict_of(number: str, targets: Sequence[str], facts: Iterable[bytes]) -> Conflict | None:
    """The conflict of a number that can stand for one line only, and is tied to several."""
    if len(targets) < 2 or not is_supplier_line(number):
        return None
    lines = tuple([target[1:] for target in targets if target[0] == LINE])
    if len(lines) < 2:
        return None
    told = sorted((fact.source, fact.event_id) for fact in map(unpack, facts))
    return Conflict(number, lines[:LINES_NAMED_MAX], tuple(told))


LINES_NAMED_MAX = 5
"""Lines that a conflict names; that there are more changes nothing."""


def said_by_numbers(
    old: LineFacts, rows: Sequence[Row]
) -> tuple[tuple[Share, ...], tuple[Conflict, ...]]:
    """What the numbers of a line last said of it, with what these rows say."""
    shares = {(each.number, each.via): each for each in old.shares}
    conflicts = {each.number: each for each in old.conflicts}
    for row in rows:
        if row.kind == RowKind.SHARE:
            share = _decode_share(row.body)
            shares[share.number, share.via] = share
        elif row.kind == RowKind.CONFLICT:
            conflict = _decode_conflict(row.body)
            conflicts[conflict.number] = conflict
    return (
        tuple([shares[name] for name in sorted(shares)]),
        tuple([conflicts[name] for name in sorted(conflicts)]),
    )


_encode = msgspec.msgpack.Encoder().encode
_decode_share = msgspec.msgpack.Decoder(Share).decode
_decode_conflict = msgspec.msgpack.Decoder(Conflict).decode
