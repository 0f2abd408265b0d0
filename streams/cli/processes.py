"""`slipwatch worker`, `view` and `demo`: the commands that run until they are stopped.

What runs is imported by the command itself: Faust and the web server take a second to load, which
nobody should wait for who only asks a question.
"""

from __future__ import annotations

import datetime as dt
import signal
import threading
from pathlib import Path

import click

from schemas.units import instant, millis
from streams.cli.session import Refused, Session, finish, pass_session
from streams.engine.clock import Clock, FileClock, ScaledClock, WallClock
from streams.exits import Exit


@click.command()
@click.option("--name", help="This worker's name, unlike any other's. [default: host and port]")
@click.option(
    "--clock-from",
    metavar="TIME",
    help="For simulations: time begins here (RFC 3339) and not with the machine's clock.",
)
@click.option(
    "--clock-speed",
    type=click.FloatRange(0.001, 1_000_000),
    default=1.0,
    help="For simulations: how many times faster time runs than the machine's.",
)
@click.option(
    "--clock-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="For simulations: time is what the simulator wrote to this file last.",
)
@pass_session
def worker(
    session: Session,
    name: str | None,
    clock_from: str | None,
    clock_speed: float,
    clock_file: Path | None,
) -> None:
    """Run a worker: the engine, delivery, and /health, /ready and /metrics over HTTP.

    Start as many as there are partitions; Kafka shares the work out. SIGTERM stops it within ten
    seconds, without losing or repeating anything.

    \b
    Examples:
      slipwatch worker
      SLIPWATCH_WEB__PORT=0 slipwatch worker --name second
    """
    from streams.app.outlets import make_sinks
    from streams.app.process import WorkerOptions, check_topics, default_name, run

    settings = session.settings
    session.start_logs()
    clock = _clock(clock_from, clock_speed, clock_file)
    wall = WallClock()
    sinks = make_sinks(settings, lambda: instant(wall.now()))
    check_topics(settings)
    chosen = name or default_name(settings)

    def announce(address: str) -> None:
        click.echo(f"slipwatch worker {chosen} listens on {address}")

    finish(Exit(run(settings, sinks, WorkerOptions(chosen, clock, announce))))


def _clock(begins: str | None, speed: float, file: Path | None) -> Clock:
    if file is not None:
        if begins is not None:
            raise click.UsageError("--clock-file and --clock-from exclude each other")
        try:
            return FileClock(file)
        except (ValueError, OSError) as error:
            raise click.BadParameter(str(error), param_hint="--clock-file") from error
    if begins is None:
        if speed != 1.0:
            raise click.UsageError("--clock-speed needs --clock-from")
        return WallClock()
    try:
        moment = dt.datetime.fromisoformat(begins)
        return ScaledClock(millis(moment), speed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--clock-from") from error


@click.command()
@pass_session
def view(session: Session) -> None:
    """Run the view: it follows the topics and answers people over HTTP, as of one tick.

    \b
    Examples:
      slipwatch view
      SLIPWATCH_VIEW__PORT=0 SLIPWATCH_VIEW__DATABASE=sqlite:////tmp/view.db slipwatch view
      SLIPWATCH_VIEW__DATABASE=postgresql://view@db:5432/view slipwatch view
    """
    from console.database import Access, DatabaseError
    from console.server import ViewError, run_view
    from streams.clients import librdkafka_config
    from streams.promising import Promiser

    settings = session.settings
    password = settings.view.database_password
    secret = password.get_secret_value() if password else None
    access = Access(secret, settings.view.database_ca_file)
    session.start_logs()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def announce(port: int) -> None:
        click.echo(f"slipwatch view listens on http://{settings.view.host}:{port}")

    try:
        run_view(
            {name: _text(value) for name, value in librdkafka_config(settings.kafka).items()},
            settings.view.database,
            settings.view.host,
            settings.view.port,
            access=access,
            follows=settings.view.follow,
            ready=announce,
            stop=stop,
            promising=Promiser(),
            topic_prefix=settings.topics.prefix,
        )
    except (ViewError, DatabaseError) as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
