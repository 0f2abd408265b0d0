"""Reads the policy file, and says all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from alerts.document import Problems, Section, Unreadable, parsed
from alerts.notices import unrouted
from alerts.policy import Policy, build, complete
from alerts.rules import RULES, UNCONFIRMED, Parameter, Rule
from alerts.terms import (
    AUDIENCES,
    DEFAULT_QUARANTINE,
    FORMAT,
    OPERATIONS,
    Chase,
    Chasing,
    Document,
    LearnedFeeds,
    Materiality,
    Override,
    Quarantine,
    Recipient,
    Retention,
    RuleSettings,
    ValueSeverity,
)
from schemas.limits import POLICY_FILE_BYTES_MAX, QUARANTINE_HOURS_MAX
from schemas.records import Severity
from topology.network import Network
from topology.problems import Problem, quoted, suggestion

DAYS_MAX = 3650
HOURS_MAX = 24 * 366
RECORDS_MAX = 1_000_000
ASKED_MAX = 10
MINUTES_MAX = 60 * 24 * 30
VALUE_MAX = 10**15
_PLACES = ("account", "region", "site", "supplier")


@dataclass(frozen=True)
class PolicyResult:
    """A policy, or the errors that stand against it; warnings of a policy only. Both ascend."""

    policy: Policy | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def load_policy(path: Path) -> PolicyResult:
    """The policy in the file, or everything that is wrong with it. Never raises for content."""
    try:
        with path.open("rb") as file:
            data = file.read(POLICY_FILE_BYTES_MAX + 1)
    except OSError as error:
        found = error.strerror or "an error"
        return PolicyResult(None, (Problem(path.name, 0, "", found, "a file to read"),))
    return read_policy(path.name, data)


def read_policy(name: str, data: bytes) -> PolicyResult:
    """The policy in the bytes of a file of that name."""
    problems = Problems(name)
    try:
        root = Section(parsed(data), "", problems)
    except Unreadable as stop:
        problems.note(stop.line, "", stop.found, stop.expected)
        return PolicyResult(None, tuple(problems.found))
    document = _document(root)
    if problems.found:
        return PolicyResult(None, tuple(sorted(problems.found)))
    policy = build(complete(document))
    return PolicyResult(policy, warnings=tuple(_warnings(name, policy)))


def _document(root: Section) -> Document:
    rules = root.section("rules")
    document = Document(
        rules=() if rules is None else tuple(_rules(rules)),
        overrides=tuple(_overrides(root)),
        severity_by_value=tuple(_values(root)),
        recipients=tuple(_recipients(root)),
        materiality=_materiality(root.section("materiality")),
        retention=_retention(root.section("retention")),
    )
    incidents, feeds = root.section("incidents"), root.section("undeclared_feeds")
    hold = every = grace = 0
    if incidents is not None:
        hold = incidents.integer("resolve_hold_minutes", 0, MINUTES_MAX, "minutes") or 0
        incidents.close()
    if feeds is not None:
        every = feeds.integer("every_hours", 0, HOURS_MAX, "hours") or 0
        grace = feeds.integer("grace_hours", 0, HOURS_MAX, "hours") or 0
        feeds.close()
    learned = _learned(root.section("learned_feeds"))
    quarantine = _quarantine(root.section("quarantine"))
    chasing = _chasing(root.section("chasing"))
    shadow = root.flag("shadow") or False
    root.close()
    return Document(
        format=FORMAT if shadow else Document().format,
        rules=document.rules,
        overrides=document.overrides,
        severity_by_value=document.severity_by_value,
        recipients=document.recipients or _DEFAULT_RECIPIENTS,
        materiality=document.materiality,
        retention=document.retention,
        resolve_hold_minutes=hold,
        feed_every_hours=every,
        feed_grace_hours=grace,
        shadow=shadow,
        learned_feeds=learned,
        quarantine=quarantine,
        chasing=chasing,
    )


_DEFAULT_RECIPIENTS = (Recipient(id=OPERATIONS, audience=OPERATIONS, sinks=("log",)),)


def _rules(section: Section) -> Iterator[RuleSettings]:
    for rule in RULES:
        found = section.section(rule.name)
        if found is not None:
            yield _rule(rule, found)
    section.close([rule.name for rule in RULES])


def _rule(rule: Rule[object], section: Section) -> RuleSettings:
    settings = RuleSettings(
        rule=rule.name,
        enabled=section.flag("enabled"),
        severity=section.choice("severity", Severity),
        severity_by_days=_severity_by_days(section),
        limits=tuple(_limits(rule, section)),
    )
    section.close()
    return settings


def _limits(rule: Rule[object], section: Section) -> Iterator[tuple[str, int]]:
    for parameter in rule.parameters:
        value = section.integer(
            parameter.name, parameter.minimum, parameter.maximum, parameter.unit.value
        )
        if value is None:
            continue
        if parameter.choices and value not in parameter.choices:
            section.refuse(parameter.name, str(value), _choices(parameter))
        else:
            yield parameter.name, value


def _choices(parameter: Parameter) -> str:
    return f"one of {', '.join(str(each) for each in parameter.choices)}"


def _severity_by_days(section: Section) -> tuple[tuple[int, Severity], ...] | None:
    given = section.section("severity_by_days")
    if given is None:
        return None
    steps: list[tuple[int, Severity]] = []
    for severity in Severity:
        days = given.integer(severity.value, 1, DAYS_MAX, "days")
        if days is not None:
            steps.append((days, severity))
    given.close()
    for (days, severity), (next_days, worse) in pairwise(steps):
        if next_days <= days:
            expected = f"more than the {days} days of {severity.value}"
            given.refuse(worse.value, str(next_days), expected)
    return tuple(steps)


def _overrides(root: Section) -> Iterator[Override]:
    seen: dict[tuple[str, ...], str] = {}
    for row in root.rows("overrides"):
        places = {place: row.text(place) for place in _PLACES}
        if not any(places.values()):
            row.refuse("site", "no place", f"at least one of {', '.join(_PLACES)}")
        until = row.day("until")
        reason = row.text("reason", required=True)
        rules = row.section("rules")
        settings = () if rules is None else tuple(_rules(rules))
        chasing = _chasing(row.section("chasing"))
        chased = [name for name in Chasing.__struct_fields__ if getattr(chasing, name) != Chase()]
        if not settings and not chased:
            row.refuse("rules", "nothing", "the rules, or the chasing, that are set otherwise here")
        row.close()
        set_here = [("rules", f"the rule {each.rule}") for each in settings]
        for name, what in (*set_here, *(("chasing", f"the chase {each}") for each in chased)):
            key = (*places.values(), what)
            if key in seen:
                found = f"{what} a second time for one place"
                row.refuse(name, found, f"it once, as in {seen[key]}")
            seen.setdefault(key, row.path)
        if until is not None:
            yield Override(**places, until=until, reason=reason, rules=settings, chasing=chasing)


def _values(root: Section) -> Iterator[ValueSeverity]:
    for row in root.rows("severity_by_value"):
        currency = row.text("currency", required=True)
        if currency and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
            row.refuse("currency", quoted(currency), "a currency code such as EUR")
        value_minor = row.integer("value_minor", 1, VALUE_MAX)
        severity = row.choice("severity", Severity)
        for name, value in (("value_minor", value_minor), ("severity", severity)):
            if value is None and not row.has(name):
                row.refuse(name, "nothing", "a value at risk and the severity from there on")
        row.close()
        if value_minor is not None and severity is not None:
            yield ValueSeverity(currency=currency, value_minor=value_minor, severity=severity)


def _recipients(root: Section) -> Iterator[Recipient]:
    seen: dict[str, str] = {}
    for row in root.rows("recipients"):
        name = row.text("id", required=True)
        if name in seen:
            row.refuse("id", quoted(name), f"an id of its own, other than that of {seen[name]}")
        seen.setdefault(name, row.path)
        audience = row.text("audience", required=True)
        if audience and audience not in AUDIENCES:
            expected = f"one of {', '.join(AUDIENCES)}{suggestion(audience, AUDIENCES)}"
            row.refuse("audience", quoted(audience), expected)
        sinks = row.texts("sinks")
        if not sinks:
            row.refuse("sinks", "nothing", "a list of sinks, such as [log]")
        severity = row.choice("minimum_severity", Severity) or Severity.WARNING
        row.close()
        yield Recipient(id=name, audience=audience, sinks=sinks, minimum_severity=severity)


def _materiality(section: Section | None) -> Materiality:
    default = Materiality()
    if section is None:
        return default
    days = section.integer("days", 1, DAYS_MAX, "days")
    value = section.integer("value_percent", 1, 1000, "percent")
    count = section.integer("count_percent", 1, 1000, "percent")
    section.close()
    return Materiality(
        days=days or default.days,
        value_percent=value or default.value_percent,
        count_percent=count or default.count_percent,
    )


def _retention(section: Section | None) -> Retention:
    default = Retention()
    if section is None:
        return default
    names = Retention.__struct_fields__
    given = {name: section.integer(name, 1, DAYS_MAX, "days") for name in names}
    section.close()
    values = {name: value for name, value in given.items() if value is not None}
    return Retention(**values)


def _learned(section: Section | None) -> LearnedFeeds:
    default = LearnedFeeds()
    if section is None:
        return default
    factor = section.integer("factor_percent", 0, 10_000, "percent")
    least = section.integer("at_least_hours", 1, HOURS_MAX, "hours") or default.at_least_hours
    most = section.integer("at_most_hours", 1, HOURS_MAX, "hours") or default.at_most_hours
    if most < least:
        section.refuse("at_most_hours", str(most), f"at least at_least_hours, {least}")
    section.close()
    return LearnedFeeds(factor_percent=factor or 0, at_least_hours=least, at_most_hours=most)


def _quarantine(section: Section | None) -> Quarantine:
    default = DEFAULT_QUARANTINE
    if section is None:
        return default
    share = section.integer("share_percent", 0, 100, "percent")
    records = section.integer("records", 1, RECORDS_MAX)
    hours = section.integer("hours", 1, QUARANTINE_HOURS_MAX, "hours")
    section.close()
    return Quarantine(
        share_percent=default.share_percent if share is None else share,
        records=records or default.records,
        hours=hours or default.hours,
    )


def _chasing(section: Section | None) -> Chasing:
    if section is None:
        return Chasing()
    chasing = Chasing(
        confirmation=_chase(section.section("confirmation"), "after_hours"),
        promise=_chase(section.section("promise"), "before_hours"),
    )
    section.close()
    return chasing


def _chase(section: Section | None, hours_name: str) -> Chase:
    if section is None:
        return Chase()
    chase = Chase(
        hours=section.integer(hours_name, 0, HOURS_MAX, "hours"),
        repeat_hours=section.integer("repeat_hours", 1, HOURS_MAX, "hours"),
        times_max=section.integer("times_max", 1, ASKED_MAX, "times"),
    )
    section.close()
    return chase


def _warnings(name: str, policy: Policy) -> Iterator[Problem]:
    recipients = policy.document.recipients
    if not any(each.audience == OPERATIONS for each in recipients):
        yield Problem(
            name, 0, "recipients", "nobody of operations", "a recipient who hears of everything"
        )
    off = [each.rule for each in policy.document.rules if each.enabled is False]
    if len(off) == len(RULES):
        yield Problem(name, 0, "rules", "every rule turned off", "rules that say something")
    after_hours = policy.document.chasing.confirmation.hours or 0
    limit = policy.everywhere.settings[UNCONFIRMED.name].limits["limit_hours"]
    if after_hours >= limit.value:
        field = "chasing.confirmation.after_hours"
        expected = f"less than rules.unconfirmed.limit_hours, {limit.value}: ask before people hear"
        yield Problem(name, 0, field, str(after_hours), expected)


def network_warnings(name: str, policy: Policy, network: Network) -> tuple[Problem, ...]:
    """What of the policy does not fit the network: places that it does not know, and account
    managers that nobody routes to."""
    known: dict[str, frozenset[str]] = {
        "account": frozenset(network.accounts),
        "region": frozenset(site.region for site in network.sites.values()),
        "site": frozenset(network.sites),
        "supplier": frozenset(network.parties),
    }
    found: list[Problem] = []
    for number, override in enumerate(policy.document.overrides, start=1):
        for place in _PLACES:
            value: str = getattr(override, place)
            if value and value not in known[place]:
                expected = f"a {place} of the network{suggestion(value, known[place])}"
                found.append(
                    Problem(name, 0, f"overrides[{number}].{place}", quoted(value), expected)
                )
    found += [
        Problem(name, 0, "recipients", "nobody", f"{manager}, whom accounts of the network name")
        for manager in unrouted(policy, network)
    ]
    return tuple(found)
