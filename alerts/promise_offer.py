"""An honest date for an order that does not exist yet.

`offer` is a pure function of the question, the network and what `stock-status` says as of one tick;
asking changes nothing. A source gives what nobody needs (`alerts.free_stock`); by which lanes that
arrives, and when, says `topology.ways`. The **promise** is the first date by which all sources that
were counted and can be seen give the quantity together, by what comes to them in time and can be
seen too; from as few of them as that takes. A date is one that 80 of 100 such deliveries keep;
those that 50 and 95 keep are told beside it.

More of an item is never promised for an earlier date: what the sources give by a date only grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from alerts.free_stock import NodeStock, Pushed
from alerts.promise_sources import Choice, Places, Source, places_for, refusal
from alerts.promise_texts import offer_text
from schemas.promise_records import (
    PromiseAsked,
    PromiseBasis,
    PromiseOffer,
    PromiseOption,
    PromisePart,
    PromiseRefusal,
    PromiseSource,
    PromiseTaking,
    PushedLine,
)
from schemas.records import OrderStatus
from schemas.stock_records import StockStatus
from schemas.ticks import Tick
from schemas.units import (
    Day,
    Quantity,
    calendar_date,
    day,
    decimal,
    instant,
    millis,
    quantity,
)
from topology.model import Quantile
from topology.network import Network
from topology.ways import day_received

_SUREST_FIRST = (Quantile.P95, Quantile.P80, Quantile.P50)


class _Wanted(msgspec.Struct, frozen=True):
    """How much, where, and the date there by which it is wanted, if one is."""

    quantity: Quantity
    site: str
    by: Day | None


def offer(
    asked: PromiseAsked, network: Network, stock: Sequence[StockStatus], tick: Tick
) -> PromiseOffer | PromiseRefusal:
    """The answer, but for the dates of lines that would wait (`dated` adds them). `stock` holds the
    nodes of the item. Costs some milliseconds for an item with hundreds of lanes."""
    by_site = {each.site: each for each in stock}
    refused = refusal(asked, network, by_site)
    if refused is not None:
        return refused
    unit = asked.unit or network.items[asked.item].base_unit
    places = places_for(asked, network, by_site, unit, tick)
    by = None if asked.by is None else _due_on(network, asked.site, day(asked.by))
    wanted = _Wanted(quantity(asked.quantity), asked.site, by)
    choices = [choice for source in places.sources for choice in places.choices(source)]
    sure = [each for each in choices if not each.unsure]
    promised, perhaps = _earliest(sure, wanted.quantity), _earliest(choices, wanted.quantity)
    if promised and perhaps and _last(perhaps) >= _last(promised):
        perhaps = ()
    known = sum(_most(sure).values())
    found = PromiseOffer(
        item=asked.item,
        quantity=asked.quantity,
        unit=unit,
        site=asked.site,
        by=asked.by,
        is_met=None if by is None else bool(promised) and _last(promised) <= by,
        text="",
        promised=_option(promised, wanted),
        from_one_source=_from_one(sure, wanted) if len(promised) > 1 else None,
        unsure=_option(perhaps, wanted),
        taking=_taking(places, wanted, promised),
        missing=decimal(max(0, wanted.quantity - known)),
        sources=tuple([_source(each) for each in places.sources]),
        sources_left_out=places.left_out,
    )
    return msgspec.structs.replace(found, text=offer_text(found))


def dated(found: PromiseOffer, network: Network, lines: Iterable[OrderStatus]) -> PromiseOffer:
    """The same with the dates of the lines that would wait: as they stand, and as they would be
    expected if they left as soon as their stock is covered and 80 of 100 kept the lead time."""
    taking = found.taking
    if taking is None or not taking.pushed:
        return found
    by_id = {each.line_id: each for each in lines}
    site = taking.option.parts[0].site
    pushed = tuple([_dated(each, site, by_id.get(each.line_id), network) for each in taking.pushed])
    return msgspec.structs.replace(found, taking=msgspec.structs.replace(taking, pushed=pushed))


def _dated(pushed: PushedLine, site: str, line: OrderStatus | None, network: Network) -> PushedLine:
    if line is None:
        return pushed
    expected_on = None
    lane = network.lane_between(site, line.ship_to, line.item)
    if pushed.covered_on is not None and lane is not None and line.ship_to is not None:
        leaves_at = network.next_departure(lane, network.due_at(site, day(pushed.covered_on)))
        if leaves_at is not None:
            arrives_at = leaves_at + lane.lead_time_ms(Quantile.P80)
            expected_on = calendar_date(day_received(network, line.ship_to, arrives_at))
    stated = line.last_confirmed or line.requested
    due_on = None
    if stated is not None and stated.due_at is not None:
        due_on = calendar_date(network.local_day(line.ship_to, millis(stated.due_at)))
    return msgspec.structs.replace(pushed, due_on=due_on, expected_on=expected_on)


def _due_on(network: Network, site: str, on: Day) -> Day:
    """The date on which a promise for that date falls due: the next one that the site receives."""
    return network.local_day(site, network.due_at(site, on))


def _earliest(choices: Sequence[Choice], wanted: Quantity) -> tuple[Choice, ...]:
    """The choices that together give it on the first date possible; empty when they never do."""
    for on in sorted({each.on for each in choices}):
        in_time = [each for each in choices if each.on <= on]
        most = _most(in_time)
        if sum(most.values()) < wanted:
            continue
        alone = _one(in_time, wanted)
        if alone is not None:
            return (alone,)
        parts: list[Choice] = []
        left = wanted
        for place in sorted(most, key=lambda each: (-most[each], each)):
            own = [each for each in in_time if each.source.place == place]
            share = min(left, most[place])
            parts.append(_giving(next(each for each in own if each.step.quantity >= share), share))
            left -= share
            if not left:
                return tuple(parts)
    return ()


def _giving(choice: Choice, share: Quantity) -> Choice:
    """The choice for no more than a share of it."""
    step = choice.step._replace(quantity=share)
    return msgspec.structs.replace(choice, step=step)


def _most(choices: Iterable[Choice]) -> dict[int, Quantity]:
    """Place of a source → the most that it gives in any of these."""
    most: dict[int, Quantity] = {}
    for each in choices:
        place = each.source.place
        most[place] = max(each.step.quantity, most.get(place, 0))
    return most


def _one(choices: Iterable[Choice], wanted: Quantity) -> Choice | None:
    """The first that gives all of it: one to be relied on before others, then the nearest."""
    enough = [each for each in choices if each.step.quantity >= wanted]
    first = min(
        enough,
        key=lambda each: (each.on, bool(each.unsure), each.source.place, each.step.ready_at),
        default=None,
    )
    return None if first is None else _giving(first, wanted)


def _from_one(choices: Iterable[Choice], wanted: _Wanted) -> PromiseOption | None:
    first = _one(choices, wanted.quantity)
    return None if first is None else _option((first,), wanted)


def _last(parts: Iterable[Choice]) -> Day:
    return max(each.on for each in parts)


def _option(parts: Sequence[Choice], wanted: _Wanted) -> PromiseOption | None:
    if not parts:
        return None
    last = {each: max(part.received_on[each] for part in parts) for each in Quantile}
    kept_at = None
    if wanted.by is not None:
        kept_at = next((each.value for each in _SUREST_FIRST if last[each] <= wanted.by), None)
    return PromiseOption(
        parts=tuple([_part(each) for each in parts]),
        p50_on=calendar_date(last[Quantile.P50]),
        p80_on=calendar_date(last[Quantile.P80]),
        p95_on=calendar_date(last[Quantile.P95]),
        kept_at=kept_at,
    )


def _part(choice: Choice) -> PromisePart:
    way, on = choice.way, choice.received_on
    return PromisePart(
        site=choice.source.site,
        quantity=decimal(choice.step.quantity),
        basis=choice.basis,
        ready_at=instant(choice.step.ready_at),
        leaves_at=None if way.leaves_at is None else instant(way.leaves_at),
        lanes=way.lanes,
        p50_on=calendar_date(on[Quantile.P50]),
        p80_on=calendar_date(on[Quantile.P80]),
        p95_on=calendar_date(on[Quantile.P95]),
        unsure=choice.unsure,
    )


def _source(source: Source) -> PromiseSource:
    stock = source.stock
    if stock is None:
        return PromiseSource(site=source.site, unsure=source.unsure)
    free = stock.free()
    at_once = free[0].quantity if free and free[0].ready_at == stock.now else 0
    return PromiseSource(
        site=source.site,
        free_now=decimal(at_once),
        free=decimal(free[-1].quantity if free else 0),
        until_on=stock.projection.until_on,
        unsure=source.unsure,
    )


class _Taken(msgspec.Struct, frozen=True):
    """A choice for stock that others wait for, and who they are."""

    choice: Choice
    stock: NodeStock
    pushed: tuple[Pushed, ...]


def _taking(places: Places, wanted: _Wanted, promised: Sequence[Choice]) -> PromiseTaking | None:
    """What one source could do if others waited: by the date asked for with the fewest of them
    waiting, else sooner than promised. None where that gains nothing."""
    if promised and wanted.by is not None and _last(promised) <= wanted.by:
        return None
    found: list[_Taken] = []
    for source in places.sources:
        stock = source.stock
        if stock is None or source.unsure:
            continue
        steps = [each for each in stock.within_reach() if each.quantity >= wanted.quantity]
        choices = places.by(source, PromiseBasis.TAKEN, steps)
        in_time = [each for each in choices if wanted.by is not None and each.on <= wanted.by]
        # The later it is taken, the fewer are still to be served.
        chosen = in_time[-1:] or choices[:1]
        found += [
            _Taken(
                _giving(each, wanted.quantity),
                stock,
                stock.pushed(wanted.quantity, each.step.on),
            )
            for each in chosen
            if not promised or each.on < _last(promised)
        ]
    best = min(found, key=lambda each: _rank(each, wanted), default=None)
    option = None if best is None else _option((best.choice,), wanted)
    if best is None or option is None:
        return None
    pushed = tuple(
        [
            PushedLine(
                line_id=each.line_id,
                missing=decimal(each.missing),
                needed_on=calendar_date(each.needed_on),
                covered_on=None if each.covered_on is None else calendar_date(each.covered_on),
            )
            for each in best.pushed
        ]
    )
    return PromiseTaking(option=option, pushed=pushed, unseen_movements=best.stock.unseen_movements)


def _rank(taken: _Taken, wanted: _Wanted) -> tuple[bool, int, int, int]:
    """In time before late; then with the fewest waiting, or where none is in time the soonest."""
    choice, waiting = taken.choice, len(taken.pushed)
    if wanted.by is not None and choice.on <= wanted.by:
        return False, waiting, choice.on, choice.source.place
    return True, choice.on, waiting, choice.source.place
