"""What partners read changes by compatible change only, and their topics never collide."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.partner_records import PartnerReason, PartnerStanding, partner_contract
from schemas.topics import PARTNER_TOPIC, TOPIC_BY_NAME, partner_topic

FOLDER = Path(__file__).parents[3] / "schemas" / "partner"
CURRENT = FOLDER / "order-status.json"
LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def history() -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob("history/order-status.v*.json"), key=lambda each: version(each.name))
    assert [version(each.name) for each in files] == list(range(1, len(files) + 1))
    return [json.loads(each.read_text("utf-8")) for each in files]


def version(name: str) -> int:
    return int(name.removeprefix("order-status.v").removesuffix(".json"))


def breaks(old: Any, new: Any, path: str = "") -> list[str]:
    """What a reader of the old contract could stumble over in a record of the new one."""
    found = []
    for name, was in old.get("properties", {}).items():
        now = new.get("properties", {}).get(name)
        if now is None:
            found.append(f"{path}{name} is gone")
        elif now != was:
            found.append(f"{path}{name} has another type or default")
    kept = set(new.get("required", ()))
    found += [f"{path}{name} may be absent" for name in old.get("required", ()) if name not in kept]
    added = kept - set(old.get("required", ()))
    found += [f"{path}{name} is new without a default" for name in sorted(added)]
    found += [
        f"{path}{each} is no value" for each in old.get("enum", ()) if each not in new["enum"]
    ]
    if old.get("type") != new.get("type"):
        found.append(f"{path}is another type")
    for name, was in old.get("$defs", {}).items():
        now = new.get("$defs", {}).get(name)
        found += [f"{name} is gone"] if now is None else breaks(was, now, f"{name}.")
    return found


def test_the_file_is_what_the_code_says() -> None:
    assert CURRENT.read_text("utf-8") == partner_contract(), "run: make docs"


def test_todays_contract_is_the_newest_in_the_history() -> None:
    versions = history()
    assert versions[-1] == json.loads(partner_contract()), (
        "the contract with partners has changed: add a copy of it to schemas/partner/history as "
        f"order-status.v{len(versions) + 1}.json, and leave the older ones as they are"
    )


def test_each_version_can_be_read_by_readers_of_all_before_it() -> None:
    versions = history()
    for number, old in enumerate(versions):
        for new in versions[number + 1 :]:
            assert breaks(old, new) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda schema: schema["properties"].pop("unit"), "unit is gone"),
        (lambda schema: schema["required"].remove("reason"), "reason may be absent"),
        (lambda schema: schema["required"].append("unit"), "unit is new without a default"),
        (
            lambda schema: schema["properties"].update(shipped={"type": "number"}),
            "shipped has another type",
        ),
        (
            lambda schema: schema["$defs"]["PartnerReason"]["enum"].remove("overdue"),
            "PartnerReason.overdue is no value",
        ),
        (lambda schema: schema["$defs"].pop("PartnerShipment"), "PartnerShipment is gone"),
    ],
)
def test_a_change_that_breaks_a_reader_is_found(change: Any, said: str) -> None:
    old = json.loads(partner_contract())
    new = copy.deepcopy(old)
    change(new)
    assert [each for each in breaks(old, new) if said in each]


def test_a_field_and_a_reason_may_be_added() -> None:
    old = json.loads(partner_contract())
    new = copy.deepcopy(old)
    new["properties"]["more"] = {"type": "string", "default": ""}
    new["$defs"]["PartnerReason"]["enum"].append("more")
    assert breaks(old, new) == []


def test_not_knowing_has_a_word_of_its_own() -> None:
    assert PartnerStanding.NOT_KNOWN == PartnerReason.NOT_KNOWN == "not_known"


parties = st.text(st.characters(exclude_characters="@#/|", categories=("L", "N", "P", "S", "Zs")))


@given(st.lists(parties.filter(bool), min_size=2, max_size=6, unique=True))
def test_each_party_has_a_topic_of_its_own_that_a_broker_takes(names: list[str]) -> None:
    topics = [partner_topic(name) for name in names]
    assert len(set(topics)) == len(names)
    for topic in topics:
        assert LEGAL.fullmatch(topic)
        assert topic.startswith(PARTNER_TOPIC)
        assert topic not in TOPIC_BY_NAME


def test_long_names_differ_where_their_cut_parts_do() -> None:
    first, second = partner_topic("x" * 199 + "1"), partner_topic("x" * 199 + "2")
    assert first != second
    assert len(first) == len(second) < 140


def test_a_name_says_its_party() -> None:
    assert partner_topic("NORDIC-RETAIL") == "order-status.NORDIC-RETAIL"
    assert partner_topic("A&B") == "order-status.A_26B"
    assert partner_topic("A_26B") == "order-status.A_5f26B"
