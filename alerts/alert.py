"""What an alert says of an incident: title, cause, next step, what is at stake, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from alerts import texts
from alerts.findings import CauseKind, Finding, alert_id_of, severity_rank, worst
from alerts.policy import Policy
from alerts.rules import RULE_BY_NAME, Rule
from alerts.terms import ACCOUNT_MANAGER, OPERATIONS, Materiality
from schemas.limits import CONSEQUENCES_LISTED
from schemas.records import Alert, AlertState, Consequence, Money, Severity
from schemas.units import UtcMillis, instant
from topology.network import Network


class Header(msgspec.Struct, frozen=True, gc=False):
    """What an alert says that does not come from its findings."""

    key: str
    episode: int
    revision: int
    opened_at: UtcMillis
    updated_at: UtcMillis


class Stakes(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is at stake, as far as a change of it is worth telling."""

    severity: Severity
    days: int | None
    values: tuple[tuple[str, int], ...]
    count: int


def stakes_of(alert: Alert) -> Stakes:
    """What is at stake by the alert."""
    values = tuple((each.currency, each.value_minor) for each in alert.value_at_risk)
    return Stakes(alert.severity, alert.days, values, alert.consequence_count)


def material_change(before: Stakes, after: Stakes, materiality: Materiality) -> str | None:
    """What changed so much that people are told again: severity, days, value, count; else None."""
    if before.severity != after.severity:
        return "severity"
    if abs((after.days or 0) - (before.days or 0)) >= materiality.days:
        return "days"
    old, new = dict(before.values), dict(after.values)
    for currency in sorted(old.keys() | new.keys()):
        if _has_moved(old.get(currency, 0), new.get(currency, 0), materiality.value_percent):
            return "value"
    if _has_moved(before.count, after.count, materiality.count_percent):
        return "count"
    return None


def _has_moved(before: int, after: int, percent: int) -> bool:
    return before != after and abs(after - before) * 100 >= percent * abs(before)


def compose(
    header: Header,
    findings: Mapping[str, Finding],
    policy: Policy,
    network: Network,
    tick: int,
    now: UtcMillis,
) -> Alert:
    """The alert of an open incident with these findings, of which there is at least one.

    Cost: a few microseconds a finding; text is made for those that are listed.
    """
    ranked = sorted(findings.values(), key=_worst_first)
    first = ranked[0]
    values = _values(ranked)
    accounts = sorted({account for each in ranked for account in each.accounts})
    dues = [each.due_at for each in ranked if each.due_at is not None]
    projections = [each.projected_at for each in ranked if each.projected_at is not None]
    return Alert(
        alert_id=alert_id_of(header.key),
        episode=header.episode,
        state=AlertState.OPEN,
        revision=header.revision,
        tick=tick,
        at=instant(now),
        aspect=first.aspect,
        cause_kind=first.cause_kind,
        cause_id=first.cause_id,
        cause=texts.cause_text(first, network),
        severity=_severity(first.severity, values, policy),
        title=_title(ranked, network),
        next_step=_next_step(ranked, network),
        opened_at=instant(header.opened_at),
        updated_at=instant(header.updated_at),
        due_at=instant(min(dues)) if dues else None,
        projected_at=instant(max(projections)) if projections else None,
        days=max((each.days for each in ranked if each.days is not None), default=None),
        value_at_risk=_money(values),
        accounts=tuple(accounts),
        audiences=_audiences(accounts, network),
        rules=tuple(sorted({each.rule for each in ranked})),
        consequences=tuple(texts.consequence(each) for each in ranked[:CONSEQUENCES_LISTED]),
        consequence_count=len(ranked),
    )


def _worst_first(finding: Finding) -> tuple[int, int, int, str, str]:
    return (
        -severity_rank(finding.severity),
        -(finding.days or 0),
        -(finding.value_minor or 0),
        finding.subject,
        finding.rule,
    )


def _values(findings: Iterable[Finding | Consequence]) -> dict[str, int]:
    """Value at risk by currency. A line counts once, with the largest value that a rule gives."""
    by_line: dict[tuple[str, str], int] = {}
    for each in findings:
        if each.value_minor is not None and each.currency:
            key = (each.currency, each.subject)
            by_line[key] = max(by_line.get(key, 0), each.value_minor)
    values: dict[str, int] = {}
    for (currency, _), value_minor in by_line.items():
        values[currency] = values.get(currency, 0) + value_minor
    return values


def _money(values: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple([Money(value_minor=v, currency=c) for c, v in sorted(values.items())])


def _severity(severity: Severity, values: Mapping[str, int], policy: Policy) -> Severity:
    """The worst finding's, raised by the value at risk; what only informs is not raised."""
    if severity is Severity.INFO:
        return severity
    reached = [
        step.severity
        for step in policy.document.severity_by_value
        if values.get(step.currency, 0) >= step.value_minor
    ]
    return worst(severity, *reached)


def _audiences(accounts: Sequence[str], network: Network) -> tuple[str, ...]:
    managed = any(network.account_manager(account) for account in accounts)
    return (ACCOUNT_MANAGER, OPERATIONS) if managed else (OPERATIONS,)


def _orders(findings: Iterable[Finding]) -> set[str]:
    return {each.subject.rpartition("#")[0] for each in findings}


def _title(ranked: Sequence[Finding], network: Network) -> str:
    # Of a stock node its own finding is told first, whatever is worst of the lines that it hits.
    first = next((each for each in ranked if each.subject == each.cause_id), ranked[0])
    rule: Rule[object] = RULE_BY_NAME[first.rule]
    same = [each for each in ranked if each.rule == first.rule]
    days = [each.days or 0 for each in same]
    upto = "up to " if min(days) < max(days) else ""
    headline = texts.filled(
        rule.headline, first.figures, {"days": f"{upto}{texts.days_text(max(days))}"}
    )
    name = texts.cause_name(first, network)
    if first.cause_kind == CauseKind.FEED:
        return f"{name}: {headline}"
    if first.cause_kind == CauseKind.STOCK_NODE:
        hit = len({each.subject for each in ranked} - {first.cause_id})
        return f"{name}: {headline}" + (f", {texts.counted(hit, 'line')} hit" if hit else "")
    lines = {each.subject for each in same}
    what = texts.counted(len(lines), "line")
    orders = len(_orders(same))
    if first.cause_kind != CauseKind.ORDER:
        what += f" of {texts.counted(orders, 'order')}"
    others = len({each.subject for each in ranked} - lines)
    more = f", {texts.counted(others, 'more line')} affected" if others else ""
    return f"{name}: {what} {headline}{more}"


def _next_step(ranked: Sequence[Finding], network: Network) -> str:
    first = ranked[0]
    names = texts.names_of(first, network)
    orders = len(_orders(ranked))
    if orders > 1:
        names["order"] = f"these {orders} orders"
    if first.cause_kind == "exception":
        names["cause"] = texts.cause_name(first, network)
        return _EXCEPTION_STEP.format_map(names)
    rule: Rule[object] = RULE_BY_NAME[first.rule]
    return rule.next_step.format_map(names)


_EXCEPTION_STEP = (
    "Ask {carrier} how long {cause} will last; find a way round it, or tell who waits."
)


def resolved(last: Alert, header: Header, tick: int, now: UtcMillis) -> Alert:
    """The alert of an incident of which nothing is left; `last` is what it said before."""
    return msgspec.structs.replace(
        last,
        state=AlertState.RESOLVED,
        episode=header.episode,
        revision=header.revision,
        tick=tick,
        at=instant(now),
        updated_at=instant(now),
        resolved_at=instant(now),
        next_step="Nothing more is to be done.",
        value_at_risk=(),
        consequences=(),
        consequence_count=0,
    )


def for_accounts(
    alert: Alert,
    accounts: Sequence[str],
    network: Network,
    policy: Policy,
    findings: Mapping[str, Finding] | None,
) -> Alert:
    """The alert as far as it hits these accounts: only their consequences, value and days.

    `findings` are all that the incident has now. Without them (None) only what the alert lists can
    be looked at. One that hits none of their lines any more says so with no consequences.
    """
    mine = set(accounts)
    if findings:
        hit = {name: each for name, each in findings.items() if mine.intersection(each.accounts)}
        if hit:
            header = Header(
                f"{alert.aspect}|{alert.cause_kind}|{alert.cause_id}",
                alert.episode,
                alert.revision,
                0,
                0,
            )
            seen = compose(header, hit, policy, network, alert.tick, 0)
            return msgspec.structs.replace(
                seen,
                at=alert.at,
                opened_at=alert.opened_at,
                updated_at=alert.updated_at,
                accounts=tuple(accounts),
                consequences=_limited(seen.consequences, mine),
            )
    listed = () if findings is not None else _limited(alert.consequences, mine)
    listed = tuple(each for each in listed if each.accounts)
    return msgspec.structs.replace(
        alert,
        severity=worst(*(each.severity for each in listed)) if listed else alert.severity,
        days=max((each.days for each in listed if each.days is not None), default=None),
        value_at_risk=_money(_values(listed)),
        accounts=tuple(accounts),
        consequences=listed,
        consequence_count=len(listed),
    )


def _limited(consequences: Iterable[Consequence], mine: set[str]) -> tuple[Consequence, ...]:
    """The consequences, naming of all accounts only these."""
    return tuple(
        msgspec.structs.replace(each, accounts=tuple(a for a in each.accounts if a in mine))
        for each in consequences
    )
