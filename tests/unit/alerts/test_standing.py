"""How lines stand, why, what is next and when they are expected."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.evidence import Step
from alerts.judgement import judge, value_at_risk
from alerts.policy import DEFAULT
from alerts.status import feed_record, status_record
from schemas.records import OrderStatus as Status
from schemas.records import Progress, Standing, decode, encode
from schemas.units import instant
from tests.unit.alerts import scene

LEFT = {"departed": "2026-04-08 08:00 @SHANGHAI"}
MOVING = {"promise": "2026-05-04", "legs": [LEFT]}
BLIND_CARRIER = {"kestrel": {"heard_at": "2026-03-01 08:00", "blind_since": "2026-03-01 12:00"}}
BLIND_SUPPLIER = {"volta-erp": {"heard_at": "2026-03-01 08:00", "blind_since": "2026-03-01 12:00"}}


def delivered(text: str) -> dict[str, Any]:
    return {**LEFT, "delivered": f"{text} @OSLO", "delivered_quantity": 100}


@pytest.mark.parametrize(
    ("fields", "now", "feeds", "standing", "progress", "why"),
    [
        ({}, "2026-03-02 08:00", {}, "unknown", "placed", "Nothing has been promised yet."),
        (
            {"promise": "2026-05-04"},
            "2026-03-02 08:00",
            {},
            "on_time",
            "confirmed",
            "Promised for 2026-05-04; nothing told speaks against it.",
        ),
        (
            {"requested": "2026-05-04"},
            "2026-03-05 08:00",
            {},
            "at_risk",
            "placed",
            "Placed 2026-03-01 08:00 UTC; no confirmation within 48 hours.",
        ),
        (MOVING, "2026-04-10 08:00", {}, "on_time", "shipped", ""),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "eta": "2026-05-06"}]},
            "2026-04-10 08:00",
            {},
            "at_risk",
            "shipped",
            "Promised for 2026-05-04, expected 2026-05-06 by the ETA of kestrel: 2 days later.",
        ),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "eta": "2026-05-06"}]},
            "2026-05-04 14:00:00.001",
            {},
            "late",
            "shipped",
            "",
        ),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "arrived": "2026-05-03 08:00 @OSLO"}]},
            "2026-05-03 09:00",
            {},
            "on_time",
            "arrived",
            "",
        ),
        (
            {"promise": "2026-05-04", "legs": [LEFT]},
            "2026-05-05 08:00",
            {},
            "late",
            "shipped",
            "Due 2026-05-04; nobody has told of a delivery or of a new date.",
        ),
        (
            {"promise": "2026-05-04"},
            "2026-04-10 08:00",
            {},
            "at_risk",
            "confirmed",
            (
                "It had to leave by 2026-04-09 14:00 UTC to arrive by 2026-05-04 over SEA, and has "
                "not left; it can now be there on 2026-05-04."
            ),
        ),
        (
            {"promise": "2026-05-04", "legs": [LEFT]},
            "2026-04-10 08:00",
            BLIND_CARRIER,
            "blind",
            "shipped",
            (
                "Nobody can tell: kestrel, which should tell what is next, has been silent since "
                "2026-03-01 12:00 UTC."
            ),
        ),
        (
            {"promise": "2026-05-04", "legs": [LEFT]},
            "2026-04-10 08:00",
            {"kestrel": "never heard"},
            "blind",
            "shipped",
            "Nobody can tell: kestrel, which should tell what is next, was never heard.",
        ),
        ({"promise": "2026-05-04"}, "2026-03-05 08:00", BLIND_CARRIER, "on_time", "confirmed", ""),
        ({"promise": "2026-05-04"}, "2026-04-10 08:00", BLIND_SUPPLIER, "blind", "confirmed", ""),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "eta": "2026-05-06"}]},
            "2026-05-10 08:00",
            BLIND_CARRIER,
            "late",
            "shipped",
            "Promised for 2026-05-04, expected 2026-05-06 by the ETA of kestrel: 2 days later.",
        ),
        (
            {"promise": "2026-05-04", "legs": [delivered("2026-05-04 14:00")]},
            "2026-05-10 08:00",
            BLIND_CARRIER,
            "on_time",
            "delivered",
            "Promised for 2026-05-04, delivered in time.",
        ),
        (
            {"promise": "2026-05-04", "legs": [delivered("2026-05-05 14:00")]},
            "2027-05-10 08:00",
            {},
            "late",
            "delivered",
            "It was delivered, or is expected, after it falls due, within what the policy accepts.",
        ),
        (
            {
                "promise": "2026-05-04",
                "closed": "2026-06-01 08:00",
                "legs": [delivered("2026-05-05 14:00")],
            },
            "2026-06-10 08:00",
            {},
            "late",
            "closed",
            "",
        ),
        (
            {"promise": "2026-05-04", "closed": "2026-06-01 08:00 !OBSOLETE"},
            "2026-06-10 08:00",
            {},
            "ended",
            "closed",
            "Closed 2026-06-01 08:00 UTC (OBSOLETE); nothing more is expected.",
        ),
        (
            {"promise": "2026-05-04", "rejected": "2026-03-02 08:00"},
            "2026-06-10 08:00",
            {},
            "ended",
            "rejected",
            "Rejected 2026-03-02 08:00 UTC; nothing more is expected.",
        ),
        (
            {"promise": "2026-05-04", "cancelled": 100, "cancelled_at": "2026-03-02 08:00"},
            "2026-06-10 08:00",
            {},
            "ended",
            "cancelled",
            "",
        ),
    ],
)
def test_a_line_stands_so_and_says_why(
    fields: dict[str, Any],
    now: str,
    feeds: dict[str, Any],
    standing: str,
    progress: str,
    why: str,
) -> None:
    states = scene.feeds(scene.moment(now), feeds)
    judgement = judge(scene.context(scene.line(fields), now, states), ())
    assert (judgement.standing, judgement.progress) == (Standing(standing), Progress(progress))
    if why:
        assert judgement.why == why


ARRIVED = {**LEFT, "delivered": "2026-05-04 14:00 @OSLO", "delivered_quantity": 10}
LATER = {**ARRIVED, "delivered": "2026-05-05 14:00 @OSLO"}
SECOND = {**LEFT, "shipment": "KESTREL/78"}
IN_TIME = "Promised for 2026-05-04, delivered in time"


@pytest.mark.parametrize(
    ("legs", "now", "standing", "why"),
    [
        (
            [{**ARRIVED, "short": 90}],
            "2026-06-10 08:00",
            "on_time",
            f"{IN_TIME}, but not in full: 90 EA of 100 EA are missing.",
        ),
        (
            [{**ARRIVED, "short": 85, "damaged": 5}],
            "2026-06-10 08:00",
            "on_time",
            (
                f"{IN_TIME}, but not in full: 85 EA of 100 EA are missing and 5 EA of 100 EA are "
                "damaged."
            ),
        ),
        (
            [{**LATER, "short": 90}],
            "2026-05-06 08:00",
            "late",
            "Due 2026-05-04, delivered 2026-05-05: 1 day late. 90 EA of 100 EA are missing.",
        ),
        (
            [{**ARRIVED, "packed": 40}, {**SECOND, "packed": 60, "eta": "2026-05-04"}],
            "2026-05-04 14:00",
            "on_time",
            (
                "Promised for 2026-05-04; nothing told speaks against the rest. 30 EA of 100 EA "
                "are missing."
            ),
        ),
        (
            [
                {**ARRIVED, "short": 90},
                {**SECOND, "delivered": "2026-05-04 13:00 @OSLO", "delivered_quantity": 90},
            ],
            "2026-06-10 08:00",
            "on_time",
            f"{IN_TIME}.",
        ),
        (
            [{**ARRIVED, "delivered_quantity": 100, "damaged": 3}],
            "2026-06-10 08:00",
            "on_time",
            f"{IN_TIME}.",
        ),
    ],
    ids=["short", "short and damaged", "late too", "a part yet", "made up for", "more than wanted"],
)
def test_why_names_what_deliveries_did_not_bring(
    legs: list[dict[str, Any]], now: str, standing: str, why: str
) -> None:
    fields = {"promise": "2026-05-04", "legs": legs}
    judgement = judge(scene.context(scene.line(fields), now), ())
    assert (judgement.standing, judgement.why) == (Standing(standing), why)


@pytest.mark.parametrize(
    ("fields", "step", "by", "expected", "basis"),
    [
        (
            {"requested": "2026-05-04"},
            Step.CONFIRM,
            "2026-03-03 08:00",
            "2026-05-04 14:00",
            "requested date",
        ),
        (
            {"promise": "2026-05-04"},
            Step.SHIP,
            "2026-04-09 14:00",
            "2026-05-04 14:00",
            "promise",
        ),
        (
            MOVING,
            Step.DELIVER,
            "2026-05-04 14:00",
            "2026-05-03 08:00",
            "lead time of lane SEA",
        ),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "eta": "2026-05-01"}]},
            Step.DELIVER,
            "2026-05-04 14:00",
            "2026-05-01 14:00",
            "ETA",
        ),
        (
            {"promise": "2026-05-04", "legs": [{**LEFT, "packed": 60, "eta": "2026-05-01"}]},
            Step.SHIP,
            "2026-04-09 14:00",
            "2026-05-04 14:00",
            "promise",
        ),
    ],
)
def test_what_is_next_and_when_it_is_expected(
    fields: dict[str, Any], step: Step, by: str, expected: str, basis: str
) -> None:
    judgement = judge(scene.context(scene.line(fields), "2026-03-02 08:00"), ())
    assert judgement.next_step is not None
    assert judgement.expected is not None
    assert (judgement.next_step.step, judgement.next_step.by) == (step, scene.moment(by))
    assert (judgement.expected.at, judgement.expected.basis) == (scene.moment(expected), basis)


def test_the_status_says_all_and_survives_the_wire() -> None:
    fields = {
        "requested": "2026-05-01",
        "first_promise": "2026-05-02 10:00",
        "promise": "2026-05-04",
        "legs": [{**LEFT, "packed": 100, "eta": "2026-05-06 10:00"}],
    }
    context = scene.context(scene.line(fields), "2026-04-10 08:00")
    record = status_record(context, judge(context, ()), 7, context.now)
    assert decode(encode(record), Status) == record
    assert record.tick == 7
    assert record.shipments == ("KESTREL/77",)
    assert record.parties == ("ACME", "KESTREL", "VOLTA")
    assert record.rules == (
        "promise_later_than_requested",
        "promise_moved",
        "expected_after_promise",
    )
    assert record.requested is not None
    assert record.requested.source == "acme-erp"
    assert record.requested.due_at == instant(scene.moment("2026-05-01 14:00"))
    assert record.first_confirmed is not None
    assert record.first_confirmed.at == instant(scene.moment("2026-05-02 10:00"))


@pytest.mark.parametrize(
    ("fields", "quantity", "expected"),
    [
        ({}, None, (1_000_000, "EUR")),
        ({}, 30, (300_000, "EUR")),
        ({"ordered": 3, "value_minor": 100}, 1, (33, "EUR")),
        ({"cancelled": 40}, None, (600_000, "EUR")),
        ({"ordered": 50, "valued": 100}, None, (500_000, "EUR")),
        ({"value_minor": None}, 4, (1_000, "EUR")),
        ({"value_minor": None, "item": "UNKNOWN"}, 4, (None, None)),
        ({"ordered": 0}, None, (1_000_000, "EUR")),
    ],
)
def test_the_value_at_risk_is_that_of_the_part_that_is_hit(
    fields: dict[str, Any], quantity: int | None, expected: tuple[int | None, str | None]
) -> None:
    amount = None if quantity is None else scene.amount(quantity)
    assert value_at_risk(scene.line(fields), scene.NETWORK, amount) == expected


def test_a_source_is_shown_with_what_is_known_of_it() -> None:
    now = scene.moment("2026-03-02 08:00")
    states = scene.feeds(now, {"somebody": {"heard_at": "2026-03-01 08:00"}, **BLIND_CARRIER})
    by = DEFAULT
    heard, blind, unknown = (
        feed_record(states[name], scene.NETWORK, by, 1, now)
        for name in ("volta-erp", "kestrel", "somebody")
    )
    assert (heard.blind, heard.declared, heard.expected_by) == (
        False,
        True,
        instant(scene.moment("2026-03-02 10:00")),
    )
    assert (blind.blind, "Blind since 2026-03-01 12:00 UTC" in blind.text) == (True, True)
    assert (unknown.declared, unknown.expected_by) == (False, None)
