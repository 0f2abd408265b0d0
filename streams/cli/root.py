"""The command line put together: groups, global options, and what each fault means to a caller."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from streams.broker.topics import BrokerUnreachable
from streams.cli import (
    answers,
    audit,
    checks,
    configuration,
    demo,
    facts,
    letters,
    network,
    notices,
    policy,
    processes,
    replay,
    topics,
    why,
)
from streams.cli.session import Refused, Session
from streams.cli.view_client import ViewSaysNo, ViewUnreachable
from streams.config import ConfigurationError
from streams.engine.log import LogError
from streams.exits import EXIT_MEANINGS, Exit

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"{code.value:>5}  {says}" for code, says in EXIT_MEANINGS
)


class Commands(click.Group):
    """A group that turns every fault that we know into one line and its exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Refused(str(error), Exit.CONFIGURATION) from error
        except (BrokerUnreachable, LogError) as error:
            raise Refused(str(error), Exit.BROKER) from error
        except ViewUnreachable as error:
            raise Refused(str(error), Exit.VIEW) from error
        except ViewSaysNo as error:
            lines = [
                error.detail,
                error.next_step,
                *(f"perhaps {each}" for each in error.candidates),
            ]
            raise Refused("\n".join(line for line in lines if line), Exit.FINDINGS) from error


COMMANDS: tuple[click.Command, ...] = (
    processes.worker,
    processes.view,
    demo.demo,
    topics.topics,
    network.network,
    policy.policy,
    facts.send,
    replay.replay,
    audit.audit,
    answers.order,
    answers.alerts,
    why.explain,
    answers.unlinked,
    answers.feeds,
    why.status,
    notices.notifications,
    letters.dead_letters,
    checks.check,
    configuration.config,
)


@click.group(
    cls=Commands,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file. [default: SLIPWATCH_CONFIG, else slipwatch.toml if it is there]",
)
@click.version_option(package_name="slipwatch", message="%(package)s %(version)s")
@click.pass_context
def slipwatch(ctx: click.Context, config_file: Path | None) -> None:
    """Watches every promise in a value chain and tells the right person before it slips.

    \b
    To see it work:        slipwatch demo
    To run it on a broker: slipwatch topics create, then slipwatch worker and slipwatch view
    When something is off: slipwatch check
    """
    ctx.obj = Session(config_file)


def run(arguments: Sequence[str]) -> int:
    """Run the command line with these arguments; the exit code."""
    try:
        code = slipwatch.main(list(arguments), prog_name="slipwatch", standalone_mode=False)
    except click.exceptions.Abort:
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception:  # noqa: BLE001 - the edge of the process: what nobody foresaw gets its code
        traceback.print_exc()
        click.echo("slipwatch: this is a fault of slipwatch itself; see above", err=True)
        return Exit.INTERNAL
    return code if isinstance(code, int) else Exit.OK


PAGE_COLUMNS = 96
PAGE_HEAD = """\
# The command line

`slipwatch COMMAND --help` says the same in the terminal. Commands that people read print tables;
`--json` gives the same for machines. Commands that ask the view take `--view-url` and `--utc`;
without the latter, times are in the zone of whoever reads. This page is made from the commands by
`make docs`.

## Exit codes

"""


def command_page() -> str:
    """docs/cli.md: the exit codes, and each command with its help."""
    codes = ["| code | what it means |", "|---|---|"]
    codes += [f"| {code.value} | {says} |" for code, says in EXIT_MEANINGS]
    parts = [PAGE_HEAD + "\n".join(codes)]
    root = click.Context(slipwatch, info_name="slipwatch", **slipwatch.context_settings)
    for name, command in sorted(slipwatch.commands.items()):
        parts += _described(name, command, root)
    return "\n\n".join(parts) + "\n"


def _described(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent, name, terminal_width=PAGE_COLUMNS)
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for child_name, child in sorted(command.commands.items()):
            yield from _described(child_name, child, context)
