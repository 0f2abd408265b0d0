"""From the body of a request to facts: plain JSON, or CloudEvents 1.0 in any of their three modes.

| content type                            | what it holds                                         |
| --------------------------------------- | ----------------------------------------------------- |
| `application/json`                      | a fact, or a list of facts                            |
| the same, with `ce-` headers            | a CloudEvent in binary mode: the body is its data     |
| `application/cloudevents+json`          | a CloudEvent in structured mode                       |
| `application/cloudevents-batch+json`    | a list of these                                       |

The `type` of a CloudEvent is `slipwatch.KIND`, its data the other fields of the fact; `time` is
`occurred_at` where the data has none. Who tells it is never taken from the body.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

import msgspec

from schemas import limits
from schemas.facts import Fact
from schemas.json_facts import parse_fact, parse_json
from schemas.units import UtcMillis, iso
from schemas.value_checks import show

JSON = "application/json"
EVENT = "application/cloudevents+json"
EVENTS = "application/cloudevents-batch+json"
TYPE_PREFIX = "slipwatch."
NAME_CHARS_MAX = 80

Complaint: TypeAlias = tuple[str | None, str]
"""The field, or None for the whole, and what is wrong: found and expected."""


class BodyRefused(ValueError):
    """Nothing of the body can be read; `status` is that of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of a batch that is no statement, and why."""

    complaints: tuple[Complaint, ...]


Statement: TypeAlias = dict[str, Any] | Unreadable
"""The fields of what is said to be a fact."""


def read_statements(body: bytes, headers: Mapping[str, str]) -> list[Statement]:
    """The entries of the body, in their order; names of headers are in lower case.

    Raises BodyRefused for a body that is too large, no JSON, or of another type.
    """
    if len(body) > limits.DOOR_BODY_BYTES_MAX:
        raise BodyRefused(413, f"found a larger body, expected {limits.DOOR_BODY_BYTES_MAX} bytes")
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in (JSON, EVENT, EVENTS):
        found = show(media) if media else "nothing"
        raise BodyRefused(415, f"Content-Type is {found}, expected {JSON}, {EVENT} or {EVENTS}")
    try:
        found_json = parse_json(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        byte = body[error.start]
        raise BodyRefused(400, f"body: found the byte 0x{byte:02x}, expected UTF-8") from error
    except ValueError as error:
        raise BodyRefused(400, f"body: found no JSON: {error}") from error
    if media == EVENTS and not isinstance(found_json, list):
        raise BodyRefused(400, "body: found no list, expected a list of CloudEvents")
    if media == JSON and "ce-specversion" in headers:
        return [_of_event(_event_of(headers) | {"data": found_json})]
    is_list = isinstance(found_json, list) and media != EVENT
    entries: list[object] = found_json if is_list else [found_json]  # type: ignore[assignment]
    if len(entries) > limits.DOOR_BATCH_FACTS_MAX:
        raise BodyRefused(
            413, f"found {len(entries)} entries, expected at most {limits.DOOR_BATCH_FACTS_MAX}"
        )
    read = _of_json if media == JSON else _of_event
    return [read(entry) for entry in entries]


def fact_of(statement: Statement, source: str, now: UtcMillis) -> Fact | list[Complaint]:
    """The fact that the source tells, or all that is wrong with it.

    Without an event id it gets one by its content, so that what is sent again is a duplicate;
    without `recorded_at` it is told now.
    """
    if isinstance(statement, Unreadable):
        return list(statement.complaints)
    named = statement.get("source")
    if named is not None and named != source:
        shown = show(named) if isinstance(named, str) else "no text"
        return [("source", f"source is {shown}, expected {show(source)}, or none at all")]
    fields = {**statement, "source": source}
    is_unnumbered = fields.get("event_id") is None
    if is_unnumbered:
        fields["event_id"] = "-"
    if fields.get("recorded_at") is None:
        fields["recorded_at"] = iso(now)
    found = parse_fact(fields)
    if isinstance(found, list):
        return found
    if is_unnumbered:
        found = msgspec.structs.replace(found, event_id=digest(statement))
    return ahead(found, now) or found


def fit_for_json(name: str | None) -> str | None:
    """A name as somebody wrote it, such as that of a field, short and without what JSON cannot
    hold."""
    if name is not None and not name.isprintable():
        name = ascii(name)[1:-1]
    return name and name[:NAME_CHARS_MAX]


def digest(fields: Mapping[str, Any]) -> str:
    """The same for the same fields, in whatever order."""
    told = {name: value for name, value in fields.items() if value is not None}
    text = json.dumps(told, sort_keys=True, default=str, ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def ahead(fact: Fact, now: UtcMillis) -> list[Complaint]:
    """What claims to have happened, or to have been told, when that has not come yet."""
    latest = now + limits.DOOR_AHEAD_SECONDS_MAX * 1000
    return [
        (name, f"{name} is {iso(at)}, expected no time after now, {iso(now)}")
        for name, at in (("occurred_at", fact.occurred_at), ("recorded_at", fact.recorded_at))
        if at > latest
    ]


def _of_json(entry: object) -> Statement:
    if isinstance(entry, dict):
        return entry
    return Unreadable(((None, "found no JSON object, expected a fact"),))


def _event_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """The attributes of a CloudEvent in binary mode; their values are percent-encoded."""
    return {
        name.removeprefix("ce-"): unquote(value)
        for name, value in headers.items()
        if name.startswith("ce-")
    }


def _of_event(entry: object) -> Statement:
    if not isinstance(entry, dict):
        return Unreadable(((None, "found no JSON object, expected a CloudEvent"),))
    complaints: list[Complaint] = []
    if entry.get("specversion") != "1.0":
        complaints.append(("specversion", "specversion is not '1.0', the one that is read here"))
    complaints += [
        (name, f"{name} is missing or no text, expected a text")
        for name in ("id", "source", "type")
        if not isinstance(entry.get(name), str) or not entry[name]
    ]
    if not isinstance(entry.get("data"), dict):
        complaints.append(("data", "data is no JSON object, expected the fields of a fact"))
    if complaints:
        return Unreadable(tuple(complaints))
    kind = entry["type"].removeprefix(TYPE_PREFIX)
    if kind == entry["type"]:
        wrong = f"type is {show(entry['type'])}, expected {TYPE_PREFIX} and a kind of fact"
        return Unreadable((("type", wrong),))
    data = dict(entry["data"])
    if data.get("kind", kind) != kind:
        return Unreadable((("kind", f"kind is not {show(kind)}, as type says"),))
    data["kind"] = kind
    if data.get("event_id") is None:
        data["event_id"] = _event_id(entry["source"], entry["id"])
    if data.get("occurred_at") is None and entry.get("time") is not None:
        data["occurred_at"] = entry["time"]
    return data


def _event_id(source: str, number: str) -> str:
    """A CloudEvent is one by its source and id together."""
    together = f"{source}#{number}"
    if len(together) <= limits.REFERENCE_LENGTH_MAX:
        return together
    return digest({"source": source, "id": number})
