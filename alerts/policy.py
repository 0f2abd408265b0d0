"""The policy: thresholds, severities, who is told what, how long things are remembered.

Immutable, published and versioned like the network: a version names its content. What a policy
holds is complete, so that a later release with other defaults judges by it as before; only rules
that it does not know take the defaults of the release.

Thresholds inherit. An override names an account, region, site or supplier (or several, which must
all fit) and counts until the end of its last day in UTC. Where several fit, one that names a site
beats one that names a region, that one an account, that one a supplier, and a nearer account one
further up; names of several kinds beat a part of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Final

import msgspec

from alerts.chases import ChaseSettings, laid_over, resolve
from alerts.findings import DISABLED, RuleVerdict, Threshold
from alerts.rules import LINE_RULES, RULES, Rule, Settings
from alerts.terms import (
    DEFAULT_QUARANTINE,
    FORMAT,
    NEVER_ASKED,
    OPERATIONS,
    Chasing,
    Document,
    Materiality,
    Override,
    Quarantine,
    Recipient,
    RuleSettings,
)
from alerts.view import LineView
from schemas.records import Outcome
from schemas.units import DAY_MS, HOUR_MS, UtcMillis
from topology.network import Network

VERSION_LENGTH = 12
"""Hex digits of the content's SHA-256 that name a policy."""

SCOPES_REMEMBERED_MAX = 50_000
"""Places whose settings a policy remembers; beyond that it forgets all and starts anew."""


class PolicyFormatError(ValueError):
    """The bytes are no policy that this release can read; the text says why."""


@dataclass(frozen=True, eq=False)
class Scope:
    """The settings of all rules, and the chases that are on, where one line is, from `since` to
    `until` (excluded): between the ends of two overrides that fit there. None where there is no
    such end."""

    settings: Mapping[str, Settings]
    until: UtcMillis | None = None
    since: UtcMillis | None = None
    chases: tuple[ChaseSettings, ...] = ()

    @cached_property
    def plan(self) -> tuple[tuple[Rule[LineView], Settings, RuleVerdict | None], ...]:
        """Each rule on lines with its settings, and its verdict where it is turned off."""
        return tuple([(rule, self.settings[rule.name], self._off(rule)) for rule in LINE_RULES])

    def _off(self, rule: Rule[LineView]) -> RuleVerdict | None:
        enabled = self.settings[rule.name].enabled
        if enabled.value:
            return None
        return RuleVerdict(rule.name, Outcome.SILENT, DISABLED, source=enabled.source)

    def holds_at(self, now: UtcMillis) -> bool:
        """Whether these are the settings at that moment."""
        return (self.until is None or now < self.until) and (
            self.since is None or now >= self.since
        )


@dataclass(frozen=True, eq=False)
class Policy:
    """One version of the policy. Make it with `build`, `Policy.from_bytes` or `load_policy`.

    `data` is its published form, of which the version is a hash, so that a policy keeps its version
    in a release that knows more fields.
    """

    document: Document
    data: bytes = field(repr=False)
    version: str
    _scopes: dict[tuple[str, ...], Scope] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policy) and other.version == self.version

    def __hash__(self) -> int:
        return hash(self.version)

    def to_bytes(self) -> bytes:
        """The policy as JSON; the same policy gives the same bytes."""
        return self.data

    @staticmethod
    def from_bytes(data: bytes) -> Policy:
        """The policy in the bytes of `to_bytes`, of this or an earlier release.

        Raises PolicyFormatError for bytes that are no policy or of a later format.
        """
        try:
            if _head_decoder.decode(data).format > FORMAT:
                raise PolicyFormatError(
                    f"the policy is written in a later format than {FORMAT}, "
                    "which is the latest that this release reads: upgrade it first"
                )
            return _policy(_document_decoder.decode(data), data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PolicyFormatError(f"these bytes are no policy: {error}") from error

    @property
    def lateness_horizon_days(self) -> int:
        """How long after it closed a line still takes late facts."""
        return self.document.retention.lateness_horizon_days

    @property
    def tombstone_days(self) -> int:
        """How long after that facts of it are known to be too late."""
        return self.document.retention.tombstone_days

    @property
    def link_retention_days(self) -> int:
        """How long a number is remembered after its last use."""
        return self.document.retention.link_retention_days

    @property
    def ownership_days(self) -> int:
        """How long what a partner says of a line waits for word that the line is its own."""
        return self.document.retention.ownership_days

    @property
    def is_shadow(self) -> bool:
        """Whether everything runs and nobody is told."""
        return self.document.shadow

    @property
    def settlement_days(self) -> int:
        """How long after the goods a line stays for its invoice and its money."""
        return self.document.retention.settlement_days

    @property
    def materiality(self) -> Materiality:
        """What makes a change worth telling."""
        return self.document.materiality

    @property
    def resolve_hold_ms(self) -> int:
        """How long an incident without findings stays open, so that it does not flap."""
        return self.document.resolve_hold_minutes * 60_000

    @property
    def incident_ms(self) -> int:
        """How long a resolved incident is remembered, and reopens rather than starting anew."""
        return self.document.retention.incident_days * DAY_MS

    @property
    def feed_default_ms(self) -> int | None:
        """After how long a source without a declared rhythm is blind; None: never."""
        document = self.document
        if not document.feed_every_hours:
            return None
        return (document.feed_every_hours + document.feed_grace_hours) * HOUR_MS

    def learned_ms(self, usual_hours: int) -> int | None:
        """How long a source may be silent that is usually silent for up to so long; None: for ever,
        as far as that goes."""
        learned = self.document.learned_feeds
        if not learned.factor_percent:
            return None
        allowed_ms = usual_hours * HOUR_MS * learned.factor_percent // 100
        least_ms, most_ms = learned.at_least_hours * HOUR_MS, learned.at_most_hours * HOUR_MS
        return max(least_ms, min(most_ms, allowed_ms))

    @property
    def quarantine(self) -> Quarantine:
        """When a source has too many bad records."""
        return self.document.quarantine

    @cached_property
    def recipients(self) -> Mapping[str, Recipient]:
        """Recipient id → recipient, ascending by id."""
        return {each.id: each for each in sorted(self.document.recipients, key=lambda r: r.id)}

    @cached_property
    def everywhere(self) -> Scope:
        """The settings where no override counts."""
        given = {each.rule: each for each in self.document.rules}
        settings = {rule.name: _resolve(rule, (given.get(rule.name), "")) for rule in RULES}
        return Scope(settings, chases=resolve((self.document.chasing, "")))

    def scope(
        self,
        network: Network,
        now: UtcMillis,
        party: str | None,
        site: str | None,
        supplier: str | None,
    ) -> Scope:
        """The settings for a line that the party wants at the site, from the supplier.

        Costs a dictionary look-up once a place has been asked for.
        """
        if not self.document.overrides:
            return self.everywhere
        key = (network.version, party or "", site or "", supplier or "")
        known = self._scopes.get(key)
        if known is None or not known.holds_at(now):
            known = self._scope_at(network, now, party, site, supplier)
            if len(self._scopes) >= SCOPES_REMEMBERED_MAX:
                self._scopes.clear()
            self._scopes[key] = known
        return known

    def _scope_at(
        self,
        network: Network,
        now: UtcMillis,
        party: str | None,
        site: str | None,
        supplier: str | None,
    ) -> Scope:
        accounts = [account.id for account in network.accounts_of(party, site)]
        place = network.site(site)
        region = place.region if place is not None else ""
        fitting: list[tuple[tuple[int, int], Override]] = []
        since: UtcMillis | None = None
        for override in self.document.overrides:
            if (
                override.site not in ("", site)
                or override.region not in ("", region)
                or override.supplier not in ("", supplier)
                or (override.account and override.account not in accounts)
            ):
                continue
            if now >= override.ends_at:
                since = max(since or 0, override.ends_at)
                continue
            distance = accounts.index(override.account) if override.account else 0
            fitting.append(((_specificity(override), -distance), override))
        if not fitting and since is None:
            return self.everywhere
        fitting.sort(key=lambda each: each[0])
        given = {each.rule: each for each in self.document.rules}
        settings = {
            rule.name: _resolve(
                rule,
                (given.get(rule.name), ""),
                *(
                    (each, override.says)
                    for _, override in fitting
                    for each in override.rules
                    if each.rule == rule.name
                ),
            )
            for rule in RULES
        }
        until = min((override.ends_at for _, override in fitting), default=None)
        chases = resolve(
            (self.document.chasing, ""), *((each.chasing, each.says) for _, each in fitting)
        )
        return Scope(settings, until, since, chases)


class _Head(msgspec.Struct):
    format: int = 1


_head_decoder = msgspec.json.Decoder(_Head)
_document_decoder = msgspec.json.Decoder(Document)


def _specificity(override: Override) -> int:
    return (
        8 * bool(override.site)
        + 4 * bool(override.region)
        + 2 * bool(override.account)
        + bool(override.supplier)
    )


def _resolve(rule: Rule[object], *layers: tuple[RuleSettings | None, str]) -> Settings:
    """The rule's settings after the layers, the last of which wins."""
    settings = rule.defaults
    enabled, severity = settings.enabled, settings.severity
    by_days = settings.severity_by_days
    limits = dict(settings.limits)
    for given, override in layers:
        if given is None:
            continue
        suffix = f", {override}" if override else ""
        if given.enabled is not None:
            enabled = Threshold(int(given.enabled), f"enabled{suffix}")
        severity = given.severity or severity
        if given.severity_by_days is not None:
            by_days = given.severity_by_days
        for name, value in given.limits:
            limits[name] = Threshold(value, f"{name}{suffix}")
    return Settings(enabled, severity, by_days, limits)


def complete(document: Document) -> Document:
    """The document with every setting of every rule and chase written out, in the order of the
    rules."""
    given = {each.rule: each for each in document.rules}
    settings = [(rule, _resolve(rule, (given.get(rule.name), ""))) for rule in RULES]
    rules = tuple(
        RuleSettings(
            rule=rule.name,
            enabled=bool(each.enabled.value),
            severity=each.severity,
            severity_by_days=each.severity_by_days,
            limits=tuple((name, threshold.value) for name, threshold in each.limits.items()),
        )
        for rule, each in settings
    )
    chasing = document.chasing
    return msgspec.structs.replace(
        document,
        rules=rules,
        chasing=Chasing(
            confirmation=laid_over(NEVER_ASKED, chasing.confirmation),
            promise=laid_over(NEVER_ASKED, chasing.promise),
        ),
        recipients=tuple(sorted(document.recipients, key=lambda each: each.id)),
        severity_by_value=tuple(
            sorted(document.severity_by_value, key=lambda each: (each.currency, each.value_minor))
        ),
    )


def build(document: Document) -> Policy:
    """The policy of a document. Does not check it; `load_policy` does."""
    return _policy(document, msgspec.json.encode(document))


def _policy(document: Document, data: bytes) -> Policy:
    return Policy(document, data, sha256(data).hexdigest()[:VERSION_LENGTH])


DEFAULT: Final = build(
    complete(
        Document(
            recipients=(Recipient(id=OPERATIONS, audience=OPERATIONS, sinks=("log",)),),
            quarantine=DEFAULT_QUARANTINE,
        )
    )
)
"""The policy where nobody gave one: all rules as they come, operations told in the log."""
