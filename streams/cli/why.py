"""`slipwatch explain` and `slipwatch status`: why it says what it says, and how it stands."""

from __future__ import annotations

import datetime as dt

import click
from rich.markup import escape

from alerts.texts import counted
from streams.cli.answers import print_alert, print_life, print_line
from streams.cli.display import (
    SEVERITY_STYLES,
    Reader,
    asks_view,
    print_fields,
    print_table,
    styled,
    words,
)
from streams.cli.session import console, finish, print_json
from streams.cli.stock import print_node
from streams.cli.view_client import Answer
from streams.exits import Exit

HELD_SECONDS = 5.0
"""A tick that takes longer waits for something; one is always on its way."""


@click.command()
@click.argument("asked", metavar="ID")
@click.option("--tick", type=click.IntRange(0), help="As of this earlier tick.")
@asks_view
def explain(
    reader: Reader,
    /,
    asked: str,
    tick: int | None,
    as_json: bool,
) -> None:
    """Explain a line, stock node, alert, notification or feed: facts with sources, promises, what
    each rule says with its figures (also why it is silent), and who was told what and when.

    \b
    Examples:
      slipwatch explain 'ACME/4711#10'
      slipwatch explain 5f21c09b3e7d
      slipwatch explain seaways --tick 8100
    """
    answer = reader.view.get("/v1/explain", id=asked, tick=tick)
    if as_json:
        print_json(answer)
        return
    console().print(
        f"{answer['about']} [bold]{escape(answer['id'])}[/]: {escape(answer['summary'])}"
    )
    about_alert = answer["about"] == "alert"
    if about_alert:
        _print_alerts(reader, answer)
    if answer["asking"]:
        console().print(f"asking the supplier: {escape(answer['asking'])}")
    if answer["order"]:
        print_line(reader, answer["order"])
    if answer["stock"]:
        print_node(reader, answer["stock"])
    _print_facts(reader, answer["facts"])
    _print_verdicts(reader, answer["verdicts"], "What each rule says")
    _print_verdicts(reader, answer["past_verdicts"], "What rules said before")
    if answer["past_verdicts_left_out"]:
        console().print(f"and {answer['past_verdicts_left_out']} more of the past")
    if not about_alert:
        _print_alerts(reader, answer)
    print_life(reader, answer)
    console().print(reader.as_of(answer))


def _print_alerts(reader: Reader, answer: Answer) -> None:
    for alert in answer["alerts"]:
        print_alert(reader, alert)


def _print_facts(reader: Reader, facts: list[Answer]) -> None:
    if facts:
        print_table(
            ("happened", "told", "source", "fact", "details"),
            (
                (
                    reader.time(each["occurred_at"]),
                    reader.time(each["recorded_at"]),
                    escape(each["source"]),
                    f"{each['kind']}: {each['says']}",
                    escape(", ".join(f"{name} {value}" for name, value in each["details"].items())),
                )
                for each in facts
            ),
            title="Facts",
        )


def _print_verdicts(reader: Reader, verdicts: list[Answer], title: str) -> None:
    if verdicts:
        print_table(
            (
                "line or feed",
                "rule",
                "says",
                "why",
                "value",
                "threshold",
                "from",
                "next fires",
                "since",
            ),
            (
                (
                    escape(each["subject"]),
                    each["rule"],
                    each["outcome"],
                    escape(each["text"] or words(each["reason"])),
                    escape(each["value"] or ""),
                    escape(each["threshold"] or ""),
                    escape(each["threshold_source"] or ""),
                    reader.time(each["next_fire_at"]),
                    reader.time(each["at"]),
                )
                for each in verdicts
            ),
            title=title,
        )


@click.command()
@asks_view
def status(
    reader: Reader,
    /,
    as_json: bool,
) -> None:
    """Show how far time has come, what holds it back, and what needs a person.

    Ends with code 1 when something needs one: a view that cannot read, a feed that is blind, a
    parked key, a record that the view cannot read.

    \b
    Examples:
      slipwatch status
      slipwatch status --json
    """
    answer = reader.view.get("/v1/status")
    if as_json:
        print_json(answer)
    else:
        _print_status(reader, answer)
    if answer["view_problem"] or answer["parked"] or answer["unreadable"] or answer["blind_feeds"]:
        finish(Exit.FINDINGS)


def _print_status(reader: Reader, answer: Answer) -> None:
    shown, newest = answer["as_of"], answer["newest_tick"]
    print_fields(
        (
            ("time stands at", _tick(reader, shown) or "no tick has been read"),
            ("newest tick", _newest(reader, answer) if newest else "none has been written"),
            ("lag", f"{counted(answer['facts_behind'], 'record')} of facts not taken in"),
            ("held back by", escape("\n".join(_held_back(answer)))),
            ("hidden facts", escape("\n".join(_held_sources(reader, answer)))),
            ("workers", escape("\n".join(_workers(answer)))),
            ("stages", ", ".join(_stages(reader, answer))),
            ("inputs", ", ".join(_inputs(reader, answer))),
            ("open alerts", ", ".join(_counts(answer["open_alerts"]))),
            ("order lines", ", ".join(_counts(answer["order_lines"]))),
            ("feeds", _feeds(answer)),
            (
                "blind",
                escape("\n".join(f"{f['source']}: {f['text']}" for f in answer["blind_feeds"])),
            ),
            ("dead letters", _waiting(reader, answer["dead_letters"])),
            ("unlinked", _unlinked(reader, answer)),
            ("undelivered", _waiting(reader, answer["undelivered"])),
            ("parked keys", escape("\n".join(_parked(answer)))),
            ("unreadable", escape("\n".join(_unreadable(answer)))),
            ("view", escape(answer["view_problem"] or _level(answer))),
        )
    )


def _feeds(answer: Answer) -> str:
    blind = answer["blind_feeds"]
    quarantined = sum(each["quarantined"] for each in blind)
    rest = f", {quarantined} of them in quarantine" if quarantined else ""
    return f"{answer['feeds']}, {len(blind)} blind{rest}"


def _tick(reader: Reader, tick: Answer | None) -> str:
    return f"{reader.time(tick['at'])} (tick {tick['tick']})" if tick else ""


def _newest(reader: Reader, answer: Answer) -> str:
    rest = "" if answer["newest_is_complete"] else ", a part of a backlog"
    return _tick(reader, answer["newest_tick"]) + rest


def _held_back(answer: Answer) -> list[str]:
    """What the newest tick waits for, once it has waited for longer than a tick takes."""
    since = _seconds_since(answer, "newest_tick_read_at")
    if since is None or since <= HELD_SECONDS:
        return []
    return [
        f"{each['stage']} on {each['topic']}/{each['partition']} stands at tick {each['tick']}"
        + (", partly done" if each["is_partly_done"] else "")
        + (f" (worker {each['worker']})" if each["worker"] else "")
        for each in answer["held_back_by"]
    ]


def _held_sources(reader: Reader, answer: Answer) -> list[str]:
    return [
        f"{each['topic']}/{each['partition']}: a sender's transaction is open since "
        f"{reader.time(each['since'])}"
        for each in answer["held_sources"]
    ]


def _workers(answer: Answer) -> list[str]:
    return [
        f"{each['worker']}: {counted(each['partitions'], 'partition')}, tick {each['tick_min']}"
        + (f", restoring {each['restoring']}" if each["restoring"] else "")
        + (f", copies of {each['copies']} more" if each["copies"] else "")
        + (
            f", waits to know {counted(each['schemas_awaited'], 'schema')} of the registry"
            if each["schemas_awaited"]
            else ""
        )
        + _relaying(each)
        for each in answer["workers"]
    ]


def _relaying(worker: Answer) -> str:
    said = ""
    if worker["relays_to"]:
        behind = worker["relay_behind"]
        said = f", relays to {counted(worker['relays_to'], 'partner')}"
        said += f", {behind} behind" if behind else ""
    if worker["webhooks"]:
        owed, failing = worker["webhooks_owed"], worker["webhooks_failing"]
        said += f", tells {counted(worker['webhooks'], 'partner')} by webhook"
        said += f", {counted(owed, 'line')} owed" if owed else ""
        said += f", {failing} not taking them" if failing else ""
    return said


def _stages(reader: Reader, answer: Answer) -> list[str]:
    """Each stage with the tick, and its time, that its slowest partition has finished."""
    return [
        f"{each['stage']} {each['tick_min']}"
        + (f" ({reader.time(each['at_min'])})" if each["at_min"] else "")
        for each in answer["stages"]
    ]


def _inputs(reader: Reader, answer: Answer) -> list[str]:
    """Each topic of facts with the time up to which the slowest of its partitions is taken in."""
    slowest: dict[str, str] = {}
    for each in answer["partitions"]:
        if each["stage"] == "intake" and each["at"]:
            slowest[each["topic"]] = min(each["at"], slowest.get(each["topic"], each["at"]))
    return [f"{topic} {reader.time(at)}" for topic, at in slowest.items()]


def _counts(counts: dict[str, int]) -> list[str]:
    return [
        f"{count} {styled(name, SEVERITY_STYLES)}" for name, count in counts.items() if count
    ] or ["none"]


def _waiting(reader: Reader, count: Answer) -> str:
    if not count["count"]:
        return "none"
    since = f", the oldest from {reader.time(count['oldest_at'])}" if count["oldest_at"] else ""
    return f"{count['count']}{since}"


def _unlinked(reader: Reader, answer: Answer) -> str:
    numbers = _waiting(reader, answer["unlinked"])
    waiting = answer["facts_waiting"]
    facts = f"{counted(waiting, 'fact')} {'waits' if waiting == 1 else 'wait'}"
    return f"{numbers}; {facts}" if numbers != "none" else numbers


def _blind(answer: Answer) -> list[str]:
    return [f"{each['source']}: {each['text']}" for each in answer["blind_feeds"]]


def _parked(answer: Answer) -> list[str]:
    return [
        f"{each['stage']}/{each['partition']} {each['key']}: {each['error']}"
        for each in answer["parked"]
    ]


def _unreadable(answer: Answer) -> list[str]:
    return [
        f"{each['topic']}/{each['partition']} at offset {each['offset']}: {each['error']}"
        for each in answer["unreadable"]
    ]


def _level(answer: Answer) -> str:
    """How fresh the view is, by its own clock: ticks may go by another."""
    since = _seconds_since(answer, "view_checked_at")
    return "has not read yet" if since is None else f"level with the topics {since:.0f} s ago"


def _seconds_since(answer: Answer, name: str) -> float | None:
    if answer[name] is None:
        return None
    now, then = (dt.datetime.fromisoformat(answer[each]) for each in ("answered_at", name))
    return max(0.0, (now - then).total_seconds())
