"""When the supplier of a line is asked for something, before anybody is alarmed.

It is asked to confirm a line that was placed, or given to it, some hours ago, and to ship a line,
or to give a new date, some hours before it must leave to keep the promise: at the times that the
policy says, and at no other. It stops when the supplier has told something since, when the line is
over, and while nobody can tell. Only a subscribed supplier is asked, in its own record of the line
(`alerts.partners`), and only for a promise that is its own.

The times follow from the line and the policy alone, so nothing is kept of them: which time it is
says how many of them have passed, also where the first ones lie before the line was known, the
supplier was subscribed or the policy was published. Like rules that rest on absence, asking waits
for sources that have not told everything yet, and nothing new is asked in a tick that is not
complete. What was decided is a verdict, after those of the rules, so that it can be explained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from alerts.chases import ASKED_FIGURES, AWAITS, ChaseReason, ChaseSettings
from alerts.evidence import Step, absence, blind, telling, tells_for
from alerts.findings import BLIND_FEED, HELD_BACK, Blind, RuleVerdict, Silence
from alerts.lines import Leg
from alerts.plain_verdicts import PLAIN_VERDICTS, silence_of
from alerts.rules import LATE_TO_SHIP, OVERDUE_NO_NEWS, UNCONFIRMED
from alerts.view import LineView
from schemas.partner_records import PartnerAwaits
from schemas.records import ChaseKind, Outcome
from schemas.units import HOUR_MS, UtcMillis


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What the supplier of a line is asked for, by when, which time of how many this is, and when
    that had come."""

    awaits: PartnerAwaits
    by: UtcMillis
    asked: int
    times_max: int
    at: UtcMillis


@dataclass(frozen=True)
class Pursuit:
    """The verdicts of the chases on a line, and what its supplier is asked for by each.

    `waits` says that one waits for a source that has not told everything, or for facts that hide.
    """

    verdicts: tuple[RuleVerdict, ...]
    asks: Mapping[ChaseKind, Ask]
    waits: bool

    @property
    def ask(self) -> Ask | None:
        """What is wanted first."""
        return min(self.asks.values(), key=lambda each: each.by, default=None)


class _Wanted(msgspec.Struct, frozen=True):
    """What the supplier is to tell: asked for from `begins_at` on, wanted by `by`."""

    begins_at: UtcMillis
    by: UtcMillis
    leg: Leg | None = None


_STEPS: Final = {ChaseKind.CONFIRMATION: Step.CONFIRM, ChaseKind.PROMISE: Step.SHIP}


def is_pursued(verdicts: Sequence[RuleVerdict]) -> bool:
    """Whether a chase is among the verdicts of a line: they stand last."""
    return bool(verdicts) and verdicts[-1].rule in AWAITS


def pursue(
    view: LineView,
    chases: Sequence[ChaseSettings],
    confirm_limit_ms: int,
    previous: Sequence[RuleVerdict],
    complete: bool,
) -> Pursuit:
    """Each chase on the line, where it is on or was.

    `confirm_limit_ms` is how long after it was placed a line may be without confirmation, and
    `previous` the line's verdicts of the last time. Unless everything up to now has been read
    (`complete`), and where facts hide, the supplier is asked for what it was asked for before.
    """
    before = {each.rule: each for each in previous if each.rule in AWAITS}
    on = {each.kind: each for each in chases}
    verdicts: list[RuleVerdict] = []
    asks: dict[ChaseKind, Ask] = {}
    waits = False
    for kind, awaits in AWAITS.items():
        settings, verdict = on.get(kind), before.get(kind)
        if settings is None:
            if verdict is not None:
                verdicts.append(PLAIN_VERDICTS[kind, ChaseReason.DISABLED])
            continue
        wanted = _wanted(view, settings, confirm_limit_ms)
        if isinstance(wanted, ChaseReason):
            verdicts.append(PLAIN_VERDICTS[kind, wanted])
            continue
        if complete:
            verdict, is_waiting = _judged(view, settings, wanted, verdict)
            waits = waits or is_waiting
        if verdict is None:
            continue
        verdicts.append(verdict)
        if verdict.reason == ChaseReason.ASKED:
            asked = min(verdict.value or 1, settings.times_max)
            at = wanted.begins_at + (asked - 1) * settings.repeat_hours * HOUR_MS
            asks[kind] = Ask(awaits, wanted.by, asked, settings.times_max, at)
    return Pursuit(tuple(verdicts), asks, waits)


def _wanted(
    view: LineView, settings: ChaseSettings, confirm_limit_ms: int
) -> _Wanted | ChaseReason:
    """What the supplier is to tell, going by what has been told; else why it is to tell nothing."""
    line = view.line
    if line.is_over:
        return ChaseReason.ENDED
    if line.supplier is None:
        return ChaseReason.NO_SUPPLIER
    if line.supplier not in view.network.subscribed:
        return ChaseReason.NOT_SUBSCRIBED
    if settings.kind is ChaseKind.CONFIRMATION:
        return _confirmation(view, settings.hours * HOUR_MS, confirm_limit_ms)
    return _promise(view, line.supplier, settings.hours * HOUR_MS)


def _confirmation(view: LineView, after_ms: int, limit_ms: int) -> _Wanted | ChaseReason:
    line = view.line
    asked_at = line.asked_at
    if asked_at is None or view.has_shipped:
        return ChaseReason.NOTHING_OPEN
    begins_at, news = asked_at + after_ms, line.confirmed_news
    if news is not None:
        if news.told_at >= begins_at:
            return ChaseReason.TOLD_SINCE
        if line.confirmed >= line.wanted:
            return ChaseReason.NOTHING_OPEN
    return _Wanted(begins_at, asked_at + limit_ms)


def _promise(view: LineView, supplier: str, before_ms: int) -> _Wanted | ChaseReason:
    line, part = view.line, view.waiting
    if line.last_confirmed is None or part is None:
        return ChaseReason.NOTHING_OPEN
    promise, leg = part.promise, part.leg
    if not line.one_supplier and not tells_for(promise.source, supplier, view.network):
        return ChaseReason.ANOTHERS_PROMISE
    by = view.leaves_by(part)
    begins_at = by - before_ms
    eta = None if leg is None else leg.eta
    told_at = promise.told_at if eta is None else max(promise.told_at, eta.told_at)
    return ChaseReason.TOLD_SINCE if told_at >= begins_at else _Wanted(begins_at, by, leg)


def _judged(
    view: LineView, settings: ChaseSettings, wanted: _Wanted, was: RuleVerdict | None
) -> tuple[RuleVerdict, bool]:
    """What is decided now, and whether it waits for a source or for facts that hide."""
    name, step = settings.kind.value, _STEPS[settings.kind]
    source, at = settings.source, wanted.begins_at
    if view.now < at:
        not_due = ChaseReason.NOT_DUE.value
        return RuleVerdict(name, Outcome.SILENT, not_due, source=source, next_fire_at=at), False
    hidden: Silence | Blind | None = blind(view, telling(view, step, wanted.leg))
    asked = 0
    while hidden is None and asked < settings.times_max and at <= view.now:
        hidden = absence(view, step, at, wanted.leg)
        if hidden is None:
            asked, at = asked + 1, at + settings.repeat_hours * HOUR_MS
    if isinstance(hidden, Blind):
        return RuleVerdict(name, Outcome.BLIND, BLIND_FEED, hidden.since, feed=hidden.feed), False
    waits = hidden is not None and (bool(hidden.feed) or hidden.reason == HELD_BACK)
    if hidden is not None and not asked:
        if hidden.reason == HELD_BACK and was is not None and was.reason == ChaseReason.ASKED:
            return was, waits
        return silence_of(name, hidden), waits
    next_at = hidden.next_fire_at if hidden is not None else at
    if asked == settings.times_max:
        next_at = None
    asked_verdict = RuleVerdict(
        name, Outcome.SILENT, ChaseReason.ASKED.value, asked, settings.times_max, source, next_at
    )
    return asked_verdict, waits


_ACCOUNTS: Final = {
    UNCONFIRMED.name: ChaseKind.CONFIRMATION,
    LATE_TO_SHIP.name: ChaseKind.PROMISE,
    OVERDUE_NO_NEWS.name: ChaseKind.PROMISE,
}
"""What a supplier that answered would have kept each of these rules from saying."""


def accounted(
    verdicts: Sequence[RuleVerdict], asks: Mapping[ChaseKind, Ask]
) -> tuple[RuleVerdict, ...]:
    """The verdicts, of which those that hang on an answer say how often it was asked for."""
    return tuple([_accounted(each, asks) if each.finding else each for each in verdicts])


def _accounted(verdict: RuleVerdict, asks: Mapping[ChaseKind, Ask]) -> RuleVerdict:
    kind, finding = _ACCOUNTS.get(verdict.rule), verdict.finding
    if kind is None or finding is None:
        return verdict
    figures = tuple([each for each in finding.figures if each[0] not in ASKED_FIGURES])
    ask = asks.get(kind)
    if ask is not None:
        said = (ask.asked, ask.times_max, ask.at)
        figures += tuple(zip(ASKED_FIGURES, said, strict=True))
    if figures == finding.figures:
        return verdict
    told = msgspec.structs.replace(finding, figures=figures)
    return msgspec.structs.replace(verdict, finding=told)
