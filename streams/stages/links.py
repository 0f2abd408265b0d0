"""links: which order lines a number stands for, and what waits until that is known.

Key: a number, scoped as `schemas.references` writes it (`shipment:CARRIER/77`). A number keeps the
facts told about it, because a line that joins later must get those too; and passes each fact once
to each target. A target is a line, or another number, which gets the fact one tick later: so a
payment finds its line over any chain of numbers, in any order of arrival, and a loop ends because
a number passes on only what is new to it.

Beside the facts go the shares by which amounts told of an invoice or order are shared over its
lines, and the conflict of a number that can stand for one line only and is tied to several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from schemas import limits
from schemas.codec import unpack
from schemas.facts import Fact
from schemas.partner_sources import PARTNER_BYTES
from schemas.records import DeadLetter, Unlinked, WaitingFacts
from schemas.references import is_payment
from schemas.shares import Share, Worth, joined
from schemas.units import DAY_MS, UtcMillis, instant
from streams.stages.passing import LINE, NUMBER, as_passed, conflict_of, shares_told
from streams.stages.room import Room
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext
from streams.stages.store import Store

REFUSED_FACT = "facts"
"""What stands for the topic in the dead letter of a fact that passed intake."""
STATE_VERSION = 1


class NumberState(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a number stands for. Targets are `L` + line id or `N` + number; facts are packed.

    `waiting_at` is the time of the tick since which facts wait without a target. `worths` say what
    the targets are worth in the number, `shares` are those that other numbers told it.
    """

    v: int
    due: UtcMillis | None
    targets: tuple[str, ...] = ()
    facts: tuple[bytes, ...] = ()
    waiting_at: UtcMillis | None = None
    worths: tuple[Worth, ...] = ()
    shares: tuple[Share, ...] = ()


_decode_worth = msgspec.msgpack.Decoder(Worth).decode
_decode_share = msgspec.msgpack.Decoder(Share).decode
_decode = msgspec.msgpack.Decoder(NumberState).decode
_encode = msgspec.msgpack.Encoder().encode
_EMPTY = NumberState(STATE_VERSION, None)


class Links:
    """The links stage; it keeps nothing outside the store."""

    name = "links"
    input_topic = "links-rows"
    output_topic: str | None = "ledgers-rows"
    state_version = STATE_VERSION

    def changelogs(self) -> tuple[str, ...]:
        return ("links-state",)

    def changelog_of(self, key: str) -> str:
        return "links-state"

    def restored(self, store: Store) -> None:
        """Nothing is derived."""

    def committed(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def aborted(self, changed: Mapping[str, bytes | None], store: Store) -> None:
        """Nothing is derived."""

    def also(
        self, rows: Mapping[str, Sequence[Row]], store: Store, tick: TickContext
    ) -> Iterable[str]:
        return ()

    def evaluate(
        self, key: str, rows: Sequence[Row], store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """Joins new targets and facts to the number and passes on what is new to each target."""
        held = store.get(key)
        old = _EMPTY if held is None else _decode(held)
        if not rows:
            self._expire(key, old, store, tick, out)
            return
        targets, facts = _join(key, old, rows, tick, out)
        worths, shares = _weigh(key, old, rows, tick, out)
        waiting_at = None
        if facts and not targets:
            waiting_at = old.waiting_at if old.waiting_at is not None else tick.at
        due = tick.at + tick.policy.link_retention_days * DAY_MS
        new = NumberState(STATE_VERSION, due, targets, facts, waiting_at, worths, shares)
        _forward(key, old, new, tick, out)
        _tell_shares(key, old, new, tick, out)
        if old.due is not None and msgspec.structs.replace(new, due=old.due) == old:
            new = old
        store.put(key, _encode(new))
        if facts and not targets:
            if facts != old.facts:
                out.record("unlinked", key, _unlinked(key, new, tick))
        elif old.waiting_at is not None:
            out.record("unlinked", key, None)

    def _expire(
        self, key: str, old: NumberState, store: Store, tick: TickContext, out: Outputs
    ) -> None:
        """The number was not spoken of for the retention: it leaves; what still waits is told."""
        if old.due is None or old.due > tick.at:
            return
        store.delete(key)
        if old.waiting_at is not None:
            out.record("unlinked", key, None)
            for body in old.facts:
                refuse(key, body, "unlinked", f"no line for {key} within the retention", tick, out)


def _join(
    key: str, old: NumberState, rows: Sequence[Row], tick: TickContext, out: Outputs
) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    targets = set(old.targets)
    facts = set(old.facts)
    target_chars, fact_bytes = sum(map(len, targets)), sum(map(len, facts))
    room = Room(_of_partners(facts))
    for row in rows:
        if row.kind in {RowKind.LINK, RowKind.WORTH}:
            worth = _decode_worth(row.body) if row.kind == RowKind.WORTH else None
            target = row.body.decode() if worth is None else worth.target
            if target in targets:
                continue
            if (
                len(targets) >= limits.LINES_PER_NUMBER_MAX
                or target_chars + len(target) > limits.LINE_CHARS_PER_NUMBER_MAX
            ):
                _refuse_link(key, target, len(targets), tick, out)
                continue
            targets.add(target)
            target_chars += len(target)
        elif row.kind == RowKind.FACT and row.body not in facts:
            full = ""
            if len(facts) >= limits.FACTS_PER_NUMBER_MAX:
                full = f"{key} already has {limits.FACTS_PER_NUMBER_MAX} facts"
            elif fact_bytes + len(row.body) > limits.FACT_BYTES_PER_NUMBER_MAX:
                full = f"{key} already has {fact_bytes} bytes of facts, and no room for more"
            for fact, body in _of_partners((row.body,)):
                full = full or room.lack(key, fact.source, body)
                room.take(fact.source, body)
            if full:
                refuse(key, row.body, "number_full", full, tick, out)
                continue
            facts.add(row.body)
            fact_bytes += len(row.body)
    targets.discard(NUMBER + key)
    return tuple(sorted(targets)), tuple(sorted(facts))


def _of_partners(bodies: Iterable[bytes]) -> Iterator[tuple[Fact, bytes]]:
    """The facts of partners, unpacked; nearly all others are passed over without that."""
    for body in bodies:
        if PARTNER_BYTES in body:
            yield unpack(body), body


def _weigh(
    key: str, old: NumberState, rows: Sequence[Row], tick: TickContext, out: Outputs
) -> tuple[tuple[Worth, ...], tuple[Share, ...]]:
    """What the targets are worth, and the shares that other numbers told, each the last."""
    told = [_decode_worth(row.body) for row in rows if row.kind == RowKind.WORTH]
    shares = {(each.number, each.via): each for each in old.shares}
    for row in rows:
        if row.kind == RowKind.SHARE:
            share = _decode_share(row.body)
            shares[share.number, share.via] = share
    worths = old.worths
    if told:
        worths = joined([*old.worths, *told])
        if len(worths) > limits.WORTHS_PER_NUMBER_MAX:
            kept = joined([*old.worths, *told[: limits.WORTHS_PER_NUMBER_MAX - len(old.worths)]])
            for worth in worths:
                if worth not in kept:
                    _refuse_worth(key, worth, tick, out)
            worths = kept
    return worths, tuple(shares[name] for name in sorted(shares))


def _forward(key: str, old: NumberState, new: NumberState, tick: TickContext, out: Outputs) -> None:
    """Each fact once to each target; anew where it reads otherwise now."""
    known = set(old.targets)
    told = set(old.facts)
    alone, was_alone = len(new.targets) == 1, len(old.targets) == 1
    news = [body for body in new.facts if body not in told]
    rereads = alone != was_alone and is_payment(key)
    for target in new.targets:
        for body in news if target in known and not rereads else new.facts:
            passed = as_passed(key, target, alone, body)
            is_new = target not in known or body not in told
            if is_new or passed != as_passed(key, target, was_alone, body):
                _pass_on(target, RowKind.FACT, passed, tick, out)


def _tell_shares(
    key: str, old: NumberState, new: NumberState, tick: TickContext, out: Outputs
) -> None:
    """The shares and the conflict, to whom they are not what they were."""
    before = shares_told(key, old.targets, old.facts, old.worths, old.shares)
    after = shares_told(key, new.targets, new.facts, new.worths, new.shares)
    for target in new.targets:
        known = before.get(target, ())
        for share in after.get(target, ()):
            if share not in known:
                _pass_on(target, RowKind.SHARE, _encode(share), tick, out)
    conflict = conflict_of(key, new.targets, new.facts)
    if conflict is not None and conflict != conflict_of(key, old.targets, old.facts):
        for target in new.targets:
            if target[0] == LINE:
                _pass_on(target, RowKind.CONFLICT, _encode(conflict), tick, out)


def _pass_on(target: str, kind: RowKind, body: bytes, tick: TickContext, out: Outputs) -> None:
    """To a line's ledger in this tick, to another number in the next."""
    name = target[1:]
    if target[0] == LINE:
        out.row("ledgers-rows", tick.n, name, Row(name, kind, body))
    else:
        out.row("links-rows", tick.n + 1, name, Row(name, kind, body))


def _unlinked(key: str, state: NumberState, tick: TickContext) -> Unlinked:
    facts = [unpack(body) for body in state.facts]
    return Unlinked(
        number=key,
        waiting=len(facts),
        kinds=tuple(sorted({fact.kind for fact in facts})),
        sources=tuple(sorted({fact.source for fact in facts})),
        since=instant(state.waiting_at if state.waiting_at is not None else tick.at),
        tick=tick.n,
        counts=tuple(
            WaitingFacts(source=source, kind=kind, facts=count)
            for (source, kind), count in sorted(
                Counter((fact.source, fact.kind) for fact in facts).items()
            )
        ),
    )


def refuse(key: str, body: bytes, reason: str, error: str, tick: TickContext, out: Outputs) -> None:
    """The dead letter of a fact that passed intake but cannot be kept at a key; `value` is its
    pack. The same fact may be refused at several keys, so the key is a part of the letter's id."""
    fact = unpack(body)
    letter = DeadLetter(
        id=f"{key}/{fact.source}/{fact.event_id}",
        topic=REFUSED_FACT,
        partition=-1,
        offset=-1,
        reason=reason,
        error=error,
        tick=tick.n,
        at=instant(tick.at),
        source=fact.source,
        event_id=fact.event_id,
        value=body,
    )
    out.record("dead-letters", letter.id, letter)


def _refuse_link(key: str, target: str, lines: int, tick: TickContext, out: Outputs) -> None:
    letter = DeadLetter(
        id=f"{key}/{target}",
        topic="links-rows",
        partition=-1,
        offset=-1,
        reason="number_full",
        error=f"{key} already stands for {lines} lines or numbers, and has no room for more; what "
        f"is told of it does not reach {target[1:]}",
        tick=tick.n,
        at=instant(tick.at),
        value=target.encode(),
    )
    out.record("dead-letters", letter.id, letter)


def _refuse_worth(key: str, worth: Worth, tick: TickContext, out: Outputs) -> None:
    letter = DeadLetter(
        id=f"{key}/{worth.target}/{worth.source}/{worth.event_id}",
        topic="links-rows",
        partition=-1,
        offset=-1,
        reason="number_full",
        error=f"{key} already knows {limits.WORTHS_PER_NUMBER_MAX} amounts of its lines, and has "
        f"no room for more; {worth.target[1:]} gets no share by this one",
        tick=tick.n,
        at=instant(tick.at),
        source=worth.source,
        event_id=worth.event_id,
        value=_encode(worth),
    )
    out.record("dead-letters", letter.id, letter)
