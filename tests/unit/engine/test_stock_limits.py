"""Stock nodes at their limits and one past them. The limits are lowered here, so that each test
goes to one and past it in a moment; what happens there does not depend on their height."""

from __future__ import annotations

import pytest

from schemas import limits
from schemas.codec import pack
from schemas.facts import Fact
from schemas.records import Alert, DeadLetter, decode
from schemas.units import DAY_MS, HOUR_MS
from streams.engine.local import LocalEngine
from tests.scenario import START, Chain
from tests.unit.engine.test_stock import Wms, run, status

AT = START + 3 * DAY_MS


def letters(engine: LocalEngine) -> list[str]:
    values = engine.latest("dead-letters").values()
    return [decode(value, DeadLetter).reason for value in values]


def by_day(count: int) -> list[Fact]:
    """A count, and an issue of one on each day after it."""
    wms = Wms()
    issues = [wms.tell("issued", START + n * DAY_MS, 1) for n in range(1, count)]
    return [wms.tell("counted", START, 100), *issues]


def test_a_node_with_too_many_facts_settles_its_oldest_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "FACTS_PER_STOCK_NODE_MAX", 5)
    late = Wms(100).tell("received", START + DAY_MS + 1, 50)
    last = START + 5 * DAY_MS
    at_it = run([(last, by_day(5)), (last + 1, [late])])
    assert (status(at_it).on_hand, letters(at_it)) == (146, [])
    past_it = run([(last, by_day(6)), (last + 1, [late])])
    assert (status(past_it).on_hand, letters(past_it)) == (145, [])
    very_late = run([(last, by_day(6)), (last + 1, [Wms(100).tell("received", START + 1, 50)])])
    assert (status(very_late).on_hand, letters(very_late)) == (95, ["too_late"])


def test_a_day_takes_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    wms = Wms()
    facts = [wms.tell("counted", START, 9), wms.tell("issued", START + 1, 1)]
    size = sum(len(pack(fact)) for fact in facts)
    monkeypatch.setattr(limits, "FACT_BYTES_PER_STOCK_DAY_MAX", size)
    at_it = run([(START + HOUR_MS, facts)])
    assert (status(at_it).on_hand, letters(at_it)) == (8, [])
    more = wms.tell("issued", START + 2, 1)
    past_it = run([(START + HOUR_MS, facts), (START + 2 * HOUR_MS, [more])])
    assert (status(past_it).on_hand, letters(past_it)) == (8, ["node_full"])
    next_day = wms.tell("issued", START + DAY_MS, 1)
    other_day = run([(START + HOUR_MS, facts), (START + 2 * DAY_MS, [next_day])])
    assert (status(other_day).on_hand, letters(other_day)) == (7, [])


def test_so_many_open_transfers_and_lines_outlast_their_facts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "OPEN_PER_STOCK_NODE_MAX", 2)

    def told(count: int) -> tuple[object, object]:
        wms = Wms()
        facts = [wms.tell("counted", START, 100)]
        for n in range(count):
            ref = f"SUP/T{n}"
            facts.append(
                wms.tell("transferred_out", START + n, 10, "OSLO", to_site="LYON", transfer_ref=ref)
            )
            facts.append(wms.tell("reserved", START + n, 3, order_ref="A/1", line=str(n)))
        engine = run([(START + HOUR_MS, facts)])
        assert status(engine).in_transit == 10 * count
        engine.tick(START + 20 * DAY_MS)
        return status(engine).in_transit, status(engine).reserved

    assert told(2) == (20, 6)
    assert told(3) == (20, 6)


def test_so_many_sources_outlast_their_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOURCES_PER_STOCK_NODE_MAX", 1)
    wms = Wms()
    facts = [wms.tell("counted", START, 9), wms.tell("counted", START, 9, "OSLO")]
    engine = run([(START + HOUR_MS, facts), (START + 20 * DAY_MS, [])])
    assert status(engine).on_hand == 9
    more = wms.tell("transferred_out", START, 1, "OSLO", to_site="LYON", transfer_ref="S/1")
    engine = run([(START + HOUR_MS, [*facts, more]), (START + 20 * DAY_MS, [])])
    assert (status(engine).on_hand, status(engine).in_transit) == (9, 1)


def test_so_many_contradictions_are_listed_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CLASHES_PER_STOCK_NODE_MAX", 2)

    def clashes(count: int) -> int:
        wms = Wms()
        facts = [wms.tell("counted", START + n // 2, n) for n in range(2 * count)]
        return status(run([(START + HOUR_MS, facts)])).contradictions

    assert (clashes(2), clashes(3)) == (2, 3)


def test_a_shortage_names_so_many_lines_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.node_judgement.LINES_HIT_MAX", 2)
    assert limits.LINES_HIT_MAX > 2

    def hit(count: int) -> tuple[int, int]:
        chain = Chain()
        lines: list[Fact] = [chain.placed(f"PO-{n}", START) for n in range(count)]
        engine = run([(START + HOUR_MS, [*lines, Wms().tell("counted", START, 0)])])
        [alert] = [decode(value, Alert) for value in engine.latest("alerts").values()]
        projection = status(engine).projection
        assert projection is not None
        return alert.consequence_count - 1, projection.lines_hit

    assert hit(2) == (2, 2)
    assert hit(3) == (2, 3)


def test_a_status_lists_so_many_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STOCK_BALANCES_LISTED", 2)

    def listed(count: int) -> int:
        chain = Chain()
        lines: list[Fact] = [chain.placed(f"PO-{n}", START, due_days=4 + n) for n in range(count)]
        engine = run([(START + HOUR_MS, [*lines, Wms().tell("counted", START, 1_000)])])
        projection = status(engine).projection
        assert projection is not None
        return len(projection.balances)

    assert (listed(1), listed(2)) == (2, 2)


def test_a_status_lists_so_many_movements_and_counts_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STOCK_FLOWS_LISTED", 2)

    def listed(count: int) -> tuple[list[str], int]:
        chain = Chain()
        lines: list[Fact] = [chain.placed(f"PO-{n}", START, due_days=4 + n) for n in range(count)]
        engine = run([(START + HOUR_MS, [*lines, Wms().tell("counted", START, 1_000)])])
        projection = status(engine).projection
        assert projection is not None
        assert all(each.quantity == -100 for each in projection.flows)
        return [each.subject for each in projection.flows], projection.flow_count

    first = ["ACME/PO-0#10", "ACME/PO-1#10"]
    assert (listed(2), listed(3)) == ((first, 2), (first, 3))
