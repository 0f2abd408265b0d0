"""The pages docs/facts.md, docs/topics.md, docs/limits.md, made from what the code itself reads.

    python -m schemas.docs facts > docs/facts.md
    python -m schemas.docs topics > docs/topics.md
    python -m schemas.docs limits > docs/limits.md

A test compares the files with what these functions return.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from schemas import limits
from schemas.facts import Family
from schemas.kinds import FACT_KINDS, FactKind, Subject
from schemas.refusals import REASON_SAYS
from schemas.topics import PARTNER, TOPICS, Retention, Spread
from schemas.validation import POSITIVE_QUANTITY_KINDS
from schemas.writers import schema_text

_TYPES = {
    "timestamp-millis": "moment",
    "date": "date",
    "decimal": "quantity",
    "string": "text",
    "int": "whole number",
    "long": "whole number",
    "boolean": "true or false",
}
_SPREADS = {
    Spread.FACTS: "as its senders chose",
    Spread.ENGINE: "the engine's count",
    Spread.ONE: "one",
}
_RETENTIONS = {
    Retention.KEPT: "kept without limit",
    Retention.COMPACTED: "last record of each key",
    Retention.PASSING: "two weeks",
}

_FACTS_INTRO = """\
A fact is what one source says happened, at one moment, to one order line, order, shipment,
invoice, payment or to itself. Each family has one topic of the same name and one Avro schema,
`schemas/avro/FAMILY.avsc`; its fields are the same for all kinds, and a kind uses those that it
needs.

- A **number** is written `OWNER/NUMBER`: the party that issued it and its number, `ACME/4711`.
  A line is the buyer's number of the order and its line, `ACME/4711#10`; so neither has a `#`.
- A **moment** is a time with a zone: `2026-03-01T08:00:00Z` in JSON, timestamp-millis in Avro. It
  lies in 1970 to 2100. A **date** is a date at the place where it falls due.
- A **quantity** is an exact decimal with at most 6 decimals and a `unit` beside it: `"12.5"` in
  JSON, decimal(18, 6) in Avro. A value is in minor units (cents) with its `currency` beside it.
  What is told of an invoice or an order is shared over its lines, by what they are invoiced for or
  worth; amounts in different currencies are never added. The value of a line is for what is ordered
  when it is told: a changed quantity alone changes no price.
- A **text** is not empty, has no control characters and no space around it; `reason` may have line
  breaks and tabs.

The same fact told twice (by `event_id`) counts once. The order in which facts arrive does not
matter. `slipwatch send FILE` takes facts as JSON with these fields.
"""


def facts_page() -> str:
    """docs/facts.md: kinds and fields of every family, limits, and reasons for refusal."""
    parts = ["# Facts\n", _MADE, _FACTS_INTRO]
    parts += [_describe_family(family) for family in Family]
    parts.append(
        "## Limits\n\nWhat a fact may say at most, and what a line may hold: [limits](limits.md).\n"
    )
    parts.append("## Why a record is refused\n")
    parts.append(
        "A refused record goes to the topic `dead-letters`, with one of these reasons and a "
        "sentence that\nnames the field, what was found and what was expected.\n"
    )
    parts.append(
        _table(("reason", "it means"), [(f"`{code}`", says) for code, says in REASON_SAYS])
    )
    return "\n".join(parts)


_LIMITS_INTRO = """\
Every input is bounded, so that no file and no sender can take the memory or the time of all others.
The limits lie far above what is sensible; nothing is ever cut without saying so. Their names are
those of `schemas/limits.py`.

**A line or a number that is full** keeps what it has and takes no more. Within one tick the order
of arrival does not matter: of the facts that come in one tick, those whose bytes sort first are
kept, and the others are dead letters. Between ticks it does: what came at an earlier tick is never
driven out by what comes later, so two logs with the same facts cut into other ticks may refuse
other facts of a full line, and only there. The same recorded ticks always refuse the same facts.
"""


def limits_page() -> str:
    """docs/limits.md: every limit, by kind of input, with what becomes of one more."""
    parts = ["# Limits\n", _MADE, _LIMITS_INTRO]
    for group in limits.LIMITS:
        parts.append(f"## {group.title}\n")
        rows = [
            (f"{limit.most:,}", limit.unit, limit.past_it, f"`{limit.name}`")
            for limit in group.limits
        ]
        parts.append(_table(("at most", "of", "past it", "name"), rows))
    return "\n".join(parts)


def topics_page() -> str:
    """docs/topics.md: every topic, those that anyone may read first."""
    parts = [
        "# Topics\n",
        _MADE,
        (
            "`slipwatch topics list` shows this list; `slipwatch topics create` makes them on a "
            "broker.\n"
        ),
    ]
    for title, internal in (("Topics for anyone", False), ("Internal topics", True)):
        rows = [
            (
                f"`{topic.name}`",
                topic.says,
                topic.key,
                topic.value,
                _SPREADS[topic.spread],
                _RETENTIONS[topic.retention],
                ", ".join(topic.writers),
                ", ".join(topic.readers),
            )
            for topic in (*TOPICS, PARTNER)
            if topic.internal is internal
        ]
        parts.append(f"## {title}\n")
        parts.append(
            _table(
                ("topic", "says", "key", "value", "partitions", "keeps", "written by", "read by"),
                rows,
            )
        )
    return "\n".join(parts)


_MADE = "*Made by `python -m schemas.docs` from the lists that the code itself reads.*\n"


def _describe_family(family: Family) -> str:
    schema = json.loads(schema_text(family))
    kinds = [kind for kind in FACT_KINDS if kind.family is family]
    rows = [
        (f"`{kind.name}`", kind.says, str(kind.subject), _needs(kind), _said_by(kind))
        for kind in kinds
    ]
    fields = [
        (
            f"`{field['name']}`",
            _type_name(field["type"]),
            "" if "default" in field else "yes",
            field["doc"],
        )
        for field in schema["fields"]
    ]
    return "\n".join(
        (
            f"## {family.capitalize()}\n",
            f"{schema['doc']}\n",
            _table(("kind", "says", "about a", "needs", "a partner says it as"), rows),
            _table(("field", "type", "always", "says"), fields),
        )
    )


def _needs(kind: FactKind) -> str:
    needed = [" or ".join(f"`{part}`" for part in name.split("|")) for name in kind.required]
    if kind.name in POSITIVE_QUANTITY_KINDS:
        needed.append("a quantity, if given, above 0")
    return ", ".join(needed)


def _said_by(kind: FactKind) -> str:
    match kind.subject:
        case Subject.SOURCE:
            return "itself"
        case Subject.STOCK_NODE:
            return "owner of the sites"
        case _:
            return ", ".join(kind.said_by)


def _type_name(declared: Any) -> str:
    if isinstance(declared, list):
        declared = declared[1]
    return _TYPES[declared["logicalType"] if isinstance(declared, dict) else declared]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PAGES: dict[str, Callable[[], str]] = {
    "facts": facts_page,
    "topics": topics_page,
    "limits": limits_page,
}


def main(arguments: list[str]) -> int:
    """Write the page that is asked for to standard output; 2 when it is none."""
    if len(arguments) != 1 or arguments[0] not in PAGES:
        sys.stderr.write(f"usage: python -m schemas.docs {'|'.join(PAGES)}\n")
        return 2
    sys.stdout.write(PAGES[arguments[0]]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
