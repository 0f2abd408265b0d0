"""Figures into sentences that people read. Nothing else in `alerts` makes prose.

Dates are written as they are at the place where they fall due (2026-03-16), moments in UTC, amounts
with their unit. A figure that is missing reads "unknown", so that a sentence is always whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from alerts.amounts import amount_text, money_text
from alerts.chases import ASKED_FIGURES, ASKED_SAYS, AWAITS, CHASE_SAYS, ChaseReason
from alerts.findings import (
    AWAITING_FEED,
    BLIND_FEED,
    DISABLED,
    ENDED,
    HELD_BACK,
    NETWORK_SOURCE,
    POLICY_SOURCE,
    QUARANTINED_FEED,
    Blind,
    CauseKind,
    Figures,
    Finding,
    RuleVerdict,
    alert_id_of,
)
from alerts.rules import RULE_BY_NAME, Rule, Unit
from schemas.facts import split_stock_node_id
from schemas.records import Alert, Consequence, Verdict
from schemas.units import UtcMillis, calendar_date, decimal, instant
from topology.network import Network

UNKNOWN = "unknown"

_COMMON_SAYS = {
    AWAITING_FEED: "{feed} has not yet told everything up to {value}.",
    HELD_BACK: "Facts that may matter hide behind an unfinished transaction of a sender.",
    BLIND_FEED: "{feed}, which should tell, has been silent since {value}.",
    QUARANTINED_FEED: "{feed}, which should tell, is in quarantine since {value}: too many of its "
    "records are refused.",
    DISABLED: "The policy turns this rule off here.",
    ENDED: "Nothing more is expected of the line.",
}


def moment(at: UtcMillis | None) -> str:
    """2026-03-16 14:00 UTC."""
    return UNKNOWN if at is None else f"{instant(at).isoformat(' ', 'minutes')[:16]} UTC"


def days_text(days: int) -> str:
    """1 day, 6 days; nothing whole reads "less than a day"."""
    if days == 0:
        return "less than a day"
    return f"{days} day" if days == 1 else f"{days} days"


def amount(quantity: int, unit: str | None) -> str:
    """40 EA."""
    return f"{decimal(quantity):f} {unit}" if unit else f"{decimal(quantity):f}"


def counted(count: int, noun: str) -> str:
    """1 line, 3 lines."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def figure(name: str, value: int | str | None, unit: str | None) -> str:
    """The figure as people read it, by the end of its name."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, str):
        return value
    if name.endswith("_at"):
        return moment(value)
    if name.endswith("_on"):
        return calendar_date(value).isoformat()
    if name.endswith("days"):
        return days_text(value)
    if name.endswith("_hours"):
        return hours_text(value)
    if name.endswith("_quantity"):
        return amount(value, unit)
    return str(value)


def hours_text(hours: int) -> str:
    """1 hour, 48 hours; from three days on whole days as days."""
    if hours >= 72 and hours % 24 == 0:
        return days_text(hours // 24)
    return f"{hours} hour" if hours == 1 else f"{hours} hours"


def minutes_text(minutes: int) -> str:
    """90 minutes; whole hours as hours."""
    if minutes and minutes % 60 == 0:
        return hours_text(minutes // 60)
    return f"{minutes} minute" if minutes == 1 else f"{minutes} minutes"


def measure(value: int, unit: Unit, item_unit: str | None = None) -> str:
    """A value or threshold in its unit."""
    match unit:
        case Unit.MOMENT:
            return moment(value)
        case Unit.DAYS:
            return f"{value} day" if abs(value) == 1 else f"{value} days"
        case Unit.HOURS:
            return hours_text(value)
        case Unit.MINUTES:
            return minutes_text(value)
        case Unit.PERCENT:
            return f"{value} %"
        case Unit.PERCENTILE:
            return f"{value} of 100 shipments"
        case Unit.QUANTITY:
            return amount(value, item_unit)


def filled(template: str, figures: Figures, names: Mapping[str, str] | None = None) -> str:
    """The template with its figures, and the names of what is concerned."""
    values = dict(figures)
    unit = values.get("unit")
    item_unit = unit if isinstance(unit, str) else None
    currency = values.get("currency")
    known = {
        name: amount_text(value, currency)
        if name.endswith("_minor")
        else figure(name, value, item_unit)
        for name, value in values.items()
    }
    return template.format_map(_Known({**known, **(names or {})}))


class _Known(dict[str, str]):
    """Figures by name; one that a finding of another release does not have reads "unknown"."""

    def __missing__(self, name: str) -> str:
        return UNKNOWN


def finding_text(finding: Finding) -> str:
    """What is wrong, in one sentence with its figures."""
    rule: Rule[object] = RULE_BY_NAME[finding.rule]
    says = rule.says[finding.reason]
    if any(name in ASKED_FIGURES for name, _ in finding.figures):
        says = f"{says} {ASKED_SAYS}"
    return filled(says, finding.figures)


def consequence(finding: Finding) -> Consequence:
    """The finding as an alert lists it."""
    return Consequence(
        subject=finding.subject,
        rule=finding.rule,
        severity=finding.severity,
        text=finding_text(finding),
        figures=dict(finding.figures),
        due_at=instant_or_none(finding.due_at),
        projected_at=instant_or_none(finding.projected_at),
        days=finding.days,
        value_minor=finding.value_minor,
        currency=finding.currency,
        accounts=finding.accounts,
    )


def verdict_record(
    verdict: RuleVerdict, policy_version: str, item_unit: str | None = None
) -> Verdict:
    """The verdict with its text, value and threshold as people read them."""
    if verdict.rule in AWAITS:
        return _chase_record(verdict, policy_version)
    rule: Rule[object] = RULE_BY_NAME[verdict.rule]
    finding = verdict.finding
    value = _value(verdict, rule, item_unit)
    threshold = _threshold(verdict, rule, item_unit)
    if finding is not None:
        text = finding_text(finding)
    else:
        template = _COMMON_SAYS.get(verdict.reason) or rule.says[verdict.reason]
        text = template.format_map(
            {
                "value": value or UNKNOWN,
                "threshold": threshold or UNKNOWN,
                "feed": verdict.feed or UNKNOWN,
            }
        )
    return Verdict(
        rule=verdict.rule,
        outcome=verdict.outcome,
        reason=verdict.reason,
        text=text,
        value=value,
        threshold=threshold,
        threshold_source=_source(verdict, policy_version),
        next_fire_at=instant_or_none(verdict.next_fire_at),
        severity=None if finding is None else finding.severity,
        alert_id=None if finding is None else alert_id_of(finding.key),
    )


def _chase_record(verdict: RuleVerdict, policy_version: str) -> Verdict:
    """What was decided of asking a supplier. Its value is how often it was asked, its threshold how
    often it is at most; of one that waits for a source, up to when that must have told all."""
    value, threshold = verdict.value, verdict.threshold
    is_asked = verdict.reason == ChaseReason.ASKED
    said = str(value) if is_asked else moment(value) if value is not None else None
    most = None if threshold is None else str(threshold)
    template = CHASE_SAYS.get(verdict.reason) or _COMMON_SAYS[verdict.reason]
    words = {"value": said or UNKNOWN, "threshold": most or UNKNOWN, "feed": verdict.feed}
    return Verdict(
        rule=verdict.rule,
        outcome=verdict.outcome,
        reason=verdict.reason,
        text=template.format_map(words),
        value=said,
        threshold=most,
        threshold_source=_source(verdict, policy_version),
        next_fire_at=instant_or_none(verdict.next_fire_at),
    )


def _value(verdict: RuleVerdict, rule: Rule[object], item_unit: str | None) -> str | None:
    if verdict.value is None:
        return None
    if verdict.reason in _COMMON_SAYS:
        return moment(verdict.value)
    return measure(verdict.value, rule.value_unit, item_unit)


def _threshold(verdict: RuleVerdict, rule: Rule[object], item_unit: str | None) -> str | None:
    if verdict.threshold is None:
        return None
    parameter = rule.parameter(verdict.source.partition(",")[0])
    unit = rule.threshold_unit if parameter is None else parameter.unit
    return measure(verdict.threshold, unit, item_unit)


def _source(verdict: RuleVerdict, policy_version: str) -> str | None:
    if not verdict.source:
        return None
    if verdict.source.startswith(("lane ", NETWORK_SOURCE)):
        return verdict.source
    if verdict.source.startswith(POLICY_SOURCE):
        return f"policy {policy_version}: {verdict.source.removeprefix(POLICY_SOURCE)}"
    return f"policy {policy_version}: rules.{verdict.rule}.{verdict.source}"


def names_of(finding: Finding, network: Network) -> dict[str, str]:
    """What sentences call the things that a finding is about."""
    supplier = network.party(finding.supplier)
    carrier = network.party(finding.carrier)
    order = finding.subject.rpartition("#")[0] or finding.subject
    return {
        "order": f"order {order}",
        "supplier": (supplier.name if supplier else "") or finding.supplier or "the supplier",
        "carrier": (carrier.name if carrier else "") or finding.carrier or "the carrier",
        "source": finding.subject,
        **{name: str(value) for name, value in finding.figures if name in {"item", "site"}},
    }


def cause_text(finding: Finding, network: Network) -> str:
    """The root cause, in one sentence."""
    names = names_of(finding, network)
    template = _CAUSE_SAYS.get(finding.cause_reason) or RULE_BY_NAME[finding.rule].cause
    text = template.format_map({**names, "cause": cause_name(finding, network)})
    return text[0].upper() + text[1:]


def cause_name(finding: Finding, network: Network) -> str:
    """What the cause is called: Order ACME/4711, CONGESTION at Rotterdam, Stock of BOLT at LYON."""
    if finding.cause_kind == CauseKind.STOCK_NODE:
        item, site = split_stock_node_id(finding.cause_id)
        return f"Stock of {item} at {site}"
    if finding.cause_kind == CauseKind.PRICE:
        figures = dict(finding.figures)
        return f"Prices of {figures['item']} for {figures['account']}"
    if finding.cause_kind == CauseKind.EXCEPTION:
        reason, _, site = finding.cause_id.rpartition("@")
        place = network.site(site)
        return f"{reason} at {(place.name if place else '') or site}"
    return f"{finding.cause_kind.capitalize()} {finding.cause_id}"


_CAUSE_SAYS = {
    "exception": "{cause} holds it up.",
    "left_late": "{cause} left {supplier} later than the last departure that meets the promise.",
    "time": "{cause} is slow on its way with {carrier}.",
    "quantity": "{cause} did not bring what was expected.",
    "feed": "{cause} has gone silent.",
    "quarantined": "Too many records of {source} are refused.",
    "unconfirmed": "{supplier} has not confirmed {order}.",
    "rejected": "{supplier} will not deliver {order}.",
    "promise_later_than_requested": "{supplier} promised {order} later than requested.",
    "promise_moved": "{supplier} moved the promise for {order}.",
    "late_to_ship": "{order} has not left {supplier} in time.",
    "overdue_no_news": "{order} is overdue, and {supplier} has not told that it left.",
    "expected_after_promise": "{order} has not left {supplier} yet and is announced late.",
    "delivered_not_invoiced": "{supplier} has delivered {order} and not invoiced it.",
    "unpaid_past_terms": "{cause} has not been paid in time.",
    "paid_not_moving": "{order} is paid, and {supplier} has not let it go.",
    "held_for_payment": "{cause} keeps the goods from going.",
    "invoiced_quantity": "{cause} asks for more than was received.",
    "invoiced_price": "{cause} does not ask for the agreed price.",
    "paid_over": "More was paid for {order} than is asked.",
    "payment_unclear": "{cause} cannot be counted as it was told.",
    "reference_ambiguous": "{cause} is tied to more than one line.",
    "unit_unclear": "{order} is told in a unit that cannot be counted.",
}


def instant_or_none(at: UtcMillis | None) -> dt.datetime | None:
    """The moment as an aware UTC time, if there is one."""
    return None if at is None else instant(at)


def nobody_can_tell(blind: Blind | None) -> str:
    """That a source which should tell is silent or not believed, in one sentence."""
    feed = blind.feed if blind is not None else UNKNOWN
    since = blind.since if blind is not None else None
    heard = f"has been silent since {moment(since)}" if since else "was never heard"
    if blind is not None and blind.reason == QUARANTINED_FEED:
        heard = f"is in quarantine since {moment(since)}: too many of its records are refused"
    return f"Nobody can tell: {feed}, which should tell what is next, {heard}."


def notification_text(alert: Alert, event: str, network: Network, is_theirs: bool = True) -> str:
    """What a recipient reads below the title: cause, stakes, consequences, what to do. `is_theirs`
    is False when they hear for the last time of what no longer concerns them."""
    if not is_theirs:
        return f"No longer yours: {alert.title}. It does not concern you any more."
    if event == "resolved":
        return f"Resolved: {alert.title}. Nothing more is to be done."
    lines = [alert.cause]
    if alert.value_at_risk:
        lines.append(f"At risk: {money_text(alert.value_at_risk)}.")
    if alert.accounts:
        names = [
            account.name or account.id
            for each in alert.accounts
            if (account := network.account(each)) is not None
        ]
        lines.append(f"Accounts: {', '.join(names or alert.accounts)}.")
    lines += [f"- {each.subject}: {each.text}" for each in alert.consequences[:LINES_WRITTEN_MAX]]
    rest = alert.consequence_count - min(len(alert.consequences), LINES_WRITTEN_MAX)
    if rest > 0:
        lines.append(f"- and {rest} more")
    lines.append(f"Next: {alert.next_step}")
    return "\n".join(lines)


LINES_WRITTEN_MAX = 5
"""Consequences that a notification writes out; it carries the alert with the others."""
