"""Shares: what part of an amount told of an invoice or an order is one line's; and numbers that two
facts tie to different lines.

An amount that is told of an invoice is its lines' in proportion to what each is invoiced for, less
what is credited; one that is told of an order, in proportion to the values of its lines. Lines are
taken in the order of their ids, each amount is cut where the running sum of the lines is, and cuts
are rounded down: so the parts of a line add up to what the invoice got, differ from the exact part
by less than one minor unit, and when all is paid each line has got exactly its own, in however many
payments. Nothing here depends on what arrived first.

The `links` stage works shares out, because it alone knows all lines of a number, and tells them to
the ledger of each line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from schemas.units import UtcMillis


class Worth(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a fact says that a target (a line or number) is worth in a number, in minor units.

    `is_whole`: it says all that the target is worth, and the last such fact counts; else it says a
    part, and the parts of one source add up.
    """

    target: str
    source: str
    event_id: str
    occurred_at: UtcMillis
    recorded_at: UtcMillis
    value_minor: int
    currency: str
    is_whole: bool


class Share(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """The place of a target in a number: it lies from `before_minor` up to `before_minor` +
    `own_minor` of `total_minor`. With a total of 0 nobody knows how to share.

    `via` is the target as the number knows it: a line that an invoice knows by two names has a
    share by each. `currency` is that of the amounts the shares were made from, "" for none.
    """

    number: str
    via: str
    before_minor: int
    own_minor: int
    total_minor: int
    currency: str = ""


class Conflict(msgspec.Struct, array_like=True, frozen=True, gc=False, order=True):
    """A number that can stand for one line only, and that facts tie to these lines.

    `events` are (source, event id) of what was told of the number, ascending: it may be about
    either line, so it counts for none.
    """

    number: str
    lines: tuple[str, ...]
    events: tuple[tuple[str, str], ...]


ALONE = 1
"""The total, and the own part, of a target that has nobody to share with."""


def shares_of(number: str, targets: Sequence[str], worths: Sequence[Worth]) -> dict[str, Share]:
    """The share of each target of the number. The only target has all, whatever it is worth."""
    if len(targets) == 1:
        return {targets[0]: Share(number, targets[0], 0, ALONE, ALONE)}
    currencies = {each.currency for each in worths}
    known = _weights(worths) if len(currencies) == 1 else {}
    weights = [max(0, known.get(target, 0)) for target in targets]
    total = sum(weights)
    currency = "" if len(currencies) != 1 else next(iter(currencies))
    shares: dict[str, Share] = {}
    before = 0
    for target, own in zip(targets, weights, strict=True):
        shares[target] = Share(number, target, before, own, total, currency)
        before += own
    return shares


def _weights(worths: Sequence[Worth]) -> dict[str, int]:
    """What each target is worth: the last whole, or the parts of the source that tells most."""
    wholes: dict[str, Worth] = {}
    parts: dict[str, dict[str, int]] = {}
    for each in worths:
        if each.is_whole:
            before = wholes.get(each.target)
            if before is None or _turn(before) < _turn(each):
                wholes[each.target] = each
        else:
            by_source = parts.setdefault(each.target, {})
            by_source[each.source] = by_source.get(each.source, 0) + each.value_minor
    weights = {target: max(by_source.values()) for target, by_source in parts.items()}
    for target, whole in wholes.items():
        weights[target] = weights.get(target, 0) + whole.value_minor
    return weights


def _turn(worth: Worth) -> tuple[UtcMillis, UtcMillis, str, str]:
    return (worth.occurred_at, worth.recorded_at, worth.source, worth.event_id)


def joined(worths: Iterable[Worth]) -> tuple[Worth, ...]:
    """What is worth keeping, ascending: of each target the last whole, and each event that tells a
    part once, as it was told first."""
    kept: dict[tuple[str, str, str], Worth] = {}
    for each in worths:
        event = (
            (each.target, "", "") if each.is_whole else (each.target, each.source, each.event_id)
        )
        before = kept.get(event)
        if before is None or _beats(each, before):
            kept[event] = each
    return tuple(kept[event] for event in sorted(kept))


def _beats(new: Worth, old: Worth) -> bool:
    if new.is_whole:
        return (_turn(new), new.value_minor) > (_turn(old), old.value_minor)
    return (new.recorded_at, new.value_minor, new.currency) < (
        old.recorded_at,
        old.value_minor,
        old.currency,
    )


def part_of(amount_minor: int, shares: Sequence[Share]) -> int | None:
    """The part of the amount that is the line's by its shares in the number; None where nobody
    knows how to share it."""
    part = 0
    for share in shares:
        if not share.total_minor:
            return None
        end = share.before_minor + share.own_minor
        part += amount_minor * end // share.total_minor
        part -= amount_minor * share.before_minor // share.total_minor
    return part if shares else None
