"""The QEL figures by the standard library alone: imports nothing of Slipwatch, on purpose."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

STORES = ("Company Warehouse", "PADS Inventory (VMI)")
EVENTS = {
    "ordered": "RegisterIncomingCustomerOrder",
    "cancelled": "CancelCustomerOrder",
    "picked": "PickAndPackItemsForCustomerOrder",
    "sent": "SendParceltoCustomer",
    "replenished": "PlaceReplenishmentOrder",
    "identified": "IdentifyincomingDelivery",
    "unloaded": "UnloadDelivery",
    "stored": "PlacedeliveredItemsintoInventory",
}


@dataclass(frozen=True)
class Move:
    """So much of an item came into a store, or (below zero) left it."""

    at: datetime
    store: str
    item: str
    pieces: int


@dataclass(frozen=True)
class QelFigures:
    """What the log says, counted event by event."""

    events: Counter[str]
    moves: list[Move]
    """By time; the first of each item and store is what lay there when the log begins."""
    ordered_items: int
    """Items of customer orders, each of an order once."""
    replenished_items: int
    without_order: int
    """Deliveries that belong to no replenishment order."""

    def balances(self) -> dict[tuple[str, str], int]:
        """(item, store) → what lies there at the end."""
        found: Counter[tuple[str, str]] = Counter()
        for move in self.moves:
            found[move.item, move.store] += move.pieces
        return dict(found)

    def stock_outs(self, step: timedelta) -> int:
        """How often an item's balance was zero or below at a multiple of `step` (in UTC) and above
        zero at the multiple before."""
        begin = datetime(2019, 1, 1)  # noqa: DTZ001 the log has no zones
        balances: Counter[tuple[str, str]] = Counter()
        seen: dict[tuple[str, str], int] = {}
        outs, at = 0, 0
        while at < len(self.moves):
            tick = begin + ((self.moves[at].at - begin) // step + 1) * step
            while at < len(self.moves) and self.moves[at].at < tick:
                balances[self.moves[at].item, self.moves[at].store] += self.moves[at].pieces
                at += 1
            for node, balance in balances.items():
                outs += balance <= 0 < seen.get(node, 1)
                seen[node] = balance
        return outs


def figures(path: Path) -> QelFigures:
    """The figures of the log."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as log:
        log.row_factory = sqlite3.Row
        times: dict[str, str] = {}
        events: Counter[str] = Counter()
        for name, table in EVENTS.items():
            for row in log.execute(f"SELECT * FROM event_{table}"):
                times[row["ocel_id"]] = row["ocel_time"]
                events[name] += 1
        (times["init"],) = log.execute("SELECT min(ocel_time) FROM object_CustomerOrder").fetchone()
        moves = [
            Move(datetime.fromisoformat(times[row["ocel_id"]]), row["ocel_cpid"], item, row[item])
            for row in log.execute("SELECT * FROM quantity_operations")
            if row["ocel_cpid"] in STORES
            for item in row.keys()[2:]
            if row[item]
        ]
        held = {
            row["ocel_id"]: {item for item in row.keys()[1:] if row[item]}
            for row in log.execute("SELECT * FROM object_quantity")
        }
        kinds = dict(log.execute("SELECT ocel_id, ocel_type FROM object"))
        linked = {
            row[0]
            for row in log.execute("SELECT ocel_source_id FROM object_object WHERE "
                                   "ocel_qualifier = 'delivery'")
        }  # fmt: skip
    return QelFigures(
        events=events,
        moves=sorted(moves, key=lambda move: move.at),
        ordered_items=sum(
            len(held[each]) for each, kind in kinds.items() if kind == "Customer Order"
        ),
        replenished_items=sum(
            len(held[each]) for each, kind in kinds.items() if kind == "Replenishment Order"
        ),
        without_order=sum(
            kind == "Incoming Delivery" and each not in linked for each, kind in kinds.items()
        ),
    )
