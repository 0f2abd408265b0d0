"""Refusals: why a record cannot be used, as a code for programs and a sentence for people."""

from __future__ import annotations

import enum

import msgspec


class Reason(enum.StrEnum):
    """Why a fact is refused; the `reason` of its dead letter. `REASON_SAYS` explains each."""

    EMPTY = "empty"
    UNKNOWN_FORMAT = "unknown_format"
    UNKNOWN_FINGERPRINT = "unknown_fingerprint"
    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    SCHEMA_MISMATCH = "schema_mismatch"
    BAD_BODY = "bad_body"
    TRAILING_BYTES = "trailing_bytes"
    UNKNOWN_KIND = "unknown_kind"
    MISSING_FIELD = "missing_field"
    CONFLICTING_FIELDS = "conflicting_fields"
    BAD_REFERENCE = "bad_reference"
    BAD_TEXT = "bad_text"
    TOO_LONG = "too_long"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    VALUE_OUT_OF_RANGE = "value_out_of_range"


REASON_SAYS: tuple[tuple[Reason, str], ...] = (
    (Reason.EMPTY, "The record has no value."),
    (Reason.UNKNOWN_FORMAT, "It starts neither as Avro single-object nor as Confluent's format."),
    (Reason.UNKNOWN_FINGERPRINT, "No known schema has the fingerprint that it names."),
    (Reason.UNKNOWN_SCHEMA_ID, "The schema registry has no schema of the id that it names."),
    (Reason.SCHEMA_MISMATCH, "The schema that it was written with cannot be read as facts."),
    (Reason.BAD_BODY, "Its bytes are not what its schema says."),
    (Reason.TRAILING_BYTES, "Bytes are left over after the last field."),
    (Reason.UNKNOWN_KIND, "The family of facts has no such kind."),
    (
        Reason.MISSING_FIELD,
        "A field is missing that the kind or another field needs.",
    ),
    (Reason.CONFLICTING_FIELDS, "Two fields are given of which only one may be."),
    (Reason.BAD_REFERENCE, "A number is not OWNER/NUMBER, or cannot be in a line id."),
    (Reason.BAD_TEXT, "A text is empty, or has characters that are not allowed in it."),
    (Reason.TOO_LONG, "A text is longer than its limit."),
    (Reason.TIME_OUT_OF_RANGE, "A time or date lies outside 1970 to 2100."),
    (Reason.VALUE_OUT_OF_RANGE, "An amount or count is not one that can be."),
)


class Refused(msgspec.Struct, frozen=True):
    """A record that cannot be used; `error` names the field, what was found and expected."""

    reason: Reason
    error: str
