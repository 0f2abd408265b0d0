"""Date formats of a mapping: a small language that reads the same under every locale.

A format is text with these tokens; everything else stands for itself:

| token | reads |
|---|---|
| `YYYY` | year, four digits |
| `YY` | year, two digits: 69 to 99 are 1969 to 1999, 00 to 68 are 2000 to 2068 (as POSIX has it) |
| `MMM` | English month in three letters, in any case |
| `MM`, `M` | month, two digits, one or two digits |
| `DD`, `D` | day, two digits, one or two digits |
| `hh`, `mm`, `ss` | hour, minute, second, two digits |
| `fff` | fraction of a second, one to nine digits; what is finer than a millisecond is left out |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PIVOT = 69
_TOKENS: tuple[tuple[str, str, str], ...] = (
    ("YYYY", "year", r"[0-9]{4}"),
    ("YY", "short_year", r"[0-9]{2}"),
    ("MMM", "month_name", r"[A-Za-z]{3}"),
    ("MM", "month", r"[0-9]{2}"),
    ("M", "month", r"[0-9]{1,2}"),
    ("DD", "day", r"[0-9]{2}"),
    ("D", "day", r"[0-9]{1,2}"),
    ("hh", "hour", r"[0-9]{2}"),
    ("mm", "minute", r"[0-9]{2}"),
    ("ss", "second", r"[0-9]{2}"),
    ("fff", "fraction", r"[0-9]{1,9}"),
)
_TOKEN = re.compile("|".join(token for token, _, _ in _TOKENS))
_PARTS = {token: (part, pattern) for token, part, pattern in _TOKENS}


@dataclass(frozen=True)
class DateFormat:
    """One format, ready to read. Make it with `date_format`."""

    text: str
    pattern: re.Pattern[str]
    has_time: bool

    def read(self, text: str) -> datetime | None:
        """The local date and time in the text; None when it has another form or is no date."""
        found = self.pattern.fullmatch(text)
        if found is None:
            return None
        parts = found.groupdict()
        year = int(parts["year"]) if "year" in parts else _full_year(int(parts["short_year"]))
        if "month_name" in parts:
            name = parts["month_name"].lower()
            if name not in _MONTHS:
                return None
            month = _MONTHS.index(name) + 1
        else:
            month = int(parts["month"])
        try:
            return datetime(  # noqa: DTZ001 a local time: the mapping's zone makes it a moment
                year,
                month,
                int(parts["day"]),
                int(parts.get("hour", 0)),
                int(parts.get("minute", 0)),
                int(parts.get("second", 0)),
                int(parts.get("fraction", "0")[:3].ljust(3, "0")) * 1_000,
            )
        except ValueError:
            return None


def _full_year(short: int) -> int:
    return 1900 + short if short >= _PIVOT else 2000 + short


def date_format(text: str) -> DateFormat:
    """The format that the text describes; ValueError says what it lacks or has twice."""
    parts: list[str] = []
    pattern, end = "", 0
    for token in _TOKEN.finditer(text):
        part, digits = _PARTS[token.group()]
        parts.append(part)
        pattern += re.escape(text[end : token.start()]) + f"(?P<{part}>{digits})"
        end = token.end()
    for names in (("year", "short_year"), ("month", "month_name"), ("day",)):
        if sum(parts.count(name) for name in names) != 1:
            raise ValueError(
                f"date format {text!r} must have one {names[0]}; "
                "tokens are YYYY YY MMM MM M DD D hh mm ss fff"
            )
    if any(parts.count(name) > 1 for name in ("hour", "minute", "second", "fraction")):
        raise ValueError(f"date format {text!r} has a token of the time twice")
    return DateFormat(text, re.compile(pattern + re.escape(text[end:]), re.ASCII), "hour" in parts)
