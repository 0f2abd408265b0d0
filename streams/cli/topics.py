"""`slipwatch topics`: what there is, what should be, and making it."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.table import Table

from schemas.topics import TOPICS
from streams.broker.topics import TopicAdmin, TopicFinding, TopicState
from streams.cli.session import Session, console, finish, json_option, pass_session, print_json
from streams.exits import Exit


@click.group()
def topics() -> None:
    """List the topics, check them on the broker, create those that are missing.

    \b
    Examples:
      slipwatch topics list
      slipwatch topics create
      slipwatch topics check --json
    """


@topics.command("list")
@json_option
def list_topics(as_json: bool) -> None:
    """List every topic: what it says, its key, who writes and who reads it. Asks no broker."""
    if as_json:
        print_json(TOPICS)
        return
    table = Table(title="Topics", title_justify="left")
    for column in ("topic", "says", "key", "value", "partitions", "kept", "written by", "read by"):
        table.add_column(column, overflow="fold")
    for topic in TOPICS:
        table.add_row(
            topic.name,
            topic.says,
            topic.key,
            topic.value,
            topic.spread.value,
            topic.retention.value,
            ", ".join(topic.writers),
            ", ".join(topic.readers),
        )
    console().print(table)


@topics.command("check")
@json_option
@pass_session
def check_topics(session: Session, as_json: bool) -> None:
    """Compare the topics on the broker with what they should be. Changes nothing.

    Ends with code 1 when a topic is missing or differs in a way that matters.
    """
    settings = session.settings
    _report(TopicAdmin(settings.kafka).check(settings.topics), as_json=as_json)


@topics.command("create")
@json_option
@pass_session
def create_topics(session: Session, as_json: bool) -> None:
    """Create the topics that are missing. What exists is left as it is, and differences are told.

    Partitions and replication come from the settings under `topics`. Ends with code 1 when a topic
    was refused or differs in a way that matters.
    """
    settings = session.settings
    _report(TopicAdmin(settings.kafka).create(settings.topics), as_json=as_json)


def _report(findings: Sequence[TopicFinding], *, as_json: bool) -> None:
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    if not all(finding.is_usable for finding in findings):
        finish(Exit.FINDINGS)


def _print(findings: Sequence[TopicFinding]) -> None:
    table = Table()
    for column in ("topic", "state", "partitions", "what to know and do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        partitions = "" if finding.partitions is None else str(finding.partitions)
        said = "\n".join((*finding.differences, *finding.notes))
        table.add_row(finding.name, finding.state.value, partitions, said)
    out = console()
    out.print(table)
    counts = {state: sum(each.state is state for each in findings) for state in TopicState}
    out.print(", ".join(f"{count} {state.value}" for state, count in counts.items() if count))
    if counts[TopicState.MISSING]:
        out.print("To create what is missing: slipwatch topics create")
