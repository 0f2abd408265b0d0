"""What rules answer, and what becomes of it: verdicts, findings, the figures in them.

A rule answers `Fires`, `Silence` or `Blind`. A `RuleVerdict` is that answer as a line's cell keeps
it; a `Finding` is the part of a firing verdict that goes to an incident. All are stored and
compared, so they are small, hashable, and hold figures, never sentences: `alerts.texts` makes
those, when somebody is to read them.
"""

from __future__ import annotations

import enum
from hashlib import blake2b
from typing import TypeAlias

import msgspec

from alerts.lines import Leg
from schemas.records import Outcome, Severity
from schemas.units import Quantity, UtcMillis

Figures: TypeAlias = tuple[tuple[str, int | str | None], ...]
"""Names with their values, in the order in which they are told. The end of a name is its unit:
`_at` a moment, `_on` a date, `_quantity` millionths of the figure `unit`, `_minor` minor units of
the figure `currency`, `days`, `_hours`."""


class Aspect(enum.StrEnum):
    """What a finding is about; findings of different aspects are never one incident."""

    TIME = "time"
    QUANTITY = "quantity"
    FEED = "feed"
    STOCK = "stock"
    SURPLUS = "surplus"
    MONEY = "money"
    DATA = "data"


class CauseKind(enum.StrEnum):
    """What kind of thing a root cause is; its id names which one."""

    ORDER = "order"
    SHIPMENT = "shipment"
    EXCEPTION = "exception"
    FEED = "feed"
    STOCK_NODE = "stock_node"
    INVOICE = "invoice"
    PAYMENT = "payment"
    NUMBER = "number"
    PRICE = "price"


class Threshold(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a value is compared with. `source` says which setting of the rule it comes from, or
    which lane; or, after `NETWORK_SOURCE` or `POLICY_SOURCE`, what else of network or policy."""

    value: int
    source: str


class Fires(msgspec.Struct, frozen=True, gc=False):
    """The rule fires. `quantity` is the part of the line that is hit, None for all of it.

    `next_fire_at` is when the figures change by time alone, None if only facts can change them.
    `feed` is a source whose next word may change them, where that is known. `cause` is the root
    cause where the rule knows it, `money` the amount at stake, in minor units, and its currency
    where that is not the value of the quantity.
    """

    reason: str
    value: int | None
    threshold: Threshold | None
    figures: Figures
    due_at: UtcMillis | None = None
    projected_at: UtcMillis | None = None
    days: int | None = None
    leg: Leg | None = None
    quantity: Quantity | None = None
    next_fire_at: UtcMillis | None = None
    feed: str = ""
    cause: tuple[CauseKind, str] | None = None
    money: tuple[int, str | None] | None = None


class Silence(msgspec.Struct, frozen=True, gc=False):
    """The rule does not fire, for this reason; at `next_fire_at` it would be judged anew.

    `feed` is the one that it waits for, and `value` then the moment up to which that must speak.
    """

    reason: str
    value: int | None = None
    threshold: Threshold | None = None
    next_fire_at: UtcMillis | None = None
    feed: str = ""


class Blind(msgspec.Struct, frozen=True, gc=False):
    """The rule cannot tell: the feed that should has been blind since then (None: never heard).

    `reason` is `BLIND_FEED` of one that is silent, `QUARANTINED_FEED` of one that is not believed.
    """

    feed: str
    since: UtcMillis | None
    next_fire_at: UtcMillis | None = None
    reason: str = "blind_feed"


Answer: TypeAlias = Fires | Silence | Blind


class Finding(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line (or source) that something is wrong with, by one rule, for one cause.

    `days` is how late in calendar days of the place where it falls due, or, where lateness grows
    by time alone, the last step of the policy's severities that it has reached. `cause_reason`
    says why the cause is taken to be it. `value_minor` is the value at risk of this line.
    """

    rule: str
    reason: str
    subject: str
    aspect: Aspect
    cause_kind: CauseKind
    cause_id: str
    cause_reason: str
    severity: Severity
    figures: Figures
    due_at: UtcMillis | None = None
    projected_at: UtcMillis | None = None
    days: int | None = None
    value_minor: int | None = None
    currency: str | None = None
    accounts: tuple[str, ...] = ()
    supplier: str | None = None
    carrier: str | None = None

    @property
    def key(self) -> str:
        """The incident that it belongs to."""
        return f"{self.aspect}|{self.cause_kind}|{self.cause_id}"


class RuleVerdict(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one rule says of one line, until `next_fire_at` or until a fact changes it.

    It does not depend on when it was asked between those. `value` is compared with `threshold`;
    their units are the rule's. `source` names the parameter that the threshold comes from, with the
    override if there is one, or a lane; without the version of the policy, so that a new version
    that changes nothing here changes no verdict. `feed` is the source that it waits for, or that is
    blind. `number` is that of a verdict without figures, 0 for any other (`alerts.plain_verdicts`).
    """

    rule: str
    outcome: Outcome
    reason: str
    value: int | None = None
    threshold: int | None = None
    source: str = ""
    next_fire_at: UtcMillis | None = None
    feed: str = ""
    finding: Finding | None = None
    number: int = 0

    @property
    def cause(self) -> str | None:
        """The incident that it belongs to, if it fires."""
        return None if self.finding is None else self.finding.key


AWAITING_FEED = "awaiting_feed"
"""Silent because a source has not yet told everything up to the moment that matters."""

HELD_BACK = "held_back"
"""Silent because facts of the family hide behind an open transaction of a sender."""

BLIND_FEED = "blind_feed"
"""Blind because the source that should tell is silent."""

QUARANTINED_FEED = "quarantined_feed"
"""Blind because too many records of the source that should tell are refused."""

DISABLED = "disabled"
"""Silent because the policy turns the rule off here."""

ENDED = "ended"
"""Silent because nothing more is expected of the line."""


NETWORK_SOURCE = "network: "
POLICY_SOURCE = "policy: "


def alert_id_of(key: str) -> str:
    """The id of the alert of an incident key: 12 hex digits, the same for ever.

    It holds neither severity nor recipient, which change during an incident. At a million
    incidents the chance of two alike is one in 500.
    """
    return blake2b(key.encode(), digest_size=6).hexdigest()


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def severity_rank(severity: Severity) -> int:
    """0 for info, and more for worse."""
    return _RANK[severity]


def worst(*severities: Severity) -> Severity:
    """The worst of the severities; at least one is given."""
    return max(severities, key=_RANK.__getitem__)
