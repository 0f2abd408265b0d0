"""Facts as people write them: JSON objects, one a line or spread over several.

    {"kind": "eta", "event_id": "e1", "source": "dhl", "occurred_at": "2026-03-01T08:00:00Z",
     "recorded_at": "2026-03-01T08:05:00+01:00", "shipment_ref": "SUP/ASN-7",
     "eta_on": "2026-03-09"}

The fields are those of the family that the kind belongs to (docs/facts.md). Times are RFC 3339 with
a zone, and keep milliseconds; dates are YYYY-MM-DD; quantities are decimal numbers or strings, read
as written and never through a binary float. null is the same as leaving a field out.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pydantic
from pydantic_core import ErrorDetails

from schemas import limits, units
from schemas.facts import FACT_TYPES, Fact, Family
from schemas.kinds import FACT_KINDS
from schemas.refusals import Refused
from schemas.validation import check
from schemas.value_checks import show
from schemas.writers import schema_text

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)
_FAMILY_OF_KIND: dict[str, Family] = {kind.name: kind.family for kind in FACT_KINDS}
_NEXT_OBJECT = re.compile(r"^[ \t]*\{", re.MULTILINE)
_SPACE = re.compile(r"\s*")
_INTEGER_DIGITS_MAX = 40
_LONGEST_TOKEN = 12
"""Characters of the longest piece that json reads whole, or not at all: `-Infinity`, an escape."""
_WINDOW_STEP_CHARS = 4_096
_DEPTH_CHARS = 500
"""What is nested too deeply opens a level with each of at least so many characters: within them no
other object begins, and to try at every line would take long."""
_TOO_LONG = f"found an object of more than {limits.FACT_OBJECT_CHARS_MAX} characters, the most"


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with the object that starts at a line of a file (the first line is 1).

    `field` is None when it is the object as a whole, or a matter of several fields.
    """

    file: str
    line: int
    field: str | None
    error: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.error}"


def read_facts(data: bytes, file: str) -> tuple[list[Fact], list[Problem]]:
    """As `parse_lines`, of the bytes of a file; what is larger than the limit or no UTF-8 is one
    problem, and nothing of it is read."""
    text = _text(data, file)
    return ([], [text]) if isinstance(text, Problem) else parse_lines(text, file)


def read_objects(data: bytes, file: str) -> Iterator[tuple[int, object] | Problem]:
    """What stands in the bytes of a file, in order: objects that may be facts, each with its line,
    and what is no JSON. What is larger than the limit or no UTF-8 is one problem."""
    text = _text(data, file)
    if isinstance(text, Problem):
        yield text
    else:
        yield from _objects(text, file)


def _text(data: bytes, file: str) -> str | Problem:
    if len(data) > limits.FACT_FILE_BYTES_MAX:
        expected = f"at most {limits.FACT_FILE_BYTES_MAX} bytes"
        return Problem(file, 1, None, f"found a file of {len(data)} bytes, {expected}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"found the byte 0x{data[error.start]:02x}, expected text in UTF-8"
        return Problem(file, line, None, found)


def parse_lines(text: str, file: str) -> tuple[list[Fact], list[Problem]]:
    """The facts in the text, in order, and every problem with its place; `file` is its name.

    What is no JSON is reported once and reading goes on at the next line that starts an object.
    The time grows with the length of the text, whatever it holds.
    """
    facts: list[Fact] = []
    problems: list[Problem] = []
    for each in _objects(text, file):
        if isinstance(each, Problem):
            problems.append(each)
            continue
        line, found = each
        result = parse_fact(found)
        if isinstance(result, list):
            problems += [Problem(file, line, field, error) for field, error in result]
        else:
            facts.append(result)
    return facts, problems


def _objects(text: str, file: str) -> Iterator[tuple[int, object] | Problem]:
    scan = _Scan(text)
    line, counted = 1, 0
    while (at := scan.skip_space()) < len(text):
        line += text.count("\n", counted, at)
        counted = at
        try:
            found = scan.read_object(line)
        except (ValueError, RecursionError) as error:
            yield Problem(file, line, None, f"is no JSON object: {_explain(error)}")
            scan.skip_to_object(_DEPTH_CHARS if isinstance(error, RecursionError) else 1)
            continue
        yield line, found


def parse_json(text: str) -> object:
    """What the JSON text holds, its numbers exact. Raises ValueError for what is no JSON, or is an
    object with a field twice or too many of them."""
    try:
        return _decoder().decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(_explain(error)) from error


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=Decimal,
        parse_int=_read_integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_twice,
    )


class _Scan:
    """Reads objects one after the other from a text, through a window that moves over it: json
    counts the lines of all that it is given at every error."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = _decoder()
        self._at = 0
        self._start = 0
        self._window = text[: 2 * limits.FACT_OBJECT_CHARS_MAX]

    def skip_space(self) -> int:
        """Passes over blanks and line ends; gives where what follows begins."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._at

    def read_object(self, line: int) -> Any:
        """What begins here, in that line, and passes it; or raises ValueError or RecursionError,
        and stays."""
        at = self._at - self._start
        if at > _WINDOW_STEP_CHARS:
            self._start, at = self._at, 0
            end = self._start + 2 * limits.FACT_OBJECT_CHARS_MAX
            self._window = self._text[self._start : end]
        try:
            found, end = self._decoder.raw_decode(self._window, at)
        except json.JSONDecodeError as error:
            if self._is_cut_off(error):
                raise ValueError(_TOO_LONG) from error
            pos = self._start + error.pos
            line += self._text.count("\n", self._at, pos)
            column = pos - self._text.rfind("\n", 0, pos)
            raise ValueError(f"{error.msg} at line {line}, column {column}") from error
        if end - at > limits.FACT_OBJECT_CHARS_MAX:
            raise ValueError(_TOO_LONG)
        _expect_line_end(self._window, end)
        self._at = self._start + end
        return found

    def _is_cut_off(self, error: json.JSONDecodeError) -> bool:
        if self._start + len(self._window) >= len(self._text):
            return False
        near_end = error.pos >= len(self._window) - _LONGEST_TOKEN
        return near_end or error.msg.startswith("Unterminated string")

    def skip_to_object(self, least_chars: int) -> None:
        """Passes over what could not be read, at least so much of it, up to the next line that
        starts an object."""
        following = _NEXT_OBJECT.search(self._text, self._at + least_chars)
        self._at = following.start() if following else len(self._text)


def parse_fact(found: object) -> Fact | list[tuple[str | None, str]]:
    """The fact in decoded JSON, or all that is wrong with it: pairs of field and sentence."""
    if not isinstance(found, Mapping):
        return [(None, f"found {_describe(found)}, expected a JSON object")]
    kind = found.get("kind")
    family = _FAMILY_OF_KIND.get(kind) if isinstance(kind, str) else None
    if family is None:
        what = "is missing" if kind is None else f"is {_describe(kind)}"
        wanted = f"expected one of {', '.join(_FAMILY_OF_KIND)}"
        return [("kind", f"kind {what}, {wanted}{_suggest(kind, _FAMILY_OF_KIND)}")]
    model = _fact_model(family)
    try:
        given = model.model_validate(
            {key: value for key, value in found.items() if value is not None}
        )
    except pydantic.ValidationError as error:
        return [_explain_field(detail, model) for detail in error.errors(include_url=False)]
    struct = FACT_TYPES[family]
    fact = struct(**{name: getattr(given, name) for name in struct.__struct_fields__})
    refused: Refused | None = check(fact)
    return fact if refused is None else [(None, refused.error)]


def to_json(fact: Fact) -> dict[str, str | int | bool]:
    """The fact as `parse_fact` takes it, without the fields that are None; of a checked fact."""
    shown: dict[str, str | int | bool] = {}
    writes = {name: write for name, (_, write) in _field_types(_FAMILY_OF_KIND[fact.kind]).items()}
    for name, value in zip(fact.__struct_fields__, msgspec.structs.astuple(fact), strict=True):
        if value is not None:
            shown[name] = writes[name](value)
    return shown


def _expect_line_end(text: str, at: int) -> None:
    line_end = text.find("\n", at)
    behind = text[at : line_end if line_end >= 0 else len(text)].strip()
    if behind:
        raise ValueError(f"found {show(behind)} after the object, expected a new line")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"found {name}, expected a number")


def _read_integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS_MAX:
        raise ValueError(f"found a number of {len(text)} digits, expected fewer")
    return int(text)


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > limits.FACT_FIELDS_MAX:
        expected = f"expected at most {limits.FACT_FIELDS_MAX}"
        raise ValueError(f"found an object of {len(pairs)} fields, {expected}")
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"found the field {show(twice)} twice, expected it once")
    return found


def _explain(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply, expected a flat object"
    return str(error)


def _read_moment(found: object) -> int:
    if not isinstance(found, str) or not _MOMENT.fullmatch(found):
        raise ValueError("a time with a zone such as 2026-03-01T08:00:00Z")
    try:
        return units.millis(dt.datetime.fromisoformat(found.upper()))
    except ValueError as error:
        raise ValueError(f"a time that exists ({error})") from error


def _read_date(found: object) -> int:
    if not isinstance(found, str) or not _DATE.fullmatch(found):
        raise ValueError("a date such as 2026-03-01")
    try:
        return units.day(dt.date.fromisoformat(found))
    except ValueError as error:
        raise ValueError(f"a date that exists ({error})") from error


def _read_amount(found: object) -> int:
    if isinstance(found, bool) or not isinstance(found, str | int | Decimal):
        raise ValueError('a decimal amount such as 12 or "12.5"')
    if isinstance(found, str) and not _AMOUNT.fullmatch(found):
        raise ValueError('a decimal amount such as 12 or "12.5"')
    try:
        return units.quantity(found)
    except ValueError as error:
        raise ValueError(
            f"an amount of at most {units.decimal(units.QUANTITY_MAX)} "
            f"with at most {units.QUANTITY_SCALE} decimals"
        ) from error


def _keep(value: Any) -> Any:
    return value


_FIELD_TYPES: dict[str, tuple[Any, Callable[[Any], str | int | bool]]] = {
    "timestamp-millis": (Annotated[int, pydantic.BeforeValidator(_read_moment)], units.iso),
    "date": (
        Annotated[int, pydantic.BeforeValidator(_read_date)],
        lambda value: units.calendar_date(value).isoformat(),
    ),
    "decimal": (
        Annotated[int, pydantic.BeforeValidator(_read_amount)],
        lambda value: format(units.decimal(value), "f"),
    ),
    "string": (pydantic.StrictStr, _keep),
    "long": (pydantic.StrictInt, _keep),
    "int": (pydantic.StrictInt, _keep),
    "boolean": (pydantic.StrictBool, _keep),
}
"""How a field is read and written, by its logical type in the Avro schema, or else its type."""

_EXPECTED = {
    "missing": "a value, as every fact of this kind has one",
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
}


@functools.cache
def _field_types(family: Family) -> dict[str, tuple[Any, Callable[[Any], str | int | bool]]]:
    found = {}
    for field in json.loads(schema_text(family))["fields"]:
        declared = field["type"]
        if isinstance(declared, list):
            declared = declared[1]
        found[field["name"]] = _FIELD_TYPES[
            declared["logicalType"] if isinstance(declared, dict) else declared
        ]
    return found


@functools.cache
def _fact_model(family: Family) -> type[pydantic.BaseModel]:
    """The model of the family's facts as JSON: the fields of its Avro schema, and no others."""
    required = {
        field["name"]
        for field in json.loads(schema_text(family))["fields"]
        if "default" not in field
    }
    fields: dict[str, Any] = {
        name: (read, ...) if name in required else (read | None, None)
        for name, (read, _) in _field_types(family).items()
    }
    return pydantic.create_model(
        FACT_TYPES[family].__name__,
        __config__=pydantic.ConfigDict(extra="forbid", frozen=True),
        **fields,
    )


def _explain_field(detail: ErrorDetails, model: type[pydantic.BaseModel]) -> tuple[str | None, str]:
    if not detail["loc"]:
        return None, "found a field whose name is no text, expected only those of docs/facts.md"
    field = str(detail["loc"][0])
    found = _describe(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            close = _suggest(field, model.model_fields)
            return field, f"found the unknown field {show(field)}, expected none{close}"
        case "missing":
            return field, f"{field} is missing, expected {_EXPECTED['missing']}"
        case "value_error":
            return field, f"{field} is {found}, expected {detail['ctx']['error']}"
        case other:
            return field, f"{field} is {found}, expected {_EXPECTED.get(other, detail['msg'])}"


def _describe(found: object) -> str:
    if isinstance(found, str):
        return show(found)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int):
        return f"the number {show(found)}"
    if isinstance(found, Decimal | float):
        return f"the number {show(str(found))[1:-1]}"
    if found is None:
        return "null"
    return "an object" if isinstance(found, Mapping) else "a list"


def _suggest(found: object, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(str(found)[:100], list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
