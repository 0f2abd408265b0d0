"""What an order line brings to the stock node it ships to, and takes from the one it ships from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alerts.lines import LineSummary
from alerts.view import LineView, Stage
from schemas.units import Quantity, UtcMillis


class Move(msgspec.Struct, frozen=True, gc=False):
    """A part of a line that is still to leave or to arrive, and by when."""

    at: UtcMillis
    quantity: Quantity


class Goods(msgspec.Struct, frozen=True, gc=False):
    """What of a line is still to leave its ship-from, by the last departure that keeps the date
    that holds, and what is still to arrive at its ship-to, when its ETA, its lane or that date
    says; both in the order in which they fall due. `undated` is wanted for no date at all."""

    line: LineSummary
    leaving: tuple[Move, ...] = ()
    coming: tuple[Move, ...] = ()
    undated: Quantity = 0

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
            kept.append(Move(each.at, each.quantity - taken))
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
        coming.append(Move(part.due_at if arrival is None else arrival.at, part.quantity))
        if part.stage is Stage.WAITING:
            lane = view.lane_of(part.leg)
            by = None
            if lane is not None:
                by = view.network.latest_departure(lane, part.due_at, view.quantile)
            leaving.append(Move(part.due_at if by is None else by, part.quantity))
    return Goods(line, tuple(sorted(leaving, key=_at)), tuple(sorted(coming, key=_at)))


def _at(move: Move) -> UtcMillis:
    return move.at
