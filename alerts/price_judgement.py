"""What the rule on prices says of each line of a price list.

`judge_prices` is a pure function; with the same prices it says the same at any moment before the
first `next_fire_at`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from alerts.findings import DISABLED, Blind, CauseKind, Finding, Fires, RuleVerdict, Silence
from alerts.judgement import firing, sightless
from alerts.plain_verdicts import PLAIN_VERDICTS, silence_of
from alerts.policy import Policy
from alerts.prices import Price, PriceList, PriceView, views
from alerts.rules import PRICE_ACROSS_SITES, Settings
from alerts.rules.prices import NO_PRICE, NOT_COMPARED
from schemas.records import Outcome
from schemas.units import UtcMillis
from topology.network import Network


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A price, what is said of it, and when that is to be looked at again."""

    price: Price
    verdict: RuleVerdict
    due: UtcMillis | None


def judge_prices(
    listed: PriceList, prices: Sequence[Price], network: Network, policy: Policy, now: UtcMillis
) -> list[Judged]:
    """The verdict on each price, in the order given. Each is judged by the settings where its line
    is; one that was placed too long ago, or where the rule is off, is not compared with either. The
    former is said also where the rule is off, so that every price leaves in time."""
    rule = PRICE_ACROSS_SITES
    scopes = [policy.scope(network, now, each.buyer, each.site, each.supplier) for each in prices]
    settled = [
        (each, scope.settings[rule.name], scope.until)
        for each, scope in zip(prices, scopes, strict=True)
    ]
    compared = [
        each
        for each, settings, _ in settled
        if settings.enabled.value and _leaves_at(each, settings) > now
    ]
    seen = {view.price.line_id: view for view in views(listed, compared, now)}
    found: list[Judged] = []
    for each, settings, until in settled:
        leaves_at = _leaves_at(each, settings)
        due = min([at for at in (leaves_at, until) if at is not None and at > now], default=None)
        if not settings.enabled.value and leaves_at > now:
            source = settings.enabled.source
            off = RuleVerdict(rule.name, Outcome.SILENT, DISABLED, source=source)
            found.append(Judged(each, off, due))
            continue
        view = seen.get(each.line_id) or PriceView(listed, each, None, each, now)
        found.append(Judged(each, _verdict(view, settings, network), due))
    return found


def is_kept(price: Price, network: Network, policy: Policy, now: UtcMillis) -> bool:
    """Its line was not placed too long ago, by the settings where it is."""
    scope = policy.scope(network, now, price.buyer, price.site, price.supplier)
    return _leaves_at(price, scope.settings[PRICE_ACROSS_SITES.name]) > now


def _leaves_at(price: Price, settings: Settings) -> UtcMillis:
    return price.leaves_at(settings.limits["look_back_days"].value)


def _verdict(view: PriceView, settings: Settings, network: Network) -> RuleVerdict:
    rule = PRICE_ACROSS_SITES
    answer = rule.evaluate(view, settings)
    match answer:
        case Fires():
            return firing(rule.name, answer, _finding(view, settings, answer, network))
        case Silence():
            return silence_of(rule.name, answer)
        case Blind():
            return sightless(rule.name, answer)
        case _:
            assert_never(answer)


NO_LONGER_PRICED = PLAIN_VERDICTS[PRICE_ACROSS_SITES.name, NO_PRICE]
"""Of a line whose price is gone."""

NO_LONGER_COMPARED = PLAIN_VERDICTS[PRICE_ACROSS_SITES.name, NOT_COMPARED]
"""Of one whose price a list let go before its time."""


def _finding(view: PriceView, settings: Settings, answer: Fires, network: Network) -> Finding:
    rule, price = PRICE_ACROSS_SITES, view.price
    value_minor, currency = answer.money or (None, None)
    return Finding(
        rule.name,
        answer.reason,
        price.line_id,
        rule.aspect,
        CauseKind.PRICE,
        view.listed.cause_id,
        rule.name,
        settings.severity_at(answer.days),
        answer.figures,
        value_minor=value_minor,
        currency=currency,
        accounts=tuple([each.id for each in network.accounts_of(price.buyer, price.site)]),
        supplier=price.supplier,
    )
