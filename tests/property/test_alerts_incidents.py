"""The life of incidents and what people are told, over any history of findings."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from alerts.alert import material_change, stakes_of
from alerts.findings import Aspect, CauseKind, Finding
from alerts.incidents import TRANSITIONS, Event, Incident, Signal, State, advance
from alerts.notices import Told, decide, for_audience, recipients
from alerts.policy import Policy, build, complete
from alerts.terms import (
    ACCOUNT_MANAGER,
    OPERATIONS,
    Document,
    Materiality,
    Recipient,
    ValueSeverity,
)
from schemas.limits import CONSEQUENCES_LISTED
from schemas.records import Alert, AlertState, Notification, Severity, encode
from schemas.units import DAY_MS, MINUTE_MS
from tests.unit.alerts import scene
from topology import model
from topology.network import Network
from topology.network import build as build_network

KEY = "time|shipment|KESTREL/77"
CURRENCIES = ("EUR", "JPY", "USD")


def policy(hold_minutes: int = 0) -> Policy:
    return build(
        complete(
            Document(
                recipients=(
                    Recipient(id="operations", audience=OPERATIONS, sinks=("log",)),
                    Recipient(
                        id="freya",
                        audience=ACCOUNT_MANAGER,
                        sinks=("crm",),
                        minimum_severity=Severity.MAJOR,
                    ),
                ),
                severity_by_value=(
                    ValueSeverity(
                        currency="EUR", value_minor=5_000_000, severity=Severity.CRITICAL
                    ),
                ),
                resolve_hold_minutes=hold_minutes,
            )
        )
    )


findings = st.builds(
    lambda number, rule, severity, days, value, currency, account: Finding(
        rule,
        "fires",
        f"ACME/{number // 3}#{number}",
        Aspect.TIME,
        CauseKind.SHIPMENT,
        "KESTREL/77",
        "time",
        severity,
        (("due_on", 20_000), ("delivered_on", 20_000 + days), ("days", days)),
        scene.START_AT,
        scene.START_AT + days * DAY_MS,
        days,
        value,
        currency,
        account,
        "VOLTA",
        "KESTREL",
    ),
    st.integers(0, 40),
    st.sampled_from(["overdue_no_news", "delivered_late"]),
    st.sampled_from(list(Severity)),
    st.integers(0, 12),
    st.sampled_from([0, 100, 1_000, 4_999_999, 5_000_000]),
    st.sampled_from(CURRENCIES),
    st.sampled_from([(), ("OSLO-STORES", "NORTH"), ("ELSEWHERE",)]),
)
sets = st.lists(findings, max_size=30).map(
    lambda each: dict(sorted({f"{one.subject}|{one.rule}": one for one in each}.items()))
)
histories = st.lists(sets, min_size=1, max_size=8)


@given(histories, st.sampled_from([0, 30]))
def test_an_event_is_never_without_a_material_change(
    history: list[dict[str, Finding]], hold_minutes: int
) -> None:
    by = policy(hold_minutes)
    incident: Incident | None = None
    told: Alert | None = None
    shown: Alert | None = None
    for tick, each in enumerate(history, start=1):
        if incident is None and not each:
            continue
        now = scene.START_AT + tick * 20 * MINUTE_MS
        step = advance(incident, KEY, each, now, tick, by, scene.NETWORK)
        assert (step.event is None) == (step.decision is None)
        assert step.event is None or step.alert is not None
        if step.alert is not None:
            assert shown is None or step.alert.revision == shown.revision + 1
            shown = step.alert
        match step.event:
            case Event.OPENED:
                assert told is None
            case Event.UPDATED:
                assert told is not None
                assert step.alert is not None
                assert material_change(stakes_of(told), stakes_of(step.alert), by.materiality)
            case Event.REOPENED:
                assert told is not None
                assert told.state is AlertState.RESOLVED
                assert step.alert is not None
                assert step.alert.episode == told.episode + 1
            case Event.RESOLVED:
                assert not each
            case None:
                pass
        if step.event is not None:
            told = step.alert
        incident = step.incident


@given(sets.filter(bool))
def test_advancing_with_nothing_new_changes_no_byte(each: dict[str, Finding]) -> None:
    by = policy()
    first = advance(None, KEY, each, scene.START_AT, 1, by, scene.NETWORK)
    again = advance(first.incident, KEY, each, scene.START_AT + DAY_MS, 2, by, scene.NETWORK)
    assert again.incident == first.incident
    assert (again.alert, again.event, again.decision) == (None, None, None)


def renewed(percent: int, value_minor: int) -> Policy:
    """Another policy: what is material, and how much value makes an incident critical."""
    step = ValueSeverity(currency="EUR", value_minor=value_minor, severity=Severity.CRITICAL)
    document = msgspec.structs.replace(
        policy().document,
        materiality=Materiality(value_percent=percent, count_percent=percent),
        severity_by_value=(step,),
    )
    return build(document)


UNMANAGED = build_network(
    msgspec.structs.replace(
        scene.NETWORK.document, accounts=(model.Account(id="NORTH"), model.Account(id="ELSEWHERE"))
    )
)


@given(
    histories,
    st.sampled_from([1, 10, 100]),
    st.sampled_from([100, 5_000_000]),
    st.sampled_from([scene.NETWORK, UNMANAGED]),
)
def test_another_policy_or_network_is_an_event_only_when_the_stakes_changed_and_only_once(
    history: list[dict[str, Finding]], percent: int, value_minor: int, network: Network
) -> None:
    incident: Incident | None = None
    found: dict[str, Finding] = {}
    for tick, found in enumerate(history, start=1):
        if incident is not None or found:
            now = scene.START_AT + tick * MINUTE_MS
            incident = advance(incident, KEY, found, now, tick, policy(), scene.NETWORK).incident
    if incident is None:
        return
    by, at = renewed(percent, value_minor), scene.START_AT + DAY_MS
    first = advance(incident, KEY, found, at, 100, by, network)
    assert first.incident is not None
    assert first.incident.state is incident.state
    if first.event is not None:
        assert first.event is Event.UPDATED
        assert first.alert is not None
        assert material_change(incident.stakes, stakes_of(first.alert), by.materiality)
    if first.alert is None:
        assert first.incident == incident
    elif found:
        managed = any(network.account_manager(each) for each in first.alert.accounts)
        expected = (ACCOUNT_MANAGER, OPERATIONS) if managed else (OPERATIONS,)
        assert first.alert.audiences == expected
    again = advance(first.incident, KEY, found, at + DAY_MS, 101, by, network)
    assert again.incident == first.incident
    assert (again.alert, again.event, again.decision) == (None, None, None)


@given(sets.filter(bool))
def test_money_of_different_currencies_is_never_added_up(each: dict[str, Finding]) -> None:
    alert = advance(None, KEY, each, scene.START_AT, 1, policy(), scene.NETWORK).alert
    assert alert is not None
    expected: dict[str, int] = {}
    for currency in CURRENCIES:
        by_line: dict[str, list[int]] = {}
        for one in each.values():
            if one.currency == currency and one.value_minor is not None:
                by_line.setdefault(one.subject, []).append(one.value_minor)
        if by_line:
            expected[currency] = sum(max(values) for values in by_line.values())
    assert {one.currency: one.value_minor for one in alert.value_at_risk} == expected
    only_informs = all(one.severity is Severity.INFO for one in each.values())
    if expected.get("EUR", 0) >= 5_000_000 and not only_informs:
        assert alert.severity is Severity.CRITICAL


@given(sets.filter(bool))
def test_the_worst_come_first_and_all_are_counted(each: dict[str, Finding]) -> None:
    alert = advance(None, KEY, each, scene.START_AT, 1, policy(), scene.NETWORK).alert
    assert alert is not None
    assert alert.consequence_count == len(each)
    assert len(alert.consequences) == min(len(each), CONSEQUENCES_LISTED)
    ranks = [list(Severity).index(one.severity) for one in alert.consequences]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == max(list(Severity).index(one.severity) for one in each.values())


@given(sets.filter(bool))
def test_an_account_manager_sees_their_accounts_and_nothing_else(
    each: dict[str, Finding],
) -> None:
    by = policy()
    alert = advance(None, KEY, each, scene.START_AT, 1, by, scene.NETWORK).alert
    assert alert is not None
    mine = {name: one for name, one in each.items() if "NORTH" in one.accounts}
    reached = {one.id: one for one in recipients(alert, by, scene.NETWORK)}
    assert ("freya" in reached) == bool(mine)
    if not mine:
        return
    seen = for_audience(alert, reached["freya"], scene.NETWORK, by, each)
    alone = advance(None, KEY, mine, scene.START_AT, 1, by, scene.NETWORK).alert
    assert alone is not None
    assert seen.consequence_count == len(mine)
    assert seen.value_at_risk == alone.value_at_risk
    assert (seen.severity, seen.days, seen.title) == (alone.severity, alone.days, alone.title)
    assert b"ELSEWHERE" not in encode(seen)
    others = {one.subject for one in each.values()} - {one.subject for one in mine.values()}
    shown = {one.subject for one in seen.consequences}
    assert not shown & others


@given(histories)
def test_people_are_told_once_of_each_thing_and_of_the_end_of_what_they_were_told(
    history: list[dict[str, Finding]],
) -> None:
    by = policy()
    incident: Incident | None = None
    told: dict[str, Told | None] = {}
    sent: list[Notification] = []
    for tick, each in enumerate([*history, {}], start=1):
        if incident is None and not each:
            continue
        now = scene.START_AT + tick * DAY_MS
        step = advance(incident, KEY, each, now, tick, by, scene.NETWORK)
        incident = step.incident
        if step.alert is None:
            continue
        reached = {one.id: one for one in recipients(step.alert, by, scene.NETWORK)}
        for name in sorted(reached.keys() | told.keys()):
            recipient = reached.get(name)
            seen = (
                step.alert
                if recipient is None
                else for_audience(step.alert, recipient, scene.NETWORK, by, each)
            )
            decided = decide(
                told.get(name),
                seen,
                step.event,
                name,
                recipient is not None,
                by,
                scene.NETWORK,
                now,
                tick,
            )
            told[name] = decided.told
            if decided.notification is not None:
                assert decided.decision is not None
                assert decided.decision.reason
                sent.append(decided.notification)
    ids = [each.notification_id for each in sent]
    assert len(set(ids)) == len(ids)
    for name in ("operations", "freya"):
        events = [each.event for each in sent if each.recipient == name]
        for before, after in itertools.pairwise(events):
            assert (after in ("opened", "reopened")) == (before == "resolved")
        assert not events or events[-1] == "resolved"
        assert all(each is None for each in told.values())


def test_every_state_that_lives_has_a_way_on_and_every_cell_is_reached() -> None:
    for state in (State.NEW, State.OPEN, State.CLEARING, State.RESOLVED):
        assert (state, Signal.FINDINGS) in TRANSITIONS
    assert State.FORGOTTEN not in {state for state, _ in TRANSITIONS}
    reached = {State.NEW} | {state for state, _ in TRANSITIONS.values()}
    assert reached == set(State)
