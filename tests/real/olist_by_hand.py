"""The Olist figures by the standard library alone: imports nothing of Slipwatch, on purpose."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

FILES = ("customers", "sellers", "orders", "order_items", "order_payments")


@dataclass
class OlistFigures:
    """What the files say, counted row by row. `orders` are sets of order ids."""

    rows: dict[str, int]
    timing: Counter[str] = field(default_factory=Counter)
    """Items by how their order met the estimated date; `ended` and `open` are not delivered."""
    late_by_timestamp: Counter[str] = field(default_factory=Counter)
    orders_late_by_timestamp: set[str] = field(default_factory=set)
    orders_late_by_date: set[str] = field(default_factory=set)
    orders_with_items: set[str] = field(default_factory=set)
    payments: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    """Type → how many, and their sum in centavos."""
    kinds: Counter[str] = field(default_factory=Counter)
    charged: int = 0
    """Price and freight of all items, in centavos."""
    hand_over: Counter[str] = field(default_factory=Counter)
    """Items by whether the carrier had them within the seller's limit."""
    without_items: int = 0
    """Payments, releases and ends of orders that have no items."""


def read(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of one file."""
    with (folder / f"olist_{name}_dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def moment(text: str) -> datetime | None:
    """The time in the cell; None when it is empty."""
    return datetime.fromisoformat(text) if text else None


def centavos(text: str) -> int:
    """An amount without a float between."""
    amount = Decimal(text) * 100
    assert amount == int(amount), text
    return int(amount)


def figures(folder: Path) -> OlistFigures:
    """The figures of the folder."""
    tables = {name: read(folder, name) for name in FILES}
    found = OlistFigures({name: len(rows) for name, rows in tables.items()})
    orders = {row["order_id"]: row for row in tables["orders"]}
    found.orders_with_items = {row["order_id"] for row in tables["order_items"]}
    for row in tables["order_items"]:
        _take_item(found, row, orders[row["order_id"]])
    for row in tables["order_payments"]:
        told = found.payments[row["payment_type"]]
        told[0] += 1
        told[1] += centavos(row["payment_value"])
        found.kinds["payments.paid"] += 1
        found.without_items += row["order_id"] not in found.orders_with_items
    for order in tables["orders"]:
        told_of_order = {
            "payments.released": order["order_approved_at"] != "",
            "shipments.departed": order["order_delivered_carrier_date"] != "",
            "shipments.delivered": order["order_delivered_customer_date"] != "",
            "orders.cancelled": order["order_status"] == "canceled",
            "orders.rejected": order["order_status"] == "unavailable",
        }
        found.kinds.update(kind for kind, is_told in told_of_order.items() if is_told)
        if order["order_id"] not in found.orders_with_items:
            found.without_items += sum(told_of_order.values())
    return found


def _take_item(found: OlistFigures, item: dict[str, str], order: dict[str, str]) -> None:
    found.kinds["orders.placed"] += 1
    found.kinds["orders.confirmed"] += 1
    found.charged += centavos(item["price"]) + centavos(item["freight_value"])
    handed = moment(order["order_delivered_carrier_date"])
    limit = moment(item["shipping_limit_date"])
    assert limit is not None
    if handed is None:
        found.hand_over["open"] += 1
    else:
        found.kinds["shipments.packed"] += 1
        found.hand_over["late" if handed > limit else "in time"] += 1
    delivered = moment(order["order_delivered_customer_date"])
    estimated = moment(order["order_estimated_delivery_date"])
    assert estimated is not None
    if delivered is None:
        has_ended = order["order_status"] in ("canceled", "unavailable")
        found.timing["ended" if has_ended else "open"] += 1
        return
    if delivered > estimated:
        found.late_by_timestamp["lines"] += 1
        found.orders_late_by_timestamp.add(order["order_id"])
    if delivered.date() > estimated.date():
        found.timing["late"] += 1
        found.orders_late_by_date.add(order["order_id"])
    else:
        found.timing["early" if delivered.date() < estimated.date() else "on time"] += 1
