"""YAML with the line of every value, so that an error in a mapping names the place.

Every scalar is text: a country `NO` and an id `0815` stay what they are. Aliases are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

TEXT_CHARS_MAX = 1_000_000
"""Characters of one mapping file; a longer one is refused."""


class Unreadable(ValueError):
    """The text is no YAML that is read here: the line, what was found and what was expected."""

    def __init__(self, line: int, found: str, expected: str) -> None:
        super().__init__(f"line {line}: found {found}, expected {expected}")
        self.line, self.found, self.expected = line, found, expected


class PositionedYaml:
    """The data of one YAML document, and where each part of it stands. Raises Unreadable."""

    def __init__(self, text: str) -> None:
        if len(text) > TEXT_CHARS_MAX:
            raise Unreadable(0, "a larger file", f"at most {TEXT_CHARS_MAX} characters")
        try:
            for event in yaml.parse(text, Loader=yaml.BaseLoader):
                if isinstance(event, yaml.AliasEvent):
                    found = f"the alias *{event.anchor}"
                    raise Unreadable(_line(event.start_mark), found, "values written out")
            self._root = yaml.compose(text, Loader=yaml.BaseLoader)
            self._refuse_repeated_keys(self._root)
            self.data: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 text only
        except RecursionError as error:
            raise Unreadable(1, "values nested too deeply", "a mapping") from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            found = error.problem or "an error"
            raise Unreadable(_line(mark), found, "YAML") from error
        except yaml.YAMLError as error:
            line = text.count("\n", 0, getattr(error, "position", 0)) + 1
            raise Unreadable(line, "a character that YAML does not allow", "YAML") from error

    def line(self, path: Sequence[int | str]) -> int:
        """The line (from 1) of the value at the path; steps that do not exist are passed over."""
        node, line = self._root, 1
        for step in path:
            child = _child(node, step)
            if child is not None:
                node, line = child
        return line

    def _refuse_repeated_keys(self, node: yaml.Node | None) -> None:
        if isinstance(node, yaml.SequenceNode):
            for each in node.value:
                self._refuse_repeated_keys(each)
        if not isinstance(node, yaml.MappingNode):
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Unreadable(key.start_mark.line + 1, "a nested key", "the name of a field")
            if key.value in seen:
                raise Unreadable(key.start_mark.line + 1, f"{key.value!r} twice", "each key once")
            seen.add(key.value)
            self._refuse_repeated_keys(value)


def _line(mark: Any) -> int:
    return int(mark.line) + 1 if mark is not None else 1


def _child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found = node.value[step]
        return found, found.start_mark.line + 1
    return None
