"""How times, money and tables look to people: in the reader's own zone, or in UTC when asked."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Sequence

import click
from rich.table import Table

from alerts.amounts import money_text
from schemas.records import Money
from streams.cli.session import Session, console, json_option, pass_session
from streams.cli.view_client import Answer, ViewClient

SEVERITY_STYLES = {"critical": "bold red", "major": "red", "warning": "yellow", "info": "cyan"}
STANDING_STYLES = {"late": "bold red", "at_risk": "red", "blind": "magenta", "on_time": "green"}


class Reader:
    """Who reads: their zone, and the view that answers them."""

    def __init__(self, session: Session, view_url: str | None, *, utc: bool) -> None:
        self.session = session
        address = view_url or str(session.settings.view_url)
        self.view = ViewClient(address)
        self._zone: dt.tzinfo | None = dt.UTC if utc else None

    def time(self, text: str | None) -> str:
        """A moment as the reader's clock shows it, with its zone; empty for none."""
        if not text:
            return ""
        return dt.datetime.fromisoformat(text).astimezone(self._zone).strftime("%Y-%m-%d %H:%M %Z")

    def as_of(self, answer: Answer) -> str:
        """The line under every answer: which tick it shows."""
        shown = answer["as_of"]
        return f"As of tick {shown['tick']}, {self.time(shown['at'])}."


def asks_view(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all that ask the view, and a `Reader` made of them."""

    @json_option
    @click.option("--view-url", metavar="URL", help="The view to ask. [default: view_url]")
    @click.option("--utc", is_flag=True, help="Show times in UTC, not in your time zone.")
    @pass_session
    @functools.wraps(command)
    def asking(
        session: Session, /, view_url: str | None, utc: bool, **given: str | int | bool | None
    ) -> None:
        command(Reader(session, view_url, utc=utc), **given)

    return asking


def money(values: Iterable[Answer]) -> str:
    """Amounts, each with its currency."""
    shown = tuple(Money(value_minor=v["value_minor"], currency=v["currency"]) for v in values)
    return money_text(shown) if shown else ""


def words(name: str) -> str:
    """A code for people: at_risk is "at risk"."""
    return name.replace("_", " ")


def styled(name: str, styles: dict[str, str]) -> str:
    """The name in its colour, in rich's markup."""
    style = styles.get(name)
    return f"[{style}]{words(name)}[/]" if style else words(name)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table, or "none"; a cell may hold markup, so texts from outside go through
    rich.markup.escape."""
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        console().print(table)
    else:
        console().print(f"{title}: none" if title else "none")


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Names and values, one a line; empty values are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in fields:
        if value:
            grid.add_row(name, value)
    console().print(grid)
