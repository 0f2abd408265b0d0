"""An example of an answer for an order that does not exist yet, for the description of the API."""

from __future__ import annotations

from console.examples import AS_OF, Json


def _part(site: str, quantity: str, ready_at: str, lane: str, dates: tuple[str, str, str]) -> Json:
    p50_on, p80_on, p95_on = dates
    return {
        "site": site,
        "quantity": quantity,
        "basis": "stock",
        "ready_at": ready_at,
        "leaves_at": "2026-03-02T16:00:00Z" if lane else None,
        "lanes": [lane] if lane else [],
        "p50_on": p50_on,
        "p80_on": p80_on,
        "p95_on": p95_on,
        "unsure": "",
    }


_NOW = "2026-03-02T06:02:00Z"
_LATER = ("2026-03-05", "2026-03-06", "2026-03-09")
_TODAY = ("2026-03-02", "2026-03-02", "2026-03-02")

PROMISE: Json = {
    "as_of": AS_OF,
    "promise": {
        "item": "BOLT",
        "quantity": "120",
        "unit": "EA",
        "site": "LYON",
        "by": "2026-03-04",
        "is_met": False,
        "text": "Not by 2026-03-04. 120 EA of BOLT at LYON: by 2026-03-06 in 80 of 100 cases "
        "(50: 2026-03-05, 95: 2026-03-09), from 70 from HAMBURG, 50 from LYON. It could be on "
        "2026-03-02 if 1 order line waited.",
        "promised": {
            "parts": [
                _part("HAMBURG", "70", _NOW, "HAMBURG-LYON", _LATER),
                _part("LYON", "50", _NOW, "", _TODAY),
            ],
            "p50_on": "2026-03-05",
            "p80_on": "2026-03-06",
            "p95_on": "2026-03-09",
            "kept_at": None,
        },
        "from_one_source": None,
        "unsure": None,
        "taking": {
            "option": {
                "parts": [_part("LYON", "120", _NOW, "", _TODAY) | {"basis": "taken"}],
                "p50_on": "2026-03-02",
                "p80_on": "2026-03-02",
                "p95_on": "2026-03-02",
                "kept_at": "p95",
            },
            "pushed": [
                {
                    "line_id": "ACME/4711#10",
                    "missing": "75",
                    "needed_on": "2026-03-11",
                    "covered_on": None,
                    "due_on": "2026-03-13",
                    "expected_on": None,
                }
            ],
            "unseen_movements": 0,
        },
        "missing": "0",
        "sources": [
            {
                "site": "LYON",
                "free_now": "50",
                "free": "50",
                "until_on": "2026-03-16",
                "unsure": "",
            },
            {
                "site": "HAMBURG",
                "free_now": "70",
                "free": "70",
                "until_on": "2026-03-16",
                "unsure": "",
            },
        ],
        "sources_left_out": 0,
    },
}
