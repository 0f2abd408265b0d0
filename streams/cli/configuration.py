"""`slipwatch config`: the settings and where each came from."""

from __future__ import annotations

import click
from rich.table import Table

from streams.cli.session import Session, console, json_option, pass_session, print_json
from streams.config import show


@click.group()
def config() -> None:
    """Show the configuration.

    \b
    Examples:
      slipwatch config show
      slipwatch --config chain.toml config show --json
      SLIPWATCH_ENGINE__TICK_MS=250 slipwatch config show
    """


@config.command("show")
@json_option
@click.option("--changed", is_flag=True, help="Only what is not the default.")
@pass_session
def show_config(session: Session, as_json: bool, changed: bool) -> None:
    """Show every setting, its value and where it came from. Secrets are masked.

    The environment goes before the file, the file before the defaults.
    """
    values = [value for value in show(session.loaded) if not changed or value.origin != "default"]
    if as_json:
        print_json(
            {
                "file": str(session.loaded.file) if session.loaded.file else None,
                "settings": {
                    value.name: {"value": value.value, "origin": value.origin} for value in values
                },
                "warnings": session.loaded.warnings,
            }
        )
        return
    table = Table()
    for column in ("setting", "value", "from", "what it is"):
        table.add_column(column, overflow="fold")
    for value in values:
        shown = "" if value.value is None else str(value.value)
        table.add_row(value.name, shown, value.origin, value.says)
    console().print(table)
