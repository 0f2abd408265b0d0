"""A YAML file that people write, as values that know their line, and the ways to ask for them.

YAML is read without guessing types, event by event, so depth and size are bounded; aliases, tags
and repeated names are refused. A `Section` is asked for each field that it may hold; what is wrong
is noted in `Problems`, and what it was not asked for is an unknown field.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import TypeAlias, TypeVar

import yaml

from schemas.limits import (
    POLICY_DEPTH_MAX,
    POLICY_ENTRIES_MAX,
    POLICY_FILE_BYTES_MAX,
    REFERENCE_LENGTH_MAX,
)
from schemas.units import Day, day
from topology.problems import Problem, quoted, suggestion

_LOADER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader

_INTEGER = re.compile(r"[0-9]{1,15}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class Text:
    """A plain value."""

    line: int
    value: str


@dataclass(frozen=True)
class Entries:
    """A list."""

    line: int
    values: list[Node]


@dataclass(frozen=True)
class Fields:
    """Names with their values."""

    line: int
    values: dict[str, Node]


Node: TypeAlias = Text | Entries | Fields


@dataclass
class Problems:
    """What is wrong with a file, as it is found."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def note(self, line: int, name: str, found: str, expected: str) -> None:
        """One more problem."""
        self.found.append(Problem(self.file, line, name, found, expected))


class Unreadable(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(line, found, expected)
        self.line, self.found, self.expected = line, found, expected


def parsed(data: bytes) -> Fields:
    """The fields that the bytes of a YAML file hold; raises Unreadable."""
    if len(data) > POLICY_FILE_BYTES_MAX:
        raise Unreadable(0, "a larger file", f"at most {POLICY_FILE_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, f"the byte 0x{data[error.start]:02x}", "text in UTF-8") from error
    events = _events(text)
    start = next((each for each in events if isinstance(each, yaml.NodeEvent)), None)
    if start is None:
        return Fields(1, {})
    node = _node(start, events, 0)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            raise Unreadable(_line(event), "a second document", "one document in a file")
    if isinstance(node, Text) and not node.value:
        return Fields(node.line, {})
    if not isinstance(node, Fields):
        raise Unreadable(node.line, kind_of(node), "'field: value' lines")
    return node


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable(_line(event), f"the alias *{event.anchor}", "values written out")
            tag = getattr(event, "tag", None)
            if tag is not None and isinstance(event, yaml.NodeEvent):
                raise Unreadable(_line(event), f"the tag {quoted(tag)}", "values without tags")
            yield event
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(
            mark.line + 1 if mark else 0, error.problem or "an error", "YAML"
        ) from error
    except yaml.YAMLError as error:
        at = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise Unreadable(at, "a character that YAML does not allow", "YAML") from error


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
    line = _line(event)
    if depth > POLICY_DEPTH_MAX:
        raise Unreadable(line, "deeper nesting", f"at most {POLICY_DEPTH_MAX} levels")
    if isinstance(event, yaml.ScalarEvent):
        is_nothing = not event.style and event.value in ("~", "null")
        return Text(line, "" if is_nothing else str(event.value).strip())
    if isinstance(event, yaml.SequenceStartEvent):
        entries: list[Node] = []
        while not isinstance(each := next(events), yaml.SequenceEndEvent):
            if len(entries) >= POLICY_ENTRIES_MAX:
                raise Unreadable(_line(each), "one entry more", f"at most {POLICY_ENTRIES_MAX}")
            entries.append(_node(each, events, depth + 1))
        return Entries(line, entries)
    values: dict[str, Node] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        if not isinstance(key, yaml.ScalarEvent):
            raise Unreadable(_line(key), "a field with a nested name", "the name of a field")
        if key.value in values:
            raise Unreadable(_line(key), f"{quoted(key.value)} twice", "each field once")
        if len(values) >= POLICY_ENTRIES_MAX:
            raise Unreadable(_line(key), "one field more", f"at most {POLICY_ENTRIES_MAX}")
        values[key.value] = _node(next(events), events, depth + 1)
    return Fields(line, values)


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark is not None else 0


def kind_of(node: Node) -> str:
    """What was found, in words."""
    match node:
        case Text():
            return quoted(node.value) if node.value else "nothing"
        case Entries():
            return "a list"
        case Fields():
            return "fields"


class Section:
    """Fields to be asked for. An asked one that is missing, empty or wrong gives the default.

    `path` is the name of the section as problems say it.
    """

    def __init__(self, node: Fields, path: str, problems: Problems) -> None:
        self.line = node.line
        self.path = path
        self.problems = problems
        self._values = node.values
        self._asked: list[str] = []

    def name(self, field_name: str) -> str:
        """The field's name as problems say it."""
        return f"{self.path}.{field_name}" if self.path else field_name

    def has(self, field_name: str) -> bool:
        """The field is there and not empty."""
        node = self._values.get(field_name)
        return node is not None and node != Text(node.line, "")

    def line_of(self, field_name: str) -> int:
        """The line of a field, or of the section."""
        node = self._values.get(field_name)
        return self.line if node is None else node.line

    def refuse(self, field_name: str, found: str, expected: str) -> None:
        """Notes that the field is wrong."""
        self.problems.note(self.line_of(field_name), self.name(field_name), found, expected)

    def _node(self, field_name: str) -> Node | None:
        self._asked.append(field_name)
        node = self._values.get(field_name)
        return node if self.has(field_name) else None

    def _text(self, field_name: str, expected: str) -> str | None:
        node = self._node(field_name)
        if node is None:
            return None
        if not isinstance(node, Text):
            self.refuse(field_name, kind_of(node), expected)
            return None
        return node.value

    def text(self, field_name: str, *, required: bool = False) -> str:
        """Printable text of bounded length."""
        expected = f"text of at most {REFERENCE_LENGTH_MAX} printable characters"
        if required and not self.has(field_name):
            self.refuse(field_name, "nothing", expected)
        value = self._text(field_name, expected)
        if value is None:
            return ""
        if len(value) > REFERENCE_LENGTH_MAX or not value.isprintable():
            self.refuse(field_name, quoted(value), expected)
            return ""
        return value

    def integer(self, field_name: str, least: int, most: int, unit: str = "") -> int | None:
        """A whole number between bounds."""
        expected = f"a whole number{f' of {unit}' if unit else ''} from {least} to {most}"
        value = self._text(field_name, expected)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value) or not least <= int(value) <= most:
            self.refuse(field_name, quoted(value), expected)
            return None
        return int(value)

    def flag(self, field_name: str) -> bool | None:
        """true or false."""
        value = self._text(field_name, "true or false")
        if value is None:
            return None
        if value not in ("true", "false"):
            self.refuse(field_name, quoted(value), "true or false")
            return None
        return value == "true"

    def choice(self, field_name: str, choices: type[E]) -> E | None:
        """One of the members."""
        names = [each.value for each in choices]
        expected = f"one of {', '.join(names)}"
        value = self._text(field_name, expected)
        if value is None:
            return None
        if value not in names:
            self.refuse(field_name, quoted(value), expected + suggestion(value, names))
            return None
        return choices(value)

    def day(self, field_name: str) -> Day | None:
        """A calendar date, which must be there."""
        expected = "a date such as 2026-12-31"
        value = self._text(field_name, expected)
        if value is None:
            if not self.has(field_name):
                self.refuse(field_name, "nothing", expected)
            return None
        try:
            if _DATE.fullmatch(value):
                return day(date.fromisoformat(value))
        except ValueError:
            pass
        self.refuse(field_name, quoted(value), expected)
        return None

    def texts(self, field_name: str) -> tuple[str, ...]:
        """A list of texts."""
        node = self._node(field_name)
        if node is None:
            return ()
        values = node.values if isinstance(node, Entries) else [node]
        found: list[str] = []
        for each in values:
            line, name = each.line, self.name(field_name)
            if not isinstance(each, Text) or not each.value or not each.value.isprintable():
                self.problems.note(line, name, kind_of(each), "a list of names")
            elif len(each.value) > REFERENCE_LENGTH_MAX:
                expected = f"a name of at most {REFERENCE_LENGTH_MAX} characters"
                self.problems.note(line, name, kind_of(each), expected)
            else:
                found.append(each.value)
        return tuple(found)

    def section(self, field_name: str) -> Section | None:
        """Fields below the field."""
        node = self._node(field_name)
        if node is None:
            return None
        if not isinstance(node, Fields):
            self.refuse(field_name, kind_of(node), "'field: value' lines below it")
            return None
        return Section(node, self.name(field_name), self.problems)

    def rows(self, field_name: str) -> Iterator[Section]:
        """A list of which each entry has fields."""
        node = self._node(field_name)
        if node is None:
            return
        if not isinstance(node, Entries):
            self.refuse(field_name, kind_of(node), "a list of rows, each starting with '- '")
            return
        for number, each in enumerate(node.values, start=1):
            path = f"{self.name(field_name)}[{number}]"
            if isinstance(each, Fields):
                yield Section(each, path, self.problems)
            else:
                self.problems.note(each.line, path, kind_of(each), "'field: value' lines")

    def close(self, known: Collection[str] = ()) -> None:
        """Notes each field that was not asked for; `known` are the names there could have been."""
        wanted = list(known) or self._asked
        for name, node in self._values.items():
            if name not in self._asked:
                expected = f"one of {', '.join(wanted)}{suggestion(name, wanted)}"
                self.problems.note(node.line, self.name(name), "an unknown field", expected)
