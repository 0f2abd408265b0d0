"""Examples of answers about stock, for the description of the API and its tests."""

from __future__ import annotations

from console.examples import AS_OF, Json

_STOCK_NODE: Json = {
    "node_id": "BOLT@LYON",
    "item": "BOLT",
    "site": "LYON",
    "tick": 8203,
    "at": "2026-03-02T05:59:00Z",
    "standing": "short",
    "why": "Of BOLT at LYON, 125 EA are available; from 2026-03-11 on 75 EA are missing.",
    "unit": "EA",
    "on_hand": "130",
    "available": "125",
    "blocked": "5",
    "reserved": "0",
    "in_transit": "40",
    "safety_stock": "20",
    "counted": {
        "at": "2026-03-01T18:00:00Z",
        "quantity": "150",
        "books": "152",
        "source": "lyon-wms",
    },
    "projection": {
        "until_on": "2026-03-16",
        "lowest": "-75",
        "lowest_on": "2026-03-11",
        "below_safety_on": "2026-03-11",
        "below_zero_on": "2026-03-11",
        "lines_hit": 1,
        "overdue": "0",
        "undated": "0",
        "lines_in_other_units": 0,
        "balances": [
            {"on": "2026-03-02", "available": "125", "doubtful": "0"},
            {"on": "2026-03-11", "available": "-75", "doubtful": "0"},
        ],
        "lowest_later": None,
        "flows": [
            {"on": "2026-03-11", "subject": "ACME/4711#10", "quantity": "-200", "doubt": None}
        ],
        "flow_count": 1,
        "doubtful": "0",
    },
    "contradictions": 0,
    "blind_feeds": [],
    "rules": ["shortage_projected", "below_safety_stock"],
    "last_fact_at": "2026-03-02T05:40:00Z",
}
STOCK: Json = {"as_of": AS_OF, "stock": [_STOCK_NODE], "next_after": None}
STOCK_NODE: Json = {"as_of": AS_OF, "node": _STOCK_NODE}
