"""Questions at their limits and one past them."""

from __future__ import annotations

import pytest

from schemas import limits
from tests.unit.console.conftest import Client

CASES = (
    ("/v1/alerts", "limit", limits.PAGE_ENTRIES_MAX),
    ("/v1/alerts", "account", limits.FILTER_CHARS_MAX),
    ("/v1/alerts", "rule", limits.FILTER_CHARS_MAX),
    ("/v1/dead-letters", "source", limits.FILTER_CHARS_MAX),
    ("/v1/dead-letters", "reason", limits.FILTER_CHARS_MAX),
    ("/v1/explain", "id", limits.ASKED_ID_CHARS_MAX),
    ("/v1/unlinked", "after", limits.CURSOR_CHARS_MAX),
)


@pytest.mark.parametrize(("path", "name", "most"), CASES, ids=[f"{p} {n}" for p, n, _ in CASES])
def test_a_parameter_is_taken_at_its_limit_and_refused_past_it(
    client: Client, path: str, name: str, most: int
) -> None:
    def asked(size: int) -> tuple[int, str]:
        answer = client.get(path, **{name: size if name == "limit" else "x" * size})
        return answer.status, str(answer.body)

    status, told = asked(most)
    # A cursor of the right length is still none that this list gave.
    assert status in (200, 404) or (name == "after" and "no cursor that this list gave" in told)
    status, told = asked(most + 1)
    assert status == 422
    assert f"'where': '{name}'" in told
    assert str(most) in told


def test_an_id_in_the_path_is_taken_at_its_limit_and_refused_past_it(client: Client) -> None:
    for path in ("/v1/orders/", "/v1/alerts/", "/v1/dead-letters/"):
        assert client.get(path + "x" * limits.ASKED_ID_CHARS_MAX).status == 404
        assert client.get(path + "x" * (limits.ASKED_ID_CHARS_MAX + 1)).status == 422


def test_a_promise_is_asked_for_at_its_limits_and_refused_past_them(client: Client) -> None:
    most = {
        "item": limits.FILTER_CHARS_MAX,
        "site": limits.FILTER_CHARS_MAX,
        "unit": limits.UNIT_LENGTH_MAX,
    }
    asked = {name: "x" * size for name, size in most.items()} | {"quantity": "1"}
    assert client.get("/v1/promise", **asked).status == 404
    for name in most:
        refused = client.get("/v1/promise", **asked | {name: asked[name] + "x"})
        assert [each["where"] for each in refused.body["parameters"]] == [name]
