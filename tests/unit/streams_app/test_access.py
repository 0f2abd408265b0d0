"""What a party's access is called and what it holds; `tests/kafka/test_access.py` tries it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.broker.access import PARTNERS, names_of, new_password, rights_of
from streams.cli.handover import client_settings
from streams.settings import KafkaSettings

PARTIES = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="@#/|"), min_size=1
).map(lambda text: text[:200])


def test_user_topic_and_groups_bear_the_partys_name() -> None:
    names = names_of("A&B", "north.")
    assert names.user == names.topic == "north.order-status.A_26B"
    assert names.group_prefix == "north.order-status.A_26B/"
    assert names.principal == "User:north.order-status.A_26B"
    assert [str(each) for each in rights_of(names)] == [
        "read topic north.order-status.A_26B",
        "describe topic north.order-status.A_26B",
        "read group north.order-status.A_26B/*",
        "describe group north.order-status.A_26B/*",
    ]


@given(PARTIES, PARTIES)
def test_no_right_of_one_party_reaches_what_is_anothers(one: str, other: str) -> None:
    if one == other:
        return
    mine, theirs = names_of(one, ""), names_of(other, "")
    assert mine.user != theirs.user
    assert mine.topic != theirs.topic
    assert not theirs.group_prefix.startswith(mine.group_prefix)
    assert mine.user.startswith(PARTNERS)


def test_a_password_is_long_never_the_same_and_fits_a_line_of_settings() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(each) == 43 for each in passwords)
    assert all(each.replace("-", "").replace("_", "").isalnum() for each in passwords)


def test_a_partner_is_never_told_to_connect_without_saying_who_it_is() -> None:
    names = names_of("ACME", "")
    told = client_settings(KafkaSettings(), names, "p", None, None)
    assert told is not None
    assert told["security.protocol"] == "SASL_SSL"
    assert told["group.id"].startswith(names.group_prefix)
    assert client_settings(KafkaSettings(), names, None, None, None) is None
