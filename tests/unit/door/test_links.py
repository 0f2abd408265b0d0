"""Links: whose they are, how long they are good, and what is told by the form behind one."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from schemas import limits
from schemas.facts import OrderFact
from schemas.units import HOUR_MS, QUANTITY_ONE
from streams.door.answers import FormRefused, facts_of_form, new_form_id, read_form
from streams.door.links import (
    KeysRefused,
    Link,
    LinkExpired,
    LinkRefused,
    Purpose,
    asked_quantity,
    load_keys,
    read_link,
    rotate_keys,
    seal_link,
)
from streams.door.pages import form_page, thanks_page

NOW = 1_775_000_000_000
LINK = Link("NORD", "ACME/4711", "10", Purpose.ANSWER, NOW + HOUR_MS, "VALVE <b>", "400", "PCE",
            is_order_shown=True)  # fmt: skip
KEYS = (b"k" * 32,)
FORM_ID = "f" * 24


def test_a_link_reads_as_it_was_sealed_until_it_expires() -> None:
    text = seal_link(LINK, KEYS)
    assert read_link(text, KEYS, NOW) == LINK
    assert read_link(text, KEYS, LINK.expires_at - 1) == LINK
    with pytest.raises(LinkExpired):
        read_link(text, KEYS, LINK.expires_at)


def test_whoever_changes_anything_of_it_has_no_link() -> None:
    text = seal_link(LINK, KEYS)
    other = seal_link(LINK, (b"x" * 32,))
    forged = [
        other, text[:40] + other[40:], "", "A", text[:-1], text[:16], text[:17], text[:38],
        f"{text}A", f"{text}=", f"{text}\n", f" {text}", f"{text[:-1]}é", text * 20, text.upper(),
        *(f"{text[:n]}{'A' if text[n] != 'A' else 'B'}{text[n + 1 :]}" for n in range(len(text))),
    ]  # fmt: skip
    for each in forged:
        with pytest.raises(LinkRefused, match="no link of ours"):
            read_link(each, KEYS, NOW)


def test_what_was_sealed_for_another_version_or_holds_something_else_is_no_link() -> None:
    def sealed(body: bytes, version: bytes = b"\x01", seen: bytes = b"\x01") -> str:
        nonce = bytes(12)
        data = seen + nonce + AESGCM(KEYS[0]).encrypt(nonce, body, version)
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = msgspec.json.encode(LINK)
    assert read_link(sealed(body), KEYS, NOW) == LINK
    for wrong in (
        sealed(body, b"\x02", b"\x02"), sealed(body, b"\x02"), sealed(body, seen=b"\x02"),
        sealed(b""), sealed(b"\xff"), sealed(b"[" * 1_000),
        sealed(body.replace(b'"answer"', b'"else"')), sealed(body[:-1] + b',"more":1}'),
    ):  # fmt: skip
        with pytest.raises(LinkRefused):
            read_link(wrong, KEYS, NOW)


def test_nothing_of_a_link_can_be_read_without_a_key_not_even_how_long_it_is() -> None:
    longer = replace(LINK, order_ref="ACME/" + "7" * 150, item="VALVE " * 20)
    texts = [seal_link(each, KEYS) for each in (LINK, LINK, longer)]
    assert len(set(texts)) == 3
    assert len({len(text) for text in texts}) == 1
    for text in texts:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        for word in ("ACME", "NORD", "4711", "VALVE", "answer", str(LINK.expires_at)):
            assert word not in text
            assert word.encode() not in raw
    # Sealed twice with the same nonce both could be read from their difference.
    assert len({text[:18] for text in (seal_link(LINK, KEYS) for _ in range(100))}) == 100


def test_the_longest_texts_of_facts_make_a_link() -> None:
    wide = "\U0001d400"
    order = f"ACME/{wide * (limits.REFERENCE_LENGTH_MAX - 5)}"
    long = wide * limits.REFERENCE_LENGTH_MAX
    widest = Link(long, order, long, Purpose.ANSWER, 10**15, long, "9" * 40, wide * 20, True)
    assert read_link(seal_link(widest, KEYS), KEYS, NOW) == widest


def test_a_link_has_so_many_characters_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    text = seal_link(LINK, KEYS)
    monkeypatch.setattr(limits, "LINK_CHARS_MAX", len(text))
    assert read_link(text, KEYS, NOW)
    monkeypatch.setattr(limits, "LINK_CHARS_MAX", len(text) - 1)
    with pytest.raises(LinkRefused):
        read_link(text, KEYS, NOW)


def test_links_of_the_key_before_stay_good_and_of_earlier_ones_not(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "link-keys"
    assert rotate_keys(path) == 1
    first = seal_link(LINK, load_keys(path))
    assert rotate_keys(path) == 2
    assert read_link(first, load_keys(path), NOW) == LINK
    second = seal_link(LINK, load_keys(path))
    assert second != first
    assert rotate_keys(path) == 2
    assert read_link(second, load_keys(path), NOW) == LINK
    with pytest.raises(LinkRefused):
        read_link(first, load_keys(path), NOW)
    path.chmod(0o644)
    with pytest.raises(KeysRefused, match="expected 0600"):
        load_keys(path)


@pytest.mark.parametrize(
    "content", [b"", b"!!!\n", base64.b64encode(b"short"), base64.b64encode(b"k" * 32) * 2 + b"\n",
                b"\n".join([base64.b64encode(b"k" * 32)] * 3)],
)  # fmt: skip
def test_a_file_that_holds_no_keys_is_refused_without_showing_it(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "link-keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeysRefused, match=r"^link-keys(:1)?: found") as refused:
        load_keys(path)
    assert base64.b64encode(b"k" * 32).decode() not in str(refused.value)


def answered(**form: str) -> list[Any]:
    body = urlencode({"form": FORM_ID, **form}).encode()
    return list(facts_of_form(LINK, read_form(body), NOW))


def told(**form: str) -> list[OrderFact]:
    facts = answered(**form)
    assert all(isinstance(fact, OrderFact) for fact in facts), facts
    return facts


def test_a_date_confirms_all_of_the_line() -> None:
    (fact,) = told(answer="confirm", date1="2026-04-09", reason="as agreed")
    assert (fact.kind, fact.source, fact.order_ref, fact.line) == (
        "confirmed", "partner:NORD", "ACME/4711", "10",
    )  # fmt: skip
    assert (fact.quantity, fact.unit) == (400 * QUANTITY_ONE, "PCE"), "what the page shows"
    assert (fact.schedule, fact.reason) == (1, "as agreed")
    assert (fact.occurred_at, fact.recorded_at) == (NOW, NOW)


@pytest.mark.parametrize("link", [replace(LINK, quantity=None), replace(LINK, unit=None)])
def test_a_page_that_shows_no_quantity_confirms_none(link: Link) -> None:
    body = urlencode({"form": FORM_ID, "answer": "confirm", "date1": "2026-04-09"}).encode()
    (fact,) = facts_of_form(link, read_form(body), NOW)
    assert isinstance(fact, OrderFact)
    assert (fact.quantity, fact.unit) == (None, None)


@pytest.mark.parametrize(
    ("ordered", "cancelled", "asked"),
    [
        ("400", "0", "400"), ("400", None, "400"), ("400", "150", "250"), ("1.50", "0.25", "1.25"),
        ("400", "400", None), ("400", "500", None), ("0", "0", None), (None, None, None),
    ],
)  # fmt: skip
def test_a_link_asks_for_what_is_ordered_and_not_cancelled(
    ordered: str | None, cancelled: str | None, asked: str | None
) -> None:
    assert asked_quantity(ordered, cancelled) == asked


def test_several_parts_split_it_and_fewer_than_ordered_are_short() -> None:
    facts = told(
        answer="confirm", date1="2026-04-09", quantity1="250", date3="2026-05-09", quantity3="99.5"
    )
    assert [fact.schedule for fact in facts] == [1, 3]
    assert [fact.quantity for fact in facts] == [250 * QUANTITY_ONE, 99_500_000]
    assert len({fact.confirmation for fact in facts}) == 1
    assert len({fact.event_id for fact in facts}) == 2


def test_the_same_form_sent_twice_counts_once_and_another_counts_anew() -> None:
    first = told(answer="reject")
    again = facts_of_form(LINK, {"form": FORM_ID, "answer": "reject"}, NOW + HOUR_MS)
    assert [fact.event_id for fact in first] == [fact.event_id for fact in again]  # type: ignore[union-attr]
    other = facts_of_form(LINK, {"form": new_form_id(), "answer": "reject"}, NOW)
    assert other[0].event_id != first[0].event_id  # type: ignore[union-attr]


def test_a_form_that_is_sent_again_with_another_answer_replaces_the_one_before() -> None:
    """A browser that goes back shows the page as it was, with the id that it had."""
    before = {"answer": "confirm", "date1": "2026-04-09", "quantity1": "250"}
    (first,) = told(**before)
    for changed in (
        {"date1": "2026-04-16"}, {"quantity1": "200"}, {"reason": "late"},
        {"date2": "2026-04-16", "quantity2": "50"},
    ):  # fmt: skip
        (other, *_) = told(**before | changed)
        assert other.event_id != first.event_id
        assert other.confirmation != first.confirmation
    assert len({told(answer="reject", reason=why)[0].event_id for why in ("", "a", "b")}) == 3


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, "answer"), ({"answer": "maybe"}, "answer"), ({"answer": "confirm"}, "date1"),
        ({"answer": "confirm", "date1": "soon"}, "promised_on"),
        ({"answer": "confirm", "quantity1": "5"}, "date1"),
        ({"answer": "confirm", "date1": "2026-04-09", "date2": "2026-04-10"}, "quantity1"),
        ({"answer": "confirm", "date1": "2026-04-09", "quantity1": "many"}, "quantity"),
        ({"answer": "reject", "form": "short"}, "form"),
    ],
)  # fmt: skip
def test_a_form_that_is_not_whole_names_its_field(form: dict[str, str], field: str) -> None:
    complaints = answered(**form)
    assert field in {each[0] for each in complaints}


def test_a_form_has_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"answer=reject"
    monkeypatch.setattr(limits, "FORM_BYTES_MAX", len(body))
    assert read_form(body) == {"answer": "reject"}
    monkeypatch.setattr(limits, "FORM_BYTES_MAX", len(body) - 1)
    with pytest.raises(FormRefused):
        read_form(body)
    monkeypatch.undo()
    for wrong in (b"\xff=1", b"&".join(b"a%d=1" % n for n in range(30)), b"a=%ff"):
        with pytest.raises(FormRefused):
            read_form(wrong)


def test_pages_show_what_the_link_holds_and_no_markup_of_it() -> None:
    page = form_page(LINK, FORM_ID, [(None, "<script>")])
    assert "Order 4711, line 10" in page
    assert "VALVE &lt;b&gt;" in page
    assert "<script>" not in page
    assert FORM_ID in page
    assert "PCE" in page
    assert "quantity2" not in form_page(replace(LINK, unit=None), FORM_ID)
    assert "Order 4711, line 10" in thanks_page(LINK)


def test_no_page_names_the_buyer_and_a_number_that_is_not_shown_is_on_none() -> None:
    hidden = replace(LINK, is_order_shown=False)
    for link in (LINK, hidden):
        for page in (form_page(link, FORM_ID, answered(answer="confirm", date1="x")),
                     thanks_page(link)):  # fmt: skip
            assert "ACME" not in page
            assert ("4711" in page) == link.is_order_shown
    assert "VALVE" in form_page(hidden, FORM_ID)
