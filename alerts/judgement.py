"""What all rules say of one line, or of one source.

`judge` is a pure function of its context; with the same facts it gives the same verdicts at any
moment before `Judgement.next_fire_at`. Sentences are made only when asked for (`status_record`,
`verdict_records`, `Judgement.why`).
"""

from __future__ import annotations

from dataclasses import dataclass

from alerts.cause import cause_of
from alerts.chasing import accounted, is_pursued, pursue
from alerts.context import Judgement, LineContext
from alerts.evidence import blind, refusal_of
from alerts.findings import (
    DISABLED,
    ENDED,
    HELD_BACK,
    Aspect,
    Blind,
    CauseKind,
    Finding,
    Fires,
    RuleVerdict,
    Silence,
)
from alerts.lines import FeedState, LineSummary
from alerts.plain_verdicts import PLAIN_VERDICTS, silence_of
from alerts.policy import Policy, Scope
from alerts.rhythm import blind_at, rhythm_of
from alerts.rules import (
    FEED_BLIND,
    LATE_TO_SHIP,
    LINE_RULES,
    REFUSAL_RULES,
    UNCONFIRMED,
    FeedView,
    Rule,
    Settings,
)
from alerts.rules.shipping import QUANTILES
from alerts.settlement import settlement_of
from alerts.standing import feeds_of, next_step_of, progress_of, standing_of
from alerts.view import LineView
from schemas.records import Outcome
from schemas.units import HOUR_MS, Quantity, UtcMillis
from topology.model import Quantile
from topology.network import Network

_ENDED = tuple(PLAIN_VERDICTS[rule.name, ENDED] for rule in LINE_RULES)


def judge(ctx: LineContext, previous: tuple[RuleVerdict, ...]) -> Judgement:
    """All rules on the line, and how it stands.

    `previous` are the verdicts of the last time. They are kept, unevaluated, for rules that rest on
    absence when the context is not complete, and for firing ones when facts hide. A context that is
    not complete wants the line judged again at the next one.
    """
    line = ctx.line
    scope = ctx.policy.scope(ctx.network, ctx.now, line.buyer, line.ship_to, line.supplier)
    settings = scope.settings
    view = LineView(line, ctx.network, ctx.now, ctx.feeds, ctx.held_families, quantile_of(scope))
    is_over = line.is_over and refusal_of(line, ctx.network) is None
    if is_over:
        verdicts, waits = _ENDED, False
    else:
        verdicts, waits = _verdicts(view, scope, previous, ctx.complete)
    limit_ms = settings[UNCONFIRMED.name].limits["limit_hours"].value * HOUR_MS
    ask = None
    if scope.chases or is_pursued(previous):
        pursuit = pursue(view, scope.chases, limit_ms, previous, ctx.complete)
        verdicts = (*accounted(verdicts, pursuit.asks), *pursuit.verdicts)
        ask, waits = pursuit.ask, waits or pursuit.waits
    findings = tuple([each.finding for each in verdicts if each.finding is not None])
    step = next_step_of(view, limit_ms)
    blind_feed = None if step is None else blind(view, step.feeds)
    standing, turns_at = standing_of(view, findings, blind_feed)
    now = ctx.now
    moments = [at for each in verdicts if (at := each.next_fire_at) is not None and at > now]
    if turns_at is not None and turns_at > now:
        moments.append(turns_at)
    if not is_over:
        until = scope.until if ctx.complete else now + 1
        if until is not None and until > now:
            moments.append(until)
    return Judgement(
        verdicts,
        findings,
        progress_of(view),
        standing,
        step,
        blind_feed,
        min(moments, default=None),
        feeds_of(view, step),
        waits,
        view,
        settlement_of(view),
        ask,
    )


def quantile_of(scope: Scope) -> Quantile:
    """How sure lead times are to be where the scope counts."""
    limits = scope.settings[LATE_TO_SHIP.name].limits
    return QUANTILES[limits["lead_time_percentile"].value]


def _verdicts(
    view: LineView, scope: Scope, previous: tuple[RuleVerdict, ...], complete: bool
) -> tuple[tuple[RuleVerdict, ...], bool]:
    """The verdict of each rule, in their order, and whether one waits to be told something."""
    before = {each.rule: each for each in previous} if not complete or view.held_families else {}
    verdicts: list[RuleVerdict] = []
    waits, is_refused = False, view.line.is_rejected
    for rule, settings, off in scope.plan:
        name = rule.name
        if off is not None:
            verdicts.append(off)
            continue
        if is_refused and rule not in REFUSAL_RULES:
            verdicts.append(PLAIN_VERDICTS[name, ENDED])
            continue
        if not complete and rule.rests_on_absence:
            if name in before:
                verdicts.append(before[name])
            continue
        answer = rule.evaluate(view, settings)
        if isinstance(answer, Silence):
            if answer.feed or answer.reason == HELD_BACK:
                waits = True
                kept = before.get(name)
                if answer.reason == HELD_BACK and kept is not None and kept.finding is not None:
                    verdicts.append(kept)
                    continue
            verdicts.append(silence_of(name, answer))
        elif isinstance(answer, Fires):
            waits = waits or bool(answer.feed)
            verdicts.append(_firing(view, rule, settings, answer))
        else:
            verdicts.append(sightless(name, answer))
    return tuple(verdicts), waits


def sightless(rule: str, answer: Blind) -> RuleVerdict:
    """The verdict of a rule that cannot tell."""
    return RuleVerdict(
        rule, Outcome.BLIND, answer.reason, answer.since, None, "", answer.next_fire_at, answer.feed
    )


def _firing(view: LineView, rule: Rule[LineView], settings: Settings, answer: Fires) -> RuleVerdict:
    line = view.line
    cause = cause_of(view, rule, answer)
    value_minor: int | None
    currency: str | None
    if answer.money is not None:
        value_minor, currency = answer.money
    else:
        value_minor, currency = value_at_risk(line, view.network, answer.quantity)
    finding = Finding(
        rule.name,
        answer.reason,
        line.line_id,
        rule.aspect,
        cause.kind,
        cause.id,
        cause.reason,
        settings.severity_at(answer.days),
        answer.figures,
        answer.due_at,
        answer.projected_at,
        answer.days,
        value_minor,
        currency,
        tuple(each.id for each in view.network.accounts_of(line.buyer, line.ship_to)),
        line.supplier,
        answer.leg.carrier if answer.leg is not None else None,
    )
    return firing(rule.name, answer, finding)


def firing(rule: str, answer: Fires, finding: Finding) -> RuleVerdict:
    """The verdict of a rule that fires, with its finding."""
    threshold = answer.threshold
    return RuleVerdict(
        rule,
        Outcome.FIRES,
        answer.reason,
        answer.value,
        threshold.value if threshold is not None else None,
        threshold.source if threshold is not None else "",
        answer.next_fire_at,
        answer.feed,
        finding,
    )


def value_at_risk(
    line: LineSummary, network: Network, quantity: Quantity | None
) -> tuple[int | None, str | None]:
    """The value of that quantity of the line (None: all that is wanted), rounded down.

    From the value of the line, which is that of what was ordered when it was told; else from the
    value of the item, where the line counts in the item's base unit. (None, None) when neither is
    known.
    """
    amount = line.wanted if quantity is None else quantity
    if line.value_minor is not None and line.currency:
        valued = line.valued_quantity
        if not valued:
            return line.value_minor, line.currency
        return line.value_minor * amount // valued, line.currency
    item = network.item(line.item)
    return (None, None) if item is None else item.worth(amount, line.unit)


@dataclass(frozen=True, eq=False)
class FeedJudgement:
    """What is to be said of a source now; the same fields as those of a line's judgement."""

    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    next_fire_at: UtcMillis | None


def judge_feed(
    feed: FeedState,
    network: Network,
    policy: Policy,
    now: UtcMillis,
    complete: bool,
    previous: tuple[RuleVerdict, ...] = (),
) -> FeedJudgement:
    """The rule on sources. Whether it is blind is what `feed.blind_since` says; its ledger finds
    that out, by `blind_at`, and knows each of its words."""
    settings = policy.everywhere.settings[FEED_BLIND.name]
    if not complete:
        findings = tuple(each.finding for each in previous if each.finding is not None)
        return FeedJudgement(previous, findings, now + 1)
    if not settings.enabled.value:
        off = RuleVerdict(FEED_BLIND.name, Outcome.SILENT, DISABLED, source=settings.enabled.source)
        return FeedJudgement((off,), (), None)
    rhythm = rhythm_of(feed, network, policy)
    view = FeedView(feed, blind_at(feed, network, policy), rhythm, now)
    answer = FEED_BLIND.evaluate(view, settings)
    match answer:
        case Silence():
            return FeedJudgement((silence_of(FEED_BLIND.name, answer),), (), answer.next_fire_at)
        case Blind():
            return FeedJudgement((sightless(FEED_BLIND.name, answer),), (), answer.next_fire_at)
        case Fires():
            finding = Finding(
                FEED_BLIND.name,
                answer.reason,
                feed.source,
                Aspect.FEED,
                CauseKind.FEED,
                feed.source,
                Aspect.FEED.value if feed.quarantined is None else answer.reason,
                settings.severity_at(answer.days),
                answer.figures,
                answer.due_at,
                days=answer.days,
            )
            verdict = firing(FEED_BLIND.name, answer, finding)
            return FeedJudgement((verdict,), (finding,), answer.next_fire_at)
