"""Times, amounts and names as the demo shows them: short, for a screen that changes."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.texts import CURRENCY_DIGITS
from schemas.units import UtcMillis, instant

_SCALES = ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k"))


def moment(at: UtcMillis) -> str:
    """Fri 2026-02-13 04:00."""
    return instant(at).strftime("%a %Y-%m-%d %H:%M")


def clock(seconds: float) -> str:
    """0:07, 1:00."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def short_money(value_minor: int, currency: str) -> str:
    """1.2 M, 830 k, 12: rounded, without its currency."""
    value = value_minor / 10 ** CURRENCY_DIGITS.get(currency, 2)
    for scale, name in _SCALES:
        # 999,950 reads 1.0 M, not 1,000 k.
        if value >= scale * 0.99995:
            shown = value / scale
            return f"{shown:.0f} {name}" if shown >= 100 else f"{shown:.1f} {name}"
    return f"{value:.0f}"


def short_values(values: Mapping[str, int]) -> str:
    """1.2 M EUR + 30 k USD; each currency by itself, never added up."""
    return " + ".join(
        f"{short_money(value, currency)} {currency}" for currency, value in values.items() if value
    )


def every(speed: float) -> str:
    """How fast time runs: a day every 1.5 s."""
    seconds = 86_400 / speed
    return f"a day every {seconds:.2g} s" if seconds >= 0.1 else f"{1 / seconds:.0f} days a second"
