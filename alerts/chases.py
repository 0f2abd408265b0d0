"""What suppliers can be asked for: the chases that a policy sets, and the words for what they say.

Imported by what reads a policy and what writes sentences; `alerts.chasing` decides.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from alerts.findings import DISABLED, ENDED, POLICY_SOURCE
from alerts.terms import NEVER_ASKED, Chase, Chasing
from schemas.partner_records import PartnerAwaits
from schemas.records import ChaseKind

AWAITS: Final = {
    ChaseKind.CONFIRMATION: PartnerAwaits.CONFIRMATION,
    ChaseKind.PROMISE: PartnerAwaits.NEW_DATE,
}
"""What a partner is told of each."""

FIELDS: Final = {ChaseKind.CONFIRMATION: "confirmation", ChaseKind.PROMISE: "promise"}
"""The field of the policy's `chasing` that sets each."""


class ChaseReason(enum.StrEnum):
    """Why a supplier is asked, or is not."""

    ASKED = "asked"
    NOT_DUE = "not_due"
    TOLD_SINCE = "told_since"
    NOTHING_OPEN = "nothing_open"
    ANOTHERS_PROMISE = "anothers_promise"
    NOT_SUBSCRIBED = "not_subscribed"
    NO_SUPPLIER = "no_supplier"
    ENDED = ENDED
    DISABLED = DISABLED


CHASE_SAYS: Final[Mapping[str, str]] = {
    ChaseReason.ASKED: "The supplier is asked, time {value} of {threshold}, and has not answered.",
    ChaseReason.NOT_DUE: "It is not time yet to ask the supplier.",
    ChaseReason.TOLD_SINCE: "The supplier has told since it was time to ask.",
    ChaseReason.NOTHING_OPEN: "There is nothing to ask the supplier for.",
    ChaseReason.ANOTHERS_PROMISE: "What is promised was promised by a former supplier.",
    ChaseReason.NOT_SUBSCRIBED: "The supplier is not subscribed, so it is not asked.",
    ChaseReason.NO_SUPPLIER: "Nobody has told who the supplier is.",
    ChaseReason.ENDED: "Nothing more is expected of the line.",
    ChaseReason.DISABLED: "The policy asks nobody for it here.",
}
"""A sentence for each reason, as rules have them."""


ASKED_FIGURES: Final = ("asked_count", "asked_count_max", "asked_at")
"""The figures of a finding that the supplier was asked to prevent."""

ASKED_SAYS: Final = (
    "The supplier was asked (time {asked_count} of {asked_count_max}, due {asked_at}) and has not "
    "answered."
)
"""What is added to the sentence of such a finding."""


@dataclass(frozen=True)
class ChaseSettings:
    """A chase where one line is, after all overrides; `source` names where they come from."""

    kind: ChaseKind
    hours: int
    repeat_hours: int
    times_max: int
    source: str


def resolve(*layers: tuple[Chasing, str]) -> tuple[ChaseSettings, ...]:
    """The chases that are on after the layers, of which the last wins; each layer with the name of
    where it counts, "" for everywhere."""
    found = [
        _resolved(kind, field, [(getattr(given, field), says) for given, says in layers])
        for kind, field in FIELDS.items()
    ]
    return tuple([each for each in found if each.hours])


def _resolved(kind: ChaseKind, field: str, layers: Sequence[tuple[Chase, str]]) -> ChaseSettings:
    chase, source = NEVER_ASKED, f"{POLICY_SOURCE}chasing.{field}"
    for given, says in layers:
        if says and given != Chase():
            source = f"{POLICY_SOURCE}chasing.{field}, {says}"
        chase = laid_over(chase, given)
    return ChaseSettings(
        kind, chase.hours or 0, chase.repeat_hours or 0, chase.times_max or 0, source
    )


def laid_over(chase: Chase, given: Chase) -> Chase:
    """The chase, but for what is given instead."""
    said = msgspec.structs.asdict(given).items()
    return msgspec.structs.replace(
        chase, **{name: value for name, value in said if value is not None}
    )
