"""`slipwatch demo`: the whole product on one machine for a minute, on a chain that never was."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from streams.cli.session import Refused, Session, console, json_option, pass_session, print_json
from streams.demo.options import SECONDS_DEFAULT, SEED_DEFAULT, SPEED_DEFAULT, DemoOptions
from streams.settings import LogLevel

if TYPE_CHECKING:
    from streams.demo.demonstration import Demonstration
    from streams.demo.report import Report
    from streams.demo.scene import Display


@click.command()
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=SECONDS_DEFAULT,
    show_default=True,
    help="How long simulated time moves.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=SEED_DEFAULT,
    show_default=True,
    help="Another chain of events for each number; the same number, the same events.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 1_000_000),
    default=SPEED_DEFAULT,
    show_default=True,
    help="Simulated seconds a second; the default is a day every 1.5 seconds.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Leave everything running until Ctrl-C, and say how to ask it.",
)
@json_option
@pass_session
def demo(
    session: Session,
    *,
    seconds: float,
    seed: int,
    speed: float,
    keep: bool,
    as_json: bool,
) -> None:
    """Watch slips being caught in a moving, simulated chain. Needs nothing but this command.

    Starts a broker, a worker and a view on free ports, tells them a chain with faults, and ends
    with how many were caught and how early. It leaves nothing behind, Ctrl-C or not. Settings do
    not count here: the demo has its own.

    \b
    Examples:
      slipwatch demo
      slipwatch demo --seconds 20 --seed 7 --json
      slipwatch demo --keep
    """
    from streams.demo.demonstration import Demonstration
    from streams.demo.processes import DemoFailed
    from streams.demo.report import make_report
    from streams.logs import set_up_logs
    from streams.settings import LogSettings

    set_up_logs(LogSettings(level=LogLevel.ERROR))
    display = _display(as_json=as_json)
    options = DemoOptions(seconds, seed, speed)
    try:
        with Demonstration(options, display) as running:
            try:
                running.start()
                running.run()
            finally:
                display.close()
            report = make_report(running)
            _say(report, keep=keep, as_json=as_json)
            if keep:
                _say_how_to_ask(running, as_json=as_json)
                running.linger()
    except DemoFailed as error:
        raise Refused(str(error), error.code) from error


def _display(*, as_json: bool) -> Display:
    from streams.demo.lines import PlainLines
    from streams.demo.scene import Nothing
    from streams.demo.screen import LiveScreen

    if as_json:
        return Nothing()
    out = console()
    if out.is_terminal and not out.is_dumb_terminal and LiveScreen.fits(out):
        return LiveScreen(out)
    return PlainLines(click.echo)


def _say(report: Report, *, keep: bool, as_json: bool) -> None:
    from streams.cli.invocation import command_words
    from streams.demo.report import told

    if as_json:
        print_json(report)
        return
    width = min(console().width, 100)
    for line in told(report, width, program=command_words(), keep=keep):
        click.echo(line)


def _say_how_to_ask(running: Demonstration, *, as_json: bool) -> None:
    place = running.place
    assert place is not None, "it has run"
    lines = (
        "",
        "Everything is still running, from here on in real time.",
        "In another terminal, in this folder:",
        f"  export SLIPWATCH_KAFKA__BOOTSTRAP_SERVERS={place.bootstrap}",
        f"  export SLIPWATCH_VIEW_URL={place.view_address}",
        f"The worker answers at {place.worker_address}",
        f"and logs notifications in {place.folder / 'worker.log'}.",
        "Ctrl-C ends it.",
    )
    for line in lines:
        click.echo(line, err=as_json)
    sys.stdout.flush()
