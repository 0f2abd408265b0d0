"""The policy file, its errors, and which of several settings counts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alerts.loading import load_policy, network_warnings, read_policy
from alerts.policy import DEFAULT, Policy, PolicyFormatError, Scope
from alerts.rules import RULES
from schemas.records import Severity
from schemas.units import DAY_MS, UtcMillis
from tests.unit.alerts import scene

NOW = scene.moment("2026-03-02 08:00")


def policy(text: str) -> Policy:
    result = read_policy("policy.yaml", text.encode())
    assert result.errors == ()
    assert result.policy is not None
    return result.policy


def scope(by: Policy, now: UtcMillis = NOW, site: str = "OSLO") -> Scope:
    return by.scope(scene.NETWORK, now, "ACME", site, "VOLTA")


def limit(by: Policy, now: UtcMillis = NOW, site: str = "OSLO") -> int:
    return scope(by, now, site).settings["unconfirmed"].limits["limit_hours"].value


def errors(text: str) -> list[str]:
    result = read_policy("policy.yaml", text.encode())
    assert result.policy is None
    return [str(each) for each in result.errors]


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "rules: {}\n", "rules:\n"])
def test_an_empty_file_is_the_default(text: str) -> None:
    assert policy(text) == DEFAULT


def test_what_a_file_sets_counts_and_the_rest_stays() -> None:
    by = policy(
        "rules:\n"
        "  unconfirmed: {limit_hours: 24, severity: info, severity_by_days: {critical: 9}}\n"
        "  delivered_over: {enabled: false}\n"
    )
    settings = by.everywhere.settings
    assert settings["unconfirmed"].limits["limit_hours"].value == 24
    assert settings["unconfirmed"].severity is Severity.INFO
    assert settings["unconfirmed"].severity_at(8) is Severity.INFO
    assert settings["unconfirmed"].severity_at(9) is Severity.CRITICAL
    assert not settings["delivered_over"].enabled.value
    assert (
        settings["overdue_no_news"].limits == DEFAULT.everywhere.settings["overdue_no_news"].limits
    )
    assert by != DEFAULT
    assert by.version != DEFAULT.version


def override(place: str, hours: int, until: str = "2026-12-31") -> str:
    return (
        f"  - {{{place}, until: {until}, reason: agreed, "
        f"rules: {{unconfirmed: {{limit_hours: {hours}}}}}}}\n"
    )


PLACES = [
    "supplier: VOLTA",
    "account: NORTH",
    "account: OSLO-STORES",
    "account: OSLO-STORES, supplier: VOLTA",
    "region: NORDICS",
    "region: NORDICS, account: NORTH, supplier: VOLTA",
    "site: OSLO",
    "site: OSLO, supplier: VOLTA",
]


def test_the_nearer_place_wins_whatever_the_order_in_the_file() -> None:
    rows = [override(place, hours) for hours, place in enumerate(PLACES, start=1)]
    for count in range(1, len(rows) + 1):
        forwards = policy("overrides:\n" + "".join(rows[:count]))
        backwards = policy("overrides:\n" + "".join(reversed(rows[:count])))
        assert limit(forwards) == limit(backwards) == count
        assert limit(forwards, site="ELSEWHERE") == (1 if count else 48)


@pytest.mark.parametrize(
    "place", ["supplier: OTHER", "account: OTHER", "region: OTHER", "site: SHANGHAI"]
)
def test_what_does_not_fit_does_not_count(place: str) -> None:
    assert limit(policy("overrides:\n" + override(place, 1))) == 48
    if "region" not in place:
        assert limit(policy("overrides:\n" + override(f"{place}, region: NORDICS", 1))) == 48


def test_an_override_counts_to_the_end_of_its_last_day() -> None:
    by = policy("overrides:\n" + override("site: OSLO", 1, "2026-03-02"))
    ends_at = scene.moment("2026-03-03 00:00")
    assert (limit(by, ends_at - 1), limit(by, ends_at), limit(by, ends_at - 1)) == (1, 48, 1)
    assert scope(by, ends_at - 1).until == ends_at
    assert scope(by, ends_at).until is None


def test_thresholds_say_where_they_come_from() -> None:
    by = policy("overrides:\n" + override("site: OSLO, supplier: VOLTA", 1))
    settings = scope(by).settings["unconfirmed"]
    assert settings.limits["limit_hours"].source == (
        "limit_hours, override for site OSLO and supplier VOLTA until 2026-12-31"
    )
    assert scope(by).settings["late_to_ship"].limits["lead_time_percentile"].source == (
        "lead_time_percentile"
    )


def test_a_policy_survives_being_published() -> None:
    by = policy("overrides:\n" + override("site: OSLO", 1))
    again = Policy.from_bytes(by.to_bytes())
    assert (again, again.version) == (by, by.version)
    assert limit(again) == 1
    assert again.to_bytes() == by.to_bytes()


def test_a_policy_of_an_earlier_release_keeps_its_version_and_takes_new_rules_as_they_come() -> (
    None
):
    older = msgspec.json.decode(DEFAULT.to_bytes())
    older["rules"] = [each for each in older["rules"] if each["rule"] != "promise_moved"]
    del older["retention"]["incident_days"]
    older["not_known_any_more"] = 1
    by = Policy.from_bytes(msgspec.json.encode(older))
    assert by.to_bytes() == msgspec.json.encode(older)
    assert by.incident_ms == 90 * DAY_MS
    assert set(by.everywhere.settings) == {rule.name for rule in RULES}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"rules": 3}'])
def test_what_is_no_policy_is_refused(data: bytes) -> None:
    with pytest.raises(PolicyFormatError, match="no policy"):
        Policy.from_bytes(data)


def test_a_later_format_is_refused_with_the_way_out() -> None:
    with pytest.raises(PolicyFormatError, match="upgrade it first"):
        Policy.from_bytes(b'{"format": 3, "rules": "written otherwise"}')


FAULTS = """\
rules:
  unconfirmd: {limit_hours: 1}
  unconfirmed:
    limit_hours: soon
    limit_days: 1
    enabled: yes
    severity: bad
    severity_by_days: {major: 5, critical: 5, worst: 1}
  late_to_ship: {lead_time_percentile: 85}
  promise_moved: 3
overrides:
  - until: 2026-02-30
    rules: {unconfirmed: {limit_hours: 0}}
  - site: OSLO
    until: 2026-12-31
    reason: agreed
    rules: {unconfirmed: {limit_hours: 1}}
  - site: OSLO
    until: 2026-12-31
    reason: agreed again
    rules: {unconfirmed: {limit_hours: 2}}
severity_by_value:
  - {currency: euro, severity: major}
recipients:
  - {id: freya, audience: managers, sinks: []}
  - id: freya
    audience: operations
    sinks: [log, [nested]]
retention: {lateness_horizon_days: -1}
escalation: {}
"""


def test_every_fault_is_told_at_once_with_its_place() -> None:
    unknown = "found an unknown field, expected one of"
    texts = errors(FAULTS)
    assert [each.split(": found")[0] for each in texts] == [
        "policy.yaml:2: rules.unconfirmd",
        "policy.yaml:4: rules.unconfirmed.limit_hours",
        "policy.yaml:5: rules.unconfirmed.limit_days",
        "policy.yaml:6: rules.unconfirmed.enabled",
        "policy.yaml:7: rules.unconfirmed.severity",
        "policy.yaml:8: rules.unconfirmed.severity_by_days.critical",
        "policy.yaml:8: rules.unconfirmed.severity_by_days.worst",
        "policy.yaml:9: rules.late_to_ship.lead_time_percentile",
        "policy.yaml:10: rules.promise_moved",
        "policy.yaml:12: overrides[1].reason",
        "policy.yaml:12: overrides[1].site",
        "policy.yaml:12: overrides[1].until",
        "policy.yaml:13: overrides[1].rules.unconfirmed.limit_hours",
        "policy.yaml:21: overrides[3].rules",
        "policy.yaml:23: severity_by_value[1].currency",
        "policy.yaml:23: severity_by_value[1].value_minor",
        "policy.yaml:25: recipients[1].audience",
        "policy.yaml:25: recipients[1].sinks",
        "policy.yaml:26: recipients[2].id",
        "policy.yaml:28: recipients[2].sinks",
        "policy.yaml:29: retention.lateness_horizon_days",
        "policy.yaml:30: escalation",
    ]
    assert f"{unknown} unconfirmed, rejected, promise_later" in texts[0]
    assert texts[0].endswith("(did you mean 'unconfirmed'?)")
    assert texts[1].endswith("found 'soon', expected a whole number of hours from 1 to 8760")
    assert texts[7].endswith("found 85, expected one of 50, 80, 95")
    assert texts[11].endswith("found '2026-02-30', expected a date such as 2026-12-31")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rules: *alias", "the alias *alias"),
        ("rules: !!python/object:os.system {}", "the tag"),
        ("- a\n- b\n", "a list"),
        ("{", "node content"),
        ("a: 1\na: 2\n", "'a' twice"),
        ("? [a, b]\n: 1\n", "a nested name"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("a: " + "[" * 200 + "]" * 200, "deeper nesting"),
        ("a: \x00", "a character"),
        ("x" * 1_000_001, "a larger file"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(text: str, found: str) -> None:
    (problem,) = errors(text)
    assert found in problem


def test_bytes_that_are_no_text_are_refused() -> None:
    result = read_policy("policy.yaml", b"rules:\n  \xff: 1\n")
    assert str(result.errors[0]) == "policy.yaml:2: found the byte 0xff, expected text in UTF-8"


def test_a_file_that_is_not_there_is_an_error_and_no_crash(tmp_path: Path) -> None:
    assert "No such file" in str(load_policy(tmp_path / "none.yaml").errors[0])
    assert load_policy(tmp_path).policy is None


def test_a_policy_that_tells_nobody_is_warned_of() -> None:
    result = read_policy(
        "p.yaml", b"recipients: [{id: freya, audience: account_manager, sinks: [log]}]"
    )
    assert [each.field for each in result.warnings] == ["recipients"]


def test_what_does_not_fit_the_network_is_warned_of() -> None:
    by = policy("overrides:\n" + override("site: OLSO, account: NORTH", 1))
    found = [str(each) for each in network_warnings("p.yaml", by, scene.NETWORK)]
    assert found == [
        (
            "p.yaml: overrides[1].site: found 'OLSO', expected a site of the network "
            "(did you mean 'OSLO'?)"
        ),
        "p.yaml: recipients: found nobody, expected freya, whom accounts of the network name",
    ]


def test_a_policy_in_shadow_mode_is_refused_by_releases_that_would_tell_people() -> None:
    shadow, told = (
        read_policy("policy.yaml", f"shadow: {value}\n".encode()).policy
        for value in ("true", "false")
    )
    assert shadow is not None
    assert told is not None
    assert (shadow.is_shadow, shadow.document.format) == (True, 2)
    assert (told.is_shadow, told.document.format) == (False, 1)
    assert Policy.from_bytes(shadow.to_bytes()).is_shadow


CHASING = """\
chasing:
  confirmation: {after_hours: 24, times_max: 2}
  promise: {before_hours: 48, repeat_hours: 12}
"""


def test_what_chasing_leaves_out_is_as_the_page_says() -> None:
    assert DEFAULT.everywhere.chases == ()
    confirmation, promise = policy(CHASING).everywhere.chases
    assert (confirmation.hours, confirmation.repeat_hours, confirmation.times_max) == (24, 24, 2)
    assert (promise.hours, promise.repeat_hours, promise.times_max) == (48, 12, 3)
    assert promise.source == "policy: chasing.promise"


def test_an_override_changes_of_a_chase_what_it_gives() -> None:
    by = policy(
        f"{CHASING}"
        "overrides:\n"
        "  - {supplier: VOLTA, until: 2026-03-31, reason: slow, "
        "chasing: {confirmation: {after_hours: 6}}}\n"
        "  - {site: OSLO, until: 2026-03-31, reason: quiet, "
        "chasing: {promise: {before_hours: 0}}}\n"
    )
    (confirmation,) = scope(by).chases
    assert (confirmation.hours, confirmation.times_max) == (6, 2)
    assert confirmation.source == (
        "policy: chasing.confirmation, override for supplier VOLTA until 2026-03-31"
    )
    assert [each.hours for each in scope(by, NOW + 31 * DAY_MS).chases] == [24, 48]
    assert Policy.from_bytes(by.to_bytes()).document == by.document


def test_a_policy_of_a_release_that_knew_no_chasing_asks_nobody() -> None:
    older = msgspec.json.decode(policy(CHASING).to_bytes())
    del older["chasing"]
    assert Policy.from_bytes(msgspec.json.encode(older)).everywhere.chases == ()


def test_faults_of_chasing_name_their_place() -> None:
    texts = errors(
        "chasing:\n"
        "  confirmation: {before_hours: 3, repeat_hours: 0}\n"
        "  promise: {before_hours: soon, times_max: 11}\n"
        "overrides:\n"
        "  - {site: OSLO, until: 2026-03-31, reason: x, chasing: {promise: {times_max: 1}}}\n"
        "  - {site: OSLO, until: 2026-03-31, reason: y, chasing: {promise: {times_max: 2}}}\n"
        "  - {site: LYON, until: 2026-03-31, reason: z, chasing: {promise: {}}}\n"
    )
    assert [each.split(": found")[0] for each in texts] == [
        "policy.yaml:2: chasing.confirmation.before_hours",
        "policy.yaml:2: chasing.confirmation.repeat_hours",
        "policy.yaml:3: chasing.promise.before_hours",
        "policy.yaml:3: chasing.promise.times_max",
        "policy.yaml:6: overrides[2].chasing",
        "policy.yaml:7: overrides[3].rules",
    ]
    assert "a whole number of times from 1 to 10" in texts[3]


def test_asking_only_once_people_have_heard_is_warned_of() -> None:
    result = read_policy("policy.yaml", b"chasing: {confirmation: {after_hours: 48}}\n")
    (warning,) = result.warnings
    assert str(warning).startswith("policy.yaml: chasing.confirmation.after_hours")
