"""Inputs made to take long or much: each door says no, or copes, in time that grows with length.

Written by hand, beside what the fuzz finds: a mutation seldom makes ten thousand of a thing.
"""

from __future__ import annotations

import time

import pytest

from tests.fuzz.door import go_through
from tests.fuzz.doors import door_named
from tests.fuzz.files import SMALL_MAPPING, SMALL_POLICY

SECONDS_MAX = 8.0
"""CPU seconds; the slowest takes a quarter."""

_ALIASES = b"a: &a [x]\n" + b"".join(
    b"%c: &%c [*%c, *%c, *%c, *%c]\n" % (n + 1, n + 1, n, n, n, n) for n in range(97, 121)
)
_ALIAS_ROWS = b"- &a {id: x}\n" + b"- *a\n" * 1_000
_HEAD = b"item,site\n"

BOMBS: tuple[tuple[str, str, bytes], ...] = (
    ("policy", "aliases", _ALIASES),
    ("mapping", "aliases", _ALIASES),
    ("network", "aliases", b"=== items.yaml\n" + _ALIAS_ROWS),
    ("policy", "depth", b"rules: " + b"[" * 200_000),
    ("mapping", "depth", b"facts: " + b"[" * 200_000),
    ("mapping", "depth of fields", b"".join(b" " * n + b"a:\n" for n in range(600))),
    ("network", "depth", b"=== items.yaml\n- " + b"[" * 200_000),
    ("network", "depth of rows", b"=== items.yaml\n" + b"- " * 100_000),
    ("policy", "unknown fields", b"".join(b"late%d: 1\n" % n for n in range(9_000))),
    ("policy", "wrong rows", b"recipients:\n" + b"- {id: 1, audiense: x}\n" * 9_000),
    ("policy", "wrong overrides", b"overrides:\n" + b"- {sote: x, rulez: {}}\n" * 9_000),
    ("mapping", "unknown fields", b"".join(b"f%d: 1\n" % n for n in range(20_000))),
    ("mapping", "wrong facts", SMALL_MAPPING + b"\n".join([b"  - {kind: x}"] * 5_000)),
    ("network", "unknown fields", b"=== items.yaml\n" + b"- {idd: A, nam: x}\n" * 20_000),
    ("network", "wrong rows", b"=== stock_nodes.csv\n" + _HEAD + b"BOLT,LYON\n" * 40_000),
    ("network", "a long list", b"=== accounts.yaml\n- {id: A, sites: [%s]}\n" % (b"x," * 100_000)),
    ("network", "a long name", b"=== items.csv\nid,%s\n" % (b"x" * 500_000)),
    ("network", "many columns", b"=== items.csv\n" + b",".join(b"c%d" % n for n in range(90_000))),
    ("network", "an open quote", b'=== items.csv\nid,base_unit\n"' + b"x,\n" * 200_000),
    ("csv", "an open quote", b'ID,Due\n1,"' + b"x,\n" * 200_000),
    ("csv", "many columns", b",".join(b"c%d" % n for n in range(90_000)) + b"\n1\n"),
    ("csv", "short rows", b"=== rows.csv\nID,Due,Ordered,Item,Quantity,Value,Mode,Stop,Freight\n"
     + b"1,2\n" * 40_000),
    ("csv", "a pointer", b"=== rows.csv\nID,Due,Ordered,Item,Quantity,Value,Mode,Stop,Freight\n"
     b"1,,2026-11-01,B,1,1,Air,2,See " + b"a" * 19_000 + b"\n"),
    ("json", "depth", b'{"a":' * 100_000),
    ("json", "depth in lines", b'{"a":\n' * 20_000),
    ("json", "lists in lines", b'{"a":[1,1,1,1,1,1,1,1,1,1,1,1,\n' * 4_000),
    ("json", "a long number", b'{"kind": ' + b"9" * 90_000 + b"}"),
    ("json", "a long decimal", b'{"kind": "eta", "quantity": 0.' + b"9" * 90_000 + b"}"),
    ("json", "blanks", b" \t" * 200_000),
    ("json", "a text without end", b'{"a": "' + b"x" * 400_000),
    ("config", "dots", b"a" + b".a" * 3_000 + b" = 1\n"),
    ("config", "tables", b"[" + b"a." * 3_000 + b"a]\n"),
    ("config", "many names", b"".join(b"f%d = 1\n" % n for n in range(4_000))),
    ("config", "inline tables", b"x = " + b"{a=" * 3_000),
    ("config", "a deep variable", b"=== environment\nSINKS" + b"__A" * 18 + b"=1\n"),
    ("references", "long numbers", b"A/" + b"#" * 400_000),
    ("wire", "a large record", b"\x00" + b"\xff" * 900_000),
    ("registry", "a large schema", b"\x00\n=== schema\n" + b'{"type":' * 50_000),
    ("webhook", "a long secret", b"A" * 400_000 + b"\n503 " + b"9" * 5_000),
    ("http", "a long number", b"/v1/orders/" + b"%" * 300 + b"?after=" + b"A" * 1_999),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "data"),
    [(name, data) for name, _, data in BOMBS],
    ids=[f"{name} {what}".replace(" ", "-") for name, what, _ in BOMBS],
)
def test_a_bomb_is_told_and_takes_no_longer_than_it_is_long(name: str, data: bytes) -> None:
    began = time.process_time()
    go_through(door_named(name), data)
    seconds = time.process_time() - began
    assert seconds < SECONDS_MAX, f"{seconds:.1f} s of CPU for {len(data)} bytes"


def test_the_small_policy_is_a_policy() -> None:
    assert not go_through(door_named("policy"), SMALL_POLICY).errors
