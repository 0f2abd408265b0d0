"""What a door is: the one way in which bytes from outside come into a part of Slipwatch.

`enter` takes any bytes and says what became of them. It may raise nothing: what it raises is a
find. What a loader is allowed to raise is caught in its door, and there alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

PART = re.compile(rb"^=== ([A-Za-z0-9_.-]{1,40})\n", re.MULTILINE)
"""Begins a part of an input that stands for several files, so that one input is one text."""


class Verdict(enum.StrEnum):
    """What became of an input."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True)
class Outcome:
    """What became of an input; `errors` are what a person is told, each with its place."""

    verdict: Verdict
    errors: tuple[str, ...] = ()


ACCEPTED = Outcome(Verdict.ACCEPTED)


def refused(*errors: str) -> Outcome:
    """Not taken, for these reasons."""
    return Outcome(Verdict.REFUSED, errors)


def dead_letter(*errors: str) -> Outcome:
    """Put aside with its bytes, for these reasons."""
    return Outcome(Verdict.DEAD_LETTER, errors)


@dataclass(frozen=True)
class Door:
    """One door.

    `loaders` are the functions of the product behind it, as `module:name`; `place` is what the text
    of every error must hold, so that it names where to look; `weight` its share of the inputs of a
    run, by what one costs; `seeds` are good inputs to begin from.
    """

    name: str
    says: str
    loaders: tuple[str, ...]
    enter: Callable[[bytes], Outcome]
    seeds: Callable[[], tuple[bytes, ...]]
    place: re.Pattern[str]
    weight: int
    input_bytes_max: int = 8_192


class Broken(AssertionError):
    """A door did not do what every door promises."""


def go_through(door: Door, data: bytes) -> Outcome:
    """What the door makes of the bytes; raises Broken, or whatever the door let through."""
    outcome = door.enter(data)
    match outcome.verdict:
        case Verdict.ACCEPTED:
            if outcome.errors:
                raise Broken(f"{door.name}: accepted, with errors: {outcome.errors}")
        case Verdict.REFUSED | Verdict.DEAD_LETTER:
            if not outcome.errors:
                raise Broken(f"{door.name}: {outcome.verdict} without a reason")
    for error in outcome.errors:
        if not door.place.search(error):
            raise Broken(f"{door.name}: an error names no place: {error!r}")
        if len(error) > ERROR_CHARS_MAX:
            raise Broken(f"{door.name}: an error of {len(error)} characters: {error[:200]!r}")
    return outcome


ERROR_CHARS_MAX = 4_000
"""An error is read by a person; it may quote what was found, but never all of it."""


def parts(data: bytes) -> Mapping[str, bytes]:
    """The named parts of an input; what stands before the first is the part ``."""
    found: dict[str, bytes] = {}
    marks = list(PART.finditer(data))
    found[""] = data[: marks[0].start()] if marks else data
    for mark, end in zip(marks, _ends(marks, len(data)), strict=True):
        found[mark[1].decode()] = data[mark.end() : end]
    return found


def _ends(marks: list[re.Match[bytes]], end: int) -> Iterator[int]:
    yield from (mark.start() for mark in marks[1:])
    if marks:
        yield end


def joined(named: Mapping[str, bytes]) -> bytes:
    """The input that `parts` takes apart; each part ends its last line."""
    return b"".join(
        b"=== %s\n%s%s" % (name.encode(), body, b"" if body.endswith(b"\n") else b"\n")
        for name, body in named.items()
    )
