"""The demo as a screen that moves: what is at stake, what was found, and how fast it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from schemas.records import Alert, AlertState, Severity
from schemas.units import millis
from streams.demo.scene import Scene
from streams.demo.spotlight import Spotlight
from streams.demo.words import (
    SEVERITY_STYLES,
    STANDING_STYLES,
    STANDING_WORDS,
    at_stake,
    moment,
    pace,
    short_moment,
    short_money,
    stopwatch,
    what_happened,
)

WIDTH_MIN, HEIGHT_MIN = 72, 20
HEAD_LINES = 11
"""Lines above the alerts: title, bar, the tables, the count of alerts, two rules."""

LARGE_LINES = 5
"""Lines of an alert that is shown large, with the one below it."""

_MARKS = {"opened": ("▲", "red"), "reopened": ("▲", "red"), "resolved": ("✓", "green")}
_WIDE_COLUMNS = 110


class LiveScreen:
    """Draws on the whole terminal, and gives it back as it was."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spotlight = Spotlight()
        self._live = Live(console=console, screen=True, auto_refresh=False)

    @staticmethod
    def fits(console: Console) -> bool:
        """Whether the terminal is large enough."""
        return console.width >= WIDTH_MIN and console.height >= HEIGHT_MIN

    def prepare(self, what: str) -> None:
        """Says what is being started."""
        self._live.start()
        self._live.update(Padding(Text(f"{what} ...", style="bold"), (1, 2)), refresh=True)

    def show(self, scene: Scene) -> None:
        """Draws the moment."""
        size = self._console.size
        self._spotlight.take(scene.news)
        self._live.update(draw(scene, self._spotlight, size.width, size.height), refresh=True)

    def close(self) -> None:
        """Gives the terminal back."""
        self._live.stop()


def draw(scene: Scene, spotlight: Spotlight, width: int, height: int) -> RenderableType:
    """The whole screen, in at most so many lines."""
    below = height - HEAD_LINES
    places = max(1, min(4, below // 2 // LARGE_LINES))
    large = spotlight.choose(places, scene.clock_seconds)
    listed = max(0, below - len(large) * LARGE_LINES - 1)
    parts: list[RenderableType] = [
        _title(scene, width),
        ProgressBar(scene.options.seconds, scene.elapsed_seconds, width, complete_style="cyan"),
        _columns(_stakes(scene), _flow(scene, width), width),
        _severities(scene),
        Rule(style="dim"),
    ]
    parts.extend(_large(scene.board.alerts.get(alert.alert_id, alert)) for alert in large)
    parts.append(Rule("newest", style="dim", align="left"))
    parts.extend(_ticker(list(spotlight.ticker)[:listed]))
    return Group(*parts)


def _title(scene: Scene, width: int) -> RenderableType:
    left = Text.assemble(("Slipwatch", "bold cyan"), " demo   ")
    if scene.note:
        left.append(scene.note, "bold yellow")
    else:
        left.append(f"{moment(scene.now)} UTC", "bold")
        left.append(f"   {pace(scene.options.speed)}", "dim")
    elapsed, seconds = stopwatch(scene.elapsed_seconds), stopwatch(scene.options.seconds)
    return _ends(left, Text(f"{elapsed} of {seconds}"), width)


def _ends(left: Text, right: Text, width: int) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.width = width
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(left, right)
    return grid


def _columns(left: RenderableType, right: RenderableType, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    grid.width = width
    grid.add_column()
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return grid


def _stakes(scene: Scene) -> RenderableType:
    """Order lines of which something is to come: how they stand, and what they are worth."""
    stakes = scene.board.stakes()
    currencies = sorted({currency for each in stakes.values() for currency in each.values})
    table = Table.grid(padding=(0, 2))
    table.add_column()
    for _ in range(1 + len(currencies)):
        table.add_column(justify="right", no_wrap=True)
    table.add_row(*(Text(each, "dim") for each in ("promises", "lines", *currencies)))
    for standing, style in STANDING_STYLES.items():
        stake = stakes[standing]
        table.add_row(
            Text(STANDING_WORDS[standing], style),
            Text(f"{stake.lines:,}", style),
            *(
                Text(short_money(stake.values[each], each) if each in stake.values else "-", style)
                for each in currencies
            ),
        )
    return table


def _flow(scene: Scene, width: int) -> RenderableType:
    """What comes in and goes out, and which sources are blind."""
    board = scene.board
    blind = sorted(feed.source for feed in board.feeds.values() if feed.blind)
    shown = Text(", ".join(blind), "bold magenta") if blind else Text("none", "green")
    rows = [
        ("feeds", Text(f"{len(board.feeds)}, blind: ").append_text(shown)),
        ("facts", Text(f"{scene.facts:,}, {scene.facts_per_second:,} a second")),
        ("ticks", Text(f"{board.done:,}, {scene.ticks_per_second:.1f} a second")),
        ("told", Text(f"{len(board.notified):,}, {board.delivered:,} delivered")),
    ]
    if scene.view_address:
        rows.append(("view", Text(scene.view_address)))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row("", "") if width >= _WIDE_COLUMNS else None
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _severities(scene: Scene) -> RenderableType:
    board = scene.board
    counts = dict.fromkeys(Severity, 0)
    for alert in board.open_alerts:
        counts[alert.severity] += 1
    text = Text.assemble((f"{sum(counts.values())} alerts open", "bold"), "  ")
    for severity in reversed(Severity):
        text.append(f" {counts[severity]} {severity.value} ", SEVERITY_STYLES[severity])
    resolved = sum(alert.state is AlertState.RESOLVED for alert in board.alerts.values())
    text.append(f"  {resolved} resolved", "green")
    return text


def _large(alert: Alert) -> RenderableType:
    """One alert to read: what, how much, why, and what to do."""
    head = Text.assemble(
        (f" {alert.severity.value} ", SEVERITY_STYLES[alert.severity]), " ", (alert.title, "bold")
    )
    if alert.state is AlertState.RESOLVED:
        head = Text.assemble((" resolved ", "black on green"), " ", (alert.title, "dim"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row("stake", at_stake(alert) or "-")
    grid.add_row("cause", alert.cause)
    grid.add_row("next", Text(alert.next_step, "cyan"))
    head.no_wrap, head.overflow = True, "ellipsis"
    return Group(head, Padding(grid, (0, 0, 1, 2)))


def _ticker(alerts: Sequence[Alert]) -> Iterator[RenderableType]:
    for alert in alerts:
        mark, style = _MARKS[what_happened(alert)]
        text = Text.assemble(
            (short_moment(millis(alert.updated_at)), "dim"),
            " ",
            (mark, style),
            " ",
            (f"{alert.severity.value:<9}", SEVERITY_STYLES[alert.severity]),
            alert.title,
        )
        if what_happened(alert) == "resolved":
            text = Text.assemble(
                (short_moment(millis(alert.updated_at)), "dim"),
                " ",
                (mark, style),
                " ",
                (f"{'resolved':<9}", "green"),
                (alert.title, "dim"),
            )
        text.no_wrap, text.overflow = True, "ellipsis"
        yield text
