"""`slipwatch door`: facts come in without Kafka; who may tell them is said by tokens."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from schemas.limits import LINK_HOURS_MAX, REFERENCE_LENGTH_MAX
from schemas.partner_sources import PARTNER_MARK, partner_of, partner_source
from schemas.units import HOUR_MS, iso
from streams.cli.display import Reader, asks_view, print_table
from streams.cli.session import (
    Refused,
    Session,
    finish,
    json_option,
    pass_session,
    print_json,
)
from streams.cli.view_client import quoted
from streams.exits import Exit

if TYPE_CHECKING:
    from streams.door.folder import Folder
    from streams.door_settings import DoorSettings


@click.group()
def door() -> None:
    """Take facts in over HTTP and from folders, and say who may tell them.

    \b
    Examples:
      slipwatch door token add acme-1 --party ACME
      slipwatch door run
    """


@door.command("run")
@pass_session
def run(session: Session) -> None:
    """Run the door: POST /facts takes facts, each answered accepted or refused, files that are put
    into the folders of `door.folders` are taken in and reported on, and /answer takes answers of
    partners who were given a link.

    It speaks plain HTTP: put a proxy with TLS before it that lets only /facts and /answer through.
    Any number may run beside each other.

    \b
    Examples:
      slipwatch door run
      SLIPWATCH_DOOR__PORT=0 slipwatch door run
    """
    from streams.door.answering import AnswerDesk
    from streams.door.folder import Folders
    from streams.door.server import Desk, DoorError, run_door
    from streams.door.tokens import Tokens
    from streams.engine.clock import WallClock
    from streams.metrics import door_metrics
    from streams.sending import OpenSender

    settings = session.settings
    session.start_logs()
    _check_tokens(settings.door)
    watched = _folders(settings.door)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def announce(port: int) -> None:
        click.echo(f"slipwatch door listens on http://{settings.door.host}:{port}")

    now = WallClock().now
    metrics = door_metrics()
    sender = OpenSender(settings)
    try:
        run_door(
            Desk(Tokens(settings.door.tokens_file), sender, now, metrics),
            AnswerDesk(settings.door.link_keys_file, sender, now, metrics),
            Folders(watched, sender, now, metrics),
            (settings.door.host, settings.door.port),
            ready=announce,
            stop=stop,
        )
    except DoorError as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error
    finally:
        sender.close()


def _check_tokens(settings: DoorSettings) -> None:
    from streams.door.tokens import TokensRefused, load_tokens

    try:
        load_tokens(settings.tokens_file)
    except FileNotFoundError as error:
        if not settings.folders:
            text = f"{settings.tokens_file} is not there; make it: slipwatch door token add"
            raise Refused(text, Exit.CONFIGURATION) from error
    except OSError as error:
        text = f"{settings.tokens_file}: {error.strerror}"
        raise Refused(text, Exit.CONFIGURATION) from error
    except TokensRefused as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error


def _folders(settings: DoorSettings) -> tuple[Folder, ...]:
    """The folders with their mappings; raises ConfigurationError with all that is wrong."""
    from streams.config import ConfigurationError
    from streams.door.files import unfit
    from streams.door.folder import Folder
    from streams.replay.mapping_file import MappingError, load_mapping

    found: list[Folder] = []
    problems: list[str] = []
    for name, folder in settings.folders.items():
        mapping = None
        if not folder.path.is_dir():
            problems.append(f"door.folders.{name}.path: {folder.path} is no folder")
        try:
            mapping = None if folder.mapping is None else load_mapping(folder.mapping)
            wrong = None if mapping is None else unfit(mapping)
            if wrong is not None:
                problems.append(f"door.folders.{name}.mapping: {folder.mapping}: {wrong}")
        except OSError as error:
            problems.append(f"door.folders.{name}.mapping: {folder.mapping}: {error.strerror}")
        except MappingError as error:
            problems += map(str, error.problems)
        found.append(Folder(name, folder.path, folder.told_by, mapping))
    if problems:
        raise ConfigurationError(tuple(problems))
    return tuple(found)


@door.group("token")
def token() -> None:
    """Make, list and remove tokens.

    A token stands for one source of facts. With --party it is the party's own: what it tells counts
    only of lines that the party buys, supplies or carries. To change a token, add a second one,
    hand it over, and remove the first.

    \b
    Examples:
      slipwatch door token add acme-1 --party ACME
      slipwatch door token list
      slipwatch door token remove acme-1
    """


@token.command("add")
@click.argument("name")
@click.option("--party", help="The party whose token it is.")
@click.option("--source", help="For a system of our own: the source of its facts.")
@json_option
@pass_session
def add(session: Session, name: str, party: str | None, source: str | None, as_json: bool) -> None:
    """Make the token NAME and show it, once: only its hash is kept.

    \b
    Examples:
      slipwatch door token add acme-1 --party ACME
      slipwatch door token add wms --source wms-oslo
    """
    from streams.door.tokens import TokensRefused, add_token

    if (party is None) == (source is None):
        raise click.UsageError("give one of --party and --source")
    told_by = partner_source(party) if party is not None else source or ""
    if source is not None and (not source or source.startswith(PARTNER_MARK)):
        raise click.BadParameter(
            f"{source!r} is no source of our own; a party's token is made with --party",
            param_hint="--source",
        )
    if party is not None and ("/" in party or not party.strip()):
        raise click.BadParameter(f"{party!r} is no id of a party", param_hint="--party")
    if len(told_by) > REFERENCE_LENGTH_MAX:
        raise click.BadParameter(f"longer than {REFERENCE_LENGTH_MAX} characters")
    try:
        made = add_token(session.settings.door.tokens_file, name, told_by)
    except (TokensRefused, OSError) as error:
        raise Refused(str(error), Exit.FINDINGS) from error
    if as_json:
        print_json({"name": name, "source": told_by, "token": made})
        return
    click.echo(f"{made}\n\nIt is shown this once, and stands for the source {told_by}. Try it:\n")
    click.echo(
        f"  curl -H 'Authorization: Bearer {made}' -H 'Content-Type: application/json' \\\n"
        "    --data @facts.json https://YOUR-DOOR/facts"
    )


@token.command("list")
@json_option
@pass_session
def list_tokens(session: Session, as_json: bool) -> None:
    """List the tokens: their names, and whom each stands for."""
    from streams.door.tokens import TokensRefused, load_tokens

    path = session.settings.door.tokens_file
    try:
        tokens = load_tokens(path) if path.exists() else ()
    except (TokensRefused, OSError) as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error
    if as_json:
        print_json(
            {
                "tokens": [
                    {"name": each.name, "source": each.source, "party": partner_of(each.source)}
                    for each in tokens
                ]
            }
        )
        return
    print_table(
        ("token", "source", "party"),
        ((each.name, each.source, partner_of(each.source) or "") for each in tokens),
    )


@token.command("remove")
@click.argument("name")
@json_option
@pass_session
def remove(session: Session, name: str, as_json: bool) -> None:
    """Remove the token NAME: from the next request on it is nobody's.

    \b
    Examples:
      slipwatch door token remove acme-1
    """
    from streams.door.tokens import TokensRefused, remove_token

    try:
        gone = remove_token(session.settings.door.tokens_file, name)
    except (TokensRefused, OSError) as error:
        raise Refused(str(error), Exit.FINDINGS) from error
    if as_json:
        print_json({"name": gone.name, "source": gone.source, "removed": True})
    else:
        click.echo(f"{gone.name} is removed; it stood for {gone.source}.")
    finish(Exit.OK)


@door.command("link-key")
@pass_session
def link_key(session: Session) -> None:
    """Make a key that seals links, or the next one: links of the key before stay good.

    To make old links worthless at once, make a key twice.

    \b
    Examples:
      slipwatch door link-key
    """
    from streams.door.links import KeysRefused, rotate_keys

    path = session.settings.door.link_keys_file
    try:
        count = rotate_keys(path)
    except (KeysRefused, OSError) as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error
    click.echo(f"{path} holds a new key" + ("." if count == 1 else ", and the one before it."))


@door.command("link")
@click.argument("line", metavar="LINE")
@click.option(
    "--hours",
    type=click.IntRange(1, LINK_HOURS_MAX),
    default=72,
    show_default=True,
    help="How long the link is good.",
)
@asks_view
def link(reader: Reader, /, line: str, hours: int, as_json: bool) -> None:
    """Make a link by which the supplier of LINE confirms it, gives dates, splits or rejects it.

    Whoever has the link may answer in the supplier's name until it expires: send it to nobody else.

    \b
    Examples:
      slipwatch door link 'ACME/4711#10'
      slipwatch door link 'ACME/4711#10' --hours 24 --json
    """
    from streams.door.links import KeysRefused, Link, Purpose, answer_url, asked_quantity, load_keys
    from streams.engine.clock import WallClock

    settings = reader.session.settings.door
    found = reader.view.get(f"/v1/orders/{quoted(line)}", limit=2)["lines"]
    if len(found) != 1:
        raise Refused(f"{line} is several lines; name one, as ORDER#LINE", Exit.FINDINGS)
    told = found[0]
    if told["supplier"] is None:
        raise Refused(f"{told['line_id']} has no supplier who could answer", Exit.FINDINGS)
    try:
        keys = load_keys(settings.link_keys_file)
    except FileNotFoundError as error:
        text = f"{settings.link_keys_file} is not there; make it: slipwatch door link-key"
        raise Refused(text, Exit.CONFIGURATION) from error
    except (KeysRefused, OSError) as error:
        raise Refused(str(error), Exit.CONFIGURATION) from error
    expires_at = WallClock().now() + hours * HOUR_MS
    made = Link(
        told["supplier"],
        told["order_ref"],
        told["line"],
        Purpose.ANSWER,
        expires_at,
        told["item"],
        asked_quantity(told["quantities"]["ordered"], told["quantities"]["cancelled"]),
        told["unit"],
        told["buyer"] is not None and told["order_ref"].startswith(f"{told['buyer']}/"),
    )
    base = str(settings.public_url or f"http://{settings.host}:{settings.port}")
    url = answer_url(base, made, keys)
    if as_json:
        print_json({"party": made.party, "expires_at": iso(expires_at), "url": url})
        return
    click.echo(url)
    click.echo(f"For {made.party}, good until {reader.time(iso(expires_at))}.", err=True)
