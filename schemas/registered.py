"""What the ids of a schema registry stand for, as this installation learned it, for good.

A value in Confluent's format names its schema by an id that only the registry can explain. What it
answered is kept on the topic `schemas`, in the order in which it came, and nothing is decoded by an
answer that is not there. So a replay of the log needs no registry and reads every fact as it was
read before.

Each tick says how much of that topic counts (`Tick.schemas`). Of an id that nothing was known of
then, the first answer behind that point counts, whoever asked for it: every worker waits until it
has read one. Of an id that was refused, a schema that was found later counts from the first tick
that has it. What an id once stood for, it stands for ever.
"""

from __future__ import annotations

import msgspec

from schemas.records import Record
from schemas.refusals import Reason, Refused


class RegisteredSchema(Record, frozen=True, kw_only=True):
    """Topic `schemas`, key: the id. What a schema registry answered of an id.

    `schema` is the JSON text of an Avro schema; without one, `reason` and `error` are those of the
    dead letters that name the id.
    """

    id: int
    schema: str | None = None
    reason: Reason | None = None
    error: str = ""


_READY = msgspec.json.Decoder(RegisteredSchema)
"""As in `schemas.records`: so that no two threads are the first to ask for the type."""


class _Known:
    """What is known of one id: the first answer, and the first schema if that came later."""

    __slots__ = ("first", "schema", "schema_offset")

    def __init__(self, offset: int, answer: RegisteredSchema) -> None:
        self.first = answer
        self.schema = answer.schema
        self.schema_offset = offset


class KnownSchemas:
    """The answers on `schemas`, as of a tick; a `SchemaRegistry` for the decoder.

    It must `take` the records in the order of their offsets, and one again changes nothing. Only
    one thread may use it.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._upto: int | None = None

    def take(self, offset: int, answer: RegisteredSchema) -> None:
        """The record of `schemas` at that offset."""
        known = self._known.get(answer.id)
        if known is None:
            self._known[answer.id] = _Known(offset, answer)
        elif known.schema is None and answer.schema is not None:
            known.schema, known.schema_offset = answer.schema, offset

    def stand_at(self, upto: int | None) -> None:
        """What is said from now on is as of a tick that knew the records before offset `upto`; None
        for a tick of a release that knew none."""
        self._upto = upto

    def is_settled(self, schema_id: int) -> bool:
        """Whether facts with the id can be decoded or refused; once true, it stays so."""
        return self._upto is None or schema_id in self._known

    def knows(self, schema_id: int) -> bool:
        """Whether any answer is there."""
        return schema_id in self._known

    def is_refused(self, schema_id: int) -> bool:
        """Whether no answer so far was a schema."""
        known = self._known.get(schema_id)
        return known is not None and known.schema is None

    def get(self, schema_id: int, /) -> str | Refused | None:
        """The text of the schema, or why facts with the id are refused."""
        known = self._known.get(schema_id)
        if known is None or self._upto is None:
            return None
        first = known.first
        if known.schema is not None and (
            first.schema is not None or known.schema_offset < self._upto
        ):
            return known.schema
        return Refused(first.reason or Reason.UNKNOWN_SCHEMA_ID, first.error)

    def latest(self) -> tuple[RegisteredSchema, ...]:
        """What is known of every id, by id; of one that was refused and found later, the schema."""
        return tuple(
            RegisteredSchema(id=number, schema=known.schema)
            if known.schema is not None
            else known.first
            for number, known in sorted(self._known.items())
        )
