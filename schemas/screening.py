"""Screening: which facts of a batch in columns `validation.check` has to look at one by one.

A fact is refused for a value by itself (a time in 2150, a text with a space before it) or for which
of its fields are given (no item in a `placed`). So a batch is screened in two steps, each far
cheaper than `check`:

1. Every value is held against bounds that are at least as strict as those of `check`, column by
   column. What lies outside is looked at.
2. Among the others, of all facts of one kind with the same fields given one is checked, in the
   place of all: no rule but those of 1 could tell them apart. If it is refused, all are looked at.

`check` stays the only place that refuses, and the only one that says why. A rule that is added
there, and depends on a value, needs its bound here; a property test holds the two together.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import polars as pl

from schemas import limits
from schemas.bulk import decode_decimal
from schemas.facts import Fact, Family
from schemas.units import QUANTITY_MAX, TIME_MAX, TIME_MIN
from schemas.validation import SITES_OF_STOCK, TEXT_FIELDS, check
from schemas.value_checks import DAY_MAX, DAY_MIN, TEXT_LENGTHS_MAX

SCREEN_MIN = 400
"""Fewer facts are checked one by one: asking polars costs 1 ms before any."""

_BOUNDS = {
    "occurred_at": (TIME_MIN, TIME_MAX),
    "recorded_at": (TIME_MIN, TIME_MAX),
    "requested_at": (TIME_MIN, TIME_MAX),
    "promised_at": (TIME_MIN, TIME_MAX),
    "eta_at": (TIME_MIN, TIME_MAX),
    "complete_to": (TIME_MIN, TIME_MAX),
    "requested_on": (DAY_MIN, DAY_MAX),
    "promised_on": (DAY_MIN, DAY_MAX),
    "eta_on": (DAY_MIN, DAY_MAX),
    "value_minor": (0, limits.VALUE_MINOR_MAX),
    "schedule": (1, limits.SCHEDULES_PER_LINE_MAX),
    "stop": (1, limits.STOPS_PER_SHIPMENT_MAX),
    "price_minor": (0, limits.VALUE_MINOR_MAX),
    "net_days": (0, limits.NET_DAYS_MAX),
    "due_on": (DAY_MIN, DAY_MAX),
    "due_at": (TIME_MIN, TIME_MAX),
}
_QUANTITIES = ("quantity", "short", "over", "damaged", "price_per")
_NUMBERS = (
    "order_ref",
    "supplier_ref",
    "shipment_ref",
    "carrier_ref",
    "invoice_ref",
    "payment_ref",
    "transfer_ref",
)
_PARTS_OF_IDS = ("order_ref", "supplier_ref", "line", "supplier_line")
_ANY_VALUE = frozenset({"kind", "resolved"})
"""`kind` belongs to the second step, and of a boolean any value will do."""

_SEPARATOR = "|"


def find_doubtful(family: Family, columns: pl.DataFrame, facts: Sequence[Fact]) -> list[int]:
    """The places of the facts that `check` may refuse; it passes all others.

    `columns` are what the facts were made of. About 0.3 µs a fact.
    """
    present = [name for name in columns.columns if columns[name].null_count() < len(facts)]
    partly = [name for name in present if columns[name].null_count()]
    screened = columns.with_row_index("place").select(
        "place", "kind", *_plan(family, tuple(present), tuple(partly))
    )
    outside = {
        *_find_transfers(family, columns, present),
        *_find_odd_quantities(columns, present),
        *_find_odd_texts(family, columns, present),
        *screened.filter(~pl.col("is_inside"))["place"],
    }
    if outside:
        screened = screened.filter(~pl.col("place").is_in(list(outside)))
    return sorted(outside.union(_find_odd_shapes(screened, facts)))


def _find_odd_shapes(screened: pl.DataFrame, facts: Sequence[Fact]) -> Iterable[int]:
    """The places of facts whose kind and fields do not go together."""
    firsts = screened.unique(subset=["kind", "given"], keep="first")
    odd = [place for place in firsts["place"] if check(facts[place]) is not None]
    if not odd:
        return ()
    shapes = firsts.filter(pl.col("place").is_in(odd))
    return screened.join(shapes, on=["kind", "given"], how="semi")["place"]


@functools.lru_cache(maxsize=256)
def _plan(family: Family, present: tuple[str, ...], partly: tuple[str, ...]) -> list[pl.Expr]:
    """`is_inside`, of the first step without quantities; `given`, a bit for each field."""
    inside = [bound for name in present if (bound := _bound(family, name)) is not None]
    given = [pl.col(name).is_not_null().cast(pl.UInt32) * (1 << n) for n, name in enumerate(partly)]
    return [
        pl.all_horizontal(inside).fill_null(True).alias("is_inside"),
        pl.sum_horizontal(pl.lit(0, pl.UInt32), *given).alias("given"),
    ]


def _bound(family: Family, name: str) -> pl.Expr | None:
    column = pl.col(name)
    if name in _BOUNDS:
        return column.is_between(*_BOUNDS[name])
    if name in _QUANTITIES or name in _ANY_VALUE:
        return None
    if name == "currency":
        return column.str.contains("^[A-Z]{3}$")
    if name == "family":
        return column.is_in(list(Family))
    if name not in TEXT_FIELDS[family]:
        raise LookupError(f"{name} of {family} has no bound here")
    # A character takes a byte at least.
    length_max = TEXT_LENGTHS_MAX.get(name, limits.REFERENCE_LENGTH_MAX)
    bound = column.str.len_bytes().is_between(1, length_max)
    return bound & column.str.contains("/", literal=True) if name in _NUMBERS else bound


def _find_odd_quantities(columns: pl.DataFrame, present: Iterable[str]) -> list[int]:
    places: list[int] = []
    for name in _QUANTITIES:
        if name in present:
            raws = columns[name].drop_nulls().unique()
            odd = [raw for raw in raws if not 1 <= decode_decimal(raw) <= QUANTITY_MAX]
            if odd:
                places += columns[name].is_in(odd).fill_null(False).arg_true().to_list()
    return places


def _find_transfers(family: Family, columns: pl.DataFrame, present: Iterable[str]) -> list[int]:
    """The places of stock facts that name one site twice."""
    if family is not Family.INVENTORY or "site" not in present:
        return []
    twice = [columns[name] == columns["site"] for name in SITES_OF_STOCK[1:] if name in present]
    return [place for each in twice for place in each.fill_null(False).arg_true()]


def _find_odd_texts(family: Family, columns: pl.DataFrame, present: Iterable[str]) -> list[int]:
    """The places of texts that are not plain, all values of a column looked at in one text."""
    names = [name for name in TEXT_FIELDS[family] if name in present]
    joined = columns.select(pl.col(names).str.join(_SEPARATOR)).row(0, named=True)
    places: list[int] = []
    for name, text in joined.items():
        if not _is_plain(name, text):
            values = enumerate(columns[name])
            places += [n for n, each in values if each is not None and not _is_plain(name, each)]
    return places


def _is_plain(name: str, text: str) -> bool:
    """Whether a text, or each of several with separators between them, is surely sound but for
    its length: printable, no space at either end, and as a number with something round its
    slashes."""
    if not text.isprintable():
        return False
    if " " in text and name != "reason" and not _has(text, " ", _SEPARATOR):
        return False
    if (name in _PARTS_OF_IDS and "#" in text) or (name in SITES_OF_STOCK and "@" in text):
        return False
    return name not in _NUMBERS or (_has(text, "/", _SEPARATOR) and _has(text, "/", " "))


def _has(text: str, mark: str, beside: str) -> bool:
    """Whether the mark is never at an end of the text, nor next to `beside`."""
    return (
        text[:1] != mark
        and text[-1:] != mark
        and beside + mark not in text
        and mark + beside not in text
    )
