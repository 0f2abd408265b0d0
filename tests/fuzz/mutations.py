"""Ways to spoil an input so that it still looks like one: for Hypothesis and for the guided run.

A mutation is three numbers: which way, where, and with what. Applying them is pure, so that a find
can be repeated and shrunk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

Mutation: TypeAlias = tuple[int, int, int]
"""Way, place and choice; each is taken modulo what there is."""

PLACE_MAX = 1 << 16

_TOKEN = re.compile(rb"[A-Za-z0-9_.\-]+")
_NUMBER = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?")
TOKENS: tuple[bytes, ...] = (
    b"", b"null", b"~", b"true", b"false", b"0", b"-1", b"1e309", b"NaN", b"Infinity", b"1E+999999",
    b"9" * 40, b"9" * 5_000, b"0.0000001", b"0x10", b"1_000", b"999999999999.999999", b"[]", b"{}",
    b"[1]", b'{"a":1}', b'""', b"''", b"x" * 201, b"x" * 2_001, b"2026-02-30", b"0000-00-00",
    b"9999-12-31", b"2026-03-01T08:00:00", b"2026-03-01T25:00:00Z", b"0001-01-01T00:00:00+23:59",
    b"1969-12-31T23:59:59Z", b"24:00", b"Europe/Nowhere", b"UTC", b"=x", b"&a", b"*a",
    b"!!python/x", b"<<", b"- ", b"? ", b"%YAML 1.1", b"---", b"...", b"|", b">", b"#", b"@", b"/",
    b"a/b#1", b"\xff",
    b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\x00", b"\x01", b"\xc2\x85", b"\xe2\x80\xa8",
    b"\xf0\x9f\x98\x80", b"\xef\xbb\xbf", b"\r", b"\r\n", b'"', b"'", b",", b";", b"|", b"\t",
    b"{", b"}",
    b"\xd9\xa3", b"\xc3\x01", b"\x80" * 11, b"%00", b"%23", b"%ff", b"../", b"18446744073709551616",
    b"9223372036854775808", b"-9223372036854775809", b"4102444800001", b"1.5", b"A" * 21,
)  # fmt: skip
"""What stands at the edge of some type, size or alphabet."""


def _at(data: bytes, place: int) -> int:
    return place * (len(data) + 1) // PLACE_MAX if data else 0


def _set_byte(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    at = _at(data, place)
    return data[:at] + bytes([choice % 256]) + data[at + 1 :]


def _insert_token(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    at = _at(data, place)
    return data[:at] + TOKENS[choice % len(TOKENS)] + data[at:]


def _delete(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    at = _at(data, place)
    return data[:at] + data[at + 1 + choice % 40 :]


def _cut(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    return data[: _at(data, place)]


def _repeat(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    at = _at(data, place)
    return data[:at] + data[at : at + 1 + choice % 60] * (2 + choice % 7) + data[at:]


def _pick(found: list[re.Match[bytes]], place: int) -> re.Match[bytes]:
    return found[place * len(found) // PLACE_MAX % len(found)]


def _swap_token(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    found = list(_TOKEN.finditer(data))
    if not found:
        return data
    token = _pick(found, place)
    other = TOKENS[choice % len(TOKENS)]
    if choice % 3 == 0:
        other = found[choice % len(found)].group()
    return data[: token.start()] + other + data[token.end() :]


def _swap_number(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    number = _pick(found, place)
    new = (b"0", b"-1", b"1", b"%d" % choice, b"%d" % (1 << (choice % 80)), b"00", b"1.5")[
        choice % 7
    ]
    return data[: number.start()] + new + data[number.end() :]


def _drop_line(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    del lines[place * len(lines) // PLACE_MAX % len(lines)]
    return b"\n".join(lines)


def _move_line(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    line = lines[place * len(lines) // PLACE_MAX % len(lines)]
    lines.insert(choice % (len(lines) + 1), line)
    return b"\n".join(lines)


def _indent_line(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    at = place * len(lines) // PLACE_MAX % len(lines)
    lines[at] = b" " * (choice % 9) + lines[at].lstrip()
    return b"\n".join(lines)


def _splice(data: bytes, place: int, choice: int, seeds: Sequence[bytes]) -> bytes:
    other = seeds[choice % len(seeds)] if seeds else b""
    return data[: _at(data, place)] + other[_at(other, place) :]


def _nest(data: bytes, place: int, choice: int, _: Sequence[bytes]) -> bytes:
    at = _at(data, place)
    opening = (b"[", b"{", b'{"a":', b"- ", b"{a: ", b"(")[choice % 6]
    return data[:at] + opening * (1 + choice % 1_200) + data[at:]


WAYS: tuple[Callable[[bytes, int, int, Sequence[bytes]], bytes], ...] = (
    _set_byte, _insert_token, _delete, _cut, _repeat, _swap_token, _swap_token, _swap_number,
    _drop_line, _move_line, _indent_line, _splice, _nest,
)  # fmt: skip


def spoil(data: bytes, mutations: Sequence[Mutation], seeds: Sequence[bytes]) -> bytes:
    """The input after these mutations, in their order."""
    for way, place, choice in mutations:
        data = WAYS[way % len(WAYS)](data, place, choice, seeds)
    return data
