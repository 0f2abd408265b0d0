"""What all questions to the read model share: the tick, records from bodies, cursors, refusals."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, literal, select, tuple_

from console import answers, tables
from schemas import records
from schemas.units import instant

R = TypeVar("R", bound=records.Record)
A = TypeVar("A", bound=answers.Answer)


class NotBuilt(Exception):
    """The view has not read a whole tick yet."""


class NotFound(Exception):
    """Nothing by that id, as of the tick; `candidates` are ids that were perhaps meant."""

    def __init__(self, detail: str, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.candidates = candidates


class Ambiguous(Exception):
    """A number that stands for several things; `candidates` are their ids, at most a page."""

    def __init__(self, asked: str, candidates: tuple[str, ...]) -> None:
        super().__init__(f"{asked} stands for several order lines")
        self.candidates = candidates


class NotUnderstood(Exception):
    """A parameter says what is not so here; `expected` is what it may say."""

    def __init__(self, detail: str, where: str, found: str, expected: str) -> None:
        super().__init__(detail)
        self.where, self.found, self.expected = where, found, expected


class NotReady(Exception):
    """What the answer rests on is not there; the message says what, and why."""


class BadCursor(Exception):
    """The cursor is none that this list gave."""


def read_as_of(connection: Connection) -> answers.AsOf:
    """The tick that the snapshot shows; raises NotBuilt before the first."""
    row = connection.execute(select(tables.state.c.as_of_tick, tables.state.c.as_of_at)).one()
    if row.as_of_tick is None:
        raise NotBuilt
    return answers.AsOf(tick=row.as_of_tick, at=instant(row.as_of_at))


def answer(model: type[A], record: records.Record) -> A:
    """The record as the API answers it."""
    return model.model_validate(record)


def read_record(body: str, kind: type[R]) -> R:
    """The record that a body holds."""
    return records.decode(body.encode(), kind)


def read_records(connection: Connection, query: Select[Any], kind: type[R]) -> list[R]:
    """The records whose bodies the query selects."""
    return [read_record(body, kind) for body in connection.execute(query).scalars()]


def encode_cursor(*place: str | int) -> str:
    """Where the next page begins, in a form that nobody is tempted to read."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def cursor(after: str, kinds: tuple[type, ...]) -> ColumnElement[Any]:
    """The place that a cursor names, to compare with; raises BadCursor for any other text."""
    place = _decode_cursor(after, kinds)
    return tuple_(
        *(literal(v, tables.Words()) if isinstance(v, str) else literal(v) for v in place)
    )


def text_cursor(after: str) -> str:
    """The place in a list that is sorted by one text."""
    return str(_decode_cursor(after, (str,))[0])


def _decode_cursor(after: str, kinds: tuple[type, ...]) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (binascii.Error, ValueError) as error:
        raise BadCursor(after) from error
    if not isinstance(place, list) or [type(value) for value in place] != list(kinds):
        raise BadCursor(after)
    if any(isinstance(value, int) and not -_BIGINT <= value < _BIGINT for value in place):
        raise BadCursor(after)
    return place


_BIGINT = 1 << 63
