"""Orders at suppliers that have no system of their own: what they answer by the door, and when."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from schemas.units import DAY_MS, HOUR_MS, MINUTE_MS, UtcMillis
from streams.simulator.billing import bill
from streams.simulator.faults import ANSWER_FAULTS, FaultKind, Rates
from streams.simulator.orders import Planner
from streams.simulator.plans import Answer, Claim, Dialogue, GivenUp, Part, Plan, PlannedLine
from topology.network import Network

NUMBERS_FROM = 5_000_000
"""Their orders are numbered from here on, apart from those of the others."""

SHARE_PERCENT = 8
"""For a hundred other orders there are so many of them."""

SPLIT_PERCENT, CHANGED_PERCENT = 30, 15
"""So many of a hundred lines are promised in parts, and of orders the buyer asks for another day
before the supplier answers. None of that is a fault."""

REJECTED_PERCENT = 8
"""So many of a hundred orders without another fault are rejected."""

_WRONGLY_ANSWERED = tuple(each for each in ANSWER_FAULTS if each is not FaultKind.ORDER_REJECTED)


class AnsweredPlanner:
    """Plans these orders in the order of their numbers: each is asked for once."""

    def __init__(self, network: Network, planner: Planner, rates: Rates, seed: int) -> None:
        """`planner` plans their journeys; it numbers them from `NUMBERS_FROM`."""
        self._network = network
        self._planner = planner
        self._rates = rates
        self._seed = seed
        self._last: dict[str, Plan] = {}
        """Supplier → the order that was placed with it last."""

    def thought_of_at(self, number: int) -> UtcMillis:
        """When the buyer thinks of the order."""
        return self._planner.thought_of_at(number)

    def plan(self, number: int, rng: Random) -> Plan:
        """The plan of that order; `rng` is the order's own."""
        sure, work_ms = self._planner.sure(number, rng)
        kind = rng.choice(_WRONGLY_ANSWERED)
        is_faulty = rng.randrange(1000) < self._rates.answer_fault_permille
        is_rejected = rng.randrange(100) < REJECTED_PERCENT and self._rates.answer_fault_permille
        plan = self._kept(sure, rng)
        if is_faulty and self._planner.is_clear(sure):
            faulty = self._faulty(sure, kind, rng, work_ms)
            plan = faulty if self._planner.is_clear(faulty) else plan
        elif is_rejected and self._planner.is_clear(sure):
            plan = _rejected(sure, Random(f"{self._seed}/rejected/{number}"))
        self._last[sure.flow.supplier] = plan
        money = Random(f"{self._seed}/money/{number}")
        return replace(plan, billing=bill(self._network, plan, money))

    def _kept(self, plan: Plan, rng: Random) -> Plan:
        """Every line is confirmed, some in parts; now and then the buyer first asked for a later
        day."""
        answers = tuple(_whole(plan, line, plan.confirmed_at, rng) for line in plan.lines)
        later_days = rng.randrange(1, 6)
        dialogue = _dialogue(plan, answers)
        if rng.randrange(100) < CHANGED_PERCENT:
            dialogue = replace(dialogue, asked_on=dialogue.wanted_on + later_days)
        return replace(plan, dialogue=dialogue)

    # What goes wrong.

    def _faulty(self, plan: Plan, kind: FaultKind, rng: Random, work_ms: int) -> Plan:
        match kind:
            case FaultKind.NEVER_ANSWERED:
                return self._unanswered(plan, rng)
            case FaultKind.SHORT_ANSWER:
                return self._short(plan, rng, work_ms)
            case FaultKind.LATER_ANSWER:
                return self._later(plan, rng, work_ms)
            case FaultKind.ANSWER_NOT_KEPT:
                return self._not_kept(plan, rng)
            case FaultKind.FOREIGN_ANSWER:
                return self._foreign(plan, rng)
            case _:
                raise AssertionError(f"{kind} is no fault of an answer")

    def _unanswered(self, plan: Plan, rng: Random) -> Plan:
        """Nobody answers, and the buyer gives the order up."""
        given_up_at = plan.placed_at + rng.randrange(5 * 24, 7 * 24) * HOUR_MS
        given_up = tuple(GivenUp(given_up_at, line) for line in plan.lines)
        return replace(
            plan,
            fault=FaultKind.NEVER_ANSWERED,
            fault_at=plan.placed_at,
            dialogue=_dialogue(plan, (), given_up, ships=False),
        )

    def _short(self, plan: Plan, rng: Random, work_ms: int) -> Plan:
        """The parts of the first line add up to less than was ordered; the rest is confirmed five
        to seven days after the order."""
        first_at = plan.confirmed_at
        whole_at = plan.placed_at + rng.randrange(5 * 24, 7 * 24) * HOUR_MS
        renewed = self._planner.renewed(plan, rng, whole_at, whole_at, work_ms)
        first, *others = plan.lines
        promised_on, less = renewed.promises[0][1], _less(first, rng)
        parts = (Part(less - less // 2, promised_on), Part(less // 2, promised_on + 1))
        answers = (
            Answer(first_at, first, parts),
            *(_plain(renewed, line, first_at) for line in others),
            _plain(renewed, first, whole_at),
        )
        return replace(
            renewed,
            fault=FaultKind.SHORT_ANSWER,
            fault_at=first_at,
            dialogue=_dialogue(renewed, answers),
        )

    def _later(self, plan: Plan, rng: Random, work_ms: int) -> Plan:
        """A second answer quietly puts the promise off."""
        first_at = plan.confirmed_at
        later_at = first_at + rng.randrange(20, 60) * HOUR_MS
        renewed = self._planner.renewed(plan, rng, first_at, later_at + 12 * HOUR_MS, work_ms)
        promised_on = renewed.promises[0][1]
        later_on = promised_on + rng.randrange(3, 9)
        answers = (
            *(_plain(renewed, line, first_at) for line in plan.lines),
            *(Answer(later_at, line, (Part(line.quantity, later_on),)) for line in plan.lines),
        )
        return replace(
            renewed,
            promises=((first_at, promised_on), (later_at, later_on)),
            fault=FaultKind.LATER_ANSWER,
            fault_at=later_at,
            dialogue=_dialogue(renewed, answers),
        )

    def _not_kept(self, plan: Plan, rng: Random) -> Plan:
        """Less of the first line is promised, the buyer gives up the rest, and all of it comes."""
        at = plan.confirmed_at
        first, *others = plan.lines
        less = _less(first, rng)
        answers = (
            Answer(at, first, (Part(less, plan.promises[0][1]),)),
            *(_plain(plan, line, at) for line in others),
        )
        given_up = GivenUp(at + rng.randrange(2, 10) * HOUR_MS, first, first.quantity - less)
        return replace(
            plan,
            fault=FaultKind.ANSWER_NOT_KEPT,
            fault_at=plan.delivered_at,
            dialogue=_dialogue(plan, answers, (given_up,)),
        )

    def _foreign(self, plan: Plan, rng: Random) -> Plan:
        """The supplier also promises a line of another one; without one all is as it should be."""
        kept = self._kept(plan, rng)
        others = sorted(set(self._last) - {plan.flow.supplier})
        assert kept.dialogue is not None
        if not others:
            return kept
        other = self._last[others[0]]
        known_at = max(plan.confirmed_at, other.placed_at + 12 * HOUR_MS)
        at = known_at + rng.randrange(30, 600) * MINUTE_MS
        claim = Claim(at, other.line_ids[0], at // DAY_MS + rng.randrange(20, 40))
        return replace(
            kept,
            fault=FaultKind.FOREIGN_ANSWER,
            fault_at=at,
            dialogue=replace(kept.dialogue, claim=claim),
        )


def _rejected(plan: Plan, rng: Random) -> Plan:
    """The supplier will not deliver any of it, and the buyer gives the order up."""
    at = plan.confirmed_at
    given_up_at = at + rng.randrange(24, 72) * HOUR_MS
    refusals = tuple(Answer(at, line, ()) for line in plan.lines)
    given_up = tuple(GivenUp(given_up_at, line) for line in plan.lines)
    return replace(
        plan,
        fault=FaultKind.ORDER_REJECTED,
        fault_at=at,
        dialogue=_dialogue(plan, refusals, given_up, ships=False),
    )


def _dialogue(
    plan: Plan,
    answers: tuple[Answer, ...],
    given_up: tuple[GivenUp, ...] = (),
    *,
    ships: bool = True,
) -> Dialogue:
    """The buyer wants all of it by the last day that the first answers name."""
    first = [each for each in answers if each.at == answers[0].at]
    days = [part.promised_on for each in first for part in each.parts]
    wanted_on = max([plan.promises[0][1], *days])
    return Dialogue(answers, wanted_on, wanted_on, given_up, ships=ships)


def _whole(plan: Plan, line: PlannedLine, at: UtcMillis, rng: Random) -> Answer:
    """All of the line by the promised day; some lines in parts, the rest a few days later."""
    days, is_split = rng.randrange(1, 5), rng.randrange(100) < SPLIT_PERCENT
    promised_on = plan.promises[0][1]
    if not is_split:
        return _plain(plan, line, at)
    half = line.quantity // 2
    parts = (Part(line.quantity - half, promised_on), Part(half, promised_on + days))
    return Answer(at, line, parts)


def _plain(plan: Plan, line: PlannedLine, at: UtcMillis) -> Answer:
    """All of the line by the promised day."""
    return Answer(at, line, (Part(line.quantity, plan.promises[0][1]),))


def _less(line: PlannedLine, rng: Random) -> int:
    """Three to four fifths of the line."""
    return line.quantity * rng.randrange(60, 80) // 100
