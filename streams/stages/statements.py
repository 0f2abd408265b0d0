"""What an evaluation in a cell tells others: the verdicts that changed, findings that newly hold or
no longer do, and a status where it says something else than before."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from alerts.findings import Finding, RuleVerdict
from schemas.records import Decision, DecisionKind, Verdict
from schemas.units import instant
from streams.stages.rows import Row, RowKind
from streams.stages.stage import Outputs, TickContext

_encode = msgspec.msgpack.Encoder().encode


class Withdrawal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What an incident is told when a finding no longer holds."""

    subject: str
    rule: str


def changed_verdicts(
    before: Sequence[RuleVerdict], after: Sequence[RuleVerdict]
) -> tuple[RuleVerdict, ...]:
    """The verdicts that are not the same as before, in the order of the rules."""
    if not before:
        return tuple(after)
    if len(before) == len(after):
        # Nearly always of the same rules: comparing side by side spares hashing them all.
        differ = [new for old, new in zip(before, after, strict=True) if new != old]
        if not differ:
            return ()
    else:
        differ = list(after)
    old = {each.rule: each for each in before}
    return tuple([new for new in differ if old.get(new.rule) != new])


def decision_of(subject: str, records: tuple[Verdict, ...], tick: TickContext) -> Decision:
    """The record of verdicts that changed at this tick."""
    return Decision(
        subject=subject,
        tick=tick.n,
        at=instant(tick.at),
        kind=DecisionKind.VERDICTS,
        verdicts=records,
    )


def state_findings(
    before: Sequence[Finding],
    after: Sequence[Finding],
    restated: Sequence[Finding],
    tick: TickContext,
    out: Outputs,
) -> None:
    """Tells the incidents what no longer holds and what newly holds. A finding that moved to
    another incident is withdrawn there and stated here."""
    if not before and not after:
        return
    now = {(finding.key, finding.subject, finding.rule) for finding in after}
    for finding in before:
        if (finding.key, finding.subject, finding.rule) not in now:
            out.row(
                "incidents-rows",
                tick.n,
                finding.key,
                Row(
                    finding.key,
                    RowKind.WITHDRAW,
                    _encode(Withdrawal(finding.subject, finding.rule)),
                ),
            )
    known = set(before)
    for finding in after:
        if finding not in known or finding in restated:
            out.row(
                "incidents-rows",
                tick.n,
                finding.key,
                Row(finding.key, RowKind.ASSERT, _encode(finding)),
            )


def tell_status(
    topic: str, key: str, value: bytes, after: bytes, before: bytes, out: Outputs
) -> bytes:
    """Writes the status if anything but its tick and time changed, which stand before the field
    `after`; returns a digest of what it says, as `before` is of what it said.

    No text can hold these marks: a quote in a text has a backslash before it, so none stands right
    before a colon.
    """
    unstamped = value[: value.index(b'"tick":')] + value[value.index(after) :]
    digest = blake2b(unstamped, digest_size=8).digest()
    if digest != before:
        out.encoded(topic, key, value)
    return digest
