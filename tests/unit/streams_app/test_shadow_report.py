"""The shadow report, held against what a plain count of the same story says."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise

from alerts import policy as policies
from alerts.terms import FORMAT
from schemas.facts import Fact, Heartbeat
from schemas.records import Notification, decode
from schemas.units import DAY_MS, HOUR_MS
from streams.engine.local import LocalEngine
from streams.shadow import NOTIFICATIONS_LISTED_MAX, read_report
from tests.scenario import START, Chain, by_tick, network, story
from tests.unit.engine.test_shadow import policy


def run(seed: int) -> tuple[LocalEngine, list[Fact]]:
    engine, sent = LocalEngine(network(), policy(shadow=True)), []
    for at, facts in by_tick(story(seed, orders=30)):
        for fact in facts:
            engine.send(fact)
            sent.append(fact)
        engine.tick(at)
    return engine, sent


def test_it_says_what_was_withheld_from_whom_the_newest_first() -> None:
    engine, _ = run(3)
    said = [decode(e.value or b"", Notification) for e in engine.outputs("notifications")]
    found = read_report(engine.log, None)
    counted = Counter((n.recipient, n.withheld_sinks, n.event, n.severity) for n in said)
    assert {(w.recipient, w.sinks, w.event, w.severity): w.count for w in found.withheld} == counted
    assert found.notifications == len(said) > NOTIFICATIONS_LISTED_MAX
    newest = sorted((each.tick for each in said), reverse=True)
    assert [each.tick for each in found.latest] == newest[:NOTIFICATIONS_LISTED_MAX]
    assert policies.DEFAULT.document.format < FORMAT


def test_it_measures_each_feed() -> None:
    engine, sent = run(4)
    told: dict[str, list[Fact]] = defaultdict(list)
    for fact in sent:
        told[fact.source].append(fact)
    sources = {each.source: each for each in read_report(engine.log, None).sources}
    assert sources.keys() == told.keys()
    for name, facts in told.items():
        late = sorted(f.recorded_at - f.occurred_at for f in facts if not isinstance(f, Heartbeat))
        measured = sources[name].lateness
        assert measured is not None
        assert sources[name].facts == len(facts)
        assert measured.max_seconds == late[-1] / 1000
        assert measured.p50_seconds == late[math.ceil(len(late) / 2) - 1] / 1000
        at = sorted(fact.recorded_at for fact in facts)
        silences = [after - before for before, after in pairwise(at)]
        assert sources[name].longest_silence_seconds == max(silences) / 1000
    assert sources["acme-erp"].gaps is None


def test_gaps_waiting_numbers_and_dead_letters_are_counted_by_source() -> None:
    engine, chain = LocalEngine(network(), policy(shadow=True)), Chain()
    engine.send(chain.placed("PO-1", START))
    engine.send(chain.packed("PO-1", "S1", START + HOUR_MS))
    engine.send(chain.moved("departed", "S1", START + 2 * HOUR_MS, site="LYON"))
    engine.send(chain.moved("departed", "S9", START + 30 * HOUR_MS, site="LYON"))
    engine.send(chain.moved("arrived", "S9", START + 31 * HOUR_MS))
    engine.send_raw("orders", b"k", b"no fact", None)
    engine.tick(START + 2 * DAY_MS)
    sources = {each.source: each for each in read_report(engine.log, None).sources}
    cargo = sources["cargo-edi"]
    assert (cargo.facts, cargo.gaps, cargo.rhythm_seconds) == (2, 1, 26 * 3600)
    assert cargo.refused == {"missing_field": 1}
    assert (cargo.waiting, cargo.linked_percent) == (1, 50.0)
    assert (sources["sup-erp"].waiting, sources["sup-erp"].linked_percent) == (0, 100.0)
    assert sum(sources[""].refused.values()) == 1
    assert sources[""].lateness is None

    later = read_report(engine.log, START + 3 * HOUR_MS)
    assert {each.source: each.facts for each in later.sources} == {"cargo-edi": 1, "": 0}
