"""What all rules say of one stock node, and how it stands.

`judge_node` is a pure function of its context. A balance is what all facts add up to, so a node is
judged only when everything up to now has been read; until then it stands as it did.

**Standing** is the first of: `short` (below zero within the horizon), `low` (below its safety
stock), `blind` (a source that should tell is), `unknown` (nobody has counted, or the network does
not know it), `over` (more than is used), `enough`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alerts import texts
from alerts.findings import (
    DISABLED,
    HELD_BACK,
    Blind,
    CauseKind,
    Finding,
    Fires,
    RuleVerdict,
    Silence,
)
from alerts.flows import Goods
from alerts.judgement import firing, sightless, value_at_risk
from alerts.lines import LineSummary
from alerts.node_context import NodeContext, lay_over
from alerts.node_view import NodeView
from alerts.plain_verdicts import silence_of
from alerts.policy import Scope
from alerts.projection import Hit
from alerts.rules import (
    BELOW_SAFETY_STOCK,
    OVERSTOCK,
    SHORTAGE_PROJECTED,
    STOCK_RULES,
    Rule,
    Settings,
)
from schemas.limits import LINES_HIT_MAX
from schemas.records import Outcome
from schemas.stock_records import StockStanding
from schemas.units import UtcMillis


class NodeJudgement(msgspec.Struct, frozen=True, eq=False):
    """What is to be known of a node now; as of a line. `view` is None where it was not judged."""

    verdicts: tuple[RuleVerdict, ...]
    findings: tuple[Finding, ...]
    next_fire_at: UtcMillis | None
    feeds: tuple[str, ...] = ()
    waits: bool = False
    standing: StockStanding = StockStanding.UNKNOWN
    why: str = ""
    view: NodeView | None = None


def judge_node(
    ctx: NodeContext, previous: tuple[RuleVerdict, ...], stated: tuple[Finding, ...]
) -> NodeJudgement:
    """All rules on the node. `previous` and `stated` are the verdicts and findings of the last
    time: they stand where the context is not complete."""
    if not ctx.complete:
        return NodeJudgement(previous, stated, ctx.now + 1)
    scope = _scope(ctx)
    settings = scope.settings[SHORTAGE_PROJECTED.name]
    view = lay_over(ctx, settings.limits["horizon_days"], settings.limits["overdue_days"].value)
    verdicts, waits = _verdicts(view, scope, previous)
    findings = [each.finding for each in verdicts if each.finding is not None]
    findings += _hit_lines(view, ctx.lines, verdicts, settings)
    moments = [at for each in verdicts if (at := each.next_fire_at) is not None and at > ctx.now]
    if scope.until is not None and scope.until > ctx.now:
        moments.append(scope.until)
    if view.projection is not None:
        # What is due, overdue or used moves with the day.
        moments.append(view.starts_at(view.today + 1))
    if view.doubted_at is not None:
        moments.append(view.doubted_at)
    standing, why = _standing(view, verdicts)
    return NodeJudgement(
        verdicts,
        tuple(findings),
        min(moments, default=None),
        tuple(sorted({*view.telling, *view.bringing})),
        waits,
        standing,
        why,
        view,
    )


def _scope(ctx: NodeContext) -> Scope:
    site = ctx.network.site(ctx.node.site)
    party = None if site is None else site.party
    return ctx.policy.scope(ctx.network, ctx.now, party, ctx.node.site, None)


def _verdicts(
    view: NodeView, scope: Scope, previous: tuple[RuleVerdict, ...]
) -> tuple[tuple[RuleVerdict, ...], bool]:
    """The verdict of each rule, in their order, and whether one waits to be told something."""
    before = {each.rule: each for each in previous}
    verdicts: list[RuleVerdict] = []
    waits = False
    for rule in STOCK_RULES:
        settings = scope.settings[rule.name]
        if not settings.enabled.value:
            source = settings.enabled.source
            verdicts.append(RuleVerdict(rule.name, Outcome.SILENT, DISABLED, source=source))
            continue
        answer = rule.evaluate(view, settings)
        match answer:
            case Fires():
                verdicts.append(firing(rule.name, answer, _finding(view, rule, settings, answer)))
            case Blind():
                verdicts.append(sightless(rule.name, answer))
            case Silence():
                waits = waits or bool(answer.feed) or answer.reason == HELD_BACK
                kept = before.get(rule.name)
                if answer.reason == HELD_BACK and kept is not None and kept.finding is not None:
                    verdicts.append(kept)
                else:
                    verdicts.append(silence_of(rule.name, answer))
    return tuple(verdicts), waits


def _finding(view: NodeView, rule: Rule[NodeView], settings: Settings, answer: Fires) -> Finding:
    node = view.node
    site = view.network.site(node.site)
    party = None if site is None else site.party
    value_minor, currency = None, None
    hits = view.projection.hits if view.projection is not None else ()
    if answer.quantity is not None and not (rule is SHORTAGE_PROJECTED and hits):
        # What a shortage puts at risk is the value of the lines that it hits.
        value_minor, currency = view.value_of(answer.quantity)
    return Finding(
        rule.name,
        answer.reason,
        node.id,
        rule.aspect,
        CauseKind.STOCK_NODE,
        node.id,
        rule.name,
        settings.severity_at(answer.days),
        answer.figures,
        answer.due_at,
        answer.projected_at,
        answer.days,
        value_minor,
        currency,
        tuple([each.id for each in view.network.accounts_of(party, node.site)]),
    )


def _hit_lines(
    view: NodeView,
    lines: Sequence[Goods],
    verdicts: Sequence[RuleVerdict],
    settings: Settings,
) -> list[Finding]:
    """A finding for each line that a shortage hits, those that fall due first."""
    fires = any(each.rule == SHORTAGE_PROJECTED.name and each.finding for each in verdicts)
    if not fires or view.projection is None:
        return []
    by_id = {each.line.line_id: each.line for each in lines}
    return [
        _line_finding(view, by_id[each.subject], each, settings)
        for each in view.projection.hits[:LINES_HIT_MAX]
    ]


def _line_finding(view: NodeView, line: LineSummary, hit: Hit, settings: Settings) -> Finding:
    network, node = view.network, view.node
    days = None if hit.covered_on is None else hit.covered_on - hit.needed_on
    value_minor, currency = value_at_risk(line, network, hit.missing)
    return Finding(
        SHORTAGE_PROJECTED.name,
        "line_open" if hit.covered_on is None else "line",
        line.line_id,
        SHORTAGE_PROJECTED.aspect,
        CauseKind.STOCK_NODE,
        node.id,
        SHORTAGE_PROJECTED.name,
        settings.severity_at(days),
        (
            ("item", node.item),
            ("site", node.site),
            ("unit", node.unit),
            ("missing_quantity", hit.missing),
            ("needed_on", hit.needed_on),
            ("covered_on", hit.covered_on),
        ),
        network.due_at(node.site, hit.needed_on),
        None if hit.covered_on is None else view.starts_at(hit.covered_on),
        days,
        value_minor,
        currency,
        tuple([each.id for each in network.accounts_of(line.buyer, line.ship_to)]),
        line.supplier,
    )


def _standing(view: NodeView, verdicts: Sequence[RuleVerdict]) -> tuple[StockStanding, str]:
    """How the node stands, and why in a sentence."""
    firing_now = {each.rule: each.finding for each in verdicts if each.finding is not None}
    for rule, standing in (
        (SHORTAGE_PROJECTED, StockStanding.SHORT),
        (BELOW_SAFETY_STOCK, StockStanding.LOW),
    ):
        finding = firing_now.get(rule.name)
        if finding is not None:
            return standing, texts.finding_text(finding)
    hidden = view.unseen()
    if isinstance(hidden, Blind):
        return StockStanding.BLIND, texts.nobody_can_tell(hidden)
    projection = view.projection
    if projection is None:
        return StockStanding.UNKNOWN, SHORTAGE_PROJECTED.says[view.unprojected]
    over = firing_now.get(OVERSTOCK.name)
    if over is not None:
        return StockStanding.OVER, texts.finding_text(over)
    lowest = texts.amount(projection.lowest.quantity, view.node.unit)
    until = texts.figure("until_on", projection.horizon_on, None)
    return StockStanding.ENOUGH, f"Up to {until} at least {lowest} stay available."
