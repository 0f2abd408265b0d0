"""The command line put together: groups, global options, and what each fault means to a caller."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.utils import make_default_short_help

from streams.cli.session import Refused, Session
from streams.exits import EXIT_MEANINGS, Exit

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(
    f"{code.value:>5}  {says}" for code, says in EXIT_MEANINGS
)


class Listed(NamedTuple):
    """A command: its name, the module that holds it under that name, and its short help."""

    name: str
    module: str
    says: str


COMMANDS: tuple[Listed, ...] = (
    Listed(
        "worker",
        "streams.cli.processes",
        "Run a worker: the engine, delivery, and /health, /ready and /metrics over HTTP.",
    ),
    Listed(
        "view",
        "streams.cli.processes",
        "Run the view: it follows the topics and answers people over HTTP, as of one tick.",
    ),
    Listed(
        "door",
        "streams.cli.door",
        "Take facts in over HTTP and from folders, and say who may tell them.",
    ),
    Listed("demo", "streams.cli.demo", "Watch slips being caught in a moving, simulated chain."),
    Listed(
        "topics",
        "streams.cli.topics",
        "List the topics, check them on the broker, create those that are missing.",
    ),
    Listed(
        "network",
        "streams.cli.network",
        "Check, publish and show the network: parties, sites, items, lanes, accounts.",
    ),
    Listed(
        "policy",
        "streams.cli.policy",
        "Check, publish and show the policy: thresholds, tolerances, recipients.",
    ),
    Listed(
        "send",
        "streams.cli.facts",
        "Check the facts in FILE (JSON objects, one a line; - is standard input) and publish them.",
    ),
    Listed(
        "replay",
        "streams.cli.replay",
        "Tell recorded facts to the local engine again, and show what it would have alerted.",
    ),
    Listed(
        "audit",
        "streams.cli.audit",
        "Compute anew what every recorded tick should have said, and compare it with what was "
        "said.",
    ),
    Listed(
        "rebuild",
        "streams.cli.rebuild",
        "Make all state anew from the recorded facts and ticks.",
    ),
    Listed("order", "streams.cli.answers", "Show how orders stand."),
    Listed("stock", "streams.cli.stock", "List and show stock nodes: an item at a site."),
    Listed(
        "promise",
        "streams.cli.promise",
        "Say for when QTY of ITEM could be promised at SITE, from where, and how sure that is.",
    ),
    Listed("alerts", "streams.cli.answers", "List and show alerts."),
    Listed(
        "explain",
        "streams.cli.why",
        "Explain a line, stock node, alert, notification or feed: facts with sources, promises, "
        "what each rule says with its figures (also why it is silent), and who was told what and "
        "when.",
    ),
    Listed("unlinked", "streams.cli.unlinked", "List numbers that stand for no order line yet."),
    Listed("feeds", "streams.cli.answers", "List the sources of facts."),
    Listed(
        "status",
        "streams.cli.why",
        "Show how far time has come, what holds it back, and what needs a person.",
    ),
    Listed(
        "notifications",
        "streams.cli.notices",
        "List notifications and how their deliveries stand; send a parked one anew.",
    ),
    Listed(
        "dead-letters",
        "streams.cli.letters",
        "List and show records that could not be used, and send them again after a fix.",
    ),
    Listed(
        "partners",
        "streams.cli.partners",
        "Let parties of the chain read their own order status from Apache Kafka, and nothing else, "
        "or have it sent to an address of their own.",
    ),
    Listed(
        "schemas",
        "streams.cli.schemas",
        "List the ids of a schema registry that are known; register our schemas in it.",
    ),
    Listed(
        "shadow",
        "streams.cli.shadow",
        "Say what would have been told while nobody is, and how good the feeds are.",
    ),
    Listed(
        "check",
        "streams.cli.checks",
        "Check configuration, broker, topics, network, policy, registry and view; say what to do.",
    ),
    Listed("config", "streams.cli.configuration", "Show the configuration."),
)
"""What there is, said without importing it: each command brings in what only it needs."""


class Commands(click.Group):
    """A group that imports a command when it is asked for, and turns every fault that we know into
    one line and its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, sorted."""
        return sorted(each.name for each in COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, with its module imported."""
        for each in COMMANDS:
            if each.name == cmd_name:
                module = importlib.import_module(each.module)
                command: click.Command = getattr(module, cmd_name.replace("-", "_"))
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The names with their short help, without importing any."""
        room = formatter.width - 6 - max(len(each.name) for each in COMMANDS)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, make_default_short_help(says, room)) for name, _, says in sorted(COMMANDS)]
            )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            refused = _refusal(error)
            if refused is None:
                raise
            raise refused from error


def _refusal(error: Exception) -> Refused | None:
    """What a fault that we know means to the caller; None for any other."""
    from streams.broker.topics import BrokerUnreachable
    from streams.cli.view_client import ViewSaysNo, ViewUnreachable
    from streams.config import ConfigurationError
    from streams.engine.log import LogError

    match error:
        case ConfigurationError():
            return Refused(str(error), Exit.CONFIGURATION)
        case BrokerUnreachable() | LogError():
            return Refused(str(error), Exit.BROKER)
        case ViewUnreachable():
            return Refused(str(error), Exit.VIEW)
        case ViewSaysNo():
            perhaps = (f"perhaps {each}" for each in error.candidates)
            lines = (error.detail, error.next_step, *perhaps)
            return Refused("\n".join(line for line in lines if line), Exit.FINDINGS)
        case _:
            return None


@click.group(
    cls=Commands,
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
    for name in slipwatch.list_commands(root):
        command = slipwatch.get_command(root, name)
        assert command is not None, "it is listed"
        parts += _described(name, command, root)
    return "\n\n".join(parts) + "\n"


def _described(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent, name, terminal_width=PAGE_COLUMNS)
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for child_name, child in sorted(command.commands.items()):
            yield from _described(child_name, child, context)
