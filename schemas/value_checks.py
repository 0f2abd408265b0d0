"""Checks of single values of facts: texts, dates and moments, quantities, amounts of money.

Each says why a value must be refused, naming the field, what was found and what was expected; or
None. `schemas.validation` says which fields of which facts are held against them.
"""

from __future__ import annotations

import unicodedata

from schemas import limits
from schemas.refusals import Reason, Refused
from schemas.units import DAY_MS, QUANTITY_MAX, TIME_MAX, TIME_MIN, decimal

DAY_MIN, DAY_MAX = TIME_MIN // DAY_MS, TIME_MAX // DAY_MS
TEXT_LENGTHS_MAX = {"reason": limits.REASON_LENGTH_MAX, "unit": limits.UNIT_LENGTH_MAX}
LAST_CHARACTER = "\U0010ffff"
"""No text holds it, so that what begins with it sorts after every id."""
_REASON_CONTROLS = frozenset("\n\r\t")
_SHOWN_MAX = 60


def check_text(name: str, text: str) -> Refused | None:
    """A text: its length, no control characters, no space around it."""
    length_max = TEXT_LENGTHS_MAX.get(name, limits.REFERENCE_LENGTH_MAX)
    if len(text) > length_max:
        return Refused(
            Reason.TOO_LONG, f"{name} has {len(text)} characters, expected at most {length_max}"
        )
    if not text:
        return Refused(Reason.BAD_TEXT, f"{name} is empty, expected a text or no {name} at all")
    if name == "reason":
        if not text.isprintable():
            text = "".join(char for char in text if char not in _REASON_CONTROLS)
    elif text != text.strip():
        return Refused(
            Reason.BAD_TEXT, f"{name} is {show(text)}, expected it without space around it"
        )
    if text.isprintable():
        return None
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char == LAST_CHARACTER:
            return Refused(
                Reason.BAD_TEXT,
                f"{name} is {show(text)} with the character U+{ord(char):04X}, expected no "
                "control character, line separator, lone surrogate or the last character there is",
            )
    return None


def check_due(day_name: str, on: int | None, moment_name: str, at: int | None) -> Refused | None:
    """A date or a moment, not both, in 1970 to 2100."""
    if on is not None:
        if at is not None:
            return Refused(
                Reason.CONFLICTING_FIELDS,
                f"{day_name} and {moment_name} are both given, expected a date or a moment",
            )
        if not DAY_MIN <= on <= DAY_MAX:
            return Refused(
                Reason.TIME_OUT_OF_RANGE,
                f"{day_name} is {show(on)} days from 1970-01-01, expected {DAY_MIN} to {DAY_MAX} "
                "(1970 to 2100)",
            )
    elif at is not None:
        return check_moment(moment_name, at)
    return None


def check_moment(name: str, at: int) -> Refused | None:
    """A moment in 1970 to 2100."""
    if TIME_MIN <= at <= TIME_MAX:
        return None
    return Refused(
        Reason.TIME_OUT_OF_RANGE,
        f"{name} is {show(at)} ms from 1970-01-01T00:00:00Z, expected {TIME_MIN} to {TIME_MAX} "
        "(1970 to 2100)",
    )


def check_quantity(name: str, quantity: int | None, unit: str | None, least: int) -> Refused | None:
    """A quantity of at least so many millionths, with its unit beside it; and the unit."""
    if unit is not None and len(unit) > limits.UNIT_LENGTH_MAX:
        return check_text("unit", unit)
    if quantity is None:
        return None
    if not least <= quantity <= QUANTITY_MAX:
        wanted = f"more than 0 and at most {decimal(QUANTITY_MAX)}"
        if least <= 0:
            wanted = f"{decimal(least)} to {decimal(QUANTITY_MAX)}"
        found = decimal(quantity) if abs(quantity) <= QUANTITY_MAX else show(quantity)
        return Refused(Reason.VALUE_OUT_OF_RANGE, f"{name} is {found}, expected {wanted}")
    if unit is None:
        return refuse_missing("unit", f"{name} is given, and needs it")
    return None


def refuse_missing(name: str, why: str) -> Refused:
    """The refusal of a fact that lacks the field."""
    return Refused(Reason.MISSING_FIELD, f"{name} is missing, and {why}")


def refuse_value(name: str, found: int, wanted: str) -> Refused:
    """The refusal of a number that is out of its range."""
    return Refused(Reason.VALUE_OUT_OF_RANGE, f"{name} is {show(found)}, expected {wanted}")


def show(found: str | int) -> str:
    """What was found, short and on one line whatever it holds."""
    if isinstance(found, int):
        return str(found) if found.bit_length() <= 128 else f"a number of {found.bit_length()} bits"
    shown = ascii(found) if not found.isprintable() else repr(found)
    return shown if len(shown) <= _SHOWN_MAX else f"{shown[: _SHOWN_MAX - 4]}...{shown[-1]}"


def check_minor(name: str, value: int | None, currency: str | None) -> Refused | None:
    """An amount of money in minor units, with its currency beside it; and that currency."""
    if value is not None:
        if not 0 <= value <= limits.VALUE_MINOR_MAX:
            return refuse_value(name, value, f"0 to {limits.VALUE_MINOR_MAX}")
        if currency is None:
            return refuse_missing("currency", f"{name} is given, and needs it")
    return check_currency(currency)


def check_currency(currency: str | None) -> Refused | None:
    """Three capital letters, as in ISO 4217."""
    if currency is None or (
        len(currency) == 3 and currency.isascii() and currency.isalpha() and currency.isupper()
    ):
        return None
    return Refused(
        Reason.VALUE_OUT_OF_RANGE,
        f"currency is {show(currency)}, expected three capital letters (ISO 4217) such as EUR",
    )
