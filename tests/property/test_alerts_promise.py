"""Promises: what holds for any stock, lines and quantity."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.free_stock import node_stock
from schemas.promise_records import PromiseOffer
from schemas.stock_records import StockStatus
from schemas.units import DAY_MS, day, millis, quantity
from tests.unit.alerts.promise_scene import NOW, chain, offered, stock
from topology.model import Quantile

SAFETY = 7
NETWORK = chain(SAFETY)
MOVES = st.lists(
    st.tuples(
        st.integers(0, 25).map(lambda days: str(NOW.date() + dt.timedelta(days=days))),
        st.integers(1, 30),
    ),
    max_size=5,
)


@st.composite
def nodes(draw: st.DrawFn) -> tuple[StockStatus, ...]:
    """Stock at some of the sites, told of by feeds that may be silent."""
    found = []
    for site in draw(st.sets(st.sampled_from(["LYON", "HAMBURG", "OSAKA"]), min_size=1)):
        wants = [(on, much, f"A/{n}#1") for n, (on, much) in enumerate(draw(MOVES))]
        brings = [(on, much, f"T-{n}") for n, (on, much) in enumerate(draw(MOVES))]
        doubtful = [(on, much, f"L/{n}#1") for n, (on, much) in enumerate(draw(MOVES))]
        found.append(
            stock(
                site,
                draw(st.integers(-5, 60)),
                wants=wants,
                brings=brings,
                doubtful=doubtful,
                network=NETWORK,
                horizon_days=draw(st.integers(1, 40)),
                blind=draw(st.sampled_from(["", "", "", "wms"])),
            )
        )
    return tuple(sorted(found, key=lambda each: each.site))


def ask(amount: int, site: str, told: tuple[StockStatus, ...]) -> PromiseOffer:
    return offered(amount, site, *told, network=NETWORK)


AMOUNTS = st.integers(1, 90)
SITES = st.sampled_from(["LYON", "SHOP"])


@given(AMOUNTS, AMOUNTS, SITES, nodes())
def test_more_is_never_promised_sooner(
    first: int, second: int, site: str, told: tuple[StockStatus, ...]
) -> None:
    less, more = (ask(each, site, told) for each in sorted((first, second)))
    if more.promised is not None:
        assert less.promised is not None
        assert less.promised.p80_on <= more.promised.p80_on
    assert less.missing <= more.missing


@given(AMOUNTS, SITES, nodes())
def test_nothing_is_promised_sooner_than_lanes_and_stock_allow(
    amount: int, site: str, told: tuple[StockStatus, ...]
) -> None:
    found = ask(amount, site, told)
    statuses = {each.site: each for each in told}
    for option in (found.promised, found.from_one_source, found.unsure):
        if option is None:
            continue
        assert sum(part.quantity for part in option.parts) == amount
        for part in option.parts:
            lanes = [NETWORK.lanes[each] for each in part.lanes]
            assert [lane.origin for lane in lanes[:1]] in ([], [part.site])
            assert part.ready_at >= NOW
            for quantile, on in zip(Quantile, (part.p50_on, part.p80_on, part.p95_on), strict=True):
                takes = sum(lane.lead_time_ms(quantile) for lane in lanes)
                at = millis(part.ready_at) + takes
                assert day(on) >= NETWORK.local_day(site, at)
            assert part.p50_on <= part.p80_on <= part.p95_on
            if not part.unsure:
                assert part.quantity <= free_by(statuses[part.site], part.ready_at)
    if found.promised is not None:
        assert not any(part.unsure for part in found.promised.parts)


def free_by(status: StockStatus, ready_at: dt.datetime) -> Decimal:
    """Cumulative available to promise, the slow way: the lowest balance of any later day, from the
    movements themselves that nobody doubts."""
    assert status.projection is not None
    assert status.available is not None
    assert len(status.projection.flows) == status.projection.flow_count
    flows = [each for each in status.projection.flows if each.doubt is None]
    today = NETWORK.local_day(status.site, millis(NOW))
    from_on = NETWORK.local_day(status.site, millis(ready_at))
    last = max([day(each.on) for each in flows], default=today)
    safety = SAFETY if status.site == "LYON" else 0

    def balance(on: int) -> Decimal:
        return status.available + sum(each.quantity for each in flows if day(each.on) <= on)

    return min(map(balance, range(from_on, max(last, from_on) + 1))) - safety


@given(AMOUNTS, SITES, nodes())
def test_who_waits_already_waits_no_longer_for_a_promise(
    amount: int, site: str, told: tuple[StockStatus, ...]
) -> None:
    found = ask(amount, site, told)
    statuses = {each.site: each for each in told}
    for part in found.promised.parts if found.promised is not None else ():
        node = node_stock(statuses[part.site], NETWORK, millis(NOW))
        assert node is not None
        ready_on = NETWORK.local_day(part.site, millis(part.ready_at))
        assert node.pushed(quantity(part.quantity), ready_on) == ()


@given(AMOUNTS, SITES, nodes())
def test_lines_that_would_wait_are_those_of_a_slow_reckoning(
    amount: int, site: str, told: tuple[StockStatus, ...]
) -> None:
    taking = ask(amount, site, told).taking
    if taking is None:
        return
    (part,) = taking.option.parts
    status = next(each for each in told if each.site == part.site)
    assert not status.blind_feeds
    taken_on = part.ready_at.date()
    before, after = served(status), served(status, int(part.quantity), taken_on)
    waiting = {line for line, on in after.items() if on != before[line]}
    missing = {each.line_id for each in taking.pushed}
    assert waiting <= missing
    assert part.ready_at >= NOW
    assert part.ready_at <= NOW + dt.timedelta(milliseconds=40 * DAY_MS)


def served(
    status: StockStatus, taken: int = 0, taken_on: dt.date | None = None
) -> dict[str, dt.date | None]:
    """Line → the day on which all of it is there, serving one after the other."""
    assert status.projection is not None
    assert status.available is not None
    flows = [each for each in status.projection.flows if each.doubt is None]
    queue = sorted((each.on, each.subject, -each.quantity) for each in flows if each.quantity < 0)
    if taken_on is not None:
        queue = sorted([*queue, (taken_on, "", Decimal(taken))])
    had = sorted((each.on, each.quantity) for each in flows if each.quantity > 0)
    found: dict[str, dt.date | None] = {}
    asked = Decimal(0)
    for on, subject, much in queue:
        asked += much
        days = [NOW.date(), *[day_ for day_, _ in had]]
        found[subject] = next(
            (
                max(on, day_)
                for day_ in days
                if status.available + sum(q for d, q in had if d <= day_) >= asked
            ),
            None,
        )
    found.pop("", None)
    return found


@given(AMOUNTS, SITES, nodes())
def test_asking_changes_nothing_and_is_answered_the_same(
    amount: int, site: str, told: tuple[StockStatus, ...]
) -> None:
    before = msgspec.json.encode(told)
    first = ask(amount, site, told)
    assert ask(amount, site, told[::-1]) == first
    assert msgspec.json.encode(told) == before
