"""`slipwatch dead-letters`: records that could not be used, and bringing them back."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Iterator

import click
from rich.markup import escape

from schemas.records import DeadLetter, encode
from schemas.units import instant
from streams.cli.answers import LIMIT, print_end
from streams.cli.display import Reader, asks_view, print_fields, print_table
from streams.cli.session import console, finish, print_json
from streams.cli.view_client import Answer, quoted
from streams.engine.clock import WallClock
from streams.exits import Exit
from streams.sending import Outgoing, Sender

DEAD_LETTERS = "dead-letters"
PAGE = 100


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
@asks_view
def retry(
    reader: Reader,
    /,
    letter_ids: tuple[str, ...],
    every: bool,
    source: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Send the original bytes again to the topic that they came from, and mark them so.

    Both happen in one transaction. What is refused again becomes a new dead letter. One that was
    sent again already is left alone.
    """
    if bool(letter_ids) == every:
        raise click.UsageError("name dead letters, or say --all")
    chosen = letter_ids or tuple(_open_letters(reader, source, reason))
    sender = Sender(reader.session.settings)
    at = instant(WallClock().now())
    sent, skipped = [], []
    for letter_id in chosen:
        letter = reader.view.get(f"/v1/dead-letters/{quoted(letter_id)}")["dead_letter"]
        if letter["retried_at"]:
            skipped.append(letter_id)
            continue
        if letter["value_bytes"] is not None:
            place = f"{letter['topic']}/{letter['partition']} at offset {letter['offset']}"
            raise click.ClickException(
                f"{letter_id} holds only the beginning of {letter['value_bytes']} bytes; the whole "
                f"record lies on {place}"
            )
        sender.send_together(_marked(letter, at))
        sent.append(letter_id)
    if as_json:
        print_json({"sent": sent, "skipped": skipped})
    else:
        console().print(f"{len(sent)} sent again, {len(skipped)} had been sent again before.")
    if not chosen:
        finish(Exit.FINDINGS)


def _open_letters(reader: Reader, source: str | None, reason: str | None) -> Iterator[str]:
    after: str | None = None
    while True:
        page = reader.view.get(
            "/v1/dead-letters",
            source=source,
            reason=reason,
            retried=False,
            limit=PAGE,
            after=after,
        )
        yield from (each["id"] for each in page["dead_letters"])
        after = page["next_after"]
        if after is None:
            return


def _marked(letter: Answer, at: dt.datetime) -> tuple[Outgoing, Outgoing]:
    """The original record, and the dead letter as one that was sent again at the time."""
    key = base64.b64decode(letter["key_base64"]) if letter["key_base64"] else None
    value = base64.b64decode(letter["value_base64"])
    marked = DeadLetter(
        id=letter["id"],
        topic=letter["topic"],
        partition=letter["partition"],
        offset=letter["offset"],
        reason=letter["reason"],
        error=letter["error"],
        tick=letter["tick"],
        at=dt.datetime.fromisoformat(letter["at"]),
        source=letter["source"],
        event_id=letter["event_id"],
        key_bytes=key,
        value=value,
        retried_at=at,
    )
    return (
        Outgoing(letter["topic"], None, key, value),
        Outgoing(DEAD_LETTERS, None, letter["id"].encode(), encode(marked)),
    )
