"""What a rule is: its name and words, the parameters it takes, the function that judges."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from alerts.findings import Answer, Aspect, Threshold
from schemas.records import Severity
from schemas.units import DAY_MS, UtcMillis

V = TypeVar("V")


class Unit(enum.StrEnum):
    """What an int in a verdict or a parameter counts."""

    MOMENT = "moment"
    DAYS = "days"
    HOURS = "hours"
    MINUTES = "minutes"
    PERCENT = "percent"
    PERCENTILE = "percentile"
    QUANTITY = "quantity"


@dataclass(frozen=True)
class Parameter:
    """A threshold that the policy sets: an int with a unit, a default and bounds (both included).

    With `choices` it must be one of those.
    """

    name: str
    unit: Unit
    default: int
    minimum: int
    maximum: int
    says: str
    choices: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Settings:
    """A rule's settings where one line is, after all overrides.

    `severity_by_days` ascends by days; `enabled` carries the source of its being on or off.
    """

    enabled: Threshold
    severity: Severity
    severity_by_days: tuple[tuple[int, Severity], ...]
    limits: Mapping[str, Threshold]

    def severity_at(self, days: int | None) -> Severity:
        """How bad it is when it is this many days late."""
        severity = self.severity
        for least, worse in self.severity_by_days:
            if days is None or days < least:
                break
            severity = worse
        return severity

    def step_reached(self, days: int) -> int:
        """The last step of `severity_by_days` up to so many days, 0 before the first."""
        return max((least for least, _ in self.severity_by_days if least <= days), default=0)

    def days_reached(self, since: UtcMillis, now: UtcMillis) -> tuple[int, UtcMillis | None]:
        """The last step of `severity_by_days` that was reached, 0 before the first, and the moment
        of the next one. Lateness that grows by time alone is told in these steps, so that a verdict
        changes when it gets worse and not with every day."""
        reached = 0
        for days, _ in self.severity_by_days:
            at = since + days * DAY_MS
            if now < at:
                return reached, at
            reached = days
        return reached, None


@dataclass(frozen=True, eq=False)
class Rule(Generic[V]):
    """One rule. `evaluate` is pure and fast; its docstring is what a planner reads.

    `says` holds a sentence for each reason that it can give, with places for the figures (see
    `alerts.texts`); `headline` is the title of its findings after the name of what they hit, and
    `next_step` what to do about them. `rests_on_absence` rules conclude from what nobody told, so
    they are judged only when everything up to now has been read. `threshold_unit` is that of a
    threshold which is none of its parameters; `cause` says what lies behind its findings.
    """

    name: str
    aspect: Aspect
    rests_on_absence: bool
    severity: Severity
    severity_by_days: tuple[tuple[int, Severity], ...]
    parameters: tuple[Parameter, ...]
    value_unit: Unit
    says: Mapping[str, str]
    headline: str
    next_step: str
    evaluate: Callable[[V, Settings], Answer]
    threshold_unit: Unit = Unit.HOURS
    cause: str = "It lies with {cause}."

    @property
    def doc(self) -> str:
        """What a planner reads of it."""
        return inspect.getdoc(self.evaluate) or ""

    @property
    def runbook(self) -> str:
        """The page that says what to do when it fires."""
        return f"docs/runbooks/{self.name}.md"

    @property
    def defaults(self) -> Settings:
        """Its settings where nobody set any."""
        source = f"default of {self.name}"
        return Settings(
            Threshold(1, source),
            self.severity,
            self.severity_by_days,
            {each.name: Threshold(each.default, each.name) for each in self.parameters},
        )

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name."""
        return next((each for each in self.parameters if each.name == name), None)
