"""The second look at what the doors let in: facts that pass alone, together in a whole engine."""

from __future__ import annotations

import json

from schemas.addresses import fact_topic
from schemas.codec import encode_fact
from schemas.facts import Family
from schemas.json_facts import read_facts, to_json
from tests.fuzz.door import ACCEPTED, Outcome, refused
from tests.fuzz.wire import go_through_engine
from tests.scenario import story


def enter_engine(data: bytes) -> Outcome:
    """Facts as JSON; those that are good go through all stages, beside a short story."""
    facts, problems = read_facts(data, "facts.jsonl")
    if facts:
        go_through_engine([(Family(fact_topic(fact)), encode_fact(fact)) for fact in facts])
    return refused(*map(str, problems)) if problems else ACCEPTED


def engine_seeds() -> tuple[bytes, ...]:
    """Stories about few lines, so that what is changed meets what is known."""
    return tuple(
        b"\n".join(json.dumps(to_json(fact)).encode() for _, fact in story(seed, orders=2, days=1))
        for seed in range(4)
    )
