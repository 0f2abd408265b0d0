"""The SCMS figures by the standard library alone: imports nothing of Slipwatch, on purpose."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

DATE_STYLES = {
    r"\d{1,2}-[A-Z][a-z]{2}-\d{2}": "%d-%b-%y",
    r"\d{1,2}/\d{1,2}/\d{4}": "%m/%d/%Y",
    r"\d{1,2}/\d{1,2}/\d{2}": "%m/%d/%y",
}
DATE_SENTINELS = {"Date Not Captured", "N/A - From RDC", "Pre-PQ Process"}
DATE_COLUMNS = (
    "PQ First Sent to Client Date",
    "PO Sent to Vendor Date",
    "Scheduled Delivery Date",
    "Delivered to Client Date",
    "Delivery Recorded Date",
)
POINTER = re.compile(r"See \S+ \(ID#:(\d+)\)")


@dataclass(frozen=True)
class ScmsFigures:
    """What the file says, counted row by row."""

    rows: int
    late: int
    early: int
    on_time: int
    recorded_later: int
    styles: Counter[str]
    sentinels: Counter[str]
    sentinels_in_use: Counter[str]
    """Without those of the quotation where the date of the order is known: nobody asks for them."""
    pointers: int
    dangling: int
    value_minor: int


def read_date(text: str) -> date | None:
    """The date in the cell; None for anything else."""
    for pattern, form in DATE_STYLES.items():
        if re.fullmatch(pattern, text):
            return datetime.strptime(text, form).date()  # noqa: DTZ007 a date has no zone
    return None


def figures(path: Path) -> ScmsFigures:
    """The figures of the file."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    timing: Counter[str] = Counter()
    styles: Counter[str] = Counter()
    sentinels: Counter[str] = Counter()
    sentinels_in_use: Counter[str] = Counter()
    targets: list[str] = []
    recorded_later = value_minor = 0
    for row in rows:
        promised, delivered, recorded = (read_date(row[name]) for name in DATE_COLUMNS[2:])
        assert promised is not None
        assert delivered is not None
        assert recorded is not None
        timing["late" if delivered > promised else "early" if delivered < promised else "on"] += 1
        recorded_later += recorded > delivered
        for name in DATE_COLUMNS:
            for pattern in DATE_STYLES:
                styles[pattern] += re.fullmatch(pattern, row[name]) is not None
            sentinels[row[name]] += row[name] in DATE_SENTINELS
        for name in DATE_COLUMNS[1:]:
            sentinels_in_use[row[name]] += row[name] in DATE_SENTINELS
        if read_date(row[DATE_COLUMNS[1]]) is None:
            sentinels_in_use[row[DATE_COLUMNS[0]]] += row[DATE_COLUMNS[0]] in DATE_SENTINELS
        for name in ("Weight (Kilograms)", "Freight Cost (USD)"):
            targets += POINTER.findall(row[name])
        value_minor += round(float(row["Line Item Value"]) * 100)
    known = {row["ID"] for row in rows}
    return ScmsFigures(
        rows=len(rows),
        late=timing["late"],
        early=timing["early"],
        on_time=timing["on"],
        recorded_later=recorded_later,
        styles=+styles,
        sentinels=+sentinels,
        sentinels_in_use=+sentinels_in_use,
        pointers=len(targets),
        dangling=sum(target not in known for target in targets),
        value_minor=value_minor,
    )
