"""The records that tell readers of a line or a source: order status, verdicts, feed status."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from alerts import texts
from alerts.context import Judgement, LineContext
from alerts.findings import RuleVerdict
from alerts.lines import FeedState, LineSummary, Told
from alerts.money_texts import payment_record
from alerts.policy import Policy
from alerts.rhythm import blind_at
from alerts.view import LineView
from schemas.records import (
    Expected,
    FeedStatus,
    NextStep,
    OrderStatus,
    Quantities,
    Statement,
    Verdict,
)
from schemas.units import UtcMillis, calendar_date, decimal, instant
from topology.network import Network

PLAIN_RECORDS_MAX = 1_024
AMOUNTS_MAX = 4_096


def status_record(
    context: LineContext, judgement: Judgement, tick: int, now: UtcMillis
) -> OrderStatus:
    """The line as readers of `order-status` see it."""
    line, view = context.line, judgement.view
    expected, step = judgement.expected, judgement.next_step
    first = _statement(view, line.first_confirmed)
    return OrderStatus(
        line_id=line.line_id,
        order_ref=line.order_ref,
        line=line.line,
        tick=tick,
        at=instant(now),
        progress=judgement.progress,
        standing=judgement.standing,
        why=judgement.why,
        item=line.item,
        unit=line.unit,
        buyer=line.buyer,
        supplier=line.supplier,
        ship_from=line.ship_from,
        ship_to=line.ship_to,
        quantities=_quantities(line),
        requested=_statement(view, line.requested),
        first_confirmed=first,
        last_confirmed=first
        if line.last_confirmed == line.first_confirmed
        else _statement(view, line.last_confirmed),
        expected=None
        if expected is None
        else Expected(
            at=instant(expected.at),
            basis=expected.basis,
            source=expected.source,
            told_at=texts.instant_or_none(expected.told_at),
        ),
        next=None
        if step is None
        else NextStep(step=step.step, by=texts.instant_or_none(step.by), feeds=step.feeds),
        shipments=tuple([leg.shipment for leg in line.legs if leg.shipment]),
        value_minor=line.value_minor,
        currency=line.currency,
        blind_feeds=() if judgement.blind_feed is None else (judgement.blind_feed.feed,),
        rules=tuple([finding.rule for finding in judgement.findings]),
        parties=line.parties,
        last_fact_at=None if line.last_news is None else instant(line.last_news.at),
        payment=payment_record(line, judgement.settlement),
    )


def _quantities(line: LineSummary) -> Quantities:
    return Quantities(
        ordered=_amount(line.ordered),
        confirmed=_amount(line.confirmed),
        shipped=_amount(line.shipped),
        in_transit=_amount(line.in_transit),
        delivered=_amount(line.delivered),
        damaged=_amount(line.damaged),
        short=_amount(line.short),
        over=_amount(line.over),
        returned=_amount(line.returned),
        cancelled=_amount(line.cancelled),
    )


_amount = lru_cache(AMOUNTS_MAX)(decimal)


def _statement(view: LineView, told: Told | None) -> Statement | None:
    if told is None:
        return None
    return Statement(
        on=None if told.on is None else calendar_date(told.on),
        at=texts.instant_or_none(told.at),
        due_at=instant(view.due_at(told)),
        source=told.source,
        told_at=instant(told.told_at),
    )


def verdict_records(context: LineContext, verdicts: Iterable[RuleVerdict]) -> tuple[Verdict, ...]:
    """The verdicts on a line with their sentences, for `decisions`."""
    version, unit = context.policy.version, context.line.unit
    return tuple([_verdict_record(each, version, unit) for each in verdicts])


def _verdict_record(verdict: RuleVerdict, version: str, unit: str | None) -> Verdict:
    if not verdict.value and verdict.finding is None and verdict.next_fire_at is None:
        return _plain_record(verdict, version, unit)
    return texts.verdict_record(verdict, version, unit)


@lru_cache(PLAIN_RECORDS_MAX)
def _plain_record(verdict: RuleVerdict, version: str, unit: str | None) -> Verdict:
    """Of a verdict with no figure but nought, as most are: there are few, however many lines."""
    return texts.verdict_record(verdict, version, unit)


def feed_verdict_records(
    feed: FeedState, verdicts: Iterable[RuleVerdict], network: Network, policy: Policy
) -> tuple[Verdict, ...]:
    """The verdicts on a source with their sentences, for `decisions`."""
    del feed, network
    return tuple([texts.verdict_record(each, policy.version) for each in verdicts])


def feed_record(
    feed: FeedState, network: Network, policy: Policy, tick: int, now: UtcMillis
) -> FeedStatus:
    """The source as readers of `feeds` see it."""
    expected_by = blind_at(feed, network, policy)
    if feed.quarantined is not None:
        text = f"Blind since {texts.moment(feed.blind_since)}, in quarantine: "
        text += f"{feed.quarantined.refused} of its last {feed.quarantined.records} records were "
        text += "refused."
    elif feed.blind_since is not None:
        text = f"Blind since {texts.moment(feed.blind_since)}; last heard "
        text += f"{texts.moment(feed.heard_at)}."
    elif expected_by is None:
        text = "It declares no rhythm and the policy gives none: its silence says nothing."
    else:
        text = f"Heard {texts.moment(feed.heard_at)}; blind if silent until "
        text += f"{texts.moment(expected_by)}."
    return FeedStatus(
        source=feed.source,
        tick=tick,
        at=instant(now),
        blind=feed.blind_since is not None,
        declared=network.feed(feed.source) is not None,
        last_told_at=instant(feed.heard_at),
        complete_to=texts.instant_or_none(feed.complete_to),
        expected_by=texts.instant_or_none(expected_by),
        text=text,
        quarantined=feed.quarantined is not None,
        learned_hours=feed.learned_hours,
    )
