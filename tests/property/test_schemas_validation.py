"""Whatever a fact holds, it is passed or refused with a sentence; what passes can be used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import pack, unpack
from schemas.facts import Fact, Heartbeat, InventoryFact, line_id, split_line_id
from schemas.json_facts import parse_fact, parse_lines, to_json
from schemas.references import LineTarget, Link, NumberTarget, Target, references
from schemas.validation import check
from tests.unit.schemas.fact_strategies import GOOD, any_fact

REFERENCES = st.none() | st.sampled_from(["ACME/1", "ACME/2", "SUP/1", "A/B/C", "bad", "x/#"])
LINES = st.none() | st.sampled_from(["1", "10", "a#b", ""])


@st.composite
def near_good(draw: st.DrawFn) -> Fact:
    """A good fact with some fields taken from another fact, or from odd references."""
    values = to_dict(draw(st.sampled_from(GOOD)))
    struct = type(draw(st.sampled_from(GOOD)))
    values = {name: value for name, value in values.items() if name in struct.__struct_fields__}
    base = to_dict(draw(st.sampled_from([fact for fact in GOOD if type(fact) is struct])))
    for name in draw(st.lists(st.sampled_from(struct.__struct_fields__), max_size=4)):
        if name.endswith("_ref"):
            base[name] = draw(REFERENCES)
        elif name.endswith("line"):
            base[name] = draw(LINES)
        elif name in values:
            base[name] = values[name]
    return struct(**base)  # type: ignore[arg-type]


def to_dict(fact: Fact) -> dict[str, object]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__}


@given(any_fact | near_good())
def test_any_fact_is_passed_or_refused_with_a_sentence(fact: Fact) -> None:
    refused = check(fact)
    if refused is not None:
        assert refused.error.isprintable()
        assert "expected" in refused.error or "missing" in refused.error
        assert len(refused.error) < 400


@given(near_good())
def test_what_passes_packs_shows_and_names_its_subject(fact: Fact) -> None:
    if check(fact) is not None:
        return
    assert unpack(pack(fact)) == fact
    assert parse_fact(to_json(fact)) == fact
    if isinstance(fact, Heartbeat | InventoryFact):
        return
    found = references(fact)
    assert found.subject is not None
    if fact.order_ref is not None and fact.line is not None:
        assert found.subject == LineTarget(line_id(fact.order_ref, fact.line))
        assert split_line_id(found.subject.line_id) == (fact.order_ref, fact.line)
    for link in found.links:
        assert rank(NumberTarget(link.number)) < rank(link.target)
    assert len(set(map(as_pair, found.links))) == len(found.links)


def as_pair(link: Link) -> tuple[str, str]:
    return link.number, repr(link.target)


def rank(target: Target) -> int:
    """Links lead from a lower rank to a higher, so they can never lead in a circle."""
    if isinstance(target, LineTarget):
        return 5
    scope, _, number = target.number.partition(":")
    ranks = {"payment": 0, "carrier": 0, "shipment": 1, "invoice": 1, "supplier": 2, "order": 3}
    return 4 if scope == "supplier" and "#" in number else ranks[scope]


JSON_WORDS = st.sampled_from(["{", "}", "[", "]", ":", ",", "\n", " ", "\\", "\ud800"]) | (
    st.sampled_from(["NaN", "null", "true", "-0", "1e999999999", '"2026-03-01T08:00:00Z"'])
    | st.sampled_from(['"kind"', '"placed"', '"eta"', '"quantity"', '"occurred_at"'])
)


@given(st.text(max_size=80) | st.lists(JSON_WORDS, max_size=40).map("".join))
def test_any_text_is_read_or_reported(text: str) -> None:
    facts, problems = parse_lines(text, "facts.jsonl")
    for fact in facts:
        assert check(fact) is None
    lines = text.count("\n") + 1
    for problem in problems:
        assert 1 <= problem.line <= lines
    if text.strip():
        assert facts or problems


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**20, 10**400)
    | st.decimals()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-02-30", "2026-03-01T25:00:00Z", "2026-03-01T23:59:60Z", "1e5", "٣"])
    | st.sampled_from(["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-03-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(st.sampled_from(GOOD), st.data())
def test_any_value_in_a_field_is_read_or_reported(fact: Fact, data: st.DataObject) -> None:
    shown: dict[str, object] = dict(to_json(fact))
    names = [*fact.__struct_fields__, "Kind", ""]
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        shown[name] = data.draw(VALUES)
    result = parse_fact(shown)
    if isinstance(result, list):
        assert result
        for _, error in result:
            assert "expected" in error or "missing" in error
            assert error.isprintable()
    else:
        assert check(result) is None
