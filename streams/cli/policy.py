"""`slipwatch policy`: check a file, publish it, show what is published."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from alerts.loading import PolicyResult, load_policy
from alerts.policy import Policy
from alerts.texts import counted
from schemas.units import instant
from streams.cli.session import Session, console, finish, json_option, pass_session, print_json
from streams.engine.clock import WallClock
from streams.exits import Exit
from streams.published import read_published
from streams.publishing import Publication
from streams.sending import Sender

TOPIC = "policies"
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.group()
def policy() -> None:
    """Check, publish and show the policy: thresholds, tolerances, recipients.

    \b
    Examples:
      slipwatch policy check examples/policies/default.yaml
      slipwatch policy publish examples/policies/default.yaml
      slipwatch policy show
    """


@policy.command("check")
@click.argument("file", type=FILE)
@json_option
def check_policy(file: Path, as_json: bool) -> None:
    """Check FILE: all errors at once, each with line and field. Code 1 when there are errors."""
    _report(load_policy(file), as_json=as_json)


@policy.command("publish")
@click.argument("file", type=FILE)
@json_option
@pass_session
def publish_policy(session: Session, file: Path, as_json: bool) -> None:
    """Check FILE and publish it as a new version, which the workers take up at a tick."""
    result = load_policy(file)
    if result.policy is None:
        _report(result, as_json=as_json)
        return
    data = result.policy.to_bytes()
    publication = Publication(result.policy.version, data, instant(WallClock().now()))
    records = Sender(session.settings).publish(TOPIC, publication)
    if as_json:
        print_json({"version": result.policy.version, "published": True, "records": records})
        return
    _print(result)
    click.echo(f"Published version {result.policy.version}.")


@policy.command("show")
@json_option
@pass_session
def show_policy(session: Session, as_json: bool) -> None:
    """Show the policy that was published last, whole, as JSON."""
    with session.log() as log:
        versions = list(read_published(log, TOPIC))
    if not versions:
        console().print("No policy is published; the defaults apply.")
        console().print("To publish one: slipwatch policy publish FILE")
        finish(Exit.FINDINGS)
    newest = versions[-1]
    document = Policy.from_bytes(newest.data).document
    if not as_json:
        click.echo(f"policy {newest.version}, published at {newest.published_at.isoformat()}")
    print_json(
        {
            "version": newest.version,
            "published_at": newest.published_at,
            "publications": len(versions),
            "policy": document,
        }
        if as_json
        else document
    )


def _report(result: PolicyResult, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "errors": [dataclasses.asdict(each) for each in result.errors],
                "warnings": [dataclasses.asdict(each) for each in result.warnings],
                "version": result.policy.version if result.policy else None,
            }
        )
    else:
        _print(result)
    if result.policy is None:
        finish(Exit.FINDINGS)


def _print(result: PolicyResult) -> None:
    for error in result.errors:
        click.echo(f"error: {error}")
    for warning in result.warnings:
        click.echo(f"warning: {warning}")
    if result.policy is None:
        click.echo(f"{counted(len(result.errors), 'error')}: not publishable.")
    else:
        click.echo(f"policy {result.policy.version}: no errors.")
