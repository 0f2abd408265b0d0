"""Reading a mapping from its file; errors come all at once, each with its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from streams.replay.mapping import Mapping, Place
from streams.replay.mapping_checks import faults
from streams.replay.positions import PositionedYaml, Unreadable
from topology.problems import Problem, quoted


class MappingError(ValueError):
    """The mapping cannot be used; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def load_mapping(path: Path) -> Mapping:
    """The mapping in the YAML file. Raises MappingError with all problems, OSError without file."""
    return read_mapping(path.name, path.read_bytes())


def read_mapping(name: str, data: bytes) -> Mapping:
    """The mapping in the bytes of a file of that name. Raises MappingError with all problems."""
    try:
        text = data.decode("utf-8-sig")
        document = PositionedYaml(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{data[error.start]:02x}"
        raise MappingError([Problem(name, line, "", found, "text in UTF-8")]) from error
    except Unreadable as error:
        problem = Problem(name, error.line, "", error.found, error.expected)
        raise MappingError([problem]) from error
    try:
        mapping = Mapping.model_validate(document.data)
    except ValidationError as error:
        raise MappingError(_explained(name, document, error)) from error
    problems = [
        Problem(name, document.line(fault.path), _field(fault.path), fault.found, fault.expected)
        for fault in faults(mapping)
    ]
    if problems:
        raise MappingError(problems)
    return mapping


def _explained(name: str, document: PositionedYaml, error: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    details = error.errors(include_url=False)
    for each in details:
        path = _existing(document.data, each["loc"])
        if each["type"] == "too_short" and any(
            len(other["loc"]) > len(each["loc"]) and other["loc"][: len(each["loc"])] == each["loc"]
            for other in details
        ):
            continue  # Short only because what is wrong with an entry is told already.
        match each["type"]:
            case "missing":
                found, expected = "nothing", "a value: it is required"
                path = (*path, each["loc"][-1])
            case "extra_forbidden":
                found, expected = "a field that is not known here", "only fields of docs/replay.md"
            case "union_tag_invalid" | "union_tag_not_found":
                found = quoted(each["input"])
                tags = each.get("ctx", {}).get("expected_tags", "")
                expected = f"one operation{', of ' + tags if tags else ' as {name: ...}'}"
            case "recursion_loop":
                found, expected = "values nested too deeply", "a simpler expression"
            case _:
                found = quoted(each["input"])
                expected = (
                    each["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
                )
        problems.append(Problem(name, document.line(path), _field(path), found, expected))
    return problems


def _existing(data: object, loc: tuple[int | str, ...]) -> Place:
    """The steps of pydantic's location that are steps in the file; its union tags are not."""
    path: list[int | str] = []
    for step in loc:
        match data:
            case dict() if step in data:
                data = data[step]
            case list() if isinstance(step, int) and step < len(data):
                data = data[step]
            case _:
                continue
        path.append(step)
    return tuple(path)


def _field(path: Place) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
