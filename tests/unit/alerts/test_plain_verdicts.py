"""Verdicts without figures are kept as numbers that mean the same in every release."""

from __future__ import annotations

from alerts.findings import RuleVerdict
from alerts.plain_verdicts import PLAIN_VERDICTS, number_of, recognised, restored, stored
from schemas.records import Outcome


def test_no_two_verdicts_have_one_number() -> None:
    assert len({number_of(*names) for names in PLAIN_VERDICTS}) == len(PLAIN_VERDICTS)


def test_a_number_is_the_same_in_every_release() -> None:
    # What is in somebody's changelog: to change the formula is to lose it.
    assert number_of("unpaid_past_terms", "not_invoiced") == 276_841_038


def test_what_is_stored_comes_back() -> None:
    figured = RuleVerdict("late_to_ship", Outcome.SILENT, "in_time", 7, 9, "grace_hours", 11)
    verdicts = (*PLAIN_VERDICTS.values(), figured)
    numbers = stored(verdicts)
    assert all(isinstance(each, int) for each in numbers[:-1])
    assert numbers[-1] is figured
    assert restored(numbers) == verdicts


def test_what_older_state_held_whole_is_recognised() -> None:
    whole = RuleVerdict("unconfirmed", Outcome.SILENT, "confirmed")
    figured = RuleVerdict("late_to_ship", Outcome.SILENT, "in_time", 7, 9, "grace_hours", 11)
    plain = PLAIN_VERDICTS["unconfirmed", "confirmed"]
    assert whole != plain
    assert recognised((whole, figured)) == (plain, figured)


def test_a_reason_that_is_no_more_is_left_out() -> None:
    kept = PLAIN_VERDICTS["unconfirmed", "confirmed"]
    gone = number_of("a_rule", "of_another_release")
    assert restored((gone, number_of("unconfirmed", "confirmed"))) == (kept,)
