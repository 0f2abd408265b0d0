"""Amounts of money as people read them: 12,345.60 EUR."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.records import Money
from schemas.units import QUANTITY_SCALE, decimal


def money_text(money: Sequence[Money]) -> str:
    """12,345.60 EUR and 800 JPY; each currency by itself."""
    shown = []
    for each in money:
        digits = CURRENCY_DIGITS.get(each.currency, 2)
        value = decimal(each.value_minor * 10 ** (QUANTITY_SCALE - digits))
        shown.append(f"{value:,.{digits}f} {each.currency}")
    return " and ".join(shown)


CURRENCY_DIGITS = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""Minor digits of currencies that have not two, from ISO 4217."""


def amount_text(value_minor: int | str | None, currency: int | str | None) -> str:
    """12,345.60 EUR; "an unknown amount" without an amount or a currency."""
    if not isinstance(value_minor, int) or not isinstance(currency, str):
        return "an unknown amount"
    sign = "-" if value_minor < 0 else ""
    return sign + money_text((Money(value_minor=abs(value_minor), currency=currency),))
