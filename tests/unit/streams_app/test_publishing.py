"""A published version comes back whole, in any company, or is refused with a reason."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.limits import RECORD_BYTES_MAX
from streams.publishing import Assembler, Publication, PublicationError, split

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


@given(
    first=st.binary(max_size=200),
    second=st.binary(max_size=200),
    size=st.integers(1, 50),
    order=st.randoms(use_true_random=False),
)
def test_interleaved_repeated_and_shuffled_chunks_make_each_version_once_more_at_most(
    first: bytes, second: bytes, size: int, order: object
) -> None:
    one, two = Publication("one", first, AT), Publication("two", second, AT)
    records = split(one, size) + split(two, size)
    order.shuffle(records)  # type: ignore[attr-defined]
    assembler = Assembler()
    made = [whole for _, value in records if (whole := assembler.add(value)) is not None]
    assert sorted(made, key=lambda whole: whole.version) == [one, two]


def test_records_stay_below_what_a_broker_takes_and_keys_tell_them_apart() -> None:
    data = bytes(range(256)) * 8_000
    records = split(Publication("v", data, AT))
    assert [key for key, _ in records] == [b"v/0", b"v/1", b"v/2", b"v/3"]
    assert max(len(value) for _, value in records) < RECORD_BYTES_MAX + 1_000
    assembler = Assembler()
    assert [assembler.add(value) is not None for _, value in records] == [False, False, False, True]


def test_a_version_published_anew_with_other_chunks_takes_the_place_of_the_half_one() -> None:
    publication = Publication("v", b"abcdefgh", AT)
    assembler = Assembler()
    assert assembler.add(split(publication, 3)[0][1]) is None
    made = [assembler.add(value) for _, value in split(publication, 4)]
    assert made == [None, publication]


def test_tampered_or_foreign_records_are_refused_and_hold_nothing_up() -> None:
    publication = Publication("v", b"abcdefgh", AT)
    records = split(publication, 4)
    bad = msgspec.json.decode(records[1][1])
    bad["data"] = "AAAA"
    assembler = Assembler()
    assembler.add(records[0][1])
    with pytest.raises(PublicationError, match="do not add up"):
        assembler.add(msgspec.json.encode(bad))
    with pytest.raises(PublicationError, match="no chunk"):
        assembler.add(b"{}")
    bad["chunk"] = 9
    with pytest.raises(PublicationError, match="chunk 9 of 2"):
        assembler.add(msgspec.json.encode(bad))
    assert [assembler.add(value) for _, value in records] == [None, publication]
