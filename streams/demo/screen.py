"""The demo as a screen that moves: what is at stake, what was found, and how fast it goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from alerts.texts import counted
from schemas.records import Alert, AlertState, Severity
from schemas.units import millis
from streams.demo.board import Board
from streams.demo.scene import Scene
from streams.demo.spotlight import Spotlight
from streams.demo.words import (
    SEVERITY_STYLES,
    STANDING_STYLES,
    STANDING_WORDS,
    STOCK_STYLES,
    answered_words,
    at_stake,
    moment,
    owed_words,
    pace,
    short_moment,
    short_money,
    stopwatch,
    what_happened,
)

WIDTH_MIN, HEIGHT_MIN = 72, 20
LARGE_MAX = 4
LISTED_MIN = 6
"""Lines of the list below that stay free of alerts shown large."""

LARGE_LINES = 6
"""Lines that an alert shown large takes at most, with the one below it."""

_MARKS = {"opened": ("▲", "red"), "reopened": ("▲", "red"), "resolved": ("✓", "green")}


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
        self._spotlight.take(scene.news)
        self._live.update(draw(scene, self._spotlight, self._console), refresh=True)

    def close(self) -> None:
        """Gives the terminal back."""
        self._live.stop()


def draw(scene: Scene, spotlight: Spotlight, console: Console) -> RenderableType:
    """The whole screen, as large as the console is."""
    width, height = console.size
    head: list[RenderableType] = [
        _title(scene, width),
        Columns([ProgressBar(scene.options.seconds, scene.elapsed_seconds, width - 1)]),
        _columns(_stakes(scene), _flow(scene), width),
        _severities(scene),
        Rule(style="dim"),
    ]
    foot = Text("Ctrl-C ends it", "dim", no_wrap=True, overflow="ellipsis")
    if scene.view_address:
        foot.append(f"; the view answers at {scene.view_address}")
    below = height - sum(_height(console, each) for each in head) - 2
    places = max(1, min(LARGE_MAX, (below - LISTED_MIN) // LARGE_LINES))
    large = [
        _large(scene.board.alerts.get(alert.alert_id, alert))
        for alert in spotlight.choose(places, scene.clock_seconds)
    ]
    listed = max(0, below - sum(_height(console, each) for each in large))
    lines = list(_ticker(list(spotlight.ticker)[:listed]))
    lines += [Text("")] * (listed - len(lines))
    return Group(*head, *large, Rule("newest", style="dim", align="left"), *lines, foot)


def _height(console: Console, part: RenderableType) -> int:
    return len(console.render_lines(part, pad=False))


def _title(scene: Scene, width: int) -> RenderableType:
    left = Text.assemble(("Slipwatch", "bold cyan"), " demo   ")
    if scene.note:
        left.append(scene.note, "bold yellow")
    else:
        left.append(f"{moment(scene.now)} UTC", "bold")
        left.append(f"   {pace(scene.speed)}", "dim")
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


def _flow(scene: Scene) -> RenderableType:
    """What lies and is owed, what comes in and goes out, and which sources are blind."""
    board = scene.board
    owed = board.owed()
    blind = sorted(feed.source for feed in board.feeds.values() if feed.blind)
    shown = Text(", ".join(blind), "bold magenta") if blind else Text("none", "green")
    rows = [
        ("feeds", Text(f"{len(board.feeds)}, blind: ").append_text(shown)),
        ("stock", _stock(board)),
        ("money", Text(owed_words(owed.values, owed.held))),
        ("answers", Text(answered_words(board.answered()))),
        ("facts", Text(f"{scene.facts:,}, {scene.facts_per_second:,} a second")),
        ("ticks", Text(f"{board.done:,}, {scene.ticks_per_second:.1f} a second")),
        ("notified", Text(f"{len(board.notified):,}, {board.delivered:,} delivered")),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=8)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _stock(board: Board) -> Text:
    """How many stock nodes stand in each way."""
    parts: list[Text] = []
    for standing, count in board.stock().items():
        parts.append(Text(f"{count} {standing.value}", STOCK_STYLES[standing]))
    return Text(", ").join(parts) if parts else Text("none")


def _severities(scene: Scene) -> RenderableType:
    board = scene.board
    counts = dict.fromkeys(Severity, 0)
    for alert in board.open_alerts:
        counts[alert.severity] += 1
    text = Text.assemble((f"{counted(sum(counts.values()), 'alert')} open", "bold"), "  ")
    for severity in reversed(Severity):
        if counts[severity]:
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
    grid.add_column(style="dim", no_wrap=True, min_width=5)
    grid.add_column(overflow="ellipsis")
    grid.add_row("stake", at_stake(alert) or "-")
    grid.add_row("cause", alert.cause)
    grid.add_row("next", Text(alert.next_step, "cyan"))
    head.no_wrap, head.overflow = True, "ellipsis"
    return Group(head, Padding(grid, (0, 0, 1, 2)))


def _ticker(alerts: Sequence[Alert]) -> Iterator[RenderableType]:
    """A line for each: when, what happened, what is wrong, with what."""
    for alert in alerts:
        happened = what_happened(alert)
        mark, style = _MARKS[happened]
        is_over = happened == "resolved"
        word = "resolved" if is_over else alert.severity.value
        name, _, wrong = alert.title.partition(": ")
        text = Text.assemble(
            (f"{short_moment(millis(alert.updated_at))} ", "dim"),
            (f"{mark} ", style),
            (f"{word:<9}", style if is_over else SEVERITY_STYLES[alert.severity]),
            (wrong or name, "dim" if is_over else ""),
            (f"  {name}" if wrong else "", "dim"),
        )
        text.no_wrap, text.overflow = True, "ellipsis"
        yield text
