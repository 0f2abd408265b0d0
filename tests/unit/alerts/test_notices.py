"""Who hears of what, and why not."""

from __future__ import annotations

import msgspec
import pytest

from alerts.amounts import money_text
from alerts.findings import Finding
from alerts.incidents import Event, advance
from alerts.notices import Decided, Told, decide, for_audience, recipients, unrouted
from alerts.policy import DEFAULT, Policy
from schemas.records import Alert, AlertState, Money, Severity
from schemas.units import DAY_MS
from tests.unit.alerts import scene
from tests.unit.alerts.test_incidents import KEY, LATE, findings

BY = Policy.from_bytes(
    msgspec.json.encode(
        {
            **msgspec.json.decode(DEFAULT.to_bytes()),
            "recipients": [
                {"id": "operations", "audience": "operations", "sinks": ["log"]},
                {
                    "id": "freya",
                    "audience": "account_manager",
                    "sinks": ["crm", "log"],
                    "minimum_severity": "major",
                },
            ],
        }
    )
)
MILD = findings({**LATE, "promise": "2026-05-05"})
BAD = findings({**LATE, "promise": "2026-05-01"})


def alert(found: dict[str, Finding], revision: int = 1, episode: int = 1) -> Alert:
    opened = advance(None, KEY, found, scene.START_AT, revision, BY, scene.NETWORK).alert
    assert opened is not None
    return msgspec.structs.replace(opened, revision=revision, episode=episode)


def told_of(
    told: Told | None,
    seen: Alert,
    event: str | None = "updated",
    recipient: str = "operations",
    reaches: bool = True,
) -> Decided:
    return decide(
        told, seen, event, recipient, reaches, BY, scene.NETWORK, scene.START_AT, seen.revision
    )


def reason(decided: Decided) -> tuple[str, str]:
    assert decided.decision is not None
    return decided.decision.what, decided.decision.reason


def test_the_first_hearing_names_itself_and_carries_the_alert() -> None:
    decided = told_of(None, alert(MILD), "opened")
    assert reason(decided) == ("told", "first notification")
    sent = decided.notification
    assert sent is not None
    assert (sent.event, sent.sinks, sent.audience) == ("opened", ("log",), "operations")
    assert sent.alert == alert(MILD)
    assert sent.text.splitlines()[1:] == [
        "At risk: 10,000.00 EUR.",
        "Accounts: NORTH, OSLO-STORES.",
        (
            "- ACME/4711#1: Promised for 2026-05-05, expected 2026-05-07 by the lead time of SEA: "
            "2 days later."
        ),
        f"Next: {sent.next_step}",
    ]


def test_an_id_is_the_same_again_and_another_for_another_thing() -> None:
    def sent(*args: object) -> str:
        notification = told_of(*args).notification  # type: ignore[arg-type]
        assert notification is not None
        return notification.notification_id

    first = sent(None, alert(MILD))
    others = [
        sent(None, alert(MILD, 2)),
        sent(None, alert(MILD, 1, 2)),
        sent(None, alert(BAD), "opened", "freya"),
    ]
    assert sent(None, alert(MILD), "opened") == first
    assert len({first, *others}) == 4


def test_an_alert_that_was_forgotten_and_returns_has_another_notification_id() -> None:
    def life(start_at: int) -> tuple[Alert, str]:
        opened = advance(None, KEY, MILD, start_at, 1, BY, scene.NETWORK).alert
        assert opened is not None
        assert (opened.episode, opened.revision) == (1, 1)
        sent = decide(None, opened, "opened", "operations", True, BY, scene.NETWORK, start_at, 1)
        assert sent.notification is not None
        return opened, sent.notification.notification_id

    first, first_id = life(scene.START_AT)
    again, again_id = life(scene.START_AT + 120 * DAY_MS)
    assert again.alert_id == first.alert_id
    assert again_id != first_id
    assert life(scene.START_AT)[1] == first_id


@pytest.mark.parametrize("event", [None, "updated", "renewed"])
def test_who_is_newly_concerned_by_an_open_alert_hears_of_it_as_opened(event: str | None) -> None:
    joined = told_of(None, alert(BAD, 7, 2), event, "freya")
    assert reason(joined) == ("told", "newly concerned")
    assert joined.notification is not None
    assert joined.notification.event == Event.OPENED
    again = told_of(joined.told, alert(BAD, 7, 2), None, "freya")
    assert again == Decided(joined.told)


def test_who_is_newly_concerned_by_little_is_not_told_before_it_is_enough() -> None:
    joined = told_of(None, alert(MILD, 7), None, "freya")
    assert reason(joined) == ("muted", "below minimum severity")
    assert told_of(joined.told, alert(MILD, 7), None, "freya") == Decided(joined.told)
    worse = told_of(joined.told, alert(BAD, 8), None, "freya")
    assert reason(worse) == ("told", "first notification")


def test_a_lower_minimum_lets_an_alert_through_that_did_not_change() -> None:
    document = msgspec.json.decode(BY.to_bytes())
    for each in document["recipients"]:
        each["minimum_severity"] = "info"
    by = Policy.from_bytes(msgspec.json.encode(document))
    muted = told_of(None, alert(MILD), "opened", "freya").told
    heard = decide(muted, alert(MILD), None, "freya", True, by, scene.NETWORK, scene.START_AT, 2)
    assert reason(heard) == ("told", "first notification")


def test_who_is_concerned_no_more_and_then_again_hears_each_once() -> None:
    def at(told: Told | None, tick: int, reaches: bool) -> Decided:
        return decide(
            told, alert(BAD), None, "freya", reaches, BY, scene.NETWORK, scene.START_AT, tick
        )

    joined = at(None, 1, True)
    left = at(joined.told, 2, False)
    assert reason(left) == ("told", "no longer concerned")
    assert left.notification is not None
    assert left.notification.text.startswith("No longer yours: Order ACME/4711")
    assert left.told is None
    assert at(left.told, 3, False) == Decided(None)
    back = at(left.told, 4, True)
    assert reason(back) == ("told", "newly concerned")
    sent = [each.notification for each in (joined, left, back)]
    assert len({each.notification_id for each in sent if each is not None}) == 3


def test_who_was_never_told_leaves_with_a_reason_and_no_notification() -> None:
    muted = told_of(None, alert(MILD), "opened", "freya").told
    left = told_of(muted, alert(MILD), None, "freya", reaches=False)
    assert reason(left) == ("muted", "never told of it")
    assert (left.told, left.notification) == (None, None)


def test_who_left_the_policy_is_remembered_no_more() -> None:
    told = told_of(None, alert(BAD), "opened", "freya").told
    gone = decide(told, alert(BAD), None, "freya", False, DEFAULT, scene.NETWORK, scene.START_AT, 2)
    assert reason(gone) == ("muted", "no longer a recipient")
    assert (gone.told, gone.notification) == (None, None)


def test_of_what_is_over_nobody_hears_for_the_first_time() -> None:
    assert told_of(None, resolved(alert(BAD, 3)), None, "freya") == Decided(None)


def test_what_did_not_change_materially_is_muted_once() -> None:
    told = told_of(None, alert(MILD)).told
    again = told_of(told, alert(MILD, 2), "updated")
    assert again.notification is None
    assert reason(again) == ("muted", "no material change")
    silent = told_of(again.told, alert(MILD, 3), None)
    assert (silent.notification, silent.decision) == (None, None)


def test_a_material_change_is_told_whatever_became_of_the_whole() -> None:
    told = told_of(None, alert(MILD)).told
    worse = told_of(told, alert(BAD, 2), None)
    assert reason(worse) == ("told", "severity changed")
    assert worse.notification is not None
    assert worse.notification.event == Event.UPDATED


def test_below_their_minimum_people_hear_nothing_not_even_of_the_end() -> None:
    first = told_of(None, alert(MILD), "opened", "freya")
    assert reason(first) == ("muted", "below minimum severity")
    assert told_of(first.told, alert(MILD, 2), "updated", "freya").decision is None
    ended = told_of(first.told, resolved(alert(MILD, 3)), "resolved", "freya")
    assert reason(ended) == ("muted", "never told of it")
    assert ended.told is None


def resolved(seen: Alert) -> Alert:
    return msgspec.structs.replace(seen, state=AlertState.RESOLVED, consequences=())


def test_who_was_told_hears_of_the_end_and_of_the_next_episode() -> None:
    told = told_of(None, alert(BAD), "opened", "freya").told
    milder = told_of(told, alert(MILD, 2), "updated", "freya")
    assert reason(milder) == ("told", "severity changed")
    ended = told_of(milder.told, resolved(alert(MILD, 3)), "resolved", "freya")
    assert reason(ended) == ("told", "resolved")
    assert ended.notification is not None
    assert ended.notification.text.startswith("Resolved: Order ACME/4711")
    again = told_of(ended.told, alert(BAD, 4, 2), "reopened", "freya")
    assert again.notification is not None
    assert again.notification.event == Event.REOPENED


def test_a_new_episode_is_a_new_first_hearing_even_if_the_end_of_the_last_was_not_seen() -> None:
    told = told_of(None, alert(BAD), "opened", "freya").told
    again = told_of(told, alert(BAD, 5, 2), "updated", "freya")
    assert reason(again) == ("told", "first notification")
    milder = told_of(told, alert(MILD, 5, 2), "updated", "freya")
    assert reason(milder) == ("muted", "below minimum severity")


def test_whom_it_no_longer_concerns_hears_so_and_sees_nothing_more_of_it() -> None:
    told = told_of(None, alert(BAD), "opened", "freya").told
    left = told_of(told, alert(BAD, 2), "updated", "freya", reaches=False)
    assert reason(left) == ("told", "no longer concerned")
    assert left.notification is not None
    seen = left.notification.alert
    assert (seen.consequences, seen.accounts, seen.value_at_risk) == ((), (), ())


def test_who_was_taken_out_of_the_policy_hears_nothing() -> None:
    decided = told_of(None, alert(BAD), "opened", "nobody")
    assert reason(decided) == ("muted", "no longer a recipient")
    assert (decided.told, decided.notification) == (None, None)


def test_operations_hear_of_all_and_account_managers_of_their_accounts() -> None:
    everywhere = alert(BAD)
    elsewhere = alert(findings({**LATE, "promise": "2026-05-01", "ship_to": "SHANGHAI"}))
    assert [each.id for each in recipients(everywhere, BY, scene.NETWORK)] == [
        "freya",
        "operations",
    ]
    assert [each.id for each in recipients(elsewhere, BY, scene.NETWORK)] == ["operations"]
    assert unrouted(BY, scene.NETWORK) == ()
    assert unrouted(DEFAULT, scene.NETWORK) == ("freya",)


def test_an_account_manager_sees_more_than_the_alert_lists_when_given_the_findings() -> None:
    mild = {**LATE, "promise": "2026-05-05"}
    leg = {"departed": "2026-04-12 08:00 @ROTTERDAM", "eta": "2026-05-20"}
    bad = {**LATE, "promise": "2026-04-10", "ship_from": "ROTTERDAM", "ship_to": "ELSEWHERE"}
    found = findings(*[{**bad, "legs": [leg]}] * 25, *[mild] * 3)
    whole = alert(found)
    freya = BY.recipients["freya"]
    assert not any(each.accounts for each in whole.consequences), "theirs are beyond the list"
    seen = for_audience(whole, freya, scene.NETWORK, BY, found)
    assert seen.consequence_count == 3
    assert seen.value_at_risk == (Money(value_minor=3_000_000, currency="EUR"),)
    assert seen.severity is Severity.WARNING
    assert for_audience(whole, BY.recipients["operations"], scene.NETWORK, BY, found) is whole


@pytest.mark.parametrize(
    ("value_minor", "currency", "expected"),
    [
        (123_456, "EUR", "1,234.56 EUR"),
        (123_456, "JPY", "123,456 JPY"),
        (123_456, "KWD", "123.456 KWD"),
        (5, "USD", "0.05 USD"),
    ],
)
def test_money_is_written_with_the_digits_of_its_currency(
    value_minor: int, currency: str, expected: str
) -> None:
    assert money_text([Money(value_minor=value_minor, currency=currency)]) == expected
