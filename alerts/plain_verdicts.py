"""Verdicts without figures, and the numbers that state keeps of them.

Most rules are silent about most lines, for a reason that holds nothing of the line. Such a verdict
is made once, and stored as a number of four bytes instead of forty: with twenty rules that is a
third of what a line takes in memory, in its changelog and on the way there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias
from zlib import crc32

from alerts.chases import ChaseReason
from alerts.findings import ENDED, HELD_BACK, RuleVerdict, Silence
from alerts.rules import RULES
from schemas.records import ChaseKind, Outcome

StoredVerdict: TypeAlias = int | RuleVerdict
"""A verdict in state: the number of a plain one, else all of it."""


def number_of(rule: str, reason: str) -> int:
    """The number of the plain verdict, the same in every release: the CRC-32 of `rule:reason`."""
    return crc32(f"{rule}:{reason}".encode())


_REASONS: Final = (
    *((rule.name, (*rule.says, ENDED)) for rule in RULES),
    *((kind.value, tuple([reason.value for reason in ChaseReason])) for kind in ChaseKind),
)

PLAIN_VERDICTS: Final[dict[tuple[str, str], RuleVerdict]] = {
    (name, reason): RuleVerdict(name, Outcome.SILENT, reason, number=number_of(name, reason))
    for name, reasons in _REASONS
    for reason in reasons
}
"""By rule, or kind of chase, and reason."""

_BY_NUMBER: Final = {each.number: each for each in PLAIN_VERDICTS.values()}
_BY_WORDS: Final = {
    RuleVerdict(each.rule, each.outcome, each.reason): each for each in PLAIN_VERDICTS.values()
}


def stored(verdicts: Iterable[RuleVerdict]) -> tuple[StoredVerdict, ...]:
    """The verdicts as state keeps them."""
    return tuple([each.number or each for each in verdicts])


def restored(verdicts: Iterable[StoredVerdict]) -> tuple[RuleVerdict, ...]:
    """The verdicts that state kept. One of a rule or reason that this release does not have is left
    out: the rule is judged anew because of the other release's rules."""
    known = _BY_NUMBER
    return tuple(
        [
            verdict
            for each in verdicts
            if (verdict := known.get(each) if isinstance(each, int) else each) is not None
        ]
    )


def recognised(verdicts: Iterable[StoredVerdict]) -> tuple[RuleVerdict, ...]:
    """The verdicts of state from before they had numbers, when all were kept whole."""
    return tuple([_BY_WORDS.get(each, each) for each in restored(verdicts)])


def silence_of(rule: str, answer: Silence) -> RuleVerdict:
    """The verdict of a rule that does not fire."""
    threshold, at = answer.threshold, answer.next_fire_at
    if threshold is not None:
        return RuleVerdict(
            rule, Outcome.SILENT, answer.reason, answer.value, threshold.value, threshold.source, at
        )
    if answer.value is None and answer.reason != HELD_BACK:
        return PLAIN_VERDICTS[rule, answer.reason]
    return RuleVerdict(rule, Outcome.SILENT, answer.reason, answer.value, None, "", at, answer.feed)
