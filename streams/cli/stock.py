"""`slipwatch stock`: what lies where, what is projected, and which nodes need somebody."""

from __future__ import annotations

import click
from rich.markup import escape

from schemas.stock_records import StockStanding
from streams.cli.answers import LIMIT, print_end
from streams.cli.display import Reader, asks_view, print_fields, print_table, styled, words
from streams.cli.session import console, print_json
from streams.cli.view_client import Answer

STOCK_STYLES = {
    "short": "bold red",
    "low": "red",
    "blind": "magenta",
    "over": "yellow",
    "enough": "green",
}


@click.group()
def stock() -> None:
    """List and show stock nodes: an item at a site.

    \b
    Examples:
      slipwatch stock list --standing short
      slipwatch stock show BOLT@LYON
    """


@stock.command("list")
@click.option(
    "--standing",
    type=click.Choice([each.value for each in StockStanding]),
    help="Only those that stand so.",
)
@click.option("--site", metavar="SITE", help="Only those at the site.")
@click.option("--item", metavar="ITEM", help="Only those of the item.")
@LIMIT
@asks_view
def list_stock(
    reader: Reader,
    /,
    standing: str | None,
    site: str | None,
    item: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List stock nodes, those that need somebody first."""
    answer = reader.view.get("/v1/stock", standing=standing, site=site, item=item, limit=limit)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("node", "standing", "on hand", "available", "in transit", "below zero on", "why"),
        (
            (
                escape(each["node_id"]),
                styled(each["standing"], STOCK_STYLES),
                _amount(each, "on_hand"),
                _amount(each, "available"),
                _amount(each, "in_transit"),
                escape((each["projection"] or {}).get("below_zero_on") or ""),
                escape(each["why"]),
            )
            for each in answer["stock"]
        ),
    )
    print_end(reader, answer, len(answer["stock"]), "stock node")


@stock.command("show")
@click.argument("node", metavar="ITEM@SITE")
@asks_view
def show_stock(reader: Reader, /, node: str, as_json: bool) -> None:
    """Show one stock node: its balance, the last count, and what is projected day by day."""
    answer = reader.view.get(f"/v1/stock/{node}")
    if as_json:
        print_json(answer)
        return
    print_node(reader, answer["node"])
    console().print(reader.as_of(answer))


def print_node(reader: Reader, node: Answer) -> None:
    """One stock node with its projection."""
    counted, projection = node["counted"], node["projection"]
    count = ""
    if counted:
        books = f", books {counted['books']}" if counted["books"] is not None else ""
        count = f"{counted['quantity']} on {reader.time(counted['at'])} by {counted['source']}"
        count += books
    print_fields(
        (
            ("node", escape(node["node_id"])),
            ("standing", styled(node["standing"], STOCK_STYLES)),
            ("why", escape(node["why"])),
            ("on hand", _amount(node, "on_hand")),
            ("available", _amount(node, "available")),
            ("blocked", _amount(node, "blocked")),
            ("set aside", _amount(node, "reserved")),
            ("in transit", _amount(node, "in_transit")),
            ("safety stock", _amount(node, "safety_stock")),
            ("counted", escape(count)),
            ("contradictions", str(node["contradictions"] or "")),
            ("rules that fire", ", ".join(words(rule) for rule in node["rules"])),
            ("blind feeds", escape(", ".join(node["blind_feeds"]))),
            ("last fact", reader.time(node["last_fact_at"])),
        )
    )
    if projection:
        print_table(
            ("from", "available"),
            ((each["on"], escape(each["available"])) for each in projection["balances"]),
            f"Projected up to {projection['until_on']}",
        )
        print_table(
            ("on", "comes or goes", "by", "in doubt"),
            (
                (each["on"], escape(each["quantity"]), escape(each["subject"]), each["doubt"] or "")
                for each in projection["flows"]
            ),
            f"What moves: {projection['flow_count']}",
        )


def _amount(node: Answer, name: str) -> str:
    value = node[name]
    return "" if value is None else escape(f"{value} {node['unit'] or ''}".strip())
