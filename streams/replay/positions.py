"""YAML with the line of every value, so that an error in a mapping names the place.

Every scalar is text: a country `NO` and an id `0815` stay what they are. Aliases are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from schemas.limits import MAPPING_DEPTH_MAX, MAPPING_FILE_CHARS_MAX
from topology.problems import quoted

_LOADER = yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


class Unreadable(ValueError):
    """The text is no YAML that is read here: the line, what was found and what was expected."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(f"line {line}: found {found}, expected {expected}")
        self.line, self.found, self.expected = line, found, expected


class PositionedYaml:
    """The data of one YAML document, and where each part of it stands. Raises Unreadable."""

    def __init__(self, text: str) -> None:
        if len(text) > MAPPING_FILE_CHARS_MAX:
            raise Unreadable(0, "a larger file", f"at most {MAPPING_FILE_CHARS_MAX} characters")
        try:
            self._check(text)
            self._root = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            found = error.problem or "an error"
            raise Unreadable(_line(mark), found, "YAML") from error
        except yaml.YAMLError as error:
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            raise Unreadable(line, "a character that YAML does not allow", "YAML") from error
        self.data: Any = self._data_of(self._root)
        self._fields: dict[int, dict[str, tuple[yaml.Node, int]]] = {}

    def _child(self, node: yaml.Node | None, step: int | str) -> tuple[yaml.Node, int] | None:
        """The value at the step, and its line."""
        if isinstance(node, yaml.MappingNode):
            fields = self._fields.get(id(node))
            if fields is None:
                fields = {key.value: (value, _line(key.start_mark)) for key, value in node.value}
                self._fields[id(node)] = fields
            return fields.get(str(step))
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = node.value[step]
            return found, _line(found.start_mark)
        return None

    @staticmethod
    def _check(text: str) -> None:
        """Refuses aliases, and depth: before anything is built, which would go as deep itself."""
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            line = _line(event.start_mark)
            if depth > MAPPING_DEPTH_MAX:
                raise Unreadable(line, "deeper nesting", f"at most {MAPPING_DEPTH_MAX} levels")
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable(line, f"the alias *{event.anchor}", "values written out")

    def _data_of(self, node: yaml.Node | None) -> Any:
        """What the node says, every scalar as text; refuses nested and repeated keys."""
        if isinstance(node, yaml.SequenceNode):
            return [self._data_of(each) for each in node.value]
        if not isinstance(node, yaml.MappingNode):
            return None if node is None else node.value
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(_line(key.start_mark), "a nested key", "the name of a field")
            if key.value in found:
                raise Unreadable(
                    _line(key.start_mark), f"{quoted(key.value)} twice", "each key once"
                )
            found[key.value] = self._data_of(value)
        return found

    def line(self, path: Sequence[int | str]) -> int:
        """The line (from 1) of the value at the path; steps that do not exist are passed over."""
        node, line = self._root, 1
        for step in path:
            child = self._child(node, step)
            if child is not None:
                node, line = child
        return line


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark is not None else 1
