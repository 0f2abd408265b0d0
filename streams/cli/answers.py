"""What people ask the view: orders, alerts, why, numbers that wait, feeds, how things stand."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.markup import escape

from alerts.texts import counted
from schemas.records import AlertState, Severity
from streams.cli.display import (
    SEVERITY_STYLES,
    STANDING_STYLES,
    Reader,
    asks_view,
    money,
    print_fields,
    print_table,
    styled,
    words,
)
from streams.cli.payments import payment_fields
from streams.cli.session import console, finish, print_json
from streams.cli.view_client import Answer, quoted
from streams.exits import Exit

LIMIT = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="Entries to list."
)


class RuleName(click.ParamType):
    """The name of a rule that there is."""

    name = "rule"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The name as it is."""
        from alerts.rules import RULE_BY_NAME

        if value not in RULE_BY_NAME:
            self.fail(f"{value!r} is no rule; there are {', '.join(RULE_BY_NAME)}", param, ctx)
        return str(value)


@click.group()
def order() -> None:
    """Show how orders stand.

    \b
    Examples:
      slipwatch order show 4711
      slipwatch order show 'ACME/4711#10'
    """


@order.command("show")
@click.argument("number", metavar="ID")
@LIMIT
@asks_view
def show_order(
    reader: Reader,
    /,
    number: str,
    limit: int,
    as_json: bool,
) -> None:
    """Show the lines that ID stands for: a line id, an order, a shipment or another number.

    The party that issued the number may be left out where it is clear.
    """
    answer = reader.view.get(f"/v1/orders/{quoted(number)}", limit=limit)
    if as_json:
        print_json(answer)
        return
    for line in answer["lines"]:
        print_line(reader, line)
        console().print()
    if answer["next_after"]:
        console().print("There are more lines; ask with a larger --limit.")
    console().print(reader.as_of(answer))


def print_line(reader: Reader, line: Answer) -> None:
    """One order line: how it stands and why, its promises, quantities and next step."""
    console().print(
        f"[bold]{escape(line['line_id'])}[/]  {styled(line['standing'], STANDING_STYLES)}, "
        f"{words(line['progress'])}: {escape(line['why'])}"
    )
    expected, step = line["expected"], line["next"]
    value = [line] if line["value_minor"] is not None else []
    print_fields(
        (
            (
                "item",
                escape(f"{line['quantities']['ordered']} {line['unit'] or ''} {line['item']}"),
            ),
            ("from", _named(line["supplier"], line["ship_from"])),
            ("to", _named(line["buyer"], line["ship_to"])),
            ("requested", _statement(reader, line["requested"])),
            ("first promise", _statement(reader, line["first_confirmed"])),
            ("last promise", _statement(reader, line["last_confirmed"])),
            ("expected", _expected(reader, expected) if expected else ""),
            ("quantities", _quantities(line["quantities"])),
            ("next", _next_step(reader, step) if step else ""),
            ("shipments", escape(", ".join(line["shipments"]))),
            ("value", money(value)),
            *payment_fields(reader, line["payment"]),
            ("rules that fire", ", ".join(line["rules"])),
            ("blind feeds", escape(", ".join(line["blind_feeds"]))),
            ("last fact", reader.time(line["last_fact_at"])),
        )
    )


def _item(line: Answer) -> str:
    words_of_it = (line["quantities"]["ordered"], line["unit"], line["item"])
    return " ".join(word for word in words_of_it if word)


def _named(party: str | None, site: str | None) -> str:
    return escape(", ".join(part for part in (party, site) if part))


def _statement(reader: Reader, statement: Answer | None) -> str:
    if statement is None:
        return ""
    when = statement["on"] or reader.time(statement["at"])
    told = f"told by {statement['source']} on {reader.time(statement['told_at'])}"
    due = f"falls due {reader.time(statement['due_at'])}; " if statement["due_at"] else ""
    return escape(f"{when} ({due}{told})")


def _expected(reader: Reader, expected: Answer) -> str:
    source = f", {expected['source']}" if expected["source"] else ""
    return escape(f"{reader.time(expected['at'])} (from {words(expected['basis'])}{source})")


def _quantities(quantities: Answer) -> str:
    told = (f"{words(name)} {value}" for name, value in quantities.items() if value != "0")
    return ", ".join(told)


def _next_step(reader: Reader, step: Answer) -> str:
    by = f" by {reader.time(step['by'])}" if step["by"] else ""
    feeds = f", told by {', '.join(step['feeds'])}" if step["feeds"] else ""
    return escape(f"{step['step']}{by}{feeds}")


@click.group()
def alerts() -> None:
    """List and show alerts.

    \b
    Examples:
      slipwatch alerts list
      slipwatch alerts list --severity major --account acme-europe
      slipwatch alerts show 5f21c09b3e7d
    """


@alerts.command("list")
@click.option(
    "--state",
    type=click.Choice([*(each.value for each in AlertState), "all"]),
    default="open",
    show_default=True,
    help="Open ones, resolved ones, or all.",
)
@click.option(
    "--severity",
    type=click.Choice([each.value for each in Severity]),
    help="This severity or worse.",
)
@click.option("--account", help="Only alerts that hit the account.")
@click.option(
    "--rule",
    type=RuleName(),
    metavar="RULE",
    help="Only alerts that rest on the rule; docs/rules.md lists them.",
)
@LIMIT
@asks_view
def list_alerts(reader: Reader, /, as_json: bool, **asked: str | int | None) -> None:
    """List alerts, the most severe first, then the newest."""
    if asked["state"] == "all":
        asked["state"] = None
    answer = reader.view.get("/v1/alerts", **asked)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("alert", "severity", "what", "at risk", "due", "days", "since"),
        (_alert_row(reader, alert) for alert in answer["alerts"]),
    )
    print_end(reader, answer, len(answer["alerts"]), "alert")


def _alert_row(reader: Reader, alert: Answer) -> tuple[str, ...]:
    return (
        escape(alert["alert_id"]),
        styled(alert["severity"], SEVERITY_STYLES),
        escape(f"{alert['title']}\n{alert['cause']}\nNext: {alert['next_step']}"),
        money(alert["value_at_risk"]),
        reader.time(alert["due_at"]),
        "" if alert["days"] is None else str(alert["days"]),
        reader.time(alert["opened_at"]),
    )


def print_end(reader: Reader, answer: Answer, count: int, what: str) -> None:
    """How many of what were listed, whether there are more, and as of which tick."""
    more = ", and more: ask with a larger --limit" if answer.get("next_after") else ""
    console().print(f"{counted(count, what)}{more}. {reader.as_of(answer)}")


@alerts.command("show")
@click.argument("alert_id", metavar="ID")
@asks_view
def show_alert(
    reader: Reader,
    /,
    alert_id: str,
    as_json: bool,
) -> None:
    """Show one alert: its cause, its consequences, its life, and who was told."""
    answer = reader.view.get(f"/v1/alerts/{quoted(alert_id)}")
    if as_json:
        print_json(answer)
        return
    alert = answer["alert"]
    print_alert(reader, alert)
    print_table(
        ("line or feed", "rule", "severity", "what", "days", "value"),
        (
            (
                escape(each["subject"]),
                each["rule"],
                styled(each["severity"], SEVERITY_STYLES),
                escape(each["text"]),
                "" if each["days"] is None else str(each["days"]),
                money([each] if each["value_minor"] is not None else []),
            )
            for each in alert["consequences"]
        ),
        title=f"What it hits: {alert['consequence_count']}",
    )
    print_life(reader, answer)
    console().print(reader.as_of(answer))


def print_alert(reader: Reader, alert: Answer) -> None:
    """The head of an alert."""
    console().print(
        f"[bold]{escape(alert['alert_id'])}[/]  {styled(alert['severity'], SEVERITY_STYLES)}, "
        f"{alert['state']}: {escape(alert['title'])}"
    )
    print_fields(
        (
            ("cause", escape(alert["cause"])),
            ("next step", escape(alert["next_step"])),
            ("due", reader.time(alert["due_at"])),
            ("projected", reader.time(alert["projected_at"])),
            ("days", "" if alert["days"] is None else str(alert["days"])),
            ("value at risk", money(alert["value_at_risk"])),
            ("accounts", escape(", ".join(alert["accounts"]))),
            ("audiences", ", ".join(alert["audiences"])),
            ("rules", ", ".join(alert["rules"])),
            ("opened", reader.time(alert["opened_at"])),
            ("updated", reader.time(alert["updated_at"])),
            ("resolved", reader.time(alert["resolved_at"])),
            ("episode", str(alert["episode"])),
        )
    )


def print_life(reader: Reader, answer: Answer) -> None:
    """What happened to alerts, and who was told, in the order of time."""
    if answer["events"]:
        print_table(
            ("when", "what", "why"),
            (
                (reader.time(each["at"]), words(each["what"]), escape(each["reason"]))
                for each in answer["events"]
            ),
            title="Its life",
        )
    if answer["told"]:
        print_table(
            ("when", "recipient", "what", "why", "delivery"),
            (
                (
                    reader.time(each["at"]),
                    escape(each["recipient"] or ""),
                    words(each["what"]),
                    escape(each["reason"]),
                    escape("\n".join(delivery_lines(reader, each["deliveries"]))),
                )
                for each in answer["told"]
            ),
            title="Who was told",
        )


def delivery_lines(reader: Reader, deliveries: list[Answer]) -> Iterator[str]:
    for each in deliveries:
        outcome = each["outcome"] or "owed"
        at = f" {reader.time(each['at'])}" if each["at"] else ""
        detail = f": {each['detail']}" if each["detail"] else ""
        yield f"{each['sink']}: {outcome}{at}{detail}"


@click.group()
def feeds() -> None:
    """List the sources of facts.

    \b
    Examples:
      slipwatch feeds list
    """


@feeds.command("list")
@asks_view
def list_feeds(
    reader: Reader,
    /,
    as_json: bool,
) -> None:
    """List when each source last spoke, and whether it is blind. Code 1 when one is."""
    answer = reader.view.get("/v1/feeds")
    if as_json:
        print_json(answer)
    else:
        print_table(
            ("source", "state", "last told", "complete to", "expected by", "what"),
            (
                (
                    escape(each["source"]),
                    styled("blind", STANDING_STYLES) if each["blind"] else "speaking",
                    reader.time(each["last_told_at"]),
                    reader.time(each["complete_to"]),
                    reader.time(each["expected_by"]),
                    escape(each["text"]),
                )
                for each in answer["feeds"]
            ),
        )
        print_end(reader, answer, len(answer["feeds"]), "feed")
    if any(each["blind"] for each in answer["feeds"]):
        finish(Exit.FINDINGS)
