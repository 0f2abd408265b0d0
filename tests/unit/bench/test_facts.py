"""The facts that are measured with are good ones, the same in every run."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from bench.chain import chain_facts
from bench.grown import FACTS_TO_OPEN, OPENED_AT, PROMISED_AT, opening_facts
from bench.memory import waiting_facts
from bench.slips import (
    FACTS_PER_LINE,
    LiveSlips,
    join_facts,
    join_policy,
    join_statuses,
    join_told_at,
    slip_network,
)
from schemas.codec import FactDecoder
from schemas.facts import Family, ShipmentFact
from schemas.refusals import Refused
from schemas.validation import check

LINES = 200


def test_the_join_has_five_good_facts_a_line_in_order() -> None:
    facts = list(join_facts(LINES))
    assert facts == list(join_facts(LINES))
    assert len(facts) == FACTS_PER_LINE * LINES
    assert [at for at, _ in facts] == sorted(at for at, _ in facts)
    assert all(check(fact) is None for _, fact in facts)
    assert max(at for at, _ in facts) <= join_told_at(LINES)
    kinds = Counter(fact.kind for _, fact in facts)
    assert kinds == dict.fromkeys(("placed", "confirmed", "departed", "eta", "delivered"), LINES)


def test_the_join_needs_three_rules() -> None:
    settings = join_policy().everywhere.settings
    on = [name for name, each in settings.items() if each.enabled.value]
    assert on == ["unconfirmed", "expected_after_promise", "delivered_late"]


def test_live_lines_run_through_all_their_facts() -> None:
    slips, decoder = LiveSlips(), FactDecoder()
    told: dict[int, list[str]] = {}
    now = 1_800_000_000_000
    for step in range(300):
        for line, (topic, key, value) in slips.take(17, now + step):
            (fact,) = decoder.decode(Family(topic), [value])
            assert not isinstance(fact, Refused)
            assert check(fact) is None
            assert key.decode().endswith(f"{line:08d}")
            told.setdefault(line, []).append(fact.kind)
    assert sum(map(len, told.values())) == 300 * 17
    assert told[0] == ["placed", "confirmed", "departed", "eta", "delivered"]


def test_the_chain_says_the_same_in_every_run() -> None:
    first, again, more = chain_facts(4, 1), chain_facts(4, 1), chain_facts(4, 3)
    assert first == again
    assert len(first.facts) < len(more.facts) <= 3 * len(first.facts)
    decoder = FactDecoder()
    for topic, _, value in islice(more.facts, 200):
        (fact,) = decoder.decode(Family(topic), [value])
        assert not isinstance(fact, Refused)
        assert check(fact) is None


def test_no_fact_of_the_join_is_told_twice() -> None:
    told = {(fact.source, fact.event_id) for _, fact in join_facts(LINES)}
    assert len(told) == FACTS_PER_LINE * LINES


def test_every_line_of_the_join_ends_and_some_are_late() -> None:
    statuses = join_statuses(LINES)
    assert len(statuses) == LINES
    assert 0.1 < Counter(statuses.values())["late"] / LINES < 0.5


def test_lines_are_opened_by_good_facts_of_their_own() -> None:
    decoder = FactDecoder()
    sent = list(opening_facts(20, OPENED_AT, PROMISED_AT))
    assert len(sent) == 20 * FACTS_TO_OPEN
    assert len({key for _, key, _ in sent}) == 20
    for topic, _, value in sent:
        (fact,) = decoder.decode(Family(topic), [value])
        assert not isinstance(fact, Refused)
        assert check(fact) is None


def test_a_fact_that_waits_names_no_line() -> None:
    decoder = FactDecoder()
    for topic, _, value in waiting_facts(20):
        (fact,) = decoder.decode(Family(topic), [value])
        assert isinstance(fact, ShipmentFact)
        assert check(fact) is None
        assert (fact.order_ref, fact.line) == (None, None)


def test_items_are_cells_of_their_own_or_all_one() -> None:
    assert len(slip_network(items_count=30).cells) == 30
    assert len(slip_network(items_count=30, is_one_cell=True).cells) == 1
