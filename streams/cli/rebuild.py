"""`slipwatch rebuild`: all state anew from the facts and ticks, telling nobody twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from streams.cli.session import Session, finish, json_option, pass_session, print_json
from streams.exits import Exit

if TYPE_CHECKING:
    from streams.replay.rebuild import Rebuilt

TICKS_PER_REPORT = 10_000


@click.command()
@click.option(
    "--accept-differences",
    is_flag=True,
    help="Go on although other things were said than facts, ticks and today's rules demand.",
)
@json_option
@pass_session
def rebuild(session: Session, accept_differences: bool, as_json: bool) -> None:
    """Make all state anew from the recorded facts and ticks.

    Stop all workers first. Runs every recorded tick again, in this process, and writes what
    differs: the state of each stage, statements such as order-status, and where each stage stands.
    What was decided and told stays as it is and is not told again; what is still owed to somebody
    stays owed. If the last tick was cut short, the rest of it is written. The view goes on.

    Writes nothing, and ends with code 1, when decisions, notifications or dead letters are not
    those that facts, ticks and today's rules demand, as after an upgrade that changed rules. With
    --accept-differences the state is then that of today's rules, what was said stays, and what
    these rules would have said in the past is not said.

    Refused (code 4) while a worker is there, and when facts or ticks from the beginning are gone.
    If it is ended half-way, workers refuse to start (code 11): run it again.

    \b
    Examples:
      slipwatch rebuild
      slipwatch rebuild --accept-differences --json
    """
    from streams.clients import engine_group
    from streams.replay.rebuild import rebuild as make

    def report(done: int) -> None:
        if done % TICKS_PER_REPORT == 0:
            click.echo(f"{done} ticks", err=True)

    with session.log() as log:
        group = engine_group(session.settings)
        found = make(log, group, accepts_unlike=accept_differences, on_tick=report)
    if as_json:
        print_json(found)
    else:
        _print(found)
    finish(Exit.OK if found.is_written else Exit.FINDINGS)


def _print(found: Rebuilt) -> None:
    click.echo(f"{found.ticks} ticks were done again, to tick {found.tick}.")
    for each in found.unlike:
        click.echo(
            f"{each.topic}: {each.found} records are there, which are not the {each.expected} that "
            "facts, ticks and today's rules demand"
        )
    if found.unlike and found.rules:
        click.echo(f"Some ticks were cut under other rules: version {', '.join(found.rules)}.")
    if not found.is_written:
        click.echo("Nothing was written. `slipwatch audit` lists what differs.")
        click.echo("To go on by today's rules: slipwatch rebuild --accept-differences")
        return
    click.echo(
        f"{found.state_keys} keys of state: {found.state_changed} were not as they must be. "
        f"{found.statements_changed} statements were written."
    )
    if found.completed:
        click.echo(f"{found.completed} records of the last tick, which was cut short, were added.")
    click.echo("Nobody is told anything again. Start the workers.")
