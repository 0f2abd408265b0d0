"""What every command is given: the settings, where to print, and how to refuse."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec
from rich.console import Console

from streams.exits import Exit

if TYPE_CHECKING:
    from streams.config import Loaded
    from streams.engine.log import Log
    from streams.settings import LogLevel, Settings

PIPE_COLUMNS = 160


class Refused(click.ClickException):
    """A command that cannot be done; one line on standard error, and the exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.exit_code = int(code)

    def show(self, file: Any = None) -> None:
        """Every line of the message, each with the program's name before it."""
        for line in self.format_message().splitlines():
            click.echo(f"slipwatch: {line}", file=file or sys.stderr)


@dataclass
class Session:
    """One invocation. `loaded` reads the configuration at the first use, so that `--help` and
    commands that need none work without one."""

    config_file: Path | None = None
    _loaded: Loaded | None = field(default=None, repr=False)

    @property
    def loaded(self) -> Loaded:
        """The settings with their origins; raises ConfigurationError."""
        from streams.config import load

        if self._loaded is None:
            self._loaded = load(self.config_file)
            for warning in self._loaded.warnings:
                click.echo(f"slipwatch: warning: {warning}", err=True)
        return self._loaded

    @property
    def settings(self) -> Settings:
        """The settings; raises ConfigurationError."""
        return self.loaded.settings

    def start_logs(self, level: LogLevel | None = None) -> None:
        """Send logs to standard error, as the settings say."""
        from streams.logs import set_up_logs
        from streams.settings import LogSettings

        log = self.settings.log
        set_up_logs(log if level is None else LogSettings(level=level, format=log.format))

    @contextmanager
    def log(self) -> Iterator[Log]:
        """A connection to the log; raises BrokerUnreachable as soon as the settings allow."""
        from streams.broker.topics import TopicAdmin
        from streams.clients import kafka_log

        TopicAdmin(self.settings.kafka).reach()
        log = kafka_log(self.settings)
        try:
            yield log
        finally:
            log.close()


pass_session = click.make_pass_decorator(Session)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines instead of text."
)


def console() -> Console:
    """Where tables go. Without a terminal they are as wide as COLUMNS says, else 160, for files
    and pipes."""
    return Console(file=sys.stdout, width=_width(), highlight=False)


def _width() -> int | None:
    """None leaves it to the terminal, and to COLUMNS."""
    stated = os.environ.get("COLUMNS", "")
    if sys.stdout.isatty():
        return None
    return int(stated) if stated.isdecimal() and int(stated) else PIPE_COLUMNS


def print_json(value: object) -> None:
    """The value as indented JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode("utf-8"))


def finish(code: Exit) -> NoReturn:
    """End the command with the code."""
    raise click.exceptions.Exit(int(code))
