"""Times, amounts and names as the demo shows them: short, for a screen that changes."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.amounts import CURRENCY_DIGITS, money_text
from alerts.texts import counted
from schemas.records import Alert, AlertState, Severity, Standing
from schemas.stock_records import StockStanding
from schemas.units import UtcMillis, instant
from streams.demo.board import Answered

SEVERITY_STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.MAJOR: "bold red",
    Severity.WARNING: "yellow",
    Severity.INFO: "cyan",
}
STANDING_STYLES = {
    Standing.LATE: "bold red",
    Standing.AT_RISK: "yellow",
    Standing.BLIND: "magenta",
    Standing.UNKNOWN: "dim",
    Standing.ON_TIME: "green",
}
"""The standings of lines that have not ended, the worst first."""

STANDING_WORDS = {
    Standing.LATE: "late",
    Standing.AT_RISK: "at risk",
    Standing.BLIND: "blind",
    Standing.UNKNOWN: "no promise yet",
    Standing.ON_TIME: "on time",
}
STOCK_STYLES = {
    StockStanding.SHORT: "bold red",
    StockStanding.LOW: "yellow",
    StockStanding.BLIND: "magenta",
    StockStanding.UNKNOWN: "dim",
    StockStanding.OVER: "cyan",
    StockStanding.ENOUGH: "green",
}
_SCALES = ((1_000_000_000, "bn"), (1_000_000, "M"), (1_000, "k"))


def moment(at: UtcMillis) -> str:
    """Fri 2026-02-13 04:00."""
    return instant(at).strftime("%a %Y-%m-%d %H:%M")


def short_moment(at: UtcMillis) -> str:
    """02-13 04:00."""
    return instant(at).strftime("%m-%d %H:%M")


def stopwatch(seconds: float) -> str:
    """0:07, 1:00."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def short_money(value_minor: int, currency: str) -> str:
    """1.2 M, 830 k, 12: rounded, without its currency."""
    value = value_minor / 10 ** CURRENCY_DIGITS.get(currency, 2)
    for scale, name in _SCALES:
        # 999,950 reads 1.0 M, not 1,000 k.
        if value >= scale * 0.9995:
            shown = value / scale
            return f"{shown:.0f} {name}" if shown >= 99.95 else f"{shown:.1f} {name}"
    return f"{value:.0f}"


def short_values(values: Mapping[str, int]) -> str:
    """1.2 M EUR + 30 k USD; each currency by itself, never added up."""
    return " + ".join(
        f"{short_money(value, currency)} {currency}" for currency, value in values.items() if value
    )


def stock_words(counts: Mapping[StockStanding, int]) -> str:
    """1 short, 2 low, 13 enough."""
    return ", ".join(f"{count} {standing.value}" for standing, count in counts.items()) or "none"


def owed_words(values: Mapping[str, int], held: int) -> str:
    """1.2 M EUR to be paid, 3 lines held; of lines, those that may not go until money comes."""
    return f"{short_values(values) or 'nothing'} to be paid, {counted(held, 'line')} held"


def answered_words(answered: Answered) -> str:
    """27 lines, at last ACME/4711#10 by BOLTS; of lines that stand as a partner answered."""
    last = f", at last {answered.newest} by {answered.party}" if answered.newest else ""
    return f"{counted(answered.lines, 'line')}{last}"


def pace(speed: float) -> str:
    """How fast time runs: a day every 1.5 s."""
    if speed < 1:
        return "time stands still"
    seconds = 86_400 / speed
    return f"a day every {seconds:.1f} s" if seconds >= 0.1 else f"{1 / seconds:.0f} days a second"


def what_happened(alert: Alert) -> str:
    """opened, reopened, resolved."""
    if alert.state is AlertState.RESOLVED:
        return "resolved"
    return "opened" if alert.episode == 1 else "reopened"


def at_stake(alert: Alert) -> str:
    """What the alert puts at stake, of whom, and until when: 1,200.00 EUR, due 2026-04-12."""
    parts = []
    if alert.value_at_risk:
        parts.append(f"{money_text(alert.value_at_risk)} at risk")
    if alert.due_at is not None:
        parts.append(f"due {alert.due_at:%Y-%m-%d}")
    if alert.accounts:
        noun = "account" if len(alert.accounts) == 1 else "accounts"
        parts.append(f"{noun} {', '.join(alert.accounts)}")
    return ", ".join(parts)


def days(span_ms: UtcMillis) -> str:
    """1 day, 40 days."""
    whole = round(span_ms / 86_400_000)
    return "1 day" if whole == 1 else f"{whole} days"
