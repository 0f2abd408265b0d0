"""`slipwatch unlinked`: numbers that stand for no order line yet, and what waits with them."""

from __future__ import annotations

import click
from rich.markup import escape

from streams.cli.answers import LIMIT, print_end
from streams.cli.display import Reader, asks_view, print_table
from streams.cli.session import print_json


@click.group()
def unlinked() -> None:
    """List numbers that stand for no order line yet.

    \b
    Examples:
      slipwatch unlinked list
    """


@unlinked.command("list")
@LIMIT
@asks_view
def list_unlinked(
    reader: Reader,
    /,
    limit: int,
    as_json: bool,
) -> None:
    """List the numbers, the longest waiting first. Their facts join when the link arrives.

    First all that waits is counted, by source and kind.
    """
    answer = reader.view.get("/v1/unlinked", limit=limit)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("source", "kind", "facts waiting", "numbers", "oldest"),
        (
            (
                escape(each["source"]),
                each["kind"],
                str(each["facts"]),
                str(each["numbers"]),
                reader.time(each["oldest_at"]),
            )
            for each in answer["totals"]
        ),
        title="All that waits",
    )
    print_table(
        ("number", "facts waiting", "kinds", "sources", "since"),
        (
            (
                escape(each["number"]),
                str(each["waiting"]),
                ", ".join(each["kinds"]),
                escape(", ".join(each["sources"])),
                reader.time(each["since"]),
            )
            for each in answer["unlinked"]
        ),
    )
    print_end(reader, answer, len(answer["unlinked"]), "number")
