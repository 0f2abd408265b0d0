"""`slipwatch dead-letters`: records that could not be used, and bringing them back."""

from __future__ import annotations

import base64

import click
from rich.markup import escape

from schemas.units import instant
from streams.cli.answers import LIMIT, print_end
from streams.cli.display import Reader, asks_view, print_fields, print_table
from streams.cli.session import (
    Refused,
    Session,
    console,
    finish,
    json_option,
    pass_session,
    print_json,
)
from streams.cli.view_client import quoted
from streams.engine.clock import WallClock
from streams.exits import Exit
from streams.letters import retry_all, retry_named


@click.group("dead-letters")
def dead_letters() -> None:
    """List and show records that could not be used, and send them again after a fix.

    \b
    Examples:
      slipwatch dead-letters list --source seaways
      slipwatch dead-letters show shipments/2/90113
      slipwatch dead-letters retry shipments/2/90113
      slipwatch dead-letters retry --reason missing_field --all
    """


@dead_letters.command("list")
@click.option("--source", help="Only this source's.")
@click.option("--reason", help="Only those refused for this.")
@click.option("--retried/--not-retried", default=None, help="Only those (not) sent again.")
@LIMIT
@asks_view
def list_letters(reader: Reader, /, as_json: bool, **asked: str | int | None) -> None:
    """List dead letters, the newest first."""
    answer = reader.view.get("/v1/dead-letters", **asked)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("dead letter", "source", "reason", "what is wrong", "when", "sent again"),
        (
            (
                escape(each["id"]),
                escape(each["source"] or ""),
                each["reason"],
                escape(each["error"]),
                reader.time(each["at"]),
                reader.time(each["retried_at"]),
            )
            for each in answer["dead_letters"]
        ),
    )
    print_end(reader, answer, len(answer["dead_letters"]), "dead letter")


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@asks_view
def show_letter(
    reader: Reader,
    /,
    letter_id: str,
    as_json: bool,
) -> None:
    """Show one dead letter with its original bytes."""
    answer = reader.view.get(f"/v1/dead-letters/{quoted(letter_id)}")
    if as_json:
        print_json(answer)
        return
    letter = answer["dead_letter"]
    value = base64.b64decode(letter["value_base64"])
    key = base64.b64decode(letter["key_base64"]) if letter["key_base64"] else None
    print_fields(
        (
            ("dead letter", escape(letter["id"])),
            ("from", f"{letter['topic']}/{letter['partition']} at offset {letter['offset']}"),
            ("reason", letter["reason"]),
            ("what is wrong", escape(letter["error"])),
            ("source", escape(letter["source"] or "")),
            ("event", escape(letter["event_id"] or "")),
            ("when", f"{reader.time(letter['at'])} (tick {letter['tick']})"),
            ("sent again", reader.time(letter["retried_at"])),
            ("key", escape(repr(key)) if key is not None else ""),
            (f"value, {letter['value_bytes'] or len(value)} bytes", escape(repr(value))),
        )
    )
    console().print(reader.as_of(answer))


@dead_letters.command("retry")
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that were not sent again yet.")
@click.option("--source", help="With --all: only this source's.")
@click.option("--reason", help="With --all: only those refused for this.")
@json_option
@pass_session
def retry(
    session: Session,
    letter_ids: tuple[str, ...],
    every: bool,
    source: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Send the original records again to the topic that they came from, and mark them so.

    Both happen in one transaction, and what is marked is read from the broker: each record is sent
    once, also when a retry is ended half-way and begun anew. What is refused again becomes an open
    dead letter again. Ends with code 1 where nothing was to be sent or something cannot be sent.
    """
    if bool(letter_ids) == every:
        raise click.UsageError("name dead letters, or say --all")
    at = instant(WallClock().now())
    with session.log() as log:
        found = retry_all(log, source, reason, at) if every else retry_named(log, letter_ids, at)
    if found.unknown:
        raise Refused(f"there is no dead letter {', '.join(found.unknown)}", Exit.FINDINGS)
    if as_json:
        print_json(found)
    else:
        for each in found.unsendable:
            console().print(f"{escape(each.id)} cannot be sent: {escape(each.why)}.")
        console().print(
            f"{len(found.sent)} sent again, {len(found.skipped)} had been sent again before."
        )
    if found.unsendable or not (found.sent or found.skipped):
        finish(Exit.FINDINGS)
