"""One example of every answer, for the API's description; a test holds them against the models."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

AS_OF: Json = {"tick": 8204, "at": "2026-03-02T06:00:00Z"}

_CONFIRMED: Json = {
    "on": "2026-03-06",
    "at": None,
    "due_at": "2026-03-06T17:00:00Z",
    "source": "nordwerk-erp",
    "told_at": "2026-02-20T09:12:00Z",
}
_REQUESTED: Json = _CONFIRMED | {"source": "acme-erp", "told_at": "2026-02-19T15:00:00Z"}

_LINE: Json = {
    "line_id": "ACME/4711#10",
    "order_ref": "ACME/4711",
    "line": "10",
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "progress": "shipped",
    "standing": "at_risk",
    "why": "Expected on 9 March, 3 days after the promise of 6 March.",
    "item": "VALVE-20",
    "unit": "PCE",
    "buyer": "ACME",
    "supplier": "NORDWERK",
    "ship_from": "NORDWERK-HAM",
    "ship_to": "ACME-ROT",
    "quantities": {
        "ordered": "400",
        "confirmed": "400",
        "shipped": "400",
        "in_transit": "400",
        "delivered": "0",
        "damaged": "0",
        "short": "0",
        "over": "0",
        "returned": "0",
        "cancelled": "0",
    },
    "requested": _REQUESTED,
    "first_confirmed": _CONFIRMED,
    "last_confirmed": _CONFIRMED,
    "expected": {
        "at": "2026-03-09T17:00:00Z",
        "basis": "eta",
        "source": "seaways",
        "told_at": "2026-03-02T05:45:10Z",
    },
    "next": {"step": "arrive", "by": "2026-03-06T17:00:00Z", "feeds": ["seaways"]},
    "shipments": ["SEAWAYS/S-88"],
    "value_minor": 1250000,
    "currency": "EUR",
    "blind_feeds": [],
    "rules": ["expected-after-promise"],
    "parties": ["ACME", "NORDWERK", "SEAWAYS"],
    "last_fact_at": "2026-03-02T05:45:10Z",
    "payment": {
        "paid_for": "partly_paid",
        "clearance": "free",
        "why": "40.00 EUR of 100.00 EUR are paid; due 2026-04-01 16:00 UTC. The goods are free to "
        "go.",
        "currency": "EUR",
        "invoiced_minor": 10_000,
        "credited_minor": 0,
        "authorised_minor": 0,
        "paid_minor": 4_000,
        "refunded_minor": 0,
        "asked_minor": 10_000,
        "open_minor": 6_000,
        "due_at": "2026-04-01T16:00:00Z",
        "disputed": False,
        "invoices": ["SUP/INV-7"],
        "payments": ["BANK/P-1"],
        "blind_feeds": [],
    },
}

_ALERT: Json = {
    "alert_id": "5f21c09b3e7d",
    "episode": 1,
    "state": "open",
    "revision": 2,
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "aspect": "late",
    "cause_kind": "shipment",
    "cause_id": "SEAWAYS/S-88",
    "cause": "Shipment SEAWAYS/S-88 is expected on 9 March.",
    "severity": "major",
    "title": "1 line expected 3 days after its promise",
    "next_step": "Ask SEAWAYS for an earlier arrival, or tell ACME the new date.",
    "opened_at": "2026-03-01T11:20:00Z",
    "updated_at": "2026-03-02T05:46:00Z",
    "resolved_at": None,
    "due_at": "2026-03-06T17:00:00Z",
    "projected_at": "2026-03-09T17:00:00Z",
    "days": 3,
    "value_at_risk": [{"value_minor": 1250000, "currency": "EUR"}],
    "accounts": ["acme-europe"],
    "audiences": ["operations", "account-manager"],
    "rules": ["expected-after-promise"],
    "consequences": [
        {
            "subject": "ACME/4711#10",
            "rule": "expected-after-promise",
            "severity": "major",
            "text": "Expected on 9 March, promised for 6 March.",
            "figures": {"days": 3},
            "due_at": "2026-03-06T17:00:00Z",
            "projected_at": "2026-03-09T17:00:00Z",
            "days": 3,
            "value_minor": 1250000,
            "currency": "EUR",
            "accounts": ["acme-europe"],
        }
    ],
    "consequence_count": 1,
}

_DELIVERY: Json = {
    "sink": "webhook",
    "outcome": None,
    "attempts": 0,
    "at": None,
    "detail": "",
}
_TOLD: Json = {
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "alert_id": "5f21c09b3e7d",
    "recipient": "operations",
    "what": "told",
    "reason": "The projected delay grew from 1 to 3 days.",
    "episode": 1,
    "revision": 2,
    "notification_id": "9f86d081884c7d659a2feaa0",
    "deliveries": [_DELIVERY],
}
_EVENT: Json = {
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "what": "updated",
    "reason": "The projected delay grew from 1 to 3 days.",
    "episode": 1,
    "revision": 2,
}
_NOTIFICATION: Json = {
    "notification_id": "9f86d081884c7d659a2feaa0",
    "recipient": "operations",
    "audience": "operations",
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "event": "updated",
    "alert_id": "5f21c09b3e7d",
    "episode": 1,
    "revision": 2,
    "severity": "major",
    "title": "1 line expected 3 days after its promise",
    "text": "ACME/4711#10: expected on 9 March, promised for 6 March.",
    "next_step": "Ask SEAWAYS for an earlier arrival, or tell ACME the new date.",
    "shadow": False,
    "deliveries": [_DELIVERY],
}
_VERDICT: Json = {
    "tick": 8190,
    "at": "2026-03-02T05:46:00Z",
    "subject": "ACME/4711#10",
    "rule": "late-to-ship",
    "outcome": "silent",
    "reason": "shipped",
    "text": "All of the quantity has left.",
    "value": "400 PCE",
    "threshold": "400 PCE",
    "threshold_source": "confirmed quantity",
    "next_fire_at": None,
    "severity": None,
    "alert_id": None,
}
_FEED: Json = {
    "source": "seaways",
    "tick": 8201,
    "at": "2026-03-02T05:57:00Z",
    "blind": True,
    "declared": True,
    "last_told_at": "2026-03-02T05:45:10Z",
    "complete_to": "2026-03-02T05:45:00Z",
    "expected_by": "2026-03-02T05:56:00Z",
    "text": "Silent for 11 minutes; it declared to speak every 10.",
    "quarantined": False,
    "learned_hours": None,
}
_DEAD_LETTER_LINE: Json = {
    "id": "shipments/2/90113",
    "topic": "shipments",
    "partition": 2,
    "offset": 90113,
    "reason": "missing_field",
    "error": "`eta_at` or `eta_on` is missing; an eta needs exactly one of them.",
    "tick": 8177,
    "at": "2026-03-02T05:33:00Z",
    "source": "seaways",
    "event_id": "sw-77120",
    "retried_at": None,
}
_TICK: Json = {
    "n": 8204,
    "at": "2026-03-02T06:00:00Z",
    "complete": True,
    "held": [],
    "network": "3f9a",
    "policy": "77c1",
    "rules": "1",
    "ticker": "worker-1",
    "cut": {"orders": [120, 98], "shipments": [400, 388], "heartbeats": [77]},
    "high": {"orders": [120, 98], "shipments": [400, 388], "heartbeats": [77]},
    "schemas": 4,
}
_PARTITION: Json = {
    "stage": "cells",
    "topic": "cells-rows",
    "partition": 1,
    "tick": 8204,
    "worker": "worker-2",
    "at": "2026-03-03T09:00:00Z",
    "is_partly_done": False,
}

ORDER: Json = {
    "as_of": AS_OF,
    "asked": "4711",
    "matched": ["order"],
    "lines": [_LINE],
    "next_after": None,
}
ALERTS: Json = {"as_of": AS_OF, "alerts": [_ALERT], "next_after": None}
ALERT: Json = {
    "as_of": AS_OF,
    "alert": _ALERT,
    "revisions": [
        {
            "tick": 8190,
            "at": "2026-03-02T05:46:00Z",
            "episode": 1,
            "revision": 2,
            "state": "open",
            "severity": "major",
            "title": "1 line expected 3 days after its promise",
            "consequence_count": 1,
            "value_at_risk": [{"value_minor": 1250000, "currency": "EUR"}],
        }
    ],
    "events": [_EVENT],
    "told": [_TOLD],
}
EXPLANATION: Json = {
    "as_of": AS_OF,
    "id": "ACME/4711#10",
    "about": "line",
    "is_past": False,
    "summary": "at risk: Expected on 9 March, 3 days after the promise of 6 March. "
    "Rules: fires 0, silent 1, blind 0.",
    "asking": "To confirm: There is nothing to ask the supplier for. "
    "For a new date: The supplier is asked, time 1 of 3, and has not answered.",
    "order": _LINE,
    "stock": None,
    "feed": None,
    "notification": None,
    "baselines": {
        "requested": _REQUESTED,
        "first_confirmed": _CONFIRMED,
        "last_confirmed": _CONFIRMED,
    },
    "facts": [
        {
            "event_id": "sw-77119",
            "source": "seaways",
            "family": "shipments",
            "kind": "eta",
            "says": "It is now expected at its destination on this date or at this moment.",
            "occurred_at": "2026-03-02T05:45:00Z",
            "recorded_at": "2026-03-02T05:45:10Z",
            "age_seconds": 890,
            "details": {"shipment_ref": "SEAWAYS/S-88", "eta_on": "2026-03-09"},
        }
    ],
    "verdicts": [_VERDICT],
    "past_verdicts": [],
    "past_verdicts_left_out": 0,
    "alerts": [_ALERT],
    "events": [_EVENT],
    "told": [_TOLD],
}
NOTIFICATIONS: Json = {"as_of": AS_OF, "notifications": [_NOTIFICATION], "next_after": None}
DEAD_LETTERS: Json = {"as_of": AS_OF, "dead_letters": [_DEAD_LETTER_LINE], "next_after": None}
DEAD_LETTER: Json = {
    "as_of": AS_OF,
    "dead_letter": _DEAD_LETTER_LINE
    | {"key_base64": "Uy04OA==", "value_base64": "wwE=", "value_bytes": None},
}
UNLINKED: Json = {
    "as_of": AS_OF,
    "unlinked": [
        {
            "number": "SEAWAYS/S-90",
            "waiting": 2,
            "kinds": ["departed", "eta"],
            "sources": ["seaways"],
            "since": "2026-03-01T22:10:00Z",
            "tick": 7100,
            "counts": [
                {"source": "seaways", "kind": "departed", "facts": 1},
                {"source": "seaways", "kind": "eta", "facts": 1},
            ],
        }
    ],
    "totals": [
        {
            "source": "seaways",
            "kind": kind,
            "facts": 1,
            "numbers": 1,
            "oldest_at": "2026-03-01T22:10:00Z",
        }
        for kind in ("departed", "eta")
    ],
    "next_after": None,
}
FEEDS: Json = {"as_of": AS_OF, "feeds": [_FEED]}
TICKS: Json = {"visible": _TICK, "written": _TICK}
STATUS: Json = {
    "as_of": AS_OF,
    "newest_tick": AS_OF,
    "newest_tick_read_at": "2026-03-02T06:00:00Z",
    "newest_is_complete": True,
    "facts_behind": 0,
    "held_back_by": [],
    "held_sources": [],
    "stages": [
        {
            "stage": "cells",
            "partitions": 1,
            "tick_min": 8204,
            "tick_max": 8204,
            "at_min": "2026-03-03T09:00:00Z",
        }
    ],
    "partitions": [_PARTITION],
    "workers": [
        {
            "worker": "worker-2",
            "partitions": 1,
            "tick_min": 8204,
            "restoring": 0,
            "copies": 0,
            "schemas_awaited": 0,
            "relays_to": 3,
            "relay_behind": 0,
            "webhooks": 1,
            "webhooks_owed": 0,
            "webhooks_failing": 0,
        }
    ],
    "feeds": 4,
    "blind_feeds": [_FEED],
    "open_alerts": {"info": 0, "warning": 2, "major": 1, "critical": 0},
    "order_lines": {"at_risk": 3, "on_time": 210},
    "dead_letters": {"count": 1, "oldest_at": "2026-03-02T05:33:00Z"},
    "unlinked": {"count": 1, "oldest_at": "2026-03-01T22:10:00Z"},
    "facts_waiting": 2,
    "parked": [],
    "undelivered": {"count": 1, "oldest_at": "2026-03-02T05:46:00Z"},
    "oldest_undelivered": _NOTIFICATION,
    "unreadable": [],
    "answered_at": "2026-03-02T06:00:02Z",
    "view_checked_at": "2026-03-02T06:00:01Z",
    "view_problem": None,
}
HEALTH: Json = {"healthy": True}
READINESS: Json = {"ready": True, "as_of": AS_OF, "checked_at": "2026-03-02T06:00:01Z"}
