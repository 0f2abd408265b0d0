"""What a policy holds, as it is published: settings of rules, overrides, recipients and more."""

from __future__ import annotations

import msgspec

from schemas.records import Severity
from schemas.units import DAY_MS, Day, UtcMillis, calendar_date

FORMAT = 2
"""Version of the published form. A reader takes any up to its own and refuses a later one. A policy
is published in the first form that says all of it: 2 is for `shadow`, which a release that does not
know it must not pass over."""

OPERATIONS = "operations"
ACCOUNT_MANAGER = "account_manager"
AUDIENCES = (OPERATIONS, ACCOUNT_MANAGER)


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts. Fields are only ever added, with a default that never changes."""


class RuleSettings(Entity, frozen=True, kw_only=True):
    """What is set of one rule; None and absent names leave it as it is."""

    rule: str
    enabled: bool | None = None
    severity: Severity | None = None
    severity_by_days: tuple[tuple[int, Severity], ...] | None = None
    limits: tuple[tuple[str, int], ...] = ()


class Chase(Entity, frozen=True, kw_only=True):
    """When a supplier is asked for something: `hours` after or before the moment that counts, then
    every `repeat_hours`, `times_max` times in all. 0 hours: never. None leaves it as it is."""

    hours: int | None = None
    repeat_hours: int | None = None
    times_max: int | None = None


NEVER_ASKED = Chase(hours=0, repeat_hours=24, times_max=3)
"""Where a policy says nothing of a chase; what it leaves out of one is as here."""


class Chasing(Entity, frozen=True, kw_only=True):
    """What suppliers are asked for: to confirm a line, counted from when it was placed or given
    to them; to ship it or give a new date, counted back from when it must leave to keep the
    promise."""

    confirmation: Chase = Chase()
    promise: Chase = Chase()


class Override(Entity, frozen=True, kw_only=True):
    """A local exception: other settings for rules, and other chasing, where all given names fit,
    until a day."""

    account: str = ""
    region: str = ""
    site: str = ""
    supplier: str = ""
    until: Day
    reason: str
    rules: tuple[RuleSettings, ...]
    chasing: Chasing = Chasing()

    @property
    def ends_at(self) -> UtcMillis:
        """The first moment at which it no longer counts."""
        return (self.until + 1) * DAY_MS

    @property
    def says(self) -> str:
        """Where it counts, and until when, as the source of a threshold names it."""
        names = [
            f"{kind} {name}"
            for kind, name in (
                ("site", self.site),
                ("region", self.region),
                ("account", self.account),
                ("supplier", self.supplier),
            )
            if name
        ]
        return f"override for {' and '.join(names)} until {calendar_date(self.until)}"


class Recipient(Entity, frozen=True, kw_only=True):
    """Who is told. `sinks` are names of a kind, with `:` and which one where there are several.

    An account manager is told of the accounts whose manager, in the network, is this id.
    """

    id: str
    audience: str
    sinks: tuple[str, ...]
    minimum_severity: Severity = Severity.WARNING


class Materiality(Entity, frozen=True, kw_only=True):
    """What must change of an open alert before people are told again; a severity that changes
    always is. A count is material when it has grown or shrunk by the percentage."""

    days: int = 1
    value_percent: int = 10
    count_percent: int = 50


class Retention(Entity, frozen=True, kw_only=True):
    """How long things that are over stay known. `settlement_days` is how long a line whose goods
    are delivered waits for its invoice and its money, and a rejected one for the buyer's answer.
    `ownership_days` is how long what a partner says of a line that is not its own waits for word
    that it is."""

    lateness_horizon_days: int = 14
    tombstone_days: int = 180
    link_retention_days: int = 180
    incident_days: int = 90
    settlement_days: int = 400
    ownership_days: int = 2


class LearnedFeeds(Entity, frozen=True, kw_only=True):
    """How long a source without a declared rhythm may be silent, as a percentage of what it has
    shown to be usual, within bounds; 0 percent: what it has shown is not held against it."""

    factor_percent: int = 0
    at_least_hours: int = 2
    at_most_hours: int = 336


class Quarantine(Entity, frozen=True, kw_only=True):
    """From which share of refused records on a source is in quarantine: of at least so many
    records in so many hours, the one that runs included; 0 percent: never."""

    share_percent: int = 0
    records: int = 20
    hours: int = 24


DEFAULT_QUARANTINE = Quarantine(share_percent=50)
"""That of policies which do not name one; those of earlier releases have none."""


class ValueSeverity(Entity, frozen=True, kw_only=True):
    """From this much value at risk in a currency, an incident is at least this severe."""

    currency: str
    value_minor: int
    severity: Severity


class Document(Entity, frozen=True, kw_only=True):
    """All of a policy as it is published."""

    format: int = 1
    rules: tuple[RuleSettings, ...] = ()
    overrides: tuple[Override, ...] = ()
    severity_by_value: tuple[ValueSeverity, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    materiality: Materiality = Materiality()
    retention: Retention = Retention()
    resolve_hold_minutes: int = 0
    feed_every_hours: int = 0
    feed_grace_hours: int = 0
    shadow: bool = False
    learned_feeds: LearnedFeeds = LearnedFeeds()
    quarantine: Quarantine = Quarantine()
    chasing: Chasing = Chasing()
