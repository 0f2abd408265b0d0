"""What an order line brings to the stock node it ships to, and takes from the one it ships from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alerts.lines import LineSummary
from alerts.standing import next_step_of
from alerts.view import LineView, Part, Stage
from schemas.units import Quantity, UtcMillis
from topology.model import Lane


class Departure(msgspec.Struct, frozen=True, gc=False):
    """The last departure of a lane by which goods that wait keep their date."""

    lane: Lane
    by: UtcMillis
    lead_time_ms: int


class Move(msgspec.Struct, frozen=True, gc=False):
    """A part of a line that is still to leave or to arrive, and by when. `departure` is that of
    what has not left and of whose arrival nothing but its date is known."""

    at: UtcMillis
    quantity: Quantity
    departure: Departure | None = None


class Goods(msgspec.Struct, frozen=True, gc=False):
    """What of a line is still to leave its ship-from, by the last departure that keeps the date
    that holds, and what is still to arrive at its ship-to, when its ETA, its lane or that date
    says; both in the order in which they fall due. `undated` is wanted for no date at all.
    `telling` are the sources that should tell of its next step."""

    line: LineSummary
    leaving: tuple[Move, ...] = ()
    coming: tuple[Move, ...] = ()
    undated: Quantity = 0
    telling: tuple[str, ...] = ()

    def left(self, issued: Quantity) -> tuple[Move, ...]:
        """What is still to leave when so much was issued for the line, told as shipped or not."""
        return _without(self.leaving, issued - self._gone(self.leaving))

    def awaited(self, received: Quantity) -> tuple[Move, ...]:
        """What is still to come when so much was received of it, told as delivered or not."""
        return _without(self.coming, received - self._gone(self.coming))

    def _gone(self, moves: Sequence[Move]) -> Quantity:
        return self.line.wanted - sum([each.quantity for each in moves])


def _without(moves: tuple[Move, ...], quantity: Quantity) -> tuple[Move, ...]:
    """The moves less a quantity, which is taken from the first ones."""
    if quantity <= 0:
        return moves
    kept: list[Move] = []
    for each in moves:
        taken = min(quantity, each.quantity)
        quantity -= taken
        if taken < each.quantity:
            kept.append(msgspec.structs.replace(each, quantity=each.quantity - taken))
    return tuple(kept)


def reduced(moves: tuple[Move, ...], held: Quantity) -> tuple[Move, ...]:
    """The moves without what is set aside for them already."""
    return _without(moves, held)


def goods_of(view: LineView) -> Goods:
    """What is still to leave and to arrive of the line; nothing of one that has ended."""
    line = view.line
    if line.is_ended:
        return Goods(line)
    if not view.parts:
        return Goods(line, undated=max(0, line.wanted - line.shipped))
    leaving: list[Move] = []
    coming: list[Move] = []
    for part, arrival in view.open_parts:
        if part.quantity is None:
            continue
        departure = None
        if part.stage is Stage.WAITING:
            departure = _departure(view, part)
            by = part.due_at if departure is None else departure.by
            leaving.append(Move(by, part.quantity))
        if arrival is None:
            coming.append(Move(part.due_at, part.quantity, departure))
        else:
            coming.append(Move(arrival.at, part.quantity))
    step = next_step_of(view, 0)
    return Goods(
        line,
        tuple(sorted(leaving, key=_at)),
        tuple(sorted(coming, key=_at)),
        telling=() if step is None else step.feeds,
    )


def _departure(view: LineView, part: Part) -> Departure | None:
    lane = view.lane_of(part.leg)
    if lane is None:
        return None
    by = view.network.latest_departure(lane, part.due_at, view.quantile)
    return None if by is None else Departure(lane, by, lane.lead_time_ms(view.quantile))


def _at(move: Move) -> UtcMillis:
    return move.at
