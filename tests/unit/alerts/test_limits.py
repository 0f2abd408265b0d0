"""Policies and webhooks at their limits and one past them."""

from __future__ import annotations

import base64

import pytest

from alerts.loading import read_policy
from alerts.sinks.sink import Recoverable
from alerts.sinks.webhook import Secret, SecretRefused, judge
from schemas import limits


def _errors(text: str) -> list[str]:
    return [str(each) for each in read_policy("p.yaml", text.encode()).errors]


def test_size_of_a_policy() -> None:
    full = "rules: {}\n" + "#" * (limits.POLICY_FILE_BYTES_MAX - 10)
    assert _errors(full) == []
    assert _errors(full + "#") == ["p.yaml: found a larger file, expected at most 1000000 bytes"]


def test_depth_of_a_policy() -> None:
    def nested(levels: int) -> str:
        return _errors("rules: " + "[" * levels + "]" * levels)[0]

    assert "found a list" in nested(limits.POLICY_DEPTH_MAX)
    assert "found deeper nesting" in nested(limits.POLICY_DEPTH_MAX + 1)


def test_entries_of_a_list_and_fields_of_a_section() -> None:
    most = limits.POLICY_ENTRIES_MAX
    assert "found one entry more" not in _errors("overrides:\n" + "- x\n" * most)[0]
    assert _errors("overrides:\n" + "- x\n" * (most + 1)) == [
        f"p.yaml:{most + 2}: found one entry more, expected at most {most}"
    ]
    fields = "".join(f"f{number}: 1\n" for number in range(most + 1))
    assert _errors(fields) == [f"p.yaml:{most + 1}: found one field more, expected at most {most}"]


def test_a_name_is_refused_and_not_cut() -> None:
    def told(length: int) -> list[str]:
        sink = "x" * length
        return _errors(f"recipients:\n- {{id: a, audience: operations, sinks: [{sink}]}}\n")

    assert told(limits.REFERENCE_LENGTH_MAX) == []
    assert "a name of at most 200 characters" in told(limits.REFERENCE_LENGTH_MAX + 1)[0]


def test_bytes_of_a_signing_secret() -> None:
    def secret(size: int) -> Secret:
        return Secret("whsec_" + base64.b64encode(b"x" * size).decode())

    secret(limits.WEBHOOK_SECRET_BYTES_MAX)
    with pytest.raises(SecretRefused, match="a webhook secret of 65 bytes, expected 24 to 64"):
        secret(limits.WEBHOOK_SECRET_BYTES_MAX + 1)


def test_how_long_a_receiver_may_ask_to_be_left_alone() -> None:
    most = limits.RETRY_AFTER_SECONDS_MAX
    for asked, held in ((most, most), (most + 1, most), ("9" * 400, most)):
        with pytest.raises(Recoverable) as error:
            judge("example.com", 503, str(asked))
        assert error.value.retry_after_s == held
