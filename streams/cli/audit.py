"""`slipwatch audit`: whether what was written is what the facts and ticks demand."""

from __future__ import annotations

import click

from streams.cli.session import Session, finish, json_option, pass_session, print_json
from streams.exits import Exit

TICKS_PER_REPORT = 500


@click.command()
@json_option
@pass_session
def audit(session: Session, as_json: bool) -> None:
    """Compute anew what every recorded tick should have said, and compare it with what was said.

    Reads all facts and ticks, runs them through the local engine, and compares its records with
    those on the output topics, byte by byte. Writes nothing. Workers may go on meanwhile: a tick
    that they had not finished when it began is left out. Ends with code 1 when something differs.

    \b
    Examples:
      slipwatch audit
      slipwatch audit --json
    """
    from streams.clients import kafka_log
    from streams.replay.audit import audit as compare

    def report(done: int, ticks: int) -> None:
        if done % TICKS_PER_REPORT == 0:
            click.echo(f"{done} of {ticks} ticks", err=True)

    log = kafka_log(session.settings)
    try:
        found = compare(log, report)
    finally:
        log.close()
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.records} records of {found.ticks} ticks compared.")
        for each in found.differences:
            click.echo(
                f"{each.topic}: {each.key or 'a record'} should be there {each.expected} times "
                f"and is there {each.found} times"
            )
        if not found.difference_count:
            click.echo("Everything is as the facts and ticks demand.")
        else:
            click.echo(f"{found.difference_count} records differ.")
    finish(Exit.FINDINGS if found.difference_count else Exit.OK)
