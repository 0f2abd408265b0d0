"""`slipwatch promise`: a date for an order that does not exist yet, and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.markup import escape

from streams.cli.display import Reader, asks_view, print_table, words
from streams.cli.session import console, finish, print_json
from streams.cli.view_client import Answer
from streams.exits import Exit


@click.command()
@click.argument("item", metavar="ITEM")
@click.argument("quantity", metavar="QTY")
@click.argument("site", metavar="SITE")
@click.option("--by", metavar="DATE", help="The latest date at the site, such as 2026-03-12.")
@click.option("--unit", metavar="UNIT", help="The unit of QTY. [default: the item's own]")
@asks_view
def promise(
    reader: Reader,
    /,
    item: str,
    quantity: str,
    site: str,
    by: str | None,
    unit: str | None,
    as_json: bool,
) -> None:
    """Say for when QTY of ITEM could be promised at SITE, from where, and how sure that is.

    It takes nothing that another order or the safety stock needs, and says which order lines would
    wait if it did. Nothing is reserved by asking. Code 1 when it cannot be promised, or not by the
    date.

    \b
    Examples:
      slipwatch promise BOLT 120 LYON
      slipwatch promise BOLT 120 LYON --by 2026-03-12
    """
    answer = reader.view.get(
        "/v1/promise", item=item, quantity=quantity, site=site, by=by, unit=unit
    )
    found = answer["promise"]
    if as_json:
        print_json(answer)
    else:
        _print_offer(reader, found)
        console().print(reader.as_of(answer))
    if found["promised"] is None or found["is_met"] is False:
        finish(Exit.FINDINGS)


def _print_offer(reader: Reader, found: Answer) -> None:
    console().print(escape(found["text"]))
    taking = found["taking"]
    options = (
        ("Promised", found["promised"]),
        ("From one source", found["from_one_source"]),
        ("Perhaps", found["unsure"]),
        ("If others waited", None if taking is None else taking["option"]),
    )
    for title, option in options:
        if option is not None:
            _print_parts(reader, title, option["parts"], found["unit"])
    if taking is not None and taking["pushed"]:
        print_table(
            ("line", "missing", "needed on", "covered on", "due on", "then expected on"),
            (
                (
                    escape(each["line_id"]),
                    escape(f"{each['missing']} {found['unit']}"),
                    each["needed_on"],
                    each["covered_on"] or "by nothing known",
                    each["due_on"] or "",
                    each["expected_on"] or "",
                )
                for each in taking["pushed"]
            ),
            "Who would wait",
        )
    print_table(
        ("source", "free now", "free by", "of it", "nobody can tell, because"),
        (
            (
                escape(each["site"]),
                each["free_now"] or "",
                each["until_on"] or "",
                each["free"] or "",
                escape(each["unsure"]),
            )
            for each in found["sources"]
        ),
        "Where it could come from",
    )
    if found["sources_left_out"]:
        console().print(f"{found['sources_left_out']} more sites lie further away.")


def _print_parts(reader: Reader, title: str, parts: Iterable[Answer], unit: str) -> None:
    print_table(
        ("from", "quantity", "rests on", "leaves", "lanes", "50 of 100", "80 of 100", "95 of 100"),
        (
            (
                escape(each["site"]),
                escape(f"{each['quantity']} {unit}"),
                words(each["basis"]),
                reader.time(each["leaves_at"]),
                escape(", ".join(each["lanes"])),
                each["p50_on"],
                each["p80_on"],
                each["p95_on"],
            )
            for each in parts
        ),
        title,
    )
